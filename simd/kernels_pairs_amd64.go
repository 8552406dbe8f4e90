//go:build amd64 && !purego

package simd

import "golang.org/x/sys/cpu"

// detectedBF16 is whether the CPU has AVX512_BF16.
var detectedBF16 = cpu.X86.HasAVX512BF16

func pairsKernels() *pairsTable {
	switch {
	case HasBF16():
		return &bf16Pairs
	case Active() != Generic: // every CPU with AVX-512 has AVX2
		return &avx2Pairs
	}
	return &genericPairs
}

var (
	avx2Pairs = pairsTable{pairs: pairsAVX2, pairEven: pairEvenAVX2, pairRows: pairRowsAVX2}
	bf16Pairs = pairsTable{pairs: pairsBF16, pairEven: pairEvenBF16, pairRows: pairRowsBF16}
)
