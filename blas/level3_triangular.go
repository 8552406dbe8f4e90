package blas

import (
	"unsafe"

	"gonum.org/v1/gonum/blas"

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
// triangular; X takes the place of B, which is m x n. Whether A is singular is not
// looked at.
func (Implementation) Strsm(s blas.Side, ul blas.Uplo, tA Transpose, d blas.Diag, m, n int, alpha float32, a []float32, lda int, b []float32, ldb int) {
	trxm(true, s, ul, tA, d, m, n, alpha, a, lda, b, ldb)
}

// Dtrsm is Strsm for float64.
func (Implementation) Dtrsm(s blas.Side, ul blas.Uplo, tA Transpose, d blas.Diag, m, n int, alpha float64, a []float64, lda int, b []float64, ldb int) {
	trxm(true, s, ul, tA, d, m, n, alpha, a, lda, b, ldb)
}

// trxm is xTRSM or, if it isn't to solve, xTRMM.
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

	t := triangular[T]{table: active[T](), solve: solve, left: left, unit: unit, others: others}
	t.a, t.lower = stored(a, lda, trans), lower != trans
	if !left { // B*A is the transpose of A'*B'
		t.a, t.lower = t.a.transposed(), !t.lower
	}
	t.compute(order, alpha, stored(b, ldb, false))
}

// triangular is a product with a triangular matrix, A*B or, from the right, B*A',
// in the place of B; or what solves such a product for B. In either case a row of
// A stands for a vector of B: a row, or from the right a column.
type triangular[T Float] struct {
	*table[T]
	solve, left bool
	a           view[T]
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
	b          view[T]
	parts      int
	workspaces []workspace[T] // a worker's
}

var (
	triangulars32 parallel.Pool[triangularJob[float32]]
	triangulars64 parallel.Pool[triangularJob[float64]]
)

// compute computes the product, or solves it, on all cores that are free.
func (t *triangular[T]) compute(order int, alpha T, b view[T]) {
	work := order * order / 2 * t.others
	team, release := crewFor(t.table, work)
	defer release()
	j := poolOf[triangularJob[T]](&triangulars32, &triangulars64).Get()
	t.upTo = t.multiplyUpTo()
	j.triangular, j.order, j.alpha, j.b, j.parts = *t, order, alpha, b, 1
	if t.pays(team, work) {
		grains := ceilDiv(t.others, t.grain())
		j.parts = balanced(grains, team.Workers(), min(grains, partsPerWorker*team.Workers(), work/t.partWork))
	}
	if j.parts == 1 { // what there is to share are its products
		j.team = team
		j.workspaces = forWorkers(j.workspaces, 1)
		j.Do(0, 0)
	} else {
		j.workspaces = forWorkers(j.workspaces, min(j.parts, team.Workers()))
		team.Run(j.parts, j)
	}
	j.triangular, j.b = triangular[T]{}, view[T]{}
	poolOf[triangularJob[T]](&triangulars32, &triangulars64).Put(j)
}

// multiplyUpTo is up to how many rows of A a product goes by multiplied, which copies the
// triangle: for few vectors of B it pays for none or, from the right, in which nothing else
// reads their elements as vectors, for small ones.
func (t *triangular[T]) multiplyUpTo() int {
	const few, small = 32, 128
	switch {
	case t.others >= few:
		return t.kc
	case t.left:
		return 0
	}
	return min(small, t.kc)
}

// grain is how many elements of vectors stay together.
func (t *triangular[T]) grain() int {
	if t.left {
		return t.nr()
	}
	return t.mr()
}

// Do computes one part.
func (j *triangularJob[T]) Do(part, worker int) {
	from, to := parallel.Cut(j.others, j.grain(), j.parts, part)
	t := j.triangular
	t.others = to - from
	var b view[T]
	if t.left {
		b = j.b.from(0, from)
	} else {
		b = j.b.from(from, 0)
	}
	t.recurse(span{0, j.order}, j.alpha, b, &j.workspaces[worker])
}

