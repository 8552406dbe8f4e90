package sam

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net"
)

func TestCosine(t *testing.T) {
	c := Cosine{Steps: 10}
	assert.Equal(t, 1.0, c.Factor(0))
	assert.InDelta(t, 0.5, c.Factor(5), 1e-15)
	assert.InDelta(t, 0, c.Factor(10), 1e-15)
	assert.InDelta(t, 0, c.Factor(1000), 1e-15, "it stays there")

	c = Cosine{Steps: 12, Warmup: 3, Least: 0.2}
	for step, want := range []float64{0.25, 0.5, 0.75, 1} {
		assert.InDelta(t, want, c.Factor(uint64(step)), 1e-15, "step %d", step)
	}
	assert.InDelta(t, 0.2+0.8*0.75, c.Factor(6), 1e-15, "a third of the way down")
	assert.InDelta(t, 0.2, c.Factor(12), 1e-15)
}

func TestMultiStep(t *testing.T) {
	m := MultiStep{At: []int{2, 5}}
	for step, want := range []float64{1, 1, 0.1, 0.1, 0.1, 0.01, 0.01} {
		assert.InDelta(t, want, m.Factor(uint64(step)), 1e-15, "step %d", step)
	}
	assert.InDelta(t, 0.25, MultiStep{At: []int{0, 1}, By: 0.5}.Factor(3), 1e-15)
}

func TestScheduleErrors(t *testing.T) {
	for want, s := range map[string]LRSchedule{
		"sam: Cosine.Steps is 0, want at least 1":                           Cosine{},
		"sam: Cosine.Warmup is 7, want 0 or more and less than the 7 steps": Cosine{Steps: 7, Warmup: 7},
		"sam: Cosine.Least is 2, want 0 to 1":                               Cosine{Steps: 7, Least: 2},
		"sam: MultiStep.At is [3 3], want steps that ascend from 0 on":      MultiStep{At: []int{3, 3}},
		"sam: MultiStep.By is -1, want a positive number":                   MultiStep{At: []int{3}, By: -1},
	} {
		m, err := net.Compile(net.Shape{2}, net.Dense{Out: 2})
		require.NoError(t, err)
		_, err = New(m, m.Init(1), Config{Batch: 2, Base: SGD{LR: 1}, LRSchedule: s})
		assert.EqualError(t, err, want)
	}
}

// A step's learning rate is the base's times the factor; a step that is refused takes
// none.
func TestScheduleMovesTheLearningRate(t *testing.T) {
	m, err := net.Compile(net.Shape{2}, net.Dense{Out: 2})
	require.NoError(t, err)
	batch := net.Batch{N: 2, X: []float32{1, 2, -1, 3}, Labels: []int32{0, 1}}
	run := func(lrs []float64, s LRSchedule) []float32 {
		p := m.Init(1)
		var opt *Optimizer
		for i, lr := range lrs {
			if i == 0 || s == nil { // without momentum, an optimiser may be a new one
				var err error
				opt, err = New(m, p, Config{Batch: 2, Base: SGD{LR: lr}, LRSchedule: s})
				require.NoError(t, err)
			}
			_, err := opt.Step(batch)
			require.NoError(t, err)
		}
		return p.Values
	}
	want := run([]float64{0.5, 0.25, 0.125}, nil)
	got := run([]float64{0.5, 0.5, 0.5}, MultiStep{At: []int{1, 2}, By: 0.5})
	assert.Equal(t, want, got)
}
