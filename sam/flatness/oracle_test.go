package flatness

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/mat"

	"github.com/steppe-ml/steppe/conv"
	"github.com/steppe-ml/steppe/internal/ref"
	"github.com/steppe-ml/steppe/internal/simdtest"
	"github.com/steppe-ml/steppe/net"
)

func TestMain(m *testing.M) { simdtest.Main(m) }

// twin is a trained model on some batches, with its oracle in float64.
type twin struct {
	model   *net.Model
	params  *net.Params
	batches []net.Batch
	oracle  func(mode Mode) ref.Net // has the same parameters
}

// twins are models of each kind: with ReLUs and max pooling, with attention, and with batch
// normalization that is fused in every way.
var twins = map[string]func(t testing.TB) twin{
	"mlp": func(t testing.TB) twin {
		return trained(t, net.Shape{6}, ref.Net{
			ref.Dense{In: 6, Out: 10}, ref.ReLU{}, ref.Dense{In: 10, Out: 7}, ref.ReLU{}, ref.Dense{In: 7, Out: 4},
		}, net.Dense{Out: 10}, net.ReLU{}, net.Dropout{Rate: 0.5}, net.Dense{Out: 7}, net.ReLU{}, net.Dense{Out: 4})
	},
	"lenet": func(t testing.TB) twin {
		return trained(t, net.Shape{4, 4, 1}, ref.Net{
			convolution(4, 1, 3), ref.ReLU{}, ref.MaxPool{Window: window(4, 3)},
			convolution(2, 3, 4), ref.ReLU{}, ref.Dense{In: 16, Out: 5}, ref.ReLU{}, ref.Dense{In: 5, Out: 4},
		},
			net.Conv2D{Out: 3, Kernel: 3, Padding: net.Same}, net.ReLU{}, net.MaxPool{Size: 2},
			net.Conv2D{Out: 4, Kernel: 3, Padding: net.Same}, net.ReLU{}, net.Flatten{}, net.Dense{Out: 5}, net.ReLU{}, net.Dense{Out: 4})
	},
	"transformer": func(t testing.TB) twin {
		const width = 4
		rows := func(l ref.Layer) ref.Layer { return ref.ByRow{Width: width, Layer: l} }
		phi := func(x float64) float64 { return math.Erfc(-x/math.Sqrt2) / 2 }
		gelu := ref.Pointwise{
			F:          func(x float64) float64 { return x * phi(x) },
			Derivative: func(x float64) float64 { return phi(x) + x*math.Exp(-x*x/2)/math.Sqrt(2*math.Pi) },
		}
		return trained(t, net.Shape{4}, ref.Net{
			ref.Embedding{Vocabulary: 6, Length: 4, Width: width, Learned: true},
			ref.Residual{Body: append(ref.Net{ref.LayerNorm{Features: width, Epsilon: 1e-5}}, ref.MultiHeadAttention(2, width, false, false)...)},
			ref.Residual{Body: ref.Net{
				ref.LayerNorm{Features: width, Epsilon: 1e-5}, rows(ref.Dense{In: width, Out: 6}), gelu, ref.ByRow{Width: 6, Layer: ref.Dense{In: 6, Out: width}},
			}},
			ref.LayerNorm{Features: width, Epsilon: 1e-5}, ref.Pooling{Width: width}, ref.Dense{In: width, Out: 4},
		},
			net.Embedding{Vocabulary: 6, Width: width, Positions: net.LearnedPositions},
			net.Residual{Body: []net.Layer{net.LayerNorm{}, net.MultiHeadAttention{Heads: 2}, net.Dropout{Rate: 0.3}}},
			net.Residual{Body: []net.Layer{net.LayerNorm{}, net.Dense{Out: 6}, net.GELU{}, net.Dense{Out: width}}},
			net.LayerNorm{}, net.Pooling{}, net.Dense{Out: 4})
	},
	"normalized": func(t testing.TB) twin {
		norm := func() ref.Layer { return ref.BatchNorm{Features: 3, Epsilon: 1e-5} }
		filter := func(in int) ref.Layer {
			c := convolution(3, in, 3)
			c.Bias = false
			return c
		}
		conv3 := net.Conv2D{Out: 3, Kernel: 3, Padding: net.Same, NoBias: true}
		return trained(t, net.Shape{3, 3, 2}, ref.Net{
			filter(2), norm(), ref.ReLU{},
			ref.Residual{Body: ref.Net{filter(3), norm(), ref.ReLU{}, filter(3), norm()}}, ref.ReLU{}, norm(),
			ref.Dense{In: 27, Out: 4},
		},
			conv3, net.BatchNorm{}, net.ReLU{},
			net.Residual{Body: []net.Layer{conv3, net.BatchNorm{}, net.ReLU{}, conv3, net.BatchNorm{}}}, net.ReLU{}, net.BatchNorm{},
			net.Flatten{}, net.Dense{Out: 4})
	},
}

