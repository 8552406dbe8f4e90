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

const normEpsilon = 1e-5

// normOperands are those of layer normalization, and its results.
type normOperands struct {
	rows, channels int
	x, d           []float32
	scale, shift   []float32
	y, dx, kept    []float32
	sumD, sumDZ    []float64
}

func newNormOperands(r *rand.Rand, rows, channels int, mean, deviation float64) *normOperands {
	fill := func(n int, mean, deviation float64) []float32 {
		s := make([]float32, n)
		for i := range s {
			s[i] = float32(mean + deviation*r.NormFloat64())
		}
		return s
	}
	n := rows * channels
	return &normOperands{
		rows: rows, channels: channels,
		x: fill(n, mean, deviation), d: fill(n, 0.1, 1),
		scale: fill(channels, 1, 0.5), shift: fill(channels, 0, 1),
		y: slices.Repeat([]float32{nan}, n), dx: slices.Repeat([]float32{nan}, n),
		kept: slices.Repeat([]float32{nan}, rows*simd.NormalizeRowsKept),
		sumD: make([]float64, channels), sumDZ: make([]float64, channels),
	}
}

// run calls all kernels.
func (o *normOperands) run() {
	simd.NormalizeRows(o.y, o.x, o.scale, o.shift, o.kept, normEpsilon)
	simd.NormalizeRowsBackward(o.dx, o.d, o.x, o.scale, o.kept)
	simd.NormalizeRowsGradSums(o.d, o.x, o.kept, o.sumD, o.sumDZ)
}

// row returns the elements of a row.
func (o *normOperands) row(s []float32, row int) []float32 { return s[row*o.channels:][:o.channels] }

// normalized is a row in float64, with bounds of the kernels' errors. Sums of n elements go by 8
// lanes or more: with at most n/8+8 roundings on the way of each.
type normalized struct {
	z       []float64
	inverse float64
	offset  float64   // how far the center may be off the mean, in deviations
	sums    float64   // of relative errors of sums
	factor  float64   // of the relative error of inverse
	errors  []float64 // of z
}

// normalize returns what becomes of x. The error of the variance is that of the squares' sum, in
// which the square of the center's distance from the mean has a part, and twice that of the
// differences' sum times the distance.
func normalize(x []float32) (n normalized) {
	count := float64(len(x))
	var mean, size, variance float64
	for _, v := range x {
		mean += float64(v) / count
		size += math.Abs(float64(v)) / count
	}
	for _, v := range x {
		variance += (float64(v) - mean) * (float64(v) - mean) / count
	}
	n.inverse = 1 / math.Sqrt(variance+normEpsilon)
	n.sums = gamma(len(x)/8+8, unit32)
	n.offset = n.sums * size * n.inverse
	spread := math.Sqrt(variance*n.inverse*n.inverse + n.offset*n.offset)
	n.factor = 2*n.sums*spread*spread + gamma(4, unit32)
	for _, v := range x {
		z := (float64(v) - mean) * n.inverse
		n.z = append(n.z, z)
		n.errors = append(n.errors, n.factor*math.Abs(z)+n.sums*spread+gamma(3, unit32)*(math.Abs(z)+n.offset))
	}
	return n
}

