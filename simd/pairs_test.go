package simd_test

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/steppe-ml/steppe/internal/guard"
	"github.com/steppe-ml/steppe/internal/simdtest"
	"github.com/steppe-ml/steppe/simd"
)

// edges are values whose rounding to bfloat16 is a special case: all kinds of numbers, and those
// next to the middle of two values.
var edges = func() (values []float32) {
	for _, upper := range []uint32{
		0, 1, 0x7f, // zero and denormal
		0x80, 0xff, 0x100, 0x3f80, 0x3f81, 0x7f7e, 0x7f7f, // normal
		0x7f80, 0x7fbf, 0x7fc0, 0x7fff, // infinite, NaN
	} {
		for _, lower := range []uint32{0, 1, 0x7fff, 0x8000, 0x8001, 0xffff} {
			bits := upper<<16 | lower
			values = append(values, math.Float32frombits(bits), math.Float32frombits(bits|1<<31))
		}
	}
	return values
}()

// nearest rounds x to bfloat16 by math/big, and returns its bits.
func nearest(x float32) uint32 {
	bits := math.Float32bits(x)
	switch {
	case x != x:
		return bits>>16 | 0x40
	case math.Abs(float64(x)) < 0x1p-126:
		return bits >> 31 << 15
	case math.IsInf(float64(x), 0):
		return bits >> 16
	}
	rounded, _ := new(big.Float).SetPrec(8).SetMode(big.ToNearestEven).SetFloat64(float64(x)).Float32()
	return math.Float32bits(rounded) >> 16 // infinite above the largest float32
}

// halvesOf returns the two values of a pair.
func halvesOf(pair float32) (even, odd uint32) {
	bits := math.Float32bits(pair)
	return bits & 0xffff, bits >> 16
}

func TestPairs(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for side, place := range guard.Sides[float32]() {
			for n := range 2*70 + 2 {
				x, dst := numbersAt(t, r, place, n), place(t, (n+1)/2)
				simd.Pairs(dst, x)
				for i, p := range dst {
					even, odd := halvesOf(p)
					first, second := nearest(x[2*i]), uint32(0)
					if 2*i+1 < n {
						second = nearest(x[2*i+1])
					}
					if even != first || odd != second {
						t.Fatalf("%s: pair %d of %d elements is %x, %x, want %x, %x", side, i, n, even, odd, first, second)
					}
				}
			}
		}
	})
}

func TestPairRows(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 4))
		for side, place := range guard.Sides[float32]() {
			for n := range 70 {
				even, odd, dst := numbersAt(t, r, place, n), numbersAt(t, r, place, n), place(t, n)
				simd.PairRows(dst, even, odd)
				alone, onEven, onOdd := place(t, n), place(t, n), place(t, n)
				simd.PairRows(alone, even, nil)
				copy(onEven, even)
				simd.PairRows(onEven, onEven, odd)
				copy(onOdd, odd)
				simd.PairRows(onOdd, even, onOdd)
				for j := range n {
					want := nearest(even[j]) | nearest(odd[j])<<16
					for what, got := range map[string]float32{"apart": dst[j], "on even": onEven[j], "on odd": onOdd[j]} {
						if math.Float32bits(got) != want {
							t.Fatalf("%s, %s: pair %d of %d is %x, want %x", side, what, j, n, math.Float32bits(got), want)
						}
					}
					if got := math.Float32bits(alone[j]); got != nearest(even[j]) {
						t.Fatalf("%s, no odd row: pair %d of %d is %x, want %x", side, j, n, got, nearest(even[j]))
					}
				}
			}
		}
	})
}

// numbersAt returns n values, half of them edges.
func numbersAt(t *testing.T, r *rand.Rand, place func(testing.TB, int) []float32, n int) []float32 {
	x := place(t, n)
	for i := range x {
		if x[i] = edges[r.IntN(len(edges))]; r.IntN(2) == 0 {
			x[i] = math.Float32frombits(r.Uint32())
		}
	}
	return x
}

func TestEveryRoundingToBFloat16(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		const step = 4093 // 2^32 of them take seconds
		x, dst := make([]float32, 1<<12), make([]float32, 1<<11)
		for bits := uint64(0); bits < 1<<32; {
			for i := range x {
				x[i] = math.Float32frombits(uint32(bits))
				bits += step
			}
			simd.Pairs(dst, x)
			for i, p := range dst {
				even, odd := halvesOf(p)
				if even != nearestByBits(x[2*i]) || odd != nearestByBits(x[2*i+1]) {
					t.Fatalf("%x and %x become %x", math.Float32bits(x[2*i]), math.Float32bits(x[2*i+1]), math.Float32bits(p))
				}
			}
		}
	})
}

// nearestByBits is nearest in integers.
func nearestByBits(x float32) uint32 {
	bits := math.Float32bits(x)
	switch {
	case x != x:
		return bits>>16 | 0x40
	case math.Abs(float64(x)) < 0x1p-126:
		return bits >> 31 << 15
	}
	up := bits&0xffff > 0x8000 || bits&0x1ffff == 0x18000
	if up {
		return bits>>16 + 1
	}
	return bits >> 16
}

func TestPairsRefuseOtherLengths(t *testing.T) {
	of := func(n int) []float32 { return make([]float32, n) }
	assert.PanicsWithValue(t, "simd: Pairs: 3 pairs for 7 elements, want 4", func() { simd.Pairs(of(3), of(7)) })
	assert.PanicsWithValue(t, "simd: Pairs: 4 pairs for 6 elements, want 3", func() { simd.Pairs(of(4), of(6)) })
	assert.PanicsWithValue(t, "simd: PairRows: slices of 3 and 4 elements", func() { simd.PairRows(of(3), of(4), nil) })
	assert.PanicsWithValue(t, "simd: PairRows: slices of 3 and 2 elements", func() { simd.PairRows(of(3), of(3), of(2)) })
	assert.NotPanics(t, func() { simd.Pairs(nil, nil); simd.PairRows(nil, nil, nil) })
}

// HasBF16 says so of AVX-512 alone.
func TestHasBF16(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		if simd.HasBF16() {
			assert.Equal(t, simd.AVX512, simd.Active().Arithmetic())
		}
	})
}
