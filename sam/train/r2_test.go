package train

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/net/optim"
	"github.com/steppe-ml/steppe/sam"
)

// line returns n samples of a number x, and the targets 3x+1 and their noise.
func line(n int) *dataset.Set {
	s := dataset.Synthetic(net.Shape{1}, 2, n, 1)
	s.Name, s.Labels, s.Classes = "line", nil, 0
	noise := dataset.Synthetic(net.Shape{1}, 2, n, 2)
	for i, x := range s.X {
		s.Targets = append(s.Targets, 3*x+1, noise.X[i])
	}
	return s
}

// R2 of a set that is predicted in parts is that of the whole, by its definition.
func TestR2(t *testing.T) {
	set := line(evaluated + 100)
	model := compile(t, net.Shape{1}, net.Dense{Out: 2}, net.MSE{})
	params := model.Init(4)
	outputs, err := model.Outputs(params, set.X)
	require.NoError(t, err)
	want := 0.0
	for target := range 2 {
		mean, squares, spread := 0.0, 0.0, 0.0
		for i := range set.Len() {
			mean += float64(set.Targets[2*i+target]) / float64(set.Len())
		}
		for i := range set.Len() {
			y := float64(set.Targets[2*i+target])
			squares += math.Pow(y-float64(outputs[2*i+target]), 2)
			spread += math.Pow(y-mean, 2)
		}
		want += (1 - squares/spread) / 2
	}
	for range 2 { // Reset begins anew
		scores, err := Evaluate(model, params, set, &R2{}, &Loss{})
		require.NoError(t, err)
		assert.InDelta(t, want, scores["r2"], 1e-9)
	}
	assert.True(t, (&R2{}).Better(0.5, -1))
}

func TestR2OfConstants(t *testing.T) {
	model := compile(t, net.Shape{1}, net.Dense{Out: 1}, net.MSE{})
	params := model.Init(1)
	clear(params.Values)
	of := func(y float32) float64 {
		set := &dataset.Set{Name: "same", Shape: net.Shape{1}, X: []float32{1, 2}, Targets: []float32{y, y}}
		scores, err := Evaluate(model, params, set, &R2{})
		require.NoError(t, err)
		return scores["r2"]
	}
	assert.Equal(t, []float64{1, 0}, []float64{of(0), of(2)})
}

func TestR2Errors(t *testing.T) {
	model := compile(t, net.Shape{1}, net.Dense{Out: 1}, net.MSE{})
	_, err := Evaluate(model, model.Init(1), dataset.Synthetic(net.Shape{1}, 2, 5, 1), &R2{})
	assert.ErrorContains(t, err, "r2 of synthetic:1: the set has no targets")
	_, err = Evaluate(model, model.Init(1), line(5), &R2{})
	assert.ErrorContains(t, err, "r2 of line: 10 targets, want 5 for outputs of 1")
}

// A run learns a line, and R2 says so.
func TestRunOfTargets(t *testing.T) {
	set := line(400)
	for i := range set.Len() {
		set.Targets[2*i+1] = -2 * set.X[i]
	}
	rest, held, err := set.Split(100, 1)
	require.NoError(t, err)
	run := &Run{
		Model: compile(t, net.Shape{1}, net.Dense{Out: 2}, net.MSE{}), Seed: 1, Epochs: 20,
		Train: dataset.Loader{Set: rest, Batch: 20}, Valid: held, Metrics: []Metric{&R2{}}, Monitor: "r2",
		Optimizer: sam.Config{Rho: 0.01, Shards: 2, Base: optim.SGD{LR: 0.1}},
	}
	history, err := run.Start(t.Context())
	require.NoError(t, err)
	assert.Greater(t, history.Epochs[19].Valid["r2"], 0.99)
}
