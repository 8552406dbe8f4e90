package blas

import (
	"gonum.org/v1/gonum/blas"

	"github.com/steppe-ml/steppe/internal/parallel"
)

// Ssymm computes C = alpha*A*B + beta*C or, from the right, C = alpha*B*A + beta*C,
// where A is symmetric and C is m x n.
func (Implementation) Ssymm(s blas.Side, ul blas.Uplo, m, n int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
	symm(s, ul, m, n, alpha, a, lda, b, ldb, beta, c, ldc)
}

// Dsymm is Ssymm for float64.
func (Implementation) Dsymm(s blas.Side, ul blas.Uplo, m, n int, alpha float64, a []float64, lda int, b []float64, ldb int, beta float64, c []float64, ldc int) {
	symm(s, ul, m, n, alpha, a, lda, b, ldb, beta, c, ldc)
}

func symm[T Float](s blas.Side, ul blas.Uplo, m, n int, alpha T, a []T, lda int, b []T, ldb int, beta T, c []T, ldc int) {
	left, lower := isLeft(s), isLower(ul)
	if m < 0 {
		panic("blas: m < 0")
	}
	if n < 0 {
		panic("blas: n < 0")
	}
	order := n
	if left {
		order = m
	}
	if lda < max(1, order) {
		panic("blas: bad leading dimension of A")
	}
	if ldb < max(1, n) {
		panic("blas: bad leading dimension of B")
	}
	if ldc < max(1, n) {
		panic("blas: bad leading dimension of C")
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
	if len(c) < reach(m, n, ldc) {
		panic("blas: insufficient length of c")
	}

	var o operation[T]
	o.table = active[T]()
	o.m, o.n, o.k = m, n, order
	o.c = view[T]{&c[0], ldc, 1}
	o.alpha, o.beta = alpha, beta
	if alpha == 0 {
		o.alpha, o.k = 0, 0
		if beta != 1 {
			o.run(nil)
		}
		return
	}
	team, release := crewFor(o.table, o.work())
	defer release()
	o.symmetric(team, symmetric[T]{stored(a, lda, false), order, lower}, stored(b, ldb, false), left)
}

// symmetric is a matrix of which one triangle is in memory.
type symmetric[T Float] struct {
	view[T]
	order int
	lower bool
}

// symmetric computes the operation with A or, from the right, B symmetric, and
// the other one as it is. Some of the symmetric matrix's columns at a time are
// written out: so many that the sums are those of the operation on all of it.
func (o *operation[T]) symmetric(team *parallel.Team, s symmetric[T], other view[T], left bool) {
	e := poolOf[expansion[T]](&expansions32, &expansions64).Get()
	e.table, e.symmetric = o.table, s
	steps := kBlocks(o.table, s.order)
	for step := range steps {
		l0, l1 := parallel.Cut(s.order, 1, steps, step)
		o.k = l1 - l0
		if left { // columns l0 to l1 of A meet the same rows of B
			e.rows, e.cols = span{0, s.order}, span{l0, l1}
			o.a, o.b = e.run(team), other.from(l0, 0)
		} else {
			e.rows, e.cols = span{l0, l1}, span{0, s.order}
			o.a, o.b = other.from(0, l0), e.run(team)
		}
		o.run(team)
		o.beta = 1
	}
	e.symmetric = symmetric[T]{}
	poolOf[expansion[T]](&expansions32, &expansions64).Put(e)
}

// expansion writes out a block of a symmetric matrix.
type expansion[T Float] struct {
	*table[T]
	symmetric[T]
	rows, cols span
	data       []T // rows are stride elements apart
	stride     int
}

var (
	expansions32 parallel.Pool[expansion[float32]]
	expansions64 parallel.Pool[expansion[float64]]
)

// span is the numbers from from up to to.
type span struct{ from, to int }

func (s span) len() int { return s.to - s.from }

// expandRows is how many rows are expanded together.
const expandRows = 16

func (e *expansion[T]) run(team *parallel.Team) view[T] {
	e.stride = (e.cols.len()+lanes[T]()-1)/lanes[T]()*lanes[T]() + lanes[T]()
	e.data = grow(e.data, e.rows.len()*e.stride)
	team.Run(ceilDiv(e.rows.len(), expandRows), e)
	return view[T]{&e.data[0], e.stride, 1}
}

// Do expands some rows. On one side of the square that they have on the diagonal
// they are in memory, on the other the columns of the same numbers are.
func (e *expansion[T]) Do(task, _ int) {
	i0 := e.rows.from + task*expandRows
	i1 := min(i0+expandRows, e.rows.to)
	before := span{e.cols.from, min(max(i0, e.cols.from), e.cols.to)}
	square := span{before.to, min(max(i1, before.to), e.cols.to)}
	behind := span{square.to, e.cols.to}
	here, there := before, behind
	if !e.lower {
		here, there = behind, before
	}

	dst := e.data[(i0-e.rows.from)*e.stride:]
	for i := i0; i < i1; i++ {
		row := dst[(i-i0)*e.stride:][:e.cols.len()]
		if here.len() > 0 {
			copy(row[here.from-e.cols.from:], e.slice(i, here.from, here.len()))
		}
		for l := square.from; l < square.to; l++ {
			if (l < i) == e.lower {
				row[l-e.cols.from] = *e.at(i, l)
			} else {
				row[l-e.cols.from] = *e.at(l, i)
			}
		}
	}
	if there.len() > 0 {
		mirror := e.from(there.from, i0)
		transpose(e.table, mirror.transposed(), i1-i0, there.len(), dst[there.from-e.cols.from:], e.stride)
	}
}