// check compares all results with float64.
func (o *normOperands) check(t *testing.T, message string) {
	t.Helper()
	sumD, sumDZ := make([]number, o.channels), make([]number, o.channels)
	errors := make([]float64, o.channels)
	for row := range o.rows {
		n := normalize(o.row(o.x, row))
		y, d, dx := o.row(o.y, row), o.row(o.d, row), o.row(o.dx, row)
		var mean, weighted number // of e and e*z
		share := 1 / float64(o.channels)
		for i, z := range n.z {
			a, b := float64(o.scale[i]), float64(o.shift[i])
			bound := math.Abs(a)*n.errors[i] + gamma(2, unit32)*(math.Abs(a*z)+math.Abs(b))
			requireNear(t, a*z+b, y[i], bound, "%s: y, row %d, channel %d", message, row, i)
			e := a * float64(d[i]) * share
			mean = mean.plus(number{e, math.Abs(e)})
			weighted = weighted.plus(number{e * z, math.Abs(e) * (math.Abs(z) + n.offset)})
		}
		for i, z := range n.z {
			e := float64(o.scale[i]) * float64(d[i])
			want := n.inverse * (e - mean.value - z*weighted.value)
			away := math.Abs(z) + 2*n.offset
			size := math.Abs(e) + mean.size + away*weighted.size
			ofMean := n.sums * mean.size
			ofWeighted := (n.sums + n.factor + gamma(6, unit32)) * (weighted.size + n.offset*mean.size)
			bound := n.inverse * (ofMean + away*ofWeighted + n.errors[i]*weighted.size + (2*n.factor+gamma(8, unit32))*size)
			requireNear(t, want, dx[i], bound, "%s: dx, row %d, channel %d", message, row, i)

			v := float64(d[i])
			sumD[i] = sumD[i].plus(number{v, math.Abs(v)})
			sumDZ[i] = sumDZ[i].plus(number{v * z, math.Abs(v) * away})
			errors[i] += math.Abs(v) * n.errors[i]
		}
	}
	for i := range o.channels {
		sums := gamma(16+2, unit32) + gamma(o.rows, unit64)
		requireNear(t, sumD[i].value, o.sumD[i], sums*sumD[i].size, "%s: sum of d, channel %d", message, i)
		requireNear(t, sumDZ[i].value, o.sumDZ[i], sums*sumDZ[i].size+errors[i], "%s: sum of d*z, channel %d", message, i)
	}
}

// requireNear is InDelta, and fast.
func requireNear[T float32 | float64](t *testing.T, want float64, got T, bound float64, format string, args ...any) {
	t.Helper()
	if !(math.Abs(float64(got)-want) <= bound) {
		require.Failf(t, "wrong element", "%v, want %v +- %v: "+format, append([]any{got, want, bound}, args...)...)
	}
}

func TestNormalizeRowsAgainstOracle(t *testing.T) {
	var shapes [][2]int
	for channels := 1; channels <= 70; channels++ {
		shapes = append(shapes, [2]int{9, channels})
	}
	for rows := range 6 {
		shapes = append(shapes, [2]int{rows, 19}, [2]int{rows, 128})
	}
	large := [][2]int{{16, 255}, {17, 256}, {9, 768}, {5, 4099}, {600, 128}, {0, 0}} // some in several blocks, or calls
	kinds := []struct{ mean, deviation float64 }{
		{1e4, 1}, {0, 1}, {0.3, 1e-3}, {-1e6, 1}, {3, 1e5}, {7, 0}, {1e4, 0}, {0, 0}, {1e-20, 1e-20}, {1e10, 1e9},
	}
	simdtest.EachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(21, 21))
		shapes := append(shapes, large...)
		for i, kind := range kinds {
			if i == 1 {
				shapes = shapes[:len(shapes)-len(large)]
			}
			for _, shape := range shapes {
				o := newNormOperands(r, shape[0], shape[1], kind.mean, kind.deviation)
				o.run()
				o.check(t, fmt.Sprintf("%v of mean %g, deviation %g", shape, kind.mean, kind.deviation))
			}
		}
	})
}

// What the documentation promises of rows far from 0.
func TestNormalizeRowsFarFromZero(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(22, 22))
		for _, channels := range []int{64, 128, 256, 1000} {
			for _, mean := range []float64{0, 1e4, -1e6} {
				o := newNormOperands(r, 50, channels, mean, 1)
				for i := range channels {
					o.scale[i], o.shift[i] = 1, 0
				}
				o.run()
				for row := range o.rows {
					for i, z := range normalize(o.row(o.x, row)).z {
						bound := (float64(channels)/8 + 20) * (math.Abs(z) + 1) * unit32
						requireNear(t, z, o.row(o.y, row)[i], bound, "mean %v, %d channels, row %d, channel %d", mean, channels, row, i)
					}
				}
			}
		}
	})
}

