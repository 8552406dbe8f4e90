package sam

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/internal/ref"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/optim"
)

// The noise is Gaussian, on weights alone, another in each step and for each seed, and none of a
// team's doing.
func TestNoise(t *testing.T) {
	const sigma = 0.5
	model, err := net.Compile(net.Shape{100}, net.Dense{Out: 700}, net.LayerNorm{}, net.Dense{Out: classes})
	require.NoError(t, err)
	noise := func(seed, step uint64, workers int, groups ...optim.Group) []float32 {
		params := model.Init(1)
		o, err := New(model, params, Config{
			Teacher: Teacher{Weight: 1, Noise: sigma}, Seed: seed, Groups: groups, Base: optim.SGD{LR: 0.1}, Batch: 8, Workers: workers,
		})
		require.NoError(t, err)
		o.noise.draw(o.team, o.cfg.Seed, step, sigma, params.Values)
		drawn := slices.Clone(o.noise.sum)
		for i, w := range params.Values {
			drawn[i] -= w
		}
		return drawn
	}
	first := noise(1, 0, 1)
	assert.Equal(t, first, noise(1, 0, 3))
	require.Len(t, first, model.NumParams())
	for _, other := range [][]float32{noise(1, 1, 1), noise(2, 0, 1)} {
		assert.Less(t, math.Abs(correlation(first, other)), 5/math.Sqrt(float64(len(first))))
	}
	// Each parameter has its own random bits, wherever its run begins and ends.
	for from := range 9 {
		for to := from; to < 40; to++ {
			n := &noises{spans: []num.Span{num.Range(from, to)}, seed: 3, sigma: sigma, w: first[:45], sum: make([]float32, 45)}
			want := slices.Clone(n.w)
			n.Do(0, 0)
			got := n.sum
			n.sum = want
			for i := from; i < to; i++ {
				n.addOne(i)
			}
			require.Equal(t, want, got, "%d to %d", from, to)
		}
	}
	for _, v := range model.Params() {
		equal := !slices.ContainsFunc(v.Of(first), func(x float32) bool { return x != 0 })
		assert.Equal(t, len(v.Shape) == 1, equal, v.Name)
	}
	for _, g := range []optim.Group{{Match: optim.Names("0.*"), Frozen: true}, {Match: optim.Names("0.*"), Unperturbed: true}} {
		some := noise(1, 0, 1, g)
		for _, v := range model.Params() {
			if v.Name[:2] == "0." {
				assert.Equal(t, make([]float32, v.Shape.Size()), v.Of(some))
			} else {
				assert.Equal(t, v.Of(first), v.Of(some))
			}
		}
	}

	const n = 1 << 20
	x := make([]float64, n)
	mean, square, fourth := 0.0, 0.0, 0.0
	for i := range x {
		x[i] = float64(normalOrTail(uint32(mix(uint64(i) * golden))))
		mean, square, fourth = mean+x[i]/n, square+x[i]*x[i]/n, fourth+x[i]*x[i]*x[i]*x[i]/n
	}
	assert.InDelta(t, 0, mean, 5/math.Sqrt(n))
	assert.InDelta(t, 1, square, 5*math.Sqrt(2)/math.Sqrt(n))
	assert.InDelta(t, 3, fourth, 5*math.Sqrt(96)/math.Sqrt(n))
	slices.Sort(x)
	apart := 0.0
	for i, v := range x {
		apart = max(apart, math.Abs((float64(i)+0.5)/n-math.Erfc(-v/math.Sqrt2)/2))
	}
	assert.Less(t, apart, 1.95/math.Sqrt(n), "Kolmogorov and Smirnov, 0.1%")
	assert.Greater(t, x[n-1], 4.2)
	assert.Less(t, x[0], -4.2)
}

// Numbers between those of the table are where the quantiles are.
func TestNormalBetweenQuantiles(t *testing.T) {
	for cell := range uint32(cells) {
		for _, rest := range []uint32{0, 1 << 19, 1<<20 + 5, 1<<21 - 1} {
			bits := cell<<(32-cellBits) | rest
			z := float64(normalOrTail(bits))
			assert.InDelta(t, (float64(bits)+0.5)/(1<<32), math.Erfc(-z/math.Sqrt2)/2, math.Ldexp(1, -16))
		}
	}
}

func correlation(x, y []float32) float64 {
	a, b := ref.Float64s(x), ref.Float64s(y)
	return ref.Dot(a, b) / (ref.Norm(a) * ref.Norm(b))
}
