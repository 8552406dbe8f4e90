package gemm

import (
	"slices"
	"testing"

	"github.com/steppe-ml/steppe/internal/tabletest"
	"github.com/steppe-ml/steppe/simd"
)

// without32 and without64 have the kernels that an instruction set leaves to plain Go or has none
// for, and why.
var (
	without32 = map[simd.ISA]map[string]string{
		simd.AVX2:   {"broad.tile": tooFewRegisters, "copyRows": rowsInPlace},
		simd.AVX512: {"copyTiles": copiesRows, "copyRows": rowsInPlace, "CopyChannels": readsInPlace},
		simd.AVX512Halves: {
			"broad.tile": narrowPanels, "copyTiles": copiesRows, "copyRows": rowsInPlace, "CopyChannels": readsInPlace,
		},
		simd.NEON: {"broad.tile": tooFewRegisters},
	}
	without64 = map[simd.ISA]map[string]string{
		simd.AVX2: {
			"broad.tile": tooFewRegisters, "copyRows": rowsInPlace, "taps.tile": convolutions, "CopyChannels": convolutions,
		},
		simd.AVX512: {
			"copyTiles": copiesRows, "copyRows": rowsInPlace, "taps.tile": convolutions, "CopyChannels": convolutions,
		},
		simd.AVX512Halves: {
			"broad.tile": narrowPanels, "copyTiles": copiesRows, "copyRows": rowsInPlace,
			"taps.tile": convolutions, "CopyChannels": convolutions,
		},
		simd.NEON: {"broad.tile": tooFewRegisters, "taps.tile": convolutions, "CopyChannels": convolutions},
	}
)

const (
	convolutions    = "convolutions are of float32"
	copiesRows      = "a transposed A is copied as it lies"
	rowsInPlace     = "a row-major A is read in place, since an element in memory is an operand"
	readsInPlace    = "convolutions read the input of a filter's gradient in place"
	narrowPanels    = "panels of one vector more each leave no columns empty"
	tooFewRegisters = "a tile of one vector more has fewer rows than a whole panel's, and as many accumulators"
)

func TestKernelsAreAssembly(t *testing.T) {
	for isa := range tables32 {
		if isa := simd.ISA(isa); slices.Contains(tabletest.Sets(), isa.String()) {
			t.Run(isa.String()+"/float32", func(t *testing.T) { tabletest.Check(t, &tables32[isa], without32[isa]) })
			t.Run(isa.String()+"/float64", func(t *testing.T) { tabletest.Check(t, &tables64[isa], without64[isa]) })
		}
	}
}
