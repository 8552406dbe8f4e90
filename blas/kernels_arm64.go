//go:build arm64 && !purego

package blas

import "github.com/steppe-ml/steppe/simd"

var tables = [simd.NumISA]table{
	simd.Generic: generic,
	simd.NEON: {
		tile: []tileKernel{
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

		copyRows: copyRowsNEON,
	},
}