// A row has the same bits alone, in the place of its input, and anywhere in memory.
func TestNormalizeRowsRowsAreIndependent(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(23, 23))
		for _, channels := range []int{1, 7, 8, 16, 19, 31, 32, 100, 128} {
			const rows = 11
			o := newNormOperands(r, rows, channels, 1, 2)
			o.run()
			for row := range rows {
				x, d := append([]float32{9}, o.row(o.x, row)...)[1:], slices.Clone(o.row(o.d, row))
				kept := make([]float32, simd.NormalizeRowsKept)
				alone := make([]float32, channels)
				simd.NormalizeRows(alone, x, o.scale, o.shift, kept, normEpsilon)
				requireSameBits(t, o.row(o.y, row), alone, "y of row %d alone, %d channels", row, channels)
				requireSameBits(t, o.kept[row*simd.NormalizeRowsKept:][:simd.NormalizeRowsKept], kept, "kept of row %d alone, %d channels", row, channels)
				simd.NormalizeRowsBackward(alone, d, x, o.scale, kept)
				requireSameBits(t, o.row(o.dx, row), alone, "dx of row %d alone, %d channels", row, channels)
			}
			over := slices.Clone(o.x)
			simd.NormalizeRows(over, over, o.scale, o.shift, o.kept, normEpsilon)
			requireSameBits(t, o.y, over, "y in place, %d channels", channels)
			over = slices.Clone(o.d)
			simd.NormalizeRowsBackward(over, over, o.x, o.scale, o.kept)
			requireSameBits(t, o.dx, over, "dx in the place of d, %d channels", channels)
			over = slices.Clone(o.x)
			simd.NormalizeRowsBackward(over, o.d, over, o.scale, o.kept)
			requireSameBits(t, o.dx, over, "dx in the place of x, %d channels", channels)
		}
	})
}

// What isn't finite in x makes its row NaN, and in d its row's gradient not finite. Other rows
// stay as they are.
func TestNormalizeRowsPropagates(t *testing.T) {
	const rows, channels, at = 6, 19, 2
	isNaN := func(v float32) bool { return v != v }
	isFinite := func(v float32) bool { return v-v == 0 }
	all := func(s []float32, is func(v float32) bool) bool {
		return !slices.ContainsFunc(s, func(v float32) bool { return !is(v) })
	}
	simdtest.EachISA(t, func(t *testing.T) {
		for channel := range channels {
			for _, bad := range []float32{nan, otherNaN, inf, -inf} {
				clean := newNormOperands(rand.New(rand.NewPCG(24, 24)), rows, channels, 1, 2)
				ofX, ofD := newNormOperands(rand.New(rand.NewPCG(24, 24)), rows, channels, 1, 2), newNormOperands(rand.New(rand.NewPCG(24, 24)), rows, channels, 1, 2)
				ofX.row(ofX.x, at)[channel], ofD.row(ofD.d, at)[channel] = bad, bad
				clean.run()
				ofX.run()
				ofD.run()
				for row := range rows {
					if row == at {
						require.True(t, all(ofX.row(ofX.y, row), isNaN), "%v as x of channel %d: y = %v", bad, channel, ofX.row(ofX.y, row))
						require.True(t, all(ofX.row(ofX.dx, row), isNaN), "%v as x of channel %d: dx = %v", bad, channel, ofX.row(ofX.dx, row))
						dx := ofD.row(ofD.dx, row)
						require.False(t, slices.ContainsFunc(dx, isFinite), "%v as d of channel %d: dx = %v", bad, channel, dx)
						require.True(t, bad == bad || all(dx, isNaN), "%v as d of channel %d: dx = %v", bad, channel, dx)
						continue
					}
					requireSameBits(t, clean.row(clean.y, row), ofX.row(ofX.y, row), "%v in x, y of another row", bad)
					requireSameBits(t, clean.row(clean.dx, row), ofX.row(ofX.dx, row), "%v in x, dx of another row", bad)
					requireSameBits(t, clean.row(clean.dx, row), ofD.row(ofD.dx, row), "%v in d, dx of another row", bad)
				}
				requireSameBits(t, clean.y, ofD.y, "y doesn't depend on d")
				require.Equal(t, clean.sumD, ofX.sumD, "the sum of d doesn't depend on x")
				for i := range channels {
					require.True(t, math.IsNaN(ofX.sumDZ[i]), "%v in x: sum of d*z", bad)
					for _, sum := range []float64{ofD.sumD[i], ofD.sumDZ[i]} {
						require.Equal(t, i != channel, sum-sum == 0, "%v as d of channel %d: sum of channel %d is %v", bad, channel, i, sum)
					}
				}
			}
		}
	})
}