// recurse computes what the square of A on the diagonal at rows does to the
// vectors of B, of which the first is at b: it cuts the square into two smaller
// ones and the product of the rest (E. Elmroth, F. Gustavson, I. Jonsson and B.
// Kagstrom, "Recursive blocked algorithms and hybrid data structures for dense
// matrix library software", SIAM Review 46(1), 2004).
func (t *triangular[T]) recurse(rows span, alpha T, b view[T], w *workspace[T]) {
	switch n := rows.len(); {
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
	bFirst, bSecond := t.vectors(b, first.from-rows.from), t.vectors(b, second.from-rows.from)
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
func (t *triangular[T]) cut(rows span) (first, second span) {
	at := rows.from + max(1, rows.len()/2/t.few())*t.few()
	top, bottom := span{rows.from, at}, span{at, rows.to}
	if t.solve == t.lower {
		return top, bottom
	}
	return bottom, top
}

// vectors returns B from vector i on.
func (t *triangular[T]) vectors(b view[T], i int) view[T] {
	if t.left {
		return b.from(i, 0)
	}
	return b.from(0, i)
}

// eachRow is recurse for few rows of B: each is the product of a row of A's square
// and those rows of B that are still to be, or that are solved for.
func (t *triangular[T]) eachRow(rows span, alpha T, b view[T], w *workspace[T]) {
	var o operation[T]
	o.table, o.m, o.n = t.table, 1, t.others
	for n := range rows.len() {
		i, others := rows.from+n, span{rows.from, rows.from + n}
		if t.solve != t.lower {
			i, others = rows.to-1-n, span{rows.to - n, rows.to}
		}
		if !t.solve { // before they are overwritten
			others = span{rows.from, i}
			if !t.lower {
				others = span{i + 1, rows.to}
			}
		}
		o.c = b.from(i-rows.from, 0)
		o.alpha, o.beta = alpha, alpha
		switch {
		case t.solve:
			o.alpha = -1
		case !t.unit: // with the element itself
			others, o.beta = span{min(others.from, i), max(others.to, i+1)}, 0
		}
		if o.k = others.len(); o.k == 0 {
			others.from = i // which is in the matrices
		}
		if o.k > 0 || o.beta != 1 {
			o.a, o.b = t.a.from(i, others.from), b.from(others.from-rows.from, 0)
			o.alone(&w.buffers)
		}
		if !t.solve || t.unit {
			continue
		}
		if o.k, o.beta = 0, 1 / *t.a.at(i, i); o.beta != 0 {
			o.alone(&w.buffers)
		} else { // of an infinite element: a kernel would not read C, which may be NaN
			for j, v := range o.c.slice(0, 0, o.n) {
				*o.c.at(0, j) = v * o.beta
			}
		}
	}
}

// add adds to vectors of B, at c and times beta, products of A's elements with
// those at b.
func (t *triangular[T]) add(alpha T, rows, cols span, b view[T], beta T, c view[T], w *workspace[T]) {
	var o operation[T]
	o.table = t.table
	o.k = cols.len()
	o.alpha, o.beta = alpha, beta
	o.c = c
	if t.left {
		o.m, o.n = rows.len(), t.others
		o.a, o.b = t.a.from(rows.from, cols.from), b
	} else {
		o.m, o.n = t.others, rows.len()
		o.a, o.b = b, t.a.from(rows.from, cols.from)
		o.b = o.b.transposed()
	}
	if t.team != nil {
		o.run(t.team)
	} else {
		o.alone(&w.buffers)
	}
}

// few is up to how many rows of B are computed one by one: no more than are summed
// at once, so that a row is overwritten when it has been read.
func (t *triangular[T]) few() int { return min(8, t.kc) }

// turnUpTo is how many columns of B are turned into rows, turnElements how many
// elements of them at a time, which stay in the L1 cache.
const (
	turnUpTo     = 64
	turnElements = 4096
)

// turned is recurse from the right, for columns of B that it turns into rows, so
// that vectors can be loaded from them: some rows of B at a time.
func (t *triangular[T]) turned(rows span, alpha T, b view[T], w *workspace[T]) {
	n := rows.len()
	stride := max(t.nr(), turnElements/n/t.nr()*t.nr())
	w.block = grow(w.block, n*stride)
	one := *t
	one.left, one.team = true, nil
	block := view[T]{&w.block[0], stride, 1}
	for i := 0; i < t.others; i += stride {
		one.others = min(stride, t.others-i)
		here := b.from(i, 0)
		transpose(t.table, here.transposed(), n, one.others, w.block, stride)
		one.recurse(rows, alpha, block, w)
		back := block.transposed()
		transpose(t.table, back, one.others, n, unsafe.Slice(here.p, reach(one.others, n, here.row)), here.row)
	}
}
