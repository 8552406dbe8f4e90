package blas

import (
	"math"

	"gonum.org/v1/gonum/blas"

	"github.com/steppe-ml/steppe/internal/gemm"
	"github.com/steppe-ml/steppe/internal/num"
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
	if o.K > 0 {
		o.A = stored(a, lda, trans)
		o.B = o.A.T()
	}
	updateTriangle(&o, lower)
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
	if o.K > 0 {
		a, b := stored(a, lda, trans), stored(b, ldb, trans)
		o.A, o.B = a, b.T()
		updateTriangle(&o, lower)
		o.A, o.B, o.Beta = b, a.T(), 1
	}
	updateTriangle(&o, lower)
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
func update[T Float](n, k int, alpha, beta T, c []T, ldc int) (o gemm.Operation[T]) {
	if alpha == 0 || k == 0 {
		alpha, k = 0, 0 // A and B are not read, and no NaN comes of an empty sum
	}
	o.Table = gemm.Active[T]()
	o.M, o.N, o.K = n, n, k
	o.C = gemm.ViewOf[T](&c[0], ldc, 1)
	o.Alpha, o.Beta = alpha, beta
	return o
}

// triangle is a team's job: an operation that computes one triangle of a square C, cut by columns
// into parts.
type triangle[T Float] struct {
	gemm.Operation[T]
	lower      bool
	parts      int
	workspaces []workspace[T] // a worker's
}

// workspace is a worker's memory for packed blocks and for a block of C.
type workspace[T Float] struct {
	gemm.Buffers[T]
	block []T
}

var (
	triangles32 parallel.Pool[triangle[float32]]
	triangles64 parallel.Pool[triangle[float64]]
)

// updateTriangle computes a triangle of C, on all cores that are free.
func updateTriangle[T Float](o *gemm.Operation[T], lower bool) {
	if o.K == 0 && o.Beta == 1 {
		return
	}
	work := o.Work() / 2
	team := crewFor(o.Table, work)
	defer endCrew(team)
	t := gemm.PoolOf[triangle[T]](&triangles32, &triangles64).Get()
	t.Operation, t.lower, t.parts = *o, lower, 1
	if o.Pays(team, work) {
		grains, workers := gemm.PanelCount(o.Table, o.N), team.Workers()
		most := workers // since each part copies the rows of A that it meets
		if grains < evenFrom*workers {
			most *= gemm.PartsPerWorker
		}
		t.parts = max(1, min(grains/2, most, work/o.PartWork))
	}
	t.workspaces = forWorkers(t.workspaces, min(t.parts, team.Workers()))
	team.Run(t.parts, t)
	t.Operation = gemm.Operation[T]{}
	gemm.PoolOf[triangle[T]](&triangles32, &triangles64).Put(t)
}

// evenFrom is how many panels for each worker are cut into equal parts, or nearly so.
const evenFrom = 8

// forWorkers returns at least the given number of workspaces: the existing ones, and new ones as
// needed.
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
	return min(t.N, int(math.Round(side*float64(gemm.PanelCount(t.Table, t.N))))*t.NR)
}

// columns computes columns j0 to j1 of the triangle, by the loops of block, of
// which the innermost ends at the diagonal.
func (t *triangle[T]) columns(j0, j1 int, w *workspace[T]) {
	steps := max(1, gemm.KBlocks(t.Table, t.K))
	for jc := j0; jc < j1; jc += t.NC {
		cols := min(t.NC, j1-jc)
		rows := num.Range(0, jc+cols)
		if t.lower {
			rows = num.Range(jc, t.N)
		}
		for s := range steps {
			l0, l1 := parallel.Cut(t.K, 1, steps, s)
			b := t.PanelsOfB(l0, l1, jc, cols, rows.Len(), &w.Buffers)
			beta := T(1)
			if s == 0 {
				beta = t.Beta
			}
			block := t.MC * max(1, t.KC/max(1, l1-l0))
			for ic := rows.From; ic < rows.To; ic += block {
				rows := num.Range(ic, min(ic+block, rows.To))
				a := t.RowsOfA(ic, rows.Len(), l0, l1, cols, &w.Buffers)
				for j := jc; j < jc+cols; j += t.NR {
					t.panelOfTriangle(a, b.Panel(j-jc), rows, num.Range(j, min(j+t.NR, jc+cols)), l1-l0, beta, w)
				}
			}
		}
	}
}

// panelOfTriangle computes the triangle's elements in some rows of a panel: the rows beside the
// panel's square on the diagonal at once, and the rows within it a few at a time.
func (t *triangle[T]) panelOfTriangle(a gemm.ABlock[T], b gemm.BPanel[T], rows, cols num.Span, k int, beta T, w *workspace[T]) {
	beside := num.Range(rows.From, min(rows.To, cols.From))
	if t.lower {
		beside = num.Range(max(rows.From, cols.To), rows.To)
	}
	if beside.Len() > 0 {
		t.Panel(a.From(beside.From-rows.From), b, beside.Len(), cols.Len(), cols.Len(), k, t.C.From(beside.From, cols.From), beta, gemm.Epilogue[T]{})
	}
	for i := max(rows.From, cols.From); i < min(rows.To, cols.To); i += diagonalRows {
		t.panelOnDiagonal(a.From(i-rows.From), b, num.Range(i, min(i+diagonalRows, rows.To, cols.To)), cols, k, beta, w)
	}
}

// diagonalRows is the number of rows of a panel's square to compute together: enough for a tile,
// and few, since all rows are computed up to the end of the longest.
const diagonalRows = 8

// panelOnDiagonal computes rows that the diagonal crosses, in a block of their
// own, whose other triangle is dropped.
func (t *triangle[T]) panelOnDiagonal(a gemm.ABlock[T], b gemm.BPanel[T], rows, cols num.Span, k int, beta T, w *workspace[T]) {
	if t.lower {
		cols.To = rows.To
	} else if t.MasksB && k > 0 {
		b.P = gemm.At(b.P, rows.From-cols.From)
		cols.From = rows.From
	}
	w.block = gemm.Grow(w.block, diagonalRows*t.NR)
	block := gemm.ViewOf[T](&w.block[0], t.NR, 1)
	for i := rows.From; i < rows.To && beta != 0; i++ {
		in := t.inTriangle(i, cols)
		copy(block.Slice(i-rows.From, in.From-cols.From, in.Len()), t.C.Slice(i, in.From, in.Len()))
	}
	t.Panel(a, b, rows.Len(), cols.Len(), cols.Len(), k, block, beta, gemm.Epilogue[T]{})
	for i := rows.From; i < rows.To; i++ {
		in := t.inTriangle(i, cols)
		copy(t.C.Slice(i, in.From, in.Len()), block.Slice(i-rows.From, in.From-cols.From, in.Len()))
	}
}

// inTriangle returns those of some columns whose elements of row i lie in the
// triangle.
func (t *triangle[T]) inTriangle(i int, cols num.Span) num.Span {
	if t.lower {
		return num.Range(cols.From, min(cols.To, i+1))
	}
	return num.Range(max(cols.From, i), cols.To)
}
