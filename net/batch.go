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

// Slice returns the n samples of b from first on, sharing memory.
func (b Batch) Slice(first, n int) Batch {
	return Batch{
		N:       n,
		X:       samples(b.X, b.N, first, n),
		Labels:  samples(b.Labels, b.N, first, n),
		Targets: samples(b.Targets, b.N, first, n),
	}
}

// samples returns n samples from first on of s, which holds total.
func samples[T any](s []T, total, first, n int) []T {
	if total == 0 {
		return nil
	}
	size := len(s) / total
	return s[first*size:][:n*size]
}

// Tensor is a value, or the gradient of one, for some samples.
type Tensor struct {
	N     int       // samples
	Shape Shape     // of a sample
	Data  []float32 // [N, Shape...], row-major; empty where a gradient isn't wanted
}

// Wanted reports whether t is to be computed: whether it has memory.
func (t Tensor) Wanted() bool { return len(t.Data) > 0 }

// Slice returns the n samples of t from first on, sharing memory.
func (t Tensor) Slice(first, n int) Tensor {
	if !t.Wanted() {
		return Tensor{N: n, Shape: t.Shape}
	}
	return Tensor{N: n, Shape: t.Shape, Data: samples(t.Data, t.N, first, n)}
}
