package gemm

import (
	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/internal/parallel"
)

// A dotsKernel computes dot products of the rows of X, whose number is fixed
// per kernel, with groups of rows of Y, whose number is too:
//
//	C(i,j) = alpha * sum over l < k of X(i,l) * Y(j,l)  (+ beta * C(i,j))
//
// The sum is a vector of accumulators, which are folded in the end, so its order
// isn't that of tiles. With beta == 0 C is not read. Rows of X and Y are
// contiguous, xRow and yRow elements apart; C(i,j) is at c + i*cRow + j*cCol.
type dotsKernel[T Float] func(groups, k int, x *T, xRow int, y *T, yRow int, c *T, cRow, cCol int, alpha, beta T)

// dots is an operation as dot products of few vectors X, the rows of A or the columns of B, with
// any number of vectors Y, those of the other operand.
type dots[T Float] struct {
	x, y   View[T] // whose rows are contiguous
	nx, ny int
	c      View[T] // by the rows of X and of Y
}

// dotShaped reports whether the operation is best computed as dot products: A has few rows or B few
// columns, and along K both are contiguous, or one is a single vector with gaps, so that packing
// would take longer than multiplying. Such sums go by lanes, which the element rule forbids: only
// RunInAnyOrder computes them.
func (o *Operation[T]) dotShaped() bool {
	if o.M <= o.N {
		return o.B.Row == 1 && (o.A.Col == 1 || o.M == 1) && o.M <= o.DotsUpTo && o.K > 0 && o.dots != nil
	}
	return o.A.Col == 1 && (o.B.Row == 1 || o.N == 1) && o.N <= o.DotsUpTo && o.K > 0 && o.dots != nil
}

// asDots returns the operation as dot products.
func (o *Operation[T]) asDots() dots[T] {
	d := dots[T]{
		x: View[T]{o.A.P, o.A.Row, o.A.Col}, nx: o.M,
		y: View[T]{o.B.P, o.B.Col, o.B.Row}, ny: o.N,
		c: View[T]{o.C.P, o.C.Row, 1},
	}
	if o.M > o.N {
		d.x, d.nx, d.y, d.ny = d.y, d.ny, d.x, d.nx
		d.c.Row, d.c.Col = d.c.Col, d.c.Row
	}
	return d
}

// compute computes the products with rows j0 to j1 of Y.
func (d *dots[T]) compute(o *Operation[T], j0, j1 int) {
	side := len(o.dots)
	whole := j0 + (j1-j0)/side*side
	for l0 := 0; l0 < o.K; l0 += DotsK {
		k, beta := min(DotsK, o.K-l0), T(1)
		if l0 == 0 {
			beta = o.Beta
		}
		groups := max(1, dotsElements/(side*k)) // of one call
		for j := j0; j < j1; {
			kernel, n := 0, min(groups, (whole-j)/side)
			rows := n * side
			if j >= whole {
				kernel, n, rows = 1, j1-j, j1-j
			}
			for i := 0; i < d.nx; i += side {
				nx := min(side, d.nx-i)
				o.dots[nx-1][kernel](n, k, d.x.At(i, l0), d.x.Row, d.y.At(j, l0), d.y.Row, d.c.At(i, j), d.c.Row, d.c.Col, o.Alpha, beta)
			}
			j += rows
		}
	}
}

const (
	DotsK        = 1 << 14 // summed before it is added to C
	dotsElements = 1 << 13 // of Y, so that all rows of X meet them in the L1 cache
)

// runDots computes the operation as dot products, on a team.
func (o *Operation[T]) runDots(team *parallel.Team) {
	d := o.asDots()
	shared := o.Pays(team, o.Work())
	if !shared && d.x.Col == 1 {
		d.compute(o, 0, d.ny)
		return
	}
	p := newProduct[T]()
	if d.x.Col != 1 { // a vector with gaps
		p.scratch = Grow(p.scratch, o.K)
		for l := range o.K {
			p.scratch[l] = *d.x.At(0, l)
		}
		d.x = View[T]{&p.scratch[0], o.K, 1}
	}
	p.Operation, p.sums, p.parts = *o, d, 1
	if shared {
		p.parts = min(team.Workers(), num.CeilDiv(d.ny, len(o.dots)))
	}
	p.run(team)
	p.release()
}
