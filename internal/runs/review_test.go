package runs

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/dataset"
)

// passthrough is a model whose logits are the first two values of a sample.
func passthrough(t *testing.T) (*net.Model, *net.Params) {
	model, err := net.Compile(net.Shape{2}, net.Dense{Out: 2})
	require.NoError(t, err)
	params := model.Init(1)
	copy(params.Values, []float32{1, 0, 0, 1, 0, 0})
	return model, params
}

// The mistakes are the most confident ones, the first sample first where two are alike. The
// confusion has all.
func TestReviewMistakes(t *testing.T) {
	model, params := passthrough(t)
	set := &dataset.Set{Name: "made up", Shape: net.Shape{2}, Classes: 2}
	const n = 100
	for i := range n { // samples 0, 3, 6 ... are of class 1 and look like class 0, ever less
		x, label := []float32{float32(5 - i/6), 0}, int32(0)
		if i%3 == 0 {
			x, label = []float32{float32(n-i/6*6) / 10, 0}, 1
		} else if x[0] < 1 {
			x[0] = 1
		}
		set.X, set.Labels = append(set.X, x...), append(set.Labels, label)
	}
	seen := 0
	r, err := NewReview(t.Context(), model, params, set, func(samples int) { seen = samples })
	require.NoError(t, err)
	assert.Equal(t, n, seen)
	assert.Equal(t, n, r.Samples)
	assert.Equal(t, [][]int{{66, 0}, {34, 0}}, r.Confusion)
	assert.InDelta(t, 0.66, r.Scores["accuracy"], 1e-9)
	assert.NotContains(t, r.Scores, reviewerName)
	assert.NotContains(t, r.Scores, "top-5 accuracy")
	require.Len(t, r.Mistakes, mostMistakes)
	for i, m := range r.Mistakes {
		assert.Equal(t, Mistake{3 * i, 1, 0, Softmax(set.X[3*i*2:][:2])[0]}, m)
		if i > 0 {
			assert.LessOrEqual(t, m.Probability, r.Mistakes[i-1].Probability)
		}
	}
}

// Of a regression, pairs are spread over the set, and there is no confusion.
func TestReviewPairs(t *testing.T) {
	model, err := net.Compile(net.Shape{1}, net.Dense{Out: 1}, net.MSE{})
	require.NoError(t, err)
	params := model.Init(1)
	copy(params.Values, []float32{2, 1})
	set := &dataset.Set{Name: "made up", Shape: net.Shape{1}}
	const n = 3 * mostPairs
	for i := range n {
		set.X, set.Targets = append(set.X, float32(i)), append(set.Targets, float32(2*i+1))
	}
	r, err := NewReview(t.Context(), model, params, set, nil)
	require.NoError(t, err)
	assert.Equal(t, 1.0, r.Scores["r2"])
	assert.Nil(t, r.Confusion)
	assert.Empty(t, r.Mistakes)
	require.Len(t, r.Pairs, mostPairs)
	for i, p := range r.Pairs {
		assert.Equal(t, Pair{3 * i, float64(6*i + 1), float64(6*i + 1)}, p)
	}
}

func TestSoftmax(t *testing.T) {
	assert.Equal(t, []float64{0.5, 0.5}, Softmax([]float32{1e30, 1e30}))
	p := Softmax([]float32{0, float32(math.Log(3)), -math.MaxFloat32})
	assert.InDeltaSlice(t, []float64{0.25, 0.75, 0}, p, 1e-7, fmt.Sprint(p))
}
