package protocol

import (
	"fmt"
	"slices"
	"strings"
)

// Decomposition is a decomposition of an N x N matrix in float64, or another operation of gonum's
// mat on one. It has the name of mat's type or method.
type Decomposition struct {
	Name string `json:"name"` // of Decompositions
	N    int    `json:"n"`
}

// Decompositions lists all decompositions, in order. Mul computes A*B and Solve solves A*X = B,
// both with an N x N matrix B. SVD computes singular values. EigenSym and Eigen compute the
// eigenvalues of a symmetric and of a general matrix, without vectors.
var Decompositions = []string{"Mul", "LU", "QR", "Cholesky", "Solve", "SVD", "EigenSym", "Eigen"}

// String returns the decomposition as ParseDecomposition reads it.
func (d Decomposition) String() string { return fmt.Sprintf("%s %d", d.Name, d.N) }

// Flops returns 0: the operations of a decomposition are not counted.
func (d Decomposition) Flops() float64 { return 0 }

// Validate returns what is wrong with a decomposition.
func (d Decomposition) Validate() error {
	const most = 1 << 13
	switch {
	case !slices.Contains(Decompositions, d.Name):
		return fmt.Errorf("protocol: there is no decomposition %q, only %s", d.Name, strings.Join(Decompositions, ", "))
	case d.N < 1 || d.N > most:
		return fmt.Errorf("protocol: %v, want 1 to %d", d, most)
	}
	return nil
}

// ParseDecomposition reads a name and a size: "LU 1000".
func ParseDecomposition(text string) (d Decomposition, err error) {
	if d.Name, d.N, err = nameAndSize(text); err != nil {
		return d, fmt.Errorf("protocol: decomposition %q, want a name and a size as in LU 1000", text)
	}
	return d, d.Validate()
}
