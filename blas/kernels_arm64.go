//go:build arm64 && !purego

package blas

import "github.com/steppe-ml/steppe/simd"

// The sizes are those of similar cores, not measured.

var tables32 = [simd.NumISA]table[float32]{
	simd.Generic: generic[float32](),
	simd.NEON: {
		tile: []tileKernel[float32]{
			sgemm1NEON, sgemm2NEON, sgemm3NEON, sgemm4NEON,
			sgemm5NEON, sgemm6NEON, sgemm7NEON, sgemm8NEON,
		},
		nr: 12,
		kc: 384,
		mc: 240,
		nc: 2040,

		directUpTo: 1 << 18,
		packRows:   48,
		packStride: 128,
		copyA:      1024,
		aloneBelow: 1 << 20,

		copyRows:  copyRows32NEON,
		transpose: transpose32NEON, transposeSide: 8,
	},
}

var tables64 = [simd.NumISA]table[float64]{
	simd.Generic: generic[float64](),
	simd.NEON: {
		tile: []tileKernel[float64]{
			dgemm1NEON, dgemm2NEON, dgemm3NEON, dgemm4NEON,
			dgemm5NEON, dgemm6NEON, dgemm7NEON, dgemm8NEON,
		},
		nr: 6,
		kc: 192,
		mc: 240,
		nc: 2040,

		directUpTo: 1 << 18,
		packRows:   48,
		packStride: 64,
		copyA:      1024,
		aloneBelow: 1 << 20,

		copyRows:  copyRows64NEON,
		transpose: transpose64NEON, transposeSide: 4,
	},
}
