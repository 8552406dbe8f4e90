package main

import (
	"github.com/steppe-ml/steppe/asm_gen/tile"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// steps is how many steps along k an unrolled loop takes at once.
const steps = 4

// unrolls reports whether the kernel has unrolled loops. Tiles of two vectors of AVX2 do: their
// plain loop has 24 instructions for 12 FMAs, and takes as long as the FMAs only if nobody else
// uses the core. Narrower tiles would need more registers.
func (t conv) unrolls() bool { return !t.Opmasks && t.Vectors == 2 }

// stride is the bytes from one step along k to the next, and three times that.
type stride [2]reg.Register

func (t conv) stride(parameter string) stride {
	once, triple := tile.Stride(t.Set, parameter), GP64()
	LEAQ(operand.Mem{Base: once, Index: once, Scale: 2}, triple)
	return stride{once, triple}
}

// at is the memory some steps, fewer than 4, and some bytes behind base.
func (s stride) at(base reg.Register, step, bytes int) operand.Mem {
	m := operand.Mem{Base: base, Disp: bytes}
	switch step {
	case 1, 2:
		m.Index, m.Scale = s[0], uint8(step)
	case 3:
		m.Index, m.Scale = s[1], 1
	}
	return m
}

// unrolled emits the loops that take four steps at once: one for an A whose rows are contiguous, as
// pixels' channels are, and one for contiguous columns, as a filter's gradient has. They leave the
// last steps, up to three, in k.
func (t conv) unrolled(a, b, k reg.Register, aCol, bRow stride, row func(int) operand.Mem) {
	SUBQ(operand.U32(steps), k)
	JL(operand.LabelRef(t.Label + "Fewer"))
	body := func(label string, element func(step, i int) operand.Mem) {
		Label(t.Label + label)
		for step := range steps {
			t.StepAt(func(v int) operand.Mem { return bRow.at(b, step, t.Bytes*v) }, func(i int) operand.Mem { return element(step, i) })
		}
		LEAQ(operand.Mem{Base: a, Index: aCol[0], Scale: steps}, a)
		LEAQ(operand.Mem{Base: b, Index: bRow[0], Scale: steps}, b)
		SUBQ(operand.U32(steps), k)
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
	body("AlongColumns", func(step, i int) operand.Mem { return aCol.at(a, step, t.Size()*i) })
	Label(t.Label + "Fewer")
	ADDQ(operand.U32(steps), k)
	JZ(operand.LabelRef(t.Label + "Tapped"))
}
