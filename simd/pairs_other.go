package simd

// detectedBF16 is AVX512_BF16, which has no kernels yet.
const detectedBF16 = false

func pairsKernels() *pairsTable { return &genericPairs }
