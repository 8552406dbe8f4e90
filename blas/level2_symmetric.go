package blas

import (
	"unsafe"

	"gonum.org/v1/gonum/blas"
)

// Ssymv computes y = alpha*A*x + beta*y for a symmetric A.
func (Implementation) Ssymv(ul blas.Uplo, n int, alpha float32, a []float32, lda int, x []float32, incX int, beta float32, y []float32, incY int) {
	symv(kernels32(), ul, n, alpha, a, lda, x, incX, beta, y, incY)
}

// Dsymv computes y = alpha*A*x + beta*y for a symmetric A.
func (Implementation) Dsymv(ul blas.Uplo, n int, alpha float64, a []float64, lda int, x []float64, incX int, beta float64, y []float64, incY int) {
	symv(kernels64(), ul, n, alpha, a, lda, x, incX, beta, y, incY)
}

func symv[T Float](k *vectors[T], ul blas.Uplo, n int, alpha T, a []T, lda int, x []T, incX int, beta T, y []T, incY int) {
	h := half{isLower(ul), n}
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
		k.shareSymmetric(h, alpha, a, lda, unsafe.Slice(c.ofX(n, x, incX), n), unsafe.Slice(ys, n))
	}
	scatter(n, ys, y, incY)
}

// addSymmetric adds to y what rows i0 to i1 of A's stored half make of alpha*x.
func (k *vectors[T]) addSymmetric(h half, i0, i1 int, alpha T, a []T, lda int, x, y []T) {
	h.each(i0, i1, func(i, next int) {
		addSymmetricCorner(h, alpha, a[i*lda+i:], lda, x[i:next], y[i:next])
	}, func(i, next, from, to int) {
		for j := from; j < to; j += k.across {
			k.dotAxpyRows(next-i, min(k.across, to-j), alpha, &a[i*lda+j], lda, &x[j], &y[i], &x[i], &y[j])
		}
	})
}

