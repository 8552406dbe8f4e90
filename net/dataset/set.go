// Package dataset holds labelled samples in memory and reads them from where
// they are kept. [Open] takes the names that [Sources] lists.
package dataset

import (
	"encoding/binary"
	"fmt"
	"iter"
	"math/bits"
	"math/rand/v2"
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
		size, sample := min(size, s.Len()), s.Shape.Size()
		x := make([]float32, size*sample)
		labels := make([]int32, size)
		for len(order) > 0 {
			n := min(size, len(order))
			for i, from := range order[:n] {
				copy(x[i*sample:(i+1)*sample], s.X[from*sample:])
				labels[i] = s.Labels[from]
			}
			if !yield(net.Batch{N: n, X: x[:n*sample], Labels: labels[:n]}) {
				return
			}
			order = order[n:]
		}
	}
}

// permutation shuffles 0..n-1 by Fisher and Yates (Knuth, TAOCP vol. 2, algorithm P).
func permutation(n int, seed, epoch uint64) []int {
	random := newRandom(seed, epoch)
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	for i := n - 1; i > 0; i-- {
		j := random.below(i + 1)
		order[i], order[j] = order[j], order[i]
	}
	return order
}

// random is a stream of random bits. ChaCha8, because neighbouring seeds and
// epochs are the rule here and its streams are unrelated even so.
type random struct{ *rand.ChaCha8 }

func newRandom(seed, stream uint64) random {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[0:], seed)
	binary.LittleEndian.PutUint64(key[8:], stream)
	return random{rand.NewChaCha8(key)}
}

// below returns a number in [0, n). It takes one draw whatever n is and however
// wide an int is, which rand.Rand does not promise; the bias is at most n/2^64.
func (r random) below(n int) int {
	high, _ := bits.Mul64(r.Uint64(), uint64(n))
	return int(high)
}
