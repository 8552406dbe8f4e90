//go:build (!amd64 && !arm64) || purego

package simd

// detect returns the instruction sets beyond Generic: none.
func detect() []ISA { return nil }
