// Command blas generates the GEMM kernels of package blas.
package main

import (
	"fmt"
	"strings"

	"github.com/steppe-ml/steppe/asm_gen/avx"

	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// panels are the tiles for panels of B: the accumulators are some three quarters
// of the registers, the others are for the operands. Few columns are better taken
// by vectors of 256 bits, of which Zen 4 loads two a cycle, but only one of 512.
var panels = map[string][]panel{
	"AVX2": {{rows: 10, fewest: 1, most: 1}, {rows: 6, fewest: 2, most: 2}},
	"AVX512": {
		{rows: 10, fewest: 1, most: 1, halved: true},
		{rows: 6, fewest: 2, most: 2, halved: true},
		{rows: 4, fewest: 3, most: 3, halved: true},
		{rows: 12, fewest: 2, most: 2},
	},
}

type panel struct {
	rows         int // the most of a tile
	fewest, most int // vectors of columns
	halved       bool
}

// wides are the tiles, in rows and vectors, for products of so few rows that
// nothing else would keep the FMA units busy.
var wides = map[string][][2]int{
	"AVX2":   {{1, 8}, {1, 4}, {2, 4}, {3, 4}},
	"AVX512": {{1, 16}, {1, 8}, {1, 4}, {2, 8}, {2, 4}, {3, 8}, {3, 4}, {4, 4}},
}

func main() {
	avx.Program(func(s avx.Set) {
		for _, p := range panels[s.Name] {
			of := s
			if p.halved {
				of = s.Halved()
			}
			for rows := 1; rows <= p.rows; rows++ {
				ragged(of, rows, p.fewest, p.most)
			}
		}
		for _, w := range wides[s.Name] {
			wide(s, w[0], w[1])
		}
		for rows := 1; rows <= dotsSide[s.Name]; rows++ {
			dotsKernel(s, rows, dotsSide[s.Name])
			dotsKernel(s, rows, 1)
		}
		copyPanels(s)
		if !s.Wide() { // AVX-512 packs with these too
			transpose(s)
		}
	})
}

// begin opens a kernel: sgemm for float32, dgemm for float64.
func begin(s avx.Set, kind, doc string) {
	name := fmt.Sprintf("%cgemm%s%s", map[int]rune{32: 's', 64: 'd'}[s.Float], kind, s.Name)
	const signature = "func(tiles, n, k int, a *T, aRow, aCol, aTile int, b *T, bRow int, c *T, cRow int, alpha, beta T, bias, rowBias *T, relu bool)"
	TEXT(name, attr.NOSPLIT, typed(s, signature))
	Doc(name + " " + doc)
}

// typed returns a signature for the set's element type, T.
func typed(s avx.Set, signature string) string {
	t := fmt.Sprintf("float%d", s.Float)
	return strings.NewReplacer("*T", "*"+t, " T,", " "+t+",", " T)", " "+t+")").Replace(signature)
}

// tile is the plan for the vector registers of one tile of C: the
// accumulators first, row by row, then B's row, then what is left.
type tile struct {
	avx.Set
	rows, vectors int
	wide          bool
	mask          reg.Register // of the last vector's columns; nil for all of them
	label         string       // of the code being emitted, unique in the function
}

// maskRegister is where AVX2 keeps the mask of the last vector.
const maskRegister = 15

func (t tile) acc(i, v int) reg.Register { return t.V(i*t.vectors + v) }
func (t tile) b(v int) reg.Register      { return t.V(t.rows*t.vectors + v) }
func (t tile) spare(i int) reg.Register {
	first, end := (t.rows+1)*t.vectors, t.Registers
	if t.mask == avx.Y(maskRegister) {
		end = maskRegister
	}
	return t.V(first + i%(end-first))
}

// ragged emits the kernel for tiles of a number of rows, and of any columns that
// take as many vectors as it says: a loop for each number of vectors. AVX-512
// masks the last vector always, which costs nothing; AVX2 where it must.
func ragged(s avx.Set, rows, fewest, most int) {
	least, columns := (fewest-1)*s.Lanes()+1, most*s.Lanes()
	begin(s, fmt.Sprintf("%dx%d", rows, columns), fmt.Sprintf("is a tileKernel for tiles of %d rows and %d to %d columns.", rows, least, columns))
	n := Load(Param("n"), GP64())
	for v := most; v >= fewest; v-- {
		t := tile{Set: s, rows: rows, vectors: v, label: fmt.Sprint("columns", v*s.Lanes())}
		Label(fmt.Sprint("upTo", v*s.Lanes()))
		if v > fewest {
			CMPQ(n, operand.U32((v-1)*s.Lanes()))
			JLE(operand.LabelRef(fmt.Sprint("upTo", (v-1)*s.Lanes())))
		}
		if !s.Opmasks {
			CMPQ(n, operand.U32(v*s.Lanes()))
			JL(operand.LabelRef(t.label + "Ragged"))
			t.loop()
			t.label += "Ragged"
			Label(t.label)
			t.label += "Tile"
		}
		if v > 1 {
			SUBQ(operand.U32((v-1)*s.Lanes()), n)
		}
		t.mask = lastMask(s, n)
		t.loop()
	}
}

// lastMask sets the mask of the last vector to its lowest n lanes.
func lastMask(s avx.Set, n reg.Register) reg.Register {
	if s.Opmasks {
		s.SetOpmasks(n, reg.K1)
		return reg.K1
	}
	s.Masks(n, avx.Y(maskRegister))
	return avx.Y(maskRegister)
}

// wide emits the kernel for tiles of a few rows and whole vectors of columns.
func wide(s avx.Set, rows, vectors int) {
	columns := vectors * s.Lanes()
	begin(s, fmt.Sprintf("Wide%dx%d", rows, columns), fmt.Sprintf("is a tileKernel for tiles of %d rows and just %d columns.", rows, columns))
	tile{Set: s, rows: rows, vectors: vectors, wide: true, label: "tile"}.loop()
}

// loop emits the loop over tiles, one below the other, and returns.
func (t tile) loop() {
	Label(t.label)
	t.multiply()
	t.finish()
	ADDQ(stride(t.Set, "aTile"), avx.Parameter("a"))
	DECQ(avx.Parameter("tiles"))
	JNZ(operand.LabelRef(t.label))
	avx.End()
}

// stride loads a stride, given in elements, in bytes.
func stride(s avx.Set, name string) reg.GPVirtual {
	r := GP64()
	Load(Param(name), r)
	s.BytesOf(r)
	return r
}

// vector is vector v of the row at p.
func (t tile) vector(p reg.Register, v int) operand.Mem { return avx.Ptr(p, t.Bytes*v) }

// multiply sums A*B over k in the accumulators: each has one product added at
// a time, in ascending order of k.
func (t tile) multiply() {
	for i := range t.rows * t.vectors {
		t.Zero(i)
	}
	t.prefetchC()
	a, b, k := GP64(), GP64(), GP64()
	Load(Param("a"), a)
	Load(Param("b"), b)
	Load(Param("k"), k)
	aCol, bRow := stride(t.Set, "aCol"), stride(t.Set, "bRow")
	prefetch := t.prefetcher(a, b, bRow)
	row := t.rowsOf(a)

	TESTQ(k, k)
	JZ(operand.LabelRef(t.label + "Summed"))
	Label(t.label + "K")
	if t.wide {
		t.wideStep(b, row)
	} else {
		t.step(b, row)
	}
	prefetch()
	ADDQ(aCol, a)
	ADDQ(bRow, b)
	DECQ(k)
	JNZ(operand.LabelRef(t.label + "K"))
	Label(t.label + "Summed")
}

// prefetcher returns what asks, in each step along k, for a row of B further on,
// and for a line of the next tile's A: rows of some hundred elements end before
// the hardware has learned of them.
func (t tile) prefetcher(a, b, bRow reg.Register) func() {
	rowsAhead := 32
	if t.wide {
		rowsAhead = 8
	}
	var ahead, next reg.Register
	if t.vectors > 1 {
		ahead = GP64()
		IMUL3Q(operand.U32(rowsAhead), bRow, ahead)
		ADDQ(b, ahead)
	}
	if !t.wide {
		next = Load(Param("aTile"), GP64())
		LEAQ(operand.Mem{Base: a, Index: next, Scale: uint8(t.Size())}, next)
	}
	return func() {
		if ahead != nil {
			for line := 0; line < t.vectors*t.Bytes; line += 64 {
				PREFETCHT0(avx.Ptr(ahead, line))
			}
			ADDQ(bRow, ahead)
		}
		if next != nil {
			PREFETCHT0(avx.Ptr(next, 0))
			ADDQ(operand.U32(t.Size()*t.rows), next)
		}
	}
}

// step adds the products of one k: B's row in registers, A's elements one by
// one.
func (t tile) step(b reg.Register, row func(int) operand.Mem) {
	for v := range t.vectors {
		t.load(t.vector(b, v), v, t.b(v))
	}
	for i := range t.rows {
		element := t.spare(i)
		t.VBROADCAST(row(i), element)
		for v := range t.vectors {
			t.VFMADD231(t.b(v), element, t.acc(i, v))
		}
	}
}

// wideStep adds the products of one k: A's elements in registers, B's row
// vector by vector.
func (t tile) wideStep(b reg.Register, row func(int) operand.Mem) {
	element := func(i int) reg.Register { return t.V(t.rows*t.vectors + i) }
	for i := range t.rows {
		t.VBROADCAST(row(i), element(i))
	}
	used := t.rows * (t.vectors + 1)
	for v := range t.vectors {
		m := t.vector(b, v)
		if t.rows == 1 {
			t.VFMADD231(m, element(0), t.acc(0, v))
			continue
		}
		vector := t.V(used + v%(min(t.Registers, used+4)-used))
		t.VMOVU(m, vector)
		for i := range t.rows {
			t.VFMADD231(vector, element(i), t.acc(i, v))
		}
	}
}

// prefetchC asks for C's tile before the long loop that it isn't needed in.
func (t tile) prefetchC() {
	c, cRow := Load(Param("c"), GP64()), stride(t.Set, "cRow")
	for range t.rows {
		for line := 0; line < t.vectors*t.Bytes; line += 64 {
			PREFETCHT0(avx.Ptr(c, line))
		}
		ADDQ(cRow, c)
	}
}

// rowsOf returns the addresses of A's rows from a, which is all that moves
// along k: odd multiples of the row stride are kept in registers, and the
// index scale makes the even ones of them.
func (t tile) rowsOf(a reg.Register) func(i int) operand.Mem {
	odd := map[int]reg.GPVirtual{}
	for i := 1; i < t.rows; i += 2 {
		if i == 1 {
			odd[1] = stride(t.Set, "aRow")
		} else {
			odd[i] = GP64()
			LEAQ(operand.Mem{Base: odd[i-2], Index: odd[1], Scale: 2}, odd[i])
		}
	}
	return func(i int) operand.Mem {
		if i == 0 {
			return avx.Ptr(a, 0)
		}
		scale := uint8(1)
		for ; i%2 == 0; i /= 2 {
			scale *= 2
		}
		return operand.Mem{Base: a, Index: odd[i], Scale: scale}
	}
}

// finish sets C to alpha*acc, + beta*C unless beta is 0, + bias and + rowBias
// unless they are nil, with 0 in place of what is negative if relu says so, and
// moves C and rowBias to the next tile.
func (t tile) finish() {
	t.TestOne(avx.Parameter("alpha"))
	JEQ(operand.LabelRef(t.label + "Scaled"))
	alpha := t.b(0)
	t.Broadcast("alpha", alpha)
	t.each(func(i, v int) { t.VMUL(alpha, t.acc(i, v), t.acc(i, v)) })
	Label(t.label + "Scaled")

	cRow := stride(t.Set, "cRow")
	t.TestZero(avx.Parameter("beta"))
	JZ(operand.LabelRef(t.label + "Overwrite"))
	beta := t.b(0)
	t.Broadcast("beta", beta)
	t.walk(cRow, func(c operand.Mem, i, v int) { t.addC(beta, c, i, v) })
	Label(t.label + "Overwrite")

	t.addBias()
	t.addRowBias()

	CMPB(avx.Parameter("relu"), operand.U8(0))
	JEQ(operand.LabelRef(t.label + "Store"))
	t.Zero(t.rows * t.vectors)
	t.each(func(i, v int) { t.VMAX(t.acc(i, v), t.b(0), t.acc(i, v)) }) // NaN wins: the operand named first does
	Label(t.label + "Store")
	end := t.walk(cRow, t.store)
	MOVQ(end, avx.Parameter("c"))
}

func (t tile) addBias() {
	bias := Load(Param("bias"), GP64())
	TESTQ(bias, bias)
	JZ(operand.LabelRef(t.label + "Biased"))
	for v := range t.vectors {
		t.load(t.vector(bias, v), v, t.b(v))
	}
	t.each(func(i, v int) { t.VADD(t.b(v), t.acc(i, v), t.acc(i, v)) })
	Label(t.label + "Biased")
}

func (t tile) addRowBias() {
	bias := Load(Param("rowBias"), GP64())
	TESTQ(bias, bias)
	JZ(operand.LabelRef(t.label + "RowBiased"))
	for i := range t.rows {
		element := t.b(i % t.vectors)
		t.VBROADCAST(avx.Ptr(bias, t.Size()*i), element)
		for v := range t.vectors {
			t.VADD(element, t.acc(i, v), t.acc(i, v))
		}
	}
	ADDQ(operand.U32(t.Size()*t.rows), bias)
	MOVQ(bias, avx.Parameter("rowBias"))
	Label(t.label + "RowBiased")
}

func (t tile) each(f func(i, v int)) {
	for i := range t.rows {
		for v := range t.vectors {
			f(i, v)
		}
	}
}

// walk visits the vectors of C's tile, and returns the pointer to the row
// after it.
func (t tile) walk(cRow reg.Register, f func(c operand.Mem, i, v int)) reg.Register {
	c := Load(Param("c"), GP64())
	for i := range t.rows {
		for v := range t.vectors {
			f(t.vector(c, v), i, v)
		}
		ADDQ(cRow, c)
	}
	return c
}

// masked reports whether vector v lacks columns.
func (t tile) masked(v int) bool { return t.mask != nil && v == t.vectors-1 }

func (t tile) addC(beta reg.Register, c operand.Mem, i, v int) {
	switch {
	case !t.masked(v):
		t.VFMADD231(c, beta, t.acc(i, v))
	case t.Opmasks:
		t.VFMADD231(c, beta, t.mask, t.acc(i, v))
	default:
		t.LoadMasked(c, t.mask, t.spare(0))
		t.VFMADD231(t.spare(0), beta, t.acc(i, v))
	}
}

func (t tile) load(m operand.Mem, v int, r reg.Register) {
	if t.masked(v) {
		t.LoadMasked(m, t.mask, r)
	} else {
		t.VMOVU(m, r)
	}
}

func (t tile) store(c operand.Mem, i, v int) {
	switch {
	case !t.masked(v):
		t.VMOVU(t.acc(i, v), c)
	case t.Opmasks:
		t.VMOVU(t.acc(i, v), t.mask, c)
	default:
		t.VMASKMOV(t.acc(i, v), t.mask, c)
	}
}
