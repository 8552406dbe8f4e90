package simd_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/simdtest"
	"github.com/steppe-ml/steppe/simd"
)

// What becomes of NaN, Inf, signed zeros, and the largest and smallest of
// numbers.

var (
	nan, inf  = float32(math.NaN()), float32(math.Inf(1))
	otherNaN  = math.Float32frombits(0xffc01234) // negative, with a payload
	minusZero = float32(math.Copysign(0, -1))

	// plain is numbers whose products and sums are not rounded.
	plain = []float32{0, minusZero, 1, -1, inf, -inf, nan, otherNaN}
	// extreme is numbers whose products and sums are, or overflow, or underflow.
	extreme = append([]float32{
		0.1, -3, math.MaxFloat32, -math.MaxFloat32, 0x1p-126, -0x1p-126,
		math.SmallestNonzeroFloat32, -math.SmallestNonzeroFloat32, 0x1.8p-140,
	}, plain...)
)

// pairs returns two slices in which every two of values meet.
func pairs(values []float32) (x, y []float32) {
	for _, v := range values {
		for _, w := range values {
			x, y = append(x, v), append(y, w)
		}
	}
	return x, y
}

// Every instruction set treats special values as the reference does: all
// kernels do where nothing is rounded, and the exact ones always.
func TestSpecialValuesEqualGeneric(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		for _, alpha := range extreme {
			isPlain := slices.ContainsFunc(plain, func(v float32) bool { return v == alpha || v != v && alpha != alpha })
			for _, k := range kernels(alpha, simd.Momentum{LR: 0.25, Mu: 0.5, Decay: 0.125}) {
				switch {
				case k.exact:
					checkPairs(t, k, alpha, extreme)
				case isPlain && k.name != "Max" && !k.rounds: // which of two zeros is larger, it does not say
					checkPairs(t, k, alpha, plain)
				}
			}
		}
	})
}

// checkPairs has each pair of values come up in whole vectors, and in tails.
func checkPairs(t *testing.T, k kernel, alpha float32, values []float32) {
	t.Helper()
	x, y := pairs(values)
	check := func(x, y []float32) {
		operands := [][]float32{x, y, x}[:k.slices]
		if k.dst {
			operands = [][]float32{x, x, y}[:k.slices]
		}
		got, gotResult := run(t, k, operands, 0)
		want, wantResult := onGeneric(t, k, operands)
		requireSameValue(t, wantResult, gotResult, "%s, alpha = %v", k.name, alpha)
		for _, i := range k.writes {
			for j := range want[i] {
				requireSameValue(t, float64(want[i][j]), float64(got[i][j]), "%s of %v and %v, alpha = %v", k.name, x[j], y[j], alpha)
			}
		}
	}
	check(x, y)
	for i := 0; i+3 <= len(x); i += 3 { // less than any vector
		check(x[i:][:3], y[i:][:3])
	}
}

// requireSameValue requires the same bits, or NaN of any kind: which of two
// NaN an operation returns is not defined.
func requireSameValue(t *testing.T, want, got float64, format string, args ...any) {
	t.Helper()
	if math.Float64bits(want) != math.Float64bits(got) && !(math.IsNaN(want) && math.IsNaN(got)) {
		require.Failf(t, "values differ", "%v (sign bit %v), want %v: "+format, append([]any{got, math.Signbit(got), want}, args...)...)
	}
}

// ReLU and ReLUBackward move bits and make none up.
func TestReLU(t *testing.T) {
	x, y := pairs(extreme)
	relu, backward := make([]float32, len(x)), make([]float32, len(x))
	for i := range x {
		if !(x[i] < 0) {
			relu[i] = x[i] // -0 and NaN stay what they are
		}
		if y[i] > 0 || y[i] != y[i] {
			backward[i] = x[i]
		}
	}
	simdtest.EachISA(t, func(t *testing.T) {
		for from := range 40 {
			dst := make([]float32, len(x)-from)
			simd.ReLU(dst, x[from:])
			requireSameBits(t, relu[from:], dst, "ReLU")
			simd.ReLUBackward(dst, x[from:], y[from:])
			requireSameBits(t, backward[from:], dst, "ReLUBackward")
		}
	})
}

