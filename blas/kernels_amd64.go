//go:build amd64 && !purego

package blas

import "github.com/steppe-ml/steppe/simd"

var tables = [simd.NumISA]table{
	simd.Generic: generic,
	simd.AVX2: {
		tile: []tileKernel{
			sgemm1AVX2, sgemm2AVX2, sgemm3AVX2, sgemm4AVX2, sgemm5AVX2, sgemm6AVX2,
		},
		nr: 16,
		kc: 384,
		mc: 192,
		nc: 2048,

		packRows:   48,
		copyA:      512,
		aloneBelow: 1 << 20,

		copyRows:  copyRowsAVX2,
		transpose: transpose8AVX2,
	},
	simd.AVX512: {
		tile: []tileKernel{
			sgemm1AVX512, sgemm2AVX512, sgemm3AVX512, sgemm4AVX512, sgemm5AVX512, sgemm6AVX512,
			sgemm7AVX512, sgemm8AVX512, sgemm9AVX512, sgemm10AVX512, sgemm11AVX512, sgemm12AVX512,
		},
		nr: 32,
		kc: 384,
		mc: 240,
		nc: 2048,

		packRows:   48,
		copyA:      1024,
		aloneBelow: 1 << 20,

		copyRows:  copyRowsAVX512,
		transpose: transpose8AVX2,
	},
}
