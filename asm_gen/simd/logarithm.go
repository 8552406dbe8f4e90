package main

import (
	"github.com/steppe-ml/steppe/asm_gen/isa"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// logarithm is k*ln(2) + log(m), for x = 2^k m with 3/4 <= m < 3/2.
func logarithm(s isa.Set) {
	n, p := begin(s, "log", "func(dst, x []float32)", "sets dst to the natural logarithm of x.", "dst", "dst", "x")
	constants := append([]float32{1, ln2High, ln2Low}, logSeries...)
	if !s.Opmasks {
		constants = append(constants, 0, inf, minusInf, 23, 0.75, 0x1p23, 0x1p-126)
	}
	c := hold(s, 6, constants...)
	s.Loop(n, p, 1, s.Lanes(), func(v isa.Vec) {
		x, k, f, y, square, spare := s.V(0), s.V(1), s.V(2), s.V(3), s.V(4), s.V(5)
		v.Load(p[1], x)
		if s.Opmasks {
			c.splitAny(x, k, f)
		} else {
			c.splitPositive(x, k, f, y, spare)
		}
		VSUBPS(c.of(1), f, f)
		c.horner(logSeries, f, y)
		VMULPS(f, f, square)
		VMULPS(square, y, y)
		VFMADD231PS(c.of(ln2Low), k, y)
		VADDPS(f, y, y)
		VFMADD231PS(c.of(ln2High), k, y)
		if !s.Opmasks {
			c.logOfSpecials(x, y, spare)
		}
		v.Store(y, p[0])
	})
	isa.End()
}

const (
	equal           = operand.U8(0)
	less            = operand.U8(1)
	notGreaterEqual = operand.U8(25) // true of NaN
)

// splitAny makes k and m of x. Those that it makes of 0, Inf and NaN lead to the right
// logarithm, as does NaN for m where x is negative.
func (c numbers) splitAny(x, k, m reg.Register) {
	const fromThreeQuarters, negativeIsNaN = 0b11, 0b1000
	VGETEXPPS(x, k) // as if m were from 1 to 2
	VGETMANTPS(operand.U8(fromThreeQuarters|negativeIsNaN), x, m)
	VCMPPS(less, c.of(1), m, reg.K2)
	VADDPS(c.of(1), k, reg.K2, k)
}

// splitPositive makes k and m of x, if it is positive and finite, by taking 3/4 off
// its bits: then the exponent is k. Subnormal numbers are raised to normal ones first.
func (c numbers) splitPositive(x, k, m, power, subnormal reg.Register) {
	VCMPPS(less, c.of(0x1p-126), x, subnormal)
	VMULPS(c.of(0x1p23), x, m)
	VBLENDVPS(subnormal, m, x, m)
	VANDPS(c.of(23), subnormal, subnormal)
	VPSUBD(c.of(0.75), m, k)
	VPSRAD(mantissa, k, k)
	VPSLLD(mantissa, k, power)
	VPSUBD(power, m, m)
	VCVTDQ2PS(k, k)
	VSUBPS(subnormal, k, k)
}

// logOfSpecials sets y where x isn't positive and finite.
func (c numbers) logOfSpecials(x, y, mask reg.Register) {
	VCMPPS(equal, c.of(inf), x, mask)
	VBLENDVPS(mask, x, y, y)
	VCMPPS(equal, c.of(0), x, mask)
	VBLENDVPS(mask, c.of(minusInf), y, y)
	VCMPPS(notGreaterEqual, c.of(0), x, mask)
	VORPS(mask, y, y) // all bits, which is NaN
}
