package blas

import (
	"math"
	"unsafe"

	"github.com/steppe-ml/steppe/internal/gemm"
)

// genericVectors returns the reference of levels 1 and 2. Products are rounded by an
// explicit conversion, so that no compiler fuses them with a sum.
func genericVectors[T Float]() vectors[T] {
	v := vectors[T]{
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
		iamax: func(n int, x *T, floor T) int {
			index := -1
			for i, v := range unsafe.Slice(x, n) {
				if m := magnitude(v); m > floor {
					floor, index = m, i
				}
			}
			return index
		},
		across: 1 << 12,
		atOnce: 1 << 15,
	}
	v.byRows()
	return v
}

// byRows builds the kernels of level 2 from those of level 1, row by row.
func (v *vectors[T]) byRows() {
	axpy, dot := v.axpy, v.dot
	v.dotRows = func(rows, n int, alpha T, a *T, lda int, x, y *T) {
		for i := range rows {
			*gemm.At(y, i) += T(alpha * dot(n, gemm.At(a, i*lda), x))
		}
	}
	v.axpyRows = func(rows, n int, alpha T, a *T, lda int, x, y *T) {
		for i := range rows {
			axpy(n, T(alpha**gemm.At(x, i)), gemm.At(a, i*lda), y)
		}
	}
	v.rank1 = func(rows, n int, alpha T, x, y, a *T, lda int) {
		for i := range rows {
			axpy(n, T(alpha**gemm.At(x, i)), y, gemm.At(a, i*lda))
		}
	}
	v.rank2 = func(rows, n int, alpha T, x, y, u, v, a *T, lda int) {
		for i := range rows {
			axpy(n, T(alpha**gemm.At(x, i)), y, gemm.At(a, i*lda))
			axpy(n, T(alpha**gemm.At(u, i)), v, gemm.At(a, i*lda))
		}
	}
	dotRows, axpyRows := v.dotRows, v.axpyRows
	v.dotAxpyRows = func(rows, n int, alpha T, a *T, lda int, x, y, u, v *T) {
		dotRows(rows, n, alpha, a, lda, x, y)
		axpyRows(rows, n, alpha, a, lda, u, v)
	}
}

// magnitude returns |v|, which is +0 for -0.
func magnitude[T Float](v T) T { return T(math.Abs(float64(v))) }
