package op

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Shape is the shape of one sample, outermost dimension first: {28, 28, 1} is an image of 28 rows,
// 28 columns and 1 channel. The batch is not part of it.
type Shape []int

// Size returns the number of elements of a sample of shape s.
func (s Shape) Size() int {
	size := 1
	for _, d := range s {
		size *= d
	}
	return size
}

// Validate returns an error unless s has at least one dimension, all dimensions are positive, and a
// sample has at most maxElements elements.
func (s Shape) Validate() error {
	if len(s) == 0 {
		return fmt.Errorf("shape %v, want at least one dimension", []int(s))
	}
	size := 1
	for _, d := range s {
		if d <= 0 {
			return fmt.Errorf("shape %v, want positive dimensions", []int(s))
		}
		if size > maxElements/d {
			return fmt.Errorf("shape %v, want at most %d elements", []int(s), maxElements)
		}
		size *= d
	}
	return nil
}

// maxElements is the most elements of a shape: 4 TiB of floats, or 128 MiB on a 32-bit machine. An
// int can then count the bytes of some samples.
const maxElements = min(1<<40, math.MaxInt/64)

// String returns the dimensions joined by x, as in "28x28x1".
func (s Shape) String() string {
	dims := make([]string, len(s))
	for i, d := range s {
		dims[i] = strconv.Itoa(d)
	}
	return strings.Join(dims, "x")
}

// Batch is some samples with labels or targets. The loss decides which of the two it reads, and how
// many values a sample has there.
type Batch struct {
	N       int       // number of samples
	X       []float32 // samples [N, Shape...], row-major
	Labels  []int32   // classes, one a sample for SoftmaxCrossEntropy
	Targets []float32 // real-valued targets, for MSE
}

// Slice returns the n samples of b from index first on. They share b's memory.
func (b Batch) Slice(first, n int) Batch {
	return Batch{
		N:       n,
		X:       Samples(b.X, b.N, first, n),
		Labels:  Samples(b.Labels, b.N, first, n),
		Targets: Samples(b.Targets, b.N, first, n),
	}
}

// Samples returns the n samples from index first on of s, which holds total samples of equal size.
func Samples[T any](s []T, total, first, n int) []T {
	if total == 0 {
		return nil
	}
	size := len(s) / total
	return s[first*size:][:n*size]
}

// Tensor is a value of a program, or its gradient, for some samples.
type Tensor struct {
	N     int       // number of samples
	Shape Shape     // of a sample
	Data  []float32 // [N, Shape...], row-major; empty if a gradient isn't wanted
}

// Wanted reports whether t is to be computed. It is if it has memory.
func (t Tensor) Wanted() bool { return len(t.Data) > 0 }

// Slice returns the n samples of t from index first on. They share t's memory.
func (t Tensor) Slice(first, n int) Tensor {
	if !t.Wanted() {
		return Tensor{N: n, Shape: t.Shape}
	}
	return Tensor{N: n, Shape: t.Shape, Data: Samples(t.Data, t.N, first, n)}
}

// Of returns the samples of a shard. They share t's memory.
func (t Tensor) Of(s Shard) Tensor { return t.Slice(s.First, s.N) }
