package main

import (
	"github.com/steppe-ml/steppe/asm_gen/isa"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// A tile of 6 x 16 that splits each element of A where it needs it has 16 instructions that split
// for 24 FMAs. On a Zen 3 core it reached 0.77 of float32's speed. So vectors of A are split ahead,
// to the kernel's frame, and elements are broadcast from there.

// aheadSteps is how many steps along k are split at once: as many as a vector has elements.
const aheadSteps = 8

// splitsAhead reports whether the kernel splits A ahead. Tiles of few rows wait for their FMAs, and
// those of more rows than a vector has would need more of the stack than NOSPLIT leaves.
func (t gemm) splitsAhead() bool { return t.SplitsPairs() && 3 <= t.Rows && t.Rows <= aheadSteps }

// aheadLoops emits the loops for an A whose rows or whose columns are contiguous. Others, and the
// last steps, are left to the loop behind them.
func (t gemm) aheadLoops(a, b, k, aCol, bRow reg.Register, row func(int) operand.Mem, prefetch func()) {
	frame := *splitA
	rest := operand.LabelRef(t.Label + "Rest")
	at, end := GP64(), GP64()
	CMPQ(k, operand.U32(aheadSteps))
	JL(rest)

	// loop emits one of them. split splits aheadSteps steps of A. Then odd and even elements of row i
	// and the next step are some bytes behind one another.
	loop := func(label string, split func(), row, half, step int) {
		Label(t.Label + label)
		split()
		LEAQ(frame, at)
		LEAQ(isa.Ptr(at, aheadSteps*step), end)
		Label(t.Label + label + "K")
		vector := func(v int) operand.Mem { return t.Vector(b, v) }
		oddRow := func(i int) operand.Mem { return isa.Ptr(at, i*row) }
		evenRow := func(i int) operand.Mem { return isa.Ptr(at, i*row+half) }
		asItIs := func(reg.Register) {}
		t.AddHalves(vector, oddRow, evenRow, asItIs, asItIs)
		prefetch()
		ADDQ(bRow, b)
		ADDQ(operand.U32(step), at)
		CMPQ(at, end)
		JNE(operand.LabelRef(t.Label + label + "K"))
		SUBQ(operand.U32(aheadSteps), k)
		CMPQ(k, operand.U32(aheadSteps))
		JGE(operand.LabelRef(t.Label + label))
	}
	odd, even, mask := t.B(0), t.Spare(0), t.V(maskOfRows)
	splitTo := func(i int) {
		VPSLLD(operand.U8(16), odd, even)
		t.Odd(odd)
		VMOVUPS(odd, frame.Offset(2*t.Bytes*i))
		VMOVUPS(even, frame.Offset(2*t.Bytes*i+t.Bytes))
	}

	CMPQ(aCol, operand.U32(t.Size()))
	JNE(operand.LabelRef(t.Label + "Columns"))
	loop("AlongRows", func() {
		for i := range t.Rows {
			VMOVUPS(row(i), odd)
			splitTo(i)
		}
		ADDQ(operand.U32(t.Bytes), a)
	}, 2*t.Bytes, t.Bytes, t.Size())
	JMP(rest)

	Label(t.Label + "Columns")
	CMPQ(row(1).Index, operand.U32(t.Size()))
	JNE(rest)
	loop("AlongColumns", func() {
		VMOVUPS(isa.LowestLanes(t.Rows), mask)
		for step := range aheadSteps {
			t.VMASKMOV(isa.Ptr(a, 0), mask, odd)
			splitTo(step)
			ADDQ(aCol, a)
		}
	}, t.Size(), t.Bytes, 2*t.Bytes)
	Label(t.Label + "Rest")
}

// maskOfRows is the vector register for the mask of A's rows, which is B's in the loops.
const maskOfRows = 13

// splitA is the frame for elements of A that are split: vectors of odd ones, and of even ones behind
// them. A function has one.
var splitA *operand.Mem

func allocateSplitA(t gemm) {
	splitA = nil
	if t.splitsAhead() {
		m := AllocLocal(2 * t.Bytes * aheadSteps)
		splitA = &m
	}
}
