package blas

import (
	"math"

	"gonum.org/v1/gonum/blas"

	"github.com/steppe-ml/steppe/internal/parallel"
)

// Ssyrk computes a triangle of the symmetric C = alpha*A*A' + beta*C or, if
// transposed, of C = alpha*A'*A + beta*C. C is n x n.
func (Implementation) Ssyrk(ul blas.Uplo, t Transpose, n, k int, alpha float32, a []float32, lda int, beta float32, c []float32, ldc int) {
	syrk(ul, t, n, k, alpha, a, lda, beta, c, ldc)
}

// Dsyrk is Ssyrk for float64.
func (Implementation) Dsyrk(ul blas.Uplo, t Transpose, n, k int, alpha float64, a []float64, lda int, beta float64, c []float64, ldc int) {
	syrk(ul, t, n, k, alpha, a, lda, beta, c, ldc)
}

// Ssyr2k computes a triangle of the symmetric C = alpha*A*B' + alpha*B*A' + beta*C
// or, if transposed, of C = alpha*A'*B + alpha*B'*A + beta*C. C is n x n.
func (Implementation) Ssyr2k(ul blas.Uplo, t Transpose, n, k int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
	syr2k(ul, t, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
}

// Dsyr2k is Ssyr2k for float64.
func (Implementation) Dsyr2k(ul blas.Uplo, t Transpose, n, k int, alpha float64, a []float64, lda int, b []float64, ldb int, beta float64, c []float64, ldc int) {
	syr2k(ul, t, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
}

func syrk[T Float](ul blas.Uplo, t Transpose, n, k int, alpha T, a []T, lda int, beta T, c []T, ldc int) {
	lower, trans := isLower(ul), isTrans(t)
	checkOrder(n, k)
	rows, cols := orient(n, k, trans)
	if lda < max(1, cols) {
		panic("blas: bad leading dimension of A")
	}
	if ldc < max(1, n) {
		panic("blas: bad leading dimension of C")
	}
	if n == 0 {
		return
	}
	if len(a) < reach(rows, cols, lda) {
		panic("blas: insufficient length of a")
	}
	if len(c) < reach(n, n, ldc) {
		panic("blas: insufficient length of c")
	}
	o := update(n, k, alpha, beta, c, ldc)
	if o.k > 0 {
		o.a = stored(a, lda, trans)
		o.b = o.a.transposed()
	}
	o.updateTriangle(lower)
}

func syr2k[T Float](ul blas.Uplo, t Transpose, n, k int, alpha T, a []T, lda int, b []T, ldb int, beta T, c []T, ldc int) {
	lower, trans := isLower(ul), isTrans(t)
	checkOrder(n, k)
	rows, cols := orient(n, k, trans)
	if lda < max(1, cols) {
		panic("blas: bad leading dimension of A")
	}
	if ldb < max(1, cols) {
		panic("blas: bad leading dimension of B")
	}
	if ldc < max(1, n) {
		panic("blas: bad leading dimension of C")
	}
	if n == 0 {
		return
	}
	if len(a) < reach(rows, cols, lda) {
		panic("blas: insufficient length of a")
	}
	if len(b) < reach(rows, cols, ldb) {
		panic("blas: insufficient length of b")
	}
	if len(c) < reach(n, n, ldc) {
		panic("blas: insufficient length of c")
	}
	o := update(n, k, alpha, beta, c, ldc)
	if o.k > 0 {
		a, b := stored(a, lda, trans), stored(b, ldb, trans)
		o.a, o.b = a, b.transposed()
		o.updateTriangle(lower)
		o.a, o.b, o.beta = b, a.transposed(), 1
	}
	o.updateTriangle(lower)
}

func checkOrder(n, k int) {
	if n < 0 {
		panic("blas: n < 0")
	}
	if k < 0 {
		panic("blas: k < 0")
	}
}

// update returns the operation of a rank-k update, without A and B.
func update[T Float](n, k int, alpha, beta T, c []T, ldc int) (o operation[T]) {
	if alpha == 0 || k == 0 {
		alpha, k = 0, 0 // A and B are not read, and no NaN comes of an empty sum
	}
	o.table = active[T]()
	o.m, o.n, o.k = n, n, k
	o.c = view[T]{&c[0], ldc, 1}
	o.alpha, o.beta = alpha, beta
	return o
}

// triangle is an operation of whose square C one triangle is computed, cut by
// columns into parts for a team of workers.
type triangle[T Float] struct {
	operation[T]
	lower      bool
	parts      int
	workspaces []workspace[T] // a worker's
}

// workspace is where a worker packs its blocks, and has a block of C.
type workspace[T Float] struct {
	buffers[T]
	block []T
}

var (
	triangles32 parallel.Pool[triangle[float32]]
	triangles64 parallel.Pool[triangle[float64]]
)

// updateTriangle computes a triangle of C, on all cores that are free.
func (o *operation[T]) updateTriangle(lower bool) {
	if o.k == 0 && o.beta == 1 {
		return
	}
	work := o.work() / 2
	team, release := crewFor(o.table, work)
	defer release()
	t := poolOf[triangle[T]](&triangles32, &triangles64).Get()
	t.operation, t.lower, t.parts = *o, lower, 1
	if o.pays(team, work) {
		grains, workers := panels(o.table, o.n), team.Workers()
		most := workers // since each part copies the rows of A that it meets
		if grains < evenFrom*workers {
			most *= partsPerWorker
		}
		t.parts = max(1, min(grains/2, most, work/o.partWork))
	}
	t.workspaces = forWorkers(t.workspaces, min(t.parts, team.Workers()))
	team.Run(t.parts, t)
	t.operation = operation[T]{}
	poolOf[triangle[T]](&triangles32, &triangles64).Put(t)
}

// evenFrom is how many panels for each worker are cut into equal parts, or nearly so.
const evenFrom = 8

// forWorkers returns at least so many workspaces, those that there are and new
// ones.
func forWorkers[T Float](all []workspace[T], workers int) []workspace[T] {
	for len(all) < workers {
		all = append(all, workspace[T]{})
	}
	return all
}

// Do computes one part: as many elements as any other, or nearly so.
func (t *triangle[T]) Do(part, worker int) {
	t.columns(t.edge(part), t.edge(part+1), &t.workspaces[worker])
}

// edge returns the column at which a part begins.
func (t *triangle[T]) edge(part int) int {
	before := float64(part) / float64(t.parts) // fraction of the triangle
	side := math.Sqrt(before)
	if t.lower {
		side = 1 - math.Sqrt(1-before)
	}
	return min(t.n, int(math.Round(side*float64(panels(t.table, t.n))))*t.nr())
}

// columns computes columns j0 to j1 of the triangle, by the loops of block, of
// which the innermost ends at the diagonal.
func (t *triangle[T]) columns(j0, j1 int, w *workspace[T]) {
	steps := max(1, kBlocks(t.table, t.k))
	for jc := j0; jc < j1; jc += t.nc {
		cols := min(t.nc, j1-jc)
		rows := span{0, jc + cols}
		if t.lower {
			rows = span{jc, t.n}
		}
		for s := range steps {
			l0, l1 := parallel.Cut(t.k, 1, steps, s)
			b := t.panelsOfB(l0, l1, jc, cols, rows.len(), &w.buffers)
			beta := T(1)
			if s == 0 {
				beta = t.beta
			}
			block := t.mc * max(1, t.kc/max(1, l1-l0))
			for ic := rows.from; ic < rows.to; ic += block {
				rows := span{ic, min(ic+block, rows.to)}
				a := t.rowsOfA(ic, rows.len(), l0, l1, cols, &w.buffers)
				for j := jc; j < jc+cols; j += t.nr() {
					t.panelOfTriangle(a, b.panel(j-jc), rows, span{j, min(j+t.nr(), jc+cols)}, l1-l0, beta, w)
				}
			}
		}
	}
}

// panelOfTriangle computes what the triangle has of some rows of a panel's columns:
// the rows beside its square on the diagonal, and some rows at a time within.
func (t *triangle[T]) panelOfTriangle(a aBlock[T], b bPanel[T], rows, cols span, k int, beta T, w *workspace[T]) {
	beside := span{rows.from, min(rows.to, cols.from)}
	if t.lower {
		beside = span{max(rows.from, cols.to), rows.to}
	}
	if beside.len() > 0 {
		t.panel(a.from(beside.from-rows.from), b, beside.len(), cols.len(), cols.len(), k, t.c.from(beside.from, cols.from), beta, epilogue[T]{})
	}
	for i := max(rows.from, cols.from); i < min(rows.to, cols.to); i += diagonalRows {
		t.panelOnDiagonal(a.from(i-rows.from), b, span{i, min(i+diagonalRows, rows.to, cols.to)}, cols, k, beta, w)
	}
}

// diagonalRows is how many rows of a panel's square are computed together: enough
// for a tile, and few, since they go to where the last of them ends.
const diagonalRows = 8

// panelOnDiagonal computes rows that the diagonal crosses, in a block of their
// own, whose other triangle is dropped.
func (t *triangle[T]) panelOnDiagonal(a aBlock[T], b bPanel[T], rows, cols span, k int, beta T, w *workspace[T]) {
	if t.lower {
		cols.to = rows.to
	} else if t.masksB && k > 0 {
		b.p = at(b.p, rows.from-cols.from)
		cols.from = rows.from
	}
	w.block = grow(w.block, diagonalRows*t.nr())
	block := view[T]{&w.block[0], t.nr(), 1}
	for i := rows.from; i < rows.to && beta != 0; i++ {
		in := t.inTriangle(i, cols)
		copy(block.slice(i-rows.from, in.from-cols.from, in.len()), t.c.slice(i, in.from, in.len()))
	}
	t.panel(a, b, rows.len(), cols.len(), cols.len(), k, block, beta, epilogue[T]{})
	for i := rows.from; i < rows.to; i++ {
		in := t.inTriangle(i, cols)
		copy(t.c.slice(i, in.from, in.len()), block.slice(i-rows.from, in.from-cols.from, in.len()))
	}
}

// inTriangle returns those of some columns whose elements of row i lie in the
// triangle.
func (t *triangle[T]) inTriangle(i int, cols span) span {
	if t.lower {
		return span{cols.from, min(cols.to, i+1)}
	}
	return span{max(cols.from, i), cols.to}
}
