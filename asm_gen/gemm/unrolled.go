package main

import (
	"github.com/steppe-ml/steppe/asm_gen/tile"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// near is the bytes between rows of B up to which the hardware prefetches them by itself.
const near = 512

// unrolls reports whether the kernel has unrolled loops. Tiles of AVX2 do: their plain loop has 26
// instructions for 12 FMAs, and takes as long as the FMAs only if nobody else uses the core.
// Those of pairs have more to do at each step.
func (t gemm) unrolls() bool { return !t.Opmasks && !t.wide && !t.Pairs }

// distances are the strides of a kernel's operands, which all of its tiles share.
type distances struct {
	a          reg.Register // of the tile, from which row returns the rows
	row        func(int) operand.Mem
	aCol, bRow tile.Strides
}

// distances loads them.
func (t gemm) distances() (d distances) {
	d.a = GP64()
	d.row = t.RowsOf(d.a)
	d.aCol, d.bRow = tile.StridesOf(t.Set, "aCol"), tile.StridesOf(t.Set, "bRow")
	return d
}

// unrolled emits the loops that take four steps along k at once, for an A whose rows or whose
// columns are contiguous, and leaves the last steps in k to the loop behind them. It leaves all
// steps to that one, which asks for rows of B ahead, if rows of B are far apart.
func (t gemm) unrolled(b, k, next reg.Register, d distances) {
	a, aCol, bRow := d.a, d.aCol[0], d.bRow[0]
	rest := operand.LabelRef(t.Label + "Rest")
	CMPQ(bRow, operand.U32(near))
	JG(rest)
	SUBQ(operand.U32(tile.Steps), k)
	JL(operand.LabelRef(t.Label + "Fewer"))
	body := func(label string, element func(step, i int) operand.Mem) {
		Label(t.Label + label)
		for step := range tile.Steps {
			t.StepAt(func(v int) operand.Mem { return d.bRow.At(b, step, t.Bytes*v) }, func(i int) operand.Mem { return element(step, i) })
			if line := 64 * step; line < tile.Steps*t.Size()*t.Rows {
				PREFETCHT0(operand.Mem{Base: next, Disp: line})
			}
		}
		ADDQ(operand.U32(tile.Steps*t.Size()*t.Rows), next)
		LEAQ(operand.Mem{Base: a, Index: aCol, Scale: tile.Steps}, a)
		LEAQ(operand.Mem{Base: b, Index: bRow, Scale: tile.Steps}, b)
		SUBQ(operand.U32(tile.Steps), k)
		JGE(operand.LabelRef(t.Label + label))
	}

	if t.Rows > 1 {
		CMPQ(aCol, operand.U32(t.Size()))
		JNE(operand.LabelRef(t.Label + "Columns"))
		body("AlongRows", func(step, i int) operand.Mem {
			m := d.row(i)
			m.Disp = t.Size() * step
			return m
		})
		JMP(operand.LabelRef(t.Label + "Fewer"))
		Label(t.Label + "Columns")
		CMPQ(d.row(1).Index, operand.U32(t.Size()))
		JNE(operand.LabelRef(t.Label + "Fewer"))
	}
	body("AlongColumns", func(step, i int) operand.Mem { return d.aCol.At(a, step, t.Size()*i) })
	Label(t.Label + "Fewer")
	ADDQ(operand.U32(tile.Steps), k)
	Label(t.Label + "Rest")
}
