package flatness

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/ref"
	"github.com/steppe-ml/steppe/net"
)

// parabola is the least squares of y = w x + b: its Hessian is [[3, 1], [1, 2]] everywhere, and it
// is 0 at w = 2, b = -1.
func parabola(t testing.TB) *Surface {
	t.Helper()
	model, err := net.Compile(net.Shape{1}, net.Dense{Out: 1}, net.MSE{})
	require.NoError(t, err)
	b := net.Batch{N: 4, X: []float32{-1, 0, 1, 2}, Targets: []float32{-3, -1, 1, 3}}
	s, err := New(model, &net.Params{Values: []float32{2, -1}}, []net.Batch{b}, Config{Seed: 3})
	require.NoError(t, err)
	return s
}

// At the minimum of a parabola the worst rise in a ball is half the largest eigenvalue times rho^2,
// and the average rise is half the mean eigenvalue times rho^2. If the ball is adaptive, they are
// those of T H T.
func TestSharpnessOfAParabola(t *testing.T) {
	ctx := context.Background()
	const rho = 0.3
	for _, gaussian := range []bool{false, true} {
		found, err := parabola(t).Sharpness(ctx, Ball{Rho: rho, Steps: 30, Draws: 2000, Gaussian: gaussian})
		require.NoError(t, err)
		assert.InEpsilon(t, (5+math.Sqrt(5))/4*rho*rho, found.Worst, 1e-4)
		assert.InDelta(t, 2.5/2*rho*rho, found.Average, 4*found.StandardError)
		assert.Less(t, found.StandardError, 0.05*found.Average)
	}

	found, err := parabola(t).Sharpness(ctx, Ball{Rho: rho, Adaptive: true, Eta: 0.5, Steps: 30, Draws: 2000})
	require.NoError(t, err)
	const t1, t2 = 2.5, 1 // the weight 2 and eta; the bias
	a, b, c := 3*t1*t1, 1*t1*t2, 2.0*t2*t2
	largest := (a+c)/2 + math.Sqrt((a-c)*(a-c)/4+b*b)
	assert.InEpsilon(t, largest/2*rho*rho, found.Worst, 1e-4)
	assert.InDelta(t, (a+c)/4*rho*rho, found.Average, 4*found.StandardError)
	assert.Equal(t, 0.5, found.Eta)
}

// The first step is SAM's perturbation, the worst rise is at least that of each ascent, and a larger
// ball has a larger one. All are rises of the oracle's loss.
func TestSharpnessAgainstOracle(t *testing.T) {
	ctx := context.Background()
	eachTwin(t, func(t *testing.T, w twin, mode Mode) {
		s := w.surface(t, Config{Seed: 1, Mode: mode})
		p := ref.Float64s(w.params.Values)
		loss, g := w.gradient(mode, p)
		for _, adaptive := range []bool{false, true} {
			scale := make([]float64, len(p))
			for i := range scale {
				scale[i] = 1
			}
			if adaptive {
				for _, v := range w.model.Params() {
					for i := range v.Shape.Size() {
						if at := v.Offset + i; v.Role == net.Weight {
							scale[at] = math.Abs(p[at]) + 0.01
						}
					}
				}
			}
			norm, q := 0.0, append([]float64(nil), p...)
			for i := range p {
				norm += scale[i] * g[i] * scale[i] * g[i]
			}
			last := 0.0
			for _, rho := range []float64{0.05, 0.2} {
				for i := range q {
					q[i] = p[i] + rho*scale[i]*scale[i]*g[i]/math.Sqrt(norm)
				}
				first, _ := w.gradient(mode, q)
				found, err := s.Sharpness(ctx, Ball{Rho: rho, Adaptive: adaptive, Draws: 4})
				require.NoError(t, err)
				assert.InDelta(t, first-loss, found.FirstStep, 1e-5)
				require.Len(t, found.Ascents, 3)
				for _, rise := range found.Ascents {
					assert.LessOrEqual(t, rise, found.Worst)
				}
				assert.GreaterOrEqual(t, found.Worst, found.FirstStep)
				assert.Greater(t, found.Worst, last)
				last = found.Worst
			}
		}
	})
}

// Where the gradient is zero, the ascent begins at random.
func TestSharpnessWithoutGradient(t *testing.T) {
	s := parabola(t)
	found, err := s.Sharpness(context.Background(), Ball{Rho: 0.1, Starts: 1, Steps: 30})
	require.NoError(t, err)
	assert.Zero(t, found.GradientNorm)
	assert.InEpsilon(t, (5+math.Sqrt(5))/4*0.01, found.Worst, 1e-4)
}

// An ascent ends where the loss was largest: no step goes on from a point below one before it.
func TestAscentEndsAtItsTop(t *testing.T) {
	ctx := context.Background()
	below := 0
	eachTwin(t, func(t *testing.T, w twin, mode Mode) {
		s := w.surface(t, Config{Seed: 1, Mode: mode})
		require.NoError(t, s.begin(ctx, "sharpness", 1000))
		for _, rho := range []float64{0.5, 3, 20} {
			a, r := s.newAscent(Ball{Rho: rho, Steps: 12}.resolved()), rand.New(rand.NewPCG(1, 1))
			for start := range 3 {
				rises, err := a.climb(ctx, start, r)
				require.NoError(t, err)
				copy(a.u, a.last)
				a.move(1)
				loss, err := s.gradientAt(ctx, a.w)
				require.NoError(t, err)
				rise, err := a.rise(loss)
				require.NoError(t, err)
				assert.InDelta(t, slices.Max(rises), rise, 1e-6*(1+math.Abs(rise)), "rho %v, start %d: %v", rho, start, rises)
				for i, rise := range rises[1:] {
					if rise < rises[i] {
						below++
					}
				}
			}
		}
	})
	assert.NotZero(t, below, "no step was rejected, so this tests nothing")
}
