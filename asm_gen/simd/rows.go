package main

import (
	"fmt"
	"maps"
	"slices"

	"github.com/steppe-ml/steppe/asm_gen/isa"

	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// rows is the plan for a kernel that sums along rows, four of them at a time and then one by one.
// Four rows are folded together, in about as many instructions as one; their chains of additions
// don't wait for each other; and a vector that all rows share is loaded once for the four. A row
// has the same operations behind it either way.
//
// Cursors are pointers to the vector at hand of the first of the rows. A pass along the rows moves
// them, and a phase is that pass over all rows of a block. isa.TailMask says what is the mask of the
// last elements.
type rows struct {
	isa.Set
	n       int          // rows at a time
	whole   reg.Register // vectors of a row
	tail    operand.Mem  // elements of its last one
	count   reg.Register // vectors left in a pass
	left    operand.Mem  // rows left in a phase
	inBlock operand.Mem  // rows of the block
	mask    operand.Op
	masked  bool // a pass is at the last elements
}

// matrix is a matrix's pointer to the rows at hand, with a cursor, and the bytes from one row to
// the next and to the third next.
type matrix struct {
	name                        string // of the parameter
	at, cursor, stride, stride3 reg.Register
}

// beginRows opens a kernel. columns is the parameter that has the elements of a row.
func beginRows(s isa.Set, name, signature, doc, columns string) *rows {
	TEXT(name+s.Name, attr.NOSPLIT, signature)
	Doc(name + s.Name + " " + doc)
	k := &rows{Set: s, whole: GP64(), count: GP64(), tail: AllocLocal(8)}
	Load(Param(columns), k.whole)
	tail := GP64()
	MOVQ(k.whole, tail)
	ANDQ(operand.U32(s.Lanes()-1), tail)
	MOVQ(tail, k.tail)
	if k.mask = s.TailMask(tail); s.Counts {
		k.mask = k.tail // which needs no register meanwhile
	}
	return k
}

// countVectors makes whole, which has been elements, the vectors of a row.
func (k *rows) countVectors() {
	SHRQ(operand.U8(map[int]int{4: 2, 8: 3, 16: 4}[k.Lanes()]), k.whole)
}

// shared is the cursor's vector of what all rows share; turn is how many vectors further on.
func (k *rows) shared(cursor reg.Register, turn int) operand.Mem {
	return operand.Mem{Base: cursor, Disp: k.Bytes * turn}
}

// vector is the cursor's vector of row i; turn is how many vectors further on.
func (k *rows) vector(m matrix, i, turn int) operand.Mem {
	v := operand.Mem{Base: m.cursor, Disp: k.Bytes * turn}
	switch i {
	case 1, 2:
		v.Index, v.Scale = m.stride, uint8(i)
	case 3:
		v.Index, v.Scale = m.stride3, 1
	}
	return v
}

// load reads a vector, with zeros for the elements that the last one lacks.
func (k *rows) load(m operand.Mem, r reg.Register) {
	if k.masked {
		k.LoadMasked(m, k.mask, r)
	} else {
		VMOVUPS(m, r)
	}
}

// in is a vector as an operand of an instruction: in memory, or, if it is the last one, in spare.
func (k *rows) in(m operand.Mem, spare reg.Register) operand.Op {
	if !k.masked {
		return m
	}
	k.LoadMasked(m, k.mask, spare)
	return spare
}

func (k *rows) store(r reg.Register, m operand.Mem) {
	if k.masked {
		k.StoreMasked(r, k.mask, m)
	} else {
		VMOVUPS(r, m)
	}
}

// clearLacking clears the elements of r that the last vector lacks.
func (k *rows) clearLacking(r reg.Register) {
	switch {
	case !k.masked:
	case k.Counts:
		k.ClearCounted(k.mask, r)
	case k.Opmasks:
		VMOVAPS_Z(r, k.mask, r)
	default:
		VANDPS(k.mask, r, r)
	}
}

// along emits a pass along the rows, unroll vectors at a time, then one at a time, then the last
// elements: body is emitted for each vector, with its turn.
func (k *rows) along(pass string, unroll int, cursors []reg.Register, body func(turn int)) {
	k.alongTurns(pass, unroll, cursors, func(turns int) {
		for turn := range turns {
			body(turn)
		}
	})
}

// alongTurns is along, with body emitted for some vectors at once.
func (k *rows) alongTurns(pass string, unroll int, cursors []reg.Register, body func(turns int)) {
	label := func(name string) string { return fmt.Sprint(pass, k.n, name) }
	turns := func(n int) {
		body(n)
		for _, c := range cursors {
			ADDQ(operand.U32(k.Bytes*n), c)
		}
	}
	MOVQ(k.whole, k.count)
	if unroll > 1 {
		SUBQ(operand.U32(unroll), k.count)
		JL(operand.LabelRef(label("Left")))
		Label(label("Unrolled"))
		turns(unroll)
		SUBQ(operand.U32(unroll), k.count)
		JGE(operand.LabelRef(label("Unrolled")))
		Label(label("Left"))
		ADDQ(operand.U32(unroll), k.count)
	}
	JMP(operand.LabelRef(label("Next")))
	Label(label("Vector"))
	turns(1)
	DECQ(k.count)
	Label(label("Next"))
	TESTQ(k.count, k.count)
	JNZ(operand.LabelRef(label("Vector")))
	CMPQ(k.tail, operand.U32(0))
	JEQ(operand.LabelRef(label("Done")))
	k.masked = true
	body(1)
	k.masked = false
	Label(label("Done"))
}

// eachBlock emits phases over a block of rows, then over the next one. Blocks are so small that
// the caches hold them, and phases let the sums of some rows be folded while the next rows are
// read. move are the bytes of a row by the name of the pointer that goes from row to row.
func (k *rows) eachBlock(move map[string]operand.Op, phases func()) {
	block := GP64()
	k.inBlock, k.left = AllocLocal(8), AllocLocal(8)
	Label("block")
	MOVQ(isa.Parameter("block"), block)
	atMost(block, "rows")
	MOVQ(block, k.inBlock)
	phases()
	for _, name := range slices.Sorted(maps.Keys(move)) {
		bytes := GP64()
		MOVQ(move[name], bytes)
		IMULQ(k.inBlock, bytes)
		ADDQ(bytes, isa.Parameter(name))
	}
	MOVQ(k.inBlock, block)
	SUBQ(block, isa.Parameter("rows"))
	JNZ(operand.LabelRef("block"))
	isa.End()
}

// phase emits body for four rows and for one, until all of a block are done. next moves pointers
// on by some rows.
func (k *rows) phase(name string, body func(), next func(rows int)) {
	left := GP64()
	MOVQ(k.inBlock, left)
	MOVQ(left, k.left)
	k.groups(name, body, next)
}

// groups is a phase over the rows left.
func (k *rows) groups(name string, body func(), next func(rows int)) {
	group := func(n int, label, other string) {
		Label(name + label)
		CMPQ(k.left, operand.U32(n))
		JL(operand.LabelRef(name + other))
		k.n = n
		body()
		next(n)
		SUBQ(operand.U32(n), k.left)
		JMP(operand.LabelRef(name + label))
	}
	group(4, "Four", "One")
	group(1, "One", "End")
	Label(name + "End")
}

// advance moves a matrix's pointer by n rows.
func (m matrix) advance(n int) {
	if n == 4 {
		ADDQ(m.stride3, m.at)
	}
	ADDQ(m.stride, m.at)
}

// fold sums the lanes of each row's register, those from number first on, and uses them up. The
// sums are the lanes of X(first); if there is one row, they are all the same. Two shuffles and an
// addition are faster than VHADDPS.
func (k *rows) fold(first, spare int) {
	r := func(i int) int { return first + min(i, k.n-1) }
	if k.Narrow() { // where the addition of neighbors is one instruction
		neighbors := func(a, b int) { VHADDPS(isa.X(r(b)), isa.X(r(a)), isa.X(r(a))) }
		neighbors(0, 1)
		if k.n > 1 {
			neighbors(2, 3)
		}
		neighbors(0, 2)
		return
	}
	if k.Wide() {
		for i := range k.n {
			VEXTRACTF64X4(operand.U8(1), isa.Z(r(i)), isa.Y(spare))
			VADDPS(isa.Y(spare), isa.Y(r(i)), isa.Y(r(i)))
		}
	}
	// pair sums lanes of two registers to one.
	pair := func(lower, upper func(...operand.Op), a, b int) {
		x, y, s := isa.Y(r(a)), isa.Y(r(b)), isa.Y(spare)
		lower(y, x, s)
		upper(y, x, x)
		VADDPS(x, s, x)
	}
	pair(VUNPCKLPS, VUNPCKHPS, 0, 1)
	if k.n > 1 {
		pair(VUNPCKLPS, VUNPCKHPS, 2, 3)
	}
	pair(VUNPCKLPD, VUNPCKHPD, 0, 2)
	VEXTRACTF128(operand.U8(1), isa.Y(first), isa.X(spare))
	VADDPS(isa.X(spare), isa.X(first), isa.X(first))
}

// lane stores the element of row i in x.
func lane(i int, x reg.Register, m operand.Mem) {
	if i == 0 {
		VMOVSS(x, m)
	} else {
		VEXTRACTPS(operand.U8(i), x, m)
	}
}

// atMost makes r no more than a parameter.
func atMost(r reg.Register, parameter string) {
	CMPQ(r, isa.Parameter(parameter))
	JLE(operand.LabelRef(parameter + "AtMost"))
	MOVQ(isa.Parameter(parameter), r)
	Label(parameter + "AtMost")
}
