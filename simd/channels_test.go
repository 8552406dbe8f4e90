package simd_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/guard"
	"github.com/steppe-ml/steppe/internal/simdtest"
	"github.com/steppe-ml/steppe/simd"
)

// channelKernel is a kernel on rows of channels: a function of matrices, of vectors
// of one element a channel, and of sums.
type channelKernel struct {
	name                    string
	matrices, vectors, sums int
	dst                     bool // the first matrix is not read
	call                    func(m, v [][]float32, s [][]float64)
	// element returns what becomes of the first matrix's element, if dst, and what is
	// added to the sums, from the elements of the matrices and of the vectors.
	element func(m, v []number) (number, []number)
}

// cut is d where y > 0, and 0 elsewhere.
func cut(d, y number) number {
	if y.value > 0 {
		return d
	}
	return number{}
}

func affine(x, center, scale, shift number) number {
	return product(x.plus(center.times(-1)), scale).plus(shift)
}

func channelKernels() []channelKernel {
	gradSums := func(d, x number) []number { return []number{d, product(d, x)} }
	var kernels []channelKernel
	for _, relu := range []bool{false, true} {
		least := math.Inf(-1)
		if relu {
			least = 0
		}
		kernels = append(kernels, channelKernel{
			name: fmt.Sprint("ScaleShift, ReLU ", relu), matrices: 2, vectors: 3, dst: true,
			call: func(m, v [][]float32, _ [][]float64) { simd.ScaleShift(m[0], m[1], v[0], v[1], v[2], relu) },
			element: func(m, v []number) (number, []number) {
				y := affine(m[1], v[0], v[1], v[2])
				return number{max(least, y.value), y.size}, nil
			},
		}, channelKernel{
			name: fmt.Sprint("ScaleShiftAdd, ReLU ", relu), matrices: 3, vectors: 3, dst: true,
			call: func(m, v [][]float32, _ [][]float64) { simd.ScaleShiftAdd(m[0], m[1], v[0], v[1], v[2], m[2], relu) },
			element: func(m, v []number) (number, []number) {
				y := affine(m[1], v[0], v[1], v[2]).plus(m[2])
				return number{max(least, y.value), y.size}, nil
			},
		})
	}
	return append(kernels,
		channelKernel{
			name: "ChannelSums", matrices: 1, sums: 2,
			call: func(m, _ [][]float32, s [][]float64) { simd.ChannelSums(m[0], s[0], s[1]) },
			element: func(m, _ []number) (number, []number) {
				return number{}, []number{m[0], product(m[0], m[0])}
			},
		},
		channelKernel{
			name: "ChannelGradSums", matrices: 2, sums: 2,
			call:    func(m, _ [][]float32, s [][]float64) { simd.ChannelGradSums(m[0], m[1], s[0], s[1]) },
			element: func(m, _ []number) (number, []number) { return number{}, gradSums(m[0], m[1]) },
		},
		channelKernel{
			name: "ChannelGradSumsOutput", matrices: 4, sums: 2, dst: true,
			call: func(m, _ [][]float32, s [][]float64) {
				simd.ChannelGradSumsOutput(m[0], m[1], m[2], m[3], s[0], s[1])
			},
			element: func(m, _ []number) (number, []number) {
				d := cut(m[1], m[3])
				return d, gradSums(d, m[2])
			},
		},
		channelKernel{
			name: "ChannelGradSumsAffine", matrices: 2, vectors: 3, sums: 2,
			call: func(m, v [][]float32, s [][]float64) {
				simd.ChannelGradSumsAffine(m[0], m[1], v[0], v[1], v[2], s[0], s[1])
			},
			element: func(m, v []number) (number, []number) {
				return number{}, gradSums(cut(m[0], affine(m[1], v[0], v[1], v[2])), m[1])
			},
		},
		channelKernel{
			name: "ScaleAddShift", matrices: 3, vectors: 4, dst: true,
			call: func(m, v [][]float32, _ [][]float64) {
				simd.ScaleAddShift(m[0], m[1], m[2], v[0], v[1], v[2], v[3])
			},
			element: func(m, v []number) (number, []number) {
				return product(v[1], m[1]).plus(product(v[2], m[2].plus(v[0].times(-1)))).plus(v[3]), nil
			},
		},
		channelKernel{
			name: "ScaleAddShiftAffine", matrices: 3, vectors: 5, dst: true,
			call: func(m, v [][]float32, _ [][]float64) {
				simd.ScaleAddShiftAffine(m[0], m[1], m[2], v[0], v[1], v[2], v[3], v[4])
			},
			element: func(m, v []number) (number, []number) {
				d := cut(m[1], affine(m[2], v[0], v[1], v[2]))
				return product(v[1], d).plus(product(v[3], m[2].plus(v[0].times(-1)))).plus(v[4]), nil
			},
		},
	)
}

// channelOperands are a kernel's.
type channelOperands struct {
	matrices, vectors [][]float32
	sums              [][]float64
}

