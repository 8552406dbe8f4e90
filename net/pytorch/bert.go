package pytorch

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/steppe-ml/steppe/net"
)

// bert is the family of encoders shaped as BERT, with the names of Hugging Face's transformers.
const bert = "bert"

const (
	bertPrefix     = "bert."
	bertEpsilon    = 1e-12
	bertWords      = "bert.embeddings.word_embeddings.weight"
	bertPositions  = "bert.embeddings.position_embeddings.weight"
	bertClassifier = "classifier."
	bertPooler     = "bert.pooler."
)

// newBERT returns the layout of a model that is an encoder shaped as BERT with a classifier, nil of
// any other model.
func newBERT(tree []net.Node, params map[string]net.View) *layout {
	m := &matcher{nodes: tree, naming: naming{family: bert, modules: map[string]string{}}}
	blocks, first := 0, false
	if !take(m, "bert.embeddings", func(l net.Embedding) bool {
		return l.Positions == net.LearnedPositions && l.Segments == 2 && !l.Tied
	}) || !take(m, "bert.embeddings.LayerNorm", func(l net.LayerNorm) bool { return l.Epsilon == bertEpsilon }) {
		return nil
	}
	for take(m, "bert.encoder.layer."+strconv.Itoa(blocks), func(l net.TransformerBlock) bool {
		if l.PreNorm || l.Causal || l.Rotary || l.Epsilon != bertEpsilon {
			return false
		}
		first = l.First // and then no block can follow, or Compile would have refused the model
		return true
	}) {
		blocks++
	}
	if blocks == 0 || !first && !take(m, "", func(l net.Pooling) bool { return l.First }) || !take[net.Dense](m, "bert.pooler.dense", nil) ||
		!take[net.Tanh](m, "", nil) || !take[net.Dense](m, "classifier", nil) || !take[net.Loss](m, "", nil) || len(m.nodes) > 0 {
		return nil
	}
	b := &layoutBuilder{params: params, layout: layout{names: m.naming}}
	for _, n := range tree {
		b.bert(n)
	}
	return &b.layout
}

// bert adds the tensors of a layer of BERT.
func (b *layoutBuilder) bert(n net.Node) {
	module := b.names.modules[n.Name]
	switch n.Layer.(type) {
	case net.Embedding:
		b.whole(n.Name+".weight", bertWords)
		b.whole(n.Name+".positions", bertPositions)
		b.whole(n.Name+".segments", module+".token_type_embeddings.weight")
	case net.LayerNorm:
		b.affine(n.Name, module)
	case net.Dense:
		b.linear(n.Name, module, 0, n.Out[0])
	case net.TransformerBlock:
		width := n.In[1]
		for i, name := range []string{"query", "key", "value"} {
			b.linear(n.Name+".attention.qkv", module+".attention.self."+name, i*width, width)
		}
		b.linear(n.Name+".attention.out", module+".attention.output.dense", 0, width)
		b.affine(n.Name+".norm1", module+".attention.output.LayerNorm")
		hidden := b.params[n.Name+".hidden.bias"].Shape.Size()
		b.linear(n.Name+".hidden", module+".intermediate.dense", 0, hidden)
		b.linear(n.Name+".out", module+".output.dense", 0, width)
		b.affine(n.Name+".norm2", module+".output.LayerNorm")
	}
}

// whole adds a tensor that has the same order on both sides.
func (b *layoutBuilder) whole(ours, theirs string) {
	v := b.params[ours]
	stride, axes := v.Shape.Size(), [][]int(nil)
	for _, n := range v.Shape {
		stride /= n
		axes = append(axes, order(nil).axis(n, stride))
	}
	b.tensors = append(b.tensors, tensor{name: theirs, ours: v, axes: axes})
}

// affine adds the scales and shifts of a normalization.
func (b *layoutBuilder) affine(ours, theirs string) {
	b.whole(ours+".scale", theirs+".weight")
	b.whole(ours+".shift", theirs+".bias")
}

// linear adds the weight and the bias of a Linear, which are those of n outputs of a Dense from the
// one of index first on.
func (b *layoutBuilder) linear(ours, theirs string, first, n int) {
	w := b.params[ours+".weight"]
	outputs := make([]int, n)
	for i := range outputs {
		outputs[i] = first + i
	}
	b.tensors = append(b.tensors,
		tensor{name: theirs + ".weight", ours: w, axes: [][]int{outputs, order(nil).axis(w.Shape[0], w.Shape[1])}},
		tensor{name: theirs + ".bias", ours: b.params[ours+".bias"], axes: [][]int{outputs}})
}

// BERT is the size of an encoder shaped as BERT, as its tensors tell it. They don't tell the number
// of attention's heads, each of which has 64 features in published models.
type BERT struct {
	Vocabulary int // token ids
	Positions  int // the most tokens of a sample
	Width      int // features of a token
	Hidden     int // features between the two Dense layers of a block
	Blocks     int
	Outputs    int // of the classifier; 0 if the file has none
}

