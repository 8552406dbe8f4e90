package main

import (
	"math"

	"github.com/steppe-ml/steppe/asm_gen/avx"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// mathKernels emits the elementary functions. Their loops are not unrolled: a vector
// takes some 30 instructions, one waiting for the other, and the CPU has those of the
// next vectors at hand.
func mathKernels(s avx.Set) {
	exponential(s)
	softmaxRows(s)
}

// The polynomials are minimax ones, found by Remez's algorithm with the coefficients
// rounded to float32 from the lowest on, and those left fitted again. simd/math_generic.go
// has the same ones.
var (
	// expSeries is (e^r-1-r)/r^2 for |r| <= ln(2)/2. 1 + r + r^2 times it is e^r to
	// 2^-26.9 of it, and without the 1 it is e^r-1 to 2^-26.1.
	expSeries = []float32{0x1.fffffep-2, 0x1.5554aap-3, 0x1.55579ep-5, 0x1.122c7ap-7, 0x1.6ab2bcp-10}
)

const (
	log2e = 0x1.715476p+0
	// ln2High + ln2Low is ln(2) to 2^-50. The high part has 16 bits, so that its
	// multiples by less than 2^8 are exact even where they are rounded.
	ln2High = 0x1.62e4p-1
	ln2Low  = 0x1.7f7d1cp-20
	// rounder added to a number below 2^22 and taken off again leaves the nearest
	// integer.
	rounder = 0x1.8p23
	// Where e^x is certain to have overflowed, or to be 0 when rounded.
	expMost, expLeast = 89, -104
)

var signBit = math.Float32frombits(1 << 31)

// expNumbers is what exponent and scale need, those first that must be in registers.
var expNumbers = append([]float32{log2e, 1, expLeast, expMost, rounder, ln2High, ln2Low}, expSeries...)

// exponent splits x, which it leaves as r, into n*ln(2) + r, with an integer n and
// |r| <= ln(2)/2: Cody and Waite, Software Manual for the Elementary Functions, 1980.
func (c numbers) exponent(x, n reg.Register) {
	VMOVAPS(x, n)
	VFMADD213PS(c.of(rounder), c.in(log2e), n)
	VSUBPS(c.of(rounder), n, n)
	VFNMADD231PS(c.of(ln2High), n, x)
	VFNMADD231PS(c.of(ln2Low), n, x)
}

// horner sets p to a polynomial of x, whose coefficients come from the lowest on.
func (c numbers) horner(coefficients []float32, x, p reg.Register) {
	last := len(coefficients) - 1
	VMOVAPS(c.of(coefficients[last]), p)
	for i := last - 1; i >= 0; i-- {
		VFMADD213PS(c.of(coefficients[i]), x, p)
	}
}

// scale multiplies y by 2^n, for an integer n of -252 to 254, and rounds once: what
// is below the normal numbers underflows gradually. It uses up n.
func (c numbers) scale(y, n, half reg.Register) {
	if c.Wide() {
		VSCALEFPS(n, y, y)
		return
	}
	const mantissa = operand.U8(23)
	VCVTPS2DQ(n, n)
	VPSRAD(operand.U8(1), n, half)
	VPSUBD(half, n, n)
	VPSLLD(mantissa, half, half)
	VPSLLD(mantissa, n, n)
	VPADDD(c.of(1), half, half) // the bits of 1 are those of the exponent's bias
	VPADDD(c.of(1), n, n)
	VMULPS(half, y, y) // exact
	VMULPS(n, y, y)
}

// exp sets p to e^x for x within expLeast and expMost, or NaN. It uses up x and n.
func (c numbers) exp(x, n, p reg.Register) {
	c.exponent(x, n)
	c.horner(expSeries, x, p)
	VFMADD213PS(c.of(1), x, p)
	VFMADD213PS(c.of(1), x, p)
	c.scale(p, n, x)
}

func exponential(s avx.Set) {
	n, p := begin(s, "exp", "func(dst, x []float32)", "sets dst to e^x.", "dst", "dst", "x")
	c := hold(s, 3, expNumbers...)
	s.Loop(n, p, 1, s.Lanes(), func(v avx.Vec) {
		x, n, y := s.V(0), s.V(1), s.V(2)
		v.Load(p[1], x)
		VMINPS(x, c.in(expMost), x) // NaN wins: the operand named first does
		VMAXPS(x, c.in(expLeast), x)
		c.exp(x, n, y)
		v.Store(y, p[0])
	})
	avx.End()
}
