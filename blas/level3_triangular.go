package blas

import (
	"unsafe"

	"gonum.org/v1/gonum/blas"

	"github.com/steppe-ml/steppe/internal/gemm"
	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/internal/parallel"
)

// Strmm computes B = alpha*op(A)*B or, from the right, B = alpha*B*op(A), where A is
// triangular and B is m x n.
func (Implementation) Strmm(s blas.Side, ul blas.Uplo, tA Transpose, d blas.Diag, m, n int, alpha float32, a []float32, lda int, b []float32, ldb int) {
	trxm(false, s, ul, tA, d, m, n, alpha, a, lda, b, ldb)
}

// Dtrmm is Strmm for float64.
func (Implementation) Dtrmm(s blas.Side, ul blas.Uplo, tA Transpose, d blas.Diag, m, n int, alpha float64, a []float64, lda int, b []float64, ldb int) {
	trxm(false, s, ul, tA, d, m, n, alpha, a, lda, b, ldb)
}

// Strsm solves op(A)*X = alpha*B or, from the right, X*op(A) = alpha*B, where A is
// triangular; X takes the place of B, which is m x n. It doesn't test whether A is singular.
func (Implementation) Strsm(s blas.Side, ul blas.Uplo, tA Transpose, d blas.Diag, m, n int, alpha float32, a []float32, lda int, b []float32, ldb int) {
	trxm(true, s, ul, tA, d, m, n, alpha, a, lda, b, ldb)
}

// Dtrsm is Strsm for float64.
func (Implementation) Dtrsm(s blas.Side, ul blas.Uplo, tA Transpose, d blas.Diag, m, n int, alpha float64, a []float64, lda int, b []float64, ldb int) {
	trxm(true, s, ul, tA, d, m, n, alpha, a, lda, b, ldb)
}

// trxm is xTRSM if solve is set, and xTRMM otherwise.
func trxm[T Float](solve bool, s blas.Side, ul blas.Uplo, tA Transpose, d blas.Diag, m, n int, alpha T, a []T, lda int, b []T, ldb int) {
	left, lower, trans, unit := isLeft(s), isLower(ul), isTrans(tA), isUnit(d)
	if m < 0 {
		panic("blas: m < 0")
	}
	if n < 0 {
		panic("blas: n < 0")
	}
	order, others := n, m
	if left {
		order, others = m, n
	}
	if lda < max(1, order) {
		panic("blas: bad leading dimension of A")
	}
	if ldb < max(1, n) {
		panic("blas: bad leading dimension of B")
	}
	if m == 0 || n == 0 {
		return
	}
	if len(a) < reach(order, order, lda) {
		panic("blas: insufficient length of a")
	}
	if len(b) < reach(m, n, ldb) {
		panic("blas: insufficient length of b")
	}
	if alpha == 0 { // A isn't read
		for i := range m {
			clear(b[i*ldb:][:n])
		}
		return
	}

	t := triangular[T]{Table: gemm.Active[T](), solve: solve, left: left, unit: unit, others: others}
	t.a, t.lower = stored(a, lda, trans), lower != trans
	if !left { // B*A is the transpose of A'*B'
		t.a, t.lower = t.a.T(), !t.lower
	}
	t.compute(order, alpha, stored(b, ldb, false))
}

// triangular is a product with a triangular matrix, A*B or, from the right, B*A',
// in the place of B; or what solves such a product for B. In either case a row of
// A stands for a vector of B: a row, or from the right a column.
type triangular[T Float] struct {
	*gemm.Table[T]
	solve, left bool
	a           gemm.View[T]
	lower, unit bool // A
	others      int  // B's other dimension: the elements of a vector
	upTo        int  // rows of A that are multiplied by as a whole
	team        *parallel.Team
}

// triangularJob is a product with a triangular matrix that is cut into parts for
// a team: vectors are cut, since their elements don't meet.
type triangularJob[T Float] struct {
	triangular[T]
	order      int
	alpha      T
	b          gemm.View[T]
	parts      int
	workspaces []workspace[T] // a worker's
}

var (
	triangulars32 parallel.Pool[triangularJob[float32]]
	triangulars64 parallel.Pool[triangularJob[float64]]
)

