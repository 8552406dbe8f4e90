package blas

import (
	"math"
	"unsafe"
)

// genericVectors returns the reference of levels 1 and 2. Products are rounded by an
// explicit conversion, so that no compiler fuses them with a sum.
func genericVectors[T Float]() vectors[T] {
	return vectors[T]{
		axpy: func(n int, alpha T, xp, yp *T) {
			x, y := unsafe.Slice(xp, n), unsafe.Slice(yp, n)
			for i := range y {
				y[i] += T(alpha * x[i])
			}
		},
		scal: func(n int, alpha T, xp *T) {
			x := unsafe.Slice(xp, n)
			for i := range x {
				x[i] *= alpha
			}
		},
		swap: func(n int, xp, yp *T) {
			x, y := unsafe.Slice(xp, n), unsafe.Slice(yp, n)
			for i := range x {
				x[i], y[i] = y[i], x[i]
			}
		},
		rot: func(n int, xp, yp *T, c, s T) {
			x, y := unsafe.Slice(xp, n), unsafe.Slice(yp, n)
			for i := range x {
				x[i], y[i] = T(c*x[i])+T(s*y[i]), T(c*y[i])-T(s*x[i])
			}
		},
		dot: func(n int, xp, yp *T) (sum T) {
			x, y := unsafe.Slice(xp, n), unsafe.Slice(yp, n)
			for i := range x {
				sum += T(x[i] * y[i])
			}
			return sum
		},
		asum: func(n int, x *T) (sum T) {
			for _, v := range unsafe.Slice(x, n) {
				sum += magnitude(v)
			}
			return sum
		},
		amax: func(n int, x *T) (largest T) {
			for _, v := range unsafe.Slice(x, n) {
				if m := magnitude(v); m > largest {
					largest = m
				}
			}
			return largest
		},
		find: func(n int, x *T, of T) int {
			for i, v := range unsafe.Slice(x, n) {
				if magnitude(v) == of {
					return i
				}
			}
			return n
		},
	}
}

// magnitude returns |v|, of -0, too.
func magnitude[T Float](v T) T { return T(math.Abs(float64(v))) }
