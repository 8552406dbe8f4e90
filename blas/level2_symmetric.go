package blas

import (
	"unsafe"

	"gonum.org/v1/gonum/blas"
)

// Symmetric matrices, of which one triangle is stored: rows in small groups, of
// which a kernel takes what isn't in the small triangle at the diagonal.

// symmetricRows is the rows of a group: those that kernels take at once.
const symmetricRows = 4

// Ssymv computes y = alpha*A*x + beta*y for a symmetric A.
func (Implementation) Ssymv(ul blas.Uplo, n int, alpha float32, a []float32, lda int, x []float32, incX int, beta float32, y []float32, incY int) {
	symv(kernels32(), ul, n, alpha, a, lda, x, incX, beta, y, incY)
}

// Dsymv computes y = alpha*A*x + beta*y for a symmetric A.
func (Implementation) Dsymv(ul blas.Uplo, n int, alpha float64, a []float64, lda int, x []float64, incX int, beta float64, y []float64, incY int) {
	symv(kernels64(), ul, n, alpha, a, lda, x, incX, beta, y, incY)
}

func symv[T Float](k *vectors[T], ul blas.Uplo, n int, alpha T, a []T, lda int, x []T, incX int, beta T, y []T, incY int) {
	upper := !isLower(ul)
	checkDimension(n, nLT0)
	checkStride(n, lda)
	checkIncrement(incX, zeroIncX)
	checkIncrement(incY, zeroIncY)
	if n == 0 {
		return
	}
	checkMatrix(a, n, n, lda)
	checkLength(x, n, incX, shortX)
	checkLength(y, n, incY, shortY)

	c := copiesFor[T](incX, incY)
	defer c.release()
	ys := c.ofY(n, y, incY)
	k.scaleBy(n, beta, ys)
	if alpha != 0 {
		k.addSymmetric(upper, n, alpha, a, lda, unsafe.Slice(c.ofX(n, x, incX), n), unsafe.Slice(ys, n))
	}
	scatter(n, ys, y, incY)
}

// addSymmetric adds alpha*A*x to y. Columns go by blocks, too: those of a group
// that are in the block of its triangle, and those of whole blocks beside it.
func (k *vectors[T]) addSymmetric(upper bool, n int, alpha T, a []T, lda int, x, y []T) {
	for j := 0; j < n; j += k.across {
		end := min(n, j+k.across)
		if rows := k.rowsAtOnce(end - j); upper { // those above the block's triangle
			for i := 0; i < j; i += rows {
				k.dotAxpyRows(min(rows, j-i), end-j, alpha, &a[i*lda+j], lda, &x[j], &y[i], &x[i], &y[j])
			}
		} else {
			for i := end; i < n; i += rows {
				k.dotAxpyRows(min(rows, n-i), end-j, alpha, &a[i*lda+j], lda, &x[j], &y[i], &x[i], &y[j])
			}
		}
		for i := j; i < end; i += symmetricRows {
			next := min(i+symmetricRows, end)
			addSymmetricCorner(upper, alpha, a[i*lda+i:], lda, x[i:next], y[i:next])
			if from, to := besideCorner(upper, j, i, next, end); from < to {
				k.dotAxpyRows(next-i, to-from, alpha, &a[i*lda+from], lda, &x[from], &y[i], &x[i], &y[from])
			}
		}
	}
}

// besideCorner returns the columns of rows i to next that are beside their triangle at the diagonal,
// in a block of columns from j to end.
func besideCorner(upper bool, j, i, next, end int) (from, to int) {
	if upper {
		return next, end
	}
	return j, i
}

// addSymmetricCorner is addSymmetric for few rows, in plain Go.
func addSymmetricCorner[T Float](upper bool, alpha T, a []T, lda int, x, y []T) {
	for i, xi := range x {
		y[i] += T(alpha * T(a[i*lda+i]*xi))
		for j := range i {
			aij := a[i*lda+j]
			if upper {
				aij = a[j*lda+i]
			}
			y[i] += T(alpha * T(aij*x[j]))
			y[j] += T(alpha * T(aij*xi))
		}
	}
}

