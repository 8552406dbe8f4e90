package conv_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/conv"
	"github.com/steppe-ml/steppe/internal/ref"
	"github.com/steppe-ml/steppe/internal/simdtest"
)

// windows is poolings that overlap, that leave gaps, with padding, and global.
func windows() []conv.Window {
	return []conv.Window{
		{Batch: 1, InH: 1, InW: 1, C: 1, SizeH: 1, SizeW: 1},
		{Batch: 3, InH: 8, InW: 6, C: 5, SizeH: 2, SizeW: 2},
		{Batch: 2, InH: 7, InW: 9, C: 17, SizeH: 3, SizeW: 3, StrideH: 2, StrideW: 2, PadTop: 1, PadBottom: 1, PadLeft: 1, PadRight: 1},
		{Batch: 1, InH: 9, InW: 9, C: 33, SizeH: 3, SizeW: 2, StrideH: 1, StrideW: 1, PadLeft: 1},
		{Batch: 2, InH: 8, InW: 8, C: 4, SizeH: 2, SizeW: 2, StrideH: 3, StrideW: 5},
		{Batch: 2, InH: 2, InW: 3, C: 8, SizeH: 3, SizeW: 4, StrideH: 1, StrideW: 1, PadTop: 2, PadBottom: 1, PadLeft: 3, PadRight: 2},
		conv.Global(3, 8, 8, 64),
		conv.Global(2, 1, 1, 3),
	}
}

// ofChannel is the convolution of one channel along the windows of w, with all of
// its channels as input, for the oracle.
func ofChannel(w conv.Window) conv.Geometry {
	g := conv.Geometry{
		Batch: w.Batch, InH: w.InH, InW: w.InW, InC: w.C, OutC: w.C, KernelH: w.SizeH, KernelW: w.SizeW,
		StrideH: w.StrideH, StrideW: w.StrideW, PadTop: w.PadTop, PadBottom: w.PadBottom, PadLeft: w.PadLeft, PadRight: w.PadRight,
	}
	if g.StrideH == 0 {
		g.StrideH = w.SizeH
	}
	if g.StrideW == 0 {
		g.StrideW = w.SizeW
	}
	return g
}

func TestPoolings(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(11, 11))
		for _, w := range windows() {
			g := ofChannel(w)
			require.Equal(t, g.OutH(), w.OutH())
			require.Equal(t, g.OutW(), w.OutW())
			for _, ties := range []bool{false, true} {
				x, dy := random(r, w.Batch*g.InSize()), random(r, w.Batch*g.OutSize())
				for i := range x {
					if ties {
						x[i] = float32(r.IntN(4) - 2)
					}
				}
				rows, dys := ref.Rows(x, w.Batch), ref.Rows(dy, w.Batch)
				bound := 1e-6 * float64(w.SizeH*w.SizeW) * 5
				for _, team := range []*blas.Team{nil, blas.NewTeam(3)} {
					y, dx := nans(len(dy)), nans(len(x))
					require.NoError(t, conv.MaxPool(team, w, y, x))
					require.NoError(t, conv.MaxPoolBackward(team, w, dx, dy, x, y))
					layer := ref.MaxPool{Window: g}
					ys := layer.Forward(nil, rows)
					requireClose(t, ys, y, 0, "MaxPool %+v", w)
					requireClose(t, layer.Backward(nil, rows, ys, dys, nil), dx, bound, "MaxPoolBackward %+v", w)

					rectified := w
					rectified.ReLU = true
					y, dx = nans(len(dy)), nans(len(x))
					require.NoError(t, conv.MaxPool(team, rectified, y, x))
					require.NoError(t, conv.MaxPoolBackward(team, rectified, dx, dy, x, y))
					masked := slices.Clone(dy)
					for i := range ys {
						for k, v := range ys[i] {
							if v <= 0 {
								masked[i*len(ys[i])+k] = 0
							}
						}
					}
					requireClose(t, positive(ys), y, 0, "MaxPool with ReLU %+v", w)
					requireClose(t, layer.Backward(nil, rows, ys, ref.Rows(masked, w.Batch), nil), dx, bound, "MaxPoolBackward with ReLU %+v", w)

					y, dx = nans(len(dy)), nans(len(x))
					require.NoError(t, conv.AveragePool(team, w, y, x))
					require.NoError(t, conv.AveragePoolBackward(team, w, dx, dy))
					mean := ref.AvgPool{Window: g}
					requireClose(t, mean.Forward(nil, rows), y, bound, "AveragePool %+v", w)
					requireClose(t, mean.Backward(nil, rows, nil, dys, nil), dx, bound, "AveragePoolBackward %+v", w)
				}
			}
		}
	})
}

// positive returns max(0, rows).
func positive(rows [][]float64) (all [][]float64) {
	for _, row := range rows {
		all = append(all, nil)
		for _, v := range row {
			all[len(all)-1] = append(all[len(all)-1], max(0, v))
		}
	}
	return all
}

func requireClose(t *testing.T, want [][]float64, got []float32, bound float64, format string, args ...any) {
	t.Helper()
	all := slices.Concat(want...)
	require.Len(t, got, len(all))
	for i := range all {
		if !(math.Abs(all[i]-float64(got[i])) <= bound) {
			require.Failf(t, "wrong", "element %d is %v, want %v: "+format, append([]any{i, got[i], all[i]}, args...)...)
		}
	}
}

