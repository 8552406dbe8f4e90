//go:build amd64 && !purego

package gemm

import "github.com/steppe-ml/steppe/simd"

// The columns of a panel of pairs.
const nrPairsAVX2, nrBF16 = 16, 32

// pairsTable returns the table of the active instruction set: that of AVX512_BF16 where it has the
// instructions, else that of AVX2, which every CPU with AVX-512 has.
func pairsTable() *Table[float32] {
	switch {
	case simd.HasBF16():
		return &pairsBF16
	case simd.Active() != simd.Generic:
		return &pairsAVX2
	}
	return &genericPairs
}

// pairsAVX2 multiplies the halves of pairs by FMAs of float32s, with MXCSR set to flush what
// VDPBF16PS flushes. Its sizes are those of AVX2's table for float32, whose words are as large, but
// for what counts work, of which a pair is twice as much, and for MC: with 84 rows of 1024 pairs a
// call takes 75 microseconds at 73 GFLOP/s.
var pairsAVX2 = Table[float32]{
	NR: nrPairsAVX2,
	panels: []panelKernels[TileKernel[float32]]{
		{8, []TileKernel[float32]{
			bgemm1x8AVX2, bgemm2x8AVX2, bgemm3x8AVX2, bgemm4x8AVX2, bgemm5x8AVX2,
			bgemm6x8AVX2, bgemm7x8AVX2, bgemm8x8AVX2, bgemm9x8AVX2, bgemm10x8AVX2,
		}},
		{nrPairsAVX2, []TileKernel[float32]{
			bgemm1x16AVX2, bgemm2x16AVX2, bgemm3x16AVX2, bgemm4x16AVX2, bgemm5x16AVX2, bgemm6x16AVX2,
		}},
	},
	OfPairs: true,
	MasksB:  true,

	KC:        kcPairs,
	MC:        84,
	NC:        2048,
	PackBlock: 1 << 15,

	DirectUpTo:      1 << 17,
	PackRows:        16,
	PackRowsAligned: 24,
	PackStride:      112,
	PackAligned:     112,
	PacksFighting:   true,
	CopyA:           64,
	CopyFighting:    160,
	AloneBelow:      1 << 17,
	WakeBelow:       1 << 22,
	PartWork:        1 << 16,

	copyPanels: copyPanels32AVX2,
	copyTiles:  copyTiles32AVX2,
	transpose:  transpose32AVX2, transposeSide: 8,
}

// pairsBF16 has tiles of whole 512-bit vectors alone. Its sizes are those of AVX-512's table for
// float32, whose words are as large: as of 2026-11-27, nobody has measured it on a CPU that has the
// instructions.
var pairsBF16 = Table[float32]{
	NR: nrBF16,
	panels: []panelKernels[TileKernel[float32]]{
		{16, []TileKernel[float32]{
			bgemm1x16BF16, bgemm2x16BF16, bgemm3x16BF16, bgemm4x16BF16, bgemm5x16BF16, bgemm6x16BF16,
			bgemm7x16BF16, bgemm8x16BF16, bgemm9x16BF16, bgemm10x16BF16, bgemm11x16BF16, bgemm12x16BF16,
		}},
		{nrBF16, []TileKernel[float32]{
			bgemm1x32BF16, bgemm2x32BF16, bgemm3x32BF16, bgemm4x32BF16, bgemm5x32BF16, bgemm6x32BF16,
			bgemm7x32BF16, bgemm8x32BF16, bgemm9x32BF16, bgemm10x32BF16, bgemm11x32BF16, bgemm12x32BF16,
		}},
	},
	OfPairs: true,
	MasksB:  true,

	KC:        kcPairs,
	MC:        72,
	NC:        2048,
	PackBlock: 2048 * 1024,

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
