package blas

import (
	"gonum.org/v1/gonum/blas"

	"github.com/steppe-ml/steppe/internal/gemm"
	"github.com/steppe-ml/steppe/internal/num"
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

	var o gemm.Operation[T]
	o.Table = gemm.Active[T]()
	o.M, o.N, o.K = m, n, order
	o.C = gemm.ViewOf[T](&c[0], ldc, 1)
	o.Alpha, o.Beta = alpha, beta
	if alpha == 0 {
		o.Alpha, o.K = 0, 0
		if beta != 1 {
			o.Run(nil)
		}
		return
	}
	team := crewFor(o.Table, o.Work())
	defer endCrew(team)
	runSymmetric(&o, team, symmetric[T]{stored(a, lda, false), order, lower}, stored(b, ldb, false), left)
}

// symmetric is a matrix of which one triangle is in memory.
type symmetric[T Float] struct {
	gemm.View[T]
	order int
	lower bool
}

// runSymmetric computes the operation with a symmetric A or, from the right, a symmetric B. It
// writes out some columns of the symmetric matrix at a time: whole blocks of K, so that the sums
// are the same as with all columns at once.
func runSymmetric[T Float](o *gemm.Operation[T], team *parallel.Team, s symmetric[T], other gemm.View[T], left bool) {
	e := gemm.PoolOf[expansion[T]](&expansions32, &expansions64).Get()
	e.Table, e.symmetric = o.Table, s
	steps := gemm.KBlocks(o.Table, s.order)
	for step := range steps {
		l0, l1 := parallel.Cut(s.order, 1, steps, step)
		o.K = l1 - l0
		if left { // columns l0 to l1 of A meet the same rows of B
			e.rows, e.cols = num.Range(0, s.order), num.Range(l0, l1)
			o.A, o.B = e.run(team), other.From(l0, 0)
		} else {
			e.rows, e.cols = num.Range(l0, l1), num.Range(0, s.order)
			o.A, o.B = other.From(0, l0), e.run(team)
		}
		o.Run(team)
		o.Beta = 1
	}
	e.symmetric = symmetric[T]{}
	gemm.PoolOf[expansion[T]](&expansions32, &expansions64).Put(e)
}

// expansion writes out a block of a symmetric matrix.
type expansion[T Float] struct {
	*gemm.Table[T]
	symmetric[T]
	rows, cols num.Span
	data       []T // rows are stride elements apart
	stride     int
}

var (
	expansions32 parallel.Pool[expansion[float32]]
	expansions64 parallel.Pool[expansion[float64]]
)

// expandRows is the number of rows that one task expands.
const expandRows = 16

func (e *expansion[T]) run(team *parallel.Team) gemm.View[T] {
	e.stride = (e.cols.Len()+gemm.Lanes[T]()-1)/gemm.Lanes[T]()*gemm.Lanes[T]() + gemm.Lanes[T]()
	e.data = gemm.Grow(e.data, e.rows.Len()*e.stride)
	team.Run(num.CeilDiv(e.rows.Len(), expandRows), e)
	return gemm.ViewOf[T](&e.data[0], e.stride, 1)
}

// Do expands some rows. On one side of their square at the diagonal, memory has the rows
// themselves; on the other, it has the columns of the same numbers.
func (e *expansion[T]) Do(task, _ int) {
	i0 := e.rows.From + task*expandRows
	i1 := min(i0+expandRows, e.rows.To)
	before := num.Range(e.cols.From, min(max(i0, e.cols.From), e.cols.To))
	square := num.Range(before.To, min(max(i1, before.To), e.cols.To))
	behind := num.Range(square.To, e.cols.To)
	here, there := before, behind
	if !e.lower {
		here, there = behind, before
	}

	dst := e.data[(i0-e.rows.From)*e.stride:]
	for i := i0; i < i1; i++ {
		row := dst[(i-i0)*e.stride:][:e.cols.Len()]
		if here.Len() > 0 {
			copy(row[here.From-e.cols.From:], e.Slice(i, here.From, here.Len()))
		}
		for l := square.From; l < square.To; l++ {
			if (l < i) == e.lower {
				row[l-e.cols.From] = *e.At(i, l)
			} else {
				row[l-e.cols.From] = *e.At(l, i)
			}
		}
	}
	if there.Len() > 0 {
		mirror := e.From(there.From, i0)
		gemm.Transpose(e.Table, mirror.T(), i1-i0, there.Len(), dst[there.From-e.cols.From:], e.stride)
	}
}