func TestMax(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		assert.Equal(t, -inf, simd.Max(nil))
		assert.Equal(t, -inf, simd.Max([]float32{-inf, -inf}))
		assert.Zero(t, simd.Max([]float32{minusZero, 0}))
		assert.Zero(t, simd.Max([]float32{0, minusZero}))

		r := rand.New(rand.NewPCG(6, 6))
		for n := 1; n <= longest; n++ {
			x := make([]float32, n)
			for i := range x {
				x[i] = -1 - r.Float32()
			}
			require.Equal(t, slices.Max(x), simd.Max(x), "n = %d", n)
			for i := range x {
				old := x[i]
				for _, largest := range []float32{-0.5, 0, 3, inf, math.MaxFloat32} {
					x[i] = largest
					requireSameValue(t, float64(largest), float64(simd.Max(x)), "n = %d, element %d", n, i)
				}
				for _, bad := range []float32{nan, otherNaN} {
					x[i] = bad
					requireSameValue(t, math.NaN(), float64(simd.Max(x)), "n = %d, element %d", n, i)
				}
				x[i] = old
			}
		}
		for _, other := range []float32{inf, -inf, 0} {
			for i := range longest {
				x := slices.Repeat([]float32{other}, longest)
				x[i] = nan
				requireSameValue(t, math.NaN(), float64(simd.Max(x)), "%v, and NaN as element %d", other, i)
			}
		}
	})
}

// One element decides, wherever it is.
func TestSumsPropagate(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		for n := 1; n <= longest; n++ {
			zeros := make([]float32, n)
			x := slices.Repeat([]float32{math.MaxFloat32}, n)
			require.False(t, math.IsInf(simd.SumSquares(x), 0), "n = %d, all of them as large as can be", n)
			require.False(t, math.IsInf(simd.ScaledSquares(math.MaxFloat32, x, x), 0), "n = %d, all of them as large as can be", n)
			for i := range x {
				for _, bad := range []float32{nan, otherNaN, inf, -inf} {
					x[i] = bad
					want := math.Inf(1)
					if bad != bad {
						want = math.NaN()
					}
					requireSameValue(t, want, simd.SumSquares(x), "SumSquares, n = %d, %v as element %d", n, bad, i)
					requireSameValue(t, want, simd.ScaledSquares(0.01, x, zeros), "ScaledSquares, n = %d, %v as element %d of x", n, bad, i)
					requireSameValue(t, math.NaN(), simd.ScaledSquares(0.01, zeros, x), "ScaledSquares, n = %d, %v as element %d of y", n, bad, i)
					// 0*Inf is NaN.
					requireSameValue(t, math.NaN(), float64(simd.Dot(x, zeros)), "Dot, n = %d, %v as element %d", n, bad, i)
					requireSameValue(t, math.NaN(), simd.Dot64(zeros, x), "Dot64, n = %d, %v as element %d", n, bad, i)
				}
				x[i] = math.MaxFloat32
			}
		}
	})
}

// SumSquares has the bits of Dot64 of a vector with itself.
func TestSumSquaresIsDot64(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(21, 21))
		for n := range 150 {
			x := make([]float32, n)
			for i := range x {
				x[i] = float32(r.NormFloat64())
			}
			require.Equal(t, simd.Dot64(x, x), simd.SumSquares(x), "n = %d", n)
		}
	})
}

// SumSquares has neither float32's overflow nor its underflow.
func TestSumSquaresRange(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		for _, n := range []int{1, 9, longest} {
			for _, v := range []float64{math.MaxFloat32, math.SmallestNonzeroFloat32, 0x1p-126, 0x1p64} {
				want := float64(n) * v * v
				got := simd.SumSquares(slices.Repeat([]float32{float32(v)}, n))
				assert.InDelta(t, want, got, gamma(n, unit64)*want, "%d of %v", n, v)
			}
		}
	})
}

// A gradient that is not finite leaves neither weight nor velocity finite.
func TestMomentumPropagates(t *testing.T) {
	finite := func(v float32) bool { return v-v == 0 }
	simdtest.EachISA(t, func(t *testing.T) {
		for _, nesterov := range []bool{false, true} {
			m := simd.Momentum{LR: 0.1, Mu: 0.9, Decay: 0.01, Nesterov: nesterov}
			for n := 1; n <= longest; n += 3 {
				for _, bad := range []float32{nan, inf, -inf} {
					w, v, g := make([]float32, n), make([]float32, n), make([]float32, n)
					for i := range g {
						if i%2 == n%2 {
							g[i] = bad
						}
					}
					m.Update(w, v, g)
					for i := range g {
						if finite(g[i]) != finite(w[i]) || finite(g[i]) != finite(v[i]) {
							require.Failf(t, "not propagated", "%+v, n = %d: g = %v, w = %v, v = %v", m, n, g[i], w[i], v[i])
						}
					}
				}
			}
		}
	})
}
