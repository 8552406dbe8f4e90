package isa

import (
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// These are the instructions of AVX512_BF16, which package evex knows and avo doesn't. They are
// named as Intel names them, and take operands in avo's order.

// VDPBF16PS adds the products of the pairs of x and y to the float32s of sum: the odd ones first.
func VDPBF16PS(x operand.Op, y, sum reg.Register) { bf16("VDPBF16PS", nil, true, x, y, sum) }

// VDPBF16PS_BCST is VDPBF16PS with one pair in memory for all of x's.
func VDPBF16PS_BCST(pair operand.Mem, y, sum reg.Register) {
	bf16("VDPBF16PS", []string{"BCST"}, true, pair, y, sum)
}

// VCVTNEPS2BF16 rounds the float32s of x to as many values of bfloat16, in a vector of half the
// size.
func VCVTNEPS2BF16(x operand.Op, dst reg.Register) { bf16("VCVTNEPS2BF16", nil, false, x, dst) }

// VCVTNE2PS2BF16 rounds the float32s of two vectors: low becomes the lower half of dst.
func VCVTNE2PS2BF16(low operand.Op, high, dst reg.Register) {
	bf16("VCVTNE2PS2BF16", nil, false, low, high, dst)
}

// bf16 emits an instruction whose last operand is the destination, which it may read.
func bf16(name string, suffixes []string, reads bool, operands ...operand.Op) {
	inputs, dst := operands, operands[len(operands)-1]
	if !reads {
		inputs = operands[:len(operands)-1]
	}
	Instruction(&ir.Instruction{
		Opcode:   name,
		Suffixes: suffixes,
		Operands: operands,
		Inputs:   inputs,
		Outputs:  []operand.Op{dst},
		ISA:      []string{"AVX512_BF16"},
	})
}

// AddProducts adds products to the sums of a tile: x times y, or those of the pairs of x and y.
func (s Set) AddProducts(x operand.Op, y, sum reg.Register) {
	if s.Pairs {
		VDPBF16PS(x, y, sum)
	} else {
		s.VFMADD231(x, y, sum)
	}
}

// AddProducts_BCST is AddProducts with one element in memory for all of x.
func (s Set) AddProducts_BCST(element operand.Mem, y, sum reg.Register) {
	if s.Pairs {
		VDPBF16PS_BCST(element, y, sum)
	} else {
		s.VFMADD231_BCST(element, y, sum)
	}
}

// SplitsPairs reports whether pairs are multiplied by FMAs of float32s, for which their halves are
// put in vectors of their own.
func (s Set) SplitsPairs() bool { return s.Pairs && !s.Opmasks }
