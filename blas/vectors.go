package blas

import "github.com/steppe-ml/steppe/simd"

// vectors is the kernels of levels 1 and 2 for one instruction set. Vectors are
// contiguous, and have n >= 0 elements.
type vectors[T Float] struct {
	axpy func(n int, alpha T, x, y *T)      // y += alpha*x
	scal func(n int, alpha T, x *T)         // x *= alpha
	swap func(n int, x, y *T)               // x, y = y, x
	rot  func(n int, x, y *T, c, s T)       // x, y = c*x + s*y, c*y - s*x
	dot  func(n int, x, y *T) T             // the sum of x*y
	asum func(n int, x *T) T                // the sum of |x|
	amax func(n int, x *T) T                // the largest |x| but for NaNs, 0 if there is none
	find func(n int, x *T, magnitude T) int // the index of the first |x| of that size, of which there is one
}

// kernels32 and kernels64 return the kernels of the active instruction set.
func kernels32() *vectors[float32] { return &vectors32[simd.Active()] }
func kernels64() *vectors[float64] { return &vectors64[simd.Active()] }
