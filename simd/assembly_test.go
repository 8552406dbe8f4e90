package simd

import (
	"slices"
	"testing"

	"github.com/steppe-ml/steppe/internal/tabletest"
)

// No instruction set leaves a kernel to plain Go. One that does has to give its reason here.
func TestKernelsAreAssembly(t *testing.T) {
	for isa, table := range tables {
		if isa := ISA(isa); slices.Contains(tabletest.Sets(), isa.String()) {
			t.Run(isa.String(), func(t *testing.T) { tabletest.Check(t, &table, nil) })
		}
	}
}
