package conv_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/conv"
	"github.com/steppe-ml/steppe/internal/ref"
	"github.com/steppe-ml/steppe/internal/simdtest"
)

func TestMain(m *testing.M) { simdtest.Main(m) }

// problem is a geometry with its operands, and what the passes must make of them.
type problem struct {
	conv.Geometry
	x, w, bias, dy                []float32
	y, dx, dw                     []float64 // without the bias
	sizeY, sizeDX, sizeDW         []float64 // the same sums of magnitudes
	termsY, termsDX, termsFilters int       // at most, of each sum
}

func newProblem(r *rand.Rand, g conv.Geometry) *problem {
	p := &problem{
		Geometry: g,
		x:        random(r, g.Batch*g.InSize()), w: random(r, g.FilterSize()), bias: random(r, g.OutC),
		dy:      random(r, g.Batch*g.OutSize()),
		termsY:  g.KernelH * g.KernelW * g.InC,
		termsDX: g.KernelH * g.KernelW * g.OutC, termsFilters: g.Batch * g.OutH() * g.OutW(),
	}
	p.solve()
	p.sizeY, p.sizeDX, p.sizeDW = p.passes64(magnitudes(p.x), magnitudes(p.w), magnitudes(p.dy))
	return p
}

// solve sets what the passes must make of the operands.
func (p *problem) solve() {
	p.y, p.dx, p.dw = p.passes64(ref.Float64s(p.x), ref.Float64s(p.w), ref.Float64s(p.dy))
}

func (p *problem) passes64(x, w, dy []float64) (y, dx, dw []float64) {
	layer := ref.Conv2D{Geometry: p.Geometry}
	rows := slices.Collect(slices.Chunk(x, p.InSize()))
	dw = make([]float64, len(w))
	for _, row := range layer.Forward(w, rows) {
		y = append(y, row...)
	}
	for _, row := range layer.Backward(w, rows, nil, slices.Collect(slices.Chunk(dy, p.OutSize())), dw) {
		dx = append(dx, row...)
	}
	return y, dx, dw
}

func random(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

func magnitudes(x []float32) []float64 {
	sizes := ref.Float64s(x)
	for i, v := range sizes {
		sizes[i] = math.Abs(v)
	}
	return sizes
}

func nans(n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(math.NaN())
	}
	return x
}

// requireWithin requires sums of so many products and some terms more to be within
// the bound of any order of summing: gamma_n times the sum of magnitudes (Higham,
// Accuracy and Stability of Numerical Algorithms, section 3.1).
func requireWithin(t *testing.T, want, size []float64, got []float32, terms int, format string, args ...any) {
	t.Helper()
	n := float64(terms+2) / (1 << 24)
	for i := range want {
		if bound := n / (1 - n) * size[i]; !(math.Abs(float64(got[i])-want[i]) <= bound) {
			require.Failf(t, "wrong sum", "element %d is %v, want %v +- %v: "+format, append([]any{i, got[i], want[i], bound}, args...)...)
		}
	}
}

func requireSameBits(t *testing.T, want, got []float32, format string, args ...any) {
	t.Helper()
	require.Len(t, got, len(want))
	for i := range want {
		if math.Float32bits(want[i]) != math.Float32bits(got[i]) {
			require.Failf(t, "bits differ", "element %d is %v, want %v: "+format, append([]any{i, got[i], want[i]}, args...)...)
		}
	}
}

func geometry(batch, h, w, in, out, kernel, stride, pad int) conv.Geometry {
	return conv.Geometry{
		Batch: batch, InH: h, InW: w, InC: in, OutC: out, KernelH: kernel, KernelW: kernel,
		StrideH: stride, StrideW: stride, PadTop: pad, PadBottom: pad, PadLeft: pad, PadRight: pad,
	}
}

