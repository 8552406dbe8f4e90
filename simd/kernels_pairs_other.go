//go:build !amd64 || purego

package simd

// detectedBF16 is AVX512_BF16, which this machine or build lacks.
const detectedBF16 = false

func pairsKernels() *pairsTable { return &genericPairs }
