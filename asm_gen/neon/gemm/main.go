// Command gemm generates the GEMM kernels of package gemm for arm64, for
// float32 or float64.
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/steppe-ml/steppe/asm_gen/neon"
)

// mr is the most rows of a tile, and mv the most vectors of a row. They make
// 24 accumulators, which leaves 8 of 32 registers for the operands.
const mr, mv = 8, 3

// kernels is what the kernels for one type of elements are called.
type kernels struct {
	of                           neon.Element
	gemm, copyPanels, transposed string
}

var byBits = map[int]kernels{
	32: {neon.Float32, "sgemm", "copyPanels32NEON", "transpose32NEON"},
	64: {neon.Float64, "dgemm", "copyPanels64NEON", "transpose64NEON"},
}

func main() {
	bits := flag.Int("float", 32, "bits of an element: 32 or 64")
	neon.Program(func(file *neon.File) {
		k, ok := byBits[*bits]
		if !ok {
			fmt.Fprintf(os.Stderr, "asm_gen: -float %d: want 32 or 64\n", *bits)
			os.Exit(2)
		}
		for rows := 1; rows <= mr; rows++ {
			panel(file, fmt.Sprintf("%s%dx%dNEON", k.gemm, rows, mv*k.of.Lanes()), k.of, rows)
		}
		copyPanels(file, k.copyPanels, k.of)
		transpose(file, k.transposed, k.of)
	})
}

// signature is that of tile kernels, %[1]s being the type of elements.
const signature = "func(tiles, n, k int, a *%[1]s, aRow, aCol, aTile int, b *%[1]s, bRow int, c *%[1]s, cRow int, alpha, beta %[1]s, bias, rowBias *%[1]s, relu bool)"

// panel emits the kernel for tiles of a number of rows.
func panel(file *neon.File, name string, of neon.Element, rows int) {
	f := file.Func(name, fmt.Sprintf(signature, of.Type()),
		fmt.Sprintf("is a TileKernel for tiles of %d rows and up to %d columns.", rows, mv*of.Lanes()))
	n := f.Load("n", f.R())
	f.CMP(neon.Imm(of.Lanes()), n)
	f.BLE("one")
	f.CMP(neon.Imm(2*of.Lanes()), n)
	f.BLE("two")
	for v := mv; v > 0; v-- {
		f.Scope(func() { newTile(f, of, rows, v).loop(n) })
	}
}

// tile is the plan for the registers of one tile of C. There are no masks, so
// that ragged columns are met by entering a row at several columns:
//
//   - Two or three vectors: at column 0, and for the last vector at column
//     n-lanes. It may overlap the one before it; what they share, they share to
//     the bit.
//   - One vector: lane j at column min(j, n-1).
type tile struct {
	*neon.Func
	neon.Element
	rows, vectors int
	label         string // of the code being emitted, unique in the function

	a          []neon.R // A's rows
	l, aCol, k neon.R   // the column of A (in elements), its stride, and how many are left
	c          neon.R   // the tile of C
	bRow, cRow neon.R   // in bytes
	rowBias    neon.R   // of the tile, or 0
	enter      []neon.R // the columns, after 0, at which a row is entered
	at         []neon.R // pointers to all of them, in the row at hand
}

func newTile(f *neon.Func, of neon.Element, rows, vectors int) tile {
	t := tile{Func: f, Element: of, rows: rows, vectors: vectors, label: [...]string{1: "one", 2: "two", 3: "three"}[vectors]}
	t.a, t.l, t.aCol, t.k = f.Rs(rows), f.R(), f.R(), f.R()
	t.c, t.bRow, t.cRow, t.rowBias = f.R(), f.R(), f.R(), f.R()
	entries := 2
	if vectors == 1 {
		entries = of.Lanes()
	}
	t.enter, t.at = f.Rs(entries-1), f.Rs(entries)
	return t
}

// Of the vector registers, the accumulators come first, row by row, then B's
// row, then what is left.
func (t tile) acc(i, v int) neon.V { return t.V(i*t.vectors + v) }
func (t tile) b(v int) neon.V      { return t.V(24 + v) }
func (t tile) spare(i int) neon.V  { return t.V(27 + i%5) }

// loop emits the loop over tiles, one below the other, and returns.
func (t tile) loop(n neon.R) {
	t.Label(t.label)
	t.columns(n)
	tiles := t.Load("tiles", t.R())
	t.Load("c", t.c)
	t.LSL(t.Shift(), t.Load("bRow", t.bRow), t.bRow)
	t.LSL(t.Shift(), t.Load("cRow", t.cRow), t.cRow)
	t.Load("rowBias", t.rowBias)
	t.Load("aCol", t.aCol)
	t.Load("a", t.a[0])
	aRow := t.Load("aRow", t.at[0])
	for i := 1; i < t.rows; i++ {
		t.ADD(t.Scaled(aRow), t.a[i-1], t.a[i])
	}

	t.Label(t.label + "Tile")
	t.multiply()
	t.finish()
	aTile := t.Load("aTile", t.at[0])
	for _, a := range t.a {
		t.ADD(t.Scaled(aTile), a, a)
	}
	t.SUB(neon.Imm(1), tiles, tiles)
	t.CBNZ(tiles, t.label+"Tile")
	t.RET()
}

