// Command gemm generates the kernels of matrix products of package gemm.
package main

import (
	"fmt"

	"github.com/steppe-ml/steppe/asm_gen/isa"
	"github.com/steppe-ml/steppe/asm_gen/panels"
	"github.com/steppe-ml/steppe/asm_gen/tile"

	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

func main() {
	isa.Program(func(s isa.Set) {
		for _, p := range panels.Of[s.Name] {
			for rows := 1; rows <= p.Rows; rows++ {
				ragged(s, rows, p)
			}
		}
		if s.Pairs { // the others move pairs as they do float32s
			return
		}
		for _, w := range panels.Wides[s.Name] {
			wide(s, w[0], w[1])
		}
		for rows := 1; rows <= dotsSide[s.Name]; rows++ {
			dotsKernel(s, rows, dotsSide[s.Name])
			dotsKernel(s, rows, 1)
		}
		copyPanels(s)
		if !s.Wide() { // AVX-512 transposes with AVX2's, too
			copyTiles(s)
			transpose(s)
		}
	})
}

// begin opens a kernel: sgemm for float32, dgemm for float64, bgemm for pairs of bfloat16.
func begin(s isa.Set, kind, doc string) {
	letter := map[int]rune{32: 's', 64: 'd'}[s.Float]
	if s.Pairs {
		letter = 'b'
	}
	name := fmt.Sprintf("%cgemm%s%s", letter, kind, s.Name)
	const signature = "func(tiles, n, k int, a *T, aRow, aCol, aTile int, b *T, bRow int, c *T, cRow int, alpha, beta T, bias, rowBias *T, relu bool)"
	TEXT(name, attr.NOSPLIT, s.Typed(signature))
	Doc(name + " " + doc)
}

// gemm is a tile of a matrix product.
type gemm struct {
	tile.Tile
	wide bool
}

// ragged emits the kernel for tiles of a number of rows, and of any columns that
// the panel has.
func ragged(s isa.Set, rows int, p panels.Panel) {
	name, tiles := p.Kernel(tile.Of(s, p).Lanes(), rows)
	begin(s, name, "is a TileKernel for "+tiles+".")
	allocateSplitA(gemm{Tile: tile.Tile{Set: s, Rows: rows}})
	tile.Ragged(tile.Of(s, p), rows, p.Fewest, p.Most, func(t tile.Tile) { gemm{Tile: t}.loop() })
}

// wide emits the kernel for tiles of a few rows and whole vectors of columns.
func wide(s isa.Set, rows, vectors int) {
	columns := vectors * s.Lanes()
	begin(s, fmt.Sprintf("Wide%dx%d", rows, columns), fmt.Sprintf("is a TileKernel for tiles of %d rows and just %d columns.", rows, columns))
	gemm{tile.Tile{Set: s, Rows: rows, Vectors: vectors, Label: "tile"}, true}.loop()
}

// loop emits the loop over tiles, one below the other, and returns.
func (t gemm) loop() {
	var d distances
	if t.unrolls() {
		d = t.distances()
	}
	if t.SplitsPairs() {
		t.beginPairs()
	}
	Label(t.Label)
	t.multiply(d)
	t.finish()
	ADDQ(tile.Stride(t.Set, "aTile"), isa.Parameter("a"))
	DECQ(isa.Parameter("tiles"))
	JNZ(operand.LabelRef(t.Label))
	isa.End()
}

// multiply sums A*B over k in the accumulators: each has one product added at
// a time, in ascending order of k.
func (t gemm) multiply(d distances) {
	t.Clear()
	t.PrefetchC()
	if t.SplitsPairs() {
		LDMXCSR(control())
		defer func() { LDMXCSR(saved()) }()
	}
	if d.a == nil {
		d.a = GP64()
	}
	a, b, k := d.a, GP64(), GP64()
	Load(Param("a"), a)
	Load(Param("b"), b)
	Load(Param("k"), k)
	aCol, bRow := d.aCol[0], d.bRow[0]
	if aCol == nil {
		aCol, bRow = tile.Stride(t.Set, "aCol"), tile.Stride(t.Set, "bRow")
	}
	next, prefetch := t.prefetcher(a, b, bRow)
	row := d.row
	if row == nil {
		row = t.RowsOf(a)
	} else {
		t.unrolled(b, k, next, d)
	}
	if t.splitsAhead() {
		t.aheadLoops(a, b, k, aCol, bRow, row, prefetch)
	}

	TESTQ(k, k)
	JZ(operand.LabelRef(t.Label + "Summed"))
	Label(t.Label + "K")
	if t.wide {
		t.wideStep(b, row)
	} else {
		t.Step(b, row)
	}
	prefetch()
	ADDQ(aCol, a)
	ADDQ(bRow, b)
	DECQ(k)
	JNZ(operand.LabelRef(t.Label + "K"))
	Label(t.Label + "Summed")
}

// prefetcher returns what asks, in each step along k, for a row of B further on,
// and for a line of the next tile's A, at next: rows of some hundred elements end
// before the hardware has learned of them.
func (t gemm) prefetcher(a, b, bRow reg.Register) (next reg.Register, prefetch func()) {
	rowsAhead := 32
	if t.wide {
		rowsAhead = 8
	}
	var ahead reg.Register
	if t.Vectors > 1 {
		ahead = GP64()
		IMUL3Q(operand.U32(rowsAhead), bRow, ahead)
		ADDQ(b, ahead)
	}
	if !t.wide {
		next = Load(Param("aTile"), GP64())
		LEAQ(operand.Mem{Base: a, Index: next, Scale: uint8(t.Size())}, next)
	}
	return next, func() {
		if ahead != nil {
			for line := 0; line < t.Vectors*t.Bytes; line += 64 {
				PREFETCHT0(isa.Ptr(ahead, line))
			}
			ADDQ(bRow, ahead)
		}
		if next != nil {
			PREFETCHT0(isa.Ptr(next, 0))
			ADDQ(operand.U32(t.Size()*t.Rows), next)
		}
	}
}

// wideStep adds the products of one k: A's elements in registers, B's row
// vector by vector.
func (t gemm) wideStep(b reg.Register, row func(int) operand.Mem) {
	element := func(i int) reg.Register { return t.V(t.Rows*t.Vectors + i) }
	for i := range t.Rows {
		t.VBROADCAST(row(i), element(i))
	}
	used := t.Rows * (t.Vectors + 1)
	if t.Rows > 1 && used >= t.Registers {
		panic(fmt.Sprintf("asm_gen: a wide tile of %d rows and %d vectors takes %d vector registers and one more, and there are %d", t.Rows, t.Vectors, used, t.Registers))
	}
	for v := range t.Vectors {
		m := t.Vector(b, v)
		if t.Rows == 1 {
			t.VFMADD231(m, element(0), t.Acc(0, v))
			continue
		}
		vector := t.V(used + v%(min(t.Registers, used+4)-used))
		t.VMOVU(m, vector)
		for i := range t.Rows {
			t.VFMADD231(vector, element(i), t.Acc(i, v))
		}
	}
}

// finish sets C to alpha*acc, + beta*C unless beta is 0, + bias and + rowBias
// unless they are nil, with 0 in place of what is negative if relu says so, and
// moves C and rowBias to the next tile.
func (t gemm) finish() {
	t.TestOne(isa.Parameter("alpha"))
	JEQ(operand.LabelRef(t.Label + "Scaled"))
	alpha := t.B(0)
	t.Broadcast("alpha", alpha)
	t.Each(func(i, v int) { t.VMUL(alpha, t.Acc(i, v), t.Acc(i, v)) })
	Label(t.Label + "Scaled")

	cRow := tile.Stride(t.Set, "cRow")
	t.TestZero(isa.Parameter("beta"))
	JZ(operand.LabelRef(t.Label + "Overwrite"))
	beta := t.B(0)
	t.Broadcast("beta", beta)
	t.Walk(cRow, func(c operand.Mem, i, v int) { t.addC(beta, c, i, v) })
	Label(t.Label + "Overwrite")

	t.AddBias()
	t.addRowBias()

	t.ReLU()
	end := t.Walk(cRow, t.Store)
	MOVQ(end, isa.Parameter("c"))
}

func (t gemm) addRowBias() {
	bias := Load(Param("rowBias"), GP64())
	TESTQ(bias, bias)
	JZ(operand.LabelRef(t.Label + "RowBiased"))
	for i := range t.Rows {
		element := t.B(i % t.Vectors)
		t.VBROADCAST(isa.Ptr(bias, t.Size()*i), element)
		for v := range t.Vectors {
			t.VADD(element, t.Acc(i, v), t.Acc(i, v))
		}
	}
	ADDQ(operand.U32(t.Size()*t.Rows), bias)
	MOVQ(bias, isa.Parameter("rowBias"))
	Label(t.Label + "RowBiased")
}

func (t gemm) addC(beta reg.Register, c operand.Mem, i, v int) {
	switch {
	case !t.Masked(v):
		t.VFMADD231(c, beta, t.Acc(i, v))
	case t.Opmasks:
		t.VFMADD231(c, beta, t.Mask, t.Acc(i, v))
	default:
		t.LoadMasked(c, t.Mask, t.Spare(0))
		t.VFMADD231(t.Spare(0), beta, t.Acc(i, v))
	}
}
