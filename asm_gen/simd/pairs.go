package main

import (
	"github.com/steppe-ml/steppe/asm_gen/isa"

	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// pairKernels are the kernels that round to bfloat16 and make pairs: by AVX512_BF16's instructions,
// or on AVX2 by arithmetic on integers.
func pairKernels(s isa.Set) {
	if s.SplitsPairs() {
		integerPairs(s)
		return
	}
	pairs(s)
	pairEven(s)
	pairRows(s)
}

// pairs rounds what is contiguous: two vectors become one, whose elements stay in their order.
func pairs(s isa.Set) {
	contiguousPairs{
		masks: []reg.Register{reg.K1, reg.K2}, setMasks: s.SetOpmasks,
		begin: func() {},
		whole: func(x, low, high reg.Register) {
			s.VMOVU(isa.Ptr(x, s.Bytes), high)
			isa.VCVTNE2PS2BF16(isa.Ptr(x, 0), high, low)
		},
		tail: func(low, high reg.Register) { isa.VCVTNE2PS2BF16(low, high, low) },
	}.emit(s)
}

// contiguousPairs is the kernel that takes two vectors of x to one of dst. whole does so from memory,
// and tail in registers, with what the masks let in; both leave the pairs in low.
type contiguousPairs struct {
	masks    []reg.Register
	setMasks func(n reg.Register, masks ...reg.Register)
	begin    func() // sets what the others need
	whole    func(x, low, high reg.Register)
	tail     func(low, high reg.Register)
}

func (c contiguousPairs) emit(s isa.Set) {
	n, p := begin(s, "pairs", "func(dst, x []float32)", "sets dst to the pairs of x.", "x", "dst", "x")
	dst, x := p[0], p[1]
	c.begin()
	low, high := s.V(0), s.V(1)
	CMPQ(n, operand.U32(2*s.Lanes()))
	JL(operand.LabelRef("tail"))
	Label("whole")
	c.whole(x, low, high)
	s.VMOVU(low, isa.Ptr(dst, 0))
	ADDQ(operand.U32(2*s.Bytes), x)
	ADDQ(operand.U32(s.Bytes), dst)
	SUBQ(operand.U32(2*s.Lanes()), n)
	CMPQ(n, operand.U32(2*s.Lanes()))
	JGE(operand.LabelRef("whole"))

	Label("tail")
	TESTQ(n, n)
	JZ(operand.LabelRef("done"))
	c.setMasks(n, c.masks...)
	s.LoadMasked(isa.Ptr(x, 0), c.masks[0], low)
	s.LoadMasked(isa.Ptr(x, s.Bytes), c.masks[1], high)
	c.tail(low, high)
	INCQ(n) // an odd last one makes a pair, too
	SHRQ(operand.U8(1), n)
	c.setMasks(n, c.masks[0])
	s.StoreMasked(low, c.masks[0], isa.Ptr(dst, 0))
	Label("done")
	isa.End()
}

// pairEven rounds a row to the lower halves of pairs.
func pairEven(s isa.Set) {
	n, p := begin(s, "pairEven", "func(dst, even []float32)", "sets dst to the pairs of even and zeros.", "dst", "dst", "even")
	s.Loop(n, p, 4, s.Lanes(), func(v isa.Vec) {
		x, half := s.V(v.Index), s.Half(v.Index)
		v.Load(p[1], x)
		isa.VCVTNEPS2BF16(x, half)
		VPMOVZXWD(half, x)
		v.Store(x, p[0])
	})
	isa.End()
}

// pairRows rounds two rows to one vector, the even one's values first, and has them change places.
func pairRows(s isa.Set) {
	n, p := begin(s, "pairRows", "func(dst, even, odd []float32)", "sets dst to the pairs of even and odd.", "dst", "dst", "even", "odd")
	order := s.V(14)
	s.VMOVU(interleave(s), order)
	s.Loop(n, p, 4, s.Lanes(), func(v isa.Vec) {
		even, odd := s.V(2*v.Index), s.V(2*v.Index+1)
		v.Load(p[1], even)
		v.Load(p[2], odd)
		isa.VCVTNE2PS2BF16(even, odd, even)
		VPERMW(even, order, even)
		v.Store(even, p[0])
	})
	isa.End()
}

// interleave is the words of two halves of a vector in turn.
func interleave(s isa.Set) operand.Mem {
	table := GLOBL("interleave", attr.RODATA|attr.NOPTR)
	for i := range s.Lanes() {
		DATA(4*i, operand.U32(i|(s.Lanes()+i)<<16))
	}
	return table
}
