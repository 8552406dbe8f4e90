//go:build amd64 && !purego

package gemm

// nrBF16 is the columns of a panel of pairs.
const nrBF16 = 32

// bf16Table returns the table of AVX512_BF16.
func bf16Table() *Table[float32] { return &pairsBF16 }

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
	MasksB: true,

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
