package blas

import (
	"slices"
	"testing"

	"github.com/steppe-ml/steppe/internal/tabletest"
	"github.com/steppe-ml/steppe/simd"
)

// No instruction set leaves a kernel to plain Go. One that does has to give its reason here.
func TestKernelsAreAssembly(t *testing.T) {
	for isa := range vectors32 {
		if isa := simd.ISA(isa); slices.Contains(tabletest.Sets(), isa.String()) {
			t.Run(isa.String()+"/float32", func(t *testing.T) { tabletest.Check(t, &vectors32[isa], nil) })
			t.Run(isa.String()+"/float64", func(t *testing.T) { tabletest.Check(t, &vectors64[isa], nil) })
		}
	}
}
