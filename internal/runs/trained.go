package runs

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/checkpoint"
	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/net/zoo"
	"github.com/steppe-ml/steppe/sam/train"
)

// Trained is a trained model for use.
type Trained struct {
	Path   string // of the model file
	Meta   checkpoint.Meta
	Model  *net.Model
	Params *net.Params

	by    dataset.MeanStd // that samples are standardized by; none without Meta.Standardize
	input *dataset.Input  // how pictures or rows become samples; nil if the file doesn't say
}

// Open opens the model of a run's folder, or a model file. Of a folder it takes the best epoch's
// parameters, or with last those of the last step.
func Open(path string, last bool) (*Trained, error) {
	file, err := modelFile(path, last)
	if err != nil {
		return nil, err
	}
	t := &Trained{Path: file}
	if t.Meta, err = checkpoint.ReadMeta(file); err != nil {
		return nil, err
	}
	if t.Meta.More["format"] == "pt" {
		return nil, fmt.Errorf("%s has a model as PyTorch has it, want one of Steppe's: steppe import %s --out FILE makes it", file, file)
	}
	if t.input, err = parseInput(t.Meta); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if t.Meta.Model == "" || t.Meta.Input == nil || t.Meta.Classes == 0 && !t.classless() {
		return nil, fmt.Errorf("%s doesn't name its model, want metadata \"model\", \"input\" and \"classes\" as steppe train writes them", file)
	}
	if err := t.compile(); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if t.Meta.Standardize != "" {
		if t.by, err = dataset.ParseMeanStd(t.Meta.Standardize); err != nil {
			return nil, fmt.Errorf("%s: metadata \"standardize\": %w", file, err)
		}
	}
	t.Params, err = checkpoint.Load(file, t.Model)
	return t, err
}

// parseInput returns how outside data becomes samples; nil if a model's file doesn't say.
func parseInput(meta checkpoint.Meta) (*dataset.Input, error) {
	if meta.Preprocess == nil {
		return nil, nil
	}
	input := &dataset.Input{}
	if err := json.Unmarshal(meta.Preprocess, input); err != nil {
		return nil, fmt.Errorf("metadata \"preprocess\": %w", err)
	}
	return input, nil
}

// classless reports whether the model's file says that it predicts numbers or text, not classes.
func (t *Trained) classless() bool {
	switch {
	case t.input == nil:
		return false
	case t.input.Text != nil:
		return t.input.Text.Language || t.input.Text.Label != nil && t.input.Text.Label.Words == nil
	}
	return t.input.Table != nil && t.input.Table.Label.Words == nil
}

// IsText reports whether the model takes texts.
func (t *Trained) IsText() bool { return t.input != nil && t.input.Text != nil }

// Language reports whether the model is a language model.
func (t *Trained) Language() bool { return t.IsText() && t.input.Text.Language }

// compile compiles the model that the file names.
func (t *Trained) compile() error {
	row, err := zoo.Lookup(t.Meta.Model)
	if err != nil {
		return err
	}
	if row.Text != nil && !t.IsText() {
		return fmt.Errorf("%s reads text, and metadata \"preprocess\" has no tokenizer", t.Meta.Model)
	}
	vocabulary := 0
	if t.IsText() {
		if err := t.input.Validate(); err != nil {
			return fmt.Errorf("metadata \"preprocess\": %w", err)
		}
		tokenizer, err := t.input.Text.Open()
		if err != nil {
			return err
		}
		vocabulary = tokenizer.Vocabulary()
	}
	t.Model, err = compile(row, t.Meta.Input, vocabulary, t.Meta.Classes)
	return err
}

// modelFile returns the file of a model: path itself, or the file of a run in a folder.
func modelFile(path string, last bool) (string, error) {
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() {
		return path, nil // which ReadMeta complains about
	}
	file := train.BestFile(path)
	if last {
		file = train.LastFile(path)
	}
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		return file, nil
	}
	if _, err := os.Stat(train.LastFile(path)); err == nil {
		return "", fmt.Errorf("%s has no best.safetensors, since no epoch is finished; --last takes the last step's parameters", path)
	}
	return "", fmt.Errorf("%s is not the folder of a run: it has neither best.safetensors nor last.safetensors", path)
}

// Source returns where the training data was, and false if the file doesn't say.
func (t *Trained) Source() (Source, bool, error) {
	source, ok, err := sourceOf(t.Meta.More)
	if err != nil {
		return Source{}, false, fmt.Errorf("%s: %w", t.Path, err)
	}
	if !ok && t.Meta.Data != "" { // a file from before there was a source
		source, ok = Source{Data: t.Meta.Data}, true
	}
	return source, ok, nil
}

// Test returns the test samples of a source, as the model takes them.
func (t *Trained) Test(source Source) (*dataset.Set, error) {
	var tokenizer []byte
	if t.IsText() {
		source.Length, source.Language, tokenizer = t.input.Text.Length, t.input.Text.Language, t.input.Text.Tokenizer
	}
	_, test, err := source.openBy(tokenizer)
	if err != nil {
		return nil, err
	}
	return t.fit(test)
}

// TestOn returns the samples of other data than the model was trained on, as the model takes them:
// the test samples of a known set. Own pictures, rows and texts are treated as the training samples
// were, and all of them are for the test, unless they have a part for it.
func (t *Trained) TestOn(data string) (*dataset.Set, error) {
	if t.input == nil || !dataset.IsPath(data) {
		return t.Test(Source{Data: data})
	}
	labeled := t.input.LabeledTable
	switch {
	case t.input.Pictures != nil:
		labeled = func(data string) (*dataset.Set, error) { return t.input.LabeledPictures(data, t.ClassNames()) }
	case t.IsText():
		labeled = t.input.LabeledTexts
	}
	test, err := labeled(data)
	if err != nil {
		return nil, err
	}
	return t.fit(test)
}

// fit returns a set standardized for the model, or an error if the model takes other samples.
func (t *Trained) fit(test *dataset.Set) (*dataset.Set, error) {
	if t.IsText() != test.IsText() {
		return nil, fmt.Errorf("%s takes %s, but %s has %s", t.Path, kindOf(t.IsText(), t.Meta.Input), strings.TrimSuffix(test.Name, "/test"), kindOf(test.IsText(), test.Shape))
	}
	if !slices.Equal(test.Shape, t.Meta.Input) || test.Classes != t.Meta.Classes {
		return nil, fmt.Errorf("%s takes samples of %v %s, but %s has %v %s", t.Path,
			t.Meta.Input, inClasses(t.Meta.Classes), strings.TrimSuffix(test.Name, "/test"), test.Shape, inClasses(test.Classes))
	}
	if t.Meta.Standardize == "" {
		return test, nil
	}
	return test.Standardize(t.by)
}

// kindOf says what samples are.
func kindOf(text bool, shape net.Shape) string {
	if text {
		return "texts"
	}
	return fmt.Sprintf("samples of %v", shape)
}

func inClasses(n int) string {
	if n == 1 {
		return "in 1 class"
	}
	return fmt.Sprintf("in %d classes", n)
}

// ClassNames returns what the classes are called: their numbers, if the file has no names.
func (t *Trained) ClassNames() []string {
	return namesOr(t.Meta.ClassNames, t.Meta.Classes)
}

// namesOr returns names, or the numbers of that many classes.
func namesOr(names []string, classes int) []string {
	if names != nil {
		return names
	}
	for class := range classes {
		names = append(names, strconv.Itoa(class))
	}
	return names
}
