//go:build amd64 && !purego

package blas

import "github.com/steppe-ml/steppe/simd"

// avx2Tiles are AVX-512's, too, for panels of few columns.
var avx2Tiles = []tileKernel{
	sgemm1AVX2, sgemm2AVX2, sgemm3AVX2, sgemm4AVX2, sgemm5AVX2, sgemm6AVX2,
}

// The sizes were measured on a Zen 4 core (1 MiB L2, 32 MiB L3 shared);
// docs/KERNELS.md has the figures.
var tables = [simd.NumISA]table{
	simd.Generic: generic,
	simd.AVX2: {
		tile:   avx2Tiles,
		nr:     16,
		masksB: true,
		wide: [][]wideTile{
			{{64, sgemmWide1x64AVX2}, {32, sgemmWide1x32AVX2}},
			{{32, sgemmWide2x32AVX2}},
			{{32, sgemmWide3x32AVX2}},
		},

		kc: 1024,
		mc: 144,
		nc: 2048,

		directUpTo:  1 << 18,
		packRows:    48,
		packStride:  400,
		packAligned: 448,
		copyA:       512,
		aloneBelow:  1 << 20,

		copyRows:  copyRowsAVX2,
		transpose: transpose8AVX2,
	},
	simd.AVX512: {
		tile: []tileKernel{
			sgemm1AVX512, sgemm2AVX512, sgemm3AVX512, sgemm4AVX512, sgemm5AVX512, sgemm6AVX512,
			sgemm7AVX512, sgemm8AVX512, sgemm9AVX512, sgemm10AVX512, sgemm11AVX512, sgemm12AVX512,
		},
		nr:     32,
		masksB: true,
		wide: [][]wideTile{
			{{256, sgemmWide1x256AVX512}, {128, sgemmWide1x128AVX512}, {64, sgemmWide1x64AVX512}},
			{{128, sgemmWide2x128AVX512}, {64, sgemmWide2x64AVX512}},
			{{128, sgemmWide3x128AVX512}, {64, sgemmWide3x64AVX512}},
			{{64, sgemmWide4x64AVX512}},
		},

		narrow:   avx2Tiles,
		narrowTo: 24,

		kc: 1024,
		mc: 108,
		nc: 2048,

		directUpTo:  1 << 18,
		packRows:    48,
		packStride:  400,
		packAligned: 1000,
		copyA:       1024,
		aloneBelow:  1 << 20,

		copyRows:  copyRowsAVX512,
		transpose: transpose8AVX2,
	},
}
