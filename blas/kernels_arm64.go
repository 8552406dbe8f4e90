//go:build arm64 && !purego

package blas

import "github.com/steppe-ml/steppe/simd"

var (
	vectors32 = [simd.NumISA]vectors[float32]{
		simd.Generic: genericVectors[float32](),
		simd.NEON:    neonVectors(saxpyNEON, sscalNEON, sdotNEON),
	}
	vectors64 = [simd.NumISA]vectors[float64]{
		simd.Generic: genericVectors[float64](),
		simd.NEON:    neonVectors(daxpyNEON, dscalNEON, ddotNEON),
	}
)

// neonVectors has assembly where it pays most, and takes rows of a matrix one by one.
func neonVectors[T Float](axpy func(n int, alpha T, x, y *T), scal func(n int, alpha T, x *T), dot func(n int, x, y *T) T) vectors[T] {
	v := genericVectors[T]()
	v.axpy, v.scal, v.dot = axpy, scal, dot
	v.byRows()
	return v
}
