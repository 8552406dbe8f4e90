package protocol

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Routine is a routine of level 1 or 2 of the BLAS, on vectors of N elements without gaps, or
// on a matrix of N x N.
type Routine struct {
	Name string `json:"name"` // of Routines
	N    int    `json:"n"`
}

// Routines are the routines, in order. gemvT is gemv with A transposed. Of symmetric and
// triangular matrices, which symv, syr, syr2, trmv and trsv take, the lower half is stored;
// trmvT and trsvT take it transposed.
var Routines = []string{
	"dot", "axpy", "scal", "nrm2", "asum", "iamax", "swap", "copy", "rot",
	"gemv", "gemvT", "ger", "symv", "syr", "syr2", "trmv", "trmvT", "trsv", "trsvT",
}

// moves is how many elements a routine moves to or from memory, at least, in vectors, and in
// matrices or halves of them.
var moves = map[string]struct{ vectors, matrices, halves float64 }{
	"dot": {vectors: 2}, "axpy": {vectors: 3}, "scal": {vectors: 2}, "nrm2": {vectors: 1}, "asum": {vectors: 1}, "iamax": {vectors: 1},
	"swap": {vectors: 4}, "copy": {vectors: 2}, "rot": {vectors: 4},
	"gemv": {vectors: 2, matrices: 1}, "gemvT": {vectors: 2, matrices: 1}, "ger": {vectors: 2, matrices: 2},
	"symv": {vectors: 2, halves: 1}, "syr": {vectors: 1, halves: 2}, "syr2": {vectors: 2, halves: 2},
	"trmv": {vectors: 2, halves: 1}, "trmvT": {vectors: 2, halves: 1}, "trsv": {vectors: 2, halves: 1}, "trsvT": {vectors: 2, halves: 1},
}

// Moves returns the elements that are moved to or from memory at least.
func (r Routine) Moves() float64 {
	m, n := moves[r.Name], float64(r.N)
	return m.vectors*n + m.matrices*n*n + m.halves*n*(n+1)/2
}

// HasMatrix reports whether the routine is of level 2.
func (r Routine) HasMatrix() bool { m := moves[r.Name]; return m.matrices+m.halves > 0 }

// Flops returns 0: a routine's time is its memory's.
func (r Routine) Flops() float64 { return 0 }

// String returns the routine as ParseRoutine reads it.
func (r Routine) String() string { return fmt.Sprintf("%s %d", r.Name, r.N) }

// Check returns what is wrong with a routine.
func (r Routine) Check() error {
	if _, known := moves[r.Name]; !known {
		return fmt.Errorf("protocol: there is no routine %q, only %s", r.Name, strings.Join(slices.Sorted(maps.Keys(moves)), ", "))
	}
	if most := map[bool]int{false: 1 << 28, true: 1 << 14}[r.HasMatrix()]; r.N < 1 || r.N > most {
		return fmt.Errorf("protocol: %v, want 1 to %d", r, most)
	}
	return nil
}

// ParseRoutine reads a name and a size: "gemv 1024".
func ParseRoutine(text string) (r Routine, err error) {
	name, size, _ := strings.Cut(strings.TrimSpace(text), " ")
	n, err := strconv.Atoi(strings.TrimSpace(size))
	if err != nil {
		return r, fmt.Errorf("protocol: routine %q, want a name and a size as in gemv 1024", text)
	}
	r = Routine{name, n}
	return r, r.Check()
}
