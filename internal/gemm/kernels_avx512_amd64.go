//go:build amd64 && !purego

package gemm

// AVX-512 has two tables of each type. They give the same bits (simd.ISA.Arithmetic): NR, KC and
// DotsUpTo are the same in both.
//
// Those named halves are for CPUs that compute 512 bits in two halves, and have 256-bit tiles for
// few columns. Their sizes are those of 2026-11-24, measured on a Zen 4 core (1 MiB L2, 32 MiB L3
// shared).
//
// Those named whole are for CPUs with units of 512 bits, where all tiles have such vectors. Their
// tiles were chosen by a trial in C on a Zen 5 core. Their sizes are those of halves: as of
// 2026-11-27, nobody has measured them on such a CPU.
//
// docs/TUNING.md has the figures.

// The columns of a panel of B, for products and convolutions.
const nr32AVX512, nr64AVX512 = 32, 16

var whole32 = Table[float32]{
	NR: nr32AVX512,
	panels: []panelKernels[TileKernel[float32]]{
		{16, []TileKernel[float32]{
			sgemm1x16AVX512, sgemm2x16AVX512, sgemm3x16AVX512, sgemm4x16AVX512, sgemm5x16AVX512, sgemm6x16AVX512,
			sgemm7x16AVX512, sgemm8x16AVX512, sgemm9x16AVX512, sgemm10x16AVX512, sgemm11x16AVX512, sgemm12x16AVX512,
		}},
		{nr32AVX512, []TileKernel[float32]{
			sgemm1x32AVX512, sgemm2x32AVX512, sgemm3x32AVX512, sgemm4x32AVX512, sgemm5x32AVX512, sgemm6x32AVX512,
			sgemm7x32AVX512, sgemm8x32AVX512, sgemm9x32AVX512, sgemm10x32AVX512, sgemm11x32AVX512, sgemm12x32AVX512,
		}},
	},
	broad: panelKernels[TileKernel[float32]]{48, []TileKernel[float32]{
		sgemm1x48AVX512, sgemm2x48AVX512, sgemm3x48AVX512, sgemm4x48AVX512, sgemm5x48AVX512, sgemm6x48AVX512, sgemm7x48AVX512, sgemm8x48AVX512,
	}},
	taps: []panelKernels[TapKernel[float32]]{
		{16, []TapKernel[float32]{
			tile1x16AVX512, tile2x16AVX512, tile3x16AVX512, tile4x16AVX512, tile5x16AVX512, tile6x16AVX512,
			tile7x16AVX512, tile8x16AVX512, tile9x16AVX512, tile10x16AVX512, tile11x16AVX512, tile12x16AVX512,
		}},
		{nr32AVX512, []TapKernel[float32]{
			tile1x32AVX512, tile2x32AVX512, tile3x32AVX512, tile4x32AVX512, tile5x32AVX512, tile6x32AVX512,
			tile7x32AVX512, tile8x32AVX512, tile9x32AVX512, tile10x32AVX512, tile11x32AVX512, tile12x32AVX512,
		}},
	},
	dots:     dots32AVX512,
	DotsUpTo: 24,
	MasksB:   true,
	wide:     wide32AVX512,

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
}

var halves32 = Table[float32]{
	NR: nr32AVX512,
	panels: []panelKernels[TileKernel[float32]]{
		{8, []TileKernel[float32]{
			sgemmHalves1x8AVX512, sgemmHalves2x8AVX512, sgemmHalves3x8AVX512, sgemmHalves4x8AVX512, sgemmHalves5x8AVX512, sgemmHalves6x8AVX512,
			sgemmHalves7x8AVX512, sgemmHalves8x8AVX512, sgemmHalves9x8AVX512, sgemmHalves10x8AVX512,
		}},
		{16, []TileKernel[float32]{
			sgemmHalves1x16AVX512, sgemmHalves2x16AVX512, sgemmHalves3x16AVX512, sgemmHalves4x16AVX512, sgemmHalves5x16AVX512, sgemmHalves6x16AVX512,
		}},
		{24, []TileKernel[float32]{
			sgemmHalves1x24AVX512, sgemmHalves2x24AVX512, sgemmHalves3x24AVX512, sgemmHalves4x24AVX512,
		}},
		{nr32AVX512, []TileKernel[float32]{
			sgemm1x32AVX512, sgemm2x32AVX512, sgemm3x32AVX512, sgemm4x32AVX512, sgemm5x32AVX512, sgemm6x32AVX512,
			sgemm7x32AVX512, sgemm8x32AVX512, sgemm9x32AVX512, sgemm10x32AVX512, sgemm11x32AVX512, sgemm12x32AVX512,
		}},
	},
	taps: []panelKernels[TapKernel[float32]]{
		{8, []TapKernel[float32]{
			tileHalves1x8AVX512, tileHalves2x8AVX512, tileHalves3x8AVX512, tileHalves4x8AVX512, tileHalves5x8AVX512, tileHalves6x8AVX512,
			tileHalves7x8AVX512, tileHalves8x8AVX512, tileHalves9x8AVX512, tileHalves10x8AVX512,
		}},
		{16, []TapKernel[float32]{
			tileHalves1x16AVX512, tileHalves2x16AVX512, tileHalves3x16AVX512, tileHalves4x16AVX512, tileHalves5x16AVX512, tileHalves6x16AVX512,
		}},
		{24, []TapKernel[float32]{
			tileHalves1x24AVX512, tileHalves2x24AVX512, tileHalves3x24AVX512, tileHalves4x24AVX512,
		}},
		{nr32AVX512, []TapKernel[float32]{
			tile1x32AVX512, tile2x32AVX512, tile3x32AVX512, tile4x32AVX512, tile5x32AVX512, tile6x32AVX512,
			tile7x32AVX512, tile8x32AVX512, tile9x32AVX512, tile10x32AVX512, tile11x32AVX512, tile12x32AVX512,
		}},
	},
	dots:     dots32AVX512,
	DotsUpTo: 24,
	MasksB:   true,
	wide:     wide32AVX512,

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
}

