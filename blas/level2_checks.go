package blas

// The checks of vectors, and of their matrix, panic with gonum's strings. A length that overflows
// is too large for any slice, so it fails the check, too.

const (
	zeroIncX = "blas: zero x index increment"
	zeroIncY = "blas: zero y index increment"
	mLT0     = "blas: m < 0"
	nLT0     = "blas: n < 0"
	badLdA   = "blas: bad leading dimension of A"
	shortX   = "blas: insufficient length of x"
	shortY   = "blas: insufficient length of y"
	shortA   = "blas: insufficient length of a"
)

// checkXY checks the arguments of level 1's routines of two vectors, and reports whether the
// vectors have elements.
func checkXY[T Float](n int, x []T, incX int, y []T, incY int) bool {
	checkIncrement(incX, zeroIncX)
	checkIncrement(incY, zeroIncY)
	if n < 1 {
		checkDimension(n, nLT0)
		return false
	}
	checkLength(x, n, incX, shortX)
	checkLength(y, n, incY, shortY)
	return true
}

// checkX checks the arguments of level 1's reductions, and reports whether the vector has elements.
// A vector with a negative increment has none.
func checkX[T Float](n int, x []T, incX int) bool {
	checkIncrement(incX, zeroIncX)
	if incX < 0 {
		return false
	}
	if n > 0 {
		checkLength(x, n, incX, shortX)
	}
	checkDimension(n, nLT0)
	return n > 0
}

func checkIncrement(inc int, otherwise string) {
	if inc == 0 {
		panic(otherwise)
	}
}

func checkDimension(n int, otherwise string) {
	if n < 0 {
		panic(otherwise)
	}
}

// checkStride checks the distance between rows of n columns.
func checkStride(n, lda int) {
	if lda < max(1, n) {
		panic(badLdA)
	}
}

// checkLength wants n >= 1 elements in x.
func checkLength[T Float](x []T, n, inc int, otherwise string) {
	if len(x) < reach(n, 1, max(inc, -inc)) {
		panic(otherwise)
	}
}

// checkMatrix wants m rows of n >= 1 columns in a.
func checkMatrix[T Float](a []T, m, n, lda int) {
	if len(a) < reach(m, n, lda) {
		panic(shortA)
	}
}
