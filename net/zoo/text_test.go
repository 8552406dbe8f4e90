package zoo

import (
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net"
)

// textBatchOf makes random samples of text of at most length tokens.
func textBatchOf(r *rand.Rand, samples, vocabulary, length int) net.Batch {
	b := net.Batch{N: samples, Starts: []int{0}}
	for range samples {
		for range 1 + r.IntN(length) {
			b.Tokens = append(b.Tokens, r.Int32N(int32(vocabulary)))
		}
		b.Starts = append(b.Starts, len(b.Tokens))
	}
	return b
}

// fits reports whether this machine's int counts the bytes of the model's workspace, which bert-base
// exceeds where an int has 32 bits.
func fits(name string) bool { return strconv.IntSize > 32 || name != "bert-base" }

// The numbers of parameters are those of the published models, by Devlin et al. and by Turc et al.
// (arXiv 1908.08962), which Hugging Face counts: bert-base-uncased, and
// google/bert_uncased_L-2_H-128, L-4_H-256 and L-4_H-512, each without a classifier.
func TestParametersOfBERT(t *testing.T) {
	for name, published := range map[string]int{
		"text-tiny": 4_385_920, "text-mini": 11_170_560, "text-small": 28_763_648, "bert-base": 109_482_240,
	} {
		if !fits(name) {
			continue
		}
		row, err := Lookup(name)
		require.NoError(t, err)
		m, err := row.CompileText(30522, 512, 3)
		require.NoError(t, err, name)
		width := m.Params()[0].Shape[1]
		assert.Equal(t, published+3*(width+1), m.NumParams(), name)
	}
}

// A vision transformer with the sizes of DeiT-tiny (Touvron et al., arXiv 2012.12877: 5 717 416
// parameters) has as many parameters but for the row and the position of its class token.
func TestParametersOfVisionTransformer(t *testing.T) {
	m, err := compiled(size{blocks: 12, width: 192, heads: 3}.vit)(net.Shape{224, 224, 3}, 1000)
	require.NoError(t, err)
	assert.Equal(t, 5_717_416-2*192, m.NumParams())
}

// Every row over text compiles for any vocabulary and length, has a usual size, and predicts.
func TestTextModels(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, row := range Models {
		if row.Text == nil {
			assert.NotNil(t, row.Layers, row.Name)
			assert.Zero(t, row.Vocabulary, row.Name)
			continue
		}
		assert.Nil(t, row.Layers, row.Name)
		assert.Len(t, row.Input, 1, row.Name)
		assert.Positive(t, row.Vocabulary, row.Name)
		outputs, want := 3, net.Shape{3}
		if row.Language {
			outputs, want = 0, net.Shape{9, 50}
		}
		if !fits(row.Name) {
			continue
		}
		m, err := row.CompileText(50, 9, outputs)
		require.NoError(t, err, row.Name)
		assert.Equal(t, want, m.OutputShape(), row.Name)
		assert.Equal(t, 50, m.Vocabulary(), row.Name)
		if m.NumParams() > 20_000_000 {
			continue // others have the same layers
		}
		p, err := m.Predictor(m.Init(1))
		require.NoError(t, err, row.Name)
		b := textBatchOf(r, 3, 50, 9)
		y, err := p.PredictOf(nil, b)
		require.NoError(t, err, row.Name)
		if row.Language {
			assert.Len(t, y, len(b.Tokens)*50, row.Name)
		} else {
			assert.Len(t, y, 9, row.Name)
		}
	}
}

// An encoder makes a model for targets, too, with the same layers before its outputs.
func TestTextRegressor(t *testing.T) {
	row, err := Lookup("text-tiny")
	require.NoError(t, err)
	m, err := row.RegressorText(50, 9, 2)
	require.NoError(t, err)
	assert.Equal(t, net.MSE{}, m.Loss())
	classifier, err := row.CompileText(50, 9, 2)
	require.NoError(t, err)
	assert.Equal(t, classifier.Init(1).Values, m.Init(1).Values)
}

// A model says what it reads, and names those that read something else.
func TestTextErrors(t *testing.T) {
	lookup := func(name string) Model {
		row, err := Lookup(name)
		require.NoError(t, err)
		return row
	}
	text, images, language := lookup("text-tiny"), lookup("lenet"), lookup("gpt-tiny")
	for want, compile := range map[string]func() (*net.Model, error){
		"zoo: text-tiny reads text, not samples of shape 28x28x1: mlp, lenet, resnet20, ":                  func() (*net.Model, error) { return text.Compile(net.Shape{28, 28, 1}, 10) },
		"zoo: gpt-tiny reads text, not samples of shape 5: mlp, ":                                          func() (*net.Model, error) { return language.Regressor(net.Shape{5}, 1) },
		"zoo: lenet reads no text: text-tiny, text-mini, text-small, bert-base, gpt-tiny, and gpt-mini do": func() (*net.Model, error) { return images.CompileText(50, 9, 3) },
		"zoo: gpt-tiny is a language model, which has no classes: 3 outputs, want 0":                       func() (*net.Model, error) { return language.CompileText(50, 9, 3) },
		"zoo: gpt-tiny is a language model: it predicts tokens, not 0 targets":                             func() (*net.Model, error) { return language.RegressorText(50, 9, 0) },
		"Vocabulary is 0, want at least 1":                                                                 func() (*net.Model, error) { return text.CompileText(0, 9, 3) },
		"net: input shape [0], want positive dimensions":                                                   func() (*net.Model, error) { return text.CompileText(50, 0, 3) },
		"Out is 0, want at least 1":                                                                        func() (*net.Model, error) { return text.RegressorText(50, 9, 0) },
	} {
		_, err := compile()
		assert.ErrorContains(t, err, want)
	}
}

// Dropout changes training alone, and leaves a model's parameters as they are called. Only models
// of transformer blocks have a place for it.
func TestWithDropout(t *testing.T) {
	for _, row := range Models {
		dropping, err := row.WithDropout(0.5)
		if !row.HasBlocks() {
			assert.ErrorContains(t, err, "zoo: "+row.Name+" has no transformer blocks to drop elements in: vit-tiny, text-tiny, ")
			same, err := row.WithDropout(0)
			require.NoError(t, err)
			assert.Equal(t, row.Name, same.Name)
			continue
		}
		require.NoError(t, err)
		_, err = row.WithDropout(1)
		assert.EqualError(t, err, "zoo: a dropout rate of 1, want 0 or more and less than 1")
		if row.Name != "text-tiny" {
			continue
		}
		plain, err := row.CompileText(20, 9, 3)
		require.NoError(t, err)
		dropped, err := dropping.CompileText(20, 9, 3)
		require.NoError(t, err)
		for i, v := range plain.Params() {
			assert.Equal(t, v.Name, dropped.Params()[i].Name)
		}
		params, b := plain.Init(1), textBatchOf(rand.New(rand.NewPCG(9, 9)), 4, 20, 9)
		b.Labels = []int32{0, 1, 2, 0}
		without, err := plain.Gradient(params, b, 1, make([]float32, plain.NumParams()))
		require.NoError(t, err)
		with, err := dropped.Gradient(params, b, 1, make([]float32, plain.NumParams()))
		require.NoError(t, err)
		assert.NotEqual(t, without, with)
	}
}