// Ssyr adds alpha*x*x' to a symmetric A.
func (Implementation) Ssyr(ul blas.Uplo, n int, alpha float32, x []float32, incX int, a []float32, lda int) {
	syr(kernels32(), ul, n, alpha, x, incX, a, lda)
}

// Dsyr adds alpha*x*x' to a symmetric A.
func (Implementation) Dsyr(ul blas.Uplo, n int, alpha float64, x []float64, incX int, a []float64, lda int) {
	syr(kernels64(), ul, n, alpha, x, incX, a, lda)
}

func syr[T Float](k *vectors[T], ul blas.Uplo, n int, alpha T, x []T, incX int, a []T, lda int) {
	upper := !isLower(ul)
	checkDimension(n, nLT0)
	checkStride(n, lda)
	checkIncrement(incX, zeroIncX)
	if n == 0 {
		return
	}
	checkLength(x, n, incX, shortX)
	checkMatrix(a, n, n, lda)
	if alpha == 0 {
		return
	}
	c := copiesFor[T](incX, 1)
	defer c.release()
	xs := unsafe.Slice(c.ofX(n, x, incX), n)
	for i := 0; i < n; i += symmetricRows {
		next := min(i+symmetricRows, n)
		for r := i; r < next; r++ {
			alphaX := T(alpha * xs[r])
			from, to := triangleRow(upper, i, r, next)
			for c := from; c < to; c++ {
				a[r*lda+c] += T(alphaX * xs[c])
			}
		}
		if from, to := besideCorner(upper, 0, i, next, n); from < to {
			k.addOuter(next-i, to-from, alpha, &xs[i], &xs[from], &a[i*lda+from], lda)
		}
	}
}

// triangleRow returns the columns of row r that are in the triangle at the diagonal of rows i
// to next.
func triangleRow(upper bool, i, r, next int) (from, to int) {
	if upper {
		return r, next
	}
	return i, r + 1
}

// Ssyr2 adds alpha*(x*y' + y*x') to a symmetric A.
func (Implementation) Ssyr2(ul blas.Uplo, n int, alpha float32, x []float32, incX int, y []float32, incY int, a []float32, lda int) {
	syr2(kernels32(), ul, n, alpha, x, incX, y, incY, a, lda)
}

// Dsyr2 adds alpha*(x*y' + y*x') to a symmetric A.
func (Implementation) Dsyr2(ul blas.Uplo, n int, alpha float64, x []float64, incX int, y []float64, incY int, a []float64, lda int) {
	syr2(kernels64(), ul, n, alpha, x, incX, y, incY, a, lda)
}

func syr2[T Float](k *vectors[T], ul blas.Uplo, n int, alpha T, x []T, incX int, y []T, incY int, a []T, lda int) {
	upper := !isLower(ul)
	checkDimension(n, nLT0)
	checkStride(n, lda)
	checkIncrement(incX, zeroIncX)
	checkIncrement(incY, zeroIncY)
	if n == 0 {
		return
	}
	checkLength(x, n, incX, shortX)
	checkLength(y, n, incY, shortY)
	checkMatrix(a, n, n, lda)
	if alpha == 0 {
		return
	}
	c := copiesFor[T](incX, incY)
	defer c.release()
	xs, ys := unsafe.Slice(c.ofX(n, x, incX), n), unsafe.Slice(c.ofY(n, y, incY), n)
	for i := 0; i < n; i += symmetricRows {
		next := min(i+symmetricRows, n)
		for r := i; r < next; r++ {
			alphaX, alphaY := T(alpha*xs[r]), T(alpha*ys[r])
			from, to := triangleRow(upper, i, r, next)
			for c := from; c < to; c++ {
				a[r*lda+c] += T(alphaX*ys[c]) + T(alphaY*xs[c])
			}
		}
		from, to := besideCorner(upper, 0, i, next, n)
		for j := from; j < to; j += k.across {
			k.rank2(next-i, min(k.across, to-j), alpha, &xs[i], &ys[j], &ys[i], &xs[j], &a[i*lda+j], lda)
		}
	}
}
