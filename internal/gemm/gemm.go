package gemm

import (
	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/internal/parallel"
)

// Operation is one matrix product: C = alpha*A*B + beta*C, and an epilogue.
type Operation[T Float] struct {
	*Table[T]
	M, N, K     int
	A, B, C     View[T]
	Alpha, Beta T
	Epilogue    Epilogue[T]
	Packed      *Packed[T] // nil to pack as needed
}

// Epilogue is applied to elements of C when their sums are complete: first the biases are added,
// then ReLU replaces negative values by 0.
type Epilogue[T Float] struct {
	Bias, RowBias *T // one element a column, and a row; nil for none
	ReLU          bool
}

// from returns e for the part of C that begins at element (i, j).
func (e *Epilogue[T]) from(i, j int) Epilogue[T] {
	bias, rowBias := e.Bias, e.RowBias
	if bias != nil {
		bias = At(bias, j)
	}
	if rowBias != nil {
		rowBias = At(rowBias, i)
	}
	return Epilogue[T]{bias, rowBias, e.ReLU}
}

// Run computes the operation on a team.
func (o *Operation[T]) Run(team *parallel.Team) {
	if o.M == 0 || o.N == 0 {
		return
	}
	if o.direct() {
		o.compute()
		return
	}
	p := newProduct[T]()
	p.Operation = *o
	mirrored := o.mirrored()
	if mirrored {
		p.scratch = Grow(p.scratch, o.M*o.N)
		p.Operation = o.mirror(p.scratch)
	}
	p.divide(team)
	p.run(team)
	if mirrored {
		o.unmirror(p.scratch)
	}
	p.release()
}

// Work is the multiply-adds of the operation.
func (o *Operation[T]) Work() int { return o.M * o.N * o.K }

// direct reports whether the operation is so small that it is best computed without blocking,
// packing or a team.
func (o *Operation[T]) direct() bool {
	return max(o.M*o.N, o.Work()) <= o.DirectUpTo && o.K <= o.KC && o.Packed == nil && (o.K == 0 || o.B.Col == 1 && (o.MasksB || o.N%o.NR == 0))
}

// compute computes a direct operation: as block does, with one block of each matrix, but without
// the structs that Panel takes, whose copies cost a small product 5 ns a panel.
func (o *Operation[T]) compute() {
	if o.M <= len(o.wide) {
		o.computeFewRows()
		return
	}
	bias := o.Epilogue.Bias
	for j := 0; j < o.N; {
		kernels, cols := o.kernelsFor(o.N-j, o.N-j)
		tiles, height, taller := 1, o.M, 0
		if tallest := len(kernels); o.M > tallest {
			tiles, height, taller = CutRows(o.M, tallest)
		}
		a, b, c, rowBias := o.A.P, o.B.P, At(o.C.P, j), o.Epilogue.RowBias
		if o.K > 0 {
			b = At(b, j)
		}
		if taller > 0 {
			done := taller * (height + 1)
			kernels[height](taller, cols, o.K, a, o.A.Row, o.A.Col, (height+1)*o.A.Row, b, o.B.Row, c, o.C.Row, o.Alpha, o.Beta, bias, rowBias, o.Epilogue.ReLU)
			c = At(c, done*o.C.Row)
			if o.K > 0 {
				a = At(a, done*o.A.Row)
			}
			if rowBias != nil {
				rowBias = At(rowBias, done)
			}
		}
		kernels[height-1](tiles-taller, cols, o.K, a, o.A.Row, o.A.Col, height*o.A.Row, b, o.B.Row, c, o.C.Row, o.Alpha, o.Beta, bias, rowBias, o.Epilogue.ReLU)
		j += cols
		if bias != nil && j < o.N {
			bias = At(bias, cols)
		}
	}
}

// computeFewRows computes a direct operation that wide kernels may take.
func (o *Operation[T]) computeFewRows() {
	a := ABlock[T]{P: o.A.P, Row: o.A.Row, Col: o.A.Col, Next: o.A.Row}
	for j := 0; j < o.N; {
		b := BPanel[T]{o.B.P, o.B.Row}
		if o.K > 0 {
			b.P = At(b.P, j)
		}
		left := o.N - j
		j += o.Panel(a, b, o.M, left, left, o.K, o.C.From(0, j), o.Beta, o.Epilogue.from(0, j))
	}
}

