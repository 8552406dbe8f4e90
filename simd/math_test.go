package simd_test

import (
	"flag"
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

var all = flag.Bool("simd.all", false, "test elementary functions on all 2^32 float32, for some minutes, and log their largest errors")

// function is an elementary function as the tests see it, with its oracle in float64
// and the largest error that its documentation promises, in ULP of the exact result,
// for plain Go and for the others. Those of a gradient take dy, which is 1.
type function struct {
	name           string
	call           func(dst, x []float32)
	oracle         func(x float64) float64
	generic, fused float64
	// backward is what call calls, for dy*oracle(x).
	backward func(dst, dy, x []float32)
	crossing *crossing
}

// crossing is where a result changes its sign though x isn't 0, so that it has no
// digits: the error counts in ULP of another number there.
type crossing struct{ from, to, of, generic, fused float64 }

var functions = []function{
	{name: "Exp", call: simd.Exp, oracle: math.Exp, generic: 0.57, fused: 0.92},
	{name: "Log", call: simd.Log, oracle: math.Log, generic: 0.58, fused: 0.96},
	{name: "Tanh", call: simd.Tanh, oracle: math.Tanh, generic: 0.71, fused: 1.71},
	{name: "Sigmoid", call: simd.Sigmoid, oracle: func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }, generic: 0.57, fused: 1.48},
	{name: "GELU", call: simd.GELU, oracle: gelu, generic: 0.64, fused: 3.91},
	backward("GELUBackward", simd.GELUBackward, geluSlope, 0.61, 3.39, &crossing{-1.5, -0.25, 0.25, 0.57, 2.46}),
	backward("TanhBackward", simd.TanhBackward, func(y float64) float64 { return 1 - y*y }, 0.501, 0.501, nil),
	backward("SigmoidBackward", simd.SigmoidBackward, func(y float64) float64 { return y - y*y }, 0.501, 0.501, nil),
}

func backward(name string, call func(dst, dy, x []float32), slope func(float64) float64, generic, fused float64, at *crossing) function {
	ones := slices.Repeat([]float32{1}, 1<<16)
	return function{
		name: name, oracle: slope, generic: generic, fused: fused, crossing: at, backward: call,
		call: func(dst, x []float32) { call(dst, ones[:len(x)], x) },
	}
}

// gelu is x*Phi(x), and the limit of it at -Inf.
func gelu(x float64) float64 {
	if x < -40 {
		return math.Copysign(0, -1)
	}
	return x * math.Erfc(-x/math.Sqrt2) / 2
}

// geluSlope is gelu's derivative.
func geluSlope(x float64) float64 {
	if math.Abs(x) > 40 {
		return max(math.Copysign(0, -1), math.Copysign(1, x))
	}
	return math.Erfc(-x/math.Sqrt2)/2 + x*math.Exp(-x*x/2)/math.Sqrt(2*math.Pi)
}

// error is by how many ULP got is wrong, and how many it may be.
func (f *function) error(x, got float32, want float64) (ulps, bound float64) {
	generic, fused, wrong := f.generic, f.fused, ulpError(got, want)
	if f.crosses(x) {
		generic, fused, wrong = f.crossing.generic, f.crossing.fused, math.Abs(float64(got)-want)/ulp(f.crossing.of)
	}
	if simd.Active() == simd.Generic {
		return wrong, generic
	}
	return wrong, fused
}

func (f *function) crosses(x float32) bool {
	return f.crossing != nil && f.crossing.from < float64(x) && float64(x) < f.crossing.to
}

// ulp is the distance of float32 numbers around x, which is never less than that of
// subnormal ones.
func ulp(x float64) float64 {
	const bias, mantissa = 1023, 52
	exponent := max(math.Float64bits(x)>>mantissa&0x7ff, bias-126)
	return math.Float64frombits((exponent - 23) << mantissa)
}