func convolution(size, in, out int) ref.Conv2D {
	return ref.Conv2D{Bias: true, Geometry: conv.Geometry{
		Batch: 1, InH: size, InW: size, InC: in, OutC: out, KernelH: 3, KernelW: 3, PadTop: 1, PadBottom: 1, PadLeft: 1, PadRight: 1,
	}}
}

func window(size, channels int) conv.Geometry {
	return conv.Geometry{Batch: 1, InH: size, InW: size, InC: channels, OutC: channels, KernelH: 2, KernelW: 2, StrideH: 2, StrideW: 2}
}

// trained compiles layers, and trains them by some steps of gradient descent.
func trained(t testing.TB, input net.Shape, oracle ref.Net, layers ...net.Layer) twin {
	t.Helper()
	model, err := net.Compile(input, layers...)
	require.NoError(t, err)
	require.Equal(t, oracle.Params(), model.NumParams())
	r := rand.New(rand.NewPCG(1, 1))
	w := twin{model: model, params: model.Init(1)}
	for _, n := range []int{16, 9} {
		w.batches = append(w.batches, randomBatch(r, model, n))
	}
	g := make([]float32, model.NumParams())
	for step := range 60 {
		_, err := model.Gradient(w.params, w.batches[step%2], uint64(step), g)
		require.NoError(t, err)
		for i, v := range g {
			w.params.Values[i] -= 0.1 * v
		}
	}
	for _, v := range model.State() {
		for i := range v.Of(w.params.State) {
			v.Of(w.params.State)[i] = float32(r.Float64()) + 0.5
		}
	}
	w.oracle = func(mode Mode) ref.Net {
		if mode == Batch {
			return oracle
		}
		return oracle.Running(ref.Float64s(w.params.State))
	}
	return w
}

// randomBatch is n samples of which the labels can be learned in part.
func randomBatch(r *rand.Rand, m *net.Model, n int) net.Batch {
	b := net.Batch{N: n, Labels: make([]int32, n)}
	size := m.InputShape().Size()
	if m.Vocabulary() == 0 {
		b.X = ref.Normal(r, n*size)
	} else {
		b.Starts = []int{0}
	}
	for i := range b.Labels {
		b.Labels[i] = int32(r.IntN(m.OutputShape().Size()))
		if m.Vocabulary() > 0 {
			for range 2 + r.IntN(size-1) {
				b.Tokens = append(b.Tokens, int32(r.IntN(m.Vocabulary())))
			}
			b.Starts = append(b.Starts, len(b.Tokens))
		} else {
			b.X[i*size] += float32(b.Labels[i])
		}
	}
	return b
}

