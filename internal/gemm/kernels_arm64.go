//go:build arm64 && !purego

package gemm

import "github.com/steppe-ml/steppe/simd"

// The columns of a panel of B, for products and convolutions.
const nr32NEON, nr64NEON = 12, 6

// Nobody has measured these sizes. They follow from the instructions that a choice takes or saves,
// and from caches of 64 KiB (L1) and 512 KiB to 2 MiB (L2), as Neoverse and Apple's cores have:
//
//   - KC: a panel of B and a tile of A, 18 and 12 KiB, stay in the L1 cache. MC: a block of A, 360
//     KiB, stays in the L2 cache; so does a block of B of PackBlock elements, 256 KiB.
//   - CopyA: copying 8 elements of a transposed A takes some 8 instructions, and each panel that
//     reads them again finds one cache line in place of two. CopyRows: transposing 8 x 4 elements
//     takes 40 instructions. A panel then takes 109 for them, of which 96 are FMAs, instead of 125,
//     so three panels make up for it; the reads that miss the cache may take as much again, and
//     writing to it, so eight panels do, or four where rows fight.
//   - PackRows: packing a panel's row takes some 6 instructions, and a tile multiplies it in 27. With
//     three tiles of rows it is less than a tenth, for which a panel has no gaps and no more pages
//     than it must. AVX2's number is 16 to 24.
//   - DotsUpTo: 4 x 4 dot products have 16 FMAs for 8 loads of vectors, so up to four groups of rows
//     they take less than transposing B, at two instructions an element, and multiplying.
//   - DirectUpTo and those of workers are AVX2's, and of cores a little slower.
var tables32 = [simd.NumISA]Table[float32]{
	simd.Generic: generic32(),
	simd.NEON: {
		NR: nr32NEON,
		panels: []panelKernels[TileKernel[float32]]{
			{4, []TileKernel[float32]{
				sgemm1x4NEON, sgemm2x4NEON, sgemm3x4NEON, sgemm4x4NEON, sgemm5x4NEON, sgemm6x4NEON,
				sgemm7x4NEON, sgemm8x4NEON, sgemm9x4NEON, sgemm10x4NEON, sgemm11x4NEON, sgemm12x4NEON,
				sgemm13x4NEON, sgemm14x4NEON, sgemm15x4NEON, sgemm16x4NEON,
			}},
			{8, []TileKernel[float32]{
				sgemm1x8NEON, sgemm2x8NEON, sgemm3x8NEON, sgemm4x8NEON, sgemm5x8NEON, sgemm6x8NEON,
				sgemm7x8NEON, sgemm8x8NEON, sgemm9x8NEON, sgemm10x8NEON, sgemm11x8NEON, sgemm12x8NEON,
			}},
			{nr32NEON, []TileKernel[float32]{
				sgemm1x12NEON, sgemm2x12NEON, sgemm3x12NEON, sgemm4x12NEON, sgemm5x12NEON, sgemm6x12NEON,
				sgemm7x12NEON, sgemm8x12NEON,
			}},
		},
		taps: []panelKernels[TapKernel[float32]]{
			{4, []TapKernel[float32]{
				tile1x4NEON, tile2x4NEON, tile3x4NEON, tile4x4NEON, tile5x4NEON, tile6x4NEON,
				tile7x4NEON, tile8x4NEON, tile9x4NEON, tile10x4NEON, tile11x4NEON, tile12x4NEON,
				tile13x4NEON, tile14x4NEON, tile15x4NEON, tile16x4NEON,
			}},
			{8, []TapKernel[float32]{
				tile1x8NEON, tile2x8NEON, tile3x8NEON, tile4x8NEON, tile5x8NEON, tile6x8NEON,
				tile7x8NEON, tile8x8NEON, tile9x8NEON, tile10x8NEON, tile11x8NEON, tile12x8NEON,
			}},
			{nr32NEON, []TapKernel[float32]{
				tile1x12NEON, tile2x12NEON, tile3x12NEON, tile4x12NEON, tile5x12NEON, tile6x12NEON,
				tile7x12NEON, tile8x12NEON,
			}},
		},
		dots: [][2]dotsKernel[float32]{
			{dots32x1x4NEON, dots32x1x1NEON},
			{dots32x2x4NEON, dots32x2x1NEON},
			{dots32x3x4NEON, dots32x3x1NEON},
			{dots32x4x4NEON, dots32x4x1NEON},
		},
		DotsUpTo: 16,
		MasksB:   true,
		wide: [][]wideTile[float32]{
			{{64, sgemmWide1x64NEON}, {32, sgemmWide1x32NEON}},
			{{32, sgemmWide2x32NEON}},
			{{32, sgemmWide3x32NEON}},
			{{24, sgemmWide4x24NEON}},
		},

		KC:        384,
		MC:        240,
		NC:        2040,
		PackBlock: 1 << 16,

		DirectUpTo:      1 << 18,
		PackRows:        24,
		PackRowsAligned: 24,
		PackStride:      128,
		PackAligned:     128,
		CopyA:           48,
		CopyFighting:    48,
		CopyRows:        96,
		AloneBelow:      1 << 20,
		WakeBelow:       1 << 23,
		PartWork:        1 << 18,

		copyPanels: copyPanels32NEON,
		copyTiles:  copyTiles32NEON,
		copyRows:   copyRows32NEON,
		transpose:  transpose32NEON, transposeSide: 8,
		CopyChannels: copyChannelsNEON,
	},
}

