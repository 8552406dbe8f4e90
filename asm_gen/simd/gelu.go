package main

import (
	"math"

	"github.com/steppe-ml/steppe/asm_gen/isa"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/reg"
)

const (
	// geluMost is where a*Phi(-a) and a*phi(a) are certain to be 0, without the cost of
	// rounding to it: as at expLeast.
	geluMost = 18.75
	// density is the normal density at 0.
	density = 1 / (math.Sqrt2 * math.SqrtPi)
)

var geluNumbers = append(append([]float32{signBit, geluMost, 1, -log2e, density, 0.5, tailCenter, rounder, ln2High, ln2Low}, tailSeries...), expSeries...)

// tail is a normal tail in vector registers: Phi(-a) = g*t*(1+p)*2^n, where a is the
// magnitude of x, but no more than geluMost. Each product is rounded, so the kernels
// multiply in the order that suits them.
type tail struct{ a, n, p, g, t, r reg.Register }

func tailIn(s isa.Set, first int) tail {
	return tail{s.V(first), s.V(first + 1), s.V(first + 2), s.V(first + 3), s.V(first + 4), s.V(first + 5)}
}

// normalTail computes q. The rounding error of a^2/2 goes into the exponent, too, which
// makes up to 50 ULP of it.
func (c numbers) normalTail(x reg.Register, q tail) {
	half, square, low := q.t, q.r, q.g
	c.magnitude(x, q.a)
	VMINPS(q.a, c.in(geluMost), q.a) // NaN wins: the operand named first does
	VMULPS(c.of(0.5), q.a, half)
	VMULPS(half, q.a, square)
	VMOVAPS(square, low)
	VFNMADD231PS(half, q.a, low)
	// As in exponent, of low - square:
	VMOVAPS(square, q.n)
	VFMADD213PS(c.of(rounder), c.in(-log2e), q.n)
	k := c.integer(q.n, q.p)
	VFNMSUB231PS(c.of(ln2High), k, square)
	VFNMADD231PS(c.of(ln2Low), k, low)
	VADDPS(low, square, square)
	c.horner(expSeries, square, q.p)
	VFMADD213PS(c.of(1), square, q.p)
	VMULPS(square, q.p, q.p)

	c.invertSum(c.in(1), q.t, q.r, q.g)
	VSUBPS(c.of(tailCenter), q.t, q.r)
	c.horner(tailSeries, q.r, q.g)
}

// gelu is max(x, 0) - a*Phi(-a), on both sides of 0. The power of two comes last, so
// that what underflows is rounded once.
func gelu(s isa.Set) {
	n, p := begin(s, "gelu", "func(dst, x []float32)", "sets dst to x*Phi(x), with the normal distribution function.", "dst", "dst", "x")
	c := hold(s, 7, geluNumbers...)
	s.Loop(n, p, 1, s.Lanes(), func(v isa.Vec) {
		x, q := s.V(0), tailIn(s, 1)
		v.Load(p[1], x)
		c.normalTail(x, q)
		VMULPS(q.a, q.t, q.t)
		VMULPS(q.t, q.g, q.g)
		VFMADD231PS(q.p, q.g, q.g)
		c.scale(q.g, q.n, q.t)
		VMAXPS(x, c.in(signBit), x) // -0 for what is below, and so for what underflows; NaN wins
		VSUBPS(q.g, x, x)
		v.Store(x, p[0])
	})
	isa.End()
}

// geluAndSlope is gelu, and the factor of geluBackward, with the same bits.
func geluAndSlope(s isa.Set) {
	n, p := begin(s, "geluAndSlope", "func(dst, slope, x []float32)", "sets dst to x*Phi(x) and slope to its derivative, Phi(x) + x*phi(x).", "dst", "dst", "slope", "x")
	c := hold(s, 10, geluNumbers...)
	s.Loop(n, p, 1, s.Lanes(), func(v isa.Vec) {
		x, q := s.V(0), tailIn(s, 1)
		y, z, half := s.V(7), s.V(8), s.V(9)
		v.Load(p[2], x)
		c.normalTail(x, q)
		c.powers(q.n, half)
		VMULPS(q.a, q.t, y)
		VMULPS(y, q.g, y)
		VFMADD231PS(q.p, y, y)
		c.scaleBy(y, q.n, half)
		VMAXPS(x, c.in(signBit), z) // as in gelu
		VSUBPS(y, z, z)
		v.Store(z, p[0])
		c.geluSlope(x, half, q)
		v.Store(q.g, p[1])
	})
	isa.End()
}

// geluSlope sets q.g to Phi(x) + x*phi(x), q.n and half being powers'.
func (c numbers) geluSlope(x, half reg.Register, q tail) {
	VMULPS(c.of(density), q.a, q.r)
	VFMSUB213PS(q.r, c.in(density), q.a)
	VFMSUB213PS(q.r, q.t, q.g)
	VSUBPS(q.a, q.g, q.g)
	VFMADD231PS(q.p, q.g, q.g)
	c.scaleBy(q.g, q.n, half)
	VSUBPS(q.g, c.in(1), q.t)
	c.bySign(x, q.g, q.t, q.g)
}

// geluBackward is dy times Phi(-a) - a*phi(a) for x < 0, and times 1 less that for
// others. Near the zero of the difference, it matters that both terms' products aren't
// rounded: one's rounding error is taken off again.
func geluBackward(s isa.Set) {
	n, p := begin(s, "geluBackward", "func(dst, dy, x []float32)", "sets dst to dy * (Phi(x) + x*phi(x)), with the normal distribution function and density.", "dst", "dst", "dy", "x")
	c := hold(s, 8, geluNumbers...)
	s.Loop(n, p, 1, s.Lanes(), func(v isa.Vec) {
		x, q, half := s.V(0), tailIn(s, 1), s.V(7)
		v.Load(p[2], x)
		c.normalTail(x, q)
		c.powers(q.n, half)
		c.geluSlope(x, half, q)
		v.Load(p[1], x)
		VMULPS(x, q.g, q.g)
		v.Store(q.g, p[0])
	})
	isa.End()
}
