//go:build (!amd64 && !arm64) || purego

package simd

var tables = [NumISA]table{Generic: generic}