var tables64 = [simd.NumISA]Table[float64]{
	simd.Generic: generic[float64](),
	simd.NEON: {
		NR: nr64NEON,
		panels: []panelKernels[TileKernel[float64]]{
			{2, []TileKernel[float64]{
				dgemm1x2NEON, dgemm2x2NEON, dgemm3x2NEON, dgemm4x2NEON, dgemm5x2NEON, dgemm6x2NEON,
				dgemm7x2NEON, dgemm8x2NEON, dgemm9x2NEON, dgemm10x2NEON, dgemm11x2NEON, dgemm12x2NEON,
				dgemm13x2NEON, dgemm14x2NEON, dgemm15x2NEON, dgemm16x2NEON,
			}},
			{4, []TileKernel[float64]{
				dgemm1x4NEON, dgemm2x4NEON, dgemm3x4NEON, dgemm4x4NEON, dgemm5x4NEON, dgemm6x4NEON,
				dgemm7x4NEON, dgemm8x4NEON, dgemm9x4NEON, dgemm10x4NEON, dgemm11x4NEON, dgemm12x4NEON,
			}},
			{nr64NEON, []TileKernel[float64]{
				dgemm1x6NEON, dgemm2x6NEON, dgemm3x6NEON, dgemm4x6NEON, dgemm5x6NEON, dgemm6x6NEON,
				dgemm7x6NEON, dgemm8x6NEON,
			}},
		},
		dots: [][2]dotsKernel[float64]{
			{dots64x1x4NEON, dots64x1x1NEON},
			{dots64x2x4NEON, dots64x2x1NEON},
			{dots64x3x4NEON, dots64x3x1NEON},
			{dots64x4x4NEON, dots64x4x1NEON},
		},
		DotsUpTo: 16,
		MasksB:   true,
		wide: [][]wideTile[float64]{
			{{32, dgemmWide1x32NEON}, {16, dgemmWide1x16NEON}},
			{{16, dgemmWide2x16NEON}},
			{{16, dgemmWide3x16NEON}},
			{{12, dgemmWide4x12NEON}},
		},

		KC:        192,
		MC:        240,
		NC:        2040,
		PackBlock: 1 << 15,

		DirectUpTo:      1 << 18,
		PackRows:        24,
		PackRowsAligned: 24,
		PackStride:      64,
		PackAligned:     64,
		CopyA:           48,
		CopyFighting:    48,
		CopyRows:        96,
		AloneBelow:      1 << 20,
		WakeBelow:       1 << 23,
		PartWork:        1 << 18,

		copyPanels: copyPanels64NEON,
		copyTiles:  copyTiles64NEON,
		copyRows:   copyRows64NEON,
		transpose:  transpose64NEON, transposeSide: 4,
	},
}
