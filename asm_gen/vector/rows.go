package main

import (
	"fmt"

	"github.com/steppe-ml/steppe/asm_gen/isa"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Kernels of level 2 go through a matrix by groups of rows, so that a vector that
// meets all rows is read, or read and written, once a group. A group is of eight
// rows or four, and what is left of four, two and one.

// group is some rows of a matrix.
type group struct {
	isa.Set
	rows  int
	at    []operand.Mem  // where they are, at the loop's column
	moves []reg.Register // the pointers that move along the columns
}

// groups emits body for groups of up to most rows of the matrix a, until the
// parameter rows is used up. The pointers perRow have an element a row.
func groups(s isa.Set, most int, perRow []reg.Register, body func(g group)) {
	rows, a, lda := load("rows"), load("a"), load("lda")
	s.BytesOf(lda)
	three := GP64()
	LEAQ(operand.Mem{Base: lda, Index: lda, Scale: 2}, three)
	for size := most; size > 0; size /= 2 {
		s.Label = fmt.Sprintf("of%d_", size)
		Label(s.Label + "group")
		CMPQ(rows, operand.U32(size))
		JL(operand.LabelRef(s.Label + "none"))
		body(groupAt(s, size, a, lda, three))
		LEAQ(operand.Mem{Base: a, Index: lda, Scale: uint8(size)}, a)
		for _, p := range perRow {
			ADDQ(operand.U32(s.Size()*size), p)
		}
		SUBQ(operand.U32(size), rows)
		JMP(operand.LabelRef(s.Label + "group"))
		Label(s.Label + "none")
	}
	isa.End()
}

// groupAt returns the group that begins at a, from its first column.
func groupAt(s isa.Set, rows int, a, lda, three reg.Register) group {
	g := group{Set: s, rows: rows}
	for first := 0; first < rows; first += 4 {
		p := GP64()
		if first == 0 {
			MOVQ(a, p)
		} else {
			LEAQ(operand.Mem{Base: a, Index: lda, Scale: uint8(first)}, p)
		}
		g.moves = append(g.moves, p)
		g.at = append(g.at, operand.Mem{Base: p}, operand.Mem{Base: p, Index: lda, Scale: 1},
			operand.Mem{Base: p, Index: lda, Scale: 2}, operand.Mem{Base: p, Index: three, Scale: 1})
	}
	g.at = g.at[:rows]
	return g
}

// columns emits body for the vectors of the group's columns, and moves the
// pointers others along.
func (g group) columns(unroll int, others []reg.Register, body func(v isa.Vec)) {
	g.Loop(load("n"), append(g.moves, others...), unroll, g.Lanes(), body)
}

// coefficients sets the vector registers from first on to alpha times an element a row.
func (g group) coefficients(first int, p reg.Register) {
	alpha := g.V(first + g.rows)
	g.Broadcast("alpha", alpha)
	for r := range g.rows {
		g.VBROADCAST(isa.Ptr(p, g.Size()*r), g.V(first+r))
		g.VMUL(alpha, g.V(first+r), g.V(first+r))
	}
}

func dotRows(s isa.Set) {
	open(s, "dotRows", "func(rows, n int, alpha T, a *T, lda int, x, y *T)", "adds to y alpha times the dot products of A's rows with x.")
	y := load("y")
	groups(s, 8, []reg.Register{y}, func(g group) {
		sums := newSums(g)
		px := load("x")
		g.columns(sums.perRow, []reg.Register{px}, func(v isa.Vec) {
			x, spare := s.V(8), s.V(9)
			v.Load(px, x)
			for r, row := range g.at {
				v.FMA(v.Of(row), x, sums.of(r, v.Index), spare)
			}
		})
		sums.addTo(y)
	})
}

func axpyRows(s isa.Set) {
	open(s, "axpyRows", "func(rows, n int, alpha T, a *T, lda int, x, y *T)", "adds to y A's rows, times alpha and an element of x each.")
	x := load("x")
	groups(s, 8, []reg.Register{x}, func(g group) {
		g.coefficients(0, x)
		py := load("y")
		g.columns(4, []reg.Register{py}, func(v isa.Vec) {
			y, spare := s.V(8+v.Index), s.V(12)
			v.Load(py, y)
			for r, row := range g.at {
				v.FMA(v.Of(row), s.V(r), y, spare)
			}
			v.Store(y, py)
		})
	})
}

func rank1(s isa.Set) {
	open(s, "rank1", "func(rows, n int, alpha T, x, y, a *T, lda int)", "adds alpha*x*y' to A.")
	x := load("x")
	groups(s, 4, []reg.Register{x}, func(g group) {
		g.coefficients(0, x)
		py := load("y")
		g.columns(8/g.rows, []reg.Register{py}, func(v isa.Vec) {
			y := s.V(8)
			v.Load(py, y)
			for r, row := range g.at {
				a := s.V(9 + r)
				v.LoadAt(v.Of(row), a)
				s.VFMADD231(y, s.V(r), a)
				v.StoreAt(a, v.Of(row))
			}
		})
	})
}

func rank2(s isa.Set) {
	open(s, "rank2", "func(rows, n int, alpha T, x, y, u, v, a *T, lda int)", "adds alpha*(x*y' + u*v') to A.")
	x, u := load("x"), load("u")
	groups(s, 4, []reg.Register{x, u}, func(g group) {
		g.coefficients(0, x)
		g.coefficients(4, u)
		py, pv := load("y"), load("v")
		g.columns(8/g.rows, []reg.Register{py, pv}, func(v isa.Vec) {
			y, z := s.V(8), s.V(9)
			v.Load(py, y)
			v.Load(pv, z)
			for r, row := range g.at {
				a := s.V(10 + r)
				v.LoadAt(v.Of(row), a)
				s.VFMADD231(y, s.V(r), a)
				s.VFMADD231(z, s.V(4+r), a)
				v.StoreAt(a, v.Of(row))
			}
		})
	})
}

// dotAxpyRows is dotRows and axpyRows in one: what a symmetric matrix wants of
// the half of it that is stored.
func dotAxpyRows(s isa.Set) {
	open(s, "dotAxpyRows", "func(rows, n int, alpha T, a *T, lda int, x, y, u, v *T)",
		"adds to y alpha times the dot products of A's rows with x, and to v A's rows, times alpha and an element of u each.")
	y, u := load("y"), load("u")
	groups(s, 4, []reg.Register{y, u}, func(g group) {
		sums := newSums(g)
		g.coefficients(8, u)
		px, pv := load("x"), load("v")
		g.columns(sums.perRow, []reg.Register{px, pv}, func(v isa.Vec) {
			x, z, a := s.V(12), s.V(13), s.V(14)
			v.Load(px, x)
			v.Load(pv, z)
			for r, row := range g.at {
				v.LoadAt(v.Of(row), a)
				s.VFMADD231(a, x, sums.of(r, v.Index))
				s.VFMADD231(a, s.V(8+r), z)
			}
			v.Store(z, pv)
		})
		sums.addTo(y)
	})
}

// accumulators is how many a group's dot products have between them: an FMA takes four
// cycles, and two begin in each.
const accumulators = 8

// sums is the accumulators of a group's dot products, so many for each row.
type sums struct {
	group
	perRow int
}

func newSums(g group) sums {
	zero(g.Set, accumulators)
	return sums{g, accumulators / g.rows}
}

// of is accumulator i of row r.
func (s sums) of(r, i int) reg.Register { return s.V(r*s.perRow + i) }

// addTo adds alpha times the sums to the elements at y, and uses vector registers
// up to 9.
func (s sums) addTo(y reg.Register) {
	vectors := s.fold()
	alpha, old := 8, 9
	s.Broadcast("alpha", s.V(alpha))
	bytes := min(s.folded(), s.rows*s.Size())
	for i, r := range vectors {
		m := isa.Ptr(y, s.folded()*i)
		if bytes == 32 {
			s.VMOVU(m, isa.Y(old))
			s.VFMADD231(isa.Y(r), isa.Y(alpha), isa.Y(old))
			s.VMOVU(isa.Y(old), m)
			continue
		}
		move := map[int]func(...operand.Op){4: VMOVSS, 8: VMOVSD, 16: VMOVUPS}[bytes]
		move(m, isa.X(old))
		s.VFMADD231(isa.X(r), isa.X(alpha), isa.X(old))
		move(isa.X(old), m)
	}
}

// folded is the bytes of the vectors that fold returns.
func (s sums) folded() int { return min(s.Bytes, 32) }

// half is the vector register that fold adds neighbors of.
func (s sums) half(i int) reg.Register {
	if s.Narrow() {
		return isa.X(i)
	}
	return isa.Y(i)
}

// fold folds the accumulators to one element a row, in order, and returns the
// numbers of the registers that they are in.
func (s sums) fold() (vectors []int) {
	spare := accumulators
	for r := range s.rows {
		for step := 1; step < s.perRow; step *= 2 {
			for i := 0; i < s.perRow; i += 2 * step {
				s.VADD(s.of(r, i+step), s.of(r, i), s.of(r, i))
			}
		}
		i := r * s.perRow
		if s.Wide() {
			VEXTRACTF64X4(operand.U8(1), isa.Z(i), isa.Y(spare))
			s.VADD(isa.Y(spare), isa.Y(i), isa.Y(i))
		}
		vectors = append(vectors, i)
	}
	// The 128 bits of each half, NEON's whole vector, become sums of as many rows as they have lanes.
	for lanes := 16 / s.Size(); lanes > 1; lanes /= 2 {
		var folded []int
		for i := 0; i < len(vectors); i += 2 {
			low, high := vectors[i], vectors[min(i+1, len(vectors)-1)]
			s.VHADD(s.half(high), s.half(low), s.half(low))
			folded = append(folded, low)
		}
		vectors = folded
	}
	if s.Narrow() {
		return vectors
	}
	if len(vectors) == 1 {
		VEXTRACTF128(operand.U8(1), isa.Y(vectors[0]), isa.X(spare))
		s.VADD(isa.X(spare), isa.X(vectors[0]), isa.X(vectors[0]))
		return vectors
	}
	var whole []int
	for i := 0; i < len(vectors); i += 2 {
		low, high := vectors[i], vectors[i+1]
		VPERM2F128(operand.U8(0x20), isa.Y(high), isa.Y(low), isa.Y(spare))
		VPERM2F128(operand.U8(0x31), isa.Y(high), isa.Y(low), isa.Y(low))
		s.VADD(isa.Y(spare), isa.Y(low), isa.Y(low))
		whole = append(whole, low)
	}
	return whole
}