// operands fills what k takes with small integers and halves, whose x*scale + shift
// is exact: a rounding must not decide on which side of a ReLU it is.
func (k channelKernel) operands(r *rand.Rand, rows, channels int) channelOperands {
	fill := func(n, count int) (s [][]float32) {
		for range count {
			v := make([]float32, n)
			for i := range v {
				v[i] = float32(r.IntN(33)-16) / 2
			}
			s = append(s, v)
		}
		return s
	}
	o := channelOperands{matrices: fill(rows*channels, k.matrices), vectors: fill(channels, k.vectors)}
	for range k.sums {
		s := make([]float64, channels)
		for i := range s {
			s[i] = r.NormFloat64()
		}
		o.sums = append(o.sums, s)
	}
	if k.dst {
		for i := range o.matrices[0] {
			o.matrices[0][i] = nan
		}
	}
	return o
}

func (o channelOperands) clone() channelOperands {
	var c channelOperands
	for _, m := range o.matrices {
		c.matrices = append(c.matrices, slices.Clone(m))
	}
	for _, s := range o.sums {
		c.sums = append(c.sums, slices.Clone(s))
	}
	c.vectors = o.vectors
	return c
}

// matrixShapes has every remainder of rows by four and of channels by a vector, and
// matrices of several pieces.
func matrixShapes() (shapes [][2]int) {
	for _, rows := range []int{0, 1, 2, 3, 4, 5, 7, 8, 11} {
		for channels := 1; channels <= 37; channels++ {
			shapes = append(shapes, [2]int{rows, channels})
		}
	}
	return append(shapes, [2]int{3000, 16}, [2]int{4097, 3}, [2]int{130, 517}, [2]int{5, 3001}, [2]int{0, 0})
}

func TestChannelKernelsAgainstOracle(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(7, 7))
		for _, k := range channelKernels() {
			for _, shape := range matrixShapes() {
				rows, channels := shape[0], shape[1]
				before := k.operands(r, rows, channels)
				after := before.clone()
				k.call(after.matrices, after.vectors, after.sums)
				k.check(t, rows, channels, before, after)
				if k.dst && k.matrices > 1 { // in place
					again := before.clone()
					again.matrices[0] = again.matrices[1]
					k.call(again.matrices, again.vectors, again.sums)
					requireSameBits(t, after.matrices[0], again.matrices[0], "%s, %v, in place", k.name, shape)
				}
			}
		}
	})
}

func (k channelKernel) check(t *testing.T, rows, channels int, before, after channelOperands) {
	t.Helper()
	sums := make([][]number, k.sums)
	for i := range sums {
		for _, v := range before.sums[i] {
			sums[i] = append(sums[i], number{v, math.Abs(v)})
		}
	}
	var matrices, vectors [][]number
	for _, s := range before.matrices {
		matrices = append(matrices, numbers(s))
	}
	for _, s := range before.vectors {
		vectors = append(vectors, numbers(s))
	}
	m, v := make([]number, k.matrices), make([]number, k.vectors)
	for j := range rows * channels {
		for i := range m {
			m[i] = matrices[i][j]
		}
		for i := range v {
			v[i] = vectors[i][j%channels]
		}
		want, terms := k.element(m, v)
		if k.dst {
			got := float64(after.matrices[0][j])
			require.InDelta(t, want.value, got, gamma(5, unit32)*want.size, "%s, %dx%d, element %d", k.name, rows, channels, j)
		}
		for i, term := range terms {
			sums[i][j%channels] = sums[i][j%channels].plus(term)
		}
	}
	for i := range sums {
		for c, want := range sums[i] {
			require.InDelta(t, want.value, after.sums[i][c], 2*gamma(rows+4, unit64)*want.size, "%s, %dx%d, sum %d of channel %d", k.name, rows, channels, i, c)
		}
	}
	for i := range before.matrices {
		if i > 0 || !k.dst {
			requireSameBits(t, before.matrices[i], after.matrices[i], "%s: matrix %d was written", k.name, i)
		}
	}
}

func TestChannelKernelsStayInside(t *testing.T) {
	const rows, most = 5, 37
	for side, memory := range guard.Sides[float32]() {
		t.Run(side, func(t *testing.T) {
			var pages [4][]float32
			var short [5][]float32
			for i := range pages {
				pages[i] = memory(t, rows*most)
			}
			for i := range short {
				short[i] = memory(t, most)
			}
			wide := guard.Sides[float64]()[side]
			sums := [2][]float64{wide(t, most), wide(t, most)}
			simdtest.EachISA(t, func(t *testing.T) {
				defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
				for _, k := range channelKernels() {
					for channels := 1; channels <= most; channels++ {
						o := k.operands(rand.New(rand.NewPCG(8, 8)), rows, channels)
						for i := range o.matrices {
							o.matrices[i] = atSide(side, pages[i], rows*channels)
						}
						for i := range o.vectors {
							o.vectors[i] = atSide(side, short[i], channels)
						}
						for i := range o.sums {
							o.sums[i] = atSide(side, sums[i], channels)
						}
						require.NotPanics(t, func() { k.call(o.matrices, o.vectors, o.sums) }, "%s, %d channels", k.name, channels)
					}
				}
			})
		})
	}
}

