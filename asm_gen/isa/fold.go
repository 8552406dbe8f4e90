package isa

import (
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
)

// Fold folds the lanes of vector register r to its 128 lowest bits: the upper
// half of them onto the lower, until no more are left. It uses the register
// spare.
func (s Set) Fold(op func(...operand.Op), r, spare int) {
	if s.Narrow() {
		return // vectors have no more
	}
	if s.Wide() {
		VEXTRACTF64X4(operand.U8(1), Z(r), Y(spare))
		op(Y(spare), Y(r), Y(r))
	}
	if spare < 16 {
		VEXTRACTF128(operand.U8(1), Y(r), X(spare))
	} else {
		VEXTRACTF32X4(operand.U8(1), Y(r), X(spare)) // the other knows 16 registers
	}
	op(X(spare), X(r), X(r))
}

// FoldSingles folds the four float32 in the 128 lowest bits of r to one.
func FoldSingles(op func(...operand.Op), r, spare int) {
	VPERMILPS(operand.U8(0b01_00_11_10), X(r), X(spare))
	op(X(spare), X(r), X(r))
	VPERMILPS(operand.U8(0b10_11_00_01), X(r), X(spare))
	op(X(spare), X(r), X(r))
}

// FoldDoubles folds the two float64 in the 128 lowest bits of r to one.
func FoldDoubles(op func(...operand.Op), r, spare int) {
	VPERMILPD(operand.U8(1), X(r), X(spare))
	op(X(spare), X(r), X(r))
}
