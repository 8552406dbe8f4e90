package blas

import "github.com/steppe-ml/steppe/simd"

// vectors has the kernels of levels 1 and 2 for one instruction set. Vectors are contiguous and
// have n >= 0 elements.
type vectors[T Float] struct {
	axpy func(n int, alpha T, x, y *T) // y += alpha*x
	scal func(n int, alpha T, x *T)    // x *= alpha
	swap func(n int, x, y *T)          // x, y = y, x
	rot  func(n int, x, y *T, c, s T)  // x, y = c*x + s*y, c*y - s*x
	dot  func(n int, x, y *T) T        // the sum of x*y
	asum func(n int, x *T) T           // the sum of |x|
	// iamax returns the index of the first largest |x|, skipping NaNs, or -1 if none is larger than
	// floor. With a negative floor, one is unless all are NaN.
	iamax func(n int, x *T, floor T) int

	// A is rows x n, rows >= 0, its rows lda elements apart. How the sums of dotRows and
	// dotAxpyRows are formed depends on n and on the row's number, but nothing else.
	// Results overlap no operand that is only read.
	dotRows     func(rows, n int, alpha T, a *T, lda int, x, y *T)       // y += alpha*A*x
	axpyRows    func(rows, n int, alpha T, a *T, lda int, x, y *T)       // y += A'*(alpha*x)
	rank1       func(rows, n int, alpha T, x, y, a *T, lda int)          // A += (alpha*x)*y'
	rank2       func(rows, n int, alpha T, x, y, u, v, a *T, lda int)    // A += (alpha*x)*y' + (alpha*u)*v'
	dotAxpyRows func(rows, n int, alpha T, a *T, lda int, x, y, u, v *T) // y += alpha*A*x, v += A'*(alpha*u)

	// across is the number of columns of a block of A, such that the part of x or y that meets
	// them stays in the L1 cache. atOnce is the most elements of A that one call takes, unless a
	// group of rows has more: Go can't preempt a kernel.
	across, atOnce int
}

// kernels32 and kernels64 return the kernels of the active instruction set.
func kernels32() *vectors[float32] { return &vectors32[simd.Active()] }
func kernels64() *vectors[float64] { return &vectors64[simd.Active()] }
