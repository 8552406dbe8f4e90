// Package zoo has ready models. Begin with [Lookup], which returns a row of [Models] by its name.
// Compile makes a model of images for samples of any shape that fits, CompileText one of text for
// any vocabulary and length. [MLP], [LeNet], [CIFARResNet], [ResNet18] and [WideResNet] do the same
// without a name.
//
// Models end in outputs for classes, and in net.SoftmaxCrossEntropy. They can end in numbers to
// predict and net.MSE, too, by Regressor and RegressorText. Language models predict the next token
// instead.
package zoo

import (
	"fmt"
	"slices"

	"github.com/dustin/go-humanize/english"

	"github.com/steppe-ml/steppe/internal/lookup"
	"github.com/steppe-ml/steppe/net"
)

// Model is one row of the table of models. Either Layers or Text is set.
type Model struct {
	Name  string    // that Lookup and the command take
	About string    // one line for a list of models
	Input net.Shape // usual shape of a sample, such as MNIST's or CIFAR's, or tokens of text; benchmarks use it
	Batch int       // usual number of samples of a batch; benchmarks use it
	// Layers returns the layers for samples of shape input, up to a Dense with that many outputs.
	Layers func(input net.Shape, outputs int) ([]net.Layer, error)

	// Text returns the layers for samples of text of at most length tokens, whose ids are below
	// vocabulary, up to a Dense with that many outputs. Those of a language model end in logits of
	// the vocabulary, and outputs is 0.
	Text       func(vocabulary, length, outputs int) ([]net.Layer, error)
	Vocabulary int  // usual number of token ids of a model over text; benchmarks use it
	Language   bool // a language model over text: it predicts each token from those before it
}

// Compile makes the model for samples of shape input in classes. A shape that is too small for it,
// fewer than two classes, or a model over text are an error.
func (m Model) Compile(input net.Shape, classes int) (*net.Model, error) {
	layers, err := m.layers(input, classes)
	return m.compile(input, layers, err)
}

// Regressor makes the model for samples of shape input that have targets instead of a class: that
// many numbers, predicted with the least mean squared error. A shape that is too small for it, no
// targets, or a model over text are an error.
func (m Model) Regressor(input net.Shape, targets int) (*net.Model, error) {
	layers, err := m.layers(input, targets)
	return m.compile(input, append(layers, net.MSE{}), err)
}

// CompileText makes the model for samples of text in classes: of at most length tokens, whose ids
// are below vocabulary. For a language model classes is 0. Anything less than 1, fewer than two
// classes, or a model that doesn't read text are an error.
func (m Model) CompileText(vocabulary, length, classes int) (*net.Model, error) {
	layers, err := m.textLayers(vocabulary, length, classes)
	if m.Language {
		layers = append(layers, net.NextToken{})
	}
	return m.compile(net.Shape{length}, layers, err)
}

// RegressorText makes the model for samples of text that have that many numbers as targets, as
// Regressor does. A language model is an error.
func (m Model) RegressorText(vocabulary, length, targets int) (*net.Model, error) {
	layers, err := m.textLayers(vocabulary, length, targets)
	if err == nil && m.Language {
		err = fmt.Errorf("zoo: %s is a language model: it predicts tokens, not %d targets", m.Name, targets)
	}
	return m.compile(net.Shape{length}, append(layers, net.MSE{}), err)
}

// HasBlocks reports whether the model is made of transformer blocks.
func (m Model) HasBlocks() bool {
	var layers []net.Layer
	var err error
	switch {
	case m.Text == nil:
		layers, err = m.Layers(m.Input, 2)
	case m.Language:
		layers, err = m.Text(m.Vocabulary, m.Input[0], 0)
	default:
		layers, err = m.Text(m.Vocabulary, m.Input[0], 2)
	}
	return err == nil && slices.ContainsFunc(layers, func(l net.Layer) bool { _, is := l.(net.TransformerBlock); return is })
}

// WithDropout returns m with dropout at that rate, from 0 to less than 1, in its transformer
// blocks. It has the same parameters. A model without such blocks, and another rate, are an error.
func (m Model) WithDropout(rate float64) (Model, error) {
	switch {
	case !(rate >= 0 && rate < 1):
		return Model{}, fmt.Errorf("zoo: a dropout rate of %v, want 0 or more and less than 1", rate)
	case rate > 0 && !m.HasBlocks():
		return Model{}, fmt.Errorf("zoo: %s has no transformer blocks to drop elements in: %s do", m.Name, series(Model.HasBlocks))
	}
	drop := func(layers []net.Layer, err error) ([]net.Layer, error) {
		for i, l := range layers {
			if block, ok := l.(net.TransformerBlock); ok {
				block.Dropout = rate
				layers[i] = block
			}
		}
		return layers, err
	}
	if layers := m.Layers; layers != nil {
		m.Layers = func(input net.Shape, outputs int) ([]net.Layer, error) { return drop(layers(input, outputs)) }
	}
	if text := m.Text; text != nil {
		m.Text = func(vocabulary, length, outputs int) ([]net.Layer, error) {
			return drop(text(vocabulary, length, outputs))
		}
	}
	return m, nil
}

