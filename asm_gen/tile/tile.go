// Package tile is what the kernels have in common that multiply and add tiles in
// registers: C[rows x n] = sum over k of A(i,k) B(k,:), where A's elements are
// broadcast from wherever strides lead and B's rows are vectors.
package tile

import (
	"fmt"

	"github.com/steppe-ml/steppe/asm_gen/isa"
	"github.com/steppe-ml/steppe/asm_gen/panels"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Of returns s, or its half if the panel's vectors are.
func Of(s isa.Set, p panels.Panel) isa.Set {
	if p.Halves {
		return s.Halved()
	}
	return s
}

// Tile is the plan for the vector registers of one tile of C: the
// accumulators first, row by row, then B's row, then what is left.
type Tile struct {
	isa.Set
	Rows, Vectors int
	Mask          reg.Register // of the last vector's columns; nil for all of them
	Label         string       // of the code being emitted, unique in the function
}

// Acc is the accumulator of row i and vector v, B a vector of B's row.
func (t Tile) Acc(i, v int) reg.Register { return t.V(i*t.Vectors + v) }
func (t Tile) B(v int) reg.Register      { return t.V(t.Rows*t.Vectors + v) }

// Spare is one of the registers that are left.
func (t Tile) Spare(i int) reg.Register {
	first, end := (t.Rows+1)*t.Vectors, t.Registers
	if t.Mask == isa.Y(isa.MaskRegister) || t.SplitsPairs() {
		end = isa.MaskRegister
	}
	if first >= end {
		panic(fmt.Sprintf("asm_gen: a tile of %d rows and %d vectors takes %d vector registers and one more, and there are %d", t.Rows, t.Vectors, first, end))
	}
	return t.V(first + i%(end-first))
}

// Ragged emits the code for tiles of a number of rows, and of any n columns that
// take as many vectors as it says: loop for each number of vectors. AVX-512 masks
// the last vector always, which costs nothing; AVX2 where it must.
func Ragged(s isa.Set, rows, fewest, most int, loop func(Tile)) {
	n := Load(Param("n"), GP64())
	for v := most; v >= fewest; v-- {
		t := Tile{Set: s, Rows: rows, Vectors: v, Label: fmt.Sprint("columns", v*s.Lanes())}
		Label(fmt.Sprint("upTo", v*s.Lanes()))
		if v > fewest {
			CMPQ(n, operand.U32((v-1)*s.Lanes()))
			JLE(operand.LabelRef(fmt.Sprint("upTo", (v-1)*s.Lanes())))
		}
		if !s.Opmasks {
			CMPQ(n, operand.U32(v*s.Lanes()))
			JL(operand.LabelRef(t.Label + "Ragged"))
			loop(t)
			t.Label += "Ragged"
			Label(t.Label)
			t.Label += "Tile"
		}
		if v > 1 {
			SUBQ(operand.U32((v-1)*s.Lanes()), n)
		}
		t.Mask = s.TailMask(n)
		loop(t)
	}
}

// Stride loads a stride, given in elements, in bytes.
func Stride(s isa.Set, name string) reg.GPVirtual {
	r := GP64()
	Load(Param(name), r)
	s.BytesOf(r)
	return r
}

// Vector is vector v of the row at p.
func (t Tile) Vector(p reg.Register, v int) operand.Mem { return isa.Ptr(p, t.Bytes*v) }

// Clear clears the accumulators.
func (t Tile) Clear() {
	for i := range t.Rows * t.Vectors {
		t.Zero(i)
	}
}

// Step adds the products of one k: B's row in registers, A's elements one by
// one. Where one FMA alone takes an element and AVX-512 lets it, the FMA
// broadcasts the element itself.
func (t Tile) Step(b reg.Register, row func(int) operand.Mem) {
	t.StepAt(func(v int) operand.Mem { return t.Vector(b, v) }, row)
}

// StepAt is Step for a row of B whose vectors lie where b says.
func (t Tile) StepAt(b, row func(int) operand.Mem) {
	if t.SplitsPairs() {
		t.splitStep(b, row)
		return
	}
	for v := range t.Vectors {
		t.Load(b(v), v, t.B(v))
	}
	if t.Wide() && t.Vectors == 1 {
		for i := range t.Rows {
			t.AddProducts_BCST(row(i), t.B(0), t.Acc(i, 0))
		}
		return
	}
	for i := range t.Rows {
		element := t.Spare(i)
		t.VBROADCAST(row(i), element)
		for v := range t.Vectors {
			t.AddProducts(t.B(v), element, t.Acc(i, v))
		}
	}
}

// PrefetchC asks for C's tile before the long loop that it isn't needed in.
func (t Tile) PrefetchC() {
	c, cRow := Load(Param("c"), GP64()), Stride(t.Set, "cRow")
	for range t.Rows {
		for line := 0; line < t.Vectors*t.Bytes; line += 64 {
			PREFETCHT0(isa.Ptr(c, line))
		}
		ADDQ(cRow, c)
	}
}

// RowsOf returns the addresses of A's rows from a, which is all that moves
// along k: odd multiples of the row stride are kept in registers, and the
// index scale makes the even ones of them.
func (t Tile) RowsOf(a reg.Register) func(i int) operand.Mem {
	odd := map[int]reg.GPVirtual{}
	for i := 1; i < t.Rows; i += 2 {
		if i == 1 {
			odd[1] = Stride(t.Set, "aRow")
		} else {
			odd[i] = GP64()
			LEAQ(operand.Mem{Base: odd[i-2], Index: odd[1], Scale: 2}, odd[i])
		}
	}
	return func(i int) operand.Mem {
		if i == 0 {
			return isa.Ptr(a, 0)
		}
		scale := uint8(1)
		for ; i%2 == 0; i /= 2 {
			scale *= 2
		}
		return operand.Mem{Base: a, Index: odd[i], Scale: scale}
	}
}

// AddBias adds the bias of each column, unless it is nil.
func (t Tile) AddBias() {
	bias := Load(Param("bias"), GP64())
	TESTQ(bias, bias)
	JZ(operand.LabelRef(t.Label + "Biased"))
	for v := range t.Vectors {
		t.Load(t.Vector(bias, v), v, t.B(v))
	}
	t.Each(func(i, v int) { t.VADD(t.B(v), t.Acc(i, v), t.Acc(i, v)) })
	Label(t.Label + "Biased")
}

// ReLU puts 0 in place of what is negative if the parameter relu says so.
func (t Tile) ReLU() {
	CMPB(isa.Parameter("relu"), operand.U8(0))
	JEQ(operand.LabelRef(t.Label + "Store"))
	t.Zero(t.Rows * t.Vectors)
	t.Each(func(i, v int) { t.VMAX(t.Acc(i, v), t.B(0), t.Acc(i, v)) }) // NaN wins: the operand named first does
	Label(t.Label + "Store")
}

// Each visits the accumulators.
func (t Tile) Each(f func(i, v int)) {
	for i := range t.Rows {
		for v := range t.Vectors {
			f(i, v)
		}
	}
}

// Walk visits the vectors of C's tile, and returns the pointer to the row
// after it.
func (t Tile) Walk(cRow reg.Register, f func(c operand.Mem, i, v int)) reg.Register {
	c := Load(Param("c"), GP64())
	for i := range t.Rows {
		for v := range t.Vectors {
			f(t.Vector(c, v), i, v)
		}
		ADDQ(cRow, c)
	}
	return c
}

// Masked reports whether vector v lacks columns.
func (t Tile) Masked(v int) bool { return t.Mask != nil && v == t.Vectors-1 }

// Load loads vector v of a row.
func (t Tile) Load(m operand.Mem, v int, r reg.Register) {
	if t.Masked(v) {
		t.LoadMasked(m, t.Mask, r)
	} else {
		t.VMOVU(m, r)
	}
}

// Store stores the accumulator of row i and vector v.
func (t Tile) Store(c operand.Mem, i, v int) {
	switch {
	case !t.Masked(v):
		t.VMOVU(t.Acc(i, v), c)
	case t.Opmasks:
		t.VMOVU(t.Acc(i, v), t.Mask, c)
	default:
		t.VMASKMOV(t.Acc(i, v), t.Mask, c)
	}
}