// compute computes the product, or solves it, on all cores that are free.
func (t *triangular[T]) compute(order int, alpha T, b gemm.View[T]) {
	work := order * order / 2 * t.others
	team := crewFor(t.Table, work)
	defer endCrew(team)
	j := gemm.PoolOf[triangularJob[T]](&triangulars32, &triangulars64).Get()
	t.upTo = t.multiplyUpTo()
	j.triangular, j.order, j.alpha, j.b, j.parts = *t, order, alpha, b, 1
	if t.Pays(team, work) {
		grains := num.CeilDiv(t.others, t.grain())
		j.parts = gemm.Balanced(grains, team.Workers(), min(grains, gemm.PartsPerWorker*team.Workers(), work/t.PartWork))
	}
	if j.parts == 1 { // only its products can be shared
		j.team = team
		j.workspaces = forWorkers(j.workspaces, 1)
		j.Do(0, 0)
	} else {
		j.workspaces = forWorkers(j.workspaces, min(j.parts, team.Workers()))
		team.Run(j.parts, j)
	}
	j.triangular, j.b = triangular[T]{}, gemm.View[T]{}
	gemm.PoolOf[triangularJob[T]](&triangulars32, &triangulars64).Put(j)
}

// multiplyUpTo returns the most rows of A for which a product uses multiplied, which copies the
// triangle. For few vectors of B that never pays or, from the right, where nothing else reads their
// elements as vectors, only for a small A.
func (t *triangular[T]) multiplyUpTo() int {
	switch {
	case t.others >= multiplyFrom:
		return t.KC
	case t.left:
		return 0
	}
	return min(multiplyUpTo, t.KC)
}

// What bench/tune measures: the vectors of B from which on a product copies the triangle, and the
// rows of A up to which it does so from the right for fewer vectors.
var multiplyFrom, multiplyUpTo = 32, 128

// grain is how many elements of vectors stay together.
func (t *triangular[T]) grain() int {
	if t.left {
		return t.NR
	}
	return t.MR()
}

// Do computes one part.
func (j *triangularJob[T]) Do(part, worker int) {
	from, to := parallel.Cut(j.others, j.grain(), j.parts, part)
	t := j.triangular
	t.others = to - from
	var b gemm.View[T]
	if t.left {
		b = j.b.From(0, from)
	} else {
		b = j.b.From(from, 0)
	}
	t.recurse(num.Range(0, j.order), j.alpha, b, &j.workspaces[worker])
}

// recurse computes what the square of A on the diagonal at rows does to the
// vectors of B, of which the first is at b: it cuts the square into two smaller
// ones and the product of the rest (E. Elmroth, F. Gustavson, I. Jonsson and B.
// Kagstrom, "Recursive blocked algorithms and hybrid data structures for dense
// matrix library software", SIAM Review 46(1), 2004).
func (t *triangular[T]) recurse(rows num.Span, alpha T, b gemm.View[T], w *workspace[T]) {
	switch n := rows.Len(); {
	case !t.left && t.solve && n <= turnUpTo:
		t.turned(rows, alpha, b, w)
		return
	case t.left && n <= t.few():
		t.eachRow(rows, alpha, b, w)
		return
	case !t.solve && n <= t.upTo:
		t.multiplied(rows, alpha, b, w)
		return
	}
	first, second := t.cut(rows)
	bFirst, bSecond := t.vectors(b, first.From-rows.From), t.vectors(b, second.From-rows.From)
	if t.solve {
		t.recurse(first, alpha, bFirst, w)
		t.add(-1, second, first, bFirst, alpha, bSecond, w)
		t.recurse(second, 1, bSecond, w)
	} else {
		t.recurse(first, alpha, bFirst, w)
		t.add(alpha, first, second, bSecond, 1, bFirst, w)
		t.recurse(second, alpha, bSecond, w)
	}
}

// cut cuts a square into the one that is to be done first and the other.
func (t *triangular[T]) cut(rows num.Span) (first, second num.Span) {
	at := rows.From + max(1, rows.Len()/2/t.few())*t.few()
	top, bottom := num.Range(rows.From, at), num.Range(at, rows.To)
	if t.solve == t.lower {
		return top, bottom
	}
	return bottom, top
}

