package simd_test

import (
	"encoding/binary"
	"hash/crc32"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/steppe-ml/steppe/simd"
)

// bitsOfFunctions has checksums of what elementary functions make of the same numbers on AVX2 and
// on NEON, whose kernels are the same operations.
var bitsOfFunctions = map[string]uint32{
	"Exp": 0x053801ea, "Log": 0x1f82cf19, "Tanh": 0x0cf9f901, "Sigmoid": 0xbbcc6700, "GELU": 0xeb2e69c7,
	"GELUBackward": 0x09165e15, "TanhBackward": 0xe49d8974, "SigmoidBackward": 0xb55cff2f,
}

// TestBitsOfFunctions compares them, but for signs of NaN.
func TestBitsOfFunctions(t *testing.T) {
	if isa := simd.Active(); isa != simd.AVX2 && isa != simd.NEON {
		t.Skip("on AVX2 and NEON alone")
	}
	x := make([]float32, 1<<14+3) // of all exponents and both signs, NaN and Inf among them
	for i := range x {
		x[i] = math.Float32frombits(uint32(i) * 262_139)
	}
	dst := make([]float32, len(x))
	for _, f := range functions {
		f.call(dst, x)
		crc := crc32.NewIEEE()
		for _, v := range dst {
			bits := math.Float32bits(v)
			if v != v {
				bits = 0x7fc00000
			}
			_, _ = crc.Write(binary.LittleEndian.AppendUint32(nil, bits))
		}
		assert.Equal(t, bitsOfFunctions[f.name], crc.Sum32(), "%s: %#08x", f.name, crc.Sum32())
	}
}
