//go:build amd64 && !purego

package simd

import "golang.org/x/sys/cpu"

// detect returns the instruction sets beyond Generic, worst first. Each flag
// is looked at alone, since GODEBUG=cpu.X=off turns off just the one.
func detect() (sets []ISA) {
	x := &cpu.X86
	if !x.HasAVX2 || !x.HasFMA {
		return nil
	}
	sets = append(sets, AVX2)
	if x.HasAVX512F && x.HasAVX512VL && x.HasAVX512BW && x.HasAVX512DQ && x.HasBMI2 {
		sets = append(sets, AVX512)
	}
	return sets
}
