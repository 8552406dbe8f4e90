package blas

import (
	"unsafe"

	"gonum.org/v1/gonum/blas"

	"github.com/steppe-ml/steppe/internal/gemm"
	"github.com/steppe-ml/steppe/internal/num"
)

// A triangular matrix is cut into blocks of rows, as a symmetric one is, and each block into groups
// that kernels compute together. Plain Go computes a group's corner at the diagonal. A group is
// multiplied before, or solved after, the groups that it depends on.

// Strmv computes x = op(A)*x for a triangular A.
func (Implementation) Strmv(ul blas.Uplo, tA blas.Transpose, d blas.Diag, n int, a []float32, lda int, x []float32, incX int) {
	trxv(kernels32(), false, ul, tA, d, n, a, lda, x, incX)
}

// Dtrmv computes x = op(A)*x for a triangular A.
func (Implementation) Dtrmv(ul blas.Uplo, tA blas.Transpose, d blas.Diag, n int, a []float64, lda int, x []float64, incX int) {
	trxv(kernels64(), false, ul, tA, d, n, a, lda, x, incX)
}

// Strsv solves op(A)*x' = x for a triangular A, and sets x to x'. It doesn't test whether A is
// singular.
func (Implementation) Strsv(ul blas.Uplo, tA blas.Transpose, d blas.Diag, n int, a []float32, lda int, x []float32, incX int) {
	trxv(kernels32(), true, ul, tA, d, n, a, lda, x, incX)
}

// Dtrsv solves op(A)*x' = x for a triangular A, and sets x to x'. It doesn't test whether A is
// singular.
func (Implementation) Dtrsv(ul blas.Uplo, tA blas.Transpose, d blas.Diag, n int, a []float64, lda int, x []float64, incX int) {
	trxv(kernels64(), true, ul, tA, d, n, a, lda, x, incX)
}

// trxv is trmv, or trsv.
func trxv[T Float](k *vectors[T], solve bool, ul blas.Uplo, tA blas.Transpose, d blas.Diag, n int, a []T, lda int, x []T, incX int) {
	t := triangularMV[T]{vectors: k, half: half{isLower(ul), n}, trans: isTrans(tA), unit: isUnit(d), lda: lda}
	checkDimension(n, nLT0)
	checkStride(n, lda)
	checkIncrement(incX, zeroIncX)
	if n == 0 {
		return
	}
	checkMatrix(a, n, n, lda)
	checkLength(x, n, incX, shortX)

	c := copiesFor[T](incX, 1)
	defer c.release()
	xs := c.ofX(n, x, incX)
	t.a, t.x = a, unsafe.Slice(xs, n)
	if solve {
		t.solve(0, n, blockRows)
	} else {
		t.multiply(0, n, blockRows)
	}
	scatter(n, xs, x, incX)
}

// triangularMV is a triangular matrix, and the vector that it is multiplied with, or
// solved for.
type triangularMV[T Float] struct {
	*vectors[T]
	half
	trans, unit bool
	a           []T
	lda         int
	x           []T
}

// group is rows i to next of the triangle, and the columns beside their corner.
type group struct{ i, next, from, to int }

// groups calls f for groups of size rows of rows i0 to i1, in ascending order or not, with
// what is beside them of those rows' columns.
func (t *triangularMV[T]) groups(i0, i1, size int, ascending bool, f func(group)) {
	count := num.CeilDiv(i1-i0, size)
	for n := range count {
		if !ascending {
			n = count - 1 - n
		}
		i := i0 + n*size
		next := min(i+size, i1)
		from, to := t.beside(i0, i, next, i1)
		f(group{i, next, from, to})
	}
}

// multiply sets x to op(A)*x, for rows i0 to i1 alone. What a group's x becomes depends on the old
// x of rows before or after it, or its old x is added to theirs.
func (t *triangularMV[T]) multiply(i0, i1, size int) {
	t.groups(i0, i1, size, t.lower == t.trans, func(g group) {
		if t.trans {
			t.addBeside(g, 1)
		}
		if size > groupRows {
			t.multiply(g.i, g.next, groupRows)
		} else {
			t.multiplyCorner(g)
		}
		if !t.trans {
			t.addBeside(g, 1)
		}
	})
}

// solve solves op(A)*x' = x, for rows i0 to i1 alone.
func (t *triangularMV[T]) solve(i0, i1, size int) {
	t.groups(i0, i1, size, t.lower != t.trans, func(g group) {
		if !t.trans {
			t.addBeside(g, -1)
		}
		if size > groupRows {
			t.solve(g.i, g.next, groupRows)
		} else {
			t.solveCorner(g)
		}
		if t.trans {
			t.addBeside(g, -1)
		}
	})
}

// addBeside adds alpha times what is beside a group's corner, times x, to the group's x,
// or, of a transposed matrix, times the group's x, to the other.
func (t *triangularMV[T]) addBeside(g group, alpha T) {
	if g.from >= g.to {
		return
	}
	a := &t.a[g.i*t.lda+g.from]
	if t.trans {
		t.addRows(g.next-g.i, g.to-g.from, alpha, a, t.lda, &t.x[g.i], &t.x[g.from])
	} else {
		t.addDots(g.next-g.i, g.to-g.from, alpha, a, t.lda, &t.x[g.from], &t.x[g.i])
	}
}

// corner returns the corner of a group as a lower triangle of op(A) whose elements are rowStep and
// colStep apart, with its x: an upper one is turned round.
func (t *triangularMV[T]) corner(g group) (a, x *T, rowStep, colStep, xStep, n int) {
	rowStep, colStep = t.lda, 1
	if t.trans {
		rowStep, colStep = 1, t.lda
	}
	first, step := g.i, 1
	if t.lower == t.trans {
		first, step = g.next-1, -1
	}
	return &t.a[first*(t.lda+1)], &t.x[first], step * rowStep, step * colStep, step, g.next - g.i
}

func (t *triangularMV[T]) multiplyCorner(g group) {
	a, x, rowStep, colStep, xStep, n := t.corner(g)
	for i := n - 1; i >= 0; i-- {
		row, xi := gemm.At(a, i*rowStep), gemm.At(x, i*xStep)
		sum := *xi
		if !t.unit {
			sum *= *gemm.At(row, i*colStep)
		}
		for j := range i {
			sum += T(*gemm.At(row, j*colStep) * *gemm.At(x, j*xStep))
		}
		*xi = sum
	}
}

func (t *triangularMV[T]) solveCorner(g group) {
	a, x, rowStep, colStep, xStep, n := t.corner(g)
	for i := range n {
		row, xi := gemm.At(a, i*rowStep), gemm.At(x, i*xStep)
		sum := *xi
		for j := range i {
			sum -= T(*gemm.At(row, j*colStep) * *gemm.At(x, j*xStep))
		}
		if !t.unit {
			sum /= *gemm.At(row, i*colStep)
		}
		*xi = sum
	}
}