var whole64 = Table[float64]{
	NR: nr64AVX512,
	panels: []panelKernels[TileKernel[float64]]{
		{8, []TileKernel[float64]{
			dgemm1x8AVX512, dgemm2x8AVX512, dgemm3x8AVX512, dgemm4x8AVX512, dgemm5x8AVX512, dgemm6x8AVX512,
			dgemm7x8AVX512, dgemm8x8AVX512, dgemm9x8AVX512, dgemm10x8AVX512, dgemm11x8AVX512, dgemm12x8AVX512,
		}},
		{nr64AVX512, []TileKernel[float64]{
			dgemm1x16AVX512, dgemm2x16AVX512, dgemm3x16AVX512, dgemm4x16AVX512, dgemm5x16AVX512, dgemm6x16AVX512,
			dgemm7x16AVX512, dgemm8x16AVX512, dgemm9x16AVX512, dgemm10x16AVX512, dgemm11x16AVX512, dgemm12x16AVX512,
		}},
	},
	broad: panelKernels[TileKernel[float64]]{24, []TileKernel[float64]{
		dgemm1x24AVX512, dgemm2x24AVX512, dgemm3x24AVX512, dgemm4x24AVX512, dgemm5x24AVX512, dgemm6x24AVX512, dgemm7x24AVX512, dgemm8x24AVX512,
	}},
	dots:     dots64AVX512,
	DotsUpTo: 32,
	MasksB:   true,
	wide:     wide64AVX512,

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
}

var halves64 = Table[float64]{
	NR: nr64AVX512,
	panels: []panelKernels[TileKernel[float64]]{
		{4, []TileKernel[float64]{
			dgemmHalves1x4AVX512, dgemmHalves2x4AVX512, dgemmHalves3x4AVX512, dgemmHalves4x4AVX512, dgemmHalves5x4AVX512, dgemmHalves6x4AVX512,
			dgemmHalves7x4AVX512, dgemmHalves8x4AVX512, dgemmHalves9x4AVX512, dgemmHalves10x4AVX512,
		}},
		{8, []TileKernel[float64]{
			dgemmHalves1x8AVX512, dgemmHalves2x8AVX512, dgemmHalves3x8AVX512, dgemmHalves4x8AVX512, dgemmHalves5x8AVX512, dgemmHalves6x8AVX512,
		}},
		{12, []TileKernel[float64]{
			dgemmHalves1x12AVX512, dgemmHalves2x12AVX512, dgemmHalves3x12AVX512, dgemmHalves4x12AVX512,
		}},
		{nr64AVX512, []TileKernel[float64]{
			dgemm1x16AVX512, dgemm2x16AVX512, dgemm3x16AVX512, dgemm4x16AVX512, dgemm5x16AVX512, dgemm6x16AVX512,
			dgemm7x16AVX512, dgemm8x16AVX512, dgemm9x16AVX512, dgemm10x16AVX512, dgemm11x16AVX512, dgemm12x16AVX512,
		}},
	},
	dots:     dots64AVX512,
	DotsUpTo: 32,
	MasksB:   true,
	wide:     wide64AVX512,

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
}

var dots32AVX512 = [][2]dotsKernel[float32]{
	{dots32x1x4AVX512, dots32x1x1AVX512},
	{dots32x2x4AVX512, dots32x2x1AVX512},
	{dots32x3x4AVX512, dots32x3x1AVX512},
	{dots32x4x4AVX512, dots32x4x1AVX512},
}

var wide32AVX512 = [][]wideTile[float32]{
	{{256, sgemmWide1x256AVX512}, {128, sgemmWide1x128AVX512}, {64, sgemmWide1x64AVX512}},
	{{128, sgemmWide2x128AVX512}, {64, sgemmWide2x64AVX512}},
	{{128, sgemmWide3x128AVX512}, {64, sgemmWide3x64AVX512}},
	{{64, sgemmWide4x64AVX512}},
}

var dots64AVX512 = [][2]dotsKernel[float64]{
	{dots64x1x4AVX512, dots64x1x1AVX512},
	{dots64x2x4AVX512, dots64x2x1AVX512},
	{dots64x3x4AVX512, dots64x3x1AVX512},
	{dots64x4x4AVX512, dots64x4x1AVX512},
}

var wide64AVX512 = [][]wideTile[float64]{
	{{128, dgemmWide1x128AVX512}, {64, dgemmWide1x64AVX512}, {32, dgemmWide1x32AVX512}},
	{{64, dgemmWide2x64AVX512}, {32, dgemmWide2x32AVX512}},
	{{64, dgemmWide3x64AVX512}, {32, dgemmWide3x32AVX512}},
	{{32, dgemmWide4x32AVX512}},
}
