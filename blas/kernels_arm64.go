//go:build arm64 && !purego

package blas

import "github.com/steppe-ml/steppe/simd"

// The sizes are those of similar cores, not measured.

var tables32 = [simd.NumISA]table[float32]{
	simd.Generic: generic[float32](),
	simd.NEON: {
		panels: []panelKernels[float32]{
			{12, []tileKernel[float32]{
				sgemm1x12NEON, sgemm2x12NEON, sgemm3x12NEON, sgemm4x12NEON, sgemm5x12NEON, sgemm6x12NEON,
				sgemm7x12NEON, sgemm8x12NEON,
			}},
		},
		kc: 384,
		mc: 240,
		nc: 2040,

		directUpTo:      1 << 18,
		packRows:        48,
		packRowsAligned: 48,
		packStride:      128,
		copyA:           1024,
		copyFighting:    96,
		aloneBelow:      1 << 20,
		wakeBelow:       1 << 23,
		partWork:        1 << 18,

		copyPanels: copyPanels32NEON,
		transpose:  transpose32NEON, transposeSide: 8,
	},
}

var tables64 = [simd.NumISA]table[float64]{
	simd.Generic: generic[float64](),
	simd.NEON: {
		panels: []panelKernels[float64]{
			{6, []tileKernel[float64]{
				dgemm1x6NEON, dgemm2x6NEON, dgemm3x6NEON, dgemm4x6NEON, dgemm5x6NEON, dgemm6x6NEON,
				dgemm7x6NEON, dgemm8x6NEON,
			}},
		},
		kc: 192,
		mc: 240,
		nc: 2040,

		directUpTo:      1 << 18,
		packRows:        48,
		packRowsAligned: 48,
		packStride:      64,
		copyA:           1024,
		copyFighting:    96,
		aloneBelow:      1 << 20,
		wakeBelow:       1 << 23,
		partWork:        1 << 18,

		copyPanels: copyPanels64NEON,
		transpose:  transpose64NEON, transposeSide: 4,
	},
}

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
