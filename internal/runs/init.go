package runs

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/checkpoint"
	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/net/pytorch"
	"github.com/steppe-ml/steppe/net/zoo"
	"github.com/steppe-ml/steppe/sam/train"
)

// Initialize gives a new run the parameters of the file or the folder that Settings.Init names, if
// there is one: those of a model of Steppe, or of BERT by the names of Hugging Face's transformers.
// fresh lists the tensors that begin anew, since the file has none that fit: those of the last
// layer, or of BERT's pooler.
func (j *Job) Initialize() (fresh []string, err error) {
	s := j.Settings
	if s.Init == "" {
		return nil, nil
	}
	params := j.Model.Init(s.Seed)
	if isModel(s.Init) {
		fresh, err = j.fromModel(params)
	} else {
		fresh, err = j.fromBERT(params)
	}
	if err != nil {
		return nil, fmt.Errorf("--init: %w", err)
	}
	j.Run.Params = params
	return fresh, nil
}

// isModel reports whether a path is the folder of a run, or a model file of Steppe's.
func isModel(path string) bool {
	file, err := modelFile(path, false)
	if err != nil {
		return true // a folder, of which Open says what is missing
	}
	meta, err := checkpoint.ReadMeta(file)
	return err == nil && meta.Model != "" && meta.More["format"] != "pt"
}

// fromModel takes the tensors of a model of Steppe that have the name and the shape of the run's.
func (j *Job) fromModel(params *net.Params) (fresh []string, err error) {
	from, err := Open(j.Settings.Init, false)
	if err != nil {
		return nil, err
	}
	if from.Meta.Model != j.Settings.Model {
		return nil, fmt.Errorf("%s is a %s, and --model is %s", from.Path, from.Meta.Model, j.Settings.Model)
	}
	if from.IsText() && !sameTokenizer(from.input.Text.Tokenizer, j.Train.Input.Text.Tokenizer) {
		return nil, fmt.Errorf("%s has another tokenizer: without --tokenizer, --tokenizer-kind and --vocabulary, the run takes that one", from.Path)
	}
	last := layerOf(j.Model.Params()[len(j.Model.Params())-1].Name)
	if j.Language() {
		last = "" // it is needed whole
	}
	var wrong []string
	take := func(to, there []net.View, values, of []float32) {
		for _, v := range to {
			i := slices.IndexFunc(there, func(other net.View) bool { return other.Name == v.Name })
			switch {
			case i >= 0 && slices.Equal(there[i].Shape, v.Shape):
				copy(v.Of(values), there[i].Of(of))
			case layerOf(v.Name) == last:
				fresh = append(fresh, v.Name)
			case i < 0:
				wrong = append(wrong, fmt.Sprintf("it has no %s", v.Name))
			default:
				wrong = append(wrong, fmt.Sprintf("%s is %v there and %v here", v.Name, there[i].Shape, v.Shape))
			}
		}
	}
	take(j.Model.Params(), from.Model.Params(), params.Values, from.Params.Values)
	take(j.Model.State(), from.Model.State(), params.State, from.Params.State)
	if wrong != nil {
		return nil, fmt.Errorf("%s doesn't fit the model: %s", from.Path, strings.Join(wrong, "; "))
	}
	return fresh, nil
}

// sameTokenizer reports whether two texts of JSON mean the same tokenizer: there are several ways
// to write a string.
func sameTokenizer(a, b json.RawMessage) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}

// layerOf returns the layer in the name of a tensor.
func layerOf(tensor string) string { return tensor[:max(0, strings.LastIndexByte(tensor, '.'))] }

// fromBERT takes the tensors of BERT.
func (j *Job) fromBERT(params *net.Params) (fresh []string, err error) {
	file, err := pytorch.Open(j.Settings.Init)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	size, err := file.BERT()
	if err != nil {
		return nil, fmt.Errorf("%w, and no model of Steppe either", err)
	}
	if row, unknown := zoo.Lookup(j.Settings.Model); unknown == nil && row.Text != nil && size.Vocabulary != j.Train.Vocabulary {
		return nil, fmt.Errorf("%s has a vocabulary of %d tokens, and the data one of %d: --tokenizer FILE takes the vocab.txt that belongs to it",
			j.Settings.Init, size.Vocabulary, j.Train.Vocabulary)
	}
	loaded, err := file.LoadBERT(j.Model, params)
	return loaded.Fresh, err
}

// initTokenizer is the tokenizer of a run on texts that begins with the parameters of another run:
// that run's, by whose tokens they were trained. "" if the run has one of its own, or needs none.
func (s *Settings) initTokenizer() string {
	own := s.Tokenizer != "" || s.Vocabulary != 0 || s.TokenizerKind != Defaults().TokenizerKind
	if s.Init == "" || own {
		return ""
	}
	if input, err := inputOf(s.Init); err != nil || input == nil || input.Text == nil {
		return "" // Initialize says what is wrong
	}
	return s.Init
}

// inputOf returns how samples became those of the model in a run's folder or a file; nil if that
// doesn't say.
func inputOf(path string) (*dataset.Input, error) {
	file, err := modelFile(path, false)
	if err != nil {
		return nil, err
	}
	meta, err := checkpoint.ReadMeta(file)
	if err != nil {
		return nil, err
	}
	input, err := parseInput(meta)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return input, nil
}

// tokenizerOf returns the tokenizer of a run's folder or a model file.
func tokenizerOf(path string) ([]byte, error) {
	input, err := inputOf(path)
	if err != nil {
		return nil, err
	}
	if input == nil || input.Text == nil {
		return nil, fmt.Errorf("%s has no tokenizer: its model wasn't trained on texts", path)
	}
	return input.Text.Tokenizer, nil
}

// KeepTokenizer has Read take the tokenizer that the state in a run's folder has, whatever became
// of the file that it is from.
func (s *Settings) KeepTokenizer(dir string) { s.TakeTokenizer(KeptTokenizer(dir)) }

// KeptTokenizer returns the tokenizer that the state in a run's folder has; nil for none.
func KeptTokenizer(dir string) []byte {
	if input, err := inputOf(train.LastFile(dir)); err == nil && input != nil && input.Text != nil {
		return input.Text.Tokenizer
	}
	return nil
}

// TakeTokenizer is KeepTokenizer for a process that doesn't see the folder: tokenizer is what
// KeptTokenizer has returned elsewhere.
func (s *Settings) TakeTokenizer(tokenizer []byte) { s.kept = tokenizer }
