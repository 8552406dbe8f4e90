//go:build !amd64 || purego

package gemm

// bf16Table returns the table of AVX512_BF16: there is none.
func bf16Table() *Table[float32] { return nil }
