package protocol

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Routine is a routine of the BLAS on vectors of N elements without gaps and, at levels 2 and 3, on
// row-major N x N matrices.
type Routine struct {
	Name string `json:"name"` // of Routines
	N    int    `json:"n"`
}

// Routines lists all routines, in order. gemvT is gemv with A transposed. symv, syr, syr2, trmv and
// trsv use a symmetric or triangular A of which the lower half is stored; trmvT and trsvT use its
// transpose.
//
// At level 3, symm, trmm and trsm have A on the left of B, with its lower half stored; symmR, trmmR
// and trsmR have A on the right. trmmT and trsmT use the transpose of an A whose upper half is
// stored. syrk computes the lower half of A*A^T, syrkT the upper half of A^T*A, and syr2k the lower
// half of A*B^T + B*A^T.
var Routines = []string{
	"dot", "axpy", "scal", "nrm2", "asum", "iamax", "swap", "copy", "rot",
	"gemv", "gemvT", "ger", "symv", "syr", "syr2", "trmv", "trmvT", "trsv", "trsvT",
	"gemm", "symm", "symmR", "syrk", "syrkT", "syr2k", "trmm", "trmmT", "trmmR", "trsm", "trsmT", "trsmR",
}

// moves has the least memory traffic of routines of levels 1 and 2, in vectors, whole matrices and
// halves of matrices.
var moves = map[string]struct{ vectors, matrices, halves float64 }{
	"dot": {vectors: 2}, "axpy": {vectors: 3}, "scal": {vectors: 2}, "nrm2": {vectors: 1}, "asum": {vectors: 1}, "iamax": {vectors: 1},
	"swap": {vectors: 4}, "copy": {vectors: 2}, "rot": {vectors: 4},
	"gemv": {vectors: 2, matrices: 1}, "gemvT": {vectors: 2, matrices: 1}, "ger": {vectors: 2, matrices: 2},
	"symv": {vectors: 2, halves: 1}, "syr": {vectors: 1, halves: 2}, "syr2": {vectors: 2, halves: 2},
	"trmv": {vectors: 2, halves: 1}, "trmvT": {vectors: 2, halves: 1}, "trsv": {vectors: 2, halves: 1}, "trsvT": {vectors: 2, halves: 1},
}

// cubes has the floating-point operations of routines of level 3, in units of N^3.
var cubes = map[string]float64{
	"gemm": 2, "symm": 2, "symmR": 2, "syrk": 1, "syrkT": 1, "syr2k": 2,
	"trmm": 1, "trmmT": 1, "trmmR": 1, "trsm": 1, "trsmT": 1, "trsmR": 1,
}

// Moves returns the least number of elements that the routine reads from and writes to memory. It
// is 0 at level 3, which memory doesn't bound.
func (r Routine) Moves() float64 {
	m, n := moves[r.Name], float64(r.N)
	return m.vectors*n + m.matrices*n*n + m.halves*n*(n+1)/2
}

// Level returns the routine's level in the BLAS.
func (r Routine) Level() int {
	switch m := moves[r.Name]; {
	case cubes[r.Name] > 0:
		return 3
	case m.matrices+m.halves > 0:
		return 2
	}
	return 1
}

// Flops returns the number of floating-point operations at level 3. It is 0 at levels 1 and 2,
// which memory bounds.
func (r Routine) Flops() float64 { n := float64(r.N); return cubes[r.Name] * n * n * n }

// String returns the routine as ParseRoutine reads it.
func (r Routine) String() string { return fmt.Sprintf("%s %d", r.Name, r.N) }

// Validate returns what is wrong with a routine.
func (r Routine) Validate() error {
	if !slices.Contains(Routines, r.Name) {
		return fmt.Errorf("protocol: there is no routine %q, only %s", r.Name, strings.Join(Routines, ", "))
	}
	if most := [...]int{1: 1 << 28, 2: 1 << 14, 3: 1 << 13}[r.Level()]; r.N < 1 || r.N > most {
		return fmt.Errorf("protocol: %v, want 1 to %d", r, most)
	}
	return nil
}

// ParseRoutine reads a name and a size: "gemv 1024".
func ParseRoutine(text string) (r Routine, err error) {
	if r.Name, r.N, err = nameAndSize(text); err != nil {
		return r, fmt.Errorf("protocol: routine %q, want a name and a size as in gemv 1024", text)
	}
	return r, r.Validate()
}

// nameAndSize reads a name and a size, with spaces between them.
func nameAndSize(text string) (name string, n int, err error) {
	name, size, _ := strings.Cut(strings.TrimSpace(text), " ")
	n, err = strconv.Atoi(strings.TrimSpace(size))
	return name, n, err
}