// Where squares overflow, a row is right or NaN, and never finite and wrong.
func TestNormalizeRowsOverflow(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		for _, channels := range []int{1, 5, 8, 19, 64, 200} {
			for exponent := 15.0; exponent <= 38; exponent += 0.25 {
				o := newNormOperands(rand.New(rand.NewPCG(25, 25)), 5, channels, 0, math.Pow(10, exponent)/5)
				o.run()
				for row := range o.rows {
					if exponent < 18 || o.row(o.y, row)[0] == o.row(o.y, row)[0] {
						n := normalize(o.row(o.x, row))
						for i, z := range n.z {
							want := float64(o.scale[i])*z + float64(o.shift[i])
							bound := math.Abs(float64(o.scale[i]))*n.errors[i] + gamma(2, unit32)*(math.Abs(want)+2*math.Abs(float64(o.shift[i])))
							requireNear(t, want, o.row(o.y, row)[i], bound, "1e%v, %d channels", exponent, channels)
						}
					}
				}
			}
		}
	})
}

func TestNormalizeRowsStaysInside(t *testing.T) {
	const rows, most = 6, 70
	for side, memory := range guard.Sides[float32]() {
		t.Run(side, func(t *testing.T) {
			wide := guard.Sides[float64]()[side]
			var matrices [4][]float32
			for i := range matrices {
				matrices[i] = memory(t, rows*most)
			}
			vectors, keeps := [2][]float32{memory(t, most), memory(t, most)}, memory(t, rows*simd.NormalizeRowsKept)
			sums := [2][]float64{wide(t, most), wide(t, most)}
			simdtest.EachISA(t, func(t *testing.T) {
				defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
				for channels := 1; channels <= most; channels++ {
					for n := 1; n <= rows; n += 1 + channels%3 {
						o := newNormOperands(rand.New(rand.NewPCG(26, 26)), n, channels, 0, 1)
						for i, s := range []*[]float32{&o.x, &o.d, &o.y, &o.dx} {
							*s = atSide(side, matrices[i], n*channels)
						}
						o.scale, o.shift = atSide(side, vectors[0], channels), atSide(side, vectors[1], channels)
						o.kept = atSide(side, keeps, n*simd.NormalizeRowsKept)
						o.sumD, o.sumDZ = atSide(side, sums[0], channels), atSide(side, sums[1], channels)
						require.NotPanics(t, o.run, "%d rows of %d channels", n, channels)
					}
				}
			})
		})
	}
}

// The elements beside the slices stay as they are.
func TestNormalizeRowsWritesNothingElse(t *testing.T) {
	const canary, margin = 12345, 40
	simdtest.EachISA(t, func(t *testing.T) {
		for channels := 1; channels <= 37; channels++ {
			for _, rows := range []int{1, 4, 7} {
				o := newNormOperands(rand.New(rand.NewPCG(27, 27)), rows, channels, 0, 1)
				var whole [][]float32
				for _, s := range []*[]float32{&o.y, &o.dx, &o.kept} {
					buffer := slices.Repeat([]float32{canary}, len(*s)+2*margin)
					whole = append(whole, buffer)
					*s = buffer[margin:][:len(*s)]
				}
				var sums [][]float64
				for _, s := range []*[]float64{&o.sumD, &o.sumDZ} {
					buffer := slices.Repeat([]float64{canary}, channels+2*margin)
					sums = append(sums, buffer)
					*s = buffer[margin:][:channels]
				}
				o.run()
				for _, b := range whole {
					require.Equal(t, slices.Repeat([]float32{canary}, margin), b[:margin])
					require.Equal(t, slices.Repeat([]float32{canary}, margin), b[len(b)-margin:])
				}
				for _, b := range sums {
					require.Equal(t, slices.Repeat([]float64{canary}, margin), b[:margin])
					require.Equal(t, slices.Repeat([]float64{canary}, margin), b[len(b)-margin:])
				}
			}
		}
	})
}

