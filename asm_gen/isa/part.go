package isa

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// A part of a vector is its first elements. A mask says which: an opmask where there are any, a
// vector of AVX2's, or, on NEON, the number of elements in a general register or in memory.

// MaskRegister holds AVX2's mask of a tail or, in a tile of whole vectors, that of pairs' odd values.
const MaskRegister = 15

// masksLanes reports whether masks are vectors.
func (s Set) masksLanes() bool { return !s.Counts && !s.Opmasks }

// TailMask returns the mask of a tail's n elements: on AVX2 in vector register 15, on AVX-512 in K1,
// on NEON n itself.
func (s Set) TailMask(n reg.Register) reg.Register {
	switch {
	case s.Counts:
		return n
	case s.Opmasks:
		s.SetOpmasks(n, reg.K1)
		return reg.K1
	}
	s.Masks(n, Y(MaskRegister))
	return Y(MaskRegister)
}

// LoadMasked loads a part of a vector, and clears the other elements.
func (s Set) LoadMasked(m operand.Mem, mask operand.Op, r reg.Register) {
	switch {
	case s.Counts:
		s.part("LOAD", r, m, mask, r)
	case !s.Opmasks:
		s.VMASKMOV(m, mask, r)
	case s.Float == 64:
		VMOVUPD_Z(m, mask, r)
	default:
		VMOVUPS_Z(m, mask, r)
	}
}

// StoreMasked stores a part of a vector.
func (s Set) StoreMasked(r reg.Register, mask operand.Op, m operand.Mem) {
	switch {
	case s.Counts:
		s.part("STORE", m, r, mask, m)
	case !s.Opmasks:
		s.VMASKMOV(r, mask, m)
	default:
		s.VMOVU(r, mask, m)
	}
}

// VMASKMOV is AVX2's load or store of the lanes of a mask.
func (s Set) VMASKMOV(from, mask, to operand.Op) {
	if s.Float == 64 {
		VMASKMOVPD(from, mask, to)
	} else {
		VMASKMOVPS(from, mask, to)
	}
}

// FillMasked loads a part of a vector of float32, with the elements of other behind it.
func (s Set) FillMasked(m operand.Mem, mask operand.Op, other, r reg.Register) {
	switch {
	case s.Counts:
		VMOVAPS(other, r)
		s.FillCounted(m, mask, r)
	case s.Opmasks:
		VMOVAPS(other, r)
		VMOVUPS(m, mask, r)
	default:
		VMASKMOVPS(m, mask, r)
		VBLENDVPS(mask, r, other, r)
	}
}

// FillCounted loads a part of a vector over what r has been, on NEON.
func (s Set) FillCounted(m operand.Mem, count operand.Op, r reg.Register) {
	s.part("FILL", r, m, count, r)
}

// ClearCounted clears r behind a part, on NEON.
func (s Set) ClearCounted(count operand.Op, r reg.Register) { s.part("CLEAR", r, count, r) }

// part emits an instruction that only the lowering knows.
func (s Set) part(name string, output operand.Op, operands ...operand.Op) {
	Instruction(&ir.Instruction{
		Opcode:   fmt.Sprint("PART", name, s.Size()),
		Operands: operands,
		Inputs:   operands,
		Outputs:  []operand.Op{output},
	})
}