// vectors returns B from vector i on.
func (t *triangular[T]) vectors(b gemm.View[T], i int) gemm.View[T] {
	if t.left {
		return b.From(i, 0)
	}
	return b.From(0, i)
}

// eachRow is recurse for few rows of B: each is the product of a row of A's square
// and those rows of B that are still to be, or that are solved for.
func (t *triangular[T]) eachRow(rows num.Span, alpha T, b gemm.View[T], w *workspace[T]) {
	var o gemm.Operation[T]
	o.Table, o.M, o.N = t.Table, 1, t.others
	for n := range rows.Len() {
		i, others := rows.From+n, num.Range(rows.From, rows.From+n)
		if t.solve != t.lower {
			i, others = rows.To-1-n, num.Range(rows.To-n, rows.To)
		}
		if !t.solve { // before they are overwritten
			others = num.Range(rows.From, i)
			if !t.lower {
				others = num.Range(i+1, rows.To)
			}
		}
		o.C = b.From(i-rows.From, 0)
		o.Alpha, o.Beta = alpha, alpha
		switch {
		case t.solve:
			o.Alpha = -1
		case !t.unit: // with the element itself
			others, o.Beta = num.Range(min(others.From, i), max(others.To, i+1)), 0
		}
		if o.K = others.Len(); o.K == 0 {
			others.From = i // which is in the matrices
		}
		if o.K > 0 || o.Beta != 1 {
			o.A, o.B = t.a.From(i, others.From), b.From(others.From-rows.From, 0)
			o.RunAlone(&w.Buffers)
		}
		if !t.solve || t.unit {
			continue
		}
		if o.K, o.Beta = 0, 1 / *t.a.At(i, i); o.Beta != 0 {
			o.RunAlone(&w.Buffers)
		} else { // of an infinite element: a kernel would not read C, which may be NaN
			for j, v := range o.C.Slice(0, 0, o.N) {
				*o.C.At(0, j) = v * o.Beta
			}
		}
	}
}

// add adds to vectors of B, at c and times beta, products of A's elements with
// those at b.
func (t *triangular[T]) add(alpha T, rows, cols num.Span, b gemm.View[T], beta T, c gemm.View[T], w *workspace[T]) {
	var o gemm.Operation[T]
	o.Table = t.Table
	o.K = cols.Len()
	o.Alpha, o.Beta = alpha, beta
	o.C = c
	if t.left {
		o.M, o.N = rows.Len(), t.others
		o.A, o.B = t.a.From(rows.From, cols.From), b
	} else {
		o.M, o.N = t.others, rows.Len()
		o.A, o.B = b, t.a.From(rows.From, cols.From)
		o.B = o.B.T()
	}
	if t.team != nil {
		o.Run(t.team)
	} else {
		o.RunAlone(&w.Buffers)
	}
}

// few is the most rows of B to compute one by one: no more than one accumulation takes, so that a
// row is overwritten only after it has been read.
func (t *triangular[T]) few() int { return min(8, t.KC) }

// turnUpTo is the most columns of B to turn into rows. turnElements is how many of their elements
// are turned at a time; they stay in the L1 cache. bench/tune measures both.
var turnUpTo, turnElements = 64, 4096

// turned is recurse from the right, for columns of B that it turns into rows, so
// that vectors can be loaded from them: some rows of B at a time.
func (t *triangular[T]) turned(rows num.Span, alpha T, b gemm.View[T], w *workspace[T]) {
	n := rows.Len()
	stride := max(t.NR, turnElements/n/t.NR*t.NR)
	w.block = gemm.Grow(w.block, n*stride)
	one := *t
	one.left, one.team = true, nil
	block := gemm.ViewOf[T](&w.block[0], stride, 1)
	for i := 0; i < t.others; i += stride {
		one.others = min(stride, t.others-i)
		here := b.From(i, 0)
		gemm.Transpose(t.Table, here.T(), n, one.others, w.block, stride)
		one.recurse(rows, alpha, block, w)
		back := block.T()
		gemm.Transpose(t.Table, back, one.others, n, unsafe.Slice(here.P, reach(one.others, n, here.Row)), here.Row)
	}
}
