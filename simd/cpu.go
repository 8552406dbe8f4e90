package simd

import (
	"runtime"

	"github.com/klauspost/cpuid/v2"
)

// CPU describes the processor.
type CPU struct {
	Name          string // as the CPU gives it
	PhysicalCores int    // cores of the machine, as far as the system shows them
	LogicalCores  int    // of the machine: physical cores times threads a core
	L1D           int    // bytes of a core's L1 data cache
	L2            int    // bytes of a core's L2 cache
	L3            int    // bytes of the L3 cache, shared by cores; 0 for none
}

// Processor returns the processor that the program runs on. Values that the CPU
// doesn't report are filled in with common ones: a name from the architecture, one
// thread a core, 32 KiB of L1 and 512 KiB of L2.
func Processor() CPU {
	known := func(size, otherwise int) int {
		if size > 0 {
			return size
		}
		return otherwise
	}
	c := &cpuid.CPU
	p := CPU{
		Name:         c.BrandName,
		LogicalCores: max(c.LogicalCores, runtime.NumCPU()),
		L1D:          known(c.Cache.L1D, 32<<10),
		L2:           known(c.Cache.L2, 512<<10),
		L3:           known(c.Cache.L3, 0),
	}
	if p.Name == "" {
		p.Name = runtime.GOARCH
	}
	p.PhysicalCores = max(1, p.LogicalCores/max(1, c.ThreadsPerCore))
	return p
}