// atSide is n elements of s at the side where the guard page is.
func atSide[T any](side string, s []T, n int) []T {
	if side == "ending" {
		return s[len(s)-n:]
	}
	return s[:n]
}

// What is not finite stays visible, in its own channel alone, whatever the row.
func TestChannelKernelsPropagate(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		for _, k := range channelKernels() {
			const rows, channels = 6, 19
			for at := range rows * channels {
				for _, bad := range []float32{nan, otherNaN} {
					o := k.operands(rand.New(rand.NewPCG(9, 9)), rows, channels)
					clean := o.clone()
					k.call(clean.matrices, clean.vectors, clean.sums)
					for i, m := range o.matrices {
						if i > 0 || !k.dst {
							m[at] = bad
						}
					}
					k.call(o.matrices, o.vectors, o.sums)
					for i := range rows * channels {
						if k.dst && i != at {
							require.Equal(t, clean.matrices[0][i], o.matrices[0][i], "%s, NaN at %d, element %d", k.name, at, i)
						}
					}
					require.True(t, !k.dst || o.matrices[0][at] != o.matrices[0][at], "%s: NaN at %d is lost", k.name, at)
					for i := range o.sums {
						for c := range channels {
							require.Equal(t, c == at%channels, math.IsNaN(o.sums[i][c]), "%s, NaN at %d, sum of channel %d", k.name, at, c)
						}
					}
				}
			}
		}
	})
}

func TestChannelKernelsAllocateNothing(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		for _, k := range channelKernels() {
			o := k.operands(rand.New(rand.NewPCG(10, 10)), 500, 40)
			assert.Zero(t, testing.AllocsPerRun(10, func() { k.call(o.matrices, o.vectors, o.sums) }), k.name)
		}
	})
}

func TestChannelKernelsRefuse(t *testing.T) {
	f := func(n int) []float32 { return make([]float32, n) }
	d := func(n int) []float64 { return make([]float64, n) }
	for _, c := range []struct {
		want string
		call func()
	}{
		{"simd: ChannelSums: 7 elements are no rows of 3 channels", func() { simd.ChannelSums(f(7), d(3), d(3)) }},
		{"simd: ChannelSums: 7 elements are no rows of 0 channels", func() { simd.ChannelSums(f(7), nil, nil) }},
		{"simd: ChannelSums: slices of 3 and 2 elements", func() { simd.ChannelSums(f(6), d(3), d(2)) }},
		{"simd: ScaleShift: slices of 6 and 9 elements", func() { simd.ScaleShift(f(6), f(9), f(3), f(3), f(3), false) }},
		{"simd: ScaleShift: slices of 3 and 4 elements", func() { simd.ScaleShift(f(6), f(6), f(3), f(3), f(4), false) }},
		{"simd: ScaleShiftAdd: slices of 6 and 3 elements", func() { simd.ScaleShiftAdd(f(6), f(6), f(3), f(3), f(3), f(3), false) }},
		{"simd: ChannelGradSums: slices of 6 and 3 elements", func() { simd.ChannelGradSums(f(6), f(3), d(3), d(3)) }},
		{"simd: ChannelGradSumsOutput: slices of 6 and 3 elements", func() { simd.ChannelGradSumsOutput(f(6), f(6), f(6), f(3), d(3), d(3)) }},
		{"simd: ChannelGradSumsAffine: slices of 3 and 2 elements", func() { simd.ChannelGradSumsAffine(f(6), f(6), f(3), f(3), f(2), d(3), d(3)) }},
		{"simd: ScaleAddShift: slices of 3 and 2 elements", func() { simd.ScaleAddShift(f(6), f(6), f(6), f(3), f(3), f(3), f(2)) }},
		{"simd: ScaleAddShiftAffine: slices of 3 and 1 elements", func() {
			simd.ScaleAddShiftAffine(f(6), f(6), f(6), f(3), f(3), f(3), f(3), f(1))
		}},
	} {
		assert.PanicsWithValue(t, c.want, c.call)
	}
}

func BenchmarkChannels(b *testing.B) {
	for _, shape := range [][2]int{{32 * 32 * 8, 16}, {16 * 16 * 8, 64}, {32 * 32 * 128, 16}} {
		for _, k := range channelKernels() {
			b.Run(fmt.Sprintf("%s/%dx%d", k.name, shape[0], shape[1]), func(b *testing.B) {
				o := k.operands(rand.New(rand.NewPCG(11, 11)), shape[0], shape[1])
				b.SetBytes(int64(4 * k.matrices * shape[0] * shape[1]))
				for b.Loop() {
					k.call(o.matrices, o.vectors, o.sums)
				}
			})
		}
	}
}