// addSymmetricCorner is addSymmetric for a corner.
func addSymmetricCorner[T Float](h half, alpha T, a []T, lda int, x, y []T) {
	row, col := h.strides(lda)
	if len(x) == cornerRows { // most are
		x, y := (*[4]T)(x), (*[4]T)(y)
		a10, a20, a30 := a[row], a[2*row], a[3*row]
		a21, a31, a32 := a[2*row+col], a[3*row+col], a[3*row+2*col]
		y[0] += T(alpha * (T(a[0]*x[0]) + T(a10*x[1]) + T(a20*x[2]) + T(a30*x[3])))
		y[1] += T(alpha * (T(a10*x[0]) + T(a[lda+1]*x[1]) + T(a21*x[2]) + T(a31*x[3])))
		y[2] += T(alpha * (T(a20*x[0]) + T(a21*x[1]) + T(a[2*lda+2]*x[2]) + T(a32*x[3])))
		y[3] += T(alpha * (T(a30*x[0]) + T(a31*x[1]) + T(a32*x[2]) + T(a[3*lda+3]*x[3])))
		return
	}
	for i, xi := range x {
		y[i] += T(alpha * T(a[i*lda+i]*xi))
		for j := range i {
			aij := a[i*row+j*col]
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
	h := half{isLower(ul), n}
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
	k.shareSquare(h, alpha, unsafe.Slice(c.ofX(n, x, incX), n), a, lda)
}

// addSquare adds alpha*x*x' to rows i0 to i1 of A.
func (k *vectors[T]) addSquare(h half, i0, i1 int, alpha T, x, a []T, lda int) {
	h.each(i0, i1, func(i, next int) {
		addSquareCorner(h, alpha, x[i:next], a[i*lda+i:], lda)
	}, func(i, next, from, to int) {
		for j := from; j < to; j += k.across {
			k.rank1(next-i, min(k.across, to-j), alpha, &x[i], &x[j], &a[i*lda+j], lda)
		}
	})
}

// addSquareCorner is addSquare for a corner.
func addSquareCorner[T Float](h half, alpha T, x, a []T, lda int) {
	row, col := h.strides(lda)
	if len(x) == cornerRows { // most are
		x := (*[4]T)(x)
		a[0] += T(T(alpha*x[0]) * x[0])
		alphaX := T(alpha * x[1])
		a[row] += T(alphaX * x[0])
		a[lda+1] += T(alphaX * x[1])
		alphaX = T(alpha * x[2])
		a[2*row] += T(alphaX * x[0])
		a[2*row+col] += T(alphaX * x[1])
		a[2*lda+2] += T(alphaX * x[2])
		alphaX = T(alpha * x[3])
		a[3*row] += T(alphaX * x[0])
		a[3*row+col] += T(alphaX * x[1])
		a[3*row+2*col] += T(alphaX * x[2])
		a[3*lda+3] += T(alphaX * x[3])
		return
	}
	for i, xi := range x {
		alphaX := T(alpha * xi)
		for j, xj := range x[:i+1] {
			a[i*row+j*col] += T(alphaX * xj)
		}
	}
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
	h := half{isLower(ul), n}
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
	k.shareSymmetricOuter(h, alpha, unsafe.Slice(c.ofX(n, x, incX), n), unsafe.Slice(c.ofY(n, y, incY), n), a, lda)
}

// addSymmetricOuter adds alpha*(x*y' + y*x') to rows i0 to i1 of A.
func (k *vectors[T]) addSymmetricOuter(h half, i0, i1 int, alpha T, x, y, a []T, lda int) {
	row, col := h.strides(lda)
	h.each(i0, i1, func(i, next int) {
		x, y, a := x[i:next], y[i:next], a[i*lda+i:]
		for i := range x {
			alphaX, alphaY := T(alpha*x[i]), T(alpha*y[i])
			for j := range i + 1 {
				a[i*row+j*col] += T(alphaX*y[j]) + T(alphaY*x[j])
			}
		}
	}, func(i, next, from, to int) {
		for j := from; j < to; j += k.across {
			k.rank2(next-i, min(k.across, to-j), alpha, &x[i], &y[j], &y[i], &x[j], &a[i*lda+j], lda)
		}
	})
}

// half is the half of a symmetric n x n matrix that is stored.
type half struct {
	lower bool
	n     int
}

// The rows of a symmetric matrix are cut into blocks, and these into small groups. A block's
// columns outside of the square at the diagonal begin and end at cache lines if rows begin there.
// Small kernels compute the rest of the square beside the groups, and plain Go the groups' corners.
// Corners come last: loading a vector has to wait for scalar stores to its lanes, even if they are
// masked.
const (
	blockRows  = 16
	cornerRows = 4
)

// each calls corner for the corners of rows i0 to i1, each of rows i to next, and
// rectangle for the rest, each of rows i to next and columns from to to. i0 is that of a
// block.
func (h half) each(i0, i1 int, corner func(i, next int), rectangle func(i, next, from, to int)) {
	for i := i0; i < i1; i += blockRows {
		next := min(i+blockRows, i1)
		if from, to := h.beside(0, i, next, h.n); from < to {
			rectangle(i, next, from, to)
		}
		for g := i; g < next; g += cornerRows {
			end := min(g+cornerRows, next)
			if from, to := h.beside(i, g, end, next); from < to {
				rectangle(g, end, from, to)
			}
		}
		for g := i; g < next; g += cornerRows {
			corner(g, min(g+cornerRows, next))
		}
	}
}

// beside returns the columns from first to last that are stored of rows i to next, and are
// none of theirs.
func (h half) beside(first, i, next, last int) (from, to int) {
	if h.lower {
		return first, i
	}
	return next, last
}

// strides returns how far rows and columns of the lower half, or of what is its transpose, are
// apart.
func (h half) strides(lda int) (row, col int) {
	if h.lower {
		return lda, 1
	}
	return 1, lda
}
