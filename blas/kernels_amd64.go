//go:build amd64 && !purego

package blas

import "github.com/steppe-ml/steppe/simd"

// The sizes were measured on a Zen 4 core (1 MiB L2, 32 MiB L3 shared);
// docs/KERNELS.md has the figures.
var tables32 = [simd.NumISA]table[float32]{
	simd.Generic: generic[float32](),
	simd.AVX2: {
		panels: []panelKernels[float32]{
			{8, []tileKernel[float32]{
				sgemm1x8AVX2, sgemm2x8AVX2, sgemm3x8AVX2, sgemm4x8AVX2, sgemm5x8AVX2, sgemm6x8AVX2,
				sgemm7x8AVX2, sgemm8x8AVX2, sgemm9x8AVX2, sgemm10x8AVX2,
			}},
			{16, []tileKernel[float32]{
				sgemm1x16AVX2, sgemm2x16AVX2, sgemm3x16AVX2, sgemm4x16AVX2, sgemm5x16AVX2, sgemm6x16AVX2,
			}},
		},
		dots: [][2]dotsKernel[float32]{
			{dots32x1x3AVX2, dots32x1x1AVX2},
			{dots32x2x3AVX2, dots32x2x1AVX2},
			{dots32x3x3AVX2, dots32x3x1AVX2},
		},
		dotsUpTo: 16,
		masksB:   true,
		wide: [][]wideTile[float32]{
			{{64, sgemmWide1x64AVX2}, {32, sgemmWide1x32AVX2}},
			{{32, sgemmWide2x32AVX2}},
			{{32, sgemmWide3x32AVX2}},
		},

		kc: 1024,
		mc: 216,
		nc: 2048,

		directUpTo:      1 << 18,
		packRows:        16,
		packRowsAligned: 24,
		packStride:      96,
		packAligned:     256,
		copyA:           64,
		copyFighting:    160,
		aloneBelow:      1 << 18,
		wakeBelow:       1 << 23,
		partWork:        1 << 17,

		copyPanels: copyPanels32AVX2,
		transpose:  transpose32AVX2, transposeSide: 8,
	},
	simd.AVX512: {
		panels: []panelKernels[float32]{
			{8, []tileKernel[float32]{
				sgemm1x8AVX512, sgemm2x8AVX512, sgemm3x8AVX512, sgemm4x8AVX512, sgemm5x8AVX512, sgemm6x8AVX512,
				sgemm7x8AVX512, sgemm8x8AVX512, sgemm9x8AVX512, sgemm10x8AVX512,
			}},
			{16, []tileKernel[float32]{
				sgemm1x16AVX512, sgemm2x16AVX512, sgemm3x16AVX512, sgemm4x16AVX512, sgemm5x16AVX512, sgemm6x16AVX512,
			}},
			{24, []tileKernel[float32]{
				sgemm1x24AVX512, sgemm2x24AVX512, sgemm3x24AVX512, sgemm4x24AVX512,
			}},
			{32, []tileKernel[float32]{
				sgemm1x32AVX512, sgemm2x32AVX512, sgemm3x32AVX512, sgemm4x32AVX512, sgemm5x32AVX512, sgemm6x32AVX512,
				sgemm7x32AVX512, sgemm8x32AVX512, sgemm9x32AVX512, sgemm10x32AVX512, sgemm11x32AVX512, sgemm12x32AVX512,
			}},
		},
		dots: [][2]dotsKernel[float32]{
			{dots32x1x4AVX512, dots32x1x1AVX512},
			{dots32x2x4AVX512, dots32x2x1AVX512},
			{dots32x3x4AVX512, dots32x3x1AVX512},
			{dots32x4x4AVX512, dots32x4x1AVX512},
		},
		dotsUpTo: 24,
		masksB:   true,
		wide: [][]wideTile[float32]{
			{{256, sgemmWide1x256AVX512}, {128, sgemmWide1x128AVX512}, {64, sgemmWide1x64AVX512}},
			{{128, sgemmWide2x128AVX512}, {64, sgemmWide2x64AVX512}},
			{{128, sgemmWide3x128AVX512}, {64, sgemmWide3x64AVX512}},
			{{64, sgemmWide4x64AVX512}},
		},

		kc: 1024,
		mc: 72,
		nc: 2048,

		directUpTo:      1 << 18,
		packRows:        10,
		packRowsAligned: 512,
		packStride:      350,
		packAligned:     700,
		copyA:           600,
		copyFighting:    64,
		aloneBelow:      1 << 18,
		wakeBelow:       1 << 23,
		partWork:        1 << 17,

		copyPanels: copyPanels32AVX512,
		transpose:  transpose32AVX2, transposeSide: 8,
	},
}

