package main

import (
	"math"

	"github.com/steppe-ml/steppe/asm_gen/isa"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// mathKernels emits the elementary functions. Their loops are not unrolled: a vector
// takes some 30 instructions, one waiting for the other, and the CPU has those of the
// next vectors at hand.
func mathKernels(s isa.Set) {
	exponential(s)
	logarithm(s)
	tanh(s)
	sigmoid(s)
	gelu(s)
	geluBackward(s)
	geluAndSlope(s)
	squareBackward(s, "tanhBackward", "sets dst to dy * (1 - y*y).", true)
	squareBackward(s, "sigmoidBackward", "sets dst to dy * (y - y*y).", false)
	softmaxRows(s)
}

// The polynomials are minimax ones, found by Remez's algorithm. Coefficients were rounded
// to float32 from the lowest on, and those left fitted again. simd/math_generic.go has the
// same ones.
var (
	// expSeries is (e^r-1-r)/r^2 for |r| <= ln(2)/2. 1 + r + r^2 times it is e^r to
	// 2^-27.3 of it, and without the 1 it is e^r-1 to 2^-26.1.
	expSeries = []float32{0x1.fffffep-2, 0x1.5554aap-3, 0x1.55579ep-5, 0x1.122c7ap-7, 0x1.6ab2bcp-10}
	// logSeries is (log(1+f)-f)/f^2 for 3/4 <= 1+f <= 3/2. f + f^2 times it is log(1+f) to
	// 2^-27.5 of it.
	logSeries = []float32{
		-0.5, 0x1.5555acp-2, -0x1.000082p-2, 0x1.996722p-3, -0x1.54d6d4p-3,
		0x1.28758ap-3, -0x1.0e8c76p-3, 0x1.b1ec4p-4, -0x1.794df6p-5,
	}
	// tailSeries is Phi(-a) / (t e^(-a^2/2)), Phi being the normal distribution function
	// and t = 1/(1+a/2), as a polynomial of t - tailCenter, for 0 <= a <= 14.5: to 2^-27.2
	// of it. (That e^(x^2) erfc(x) is nearly a polynomial of such a t is from Schonfelder,
	// Mathematics of Computation 32, 1978.) Coefficients were rounded all at once: around
	// this center, out of 33, that costs least. Last bits were then searched at random.
	tailSeries = []float32{
		0x1.4dbaeap-2, 0x1.4f3b84p-2, 0x1.24149ap-4, -0x1.299d08p-3, -0x1.5f55cp-6, 0x1.e4163ep-4,
		-0x1.88c0dap-5, -0x1.48d196p-4, 0x1.cf1bbp-4, -0x1.cb49a4p-8, -0x1.97b88ep-4, 0x1.15309p-4,
	}
)

const tailCenter = 15.0 / 32

const (
	log2e = 0x1.715476p+0
	// ln2High + ln2Low is ln(2) to 2^-50. The high part has 16 bits, so that its
	// multiples by less than 2^8 are exact even where they are rounded.
	ln2High = 0x1.62e4p-1
	ln2Low  = 0x1.7f7d1cp-20
	// rounder added to a number below 2^21 and taken off again leaves the nearest
	// integer. In between, the last bits are those of the integer and 254: twice the
	// exponent's bias, which powers takes for that of two powers of 2.
	rounder = 0x1.8p23 + 254
	// Where e^x is certain to have overflowed, or to be 0 when rounded. It is so below
	// -104, but at -176 scale multiplies by 0, which is exact: rounding to 0 costs Zen 4
	// some 15 ns a vector, and -Inf is common in softmax.
	expMost, expLeast = 89, -176
)

var signBit = math.Float32frombits(1 << 31)

// expNumbers is what exponent and scale need, those first that must be in registers.
var expNumbers = append([]float32{log2e, 1, expLeast, expMost, rounder, ln2High, ln2Low}, expSeries...)

// exponent splits x, which it leaves as r, into k*ln(2) + r, with an integer k and
// |r| <= ln(2)/2: Cody and Waite, Software Manual for the Elementary Functions, 1980. It
// leaves k for powers in n.
func (c numbers) exponent(x, n, spare reg.Register) {
	VMOVAPS(x, n)
	VFMADD213PS(c.of(rounder), c.in(log2e), n)
	k := c.integer(n, spare)
	VFNMADD231PS(c.of(ln2High), k, x)
	VFNMADD231PS(c.of(ln2Low), k, x)
}

// integer returns where it leaves the integer that has been added to rounder in n: with
// VSCALEFPS, n itself, as powers wants it.
func (c numbers) integer(n, spare reg.Register) reg.Register {
	if c.Wide() {
		spare = n
	}
	VSUBPS(c.of(rounder), n, spare)
	return spare
}

// horner sets p to a polynomial of x, whose coefficients come from the lowest on.
func (c numbers) horner(coefficients []float32, x, p reg.Register) {
	last := len(coefficients) - 1
	VMOVUPS(c.of(coefficients[last]), p)
	for i := last - 1; i >= 0; i-- {
		VFMADD213PS(c.of(coefficients[i]), x, p)
	}
}

const mantissa = operand.U8(23)

// powers makes two factors of exponent's n whose product is 2^k, for k from -252 to 254:
// in half and n. For -254 they are 0. With VSCALEFPS there is nothing to do.
func (c numbers) powers(n, half reg.Register) {
	if c.Wide() {
		return
	}
	VPSRAD(operand.U8(1), n, half)
	VPSUBD(half, n, n)
	VPSLLD(mantissa, half, half)
	VPSLLD(mantissa, n, n)
}

// scaleBy multiplies y by the two factors of powers, and rounds once: what is below the
// normal numbers underflows gradually.
func (c numbers) scaleBy(y, n, half reg.Register) {
	if c.Wide() {
		VSCALEFPS(n, y, y)
		return
	}
	VMULPS(half, y, y) // exact
	VMULPS(n, y, y)
}

// scale multiplies y by 2^k, for exponent's n, which it uses up.
func (c numbers) scale(y, n, half reg.Register) {
	c.powers(n, half)
	c.scaleBy(y, n, half)
}

// exp sets p to e^x for x within expLeast and expMost, or NaN. It uses up x and n.
func (c numbers) exp(x, n, p reg.Register) {
	c.exponent(x, n, p)
	c.horner(expSeries, x, p)
	VFMADD213PS(c.of(1), x, p)
	VFMADD213PS(c.of(1), x, p)
	c.scale(p, n, x)
}

// magnitude sets a to |x|.
func (c numbers) magnitude(x, a reg.Register) { VANDNPS(x, c.in(signBit), a) }

// bySign sets dst to one of two registers, by the sign bit of x.
func (c numbers) bySign(x, negative, positive, dst reg.Register) {
	if c.Wide() {
		VPMOVD2M(x, reg.K2)
		VBLENDMPS(negative, positive, reg.K2, dst)
	} else {
		VBLENDVPS(x, negative, positive, dst)
	}
}

// divideSum sets y to y/(a+b), for a power of two a and b >= 0, within little more
// than half an ULP: it takes the rounding errors of the sum and the quotient off again.
// y may be b.
func (c numbers) divideSum(y, a, b, sum, low, inverse, quotient reg.Register) {
	c.sum(a, b, sum, low)
	VDIVPS(sum, c.in(1), inverse)
	VMULPS(inverse, y, quotient)
	VFNMADD231PS(quotient, sum, y)
	VFNMADD231PS(quotient, low, y)
	VFMADD213PS(quotient, inverse, y)
}

// invertSum sets y to 1/(a+y), as divideSum does.
func (c numbers) invertSum(a, y, sum, low reg.Register) {
	c.sum(a, y, sum, low)
	VDIVPS(sum, c.in(1), y)
	VFNMADD213PS(c.of(1), y, sum)
	VFNMADD231PS(low, y, sum)
	VFMADD213PS(y, sum, y)
}

// sum sets sum to a+b, and low to what rounding has taken off it.
func (c numbers) sum(a, b, sum, low reg.Register) {
	VADDPS(a, b, sum)
	VSUBPS(a, sum, low)
	VSUBPS(low, b, low)
}

// powerOfTwo sets power to 2^k, for exponent's n and k from -126 to 127. It uses up n.
func (c numbers) powerOfTwo(n, power reg.Register) {
	if c.Wide() {
		VSCALEFPS(n, c.in(1), power)
		return
	}
	VPSLLD(mantissa, n, n)
	VPSUBD(c.of(1), n, power) // the bits of 1 are those of the exponent's bias
}

func exponential(s isa.Set) {
	n, p := begin(s, "exp", "func(dst, x []float32)", "sets dst to e^x.", "dst", "dst", "x")
	c := hold(s, 3, expNumbers...)
	s.Loop(n, p, 1, s.Lanes(), func(v isa.Vec) {
		x, n, y := s.V(0), s.V(1), s.V(2)
		v.Load(p[1], x)
		VMINPS(x, c.in(expMost), x) // NaN wins: the operand named first does
		VMAXPS(x, c.in(expLeast), x)
		c.exp(x, n, y)
		v.Store(y, p[0])
	})
	isa.End()
}

func tanh(s isa.Set) {
	n, p := begin(s, "tanh", "func(dst, x []float32)", "sets dst to the hyperbolic tangent of x.", "dst", "dst", "x")
	const most = 10 // tanh is 1 there, when rounded
	c := hold(s, 6, append([]float32{signBit, most, 2}, expNumbers...)...)
	s.Loop(n, p, 1, s.Lanes(), func(v isa.Vec) {
		x, r, n, y, square, power := s.V(0), s.V(1), s.V(2), s.V(3), s.V(4), s.V(5)
		v.Load(p[1], x)
		c.magnitude(x, r)
		VMINPS(r, c.in(most), r) // NaN wins: the operand named first does
		VADDPS(r, r, r)
		c.exponent(r, n, y)
		c.horner(expSeries, r, y)
		VMULPS(r, r, square)
		VFMADD213PS(r, square, y) // e^r - 1
		c.powerOfTwo(n, power)
		VSUBPS(c.of(1), power, square)
		VFMADD213PS(square, power, y) // e^(2|x|) - 1
		c.divideSum(y, c.in(2), y, r, n, square, power)
		VANDPS(c.of(signBit), x, x)
		VORPS(x, y, y)
		v.Store(y, p[0])
	})
	isa.End()
}

// sigmoid is 1/(1+e) for x >= 0, and e/(1+e) below, e being e^-|x|: so it is as exact
// near 0 as near 1.
func sigmoid(s isa.Set) {
	n, p := begin(s, "sigmoid", "func(dst, x []float32)", "sets dst to 1/(1+e^-x).", "dst", "dst", "x")
	c := hold(s, 5, append([]float32{signBit}, expNumbers...)...)
	s.Loop(n, p, 1, s.Lanes(), func(v isa.Vec) {
		x, r, n, e, y := s.V(0), s.V(1), s.V(2), s.V(3), s.V(4)
		v.Load(p[1], x)
		VORPS(c.of(signBit), x, r)
		VMAXPS(r, c.in(expLeast), r) // NaN wins
		c.exp(r, n, e)
		c.bySign(x, e, c.in(1), y)
		c.divideSum(y, c.in(1), e, x, r, n, e)
		v.Store(y, p[0])
	})
	isa.End()
}

// squareBackward emits dy * (1 - y^2), or dy * (y - y^2), whose difference is rounded
// once.
func squareBackward(s isa.Set, name, doc string, fromOne bool) {
	n, p := begin(s, name, "func(dst, dy, y []float32)", doc, "dst", "dst", "dy", "y")
	c := hold(s, 14, 1)
	s.Loop(n, p, 4, s.Lanes(), func(v isa.Vec) {
		y, slope := s.V(2*v.Index), s.V(2*v.Index+1)
		v.Load(p[2], y)
		VMOVAPS(y, slope)
		if fromOne {
			VFNMADD213PS(c.of(1), y, slope)
		} else {
			VFNMADD213PS(y, y, slope)
		}
		v.Load(p[1], y)
		VMULPS(y, slope, slope)
		v.Store(slope, p[0])
	})
	isa.End()
}
