package blas

import (
	"sync"

	"gonum.org/v1/gonum/blas"

	"github.com/steppe-ml/steppe/internal/gemm"
	"github.com/steppe-ml/steppe/internal/parallel"
)

// Transpose says whether an operand is used as it is or transposed. It is
// gonum's type.
type Transpose = blas.Transpose

const (
	NoTrans   = blas.NoTrans
	Trans     = blas.Trans
	ConjTrans = blas.ConjTrans // the same as Trans, for real matrices
)

// Sgemm computes C = alpha*op(A)*op(B) + beta*C on row-major matrices, where
// op(A) is m x k, op(B) is k x n and C is m x n. It is the BLAS's routine, with
// the checks and panics of gonum's.
//
// With beta == 0 C is not read, and with alpha == 0 A and B are not; NaN and
// Inf in A or B reach C even where they meet a zero. Small products run on the
// caller alone, larger ones on all cores that no other product has; the result
// is the same, bit for bit. Sums may be in another order than MatMul's: products with a small side
// are computed as dot products, and a long K is cut into chunks.
func Sgemm(tA, tB Transpose, m, n, k int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
	xgemm(tA, tB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
}

// Dgemm is Sgemm for float64.
func Dgemm(tA, tB Transpose, m, n, k int, alpha float64, a []float64, lda int, b []float64, ldb int, beta float64, c []float64, ldc int) {
	xgemm(tA, tB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
}

// xgemm is Sgemm, or Dgemm.
func xgemm[T Float](tA, tB Transpose, m, n, k int, alpha T, a []T, lda int, b []T, ldb int, beta T, c []T, ldc int) {
	transA, transB := isTrans(tA), isTrans(tB)
	if m < 0 {
		panic("blas: m < 0")
	}
	if n < 0 {
		panic("blas: n < 0")
	}
	if k < 0 {
		panic("blas: k < 0")
	}
	rowsA, colsA := orient(m, k, transA)
	rowsB, colsB := orient(k, n, transB)
	if lda < max(1, colsA) {
		panic("blas: bad leading dimension of A")
	}
	if ldb < max(1, colsB) {
		panic("blas: bad leading dimension of B")
	}
	if ldc < max(1, n) {
		panic("blas: bad leading dimension of C")
	}
	if m == 0 || n == 0 {
		return
	}
	if len(a) < reach(rowsA, colsA, lda) {
		panic("blas: insufficient length of a")
	}
	if len(b) < reach(rowsB, colsB, ldb) {
		panic("blas: insufficient length of b")
	}
	if len(c) < reach(m, n, ldc) {
		panic("blas: insufficient length of c")
	}
	if alpha == 0 || k == 0 {
		alpha, k = 0, 0 // A and B are not read, and no NaN comes of an empty sum
	}
	if k == 0 && beta == 1 {
		return
	}

	var o gemm.Operation[T] // set field by field, since a literal would be copied
	o.Table = gemm.Active[T]()
	o.M, o.N, o.K = m, n, k
	o.C = gemm.ViewOf[T](&c[0], ldc, 1)
	o.Alpha, o.Beta = alpha, beta
	if k > 0 {
		o.A, o.B = stored(a, lda, transA), stored(b, ldb, transB)
	}
	if o.RunSmall() {
		return
	}
	team := crewFor(o.Table, o.Work())
	defer endCrew(team)
	o.RunInAnyOrder(team)
}

// stored returns the view of an operand that is stored with leading dimension
// ld, transposed or not.
func stored[T Float](data []T, ld int, trans bool) gemm.View[T] {
	if trans {
		return gemm.ViewOf[T](&data[0], 1, ld)
	}
	return gemm.ViewOf[T](&data[0], ld, 1)
}

// crew is the team of all cores, for the BLAS's entries, which are given no team.
var crew struct {
	sync.Mutex
	team *parallel.Team
}

// crewFor returns the team of all cores, which the caller returns by endCrew. It returns nil if the
// multiply-adds are too few to pay for a team, or if another caller has it, so that several callers
// don't use more cores than there are.
func crewFor[T Float](t *gemm.Table[T], work int) *parallel.Team {
	if work < t.AloneBelow || !crew.TryLock() {
		return nil
	}
	if workers := parallel.DefaultWorkers(); crew.team.Workers() != workers {
		crew.team = parallel.NewTeam(workers)
	}
	return crew.team
}

// endCrew returns the team, unless it is nil.
func endCrew(team *parallel.Team) {
	if team != nil {
		crew.Unlock()
	}
}

func isTrans(t Transpose) bool {
	switch t {
	case NoTrans:
		return false
	case Trans, ConjTrans:
		return true
	}
	panic("blas: illegal transpose")
}

// orient returns the rows and columns in memory of an operand that is rows x
// cols after op.
func orient(rows, cols int, trans bool) (inMemoryRows, inMemoryCols int) {
	if trans {
		return cols, rows
	}
	return rows, cols
}
