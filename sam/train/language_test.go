package train

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/dataset"
)

// language is a small language model of some tokens in samples of at most length.
func language(t testing.TB, vocabulary, length int) *net.Model {
	return compile(t, net.Shape{length}, net.Embedding{Vocabulary: vocabulary, Width: 4}, net.Dense{Out: vocabulary}, net.NextToken{})
}

// Each token but a sample's first counts, whatever the samples' lengths, and in several batches.
func TestLanguageMetrics(t *testing.T) {
	model := language(t, 3, 4)
	set := &dataset.Set{
		Name: "made", Shape: net.Shape{4}, Vocabulary: 3,
		Tokens: []int32{0, 1, 2 /**/, 1 /**/, 2, 2, 0, 0}, Starts: []int{0, 3, 4, 8},
	}
	nan := float32(math.NaN())
	outputs := []float32{
		0, 2, 0, // 1 follows: right
		1, 1, 1, // 2 follows: wrong, since the first of equals counts
		9, 9, 9, // nothing follows
		9, 9, 9, // nothing follows
		0, 0, 1, // 2 follows: right
		nan, 0, 0, // 0 follows: wrong
		1, 0, 0, // 0 follows: right
		9, 9, 9,
	}
	accuracy := &TokenAccuracy{}
	for range 2 { // Reset begins anew
		require.NoError(t, accuracy.Reset(model, set))
		accuracy.Update(outputs[:4*3], set.Range(0, 2))
		accuracy.Update(outputs[4*3:], set.Range(2, 1))
		assert.Equal(t, []int{3, 5}, []int{accuracy.Correct, accuracy.Total})
		assert.Equal(t, 0.6, accuracy.Value())
	}

	outputs[5*3] = 0 // in place of NaN
	sum := 0.0
	for row, next := range map[int]int{0: 1, 1: 2, 4: 2, 5: 0, 6: 0} {
		total := 0.0
		for _, x := range outputs[row*3:][:3] {
			total += math.Exp(float64(x))
		}
		sum += math.Log(total) - float64(outputs[row*3+next])
	}
	perplexity, loss := &Perplexity{}, &Loss{}
	for range 2 {
		for _, m := range []Metric{perplexity, loss} {
			require.NoError(t, m.Reset(model, set))
			m.Update(outputs[:4*3], set.Range(0, 2))
			m.Update(outputs[4*3:], set.Range(2, 1))
		}
		assert.InEpsilon(t, sum/5, loss.Value(), 1e-6)
		assert.InEpsilon(t, math.Exp(sum/5), perplexity.Value(), 1e-6)
	}
	assert.Equal(t, 5, loss.Terms)
	assert.True(t, perplexity.Better(10, 20))
	assert.True(t, accuracy.Better(0.5, 0.25))
}

// A model with equal odds has the vocabulary's size as perplexity, and it doesn't matter how many
// samples are predicted at a time.
func TestEvaluateLanguage(t *testing.T) {
	const vocabulary, length = 700, 40
	model := language(t, vocabulary, length)
	set := dataset.SyntheticText(vocabulary, 2, length, 0, 2000, 1)
	assert.Less(t, together(model, set), set.Len(), "several parts")
	assert.LessOrEqual(t, together(model, set)*length*vocabulary, evaluatedFloats)
	params := model.Init(1)
	clear(params.Values)
	scores, err := Evaluate(model, params, set, &Loss{}, &Perplexity{}, &TokenAccuracy{})
	require.NoError(t, err)
	assert.InEpsilon(t, vocabulary, scores["perplexity"], 1e-5)
	assert.InEpsilon(t, math.Log(vocabulary), scores["loss"], 1e-6)
	zeros := 0
	for i := range set.Len() {
		for at := set.Starts[i] + 1; at < set.Starts[i+1]; at++ {
			if set.Tokens[at] == 0 {
				zeros++
			}
		}
	}
	assert.Equal(t, float64(zeros)/float64(len(set.Tokens)-set.Len()), scores["token accuracy"])
}

func TestLanguageErrors(t *testing.T) {
	model := language(t, 5, 8)
	pooled := compile(t, net.Shape{8}, net.Embedding{Vocabulary: 5, Width: 4}, net.Pooling{}, net.Dense{Out: 3})
	set := dataset.SyntheticText(5, 2, 8, 3, 10, 1)
	evaluate := func(model *net.Model, set *dataset.Set, metrics ...Metric) error {
		_, err := Evaluate(model, model.Init(1), set, metrics...)
		return err
	}
	assert.NoError(t, evaluate(pooled, set, &Loss{}, &Accuracy{}, &F1{}, &Matthews{}))
	for _, m := range []Metric{&Perplexity{}, &TokenAccuracy{}} {
		err := evaluate(pooled, set, m)
		assert.EqualError(t, err, m.Name()+" of made-up text of 2 to 8 tokens: the model is no language model: its loss isn't net.NextToken")
	}
	for want, call := range map[string]func() error{
		"train: synthetic:8 has samples of 8, and the model takes text": func() error { return evaluate(model, dataset.Synthetic(net.Shape{8}, 3, 2, 1), &Loss{}) },
		"train: made-up text of 8 tokens has samples of text, and the model takes 8 numbers": func() error {
			return evaluate(compile(t, net.Shape{8}, net.Dense{Out: 3}), dataset.SyntheticText(5, 8, 8, 3, 2, 1), &Loss{})
		},
		"train: made-up text of 8 tokens has a vocabulary of 6 tokens, and the model one of 5":    func() error { return evaluate(model, dataset.SyntheticText(6, 8, 8, 0, 2, 1), &Loss{}) },
		"train: made-up text of 9 tokens has texts of up to 9 tokens, and the model takes 8":      func() error { return evaluate(model, dataset.SyntheticText(5, 9, 9, 0, 2, 1), &Loss{}) },
		"loss of made-up text of 1 tokens: each of the 2 samples has one token, want two or more": func() error { return evaluate(model, dataset.SyntheticText(5, 1, 1, 0, 2, 1), &Loss{}) },
	} {
		assert.ErrorContains(t, call(), want)
	}
	assert.NoError(t, evaluate(model, dataset.SyntheticText(4, 2, 7, 0, 5, 1), &Loss{}), "a smaller vocabulary, and shorter texts")
}