var tables64 = [simd.NumISA]table[float64]{
	simd.Generic: generic[float64](),
	simd.AVX2: {
		panels: []panelKernels[float64]{
			{4, []tileKernel[float64]{
				dgemm1x4AVX2, dgemm2x4AVX2, dgemm3x4AVX2, dgemm4x4AVX2, dgemm5x4AVX2, dgemm6x4AVX2,
				dgemm7x4AVX2, dgemm8x4AVX2, dgemm9x4AVX2, dgemm10x4AVX2,
			}},
			{8, []tileKernel[float64]{
				dgemm1x8AVX2, dgemm2x8AVX2, dgemm3x8AVX2, dgemm4x8AVX2, dgemm5x8AVX2, dgemm6x8AVX2,
			}},
		},
		dots: [][2]dotsKernel[float64]{
			{dots64x1x3AVX2, dots64x1x1AVX2},
			{dots64x2x3AVX2, dots64x2x1AVX2},
			{dots64x3x3AVX2, dots64x3x1AVX2},
		},
		dotsUpTo: 14,
		masksB:   true,
		wide: [][]wideTile[float64]{
			{{32, dgemmWide1x32AVX2}, {16, dgemmWide1x16AVX2}},
			{{16, dgemmWide2x16AVX2}},
			{{16, dgemmWide3x16AVX2}},
		},

		kc: 1024,
		mc: 216,
		nc: 2048,

		directUpTo:      1 << 18,
		packRows:        8,
		packRowsAligned: 20,
		packStride:      96,
		packAligned:     96,
		copyA:           64,
		copyFighting:    600,
		aloneBelow:      1 << 18,
		wakeBelow:       1 << 23,
		partWork:        1 << 17,

		copyPanels: copyPanels64AVX2,
		transpose:  transpose64AVX2, transposeSide: 4,
	},
	simd.AVX512: {
		panels: []panelKernels[float64]{
			{4, []tileKernel[float64]{
				dgemm1x4AVX512, dgemm2x4AVX512, dgemm3x4AVX512, dgemm4x4AVX512, dgemm5x4AVX512, dgemm6x4AVX512,
				dgemm7x4AVX512, dgemm8x4AVX512, dgemm9x4AVX512, dgemm10x4AVX512,
			}},
			{8, []tileKernel[float64]{
				dgemm1x8AVX512, dgemm2x8AVX512, dgemm3x8AVX512, dgemm4x8AVX512, dgemm5x8AVX512, dgemm6x8AVX512,
			}},
			{12, []tileKernel[float64]{
				dgemm1x12AVX512, dgemm2x12AVX512, dgemm3x12AVX512, dgemm4x12AVX512,
			}},
			{16, []tileKernel[float64]{
				dgemm1x16AVX512, dgemm2x16AVX512, dgemm3x16AVX512, dgemm4x16AVX512, dgemm5x16AVX512, dgemm6x16AVX512,
				dgemm7x16AVX512, dgemm8x16AVX512, dgemm9x16AVX512, dgemm10x16AVX512, dgemm11x16AVX512, dgemm12x16AVX512,
			}},
		},
		dots: [][2]dotsKernel[float64]{
			{dots64x1x4AVX512, dots64x1x1AVX512},
			{dots64x2x4AVX512, dots64x2x1AVX512},
			{dots64x3x4AVX512, dots64x3x1AVX512},
			{dots64x4x4AVX512, dots64x4x1AVX512},
		},
		dotsUpTo: 32,
		masksB:   true,
		wide: [][]wideTile[float64]{
			{{128, dgemmWide1x128AVX512}, {64, dgemmWide1x64AVX512}, {32, dgemmWide1x32AVX512}},
			{{64, dgemmWide2x64AVX512}, {32, dgemmWide2x32AVX512}},
			{{64, dgemmWide3x64AVX512}, {32, dgemmWide3x32AVX512}},
			{{32, dgemmWide4x32AVX512}},
		},

		kc: 1024,
		mc: 108,
		nc: 2048,

		directUpTo:      1 << 18,
		packRows:        8,
		packRowsAligned: 512,
		packStride:      200,
		packAligned:     500,
		copyA:           64,
		copyFighting:    96,
		aloneBelow:      1 << 18,
		wakeBelow:       1 << 23,
		partWork:        1 << 17,

		copyPanels: copyPanels64AVX512,
		transpose:  transpose64AVX2, transposeSide: 4,
	},
}