// ulpError is by how many ULP got is wrong. Inf counts as the number that would follow
// the largest one, and NaN instead of a number, or the other way round, as Inf.
func ulpError(got float32, want float64) float64 {
	switch {
	case math.IsNaN(want) || got != got:
		if math.IsNaN(want) && got != got {
			return 0
		}
		return math.Inf(1)
	case math.IsInf(float64(got), 0) || math.Abs(want) > 0x1p128:
		const beyond = 0x1p128
		clamp := func(x float64) float64 { return max(-beyond, min(x, beyond)) }
		return math.Abs(clamp(float64(got))-clamp(want)) / 0x1p104
	}
	return math.Abs(float64(got)-want) / ulp(want)
}

// bitPatterns calls use with slices of float32 that together are all of them, or, but
// for -simd.all, one of some thousand. The slices are overwritten.
func bitPatterns(use func(x []float32)) {
	stride := uint64(4099) // a prime number: all low bits come up
	if *all {
		stride = 1
	}
	x := make([]float32, 0, 1<<16)
	for bits := uint64(0); bits < 1<<32; bits += stride {
		if x = append(x, math.Float32frombits(uint32(bits))); len(x) == cap(x) {
			use(x)
			x = x[:0]
		}
	}
	use(x)
}

func TestFunctionsAgainstOracle(t *testing.T) {
	for _, f := range functions {
		t.Run(f.name, func(t *testing.T) {
			type worst struct {
				ulps, bound float64
				x           float32
			}
			var worsts [simd.NumISA][2]worst // the second where it crosses 0
			simdtest.Use(t, simd.Active())   // which is restored
			dst, want := make([]float32, 1<<16), make([]float64, 1<<16)
			bitPatterns(func(x []float32) {
				for i, v := range x {
					want[i] = f.oracle(float64(v))
				}
				for _, isa := range simdtest.ISAs() {
					_, err := simd.Use(isa)
					require.NoError(t, err)
					f.call(dst[:len(x)], x)
					for i, v := range x {
						at := &worsts[isa][0]
						if f.crossing != nil && f.crosses(v) {
							at = &worsts[isa][1]
						} else if math.Abs(float64(dst[i])-want[i]) <= at.ulps*ulp(want[i]) {
							continue // which spares most of the work
						}
						if ulps, bound := f.error(v, dst[i], want[i]); ulps > at.ulps {
							*at = worst{ulps, bound, v}
						}
					}
				}
			})
			for _, isa := range simdtest.ISAs() {
				for i, w := range worsts[isa] {
					if i == 0 || f.crossing != nil {
						t.Logf("%s, %v: %.4f ULP at %v (%x)", f.name, isa, w.ulps, w.x, w.x)
					}
					assert.LessOrEqual(t, w.ulps, w.bound, "%s(%v), %v", f.name, w.x, isa)
				}
			}
		})
	}
}

// specials is numbers of both signs where something changes.
func specials() (x []float32) {
	for _, v := range append([]float32{0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 9, 10, 14, 15, 16, 17, 87, 88, 89, 90, 103, 104, 105, 1e10, 1e-10, 0x1p-125, 0x1p-127}, extreme...) {
		x = append(x, v, -v, math.Nextafter32(v, inf), math.Nextafter32(v, -inf))
	}
	return x
}

// NaN, Inf and zeros come out as Go's math package has them, with their signs.
func TestFunctionsOfSpecials(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		for _, f := range functions {
			x := specials()
			dst := make([]float32, len(x))
			f.call(dst, x)
			for i, v := range x {
				want := f.oracle(float64(v))
				ulps, bound := f.error(v, dst[i], want)
				require.LessOrEqual(t, ulps, bound, "%s(%v) = %v, want %v", f.name, v, dst[i], want)
				if want == 0 {
					require.Equal(t, math.Signbit(want), math.Signbit(float64(dst[i])), "%s(%v): sign of 0", f.name, v)
				}
			}
		}
	})
}