func TestNormalizeRowsRefuses(t *testing.T) {
	f := func(n int) []float32 { return make([]float32, n) }
	d := func(n int) []float64 { return make([]float64, n) }
	for _, c := range []struct {
		want string
		call func()
	}{
		{"simd: NormalizeRows: 7 elements are no rows of 3 channels", func() { simd.NormalizeRows(f(7), f(7), f(3), f(3), f(6), 0) }},
		{"simd: NormalizeRows: slices of 6 and 9 elements", func() { simd.NormalizeRows(f(6), f(9), f(3), f(3), f(6), 0) }},
		{"simd: NormalizeRows: slices of 3 and 2 elements", func() { simd.NormalizeRows(f(6), f(6), f(3), f(2), f(6), 0) }},
		{"simd: NormalizeRows: slices of 6 and 4 elements", func() { simd.NormalizeRows(f(6), f(6), f(3), f(3), f(4), 0) }},
		{"simd: NormalizeRowsBackward: slices of 6 and 3 elements", func() { simd.NormalizeRowsBackward(f(6), f(6), f(3), f(3), f(6)) }},
		{"simd: NormalizeRowsBackward: slices of 6 and 2 elements", func() { simd.NormalizeRowsBackward(f(6), f(6), f(6), f(3), f(2)) }},
		{"simd: NormalizeRowsGradSums: slices of 6 and 3 elements", func() { simd.NormalizeRowsGradSums(f(6), f(3), f(6), d(3), d(3)) }},
		{"simd: NormalizeRowsGradSums: slices of 3 and 2 elements", func() { simd.NormalizeRowsGradSums(f(6), f(6), f(6), d(3), d(2)) }},
		{"simd: NormalizeRowsGradSums: slices of 6 and 7 elements", func() { simd.NormalizeRowsGradSums(f(6), f(6), f(7), d(3), d(3)) }},
	} {
		assert.PanicsWithValue(t, c.want, c.call)
	}
}

func TestNormalizeRowsAllocatesNothing(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		o := newNormOperands(rand.New(rand.NewPCG(28, 28)), 1000, 100, 0, 1)
		assert.Zero(t, testing.AllocsPerRun(5, o.run))
	})
}

// BenchmarkNormalizeRows is beside kernels that move as many bytes: forward beside ReLU, backward
// beside Add, and the sums beside Dot.
func BenchmarkNormalizeRows(b *testing.B) {
	for _, shape := range [][2]int{{16, 128}, {8, 256}, {256, 128}, {128, 256}, {4096, 128}, {2048, 256}} {
		o := newNormOperands(rand.New(rand.NewPCG(29, 29)), shape[0], shape[1], 0, 1)
		bench := func(name string, matrices int, call func()) {
			b.Run(fmt.Sprintf("%s/%dx%d", name, shape[0], shape[1]), func(b *testing.B) {
				b.SetBytes(int64(4 * matrices * shape[0] * shape[1]))
				for b.Loop() {
					call()
				}
			})
		}
		bench("Forward", 2, func() { simd.NormalizeRows(o.y, o.x, o.scale, o.shift, o.kept, normEpsilon) })
		bench("ReLU", 2, func() { simd.ReLU(o.y, o.x) })
		bench("ScaleShift", 2, func() { simd.ScaleShift(o.y, o.x, o.scale, o.scale, o.shift, false) })
		bench("Backward", 3, func() { simd.NormalizeRowsBackward(o.dx, o.d, o.x, o.scale, o.kept) })
		bench("Add", 3, func() { simd.Add(o.dx, o.d, o.x) })
		bench("ScaleAddShift", 3, func() { simd.ScaleAddShift(o.dx, o.d, o.x, o.scale, o.scale, o.shift, o.shift) })
		bench("GradSums", 2, func() { simd.NormalizeRowsGradSums(o.d, o.x, o.kept, o.sumD, o.sumDZ) })
		bench("ChannelGradSums", 2, func() { simd.ChannelGradSums(o.d, o.x, o.sumD, o.sumDZ) })
		bench("Dot", 2, func() { benchSink = simd.Dot(o.d, o.x) })
	}
}

var benchSink float32
