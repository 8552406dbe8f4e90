// Package dataset holds labelled samples in memory and reads them from where
// they are kept. [Open] takes the names that [Sources] lists; [Set.Standardise]
// and [Set.Split] prepare what it returns, and a [Feed] makes batches of it.
package dataset

import (
	"fmt"
	"iter"
	"slices"

	"github.com/steppe-ml/steppe/net"
)

// Set is labelled samples in memory.
type Set struct {
	Name    string    // where it came from, as in "digits/train"
	Shape   net.Shape // of one sample
	Classes int       // labels are in [0, Classes)
	X       []float32 // [Len, Shape...]
	Labels  []int32   // [Len]
}

// Len returns the number of samples.
func (s *Set) Len() int { return len(s.Labels) }

// Head returns the first n samples, or all of them if there are fewer. They
// share the memory of s.
func (s *Set) Head(n int) *Set {
	head := *s
	batch := s.Range(0, min(n, s.Len()))
	head.X, head.Labels = batch.X, batch.Labels
	return &head
}

// Range returns n consecutive samples from first on, sharing the memory of s.
// It panics like a slice expression if they are not all there.
func (s *Set) Range(first, n int) net.Batch {
	size := s.Shape.Size()
	// The third index bounds by length, where a plain slice would go on to the capacity.
	labels := s.Labels[first : first+n : s.Len()]
	x := s.X[first*size : (first+n)*size]
	return net.Batch{N: n, X: slices.Clip(x), Labels: slices.Clip(labels)}
}

// Batches returns one epoch: every sample once, size at a time, the last batch
// being short if size does not divide Len. The order depends on seed, epoch and
// Len alone, and is the same on every platform.
//
// A batch is valid until the next iteration, which reuses its memory. All
// allocation is at the start of the epoch. Batches panics if size is not positive.
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
	return net.Batch{N: n, X: make([]float32, n*s.Shape.Size()), Labels: make([]int32, n)}
}

// gather copies the samples of those indices to the memory of a batch, which
// has room for as many or more, and returns the batch of them.
func (s *Set) gather(memory net.Batch, indices []int) net.Batch {
	n, size := len(indices), s.Shape.Size()
	batch := net.Batch{N: n, X: memory.X[:n*size], Labels: memory.Labels[:n]}
	for i, from := range indices {
		copy(batch.X[i*size:][:size], s.X[from*size:])
		batch.Labels[i] = s.Labels[from]
	}
	return batch
}
