//go:build amd64 && !purego

package gemm

import "github.com/steppe-ml/steppe/simd"

// The columns of a panel of B, for products and convolutions.
const (
	nr32AVX2, nr32AVX512 = 16, 32
	nr64AVX2, nr64AVX512 = 8, 16
)

// The sizes were measured on a Zen 4 core (1 MiB L2, 32 MiB L3 shared);
// docs/KERNELS.md has the figures.
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

		KC: 1024,
		MC: 216,
		NC: 2048,

		DirectUpTo:      1 << 18,
		PackRows:        16,
		PackRowsAligned: 24,
		PackStride:      96,
		PackAligned:     256,
		CopyA:           64,
		CopyFighting:    160,
		AloneBelow:      1 << 18,
		WakeBelow:       1 << 23,
		PartWork:        1 << 17,

		copyPanels: copyPanels32AVX2,
		transpose:  transpose32AVX2, transposeSide: 8,
		CopyChannels: copyChannelsAVX2,
	},
	simd.AVX512: {
		NR: nr32AVX512,
		panels: []panelKernels[TileKernel[float32]]{
			{8, []TileKernel[float32]{
				sgemm1x8AVX512, sgemm2x8AVX512, sgemm3x8AVX512, sgemm4x8AVX512, sgemm5x8AVX512, sgemm6x8AVX512,
				sgemm7x8AVX512, sgemm8x8AVX512, sgemm9x8AVX512, sgemm10x8AVX512,
			}},
			{16, []TileKernel[float32]{
				sgemm1x16AVX512, sgemm2x16AVX512, sgemm3x16AVX512, sgemm4x16AVX512, sgemm5x16AVX512, sgemm6x16AVX512,
			}},
			{24, []TileKernel[float32]{
				sgemm1x24AVX512, sgemm2x24AVX512, sgemm3x24AVX512, sgemm4x24AVX512,
			}},
			{nr32AVX512, []TileKernel[float32]{
				sgemm1x32AVX512, sgemm2x32AVX512, sgemm3x32AVX512, sgemm4x32AVX512, sgemm5x32AVX512, sgemm6x32AVX512,
				sgemm7x32AVX512, sgemm8x32AVX512, sgemm9x32AVX512, sgemm10x32AVX512, sgemm11x32AVX512, sgemm12x32AVX512,
			}},
		},
		taps: []panelKernels[TapKernel[float32]]{
			{8, []TapKernel[float32]{
				tile1x8AVX512, tile2x8AVX512, tile3x8AVX512, tile4x8AVX512, tile5x8AVX512, tile6x8AVX512,
				tile7x8AVX512, tile8x8AVX512, tile9x8AVX512, tile10x8AVX512,
			}},
			{16, []TapKernel[float32]{
				tile1x16AVX512, tile2x16AVX512, tile3x16AVX512, tile4x16AVX512, tile5x16AVX512, tile6x16AVX512,
			}},
			{24, []TapKernel[float32]{
				tile1x24AVX512, tile2x24AVX512, tile3x24AVX512, tile4x24AVX512,
			}},
			{nr32AVX512, []TapKernel[float32]{
				tile1x32AVX512, tile2x32AVX512, tile3x32AVX512, tile4x32AVX512, tile5x32AVX512, tile6x32AVX512,
				tile7x32AVX512, tile8x32AVX512, tile9x32AVX512, tile10x32AVX512, tile11x32AVX512, tile12x32AVX512,
			}},
		},
		dots: [][2]dotsKernel[float32]{
			{dots32x1x4AVX512, dots32x1x1AVX512},
			{dots32x2x4AVX512, dots32x2x1AVX512},
			{dots32x3x4AVX512, dots32x3x1AVX512},
			{dots32x4x4AVX512, dots32x4x1AVX512},
		},
		DotsUpTo: 24,
		MasksB:   true,
		wide: [][]wideTile[float32]{
			{{256, sgemmWide1x256AVX512}, {128, sgemmWide1x128AVX512}, {64, sgemmWide1x64AVX512}},
			{{128, sgemmWide2x128AVX512}, {64, sgemmWide2x64AVX512}},
			{{128, sgemmWide3x128AVX512}, {64, sgemmWide3x64AVX512}},
			{{64, sgemmWide4x64AVX512}},
		},

		KC: 1024,
		MC: 72,
		NC: 2048,

		DirectUpTo:      1 << 18,
		PackRows:        10,
		PackRowsAligned: 512,
		PackStride:      350,
		PackAligned:     700,
		CopyA:           600,
		CopyFighting:    64,
		AloneBelow:      1 << 18,
		WakeBelow:       1 << 23,
		PartWork:        1 << 17,

		copyPanels: copyPanels32AVX512,
		transpose:  transpose32AVX2, transposeSide: 8,
	},
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

		KC: 1024,
		MC: 216,
		NC: 2048,

		DirectUpTo:      1 << 18,
		PackRows:        8,
		PackRowsAligned: 20,
		PackStride:      96,
		PackAligned:     96,
		CopyA:           64,
		CopyFighting:    600,
		AloneBelow:      1 << 18,
		WakeBelow:       1 << 23,
		PartWork:        1 << 17,

		copyPanels: copyPanels64AVX2,
		transpose:  transpose64AVX2, transposeSide: 4,
	},
	simd.AVX512: {
		NR: nr64AVX512,
		panels: []panelKernels[TileKernel[float64]]{
			{4, []TileKernel[float64]{
				dgemm1x4AVX512, dgemm2x4AVX512, dgemm3x4AVX512, dgemm4x4AVX512, dgemm5x4AVX512, dgemm6x4AVX512,
				dgemm7x4AVX512, dgemm8x4AVX512, dgemm9x4AVX512, dgemm10x4AVX512,
			}},
			{8, []TileKernel[float64]{
				dgemm1x8AVX512, dgemm2x8AVX512, dgemm3x8AVX512, dgemm4x8AVX512, dgemm5x8AVX512, dgemm6x8AVX512,
			}},
			{12, []TileKernel[float64]{
				dgemm1x12AVX512, dgemm2x12AVX512, dgemm3x12AVX512, dgemm4x12AVX512,
			}},
			{nr64AVX512, []TileKernel[float64]{
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
		DotsUpTo: 32,
		MasksB:   true,
		wide: [][]wideTile[float64]{
			{{128, dgemmWide1x128AVX512}, {64, dgemmWide1x64AVX512}, {32, dgemmWide1x32AVX512}},
			{{64, dgemmWide2x64AVX512}, {32, dgemmWide2x32AVX512}},
			{{64, dgemmWide3x64AVX512}, {32, dgemmWide3x32AVX512}},
			{{32, dgemmWide4x32AVX512}},
		},

		KC: 1024,
		MC: 108,
		NC: 2048,

		DirectUpTo:      1 << 18,
		PackRows:        8,
		PackRowsAligned: 512,
		PackStride:      200,
		PackAligned:     500,
		CopyA:           64,
		CopyFighting:    96,
		AloneBelow:      1 << 18,
		WakeBelow:       1 << 23,
		PartWork:        1 << 17,

		copyPanels: copyPanels64AVX512,
		transpose:  transpose64AVX2, transposeSide: 4,
	},
}