// hard is geometries at the edges of what the algorithms distinguish.
func hard() []conv.Geometry {
	list := []conv.Geometry{
		geometry(1, 1, 1, 1, 1, 1, 1, 0),
		geometry(1, 1, 1, 3, 5, 3, 1, 1), // one pixel, all but one tap in the padding
		geometry(3, 1, 1, 2, 33, 5, 1, 2),
		geometry(2, 2, 2, 1, 1, 2, 1, 5), // outputs that see no pixel
		geometry(1, 5, 5, 2, 3, 3, 1, 7),
		geometry(2, 9, 7, 3, 16, 3, 1, 1), // a stem
		geometry(2, 8, 8, 16, 16, 3, 1, 1),
		geometry(1, 8, 8, 16, 32, 3, 2, 1),
		geometry(2, 8, 8, 16, 32, 1, 2, 0), // a strided projection
		geometry(2, 6, 5, 17, 40, 1, 1, 0), // pointwise
		geometry(1, 12, 12, 3, 8, 7, 2, 3),
		geometry(1, 7, 7, 4, 4, 3, 3, 0), // pixels between the windows
		geometry(1, 8, 8, 4, 4, 2, 4, 0),
		geometry(1, 6, 6, 40, 70, 2, 1, 0), // several panels, and an even kernel
		geometry(5, 3, 3, 33, 65, 3, 1, 1),
		geometry(1, 30, 3, 5, 6, 3, 1, 1), // tall
		geometry(1, 3, 30, 5, 6, 3, 1, 1), // wide
		geometry(40, 2, 2, 4, 12, 3, 1, 1),
		geometry(2, 14, 12, 3, 16, 3, 1, 1), // turned tiles, backward
		geometry(1, 23, 39, 2, 9, 7, 2, 3),
		geometry(2, 9, 20, 12, 3, 3, 1, 1), // and forward
		geometry(1, 10, 18, 8, 1, 5, 1, 0),
		geometry(1, 9, 8, 100, 40, 3, 1, 1), // a packed input, in two cuts
		geometry(3, 8, 7, 13, 24, 3, 2, 1),
		geometry(7, 4, 4, 30, 33, 1, 1, 0),
	}
	dilated := geometry(2, 9, 9, 3, 9, 3, 1, 2)
	dilated.DilationH, dilated.DilationW = 2, 3
	gaps := geometry(1, 11, 10, 5, 6, 3, 2, 4)
	gaps.DilationH, gaps.DilationW, gaps.StrideW = 3, 2, 3
	uneven := conv.Geometry{
		Batch: 2, InH: 6, InW: 5, InC: 3, OutC: 18, KernelH: 2, KernelW: 5, StrideH: 1, StrideW: 2,
		PadTop: 0, PadBottom: 3, PadLeft: 4, PadRight: 1,
	}
	return append(list, dilated, gaps, uneven)
}

func anyGeometry(r *rand.Rand) conv.Geometry {
	for {
		g := conv.Geometry{
			Batch: 1 + r.IntN(4), InH: 1 + r.IntN(10), InW: 1 + r.IntN(10), InC: 1 + r.IntN(20), OutC: 1 + r.IntN(70),
			KernelH: 1 + r.IntN(5), KernelW: 1 + r.IntN(5), StrideH: 1 + r.IntN(3), StrideW: 1 + r.IntN(3),
			PadTop: r.IntN(6), PadBottom: r.IntN(6), PadLeft: r.IntN(6), PadRight: r.IntN(6),
			DilationH: 1 + r.IntN(3), DilationW: 1 + r.IntN(3),
		}
		if g.Validate() == nil {
			return g
		}
	}
}

// algorithms returns those that fit g, Auto last.
func algorithms(g conv.Geometry) []conv.Algorithm {
	list := []conv.Algorithm{conv.Direct, conv.Patches}
	if g.Algorithm() == conv.Pointwise {
		list = append(list, conv.Pointwise)
	}
	return append(list, conv.Auto)
}

// passes computes all three passes of p, into buffers that held NaN.
func (p *problem) passes(t *testing.T, team *blas.Team, opt conv.Options) (y, dx, dw []float32) {
	t.Helper()
	y, dx, dw = nans(len(p.y)), nans(len(p.x)), nans(len(p.w))
	require.NoError(t, conv.Forward(team, p.Geometry, y, p.x, p.w, opt))
	require.NoError(t, conv.BackwardData(team, p.Geometry, dx, p.dy, p.w, opt))
	require.NoError(t, conv.BackwardFilter(team, p.Geometry, dw, p.x, p.dy, opt))
	return y, dx, dw
}
