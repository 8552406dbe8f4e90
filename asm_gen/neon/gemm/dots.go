package main

import (
	"fmt"
	"math/bits"

	"github.com/steppe-ml/steppe/asm_gen/neon"
)

// dotsSide is the most rows of X, and the rows of Y, that kernels of dot products take at once: 16
// FMAs for 8 loads.
const dotsSide = 4

// dots is the plan for the vector registers of a kernel of dot products: the accumulators, row by
// row, then Y's vectors, then X's. Each element has one vector of accumulators, so that its order is
// the same in a group and alone. The price: FMAs of fewer than 8 elements wait for each other.
type dots struct {
	*neon.Func
	neon.Element
	rows, columns int      // of X and of Y
	x, y          []neon.R // pointers to the rows
}

func (d dots) acc(i, j int) neon.V  { return d.V(i*d.columns + j) }
func (d dots) yVector(j int) neon.V { return d.V(d.rows*d.columns + j) }
func (d dots) xVector(i int) neon.V { return d.V(d.rows*d.columns + d.columns + i) }

// dots emits the kernel for the dot products of some rows of X and of Y.
func (k kernels) dots(rows, columns int) {
	f := k.begin(fmt.Sprintf("dots%dx%dx%d", k.bits, rows, columns),
		"func(groups, k int, x *T, xRow int, y *T, yRow int, c *T, cRow, cCol int, alpha, beta T)",
		fmt.Sprintf("is a dotsKernel for %d rows of X and groups of %d rows of Y.", rows, columns))
	d := dots{Func: f, Element: k.of, rows: rows, columns: columns, x: f.Rs(rows), y: f.Rs(columns)}
	groups, left := f.Load("groups", f.R()), f.R()
	f.Scope(func() { d.rowsOf("y", d.y) })

	f.Label("group")
	f.Scope(func() { d.rowsOf("x", d.x) })
	for i := range rows * columns {
		f.Zero(d.V(i))
	}
	f.Load("k", left)
	d.loop("vector", d.Lanes(), left)
	d.loop("element", 1, left)
	f.Scope(d.finish)

	// The pointers to Y have moved along k.
	f.Scope(func() {
		yRow, along := f.Load("yRow", f.R()), f.Load("k", f.R())
		f.LSL(neon.Imm(bits.TrailingZeros(uint(columns))), yRow, yRow) // of the group
		f.SUB(along, yRow, yRow)
		for _, y := range d.y {
			f.ADD(d.Scaled(yRow), y, y)
		}
	})
	f.SUBS(neon.Imm(1), groups, groups)
	f.BNE("group")
	f.RET()
}

// rowsOf loads the pointers to the rows of an operand.
func (d dots) rowsOf(name string, at []neon.R) {
	row := d.Load(name+"Row", d.R())
	d.Load(name, at[0])
	for i := 1; i < len(at); i++ {
		d.ADD(d.Scaled(row), at[i-1], at[i])
	}
}

// loop adds the products of so many elements along k at a time, as long as there are so many left:
// a vector, or an element, which a load puts in a vector of zeros.
func (d dots) loop(label string, elements int, left neon.R) {
	load := func(p neon.R, r neon.V) {
		if elements == 1 {
			d.FMOVP(neon.Ptr(p, int(d.Element)), r.F())
		} else {
			d.VLD1P(neon.Ptr(p, 16), neon.List(r))
		}
	}
	d.SUBS(neon.Imm(elements), left, left)
	d.BLT(label + "Done")
	d.Label(label)
	for j, y := range d.y {
		load(y, d.yVector(j))
	}
	for i, x := range d.x {
		load(x, d.xVector(i))
		for j := range d.columns {
			d.VFMLA(d.xVector(i), d.yVector(j), d.acc(i, j))
		}
	}
	d.SUBS(neon.Imm(elements), left, left)
	d.BGE(label)
	d.Label(label + "Done")
	d.ADD(neon.Imm(elements), left, left)
}

// finish folds the accumulators to one element each, and sets C to alpha times
// it, + beta*C unless beta is 0.
func (d dots) finish() {
	cRow, cCol, c, row := d.Load("cRow", d.R()), d.Load("cCol", d.R()), d.Load("c", d.R()), d.R()
	d.LSL(d.Shift(), cRow, cRow)
	d.LSL(d.Shift(), cCol, cCol)
	scale, old := d.xVector(0), d.yVector(0)
	d.FMOV(d.Arg("alpha"), scale.F())
	for i := range d.rows {
		for _, sum := range d.fold(i) {
			d.VFMUL(scale.Lane(0), sum, sum)
		}
	}
	d.FMOV(d.Arg("beta"), scale.F())
	d.FCMP0(scale)
	d.BEQ("overwrite")
	d.walk(c, row, cRow, cCol, func(memory neon.Operand, sum neon.Lane, last bool) {
		d.VLD1P(memory, old.Lane(sum.Index))
		if last {
			d.VFMLA(scale.Lane(0), old, sum.V)
		}
	})
	d.Label("overwrite")
	d.walk(c, row, cRow, cCol, func(memory neon.Operand, sum neon.Lane, _ bool) { d.VST1P(sum, memory) })
	for range d.columns {
		d.ADD(cCol, c, c)
	}
	d.MOVD(c, d.Arg("c"))
}

// walk visits C's elements, and says which is the last one of a vector of sums.
func (d dots) walk(c, row, cRow, cCol neon.R, visit func(memory neon.Operand, sum neon.Lane, last bool)) {
	for i := range d.rows {
		d.MOVD(c, row)
		for range i {
			d.ADD(cRow, row, row)
		}
		for j := range d.columns {
			visit(neon.Post(row, cCol), d.sum(i, j), j == d.columns-1 || (j+1)%d.Lanes() == 0)
		}
	}
}

// sum is where fold leaves the sum of row i with row j of Y.
func (d dots) sum(i, j int) neon.Lane { return d.acc(i, j/d.Lanes()).Lane(j % d.Lanes()) }

// fold adds the lanes of each sum of row i of X, neighbors first, so that neighboring sums become
// lanes of a vector.
func (d dots) fold(i int) (sums []neon.V) {
	for j := range d.columns {
		sums = append(sums, d.acc(i, j))
	}
	for lanes := d.Lanes(); lanes > 1; lanes /= 2 {
		for j := range (len(sums) + 1) / 2 {
			x, y := sums[2*j], sums[min(2*j+1, len(sums)-1)]
			sums[j] = d.acc(i, j)
			d.VFADDP(y, x, sums[j])
		}
		sums = sums[:(len(sums)+1)/2]
	}
	return sums
}
