package optim

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/internal/simdtest"
	"github.com/steppe-ml/steppe/net"
)

// stepRefused takes a step that must be refused, and requires that it changes nothing.
func stepRefused(t *testing.T, o *Optimizer, gradient []float32) error {
	t.Helper()
	values, state := slices.Clone(o.values), o.State()
	_, err := o.Step(gradient)
	require.ErrorIs(t, err, ErrRefused)
	require.Equal(t, values, o.values)
	require.Equal(t, state, o.State())
	return err
}

func allFinite(vectors ...[]float32) bool {
	return !slices.ContainsFunc(vectors, func(v []float32) bool { return num.FirstNonFinite(v) >= 0 })
}

func TestRefusedGradient(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	o := newOptimizer(t, viewsOf(2, chunk, 3), noise(1, chunk+5), Config{Rule: AdamW{LR: 0.1}, Workers: 2})
	g := noise(2, chunk+5)
	for _, c := range []struct {
		index int
		value float32
		want  string
	}{
		{0, nan, "optim: step refused: the gradient of element 0 of p0 is NaN, want a finite number"},
		{chunk + 1, inf, "optim: step refused: the gradient of element 16383 of p1 is +Inf, want a finite number"},
		{chunk + 4, -inf, "optim: step refused: the gradient of element 2 of p2 is -Inf, want a finite number"},
	} {
		bad := slices.Clone(g)
		bad[c.index] = c.value
		assert.EqualError(t, stepRefused(t, o, bad), c.want)
		_, err := o.Step(g)
		require.NoError(t, err, "the step after a refused one")
	}
	assert.Equal(t, uint64(3), o.Steps())
	_, err := o.Step(g[1:])
	assert.EqualError(t, err, "optim: gradient of 16388 values, want 16389, one a parameter")
}

// Weight decay can make parameters grow without bound though no gradient does: each step up to the
// last finite one is taken, and the next is refused again and again.
func TestRunawayIsRefused(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		for _, rule := range []Rule{SGD{LR: 1, WeightDecay: 3}, SGD{LR: 1, Momentum: 0.5, WeightDecay: 8}, AdamW{LR: 1, WeightDecay: 3}} {
			const n = chunk + 9 // two chunks
			values, want := noise(1, n), noise(1, n)
			o := newOptimizer(t, viewsOf(2, n-2), values, Config{Rule: rule, Workers: 2})
			state := make([][]float32, rule.StateVectors())
			for i := range state {
				state[i] = make([]float32, n)
			}
			h := rule.Hyper()
			zeros := make([]float32, n)
			for step := range uint64(1000) {
				rule.Update(Step{Number: step, LearningRate: h.LearningRate, WeightDecay: h.WeightDecay, GradScale: 1}, want, zeros, state)
				if !allFinite(append(state, want)...) {
					require.Greater(t, step, uint64(20))
					for range 2 {
						err := stepRefused(t, o, zeros)
						assert.ErrorContains(t, err, "optim: step refused: the update makes ")
					}
					break
				}
				_, err := o.Step(zeros)
				require.NoError(t, err, "%+v, step %d", rule, step)
				require.True(t, slices.Equal(want, values), "%+v, step %d", rule, step)
			}
			require.Less(t, o.Steps(), uint64(1000), "%+v", rule)
		}
	})
}

func TestRefusedUpdateNamesTheElement(t *testing.T) {
	values := []float32{1, 2, -3e38}
	o := newOptimizer(t, viewsOf(1, 2), values, Config{Rule: SGD{LR: 1, Momentum: 0.5}})
	assert.EqualError(t, stepRefused(t, o, []float32{1, 1, 1e38}),
		"optim: step refused: the update makes element 1 of p1 -Inf, want a finite number (from value -3e+38, gradient 1e+38, learning rate 1, weight decay 0)")

	o = newOptimizer(t, viewsOf(3), []float32{1, 2, 3}, Config{Rule: AdamW{LR: 1}})
	assert.EqualError(t, stepRefused(t, o, []float32{1, 1e30, 1}),
		"optim: step refused: the update makes state vector 1 of element 1 of p0 +Inf, want a finite number (from value 2, gradient 1e+30, learning rate 1, weight decay 0)")

	// The learning rate and the weight decay are those of the element's group.
	o = newOptimizer(t, viewsOf(1, 2), []float32{1, 2, -3e38}, Config{
		Rule:   SGD{LR: 1, WeightDecay: 0.5},
		Groups: []Group{{Match: Names("p1"), LRFactor: 4, WeightDecay: new(0.25)}},
	})
	assert.EqualError(t, stepRefused(t, o, []float32{1, 1, 1e38}),
		"optim: step refused: the update makes element 1 of p1 -Inf, want a finite number (from value -3e+38, gradient 1e+38, learning rate 4, weight decay 0.25)")
}

