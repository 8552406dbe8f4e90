package optim

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net"
)

// A run that is stopped in the middle and restored in another Optimizer ends in the same bits.
func TestRestoredRunGoesOn(t *testing.T) {
	const n = chunk + 99
	views := viewsOf(n-30, 30)
	for _, rule := range []Rule{SGD{LR: 0.1, Momentum: 0.9, WeightDecay: 0.1}, AdamW{LR: 0.01}, lion{LR: 0.01}} {
		cfg := Config{Rule: rule, Schedule: Warmup{Steps: 3, Then: Cosine{Steps: 10}}, Clip: 30, Groups: []Group{NoDecay(net.Bias)}}
		run := func(o *Optimizer, from, to int) {
			for step := from; step < to; step++ {
				_, err := o.Step(noise(uint32(step), n))
				require.NoError(t, err)
			}
		}
		want := noise(1, n)
		whole := newOptimizer(t, views, want, cfg)
		run(whole, 0, 10)

		values := noise(1, n)
		first := newOptimizer(t, views, values, cfg)
		run(first, 0, 6)
		state, half := first.State(), slices.Clone(values)
		run(first, 6, 8) // must not reach into the copy

		cfg.Workers = 3
		second := newOptimizer(t, views, half, cfg)
		require.NoError(t, second.Restore(state))
		assert.Equal(t, uint64(6), second.Steps())
		state.Vectors[0][0] = 77 // nor this into second
		run(second, 6, 10)
		assert.Equal(t, want, half, "%+v", rule)
		assert.Equal(t, whole.State(), second.State(), "%+v", rule)
	}
}

func TestRestoreErrors(t *testing.T) {
	o := newOptimizer(t, viewsOf(2, 1), []float32{1, 2, 3}, Config{Rule: AdamW{LR: 0.1}})
	_, err := o.Step([]float32{1, 2, 3})
	require.NoError(t, err)
	before := o.State()
	nan := float32(math.NaN())
	for want, s := range map[string]State{
		`optim: State.Rule is "optim.SGD", want "optim.AdamW", the type of the Optimizer's rule`: {Rule: "optim.SGD", Vectors: [][]float32{{1, 2, 3}, {1, 2, 3}}},
		`optim: State.Rule is "", want "optim.AdamW", the type of the Optimizer's rule`:          {Vectors: [][]float32{{1, 2, 3}, {1, 2, 3}}},
		"optim: state of 1 vectors, and optim.AdamW keeps 2":                                     {Rule: "optim.AdamW", Vectors: [][]float32{{1, 2, 3}}},
		"optim: state vector 1 has 2 values, want 3, one a parameter":                            {Rule: "optim.AdamW", Vectors: [][]float32{{1, 2, 3}, {1, 2}}},
		"optim: state vector 0 is NaN at element 0 of p1, want a finite number":                  {Rule: "optim.AdamW", Vectors: [][]float32{{1, 2, nan}, {1, 2, 3}}},
		"optim: state: element 2 of AdamW's mean of squares is -1, want no negative number":      {Rule: "optim.AdamW", Vectors: [][]float32{{1, 2, 3}, {1, 2, -1}}},
	} {
		assert.EqualError(t, o.Restore(s), want)
		assert.Equal(t, before, o.State())
	}
}

// A restored state whose magnitudes are large has bounds of its own.
func TestRestoredStateIsBounded(t *testing.T) {
	o := newOptimizer(t, viewsOf(1), []float32{1}, Config{Rule: SGD{LR: 10, Momentum: 0.9}})
	_, err := o.Step([]float32{0})
	require.NoError(t, err)
	require.NoError(t, o.Restore(State{Rule: "optim.SGD", Steps: 1, Vectors: [][]float32{{1e38}}}))
	stepRefused(t, o, []float32{0})
}

// The velocity of SGD isn't that of another rule of one vector. A pointer to a rule is that rule.
func TestRestoreComparesTheRule(t *testing.T) {
	sgd := newOptimizer(t, viewsOf(2), []float32{1, 2}, Config{Rule: SGD{LR: 0.1, Momentum: 0.9}})
	_, err := sgd.Step([]float32{1, 1})
	require.NoError(t, err)
	other := newOptimizer(t, viewsOf(2), []float32{1, 2}, Config{Rule: lion{LR: 0.1}})
	assert.EqualError(t, other.Restore(sgd.State()), `optim: State.Rule is "optim.SGD", want "optim.lion", the type of the Optimizer's rule`)
	pointer := newOptimizer(t, viewsOf(2), []float32{1, 2}, Config{Rule: &SGD{LR: 0.2}})
	assert.NoError(t, pointer.Restore(sgd.State()))
	assert.Equal(t, sgd.State(), pointer.State())
}