// An element's bits are the same in whole vectors, in tails, in pieces and in place.
func TestFunctionsDontDependOnPosition(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(12, 12))
		for _, f := range functions {
			const n = 40000 // more than a piece
			x := make([]float32, n)
			for i := range x {
				x[i] = float32(4 * r.NormFloat64())
			}
			want := make([]float32, n)
			f.call(want, x)
			got := make([]float32, n)
			for i := 0; i < n; { // pieces of 0 to 70
				m := min(r.IntN(71), n-i)
				f.call(got[i:][:m], x[i:][:m])
				i += m
			}
			requireSameBits(t, want, got, "%s, in pieces", f.name)
			for from := range 20 {
				f.call(got[from:], x[:n-from])
				requireSameBits(t, want[:n-from], got[from:], "%s, %d elements further on", f.name, from)
			}
			f.call(x, x)
			requireSameBits(t, want, x, "%s, in place", f.name)
		}
	})
}

// A gradient is dy times what it is for 1, rounded once, and dst may be either.
func TestBackward(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(14, 14))
		for _, f := range functions {
			for n := 0; n <= 70 && f.backward != nil; n++ {
				dy, x, want, got := make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n)
				for i := range x {
					dy[i], x[i] = float32(r.NormFloat64()), float32(r.NormFloat64())
				}
				f.call(want, x)
				simd.Mul(want, want, dy)
				f.backward(got, dy, x)
				requireSameBits(t, want, got, "%s, n = %d", f.name, n)
				overDY, overX := slices.Clone(dy), slices.Clone(x)
				f.backward(overDY, overDY, x)
				requireSameBits(t, want, overDY, "%s, n = %d, dst is dy", f.name, n)
				f.backward(overX, dy, overX)
				requireSameBits(t, want, overX, "%s, n = %d, dst is x", f.name, n)
			}
		}
	})
}

// GELUAndSlope has the bits of GELU and of GELUBackward, of any numbers and of specials.
func TestGELUAndSlope(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(15, 15))
		for n := 0; n <= 5000; n = n + 1 + n/71*300 {
			x, ones := make([]float32, n), slices.Repeat([]float32{1}, n)
			for i := range x {
				x[i] = float32(8 * r.NormFloat64())
				if i%5 == 0 {
					x[i] = math.Float32frombits(r.Uint32())
				}
			}
			want, wantSlope := make([]float32, n), make([]float32, n)
			simd.GELU(want, x)
			simd.GELUBackward(wantSlope, ones, x)
			got, slope := make([]float32, n), make([]float32, n)
			simd.GELUAndSlope(got, slope, x)
			requireSameBits(t, want, got, "n = %d", n)
			requireSameBits(t, wantSlope, slope, "n = %d, slope", n)
			over := slices.Clone(x)
			simd.GELUAndSlope(over, slope, over)
			requireSameBits(t, want, over, "n = %d, in place", n)
			requireSameBits(t, wantSlope, slope, "n = %d, slope, in place", n)
		}
	})
}

// softmax is what SoftmaxRows makes of a row, and with a scale Scores.Softmax, in float64.
func softmax(x []float32, scale float64) (dst []float64, largest, total float64) {
	largest = math.Inf(-1)
	for _, v := range x {
		largest = max(largest, float64(v))
	}
	for _, v := range x {
		dst = append(dst, math.Exp(scale*(float64(v)-largest)))
		total += dst[len(dst)-1]
	}
	for i := range dst {
		dst[i] /= total
	}
	return dst, largest, total
}

func softmaxWidths() (widths []int) {
	for width := 1; width <= 70; width++ {
		widths = append(widths, width)
	}
	return append(widths, 100, 255, 1000, 1001, 20000)
}