// BERT returns the size of the encoder in the file. A file without BERT's tensors is an error.
func (f *File) BERT() (size BERT, err error) {
	shape := func(name string, dimensions int) (s net.Shape) {
		full, ok := f.bertName(name)
		if s, _ = f.tensors.Shape(full); !ok && err == nil {
			err = fmt.Errorf("pytorch: %s: no tensor %q: it isn't BERT", f.path, name)
		} else if ok && len(s) != dimensions && err == nil {
			err = fmt.Errorf("pytorch: %s: %s is %v, want %d dimensions", f.path, full, []int(s), dimensions)
		}
		if len(s) != dimensions {
			return make(net.Shape, dimensions)
		}
		return s
	}
	words := shape(bertWords, 2)
	size.Vocabulary, size.Width = words[0], words[1]
	size.Positions = shape(bertPositions, 2)[0]
	size.Hidden = shape("bert.encoder.layer.0.intermediate.dense.weight", 2)[0]
	for ok := true; ok; size.Blocks++ {
		_, ok = f.bertName(fmt.Sprintf("bert.encoder.layer.%d.output.dense.weight", size.Blocks+1))
	}
	if _, ok := f.names[bertClassifier+"weight"]; ok {
		size.Outputs = shape(bertClassifier+"weight", 2)[0]
	}
	return size, err
}

// bertName returns what the file calls one of BERT's tensors: with or without "bert.", and with the
// older names of a normalization's tensors, gamma and beta.
func (f *File) bertName(name string) (full string, ok bool) {
	names := []string{name, strings.TrimPrefix(name, bertPrefix)}
	for _, n := range names {
		n = strings.Replace(n, "LayerNorm.weight", "LayerNorm.gamma", 1)
		names = append(names, strings.Replace(n, "LayerNorm.bias", "LayerNorm.beta", 1))
	}
	for _, n := range names {
		if full, ok = f.names[n]; ok {
			return full, true
		}
	}
	return "", false
}

// Pretrained says which tensors LoadBERT didn't find a use for.
type Pretrained struct {
	Fresh  []string // of the model, by PyTorch's names: they keep their values
	Unused []string // of the file, by its names
}

// LoadBERT sets params to the tensors of BERT in the file, by the names of Hugging Face's
// transformers, whether its encoder is that of a BertModel or a part of another model. model must
// be an encoder of the zoo, or of the same layers, with the file's vocabulary, blocks and widths.
// If it takes fewer tokens than the file has positions for, it gets the first ones.
//
// A classifier in the file is taken if it has the model's number of outputs. If not, and if the
// file has no pooler, those parts of params stay as they are, which Pretrained tells. Anything else
// that is missing or has another shape is an error, and so are values that aren't finite; then
// params is as it was.
func (f *File) LoadBERT(model *net.Model, params *net.Params) (Pretrained, error) {
	if err := model.ValidateParams(params); err != nil {
		return Pretrained{}, fmt.Errorf("pytorch: %w", err)
	}
	l := newBERT(model.Tree(), views(model.Params()))
	if l == nil {
		return Pretrained{}, errors.New("pytorch: the model isn't an encoder shaped as BERT: text-tiny, text-mini, text-small and bert-base are")
	}
	result, found, err := f.matchBERT(l)
	if err != nil {
		return Pretrained{}, fmt.Errorf("pytorch: %s: %w", f.path, err)
	}
	values := slices.Clone(params.Values)
	for i, t := range l.tensors {
		if found[i] == "" {
			continue
		}
		theirs, err := f.tensors.Floats(found[i])
		if err != nil {
			return Pretrained{}, fmt.Errorf("pytorch: %w", err)
		}
		ours, next := t.ours.Of(values), 0
		t.places(func(at int) {
			ours[at] = theirs[next]
			next++
		})
	}
	copy(params.Values, values)
	return result, nil
}

// matchBERT returns the name in the file of each tensor, "" of those that stay as they are.
func (f *File) matchBERT(l *layout) (result Pretrained, found []string, err error) {
	var missing, wrong []string
	used := map[string]bool{}
	found = make([]string, len(l.tensors))
	for i, t := range l.tensors {
		full, ok := f.bertName(t.name)
		shape, _ := f.tensors.Shape(full)
		classifier := strings.HasPrefix(t.name, bertClassifier)
		switch {
		case !ok && (classifier || strings.HasPrefix(t.name, bertPooler)) || classifier && !slices.Equal(shape, t.shape()):
			result.Fresh = append(result.Fresh, t.name)
		case !ok:
			missing = append(missing, fmt.Sprintf("%q %v", t.name, []int(t.shape())))
		case t.name == bertPositions && len(shape) == 2 && shape[0] >= t.shape()[0] && shape[1] == t.shape()[1],
			slices.Equal(shape, t.shape()):
			found[i], used[full] = full, true
		default:
			wrong = append(wrong, fmt.Sprintf("%s is %v, want %v", full, []int(shape), []int(t.shape())))
		}
	}
	if len(missing) > 0 {
		wrong = append([]string{"tensors missing: " + list(missing)}, wrong...)
	}
	blocks := 0
	for _, name := range l.names.modules {
		if strings.HasPrefix(name, "bert.encoder.layer.") {
			blocks++
		}
	}
	if next, ok := f.bertName(fmt.Sprintf("bert.encoder.layer.%d.output.dense.weight", blocks)); ok {
		wrong = append(wrong, fmt.Sprintf("it has %q, and the model has only %d blocks", next, blocks))
	}
	if len(wrong) > 0 {
		return result, nil, errors.New(list(wrong))
	}
	for _, full := range f.tensors.Names() {
		if !used[full] && !strings.HasSuffix(full, "embeddings.position_ids") { // 0, 1, 2 and so on
			result.Unused = append(result.Unused, full)
		}
	}
	return result, found, nil
}
