// Command blas generates the float32 GEMM kernels of package blas.
package main

import (
	"fmt"

	"github.com/steppe-ml/steppe/asm_gen/avx"

	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// mr is the most rows of a tile. With two vectors to a row, 12 (or 6) rows
// make 24 (12) accumulators, which leaves 8 (4) of 32 (16) registers for the
// operands.
var mr = map[string]int{"AVX2": 6, "AVX512": 12}

func main() {
	avx.Program(func(s avx.Set) {
		for rows := 1; rows <= mr[s.Name]; rows++ {
			panel(s, rows)
		}
		for _, w := range wides[s.Name] {
			wide(s, w[0], w[1])
		}
		copyRows(s)
		if !s.Wide() { // AVX-512 packs with this one too
			transpose8(s)
		}
	})
}

// wides are the tiles, in rows and vectors, for products of so few rows that
// nothing else would keep the FMA units busy.
var wides = map[string][][2]int{
	"AVX2":   {{1, 8}, {1, 4}, {2, 4}, {3, 4}},
	"AVX512": {{1, 16}, {1, 8}, {1, 4}, {2, 8}, {2, 4}, {3, 8}, {3, 4}, {4, 4}},
}

const signature = "func(tiles, n, k int, a *float32, aRow, aCol, aTile int, b *float32, bRow int, c *float32, cRow int, alpha, beta float32, bias *float32)"

// tile is the plan for the vector registers of one tile of C: the
// accumulators first, row by row, then B's row, then what is left.
type tile struct {
	avx.Set
	rows, vectors int
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

// panel emits the kernel for tiles of a number of rows: a loop for two vectors
// of columns, and one for a single vector. AVX-512 masks the last vector
// always, which costs nothing; AVX2 where it must.
func panel(s avx.Set, rows int) {
	TEXT(fmt.Sprintf("sgemm%d%s", rows, s.Name), attr.NOSPLIT, signature)
	Doc(fmt.Sprintf("sgemm%d%s is a tileKernel for tiles of %d rows and up to %d columns.", rows, s.Name, rows, 2*s.Lanes))
	n := Load(Param("n"), GP64())

	CMPQ(n, operand.U32(s.Lanes))
	JLE(operand.LabelRef("one"))
	if !s.Wide() {
		CMPQ(n, operand.U32(2*s.Lanes))
		JL(operand.LabelRef("ragged"))
		tile{s, rows, 2, nil, "two"}.loop()
		Label("ragged")
	}
	SUBQ(operand.U32(s.Lanes), n)
	tile{s, rows, 2, lastMask(s, n), "twoMasked"}.loop()
	Label("one")
	tile{s, rows, 1, lastMask(s, n), "oneMasked"}.loop()
}

// lastMask sets the mask of the last vector to its lowest n lanes.
func lastMask(s avx.Set, n reg.Register) reg.Register {
	if s.Wide() {
		s.Opmasks(n, reg.K1)
		return reg.K1
	}
	s.Masks(n, avx.Y(maskRegister))
	return avx.Y(maskRegister)
}

// wide emits the kernel for tiles of a few rows and whole vectors of columns.
func wide(s avx.Set, rows, vectors int) {
	name := fmt.Sprintf("sgemmWide%dx%d%s", rows, vectors*s.Lanes, s.Name)
	TEXT(name, attr.NOSPLIT, signature)
	Doc(fmt.Sprintf("%s is a tileKernel for tiles of %d rows and just %d columns.", name, rows, vectors*s.Lanes))
	tile{s, rows, vectors, nil, "tile"}.loop()
}

// loop emits the loop over tiles, one below the other, and returns.
func (t tile) loop() {
	Label(t.label)
	t.multiply()
	t.finish()
	step := Load(Param("aTile"), GP64())
	SHLQ(operand.U8(2), step)
	ADDQ(step, t.param("a"))
	DECQ(t.param("tiles"))
	JNZ(operand.LabelRef(t.label))
	avx.End()
}

func (t tile) param(name string) operand.Mem {
	p, err := Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	return p.Addr
}

// bytes loads a stride, given in floats.
func (t tile) bytes(name string) reg.GPVirtual {
	r := GP64()
	Load(Param(name), r)
	SHLQ(operand.U8(2), r)
	return r
}

// multiply sums A*B over k in the accumulators: each has one product added at
// a time, in ascending order of k.
func (t tile) multiply() {
	for i := range t.rows * t.vectors {
		t.Zero(i)
	}
	t.prefetchC()
	a, b, k, next := GP64(), GP64(), GP64(), GP64()
	Load(Param("a"), a)
	Load(Param("b"), b)
	Load(Param("k"), k)
	Load(Param("aTile"), next)
	LEAQ(operand.Mem{Base: a, Index: next, Scale: 4}, next)
	aCol, bRow := t.bytes("aCol"), t.bytes("bRow")
	row := t.rowsOf(a)

	TESTQ(k, k)
	JZ(operand.LabelRef(t.label + "Summed"))
	Label(t.label + "K")
	if t.vectors <= 2 {
		t.step(b, row)
		for line := 0; t.vectors == 2 && line < 8*t.Lanes; line += 64 {
			PREFETCHT0(operand.Mem{Base: b, Index: bRow, Scale: 8, Disp: line})
		}
		PREFETCHT0(avx.Ptr(next, 0))
		ADDQ(operand.U32(4*t.rows), next)
	} else {
		t.wideStep(b, row)
	}
	ADDQ(aCol, a)
	ADDQ(bRow, b)
	DECQ(k)
	JNZ(operand.LabelRef(t.label + "K"))
	Label(t.label + "Summed")
}

// step adds the products of one k: B's row in registers, A's elements one by
// one.
func (t tile) step(b reg.Register, row func(int) operand.Mem) {
	for v := range t.vectors {
		t.load(avx.Ptr(b, 4*t.Lanes*v), v, t.b(v))
	}
	for i := range t.rows {
		element := t.spare(i)
		VBROADCASTSS(row(i), element)
		for v := range t.vectors {
			VFMADD231PS(t.b(v), element, t.acc(i, v))
		}
	}
}

// wideStep adds the products of one k: A's elements in registers, B's row
// vector by vector.
func (t tile) wideStep(b reg.Register, row func(int) operand.Mem) {
	element := func(i int) reg.Register { return t.V(t.rows*t.vectors + i) }
	for i := range t.rows {
		VBROADCASTSS(row(i), element(i))
	}
	used := t.rows * (t.vectors + 1)
	for v := range t.vectors {
		m := avx.Ptr(b, 4*t.Lanes*v)
		if t.rows == 1 {
			VFMADD231PS(m, element(0), t.acc(0, v))
			continue
		}
		vector := t.V(used + v%(min(t.Registers, used+4)-used))
		VMOVUPS(m, vector)
		for i := range t.rows {
			VFMADD231PS(vector, element(i), t.acc(i, v))
		}
	}
}

// prefetchC asks for C's tile before the long loop that it isn't needed in.
func (t tile) prefetchC() {
	c, cRow := Load(Param("c"), GP64()), t.bytes("cRow")
	for range t.rows {
		for v := range (t.vectors*t.Lanes + 15) / 16 {
			PREFETCHT0(avx.Ptr(c, 64*v))
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
		switch odd[i] = GP64(); i {
		case 1:
			Load(Param("aRow"), odd[1])
			SHLQ(operand.U8(2), odd[1])
		default:
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

// finish sets C to alpha*acc, + beta*C unless beta is 0, + bias unless that is
// nil, and moves C to the next tile.
func (t tile) finish() {
	alpha, beta := t.b(0), t.b(0)
	const one = operand.U32(0x3f800000)
	CMPL(t.param("alpha"), one)
	JEQ(operand.LabelRef(t.label + "Scaled"))
	avx.Broadcast("alpha", alpha)
	t.each(func(i, v int) { VMULPS(alpha, t.acc(i, v), t.acc(i, v)) })
	Label(t.label + "Scaled")

	cRow := t.bytes("cRow")
	bits := GP32()
	MOVL(t.param("beta"), bits)
	SHLL(operand.U8(1), bits) // without the sign: -0 is 0
	JZ(operand.LabelRef(t.label + "Overwrite"))
	avx.Broadcast("beta", beta)
	t.walk(cRow, func(c operand.Mem, i, v int) { t.addC(beta, c, i, v) })
	Label(t.label + "Overwrite")

	bias := Load(Param("bias"), GP64())
	TESTQ(bias, bias)
	JZ(operand.LabelRef(t.label + "Unbiased"))
	for v := range t.vectors {
		t.load(avx.Ptr(bias, 4*t.Lanes*v), v, t.b(v))
	}
	t.each(func(i, v int) { VADDPS(t.b(v), t.acc(i, v), t.acc(i, v)) })
	Label(t.label + "Unbiased")

	end := t.walk(cRow, t.store)
	MOVQ(end, t.param("c"))
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
			f(avx.Ptr(c, 4*t.Lanes*v), i, v)
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
		VFMADD231PS(c, beta, t.acc(i, v))
	case t.Wide():
		VFMADD231PS(c, beta, t.mask, t.acc(i, v))
	default:
		VMASKMOVPS(c, t.mask, t.spare(0))
		VFMADD231PS(t.spare(0), beta, t.acc(i, v))
	}
}

func (t tile) load(m operand.Mem, v int, r reg.Register) {
	switch {
	case !t.masked(v):
		VMOVUPS(m, r)
	case t.Wide():
		VMOVUPS_Z(m, t.mask, r)
	default:
		VMASKMOVPS(m, t.mask, r)
	}
}

func (t tile) store(c operand.Mem, i, v int) {
	switch {
	case !t.masked(v):
		VMOVUPS(t.acc(i, v), c)
	case t.Wide():
		VMOVUPS(t.acc(i, v), t.mask, c)
	default:
		VMASKMOVPS(t.acc(i, v), t.mask, c)
	}
}