// NaN is the largest of its window, in each direction.
func TestMaxPoolPropagatesNaN(t *testing.T) {
	nan := float32(math.NaN())
	simdtest.EachISA(t, func(t *testing.T) {
		for channels := 1; channels < 40; channels++ {
			w := conv.Window{Batch: 1, InH: 2, InW: 4, C: channels, SizeH: 2, SizeW: 2}
			x, y := make([]float32, 8*channels), make([]float32, 2*channels)
			x[5*channels] = nan // in the first window
			require.NoError(t, conv.MaxPool(nil, w, y, x))
			for i, v := range y {
				require.Equal(t, i == 0, v != v, "%d channels, element %d", channels, i)
			}
		}
	})
}

// The gradient of a window with NaNs goes to the first of them, and that of any other to the first
// of its largest pixels, with ReLU and without; in windows that overlap it is added up.
func TestMaxPoolGradientOfNaN(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	values := []float32{nan, nan, inf, -inf, -1, 0, 1, 2}
	simdtest.EachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(12, 12))
		for channels := 1; channels <= 40; channels++ {
			for _, stride := range []int{1, 2, 3} {
				for _, relu := range []bool{false, true} {
					w := conv.Window{Batch: 2, InH: 6, InW: 6, C: channels, SizeH: 2, SizeW: 2, StrideH: stride, StrideW: stride, ReLU: relu}
					outH, outW := w.OutH(), w.OutW()
					x, y := make([]float32, 2*36*channels), make([]float32, 2*outH*outW*channels)
					for i := range x {
						x[i] = values[r.IntN(len(values))]
					}
					dy, dx, want := make([]float32, len(y)), nans(len(x)), make([]float32, len(x))
					for i := range dy {
						dy[i] = float32(1 + r.IntN(9))
					}
					for i := range y {
						b, row, column, c := i/channels/outW/outH, i/channels/outW%outH, i/channels%outW, i%channels
						at, found := -1, false // of the first NaN, or of the first of the largest
						for tap := range 4 {
							here := ((b*6+row*stride+tap/2)*6+column*stride+tap%2)*channels + c
							if v := x[here]; v != v && !found {
								at, found = here, true
							} else if !found && (at < 0 || v > x[at]) {
								at = here
							}
						}
						if !relu || !(x[at] <= 0) {
							want[at] += dy[i]
						}
					}
					for _, team := range []*blas.Team{nil, blas.NewTeam(2)} {
						require.NoError(t, conv.MaxPool(team, w, y, x))
						require.NoError(t, conv.MaxPoolBackward(team, w, dx, dy, x, y))
						require.Equal(t, want, dx, "%+v of %v", w, x)
					}
				}
			}
		}
	})
}

func TestPoolingErrors(t *testing.T) {
	good := conv.Window{Batch: 2, InH: 4, InW: 4, C: 3, SizeH: 2, SizeW: 2}
	f := func(n int) []float32 { return make([]float32, n) }
	padded, large, none := good, good, good
	padded.PadTop, large.SizeW, none.Batch = 2, 5, 0
	for want, err := range map[string]error{
		"conv: Batch is 0, want at least 1":                                          conv.MaxPool(nil, none, nil, nil),
		"conv: x has 95 floats, want 96 for a pooling of 2x2 of 2x4x4x3":             conv.MaxPool(nil, good, f(24), f(95)),
		"conv: y has 96 floats, want 24 for a pooling of 2x2 of 2x4x4x3":             conv.AveragePool(nil, good, f(96), f(96)),
		"conv: dy has 1 floats, want 24 for a pooling of 2x2 of 2x4x4x3":             conv.AveragePoolBackward(nil, good, f(96), f(1)),
		"conv: dx has 1 floats, want 96 for a pooling of 2x2 of 2x4x4x3":             conv.MaxPoolBackward(nil, good, f(1), f(24), f(96), f(24)),
		"conv: a window of 2x2 would see nothing but padding, of 2, 0 rows and 0, 0": conv.MaxPool(nil, padded, nil, nil),
		"conv: kernel 2x5 with dilation 1x1 spans 2x5, more than the padded":         conv.AveragePool(nil, large, nil, nil),
	} {
		assert.ErrorContains(t, err, want)
	}
}

func TestPoolingsAllocateNothing(t *testing.T) {
	w := conv.Window{Batch: 4, InH: 8, InW: 8, C: 16, SizeH: 2, SizeW: 2}
	x, y, dx, dy := make([]float32, 4*8*8*16), make([]float32, 4*4*4*16), make([]float32, 4*8*8*16), make([]float32, 4*4*4*16)
	for _, team := range []*blas.Team{nil, blas.NewTeam(2)} {
		assert.Zero(t, testing.AllocsPerRun(20, func() {
			_ = conv.MaxPool(team, w, y, x)
			_ = conv.MaxPoolBackward(team, w, dx, dy, x, y)
			_ = conv.AveragePool(team, w, y, x)
			_ = conv.AveragePoolBackward(team, w, dx, dy)
		}))
	}
}

func ExampleMaxPool() {
	w := conv.Window{Batch: 1, InH: 2, InW: 4, C: 1, SizeH: 2, SizeW: 2}
	y := make([]float32, 2)
	err := conv.MaxPool(nil, w, y, []float32{
		1, 2, 3, 4,
		8, 7, 6, 5,
	})
	fmt.Println(y, err)
	// Output: [8 6] <nil>
}