var vectors32 = [simd.NumISA]vectors[float32]{
	simd.Generic: genericVectors[float32](),
	simd.AVX2: {
		axpy:        saxpyAVX2,
		scal:        sscalAVX2,
		swap:        sswapAVX2,
		rot:         srotAVX2,
		dot:         sdotAVX2,
		asum:        sasumAVX2,
		iamax:       siamaxAVX2,
		dotRows:     sdotRowsAVX2,
		axpyRows:    saxpyRowsAVX2,
		rank1:       srank1AVX2,
		rank2:       srank2AVX2,
		dotAxpyRows: sdotAxpyRowsAVX2,

		across: 1 << 12,
		atOnce: 1 << 16,
	},
	simd.AVX512: {
		axpy:        saxpyAVX512,
		scal:        sscalAVX512,
		swap:        sswapAVX512,
		rot:         srotAVX512,
		dot:         sdotAVX512,
		asum:        sasumAVX512,
		iamax:       siamaxAVX512,
		dotRows:     sdotRowsAVX512,
		axpyRows:    saxpyRowsAVX512,
		rank1:       srank1AVX512,
		rank2:       srank2AVX512,
		dotAxpyRows: sdotAxpyRowsAVX512,

		across: 1 << 12,
		atOnce: 1 << 16,
	},
}

var vectors64 = [simd.NumISA]vectors[float64]{
	simd.Generic: genericVectors[float64](),
	simd.AVX2: {
		axpy:        daxpyAVX2,
		scal:        dscalAVX2,
		swap:        dswapAVX2,
		rot:         drotAVX2,
		dot:         ddotAVX2,
		asum:        dasumAVX2,
		iamax:       diamaxAVX2,
		dotRows:     ddotRowsAVX2,
		axpyRows:    daxpyRowsAVX2,
		rank1:       drank1AVX2,
		rank2:       drank2AVX2,
		dotAxpyRows: ddotAxpyRowsAVX2,

		across: 1 << 12,
		atOnce: 1 << 16,
	},
	simd.AVX512: {
		axpy:        daxpyAVX512,
		scal:        dscalAVX512,
		swap:        dswapAVX512,
		rot:         drotAVX512,
		dot:         ddotAVX512,
		asum:        dasumAVX512,
		iamax:       diamaxAVX512,
		dotRows:     ddotRowsAVX512,
		axpyRows:    daxpyRowsAVX512,
		rank1:       drank1AVX512,
		rank2:       drank2AVX512,
		dotAxpyRows: ddotAxpyRowsAVX512,

		across: 1 << 12,
		atOnce: 1 << 16,
	},
}
