package gemm

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/steppe-ml/steppe/internal/simdtest"
)

// The arithmetic of pairs is held to math/big's here.

// roundedOnce returns x*y + z, rounded to nearest even with 24 bits, and flushed to a zero if its
// magnitude is then less than 2^-126 and flushes is set. The terms are finite.
func roundedOnce(x, y, z float64, flushes bool) float32 {
	exact := new(big.Float).SetPrec(2000).SetFloat64(x)
	exact.Mul(exact, big.NewFloat(y))
	exact.Add(exact, big.NewFloat(z))
	if exact.Sign() == 0 {
		return float32(float64(x*y) + z) // the zero's sign
	}
	if !flushes {
		result, _ := exact.Float32()
		return result
	}
	exact.SetMode(big.ToNearestEven).SetPrec(24)
	if new(big.Float).Abs(exact).Cmp(big.NewFloat(0x1p-126)) < 0 {
		return float32(math.Copysign(0, float64(exact.Sign())))
	}
	result, _ := exact.Float32()
	return result
}

// value is a random float32 of so many bits in its significand, whose exponents are near to one
// another, or anywhere.
func value(r *rand.Rand, bits int) float32 {
	b := r.Uint32() &^ (1<<(24-bits) - 1)
	switch r.IntN(4) {
	case 0: // all bits the same from some bit on
		b &^= 1<<r.IntN(23) - 1
	case 1:
		b |= (1<<r.IntN(23) - 1) &^ (1<<(24-bits) - 1)
	}
	exponent := uint32(1 + r.IntN(254))
	if r.IntN(3) > 0 {
		exponent = uint32(127 + r.IntN(17) - 8)
	}
	return math.Float32frombits(b&^(0xff<<23) | exponent<<23)
}

// near returns a float32 with an exponent at some distance to that of the product of x and y.
func near(r *rand.Rand, x, y float32) float32 {
	z := value(r, 24)
	_, e := math.Frexp(float64(x) * float64(y))
	fraction, _ := math.Frexp(float64(z))
	z = float32(math.Ldexp(fraction, e+r.IntN(121)-60))
	if math.IsInf(float64(z), 0) {
		return math.MaxFloat32
	}
	return z
}

func TestMultiplyAddRoundsOnce(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		x, y := value(r, 8), value(r, 8)
		z := near(r, x, y)
		want := roundedOnce(float64(x), float64(y), float64(flush(z)), true)
		got := multiplyAdd(float64(x), float64(y), z)
		if math.Float32bits(want) != math.Float32bits(got) {
			t.Fatalf("%x*%x + %x = %x, want %x", x, y, z, got, want)
		}
	}
}

func TestFMA32RoundsOnce(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 100_000 {
		x, y := value(r, 24), value(r, 24)
		z := near(r, x, y)
		want, got := roundedOnce(float64(x), float64(y), float64(z), false), fma32(x, y, z)
		if math.Float32bits(want) != math.Float32bits(got) {
			t.Fatalf("%x*%x + %x = %x, want %x", x, y, z, got, want)
		}
	}
}