func (m Model) layers(input net.Shape, outputs int) ([]net.Layer, error) {
	if m.Layers == nil {
		return nil, fmt.Errorf("zoo: %s reads text, not samples of shape %v: %s read those", m.Name, input, series(func(m Model) bool { return m.Layers != nil }))
	}
	return m.Layers(input, outputs)
}

func (m Model) textLayers(vocabulary, length, outputs int) ([]net.Layer, error) {
	switch {
	case m.Text == nil:
		return nil, fmt.Errorf("zoo: %s reads no text: %s do", m.Name, series(func(m Model) bool { return m.Text != nil }))
	case m.Language && outputs != 0:
		return nil, fmt.Errorf("zoo: %s is a language model, which has no classes: %d outputs, want 0", m.Name, outputs)
	}
	return m.Text(vocabulary, length, outputs)
}

// Names lists the models for which is holds, in the order of Models.
func Names(is func(Model) bool) (list []string) {
	for _, m := range Models {
		if is(m) {
			list = append(list, m.Name)
		}
	}
	return list
}

// series is Names in words.
func series(is func(Model) bool) string { return english.OxfordWordSeries(Names(is), "and") }

// compile compiles layers unless there is an error already.
func (Model) compile(input net.Shape, layers []net.Layer, err error) (*net.Model, error) {
	if err != nil {
		return nil, err
	}
	return net.Compile(input, layers...)
}

// compiled returns a function that compiles layers.
func compiled(layers func(input net.Shape, outputs int) ([]net.Layer, error)) func(input net.Shape, outputs int) (*net.Model, error) {
	return Model{Layers: layers}.Compile
}

var (
	mnist = net.Shape{28, 28, 1}
	cifar = net.Shape{32, 32, 3}
)

// The usual text: sentences and short paragraphs, in words and pieces of words.
const (
	textBatch      = 64
	textVocabulary = 8000
	bertVocabulary = 30522 // of BERT's uncased models
)

var textLength = net.Shape{64}

// Models lists the models.
var Models = []Model{
	{
		Name:  "mlp",
		About: "two hidden layers of 512 features with ReLU",
		Input: mnist, Batch: 256,
		Layers: func(_ net.Shape, outputs int) ([]net.Layer, error) { return mlp(outputs, 512, 512), nil },
	},
	{
		Name:  "lenet",
		About: "two convolutions with max pooling, and a hidden layer of 128 features",
		Input: mnist, Batch: 256, Layers: lenet,
	},
	{Name: "resnet20", About: "ResNet-20 for small images", Input: cifar, Batch: 128, Layers: cifarResNet(20)},
	{Name: "resnet32", About: "ResNet-32 for small images", Input: cifar, Batch: 128, Layers: cifarResNet(32)},
	{Name: "resnet56", About: "ResNet-56 for small images", Input: cifar, Batch: 128, Layers: cifarResNet(56)},
	{
		Name:  "resnet18",
		About: "ResNet-18, with a 3x3 stem for images below 64 pixels",
		Input: cifar, Batch: 128, Layers: resNet18,
	},
	{
		Name:  "wrn16-4",
		About: "Wide ResNet of 16 layers and four times the channels",
		Input: cifar, Batch: 128, Layers: wideResNet(16, 4),
	},
	{
		Name:  "vit-tiny",
		About: "vision transformer of six blocks of 192 features, on patches of 4x4 pixels",
		Input: cifar, Batch: 128, Layers: size{blocks: 6, width: 192, heads: 3}.vit,
	},
	{
		Name:  "text-tiny",
		About: "encoder of text shaped as BERT, two blocks of 128 features",
		Input: textLength, Batch: textBatch, Vocabulary: textVocabulary,
		Text: size{blocks: 2, width: 128, heads: 2}.bert,
	},
	{
		Name:  "text-mini",
		About: "encoder of text shaped as BERT, four blocks of 256 features",
		Input: textLength, Batch: textBatch, Vocabulary: textVocabulary,
		Text: size{blocks: 4, width: 256, heads: 4}.bert,
	},
	{
		Name:  "text-small",
		About: "encoder of text shaped as BERT, four blocks of 512 features",
		Input: textLength, Batch: textBatch, Vocabulary: textVocabulary,
		Text: size{blocks: 4, width: 512, heads: 8}.bert,
	},
	{
		Name:  "bert-base",
		About: "BERT: twelve blocks of 768 features",
		Input: net.Shape{128}, Batch: 32, Vocabulary: bertVocabulary,
		Text: size{blocks: 12, width: 768, heads: 12}.bert,
	},
	{
		Name:  "gpt-tiny",
		About: "language model as GPT, four blocks of 128 features",
		Input: textLength, Batch: textBatch, Vocabulary: textVocabulary, Language: true,
		Text: size{blocks: 4, width: 128, heads: 2}.gpt,
	},
	{
		Name:  "gpt-mini",
		About: "language model as GPT, six blocks of 256 features",
		Input: textLength, Batch: textBatch, Vocabulary: textVocabulary, Language: true,
		Text: size{blocks: 6, width: 256, heads: 4}.gpt,
	},
}

// Lookup returns the row of Models with that name. The error for another name lists all names.
func Lookup(name string) (Model, error) {
	return lookup.Row("model", Models, func(m Model) string { return m.Name }, name)
}
