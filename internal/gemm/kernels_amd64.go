//go:build amd64 && !purego

package gemm

import "github.com/steppe-ml/steppe/simd"

// The columns of a panel of B, for products and convolutions.
const (
	nr32AVX2 = 16
	nr64AVX2 = 8
)

// AVX2's sizes were measured on a Zen 4 core (1 MiB L2, 32 MiB L3 shared); for float32,
// MC, PackBlock, PackStride, PackAligned and CopyA on a Zen 3 core (512 KiB L2), too.
// docs/TUNING.md has the figures. kernels_avx512_amd64.go has AVX-512's tables.
var tables32 = [simd.NumISA]Table[float32]{
	simd.Generic: generic32(),
	simd.AVX2: {
		NR: nr32AVX2,
		panels: []panelKernels[TileKernel[float32]]{
			{8, []TileKernel[float32]{
				sgemm1x8AVX2, sgemm2x8AVX2, sgemm3x8AVX2, sgemm4x8AVX2, sgemm5x8AVX2, sgemm6x8AVX2,
				sgemm7x8AVX2, sgemm8x8AVX2, sgemm9x8AVX2, sgemm10x8AVX2,
			}},
			{nr32AVX2, []TileKernel[float32]{
				sgemm1x16AVX2, sgemm2x16AVX2, sgemm3x16AVX2, sgemm4x16AVX2, sgemm5x16AVX2, sgemm6x16AVX2,
			}},
		},
		taps: []panelKernels[TapKernel[float32]]{
			{8, []TapKernel[float32]{
				tile1x8AVX2, tile2x8AVX2, tile3x8AVX2, tile4x8AVX2, tile5x8AVX2, tile6x8AVX2,
				tile7x8AVX2, tile8x8AVX2, tile9x8AVX2, tile10x8AVX2,
			}},
			{nr32AVX2, []TapKernel[float32]{
				tile1x16AVX2, tile2x16AVX2, tile3x16AVX2, tile4x16AVX2, tile5x16AVX2, tile6x16AVX2,
			}},
		},
		dots: [][2]dotsKernel[float32]{
			{dots32x1x3AVX2, dots32x1x1AVX2},
			{dots32x2x3AVX2, dots32x2x1AVX2},
			{dots32x3x3AVX2, dots32x3x1AVX2},
		},
		DotsUpTo: 16,
		MasksB:   true,
		wide: [][]wideTile[float32]{
			{{64, sgemmWide1x64AVX2}, {32, sgemmWide1x32AVX2}},
			{{32, sgemmWide2x32AVX2}},
			{{32, sgemmWide3x32AVX2}},
		},

		KC:        1024,
		MC:        216,
		NC:        2048,
		PackBlock: 1 << 15,

		DirectUpTo:      1 << 18,
		PackRows:        16,
		PackRowsAligned: 24,
		PackStride:      112,
		PackAligned:     112,
		PacksFighting:   true,
		CopyA:           64,
		CopyFighting:    160,
		AloneBelow:      1 << 18,
		WakeBelow:       1 << 23,
		PartWork:        1 << 17,

		copyPanels: copyPanels32AVX2,
		copyTiles:  copyTiles32AVX2,
		transpose:  transpose32AVX2, transposeSide: 8,
		CopyChannels: copyChannelsAVX2,
	},
	simd.AVX512:       whole32,
	simd.AVX512Halves: halves32,
}

var tables64 = [simd.NumISA]Table[float64]{
	simd.Generic: generic[float64](),
	simd.AVX2: {
		NR: nr64AVX2,
		panels: []panelKernels[TileKernel[float64]]{
			{4, []TileKernel[float64]{
				dgemm1x4AVX2, dgemm2x4AVX2, dgemm3x4AVX2, dgemm4x4AVX2, dgemm5x4AVX2, dgemm6x4AVX2,
				dgemm7x4AVX2, dgemm8x4AVX2, dgemm9x4AVX2, dgemm10x4AVX2,
			}},
			{nr64AVX2, []TileKernel[float64]{
				dgemm1x8AVX2, dgemm2x8AVX2, dgemm3x8AVX2, dgemm4x8AVX2, dgemm5x8AVX2, dgemm6x8AVX2,
			}},
		},
		dots: [][2]dotsKernel[float64]{
			{dots64x1x3AVX2, dots64x1x1AVX2},
			{dots64x2x3AVX2, dots64x2x1AVX2},
			{dots64x3x3AVX2, dots64x3x1AVX2},
		},
		DotsUpTo: 14,
		MasksB:   true,
		wide: [][]wideTile[float64]{
			{{32, dgemmWide1x32AVX2}, {16, dgemmWide1x16AVX2}},
			{{16, dgemmWide2x16AVX2}},
			{{16, dgemmWide3x16AVX2}},
		},

		KC:        1024,
		MC:        216,
		NC:        2048,
		PackBlock: 1 << 14,

		DirectUpTo:      1 << 18,
		PackRows:        8,
		PackRowsAligned: 20,
		PackStride:      96,
		PackAligned:     96,
		PacksFighting:   true,
		CopyA:           64,
		CopyFighting:    600,
		AloneBelow:      1 << 18,
		WakeBelow:       1 << 23,
		PartWork:        1 << 17,

		copyPanels: copyPanels64AVX2,
		copyTiles:  copyTiles64AVX2,
		transpose:  transpose64AVX2, transposeSide: 4,
	},
	simd.AVX512:       whole64,
	simd.AVX512Halves: halves64,
}
