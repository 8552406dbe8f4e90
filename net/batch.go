package net

import (
	"strconv"
	"strings"
)

// Shape is the shape of one sample, outermost dimension first: {28, 28, 1} is
// an image of 28 rows, 28 columns and 1 channel. The batch is not part of it.
type Shape []int

// Size returns the number of floats in a sample of shape s.
func (s Shape) Size() int {
	size := 1
	for _, d := range s {
		size *= d
	}
	return size
}

// Valid reports whether s has at least one dimension and all are positive.
func (s Shape) Valid() bool {
	for _, d := range s {
		if d <= 0 {
			return false
		}
	}
	return len(s) > 0
}

// String returns the dimensions joined by x, as in "28x28x1".
func (s Shape) String() string {
	dims := make([]string, len(s))
	for i, d := range s {
		dims[i] = strconv.Itoa(d)
	}
	return strings.Join(dims, "x")
}

// Batch is some samples with what a loss wants of them. Which of Labels and
// Targets is used, and how many values a sample has there, is the loss's affair.
type Batch struct {
	N       int       // samples
	X       []float32 // [N, Shape...], row-major
	Labels  []int32   // classes: one a sample for SoftmaxCrossEntropy
	Targets []float32 // real-valued targets, for losses that want them
}
