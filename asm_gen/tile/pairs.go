package tile

import (
	"github.com/steppe-ml/steppe/asm_gen/isa"

	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// A set that splits pairs makes float32s of their halves: the odd value is what is left when the
// lower half of a word's bits is cleared, the even one is that half shifted up.

// splitStep adds the products of one k of pairs, whose elements of A are split one by one.
func (t Tile) splitStep(b, row func(int) operand.Mem) {
	t.AddHalves(b, row, row, t.Odd, t.Even)
}

// AddHalves adds the products of one k of pairs: the odd values' first, then the even ones'. B's row
// is read for each, since no registers are left to keep both. Values of A are what odd and even make
// of vectors of elements.
func (t Tile) AddHalves(b, oddRow, evenRow func(int) operand.Mem, odd, even func(reg.Register)) {
	for v := range t.Vectors {
		if t.Mask == nil {
			VANDPS(b(v), isa.Y(isa.MaskRegister), t.B(v))
		} else {
			t.Load(b(v), v, t.B(v))
			t.Odd(t.B(v))
		}
	}
	t.addHalf(oddRow, odd)
	for v := range t.Vectors {
		t.Load(b(v), v, t.B(v))
		t.Even(t.B(v))
	}
	t.addHalf(evenRow, even)
}

// addHalf adds the products of values of A and of what is in B's registers.
func (t Tile) addHalf(row func(int) operand.Mem, half func(reg.Register)) {
	for i := range t.Rows {
		element := t.Spare(i)
		t.VBROADCAST(row(i), element)
		half(element)
		for v := range t.Vectors {
			t.VFMADD231(t.B(v), element, t.Acc(i, v))
		}
	}
}

// Even makes even values of pairs.
func (t Tile) Even(r reg.Register) { VPSLLD(operand.U8(16), r, r) }

// Odd makes odd values of pairs. Their mask is in memory where its register has another one.
func (t Tile) Odd(r reg.Register) {
	if t.Mask == nil {
		VANDPS(isa.Y(isa.MaskRegister), r, r)
	} else {
		VANDPS(oddMask(), r, r)
	}
}

// LoadOddMask loads the mask of odd values, if there is a register for it.
func (t Tile) LoadOddMask() {
	if t.Mask == nil {
		VMOVUPS(oddMask(), isa.Y(isa.MaskRegister))
	}
}

var upperHalves *operand.Mem

// oddMask is the mask of odd values in memory.
func oddMask() operand.Mem {
	if upperHalves == nil {
		m := GLOBL("odd", attr.RODATA|attr.NOPTR)
		for i := range 8 {
			DATA(4*i, operand.U32(0xffff0000))
		}
		upperHalves = &m
	}
	return *upperHalves
}
