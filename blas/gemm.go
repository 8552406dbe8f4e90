package blas

import "github.com/steppe-ml/steppe/internal/parallel"

// operation is one matrix product: C = alpha*A*B + beta*C, and an epilogue.
type operation[T Float] struct {
	*table[T]
	m, n, k     int
	a, b, c     view[T]
	alpha, beta T
	epilogue    epilogue[T]
	packedB     *PackedB[T] // nil to pack as needed
}

// epilogue is what is done to elements of C when their sums are complete.
type epilogue[T Float] struct {
	bias, rowBias *T // one element a column, and a row; nil for none
	relu          bool
}

// from returns e for the part of C that begins at element (i, j).
func (e *epilogue[T]) from(i, j int) epilogue[T] {
	bias, rowBias := e.bias, e.rowBias
	if bias != nil {
		bias = at(bias, j)
	}
	if rowBias != nil {
		rowBias = at(rowBias, i)
	}
	return epilogue[T]{bias, rowBias, e.relu}
}

// run computes the operation on a team.
func (o *operation[T]) run(team *parallel.Team) {
	if o.m == 0 || o.n == 0 {
		return
	}
	if o.direct() {
		o.compute()
		return
	}
	p := newProduct[T]()
	p.operation = *o
	mirrored := o.mirrored()
	if mirrored {
		p.scratch = grow(p.scratch, o.m*o.n)
		p.operation = o.mirror(p.scratch)
	}
	p.divide(team)
	p.run(team)
	if mirrored {
		o.unmirror(p.scratch)
	}
	p.release()
}

// work is the multiply-adds of the operation.
func (o *operation[T]) work() int { return o.m * o.n * o.k }

// direct reports whether the operation is so small that it is best computed
// at once, with no block, no packing and no team.
func (o *operation[T]) direct() bool {
	return max(o.m*o.n, o.work()) <= o.directUpTo && o.k <= o.kc && o.packedB == nil && (o.k == 0 || o.b.col == 1 && (o.masksB || o.n%o.nr() == 0))
}

// compute computes a direct operation: as block does, with one block of each.
func (o *operation[T]) compute() {
	a := aBlock[T]{o.a.p, o.a.row, o.a.col, o.a.row}
	for j := 0; j < o.n; {
		b := bPanel[T]{o.b.p, o.b.row}
		if o.k > 0 {
			b.p = at(b.p, j)
		}
		left := o.n - j
		j += o.panel(a, b, o.m, left, left, o.k, o.c.from(0, j), o.beta, o.epilogue.from(0, j))
	}
}

// block computes rows i0 to i1 and columns j0 to j1 of C, by the five loops of
// Goto and van de Geijn ("Anatomy of High-Performance Matrix Multiplication",
// ACM TOMS 34(3), 2008): blocks of B's columns, of K, of A's rows, then panels
// of B, and tiles of A's rows in assembly.
func (o *operation[T]) block(i0, i1, j0, j1 int, buf *buffers[T]) {
	steps := max(1, kBlocks(o.table, o.k))
	for jc := j0; jc < j1; jc += o.nc { // LOOP 5
		cols := min(o.nc, j1-jc)
		for s := range steps { // LOOP 4
			l0, l1 := parallel.Cut(o.k, 1, steps, s)
			b := o.panelsOfB(l0, l1, jc, cols, i1-i0, buf)
			beta, last := T(1), epilogue[T]{}
			if s == 0 {
				beta = o.beta
			}
			if s == steps-1 {
				last = o.epilogue
			}
			block := o.mc * max(1, o.kc/max(1, l1-l0)) // with a short K, more rows are as much
			for ic := i0; ic < i1; ic += block {       // LOOP 3
				rows := min(block, i1-ic)
				a := o.rowsOfA(ic, rows, l0, l1, cols, buf)
				for jr := 0; jr < cols; { // LOOP 2
					j := jc + jr
					jr += o.panel(a, b.panel(jr), rows, cols-jr, max(0, b.whole-jr), l1-l0, o.c.from(ic, j), beta, last.from(ic, j))
				}
			}
		}
	}
}

// panel computes rows of one panel of C: LOOP 1, which runs in assembly. It
// returns the panel's columns: those of a tile, or of what is left, or, for few
// rows, as many more as a wide kernel takes and B has in place. The rows are
// shared out evenly over the fewest tiles, so there are tiles of at most two
// heights.
func (o *operation[T]) panel(a aBlock[T], b bPanel[T], rows, left, inPlace, k int, c view[T], beta T, e epilogue[T]) (cols int) {
	if rows <= len(o.wide) {
		for _, w := range o.wide[rows-1] {
			if w.columns <= inPlace {
				w.kernel(1, w.columns, k, a.p, a.row, a.col, 0, b.p, b.row, c.p, c.row, o.alpha, beta, e.bias, e.rowBias, e.relu)
				return w.columns
			}
		}
	}
	kernels, cols := o.kernelsFor(left, inPlace)
	tiles, height, taller := 1, rows, 0
	if tallest := len(kernels); rows > tallest {
		tiles = ceilDiv(rows, tallest)
		height, taller = rows/tiles, rows%tiles
	}
	if taller > 0 {
		kernels[height](taller, cols, k, a.p, a.row, a.col, (height+1)*a.next, b.p, b.row, c.p, c.row, o.alpha, beta, e.bias, e.rowBias, e.relu)
		done := taller * (height + 1)
		c, e = c.from(done, 0), e.from(done, 0)
		if k > 0 {
			a.p = at(a.p, done*a.next)
		}
	}
	kernels[height-1](tiles-taller, cols, k, a.p, a.row, a.col, height*a.next, b.p, b.row, c.p, c.row, o.alpha, beta, e.bias, e.rowBias, e.relu)
	return cols
}

// kernelsFor returns the kernels for a panel of the columns that are left, and
// how many of them they take: as many as they can, or few enough to leave some
// for kernels that do them faster.
func (t *table[T]) kernelsFor(left, inPlace int) (kernels []tileKernel[T], cols int) {
	for i := range t.panels {
		if p := &t.panels[i]; left <= p.columns {
			return p.tile, left
		}
	}
	p, last := t.whole(), len(t.panels)-1
	if last > 1 && left <= p.columns+t.panels[0].columns && left <= inPlace {
		p = &t.panels[last-1]
	}
	return p.tile, p.columns
}

// kBlocks returns how many blocks k is cut into, of equal sizes up to one: a
// function of k and the table alone, since it decides the bits.
func kBlocks[T Float](t *table[T], k int) int { return ceilDiv(k, t.kc) }

func ceilDiv(a, b int) int { return (a + b - 1) / b }
