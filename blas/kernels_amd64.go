//go:build amd64 && !purego

package blas

import "github.com/steppe-ml/steppe/simd"

// avx2Tiles32 and avx2Tiles64 are AVX-512's, too, for panels of few columns.
var avx2Tiles32 = []tileKernel[float32]{
	sgemm1AVX2, sgemm2AVX2, sgemm3AVX2, sgemm4AVX2, sgemm5AVX2, sgemm6AVX2,
}

var avx2Tiles64 = []tileKernel[float64]{
	dgemm1AVX2, dgemm2AVX2, dgemm3AVX2, dgemm4AVX2, dgemm5AVX2, dgemm6AVX2,
}

// The sizes were measured on a Zen 4 core (1 MiB L2, 32 MiB L3 shared);
// docs/KERNELS.md has the figures.
var tables32 = [simd.NumISA]table[float32]{
	simd.Generic: generic[float32](),
	simd.AVX2: {
		tile:   avx2Tiles32,
		nr:     16,
		masksB: true,
		wide: [][]wideTile[float32]{
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

		copyRows:  copyRows32AVX2,
		transpose: transpose32AVX2, transposeSide: 8,
	},
	simd.AVX512: {
		tile: []tileKernel[float32]{
			sgemm1AVX512, sgemm2AVX512, sgemm3AVX512, sgemm4AVX512, sgemm5AVX512, sgemm6AVX512,
			sgemm7AVX512, sgemm8AVX512, sgemm9AVX512, sgemm10AVX512, sgemm11AVX512, sgemm12AVX512,
		},
		nr:     32,
		masksB: true,
		wide: [][]wideTile[float32]{
			{{256, sgemmWide1x256AVX512}, {128, sgemmWide1x128AVX512}, {64, sgemmWide1x64AVX512}},
			{{128, sgemmWide2x128AVX512}, {64, sgemmWide2x64AVX512}},
			{{128, sgemmWide3x128AVX512}, {64, sgemmWide3x64AVX512}},
			{{64, sgemmWide4x64AVX512}},
		},

		narrow:   avx2Tiles32,
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

		copyRows:  copyRows32AVX512,
		transpose: transpose32AVX2, transposeSide: 8,
	},
}

var tables64 = [simd.NumISA]table[float64]{
	simd.Generic: generic[float64](),
	simd.AVX2: {
		tile:   avx2Tiles64,
		nr:     8,
		masksB: true,
		wide: [][]wideTile[float64]{
			{{32, dgemmWide1x32AVX2}, {16, dgemmWide1x16AVX2}},
			{{16, dgemmWide2x16AVX2}},
			{{16, dgemmWide3x16AVX2}},
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

		copyRows:  copyRows64AVX2,
		transpose: transpose64AVX2, transposeSide: 4,
	},
	simd.AVX512: {
		tile: []tileKernel[float64]{
			dgemm1AVX512, dgemm2AVX512, dgemm3AVX512, dgemm4AVX512, dgemm5AVX512, dgemm6AVX512,
			dgemm7AVX512, dgemm8AVX512, dgemm9AVX512, dgemm10AVX512, dgemm11AVX512, dgemm12AVX512,
		},
		nr:     16,
		masksB: true,
		wide: [][]wideTile[float64]{
			{{128, dgemmWide1x128AVX512}, {64, dgemmWide1x64AVX512}, {32, dgemmWide1x32AVX512}},
			{{64, dgemmWide2x64AVX512}, {32, dgemmWide2x32AVX512}},
			{{64, dgemmWide3x64AVX512}, {32, dgemmWide3x32AVX512}},
			{{32, dgemmWide4x32AVX512}},
		},

		narrow:   avx2Tiles64,
		narrowTo: 12,

		kc: 1024,
		mc: 108,
		nc: 2048,

		directUpTo:  1 << 18,
		packRows:    48,
		packStride:  400,
		packAligned: 1000,
		copyA:       1024,
		aloneBelow:  1 << 20,

		copyRows:  copyRows64AVX512,
		transpose: transpose64AVX2, transposeSide: 4,
	},
}