// columns sets where a row is entered. A lane is one column further right than
// the one before it, unless n ends there.
func (t tile) columns(n neon.R) {
	if t.vectors > 1 {
		t.SUB(neon.Imm(t.Lanes()), n, t.enter[0])
		return
	}
	t.CMP(neon.Imm(1), n)
	t.CSET("GT", t.enter[0])
	for j := 1; j < len(t.enter); j++ {
		t.CMP(neon.Imm(j+1), n)
		t.CINC("GT", t.enter[j-1], t.enter[j])
	}
}

// begin enters the row at t.at[0].
func (t tile) begin() {
	for j, column := range t.enter {
		t.ADD(t.Scaled(column), t.at[0], t.at[j+1])
	}
}

// row moves a row between memory and registers, and goes on to the row stride
// bytes further on. Lanes go last to first, so that where those beyond n are
// stored to column n-1, the one that belongs there is stored after them.
func (t tile) row(stride neon.R, register func(v int) neon.V, move func(memory, registers neon.Operand)) {
	if t.vectors == 1 {
		for j := len(t.at) - 1; j >= 0; j-- {
			move(neon.Post(t.at[j], stride), register(0).Lane(j))
		}
		return
	}
	last := t.vectors - 1
	var others []neon.V
	for v := range last {
		others = append(others, register(v))
	}
	move(neon.Post(t.at[0], stride), neon.List(others...))
	move(neon.Post(t.at[1], stride), neon.List(register(last)))
}

// multiply sums A*B over k in the accumulators: each has one product added at
// a time, in ascending order of k.
//
// A's elements are loaded as scalars and multiplied by lane. VLD1R, which loads
// to all lanes, takes a slot of the units that multiply (so on Cortex-A76 and
// Neoverse N1): 8 rows would use 32 a step instead of 24.
func (t tile) multiply() {
	t.each(func(i, v int) { t.Zero(t.acc(i, v)) })
	t.Load("k", t.k)
	t.MOVD(neon.Imm(0), t.l)
	t.Load("b", t.at[0])
	t.begin()

	t.CBZ(t.k, t.label+"Summed")
	t.Label(t.label + "K")
	if t.vectors == 1 {
		t.VLD1P(neon.Post(t.at[0], t.bRow), neon.List(t.b(0))) // whole: B has all its columns
	} else {
		t.row(t.bRow, t.b, t.VLD1P)
	}
	for i, row := range t.a {
		element := t.spare(i)
		t.FMOV(t.Index(row, t.l), element.F())
		for v := range t.vectors {
			t.VFMLA(element.Lane(0), t.b(v), t.acc(i, v))
		}
	}
	t.ADD(t.aCol, t.l, t.l)
	t.SUB(neon.Imm(1), t.k, t.k)
	t.CBNZ(t.k, t.label+"K")
	t.Label(t.label + "Summed")
}

// finish sets C to alpha*acc, + beta*C unless beta is 0, + bias and + rowBias
// unless they are nil, cut off at 0 if relu, and moves C to the next tile.
func (t tile) finish() {
	alpha, beta := t.spare(0), t.spare(0)
	t.FMOV(t.Arg("alpha"), alpha.F())
	t.each(func(i, v int) { t.VFMUL(alpha.Lane(0), t.acc(i, v), t.acc(i, v)) })

	t.FMOV(t.Arg("beta"), beta.F())
	t.FCMP0(beta) // -0 is 0
	t.BEQ(t.label + "Overwrite")
	t.MOVD(t.c, t.at[0])
	t.begin()
	for i := range t.rows {
		t.row(t.cRow, t.b, t.VLD1P)
		for v := range t.vectors {
			t.VFMLA(beta.Lane(0), t.b(v), t.acc(i, v))
		}
	}
	t.Label(t.label + "Overwrite")

	t.CBZ(t.Load("bias", t.at[0]), t.label+"Unbiased")
	t.begin()
	t.row(t.cRow, t.b, t.VLD1P)
	t.each(func(i, v int) { t.VFADD(t.b(v), t.acc(i, v), t.acc(i, v)) })
	t.Label(t.label + "Unbiased")

	t.CBZ(t.rowBias, t.label+"RowsUnbiased")
	for i := range t.rows {
		t.VLD1RP(neon.Ptr(t.rowBias, int(t.Element)), neon.List(t.spare(i)))
		for v := range t.vectors {
			t.VFADD(t.spare(i), t.acc(i, v), t.acc(i, v))
		}
	}
	t.Label(t.label + "RowsUnbiased")

	relu := t.at[0]
	t.MOVBU(t.Arg("relu"), relu)
	t.CBZ(relu, t.label+"Store")
	t.each(func(i, v int) { // not FMAX, which would make +0 of -0
		negative := t.b(v)
		t.VFCMLT0(t.acc(i, v), negative)
		t.VBIC(negative, t.acc(i, v), t.acc(i, v))
	})
	t.Label(t.label + "Store")

	t.MOVD(t.c, t.at[0])
	t.begin()
	for i := range t.rows {
		acc := func(v int) neon.V { return t.acc(i, v) }
		t.row(t.cRow, acc, func(memory, registers neon.Operand) { t.VST1P(registers, memory) })
	}
	t.MOVD(t.at[0], t.c)
}

func (t tile) each(f func(i, v int)) {
	for i := range t.rows {
		for v := range t.vectors {
			f(i, v)
		}
	}
}