func TestSoftmaxRowsAgainstOracle(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(13, 13))
		for _, width := range softmaxWidths() {
			rows := 5
			if width == 10 {
				rows = 4000 // in several calls
			}
			x := make([]float32, rows*width)
			for i := range x {
				x[i] = float32(10 * r.NormFloat64())
			}
			dst, largest, total := make([]float32, rows*width), make([]float32, rows), make([]float32, rows)
			simd.SoftmaxRows(dst, x, width, largest, total)
			for row := range rows {
				want, wantLargest, wantTotal := softmax(x[row*width:][:width], 1)
				require.Equal(t, float32(wantLargest), largest[row], "width %d, row %d", width, row)
				// An exponential has one ULP from its difference, times up to its exponent of
				// about 100, and one of its own; a sum has those of its terms.
				require.InEpsilon(t, wantTotal, total[row], gamma(width+3, unit32), "width %d, row %d", width, row)
				for i, v := range want {
					got := float64(dst[row*width+i])
					exponent := wantLargest - float64(x[row*width+i])
					require.InDelta(t, v, got, v*gamma(width+8+int(exponent), unit32)+0x1p-148, "width %d, row %d, element %d", width, row, i)
				}
			}
			again := slices.Clone(x)
			simd.SoftmaxRows(again, again, width, nil, nil)
			requireSameBits(t, dst, again, "width %d, in place", width)
			// A row alone has the same bits.
			for row := range rows {
				alone := make([]float32, width)
				simd.SoftmaxRows(alone, x[row*width:][:width], width, nil, total[:1])
				requireSameBits(t, dst[row*width:][:width], alone, "width %d, row %d alone", width, row)
			}
		}
	})
}

// One element decides what becomes of its row, wherever it is, and of no other row.
func TestSoftmaxRowsOfSpecials(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		for width := 1; width <= 70; width++ {
			for at := range width {
				for _, special := range []float32{nan, otherNaN, inf, -inf} {
					checkSpecialRow(t, width, at, special)
				}
			}
			x := slices.Repeat([]float32{-inf}, width)
			simd.SoftmaxRows(x, x, width, nil, nil)
			for _, v := range x {
				requireSameValue(t, math.NaN(), float64(v), "%d times -Inf", width)
			}
			x = slices.Repeat([]float32{inf}, width)
			x[width/2] = nan
			largest := make([]float32, 1)
			simd.SoftmaxRows(x, x, width, largest, nil)
			requireSameValue(t, math.NaN(), float64(largest[0]), "NaN among Inf, width %d", width)
		}
	})
}

// checkSpecialRow has a special element in the second of three rows of zeros.
func checkSpecialRow(t *testing.T, width, at int, special float32) {
	t.Helper()
	x, dst := make([]float32, 3*width), make([]float32, 3*width)
	largest, total := make([]float32, 3), make([]float32, 3)
	x[width+at] = special
	simd.SoftmaxRows(dst, x, width, largest, total)
	for row := range 3 {
		want, wantLargest, wantTotal := softmax(x[row*width:][:width], 1)
		requireSameValue(t, wantLargest, float64(largest[row]), "largest of row %d, %v at %d of %d", row, special, at, width)
		requireSameValue(t, wantTotal, float64(total[row]), "total of row %d, %v at %d of %d", row, special, at, width)
		for i, v := range dst[row*width:][:width] {
			if math.IsNaN(want[i]) != (v != v) || math.Abs(float64(v)-want[i]) > unit32 {
				require.Failf(t, "wrong element", "%d of row %d is %v, want %v: %v at %d of %d", i, row, v, want[i], special, at, width)
			}
		}
	}
}

func TestMathStaysInside(t *testing.T) {
	const rows, most = 3, 70
	for side, memory := range guard.Sides[float32]() {
		t.Run(side, func(t *testing.T) {
			pages := [3][]float32{memory(t, rows*most), memory(t, rows*most), memory(t, most)}
			short := [2][]float32{memory(t, rows), memory(t, rows)}
			simdtest.EachISA(t, func(t *testing.T) {
				defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
				for n := range most + 1 {
					dst, x, dy := atSide(side, pages[0], n), atSide(side, pages[1], n), atSide(side, pages[2], n)
					for _, f := range functions {
						require.NotPanics(t, func() {
							f.call(dst, x)
							if f.backward != nil {
								f.backward(dst, dy, x)
							}
						}, "%s, n = %d", f.name, n)
					}
					require.NotPanics(t, func() { simd.GELUAndSlope(dst, dy, x) }, "GELUAndSlope, n = %d", n)
					require.NotPanics(t, func() {
						simd.SoftmaxRows(atSide(side, pages[0], rows*n), atSide(side, pages[1], rows*n), n, short[0][:rows*min(n, 1)], short[1][:rows*min(n, 1)])
					}, "SoftmaxRows, width %d", n)
				}
			})
		})
	}
}

