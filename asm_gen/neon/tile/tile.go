// Package tile is what NEON's kernels of products and of convolutions have in common, as
// asm_gen/tile is for AVX: C[rows x n] = sum over k of A(i,k) B(k,:), where B's rows are vectors,
// and A's elements lanes of vectors that are loaded from wherever strides lead.
package tile

import (
	"fmt"

	"github.com/steppe-ml/steppe/asm_gen/neon"
	"github.com/steppe-ml/steppe/asm_gen/panels"
)

// Tile is the plan for the registers of one tile of C. There are no masks: a row of n columns is
// moved in two parts, of which the second ends with column n. It may overlap the first; what they
// share, they share to the bit.
//
//   - Two or three vectors: all but the last one, and the last one.
//   - One vector of fewer columns than lanes: two halves, or a single element.
//
// A wide tile's rows are whole vectors, four of them at a time.
type Tile struct {
	*neon.Func
	neon.Element
	Rows, Vectors int
	Label         string // of the code being emitted, unique in the function
	width         int    // elements of the second part of a row
	wide          bool

	// A(i,l) is at A[i] + along[0] bytes, and from row 8 on at A[i-8] + along[1].
	A, along []neon.R
	aCol     neon.R // in bytes, as BRow
	BRow     neon.R
	K        neon.R    // steps along k that are left
	second   neon.R    // bytes from a row's first part to its second
	at       [2]neon.R // the parts of the row at hand, of B, C or a bias
	column   []neon.R  // the parts of the column of A at hand
	Scratch  neon.R
}

// pointers is how many of A's rows have a pointer.
const pointers = 8

// Ragged emits the code for tiles of a number of rows, and of any n columns that the panel has:
// loop for each way to move a row.
func Ragged(f *neon.Func, of neon.Element, rows int, p panels.Panel, loop func(Tile)) {
	n := f.Load("n", f.R())
	most := func(width int) int { // columns
		if width == of.Lanes() {
			return p.Most * width
		}
		return 2*width - 1
	}
	least := of.Lanes() // of the widths
	if p.Fewest == 1 {
		least = 1
	}
	for width := of.Lanes(); width >= least; width /= 2 {
		f.Label(fmt.Sprint("upTo", most(width)))
		if width > least {
			f.CMP(neon.Imm(width), n)
			f.BLT(fmt.Sprint("upTo", most(width/2)))
		}
		f.SUB(neon.Imm(width), n, n)
		f.LSL(of.Shift(), n, n)
		f.Scope(func() {
			t := Tile{Func: f, Element: of, Rows: rows, Vectors: p.Most, Label: fmt.Sprint("columns", most(width)), width: width, second: n}
			t.takeRegisters()
			loop(t)
		})
	}
}

// Wide emits the code for tiles of a few rows and whole vectors of columns.
func Wide(f *neon.Func, of neon.Element, rows, vectors int, loop func(Tile)) {
	t := Tile{Func: f, Element: of, Rows: rows, Vectors: vectors, Label: "tile", width: of.Lanes(), wide: true}
	t.takeRegisters()
	loop(t)
}

// takeRegisters plans the general registers, of which three or more are left.
func (t *Tile) takeRegisters() {
	t.A, t.along = t.Rs(min(t.Rows, pointers)), t.Rs((t.Rows-1)/pointers+1)
	t.aCol, t.BRow, t.K, t.Scratch = t.R(), t.R(), t.R(), t.R()
	t.at = [2]neon.R{t.R(), t.R()}
	t.column = t.Rs(len(t.columnParts()))
}

// Of the vector registers, the accumulators come first, row by row, then vectors of B's row, then
// elements of A.

// Acc is the accumulator of row i and vector v.
func (t Tile) Acc(i, v int) neon.V { return t.V(i*t.Vectors + v) }

// B is where vector v of a row is, of those that are moved together.
func (t Tile) B(v int) neon.V { return t.V(t.Rows*t.Vectors + v%t.together()) }

// Spare is one of the registers that are left.
func (t Tile) Spare(i int) neon.V {
	first := t.Rows*t.Vectors + t.together()
	return t.V(first + i%t.spares())
}

func (t Tile) spares() int {
	left := 32 - t.Rows*t.Vectors - t.together()
	if left < 1 || t.wide && left < t.Rows {
		panic(fmt.Sprintf("asm_gen: a tile of %d rows and %d vectors leaves %d vector registers for A", t.Rows, t.Vectors, left))
	}
	return left
}

// together is how many vectors of a row have registers at a time.
func (t Tile) together() int {
	if t.wide {
		return min(t.Vectors, 4)
	}
	return t.Vectors
}

// Each visits the accumulators.
func (t Tile) Each(f func(i, v int)) {
	for i := range t.Rows {
		for v := range t.Vectors {
			f(i, v)
		}
	}
}

// Clear clears them.
func (t Tile) Clear() { t.Each(func(i, v int) { t.Zero(t.Acc(i, v)) }) }

// Bytes loads a stride, given in elements, in bytes.
func (t Tile) Bytes(name string, r neon.R) neon.R {
	t.LSL(t.Shift(), t.Load(name, r), r)
	return r
}