// Sums next to a middle of two float32s, or to where they are denormal.
func TestMultiplyAddNextToMiddles(t *testing.T) {
	for _, c := range []struct{ x, y, z, want float64 }{
		{0x1p-12, 0x1p-12, 1, 1},                                    // a tie goes to even
		{0x1p-12, 0x1p-12, 1 + 0x1p-23, 1 + 0x1p-22},                // and here up
		{0x1.02p-12, 0x1p-12, 1, 1 + 0x1p-23},                       // just above it
		{0x1.fep-13, 0x1p-12, 1, 1},                                 // just below it
		{-0x1p-13, 0x1p-12, 1, 1},                                   // a tie below a power of two
		{-0x1.02p-13, 0x1p-12, 1, 1 - 0x1p-24},                      //
		{0x1p-126, 0x1p-126, 1, 1},                                  // far below it
		{0x1.fep100, 0x1.fep100, 0, math.Inf(1)},                    // overflows
		{0x1.fep63, 0x1.02p64, 0x1.fffffep127, math.Inf(1)},         //
		{0x1p51, 0x1.fep51, 0x1.fffffep127, 0x1.fffffep127},         // doesn't: less than half of the last bit
		{0x1p51, 0x1p52, 0x1.fffffep127, math.Inf(1)},               // does: half of it
		{0x1p-63, 0x1p-63, 0, 0x1p-126},                             // the least that is normal
		{0x1p-63, 0x1.fep-64, 0, 0},                                 // denormal
		{-0x1p-63, 0x1.fep-64, 0, math.Copysign(0, -1)},             //
		{-0x1p-75, 0x1p-76, 0x1p-126, 0x1p-126},                     // halfway, and rounded up to the least normal one
		{-0x1.02p-75, 0x1p-76, 0x1p-126, 0},                         // no more
		{0x1.02p-75, 0x1p-76, -0x1p-126, math.Copysign(0, -1)},      //
		{1, 0, math.SmallestNonzeroFloat32, 0},                      // a denormal sum is none
		{1, 0, -math.SmallestNonzeroFloat32, 0},                     // 0 - 0
		{-1, 0, -math.SmallestNonzeroFloat32, math.Copysign(0, -1)}, //
	} {
		got := multiplyAdd(c.x, c.y, float32(c.z))
		assert.Equal(t, math.Float32bits(float32(c.want)), math.Float32bits(got), "%x*%x + %x = %x, want %x", c.x, c.y, c.z, got, c.want)
	}
}

// pairOf is the pair of two values, which are of bfloat16.
func pairOf(even, odd float32) float32 {
	return math.Float32frombits(math.Float32bits(even)>>16 | math.Float32bits(odd))
}

// The odd product is added first, and each on its own.
func TestPairsOrder(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	cases := []struct{ before, aEven, aOdd, bEven, bOdd, want float32 }{
		{1, 0x1p-12, 0x1.8p-12, 0x1p-12, 0x1p-12, 1 + 0x1p-22}, // the odd one rounds up, and then a tie goes up
		{1, 0x1.8p-12, 0x1p-12, 0x1p-12, 0x1p-12, 1 + 0x1p-23}, // a tie goes down first
		{0, 0x1p127, 0x1p127, -2, 2, inf},                      // what is infinite stays so
		{0, 0x1p127, 0x1p127, 2, -2, -inf},
		{0, 0x1p127, -0x1p127, 1, 1, 0},
		{0, inf, -inf, 1, 1, nan},
		{0, inf, 1, 1, 1, inf},
		{0, inf, 1, 0, 1, nan},
		{0, 1, nan, 1, 1, nan},
		{0, 0x1p-127, 1, 0x1p100, 1, 1}, // a denormal value is zero
		{0, 1, 0x1p-127, 1, 0x1p127, 1},
		{0, 0x1p-63, 0x1p-63, 0x1p-63, 0x1p-64, 0x1p-126}, // the odd product is flushed
		{0, 0x1p-63, 0x1p-63, 0x1p-64, 0x1p-63, 0x1.8p-126},
		{0x1p-126, -0x1p-75, 0, 0x1p-76, 0, 0x1p-126}, // halfway to what is denormal
		{0x1p-126, -0x1.02p-75, 0, 0x1p-76, 0, 0},
		{-0x1p-126, 0x1p-75, 0, 0x1p-76, 0, -0x1p-126},
		{-0x1p-126, 0x1.02p-75, 0, 0x1p-76, 0, float32(math.Copysign(0, -1))},
	}
	simdtest.EachISA(t, func(t *testing.T) {
		for _, c := range cases {
			a := [2]float32{pairOf(0, c.before), pairOf(c.aEven, c.aOdd)}
			var b [2][32]float32
			b[0][0], b[1][0] = pairOf(0, 1), pairOf(c.bEven, c.bOdd)
			var got float32
			Pairs().panels[0].tile[0](1, 1, 2, &a[0], 2, 1, 2, &b[0][0], len(b[0]), &got, 1, 1, 0, nil, nil, false)
			if c.want != c.want {
				assert.True(t, got != got, "%+v gives %v", c, got)
			} else {
				assert.Equal(t, math.Float32bits(c.want), math.Float32bits(got), "%+v gives %x", c, got)
			}
		}
	})
}
