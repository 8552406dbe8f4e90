//go:build arm64 && !purego

package simd

// detect returns the instruction sets beyond Generic. Every arm64 CPU that Go
// runs on has NEON.
func detect() []ISA { return []ISA{NEON} }
