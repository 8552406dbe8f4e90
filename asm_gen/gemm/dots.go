package main

import (
	"fmt"

	"github.com/steppe-ml/steppe/asm_gen/isa"
	"github.com/steppe-ml/steppe/asm_gen/tile"

	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// dotsSide is the most rows of X, and the rows of Y, that kernels of dot
// products take at once: their square of accumulators, a row of each and a mask
// fit in the registers.
var dotsSide = map[string]int{"AVX2": 3, "AVX512": 4}

// dots is the plan for the registers of a kernel of dot products: the
// accumulators, row by row, then Y's vectors, then one of X's.
type dots struct {
	isa.Set
	rows, columns int           // of X and of Y
	x, y          []operand.Mem // where the rows are
}

func (d dots) acc(i, j int) reg.Register  { return d.V(i*d.columns + j) }
func (d dots) yVector(j int) reg.Register { return d.V(d.rows*d.columns + j) }
func (d dots) xVector() reg.Register      { return d.V(d.rows*d.columns + d.columns) }

// dotsKernel emits the kernel for the dot products of some rows of X and of Y.
func dotsKernel(s isa.Set, rows, columns int) {
	name := fmt.Sprintf("dots%dx%dx%d%s", s.Float, rows, columns, s.Name)
	TEXT(name, attr.NOSPLIT, s.Typed("func(groups, k int, x *T, xRow int, y *T, yRow int, c *T, cRow, cCol int, alpha, beta T)"))
	Doc(fmt.Sprintf("%s is a dotsKernel for %d rows of X and groups of %d rows of Y.", name, rows, columns))
	d := dots{Set: s, rows: rows, columns: columns}

	Label("group")
	for i := range rows * columns {
		s.Zero(i)
	}
	var px, py reg.Register
	px, d.x = d.rowsOf("x", rows)
	py, d.y = d.rowsOf("y", columns)
	k := Load(Param("k"), GP64())
	CMPQ(k, operand.U32(s.Lanes()))
	JL(operand.LabelRef("tail"))
	Label("whole")
	d.step(func(m operand.Mem, r reg.Register) { s.VMOVU(m, r) })
	ADDQ(operand.U32(s.Bytes), px)
	ADDQ(operand.U32(s.Bytes), py)
	SUBQ(operand.U32(s.Lanes()), k)
	CMPQ(k, operand.U32(s.Lanes()))
	JGE(operand.LabelRef("whole"))
	Label("tail")
	TESTQ(k, k)
	JZ(operand.LabelRef("summed"))
	mask := s.TailMask(k)
	d.step(func(m operand.Mem, r reg.Register) { s.LoadMasked(m, mask, r) })
	Label("summed")
	d.finish()

	yRow := tile.Stride(d.Set, "yRow")
	IMUL3Q(operand.U32(columns), yRow, yRow)
	ADDQ(yRow, isa.Parameter("y"))
	DECQ(isa.Parameter("groups"))
	JNZ(operand.LabelRef("group"))
	isa.End()
}

// rowsOf returns the pointer that moves along k, and the rows from it.
func (d dots) rowsOf(name string, rows int) (p reg.Register, at []operand.Mem) {
	p = Load(Param(name), GP64())
	at = []operand.Mem{isa.Ptr(p, 0)}
	if rows == 1 {
		return p, at
	}
	row := tile.Stride(d.Set, name+"Row")
	at = append(at, operand.Mem{Base: p, Index: row, Scale: 1}, operand.Mem{Base: p, Index: row, Scale: 2})
	if rows == 4 {
		three := GP64()
		LEAQ(operand.Mem{Base: row, Index: row, Scale: 2}, three)
		at = append(at, operand.Mem{Base: p, Index: three, Scale: 1})
	}
	return p, at[:rows]
}

// step adds the products of one vector of k.
func (d dots) step(load func(operand.Mem, reg.Register)) {
	for j, y := range d.y {
		load(y, d.yVector(j))
	}
	for i, x := range d.x {
		load(x, d.xVector())
		for j := range d.columns {
			d.VFMADD231(d.xVector(), d.yVector(j), d.acc(i, j))
		}
	}
}

// finish folds the accumulators to one element each, and sets C to alpha times
// it, + beta*C unless beta is 0.
func (d dots) finish() {
	cCol, cRow := tile.Stride(d.Set, "cCol"), tile.Stride(d.Set, "cRow")
	alpha, beta := d.rows*d.columns, d.rows*d.columns+1
	d.VMOVS(isa.Parameter("alpha"), isa.X(alpha))
	d.VMOVS(isa.Parameter("beta"), isa.X(beta))
	for i := range d.rows {
		for j := range d.columns {
			d.fold(i*d.columns+j, beta+1)
			d.VMULS(isa.X(alpha), d.sum(i, j), d.sum(i, j))
		}
	}
	d.TestZero(isa.Parameter("beta"))
	JZ(operand.LabelRef("overwrite"))
	d.walk(cRow, cCol, func(c operand.Mem, sum reg.Register) { d.VFMADD231S(c, isa.X(beta), sum) })
	Label("overwrite")
	end := d.walk(cRow, cCol, func(c operand.Mem, sum reg.Register) { d.VMOVS(sum, c) })
	MOVQ(end, isa.Parameter("c"))
}

// walk visits C's elements, and returns the pointer to the column after them.
func (d dots) walk(cRow, cCol reg.Register, f func(c operand.Mem, sum reg.Register)) reg.Register {
	c, row := Load(Param("c"), GP64()), GP64()
	for j := range d.columns {
		MOVQ(c, row)
		for i := range d.rows {
			f(operand.Mem{Base: row}, d.sum(i, j))
			ADDQ(cRow, row)
		}
		ADDQ(cCol, c)
	}
	return c
}

func (d dots) sum(i, j int) reg.Register { return isa.X(i*d.columns + j) }

// fold adds the lanes of a vector register, and uses the register spare.
func (d dots) fold(r, spare int) {
	d.Fold(d.VADD, r, spare)
	if d.Float == 32 {
		isa.FoldSingles(d.VADD, r, spare)
	} else {
		isa.FoldDoubles(d.VADD, r, spare)
	}
}