// Whoever writes a value that isn't finite between two steps is told so, too.
func TestParametersThatArentFinite(t *testing.T) {
	inf := float32(math.Inf(-1))
	_, err := New(viewsOf(2, 1), []float32{1, 2, inf}, Config{Rule: SGD{LR: 1}})
	assert.EqualError(t, err, "optim: element 0 of p1 is -Inf, want a finite number")

	for _, rule := range []Rule{SGD{LR: 0.1, WeightDecay: 0.1}, AdamW{LR: 0.1}, lion{LR: 0.1}} {
		values := []float32{1, 2, 3}
		o := newOptimizer(t, viewsOf(2, 1), values, Config{Rule: rule})
		_, err := o.Step([]float32{1, 1, 1})
		require.NoError(t, err)
		values[1] = inf
		assert.ErrorContains(t, stepRefused(t, o, []float32{1, 1, 1}), "element 1 of p0", "%+v", rule)
	}
}

// A learning rate beyond float32 is met in the step whose schedule makes it.
func TestRateBeyondFloat32(t *testing.T) {
	for _, rule := range []Rule{SGD{LR: 1}, AdamW{LR: 1}} {
		o := newOptimizer(t, viewsOf(2), []float32{1, 2}, Config{Rule: rule, Schedule: given{1e39}})
		stepRefused(t, o, []float32{0, 0})
	}
}

// Bound must be sound: where it excludes an overflow, no vectors of these magnitudes overflow, and
// they stay below the bounds.
func TestBound(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		magnitude := func() float64 { return math.Pow(10, -30+68*r.Float64()) }
		for _, rule := range []Bounder{
			SGD{LR: 1}, SGD{LR: 1, Momentum: 0.9}, SGD{LR: 1, Momentum: 0.1, Nesterov: true},
			AdamW{LR: 1}, AdamW{LR: 1, Epsilon: 1e-38}, AdamW{LR: 1, Beta1: 0.999, Beta2: 0.1, Epsilon: 100},
		} {
			excluded := 0
			for range 5000 {
				at := Step{Number: r.Uint64N(10), LearningRate: magnitude(), GradScale: 1 / float32(1+r.IntN(3))}
				if r.IntN(2) == 0 {
					at.WeightDecay = magnitude()
				}
				w, g := magnitude(), magnitude()
				state := make([]float64, rule.StateVectors())
				vectors := make([][]float32, len(state))
				for i := range state {
					state[i] = magnitude()
				}
				values, gradient := make([]float32, 16), make([]float32, 16)
				for k := range values {
					values[k], gradient[k] = sign(k)*float32(w), sign(k>>1)*float32(g)
				}
				for i := range state {
					vectors[i] = make([]float32, 16)
					for k := range values {
						vectors[i][k] = sign(k>>2) * float32(state[i])
						if _, ok := rule.(AdamW); ok && i == 1 {
							vectors[i][k] = max(0, vectors[i][k]) // at its largest, and 0
						}
					}
				}
				bound := rule.Bound(at, w, g, state)
				if !(bound <= limit) || slices.ContainsFunc(state, func(b float64) bool { return !(b <= limit) }) {
					continue
				}
				excluded++
				rule.Update(at, values, gradient, vectors)
				for k := range values {
					within := math.Abs(float64(values[k])) <= bound*(1+rounding)+tiny
					for i := range state {
						within = within && math.Abs(float64(vectors[i][k])) <= state[i]*(1+rounding)+tiny
					}
					if !within {
						require.Failf(t, "beyond the bound", "%+v, %+v: w %v, bound %v; state %v, bounds %v", rule, at, values[k], bound, vectors, state)
					}
				}
			}
			assert.Greater(t, excluded, 200, "%+v: too few cases", rule)
		}
	})
}

func sign(bit int) float32 { return float32(1 - 2*(bit&1)) }

// The bounds are worth their name: over a long run of the usual settings nothing is tried, and the
// state isn't read for new bounds after the first step.
func TestBoundsSuffice(t *testing.T) {
	for _, rule := range []Rule{SGD{LR: 0.1, Momentum: 0.9, WeightDecay: 1e-4}, SGD{LR: 0.1, Momentum: 0.99, Nesterov: true}, AdamW{LR: 1e-3, WeightDecay: 0.01}} {
		o := newOptimizer(t, viewsOf(40, 60), noise(1, 100), Config{Rule: rule, Groups: []Group{NoDecay(net.Bias)}})
		g := noise(2, 100)
		for step := range 5000 {
			_, err := o.Step(g)
			require.NoError(t, err)
			for _, b := range o.update.bounds {
				require.LessOrEqual(t, b, 1e30, "%+v, step %d", rule, step)
			}
		}
		assert.Nil(t, o.update.trials, "%+v", rule)
	}
}

// Settings whose bounds never suffice are tried each step, and train all the same.
func TestTriedStepsHaveTheSameBits(t *testing.T) {
	const n = 2*chunk + 33
	rule := AdamW{LR: 0.01, Epsilon: 1e-38}
	values, want := noise(1, n), noise(1, n)
	o := newOptimizer(t, viewsOf(n-100, 100), values, Config{Rule: rule, Workers: 2})
	state := [][]float32{make([]float32, n), make([]float32, n)}
	for step := range 5 {
		g := noise(uint32(step+2), n)
		rule.Update(Step{Number: uint64(step), LearningRate: 0.01, GradScale: 1}, want, g, state)
		_, err := o.Step(g)
		require.NoError(t, err)
	}
	assert.NotNil(t, o.update.trials)
	assert.Equal(t, want, values)
	assert.Equal(t, state, o.State().Vectors)
}
