package optim

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCosine(t *testing.T) {
	c := Cosine{Steps: 10}
	assert.Equal(t, 1.0, c.Factor(0))
	assert.InDelta(t, 0.5, c.Factor(5), 1e-15)
	assert.InDelta(t, 0, c.Factor(10), 1e-15)
	assert.InDelta(t, 0, c.Factor(1000), 1e-15, "it stays there")

	c = Cosine{Steps: 9, Min: 0.2}
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
		{Warmup{Steps: 3, Then: MultiStep{Milestones: []int{2}}}, []float64{0.25, 0.5, 0.75, 1, 1, 0.1}},
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
	m := MultiStep{Milestones: []int{2, 5}}
	for step, want := range []float64{1, 1, 0.1, 0.1, 0.1, 0.01, 0.01} {
		assert.InDelta(t, want, m.Factor(uint64(step)), 1e-15, "step %d", step)
	}
	assert.InDelta(t, 0.25, MultiStep{Milestones: []int{0, 1}, Gamma: 0.5}.Factor(3), 1e-15)
}

func TestScheduleErrors(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for want, s := range map[string]Schedule{
		"Cosine.Steps is 0, want at least 1":                            Cosine{},
		"Cosine.Min is 2, want 0 to 1":                                  Cosine{Steps: 7, Min: 2},
		"Cosine.Min is NaN, want 0 to 1":                                Cosine{Steps: 7, Min: nan},
		"Linear.Steps is -1, want at least 1":                           Linear{Steps: -1},
		"Linear.From is -1, want a finite number that isn't negative":   Linear{Steps: 1, From: -1},
		"Linear.To is +Inf, want a finite number that isn't negative":   Linear{Steps: 1, To: inf},
		"MultiStep.Milestones is [3 3], want ascending steps from 0 on": MultiStep{Milestones: []int{3, 3}},
		"MultiStep.Milestones is [-1], want ascending steps from 0 on":  MultiStep{Milestones: []int{-1}},
		"MultiStep.Gamma is -1, want a positive finite number":          MultiStep{Milestones: []int{3}, Gamma: -1},
		"MultiStep.Gamma is NaN, want a positive finite number":         MultiStep{Milestones: []int{3}, Gamma: nan},
		"MultiStep.Gamma is +Inf, want a positive finite number":        MultiStep{Milestones: []int{3}, Gamma: inf},
		"Warmup.Steps is -1, want 0 or more":                            Warmup{Steps: -1},
		"Warmup.Then: Cosine.Steps is 0, want at least 1":               Warmup{Then: Cosine{}},
		"Warmup.Then: Warmup.Then: Cosine.Min is 2, want 0 to 1":        Warmup{Then: Warmup{Then: Cosine{Steps: 7, Min: 2}}},
	} {
		assert.EqualError(t, ValidateSchedule(s), want)
		_, err := New(viewsOf(1), []float32{1}, Config{Rule: SGD{LR: 1}, Schedule: s})
		assert.EqualError(t, err, "optim: Schedule: "+want)
	}
	assert.NoError(t, ValidateSchedule(nil))
	assert.NoError(t, ValidateSchedule(given{1}), "a user's own needs no Validate")
}

// given is a user's own schedule.
type given []float64

func (g given) Factor(step uint64) float64 { return g[step] }

func TestFactor(t *testing.T) {
	f, err := Factor(nil, 7)
	require.NoError(t, err)
	assert.Equal(t, 1.0, f)
	f, err = Factor(given{3, 5}, 1)
	require.NoError(t, err)
	assert.Equal(t, 5.0, f)
	_, err = Factor(given{3, -1}, 1)
	assert.EqualError(t, err, "the schedule's factor of step 1 is -1, want a finite number that isn't negative")
}

// A user's own schedule that goes wrong stops the run, and changes nothing.
func TestBadFactorChangesNothing(t *testing.T) {
	for _, bad := range []float64{-1, math.NaN(), math.Inf(1)} {
		values := []float32{1}
		o := newOptimizer(t, viewsOf(1), values, Config{Rule: SGD{LR: 1, Momentum: 0.5}, Schedule: given{0.5, bad}})
		_, err := o.Step([]float32{1})
		require.NoError(t, err)
		state := o.State()
		_, err = o.Step([]float32{1})
		assert.ErrorContains(t, err, "optim: the schedule's factor of step 1 is ")
		assert.NotErrorIs(t, err, ErrRefused)
		assert.Equal(t, []float32{0.5}, values)
		assert.Equal(t, state, o.State())
	}
}

// A factor of 0 leaves the parameters, and the velocity moves on.
func TestFactorOfZero(t *testing.T) {
	values := []float32{1}
	o := newOptimizer(t, viewsOf(1), values, Config{Rule: SGD{LR: 1, Momentum: 0.5}, Schedule: given{0, 1}})
	for range 2 {
		_, err := o.Step([]float32{1})
		require.NoError(t, err)
	}
	assert.Equal(t, []float32{1 - 1.5}, values)
}
