package protocol

import (
	"fmt"
	"slices"
	"strings"
)

// Decomposition is a decomposition of a matrix of N x N in float64, or what else gonum's mat
// makes of one. It is named as mat's type is, or its method.
type Decomposition struct {
	Name string `json:"name"` // of Decompositions
	N    int    `json:"n"`
}

// Decompositions are all of them, in order. Mul is A*B; Solve solves A*X = B; both have a B of
// N x N. SVD is the singular values, EigenSym and Eigen the eigenvalues of a symmetric matrix
// and any, without vectors.
var Decompositions = []string{"Mul", "LU", "QR", "Cholesky", "Solve", "SVD", "EigenSym", "Eigen"}

// String returns the decomposition as ParseDecomposition reads it.
func (d Decomposition) String() string { return fmt.Sprintf("%s %d", d.Name, d.N) }

// Flops returns 0: they are not counted.
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
