package blas

import "github.com/steppe-ml/steppe/internal/parallel"

// A dotsKernel computes dot products of the rows of X, whose number is fixed
// per kernel, with groups of rows of Y, whose number is too:
//
//	C(i,j) = alpha * sum over l < k of X(i,l) * Y(j,l)  (+ beta * C(i,j))
//
// The sum is a vector of accumulators, which are folded in the end, so its order
// isn't that of tiles. With beta == 0 C is not read. Rows of X and Y are
// contiguous, xRow and yRow elements apart; C(i,j) is at c + i*cRow + j*cCol.
type dotsKernel[T Float] func(groups, k int, x *T, xRow int, y *T, yRow int, c *T, cRow, cCol int, alpha, beta T)

// dots is an operation with few rows of X, A's or B's columns, and any number
// of the other one's, Y.
type dots[T Float] struct {
	x, y   view[T] // whose rows are contiguous
	nx, ny int
	c      view[T] // by the rows of X and of Y
}

// dotShaped reports whether the operation is best computed as dot products: few
// rows of A or columns of B, and along K both are contiguous, or one vector with
// gaps, so that packing would take longer than multiplying. Sums go by lanes then,
// which the element rule forbids: this is for the BLAS alone.
func (o *operation[T]) dotShaped() bool {
	if o.m <= o.n {
		return o.b.row == 1 && (o.a.col == 1 || o.m == 1) && o.m <= o.dotsUpTo && o.k > 0 && o.dots != nil
	}
	return o.a.col == 1 && (o.b.row == 1 || o.n == 1) && o.n <= o.dotsUpTo && o.k > 0 && o.dots != nil
}

// asDots returns the operation as dot products.
func (o *operation[T]) asDots() dots[T] {
	d := dots[T]{
		x: view[T]{o.a.p, o.a.row, o.a.col}, nx: o.m,
		y: view[T]{o.b.p, o.b.col, o.b.row}, ny: o.n,
		c: view[T]{o.c.p, o.c.row, 1},
	}
	if o.m > o.n {
		d.x, d.nx, d.y, d.ny = d.y, d.ny, d.x, d.nx
		d.c.row, d.c.col = d.c.col, d.c.row
	}
	return d
}

// compute computes the products with rows j0 to j1 of Y.
func (d *dots[T]) compute(o *operation[T], j0, j1 int) {
	side := len(o.dots)
	whole := j0 + (j1-j0)/side*side
	for l0 := 0; l0 < o.k; l0 += dotsK {
		k, beta := min(dotsK, o.k-l0), T(1)
		if l0 == 0 {
			beta = o.beta
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
				o.dots[nx-1][kernel](n, k, d.x.at(i, l0), d.x.row, d.y.at(j, l0), d.y.row, d.c.at(i, j), d.c.row, d.c.col, o.alpha, beta)
			}
			j += rows
		}
	}
}

const (
	dotsK        = 1 << 14 // summed before it is added to C
	dotsElements = 1 << 13 // of Y, so that all rows of X meet them in the L1 cache
)

// runDots computes the operation as dot products, on a team.
func (o *operation[T]) runDots(team *parallel.Team) {
	d := o.asDots()
	shared := o.pays(team, o.work())
	if !shared && d.x.col == 1 {
		d.compute(o, 0, d.ny)
		return
	}
	p := newProduct[T]()
	if d.x.col != 1 { // a vector with gaps
		p.scratch = grow(p.scratch, o.k)
		for l := range o.k {
			p.scratch[l] = *d.x.at(0, l)
		}
		d.x = view[T]{&p.scratch[0], o.k, 1}
	}
	p.operation, p.sums, p.parts = *o, d, 1
	if shared {
		p.parts = min(team.Workers(), ceilDiv(d.ny, len(o.dots)))
	}
	p.run(team)
	p.release()
}
