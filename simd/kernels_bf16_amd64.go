//go:build amd64 && !purego

package simd

import "golang.org/x/sys/cpu"

// detectedBF16 is whether the CPU has AVX512_BF16.
var detectedBF16 = cpu.X86.HasAVX512BF16

func pairsKernels() *pairsTable {
	if HasBF16() {
		return &bf16Pairs
	}
	return &genericPairs
}

var bf16Pairs = pairsTable{pairs: pairsBF16, pairEven: pairEvenBF16, pairRows: pairRowsBF16}
