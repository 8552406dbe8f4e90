package blas

import "gonum.org/v1/gonum/blas"

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
// caller alone, larger ones on all cores; the result is the same, bit for bit.
func Sgemm(tA, tB Transpose, m, n, k int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
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
	if len(a) < (rowsA-1)*lda+colsA {
		panic("blas: insufficient length of a")
	}
	if len(b) < (rowsB-1)*ldb+colsB {
		panic("blas: insufficient length of b")
	}
	if len(c) < (m-1)*ldc+n {
		panic("blas: insufficient length of c")
	}
	if (alpha == 0 || k == 0) && beta == 1 {
		return
	}

	A := Mat{Data: a, Rows: rowsA, Cols: colsA, RowStride: lda, ColStride: 1}
	B := Mat{Data: b, Rows: rowsB, Cols: colsB, RowStride: ldb, ColStride: 1}
	if transA {
		A = A.T()
	}
	if transB {
		B = B.T()
	}
	o := operation{
		table: active(),
		m:     m, n: n, k: k,
		a: A.view(), b: B.view(), c: view{&c[0], ldc, 1},
		alpha: alpha, beta: beta,
	}
	o.run(nil, true)
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
