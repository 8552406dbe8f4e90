package protocol

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Shape is a product C = op(A)*op(B) of row-major matrices without gaps, where op(A) is m x k and
// op(B) is k x n.
type Shape struct {
	M      int  `json:"m"`
	N      int  `json:"n"`
	K      int  `json:"k"`
	TransA bool `json:"tA,omitempty"` // A is stored transposed, as k x m
	TransB bool `json:"tB,omitempty"` // B is stored transposed, as n x k
}

// String returns the shape as ParseShape reads it: 784x512x256tA.
func (s Shape) String() string {
	text := fmt.Sprintf("%dx%dx%d", s.M, s.N, s.K)
	if s.TransA {
		text += "tA"
	}
	if s.TransB {
		text += "tB"
	}
	return text
}

// Square says whether all matrices are square and none is stored transposed.
func (s Shape) Square() bool {
	return s.M == s.N && s.N == s.K && !s.TransA && !s.TransB
}

// maxSize is the largest m, n or k. It keeps package child's check of results exact.
const maxSize = 1 << 20

// Validate returns what is wrong with a shape.
func (s Shape) Validate() error {
	if min(s.M, s.N, s.K) < 1 || max(s.M, s.N, s.K) > maxSize {
		return fmt.Errorf("protocol: product %v, want sizes from 1 to %d", s, maxSize)
	}
	return nil
}

// Flops returns the floating-point operations, two to a multiply-add.
func (s Shape) Flops() float64 { return 2 * float64(s.M) * float64(s.N) * float64(s.K) }

var shapeFormat = regexp.MustCompile(`^(\d+)x(\d+)x(\d+)(tA)?(tB)?$`)

// ParseShape reads m x n x k, followed by tA or tB or both. It ignores spaces.
func ParseShape(text string) (Shape, error) {
	parts := shapeFormat.FindStringSubmatch(strings.ReplaceAll(text, " ", ""))
	if parts == nil {
		return Shape{}, fmt.Errorf("protocol: shape %q, want m x n x k as in 784x512x256, with tA or tB behind it", text)
	}
	var size [3]int
	for i := range size {
		n, err := strconv.Atoi(parts[1+i])
		if err != nil || n < 1 || n > maxSize {
			return Shape{}, fmt.Errorf("protocol: shape %q has size %s, want 1 to %d", text, parts[1+i], maxSize)
		}
		size[i] = n
	}
	return Shape{M: size[0], N: size[1], K: size[2], TransA: parts[4] != "", TransB: parts[5] != ""}, nil
}
