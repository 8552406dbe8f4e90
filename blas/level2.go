package blas

import (
	"unsafe"

	"github.com/steppe-ml/steppe/internal/gemm"
	"gonum.org/v1/gonum/blas"
)

// Level 2: a matrix and vectors. Kernels take several rows of the matrix at a time, and read it, or
// read and write it, once. Vectors that aren't contiguous are copied first, and results copied
// back.

// Sgemv computes y = alpha*op(A)*x + beta*y.
func (Implementation) Sgemv(tA blas.Transpose, m, n int, alpha float32, a []float32, lda int, x []float32, incX int, beta float32, y []float32, incY int) {
	gemv(kernels32(), tA, m, n, alpha, a, lda, x, incX, beta, y, incY)
}

// Dgemv computes y = alpha*op(A)*x + beta*y.
func (Implementation) Dgemv(tA blas.Transpose, m, n int, alpha float64, a []float64, lda int, x []float64, incX int, beta float64, y []float64, incY int) {
	gemv(kernels64(), tA, m, n, alpha, a, lda, x, incX, beta, y, incY)
}

func gemv[T Float](k *vectors[T], tA blas.Transpose, m, n int, alpha T, a []T, lda int, x []T, incX int, beta T, y []T, incY int) {
	trans := isTrans(tA)
	checkDimension(m, mLT0)
	checkDimension(n, nLT0)
	checkStride(n, lda)
	checkIncrement(incX, zeroIncX)
	checkIncrement(incY, zeroIncY)
	if m == 0 || n == 0 {
		return
	}
	lenX, lenY := n, m
	if trans {
		lenX, lenY = m, n
	}
	checkLength(x, lenX, incX, shortX)
	checkLength(y, lenY, incY, shortY)
	checkMatrix(a, m, n, lda)

	c := copiesFor[T](incX, incY)
	defer c.release()
	ys := c.ofY(lenY, y, incY)
	k.scaleBy(lenY, beta, ys)
	if alpha != 0 {
		xs := c.ofX(lenX, x, incX)
		if trans {
			k.shareRows(m, n, alpha, &a[0], lda, xs, ys)
		} else {
			k.shareDots(m, n, alpha, &a[0], lda, xs, ys)
		}
	}
	scatter(lenY, ys, y, incY)
}

// Sger adds alpha*x*y' to A.
func (Implementation) Sger(m, n int, alpha float32, x []float32, incX int, y []float32, incY int, a []float32, lda int) {
	ger(kernels32(), m, n, alpha, x, incX, y, incY, a, lda)
}

// Dger adds alpha*x*y' to A.
func (Implementation) Dger(m, n int, alpha float64, x []float64, incX int, y []float64, incY int, a []float64, lda int) {
	ger(kernels64(), m, n, alpha, x, incX, y, incY, a, lda)
}

func ger[T Float](k *vectors[T], m, n int, alpha T, x []T, incX int, y []T, incY int, a []T, lda int) {
	checkDimension(m, mLT0)
	checkDimension(n, nLT0)
	checkStride(n, lda)
	checkIncrement(incX, zeroIncX)
	checkIncrement(incY, zeroIncY)
	if m == 0 || n == 0 {
		return
	}
	checkLength(x, m, incX, shortX)
	checkLength(y, n, incY, shortY)
	checkMatrix(a, m, n, lda)
	if alpha == 0 {
		return
	}
	c := copiesFor[T](incX, incY)
	defer c.release()
	k.shareOuter(m, n, alpha, c.ofX(m, x, incX), c.ofY(n, y, incY), &a[0], lda)
}

// groupRows is the number of rows that a kernel computes together.
const groupRows = 8

// rowsAtOnce returns how many rows of the given columns one call of a kernel takes: whole groups.
func (k *vectors[T]) rowsAtOnce(columns int) int {
	return max(1, k.atOnce/columns/groupRows) * groupRows
}

// addDots adds alpha*A*x to y.
func (k *vectors[T]) addDots(m, n int, alpha T, a *T, lda int, x, y *T) {
	for j := 0; j < n; j += k.across {
		cols := min(k.across, n-j)
		rows := k.rowsAtOnce(cols)
		for i := 0; i < m; i += rows {
			k.dotRows(min(rows, m-i), cols, alpha, gemm.At(a, i*lda+j), lda, gemm.At(x, j), gemm.At(y, i))
		}
	}
}

// addRows adds A'*(alpha*x) to y.
func (k *vectors[T]) addRows(m, n int, alpha T, a *T, lda int, x, y *T) {
	for j := 0; j < n; j += k.across {
		cols := min(k.across, n-j)
		rows := k.rowsAtOnce(cols)
		for i := 0; i < m; i += rows {
			k.axpyRows(min(rows, m-i), cols, alpha, gemm.At(a, i*lda+j), lda, gemm.At(x, i), gemm.At(y, j))
		}
	}
}

// addOuter adds (alpha*x)*y' to A.
func (k *vectors[T]) addOuter(m, n int, alpha T, x, y, a *T, lda int) {
	for j := 0; j < n; j += k.across {
		cols := min(k.across, n-j)
		rows := k.rowsAtOnce(cols)
		for i := 0; i < m; i += rows {
			k.rank1(min(rows, m-i), cols, alpha, gemm.At(x, i), gemm.At(y, j), gemm.At(a, i*lda+j), lda)
		}
	}
}

// scaleBy multiplies y by beta; with beta == 0 it is not read.
func (k *vectors[T]) scaleBy(n int, beta T, y *T) {
	switch beta {
	case 0:
		clear(unsafe.Slice(y, n))
	case 1:
	default:
		for i := 0; i < n; i += stretch {
			k.scal(min(stretch, n-i), beta, gemm.At(y, i))
		}
	}
}
