package simd

import (
	"fmt"
	"math"
)

// Pairs rounds x to bfloat16, the upper half of a float32, and sets dst to its pairs: element i
// holds x(2i) in its lower half and x(2i+1), or zero behind an odd last one, in its upper half. dst
// has an element for each pair and must not overlap x.
//
// Values are rounded as AVX512_BF16 does: to nearest, ties to even, denormal values to zero of
// their sign; a NaN loses its lower half and becomes a quiet one.
func Pairs(dst, x []float32) {
	if want := len(x)/2 + len(x)%2; len(dst) != want {
		panic(fmt.Sprintf("simd: Pairs: %d pairs for %d elements, want %d", len(dst), len(x), want))
	}
	pairsKernels().pairs(dst, x)
}

// PairRows rounds two rows to bfloat16, as Pairs does, and sets dst to their pairs: element j holds
// even(j) in its lower half and odd(j) in its upper half. An odd of nil is zeros. dst may be even
// or odd, but must not overlap them otherwise.
func PairRows(dst, even, odd []float32) {
	if odd == nil {
		sameLength("PairRows", len(dst), len(even))
		pairsKernels().pairEven(dst, even)
		return
	}
	sameLength("PairRows", len(dst), len(even), len(odd))
	pairsKernels().pairRows(dst, even, odd)
}

// HasBF16 reports whether the active instruction set is AVX-512 on a CPU with AVX512_BF16, whose
// instructions round to bfloat16 and multiply it.
func HasBF16() bool {
	isa := Active()
	return detectedBF16 && (isa == AVX512 || isa == AVX512Halves)
}

// pairsTable is the kernels that make pairs. What dst has is as long as it must be.
type pairsTable struct {
	pairs    func(dst, x []float32)
	pairEven func(dst, even []float32)
	pairRows func(dst, even, odd []float32)
}

// genericPairs is the reference.
var genericPairs = pairsTable{
	pairs: func(dst, x []float32) {
		for i := range len(x) / 2 {
			dst[i] = pair(x[2*i], x[2*i+1])
		}
		if last := len(x) - 1; last%2 == 0 {
			dst[last/2] = pair(x[last], 0)
		}
	},
	pairEven: func(dst, even []float32) {
		for i, v := range even {
			dst[i] = pair(v, 0)
		}
	},
	pairRows: func(dst, even, odd []float32) {
		for i, v := range even {
			dst[i] = pair(v, odd[i])
		}
	},
}

func pair(even, odd float32) float32 {
	return math.Float32frombits(bf16(even) | bf16(odd)<<16)
}

// bf16 rounds x to bfloat16, and returns its 16 bits.
func bf16(x float32) uint32 {
	const sign, infinity, quiet = 0x8000, 0x7f800000, 0x40
	b := math.Float32bits(x)
	switch magnitude := b &^ (sign << 16); {
	case magnitude > infinity:
		return b>>16 | quiet
	case magnitude < 1<<23:
		return b >> 16 & sign
	}
	return (b + 0x7fff + b>>16&1) >> 16
}
