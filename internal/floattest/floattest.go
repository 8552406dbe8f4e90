// Package floattest has what tests of kernels share: a run for each element type, numbers, exact
// sums and error bounds.
package floattest

import (
	"math"
	"math/rand/v2"
	"runtime/debug"
	"testing"
	"unsafe"
)

// Each runs a test for either type of elements.
func Each(t *testing.T, float32s, float64s func(t *testing.T)) {
	t.Run("float32", float32s)
	t.Run("float64", float64s)
}

// Normal returns n standard normal numbers.
func Normal[T float32 | float64](r *rand.Rand, n int) []T {
	s := make([]T, n)
	for i := range s {
		s[i] = T(r.NormFloat64())
	}
	return s
}

// Integers returns n small integers, whose products and sums of some thousand
// are exact in float32.
func Integers[T float32 | float64](r *rand.Rand, n int) []T {
	s := make([]T, n)
	for i := range s {
		s[i] = T(r.IntN(17) - 8)
	}
	return s
}

// Bits tells all values apart, NaNs and zeros too.
func Bits[T float32 | float64](x T) uint64 { return math.Float64bits(float64(x)) }

// Gamma is the relative error that n roundings to T may add up to.
func Gamma[T float32 | float64](n int) float64 {
	unit := math.Ldexp(1, -24)
	if unsafe.Sizeof(T(0)) == 8 {
		unit = math.Ldexp(1, -53)
	}
	return float64(n) * unit / (1 - float64(n)*unit)
}

// Exact is a sum of products, in twice the precision of float64 (T. Ogita, S.
// Rump and S. Oishi, "Accurate sum and dot product", SIAM J. Sci. Comput. 26(6),
// 2005), with the sum of their magnitudes.
type Exact struct{ high, low, Size float64 }

func (e *Exact) Add(x, y float64) {
	product := float64(x * y) // rounded, or arm64 fuses it with the sum
	e.low += math.FMA(x, y, -product)
	sum := e.high + product
	z := sum - e.high
	e.low += (e.high - (sum - z)) + (product - z)
	e.high = sum
	e.Size += math.Abs(product)
}

func (e *Exact) Scale(by float64) {
	product := e.high * by
	e.high, e.low = product, math.FMA(e.high, by, -product)+e.low*by
	e.Size *= math.Abs(by)
}

func (e *Exact) Value() float64 {
	if math.IsNaN(e.low) || math.IsInf(e.high, 0) {
		return e.high
	}
	return e.high + e.low
}

// Unused is a NaN that no operation makes.
var Unused = math.Float64frombits(0x7ffc0ffee0000000)

// WithoutFault fails the test if call touches memory that it can't.
func WithoutFault(t *testing.T, arguments any, call func()) {
	t.Helper()
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if fault := recover(); fault != nil {
			t.Fatalf("%+v: %v", arguments, fault)
		}
	}()
	call()
}
