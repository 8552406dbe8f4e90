package main

import (
	"github.com/steppe-ml/steppe/asm_gen/isa"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// halver rounds float32s to bfloat16 as VCVTNEPS2BF16 does, with integers, on AVX2. Its constants
// are in the registers below the mask of a tail.
type halver struct {
	isa.Set
	one, below, quiet, exponent, zero reg.Register
}

func newHalver(s isa.Set) halver {
	r := halver{s, s.V(10), s.V(11), s.V(12), s.V(13), s.V(14)}
	VMOVUPS(inMemory(s, 1), r.one)
	VMOVUPS(inMemory(s, 0x7fff), r.below)
	VMOVUPS(inMemory(s, 0x400000), r.quiet)
	VMOVUPS(inMemory(s, 0x7f800000), r.exponent)
	s.Zero(14)
	return r
}

// round sets the upper halves of x to its values in bfloat16, and the lower ones to anything. It
// uses the other registers.
func (r halver) round(x, rounded, t, nan reg.Register) {
	// Half of what the last bit is worth is added, less one if the last bit is 0.
	VPSRLD(operand.U8(16), x, rounded)
	VPAND(r.one, rounded, rounded)
	VPADDD(r.below, rounded, rounded)
	VPADDD(x, rounded, rounded)
	// A NaN becomes quiet instead.
	const unordered = operand.U8(3)
	VCMPPS(unordered, x, x, nan)
	VPOR(r.quiet, x, t)
	VBLENDVPS(nan, t, rounded, rounded)
	// What has no exponent keeps its sign alone.
	VPAND(r.exponent, x, t)
	VPCMPEQD(r.zero, t, t)
	VPSRLD(operand.U8(1), t, t)
	VPANDN(rounded, t, x)
}

// integerPairs are the kernels on AVX2.
func integerPairs(s isa.Set) {
	integerPairsOf(s)

	n, p := begin(s, "pairEven", "func(dst, even []float32)", "sets dst to the pairs of even and zeros.", "dst", "dst", "even")
	r := newHalver(s)
	s.Loop(n, p, 2, s.Lanes(), func(v isa.Vec) {
		x := s.V(4 * v.Index)
		v.Load(p[1], x)
		r.round(x, s.V(4*v.Index+1), s.V(4*v.Index+2), s.V(4*v.Index+3))
		VPSRLD(operand.U8(16), x, x)
		v.Store(x, p[0])
	})
	isa.End()

	n, p = begin(s, "pairRows", "func(dst, even, odd []float32)", "sets dst to the pairs of even and odd.", "dst", "dst", "even", "odd")
	r = newHalver(s)
	s.Loop(n, p, 2, s.Lanes(), func(v isa.Vec) {
		even, odd := s.V(5*v.Index), s.V(5*v.Index+1)
		for i, x := range []reg.Register{even, odd} {
			v.Load(p[1+i], x)
			r.round(x, s.V(5*v.Index+2), s.V(5*v.Index+3), s.V(5*v.Index+4))
		}
		VPSRLD(operand.U8(16), even, even)
		const oddWords = operand.U8(0xaa)
		VPBLENDW(oddWords, odd, even, even)
		v.Store(even, p[0])
	})
	isa.End()
}

// integerPairsOf rounds what is contiguous: two vectors become one.
func integerPairsOf(s isa.Set) {
	var r halver
	round := func(low, high reg.Register) {
		for i, v := range []reg.Register{low, high} {
			r.round(v, s.V(2+3*i), s.V(3+3*i), s.V(4+3*i))
			VPSRLD(operand.U8(16), v, v)
		}
		VPACKUSDW(high, low, low) // the halves of both, in turn
		const order = operand.U8(0b11_01_10_00)
		VPERMQ(order, low, low)
	}
	contiguousPairs{
		masks: []reg.Register{s.V(8), s.V(9)}, setMasks: s.Masks,
		begin: func() { r = newHalver(s) },
		whole: func(x, low, high reg.Register) {
			s.VMOVU(isa.Ptr(x, 0), low)
			s.VMOVU(isa.Ptr(x, s.Bytes), high)
			round(low, high)
		},
		tail: round,
	}.emit(s)
}
