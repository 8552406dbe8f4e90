//go:build !amd64 || purego

package gemm

// pairsTable returns the table of the active instruction set: the reference.
func pairsTable() *Table[float32] { return &genericPairs }
