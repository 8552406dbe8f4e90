//go:build arm64 && !purego

package gemm

import "github.com/steppe-ml/steppe/simd"

// The columns of a panel of B, for products and convolutions.
const nr32NEON, nr64NEON = 12, 6

// The sizes are those of similar cores, not measured.

var tables32 = [simd.NumISA]Table[float32]{
	simd.Generic: generic32(),
	simd.NEON: {
		NR: nr32NEON,
		panels: []panelKernels[TileKernel[float32]]{
			{nr32NEON, []TileKernel[float32]{
				sgemm1x12NEON, sgemm2x12NEON, sgemm3x12NEON, sgemm4x12NEON, sgemm5x12NEON, sgemm6x12NEON,
				sgemm7x12NEON, sgemm8x12NEON,
			}},
		},
		taps: genericTaps(nr32NEON), // there is no assembly for them yet

		KC:        384,
		MC:        240,
		NC:        2040,
		PackBlock: 2040 * 384,

		DirectUpTo:      1 << 18,
		PackRows:        48,
		PackRowsAligned: 48,
		PackStride:      128,
		CopyA:           1024,
		CopyFighting:    96,
		AloneBelow:      1 << 20,
		WakeBelow:       1 << 23,
		PartWork:        1 << 18,

		copyPanels: copyPanels32NEON,
		transpose:  transpose32NEON, transposeSide: 8,
	},
}

var tables64 = [simd.NumISA]Table[float64]{
	simd.Generic: generic[float64](),
	simd.NEON: {
		NR: nr64NEON,
		panels: []panelKernels[TileKernel[float64]]{
			{nr64NEON, []TileKernel[float64]{
				dgemm1x6NEON, dgemm2x6NEON, dgemm3x6NEON, dgemm4x6NEON, dgemm5x6NEON, dgemm6x6NEON,
				dgemm7x6NEON, dgemm8x6NEON,
			}},
		},
		KC:        192,
		MC:        240,
		NC:        2040,
		PackBlock: 2040 * 384,

		DirectUpTo:      1 << 18,
		PackRows:        48,
		PackRowsAligned: 48,
		PackStride:      64,
		CopyA:           1024,
		CopyFighting:    96,
		AloneBelow:      1 << 20,
		WakeBelow:       1 << 23,
		PartWork:        1 << 18,

		copyPanels: copyPanels64NEON,
		transpose:  transpose64NEON, transposeSide: 4,
	},
}
