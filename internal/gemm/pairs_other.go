package gemm

// bf16Table is the table of AVX512_BF16: there is none.
func bf16Table() *Table[float32] { return nil }
