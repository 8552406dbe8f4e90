package main

import (
	"github.com/steppe-ml/steppe/asm_gen/tile"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// unrolls reports whether the kernel has unrolled loops. Tiles of two vectors of AVX2 do: their
// plain loop has 24 instructions for 12 FMAs, and takes as long as the FMAs only if nobody else
// uses the core. Narrower tiles would need more registers.
func (t conv) unrolls() bool { return !t.Opmasks && t.Vectors == 2 }

// unrolled emits the loops that take four steps at once: one for an A whose rows are contiguous, as
// pixels' channels are, and one for contiguous columns, as a filter's gradient has. They leave the
// last tile.Steps, up to three, in k.
func (t conv) unrolled(a, b, k reg.Register, aCol, bRow tile.Strides, row func(int) operand.Mem) {
	SUBQ(operand.U32(tile.Steps), k)
	JL(operand.LabelRef(t.Label + "Fewer"))
	body := func(label string, element func(step, i int) operand.Mem) {
		Label(t.Label + label)
		for step := range tile.Steps {
			t.StepAt(func(v int) operand.Mem { return bRow.At(b, step, t.Bytes*v) }, func(i int) operand.Mem { return element(step, i) })
		}
		LEAQ(operand.Mem{Base: a, Index: aCol[0], Scale: tile.Steps}, a)
		LEAQ(operand.Mem{Base: b, Index: bRow[0], Scale: tile.Steps}, b)
		SUBQ(operand.U32(tile.Steps), k)
		JGE(operand.LabelRef(t.Label + label))
	}
	if t.Rows > 1 {
		CMPQ(aCol[0], operand.U32(t.Size()))
		JNE(operand.LabelRef(t.Label + "Columns"))
		body("AlongRows", func(step, i int) operand.Mem {
			m := row(i)
			m.Disp = t.Size() * step
			return m
		})
		JMP(operand.LabelRef(t.Label + "Fewer"))
		Label(t.Label + "Columns")
		CMPQ(row(1).Index, operand.U32(t.Size()))
		JNE(operand.LabelRef(t.Label + "Fewer"))
	}
	body("AlongColumns", func(step, i int) operand.Mem { return aCol.At(a, step, t.Size()*i) })
	Label(t.Label + "Fewer")
	ADDQ(operand.U32(tile.Steps), k)
	JZ(operand.LabelRef(t.Label + "Tapped"))
}