// gradient returns the oracle's loss and gradient at p: the mean over all samples of all batches.
func (w twin) gradient(mode Mode, p []float64) (loss float64, g []float64) {
	g = make([]float64, len(p))
	total := 0.0
	for _, b := range w.batches {
		total += float64(b.N)
	}
	for _, b := range w.batches {
		x := ref.Rows(b.X, b.N)
		if b.Starts != nil {
			x = ref.Text(b.Tokens, b.Starts, nil, w.model.Vocabulary())
		}
		l, of := w.oracle(mode).Gradient(p, x, b.Labels)
		loss += l * float64(b.N) / total
		g = ref.Axpy(float64(b.N)/total, of, g)
	}
	return loss, g
}

// hessian returns the oracle's Hessian: central differences of its gradient, of a step at which
// float64 is exact to eight digits, and no ReLU is likely to switch.
func (w twin) hessian(mode Mode) *mat.SymDense {
	p := ref.Float64s(w.params.Values)
	h := mat.NewDense(len(p), len(p), nil)
	const step = 1e-6
	for i := range p {
		old := p[i]
		p[i] = old + step
		_, up := w.gradient(mode, p)
		p[i] = old - step
		_, down := w.gradient(mode, p)
		p[i] = old
		h.SetRow(i, ref.Scaled(1/(2*step), ref.Axpy(-1, down, up)))
	}
	s := mat.NewSymDense(len(p), nil)
	for i := range p {
		for j := range i + 1 {
			s.SetSym(i, j, (h.At(i, j)+h.At(j, i))/2)
		}
	}
	return s
}

// eigenvalues returns those of h, the largest first.
func eigenvalues(t testing.TB, h *mat.SymDense) []float64 {
	var e mat.EigenSym
	require.True(t, e.Factorize(h, false))
	values := e.Values(nil)
	for i, j := 0, len(values)-1; i < j; i, j = i+1, j-1 {
		values[i], values[j] = values[j], values[i]
	}
	return values
}

// eachTwin runs a test for each model, in each mode that makes a difference.
func eachTwin(t *testing.T, test func(t *testing.T, w twin, mode Mode)) {
	for name, make := range twins {
		w := make(t)
		modes := []Mode{Running}
		if name == "normalized" {
			modes = Modes
		}
		for _, mode := range modes {
			t.Run(name+"/"+string(mode), func(t *testing.T) { test(t, w, mode) })
		}
	}
}

func (w twin) surface(t testing.TB, config Config) *Surface {
	s, err := New(w.model, w.params, w.batches, config)
	require.NoError(t, err)
	return s
}

// The five largest eigenvalues are those of the dense Hessian in float64 within 1%, the trace is
// within a few of its standard errors, and so is the mean of the density.
func TestSpectrumAgainstDenseHessian(t *testing.T) {
	ctx := context.Background()
	eachTwin(t, func(t *testing.T, w twin, mode Mode) {
		h := w.hessian(mode)
		want := eigenvalues(t, h)
		s := w.surface(t, Config{Seed: 1, Mode: mode})

		spectrum, err := s.Spectrum(ctx, 5)
		require.NoError(t, err)
		t.Logf("%d parameters, %d products: %.5g, want %.5g; lowest %.3g, want %.3g", len(want), spectrum.Products, spectrum.Eigenvalues, want[:5], spectrum.Lowest, want[len(want)-1])
		assert.True(t, spectrum.Converged)
		for i, v := range spectrum.Eigenvalues {
			assert.InEpsilon(t, want[i], v, 0.01, "eigenvalue %d", i+1)
		}
		wantLoss, wantGradient := w.gradient(mode, ref.Float64s(w.params.Values))
		assert.InEpsilon(t, wantLoss, spectrum.Loss, 1e-5)
		assert.InEpsilon(t, ref.Norm(wantGradient), spectrum.GradientNorm, 1e-5)

		trace, err := s.Trace(ctx, 50)
		require.NoError(t, err)
		t.Logf("trace %.4g +- %.2g, want %.4g", trace.Mean, trace.StandardError, mat.Trace(h))
		assert.InDelta(t, mat.Trace(h), trace.Mean, 4*trace.StandardError)
		assert.Less(t, trace.StandardError, mat.Trace(h)/3, "the error says something")
	})
}
