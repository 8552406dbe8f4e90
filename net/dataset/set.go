// Package dataset holds samples in memory with their labels or targets, and reads them from files.
// Start with [Open], which takes the names that [Sources] lists. [Set.Standardize] and [Set.Split]
// prepare the sets that it returns, and a [Loader] makes batches of them.
package dataset

import (
	"fmt"
	"iter"
	"slices"

	"github.com/steppe-ml/steppe/net"
)

// Set is samples in memory: with Labels to classify, with Targets to regress.
type Set struct {
	Name       string    // where it came from, as in "digits/train"
	Shape      net.Shape // of one sample
	Classes    int       // labels are in [0, Classes); 0 without labels
	ClassNames []string  // [Classes]; nil if they are unknown
	X          []float32 // [Len, Shape...]
	Labels     []int32   // [Len], or nil
	Targets    []float32 // [Len, ...]: the same number for each sample, or nil
}

// Len returns the number of samples.
func (s *Set) Len() int {
	if s.Labels == nil && s.Shape.Validate() == nil {
		return len(s.X) / s.Shape.Size()
	}
	return len(s.Labels)
}

// targets returns the number of targets of a sample.
func (s *Set) targets() int { return len(s.Targets) / max(1, s.Len()) }

// Head returns the first n samples, or all of them if there are fewer. They share the memory of s.
func (s *Set) Head(n int) *Set {
	head := *s
	batch := s.Range(0, min(n, s.Len()))
	head.X, head.Labels, head.Targets = batch.X, batch.Labels, batch.Targets
	return &head
}

// Range returns n consecutive samples from first on, sharing the memory of s. It panics like a
// slice expression if they are not all there.
func (s *Set) Range(first, n int) net.Batch {
	return net.Batch{
		N: n, X: part(s.X, first, n, s.Len(), s.Shape.Size()),
		Labels: part(s.Labels, first, n, s.Len(), 1), Targets: part(s.Targets, first, n, s.Len(), s.targets()),
	}
}

// part returns the values of n samples from first on, of a set of length samples, each with size
// values; nil for nil. Bounds are those of a slice expression on length samples.
func part[T any](values []T, first, n, length, size int) []T {
	if values == nil {
		return nil
	}
	if first < 0 || n < 0 || first > length || n > length-first {
		panic(fmt.Sprintf("dataset: samples %d to %d+%d are out of range of %d samples", first, first, n, length))
	}
	return slices.Clip(values[first*size : (first+n)*size])
}

// Batches returns one epoch: every sample once, size at a time. The last batch is short if size
// does not divide Len. The order depends on seed, epoch and Len alone, and is the same on every
// platform.
//
// A batch is valid until the next iteration, which reuses its memory. All allocation is at the
// start of the epoch. Batches panics if size is not positive.
func (s *Set) Batches(size int, seed, epoch uint64) iter.Seq[net.Batch] {
	if size <= 0 {
		panic(fmt.Sprintf("dataset: batch size %d is not positive", size))
	}
	return func(yield func(net.Batch) bool) {
		order := permutation(s.Len(), seed, epoch)
		memory := s.batch(min(size, s.Len()))
		for part := range slices.Chunk(order, size) {
			if !yield(s.gather(memory, part)) {
				return
			}
		}
	}
}

// batch returns memory for n samples of s.
func (s *Set) batch(n int) net.Batch {
	batch := net.Batch{N: n, X: make([]float32, n*s.Shape.Size())}
	if s.Labels != nil {
		batch.Labels = make([]int32, n)
	}
	if s.Targets != nil {
		batch.Targets = make([]float32, n*s.targets())
	}
	return batch
}

// gather copies the samples at indices to the memory of a batch, which has room for at least as
// many, and returns the batch of them.
func (s *Set) gather(memory net.Batch, indices []int) net.Batch {
	n, size, targets := len(indices), s.Shape.Size(), s.targets()
	batch := net.Batch{N: n, X: memory.X[:n*size]}
	if s.Labels != nil {
		batch.Labels = memory.Labels[:n]
	}
	if s.Targets != nil {
		batch.Targets = memory.Targets[:n*targets]
	}
	for i, from := range indices {
		copy(batch.X[i*size:][:size], s.X[from*size:])
		if s.Labels != nil {
			batch.Labels[i] = s.Labels[from]
		}
		if s.Targets != nil {
			copy(batch.Targets[i*targets:][:targets], s.Targets[from*targets:])
		}
	}
	return batch
}