// The elements beside a slice stay as they are.
func TestMathWritesNothingElse(t *testing.T) {
	const canary, margin = 12345, 20
	simdtest.EachISA(t, func(t *testing.T) {
		for n := range 71 {
			x := make([]float32, n)
			check := func(name string, call func(dst []float32)) {
				buffer := slices.Repeat([]float32{canary}, n+2*margin)
				call(buffer[margin:][:n])
				for i, v := range buffer {
					if i < margin || i >= margin+n {
						require.EqualValues(t, canary, v, "%s, n = %d: element %d", name, n, i-margin)
					}
				}
			}
			for _, f := range functions {
				check(f.name, func(dst []float32) { f.call(dst, x) })
			}
			check("GELUAndSlope", func(dst []float32) { simd.GELUAndSlope(dst, make([]float32, n), x) })
			check("GELUAndSlope's slope", func(slope []float32) { simd.GELUAndSlope(make([]float32, n), slope, x) })
			check("SoftmaxRows", func(dst []float32) { simd.SoftmaxRows(dst, x, n, nil, nil) })
		}
	})
}

func TestMathRefuses(t *testing.T) {
	m := func(n int) []float32 { return make([]float32, n) }
	for _, c := range []struct {
		want string
		call func()
	}{
		{"simd: Exp: slices of 3 and 4 elements", func() { simd.Exp(m(3), m(4)) }},
		{"simd: Log: slices of 3 and 4 elements", func() { simd.Log(m(3), m(4)) }},
		{"simd: Tanh: slices of 3 and 4 elements", func() { simd.Tanh(m(3), m(4)) }},
		{"simd: TanhBackward: slices of 3 and 4 elements", func() { simd.TanhBackward(m(3), m(3), m(4)) }},
		{"simd: Sigmoid: slices of 3 and 4 elements", func() { simd.Sigmoid(m(3), m(4)) }},
		{"simd: SigmoidBackward: slices of 3 and 4 elements", func() { simd.SigmoidBackward(m(3), m(4), m(3)) }},
		{"simd: GELU: slices of 3 and 0 elements", func() { simd.GELU(m(3), nil) }},
		{"simd: GELUBackward: slices of 3 and 4 elements", func() { simd.GELUBackward(m(3), m(4), m(3)) }},
		{"simd: SoftmaxRows: slices of 6 and 3 elements", func() { simd.SoftmaxRows(m(6), m(3), 3, nil, nil) }},
		{"simd: SoftmaxRows: 7 elements are no rows of 3 channels", func() { simd.SoftmaxRows(m(7), m(7), 3, nil, nil) }},
		{"simd: SoftmaxRows: rows of -1 elements", func() { simd.SoftmaxRows(m(7), m(7), -1, nil, nil) }},
		{"simd: SoftmaxRows: slices of 2 and 3 elements", func() { simd.SoftmaxRows(m(6), m(6), 3, m(3), nil) }},
		{"simd: SoftmaxRows: slices of 2 and 1 elements", func() { simd.SoftmaxRows(m(6), m(6), 3, nil, m(1)) }},
	} {
		assert.PanicsWithValue(t, c.want, c.call)
	}
}

// The tests know every function that math.go exports.
func TestEveryFunctionIsTested(t *testing.T) {
	tested := []string{"SoftmaxRows", "GELUAndSlope"}
	for _, f := range functions {
		tested = append(tested, f.name)
	}
	for _, name := range exported(t, "math.go") {
		assert.Contains(t, tested, name)
	}
}

func TestMathAllocatesNothing(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		x, total := make([]float32, 20000), make([]float32, 2000)
		for _, f := range functions {
			assert.Zero(t, testing.AllocsPerRun(5, func() { f.call(x, x) }), f.name)
		}
		assert.Zero(t, testing.AllocsPerRun(5, func() { simd.SoftmaxRows(x, x, 10, total, total) }), "SoftmaxRows")
	})
}