// block computes rows i0 to i1 and columns j0 to j1 of C, by the five loops of
// Goto and van de Geijn ("Anatomy of High-Performance Matrix Multiplication",
// ACM TOMS 34(3), 2008): blocks of B's columns, of K, of A's rows, then panels
// of B, and tiles of A's rows in assembly.
func (o *Operation[T]) block(i0, i1, j0, j1 int, buf *Buffers[T]) {
	steps := max(1, KBlocks(o.Table, o.K))
	nc := o.columnsOfBlock(i1-i0, j1-j0, steps)
	for jc := j0; jc < j1; jc += nc { // LOOP 5
		cols := min(nc, j1-jc)
		for s := range steps { // LOOP 4
			l0, l1 := parallel.Cut(o.K, 1, steps, s)
			b := o.PanelsOfB(l0, l1, jc, cols, i1-i0, buf)
			beta, last := T(1), Epilogue[T]{}
			if s == 0 {
				beta = o.Beta
			}
			if s == steps-1 {
				last = o.Epilogue
			}
			block := o.rowsOfBlock(l1 - l0)
			for ic := i0; ic < i1; ic += block { // LOOP 3
				rows := min(block, i1-ic)
				a := o.blockOfA(ic, rows, l0, l1, cols, buf)
				for jr := 0; jr < cols; { // LOOP 2
					j := jc + jr
					jr += o.Panel(a, b.Panel(jr), rows, cols-jr, max(0, b.whole-jr), l1-l0, o.C.From(ic, j), beta, last.from(ic, j))
				}
			}
		}
	}
}

// rowsOfBlock returns the rows of a block of A with k columns: with a short K, more rows are as
// much.
func (o *Operation[T]) rowsOfBlock(k int) int { return o.MC * max(1, o.KC/max(1, k)) }

// columnsOfBlock returns the columns of a block of B for so many rows of A and columns of B. Where A
// is one block and read in place, narrow blocks cost nothing, and the cache still has them when they
// have been packed.
func (o *Operation[T]) columnsOfBlock(rows, cols, steps int) int {
	k := num.CeilDiv(o.K, steps)
	if o.PackBlock == 0 || rows > o.rowsOfBlock(k) || o.A.Col != 1 || fight[T](o.A.Row) || o.copiesTiles(cols) {
		return o.NC
	}
	return min(o.NC, max(1, o.PackBlock/max(1, k)/o.NR)*o.NR)
}

// Panel computes some rows of one panel of C: LOOP 1, which runs in assembly. It returns how many
// columns it computed of the left ones, of which B has the first inPlace in place: a whole panel's,
// all that are left, or, for few rows, more at once by a wide kernel. The rows are shared evenly by
// the fewest tiles, so tiles have at most two heights.
func (o *Operation[T]) Panel(a ABlock[T], b BPanel[T], rows, left, inPlace, k int, c View[T], beta T, e Epilogue[T]) (cols int) {
	if rows <= len(o.wide) {
		for _, w := range o.wide[rows-1] {
			if w.columns <= inPlace {
				w.kernel(1, w.columns, k, a.P, a.Row, a.Col, 0, b.P, b.Row, c.P, c.Row, o.Alpha, beta, e.Bias, e.RowBias, e.ReLU)
				return w.columns
			}
		}
	}
	kernels, cols := o.kernelsFor(left, inPlace)
	tiles, height, taller := 1, rows, 0
	tallest := len(kernels)
	if a.Tile > 0 {
		tallest = a.Tile
	}
	if rows > tallest {
		tiles, height, taller = CutRows(rows, tallest)
	}
	if taller > 0 {
		kernels[height](taller, cols, k, a.P, a.Row, a.Col, a.tile(height+1), b.P, b.Row, c.P, c.Row, o.Alpha, beta, e.Bias, e.RowBias, e.ReLU)
		done := taller * (height + 1)
		c, e = c.From(done, 0), e.from(done, 0)
		if k > 0 {
			a.P = At(a.P, taller*a.tile(height+1))
		}
	}
	kernels[height-1](tiles-taller, cols, k, a.P, a.Row, a.Col, a.tile(height), b.P, b.Row, c.P, c.Row, o.Alpha, beta, e.Bias, e.RowBias, e.ReLU)
	return cols
}

// CutRows cuts rows >= 1 evenly into the fewest tiles of at most tallest rows: taller of them have
// height+1 rows, the others height.
func CutRows(rows, tallest int) (tiles, height, taller int) {
	tiles = num.CeilDiv(rows, tallest)
	return tiles, rows / tiles, rows % tiles
}

// kernelsFor returns the kernels for a panel of the columns that are left, and how many of them
// they take: a whole panel or all that are left, or fewer if the rest then suits faster kernels.
func (t *Table[T]) kernelsFor(left, inPlace int) (kernels []TileKernel[T], cols int) {
	if t.NR < left && left <= min(t.broad.columns, inPlace) {
		return t.broad.tile, left
	}
	if last := len(t.panels) - 1; last > 1 && t.NR < left && left <= t.NR+t.panels[0].columns && left <= inPlace {
		p := &t.panels[last-1]
		return p.tile, p.columns
	}
	return forColumns(t.panels, left)
}

// KBlocks returns the number of blocks that k is cut into; their sizes differ by at most one. It
// depends on k and the table alone, since it decides the bits of a result.
func KBlocks[T Float](t *Table[T], k int) int { return num.CeilDiv(k, t.KC) }
