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
//
// A sample of text is a run of tokens. Samples have as many tokens as they need: there is no
// padding.
type Batch struct {
	N       int       // number of samples
	X       []float32 // samples [N, Shape...], row-major; nil for text
	Labels  []int32   // classes, one a sample for SoftmaxCrossEntropy
	Targets []float32 // real-valued targets, for MSE

	Tokens   []int32 // of text: token ids, sample behind sample
	Segments []uint8 // of text: for each token 0, or 1 in a second sentence; nil if all are 0
	// Starts [N+1] says where the tokens of each sample begin, and where the last ones end:
	// those of sample i are Tokens[Starts[i]-Starts[0] : Starts[i+1]-Starts[0]].
	Starts []int
}

// Slice returns the n samples of b from index first on. They share b's memory.
func (b Batch) Slice(first, n int) Batch {
	s := Batch{
		N:       n,
		X:       Samples(b.X, b.N, first, n),
		Labels:  Samples(b.Labels, b.N, first, n),
		Targets: Samples(b.Targets, b.N, first, n),
	}
	if b.Starts != nil {
		s.Tokens, s.Starts = Runs(b.Tokens, b.Starts, 1, first, n)
		if b.Segments != nil {
			s.Segments, _ = Runs(b.Segments, b.Starts, 1, first, n)
		}
	}
	return s
}

// Runs returns the n samples from index first on of s, in which each sample has a run of rows, and
// where they start. starts is as in [Batch]; a row has width elements.
func Runs[T any](s []T, starts []int, width, first, n int) ([]T, []int) {
	from, to := starts[first]-starts[0], starts[first+n]-starts[0]
	return s[from*width : to*width], starts[first:][:n+1]
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
//
// Samples of most values have one size, that of Shape. Those of a sequence, which models over text
// have, differ in the first of two dimensions: a sample has a row for each of its tokens, and
// Shape[0] is the most that it may have. The rows of all samples lie one behind the other, without
// padding.
type Tensor struct {
	N     int       // number of samples
	Shape Shape     // of a sample; of the longest sample of a sequence
	Data  []float32 // [N, Shape...], row-major; of a sequence, its rows; empty if a gradient isn't wanted

	Starts   []int   // of a sequence [N+1]: where the rows of each sample begin, as in Batch; otherwise nil
	Tokens   []int32 // of the input of a model over text, in place of Data
	Segments []uint8 // of the same, as in Batch
}

// Wanted reports whether t is to be computed. It is if it has memory.
func (t Tensor) Wanted() bool { return len(t.Data) > 0 }

// Slice returns the n samples of t from index first on. They share t's memory.
func (t Tensor) Slice(first, n int) Tensor {
	s := Tensor{N: n, Shape: t.Shape}
	if t.Starts == nil {
		if t.Wanted() {
			s.Data = Samples(t.Data, t.N, first, n)
		}
		return s
	}
	s.Starts = t.Starts[first:][:n+1]
	if t.Wanted() {
		s.Data, _ = Runs(t.Data, t.Starts, t.Shape.Size()/t.Shape[0], first, n)
	}
	if t.Tokens != nil {
		s.Tokens, _ = Runs(t.Tokens, t.Starts, 1, first, n)
	}
	if t.Segments != nil {
		s.Segments, _ = Runs(t.Segments, t.Starts, 1, first, n)
	}
	return s
}

// Width returns the last dimension: the length of a row.
func (t Tensor) Width() int { return t.Shape[len(t.Shape)-1] }

// Rows returns the number of rows of all samples.
func (t Tensor) Rows() int {
	if t.Starts != nil {
		return t.Starts[t.N] - t.Starts[0]
	}
	return t.N * (t.Shape.Size() / t.Width())
}

// Run returns where the rows of sample i begin, counted from t's first row, and how many it has. A
// sample of a sequence has a row for each token, another one Shape.Size()/Width() rows.
func (t Tensor) Run(i int) Shard {
	if t.Starts != nil {
		return Shard{First: t.Starts[i] - t.Starts[0], N: t.Starts[i+1] - t.Starts[i]}
	}
	rows := t.Shape.Size() / t.Width()
	return Shard{First: i * rows, N: rows}
}

// RowsOf returns the same for the samples of a shard together.
func (t Tensor) RowsOf(s Shard) Shard {
	first, last := t.Run(s.First), t.Run(s.First+s.N-1)
	return Shard{First: first.First, N: last.First + last.N - first.First}
}

// Of returns the samples of a shard. They share t's memory.
func (t Tensor) Of(s Shard) Tensor { return t.Slice(s.First, s.N) }
