//go:build amd64 && !purego

package simd

import (
	"github.com/klauspost/cpuid/v2"
	"golang.org/x/sys/cpu"
)

// detect returns the instruction sets beyond Generic, worst first. Each flag
// is looked at alone, since GODEBUG=cpu.X=off turns off just the one.
func detect() (sets []ISA) {
	x := &cpu.X86
	if !x.HasAVX2 || !x.HasFMA {
		return nil
	}
	sets = append(sets, AVX2)
	if x.HasAVX512F && x.HasAVX512VL && x.HasAVX512BW && x.HasAVX512DQ && x.HasBMI2 {
		if halves(cpuid.CPU.VendorID, cpuid.CPU.Family, cpuid.CPU.Model) {
			return append(sets, AVX512, AVX512Halves)
		}
		sets = append(sets, AVX512Halves, AVX512)
	}
	return sets
}

// halves reports whether a CPU with AVX-512 computes 512 bits in two halves: AMD's Zen 4 (family
// 25, whose Zen 3 has no AVX-512), and those of Zen 5 (family 26) that have Zen 4's width, Strix
// Point and Krackan Point. Zen 5's other models and Intel's CPUs have units of 512 bits. (An Intel
// CPU with only one of them does as many FMAs a second by 512 bits as by 256.)
func halves(vendor cpuid.Vendor, family, model int) bool {
	const zen4, zen5 = 25, 26
	switch {
	case vendor != cpuid.AMD:
		return false
	case family == zen5:
		return model>>4 == 0x2 || model>>4 == 0x6
	}
	return family == zen4
}
