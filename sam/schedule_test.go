package sam

import (
	"fmt"
	"math"
	"slices"
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

	c = Cosine{Steps: 9, Least: 0.2}
	assert.InDelta(t, 0.2+0.8*0.75, c.Factor(3), 1e-15, "a third of the way down")
	assert.InDelta(t, 0.2, c.Factor(9), 1e-15)
}

func TestLinear(t *testing.T) {
	l := Linear{Steps: 4, From: 1, To: 3}
	for step, want := range []float64{1, 1.5, 2, 2.5, 3, 3} {
		assert.Equal(t, want, l.Factor(uint64(step)), "step %d", step)
	}
	assert.Equal(t, 0.3, Linear{Steps: 7, From: 1, To: 0.3}.Factor(7), "the end is exact")
}

// A warm-up ends one step before its successor begins.
func TestWarmup(t *testing.T) {
	for _, c := range []struct {
		w    Warmup
		want []float64
	}{
		{Warmup{Steps: 3}, []float64{0.25, 0.5, 0.75, 1, 1, 1}},
		{Warmup{}, []float64{1, 1}},
		{Warmup{Steps: 3, Then: MultiStep{At: []int{2}}}, []float64{0.25, 0.5, 0.75, 1, 1, 0.1}},
		{Warmup{Steps: 1, Then: Cosine{Steps: 2}}, []float64{0.5, 1, 0.5, 0}},
		{Warmup{Steps: 1, Then: Linear{Steps: 2, From: 0.5, To: 0.25}}, []float64{0.25, 0.5, 0.375, 0.25}},
		{Warmup{Steps: 1, Then: Warmup{Steps: 1}}, []float64{0.25, 0.5, 1}},
	} {
		for step, want := range c.want {
			assert.InDelta(t, want, c.w.Factor(uint64(step)), 1e-15, "%+v, step %d", c.w, step)
		}
	}
}

func TestMultiStep(t *testing.T) {
	m := MultiStep{At: []int{2, 5}}
	for step, want := range []float64{1, 1, 0.1, 0.1, 0.1, 0.01, 0.01} {
		assert.InDelta(t, want, m.Factor(uint64(step)), 1e-15, "step %d", step)
	}
	assert.InDelta(t, 0.25, MultiStep{At: []int{0, 1}, By: 0.5}.Factor(3), 1e-15)
}

func TestScheduleErrors(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for want, s := range map[string]Scheduler{
		"Cosine.Steps is 0, want at least 1":                       Cosine{},
		"Cosine.Least is 2, want 0 to 1":                           Cosine{Steps: 7, Least: 2},
		"Cosine.Least is NaN, want 0 to 1":                         Cosine{Steps: 7, Least: nan},
		"Linear.Steps is -1, want at least 1":                      Linear{Steps: -1},
		"Linear.From is -1, want a number that isn't negative":     Linear{Steps: 1, From: -1},
		"Linear.To is +Inf, want a number that isn't negative":     Linear{Steps: 1, To: inf},
		"MultiStep.At is [3 3], want steps that ascend from 0 on":  MultiStep{At: []int{3, 3}},
		"MultiStep.By is -1, want a positive number":               MultiStep{At: []int{3}, By: -1},
		"MultiStep.By is NaN, want a positive number":              MultiStep{At: []int{3}, By: nan},
		"Warmup.Steps is -1, want 0 or more":                       Warmup{Steps: -1},
		"Warmup.Then: Cosine.Steps is 0, want at least 1":          Warmup{Then: Cosine{}},
		"Warmup.Then: Warmup.Then: Cosine.Least is 2, want 0 to 1": Warmup{Then: Warmup{Then: Cosine{Steps: 7, Least: 2}}},
	} {
		m, err := net.Compile(net.Shape{2}, net.Dense{Out: 2})
		require.NoError(t, err)
		_, err = New(m, m.Init(1), Config{Batch: 2, Base: SGD{LR: 1}, LRSchedule: s})
		assert.EqualError(t, err, "sam: LRSchedule: "+want)
	}
}

// given is a user's own schedule.
type given []float64

func (g given) Factor(step uint64) float64 { return g[step] }

// A user's own schedule that goes wrong stops the run, and changes nothing.
func TestScheduleOfOnesOwn(t *testing.T) {
	m, err := net.Compile(net.Shape{2}, net.Dense{Out: 2})
	require.NoError(t, err)
	batch := net.Batch{N: 2, X: []float32{1, 2, -1, 3}, Labels: []int32{0, 1}}
	for _, bad := range []float64{-1, math.NaN(), math.Inf(1)} {
		p := m.Init(1)
		opt, err := New(m, p, Config{Batch: 2, Base: SGD{LR: 1}, LRSchedule: given{0.5, bad}})
		require.NoError(t, err)
		_, err = opt.Step(batch)
		require.NoError(t, err)
		before := slices.Clone(p.Values)
		_, err = opt.Step(batch)
		assert.EqualError(t, err, fmt.Sprintf("sam: LRSchedule's factor of step 1 is %v, want a number that isn't negative", bad))
		assert.Equal(t, before, p.Values)
	}
}

// A step's learning rate is the base's times the factor; a step that is refused takes
// none.
func TestScheduleMovesTheLearningRate(t *testing.T) {
	m, err := net.Compile(net.Shape{2}, net.Dense{Out: 2})
	require.NoError(t, err)
	batch := net.Batch{N: 2, X: []float32{1, 2, -1, 3}, Labels: []int32{0, 1}}
	run := func(lrs []float64, s Scheduler) []float32 {
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
