package dataset

import (
	"fmt"
	"iter"
	"slices"

	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/net"
)

// Set is samples: with Labels to classify, with Targets to regress. They are in memory in X, or are
// read from Samples when they are needed; labels and targets are in memory always.
//
// Samples of text are in memory in Tokens, in place of X. Such a set may have neither labels nor
// targets: a language model learns to predict the tokens themselves.
type Set struct {
	Name       string    // where it came from, as in "digits/train"
	Shape      net.Shape // of one sample; of text {the most tokens that a sample may have}
	Classes    int       // labels are in [0, Classes); 0 without labels
	ClassNames []string  // [Classes]; nil if they are unknown
	X          []float32 // [Len, Shape...], or nil if the set streams from Samples
	Samples    Samples   // of a set that streams; unused if there is X
	Labels     []int32   // [Len], or nil
	Targets    []float32 // [Len, ...]: the same number for each sample, or nil
	Input      *Input    // how data became samples, to treat new data alike; nil if unknown

	Tokens     []int32 // of text: token ids, sample behind sample, without padding
	Starts     []int   // of text [Len+1]: where the tokens of each sample begin, from 0 on, and the end
	Segments   []uint8 // of text: for each token 0, or 1 in a second text; nil if all are 0
	Vocabulary int     // of text: token ids are in [0, Vocabulary)
	Lost       []int32 // of text [Len]: how many tokens a text was too long by, which were left out; nil if none was
	Documents  []int32 // of text [Len]: samples of one number come from one document; nil if each has its own
}

// Cut returns how many texts were too long, and how many tokens they lost together.
func (s *Set) Cut() (texts, tokens int) {
	for _, lost := range s.Lost {
		if lost > 0 {
			texts, tokens = texts+1, tokens+int(lost)
		}
	}
	return texts, tokens
}

// IsText reports whether the samples are texts.
func (s *Set) IsText() bool { return s.Starts != nil }

// Streams reports whether the samples are read from Samples when they are needed.
func (s *Set) Streams() bool { return s.X == nil && s.Samples != nil && !s.IsText() }

// Len returns the number of samples.
func (s *Set) Len() int {
	switch {
	case s.Labels != nil:
		return len(s.Labels)
	case s.Streams():
		return s.Samples.Len()
	case s.IsText():
		return len(s.Starts) - 1
	case s.Shape.Validate() == nil:
		return len(s.X) / s.Shape.Size()
	}
	return 0
}

// targets returns the number of targets of a sample.
func (s *Set) targets() int { return len(s.Targets) / max(1, s.Len()) }

// Head returns the first n samples, or all of them if there are fewer. They share the memory of s.
func (s *Set) Head(n int) *Set {
	head := *s
	n = min(n, s.Len())
	head.Labels, head.Targets = part(s.Labels, 0, n, s.Len(), 1), part(s.Targets, 0, n, s.Len(), s.targets())
	switch {
	case s.Streams():
		head.Samples = first{s, n}
	case s.IsText():
		head.Tokens, head.Segments, head.Starts = s.texts(0, n)
		head.Lost, head.Documents = part(s.Lost, 0, n, s.Len(), 1), part(s.Documents, 0, n, s.Len(), 1)
	default:
		head.X = part(s.X, 0, n, s.Len(), s.Shape.Size())
	}
	return &head
}

// Range returns n consecutive samples from first on, sharing the memory of s. It panics like a
// slice expression if they are not all there, and if s streams: InOrder reads any set.
func (s *Set) Range(first, n int) net.Batch {
	if s.Streams() {
		panic(fmt.Sprintf("dataset: %s streams, so Range has no memory to share, want InOrder", s.Name))
	}
	batch := net.Batch{
		N: n, Labels: part(s.Labels, first, n, s.Len(), 1), Targets: part(s.Targets, first, n, s.Len(), s.targets()),
	}
	if s.IsText() {
		batch.Tokens, batch.Segments, batch.Starts = s.texts(first, n)
	} else {
		batch.X = part(s.X, first, n, s.Len(), s.Shape.Size())
	}
	return batch
}

// part returns the values of n samples from first on, of a set of length samples, each with size
// values; nil for nil. Bounds are those of a slice expression on length samples.
func part[T any](values []T, first, n, length, size int) []T {
	if values == nil {
		return nil
	}
	checkRange(first, n, length)
	return slices.Clip(values[first*size : (first+n)*size])
}

// checkRange panics unless n samples from first on are among length samples.
func checkRange(first, n, length int) {
	if first < 0 || n < 0 || first > length || n > length-first {
		panic(fmt.Sprintf("dataset: samples %d to %d+%d are out of range of %d samples", first, first, n, length))
	}
}

// InOrder returns all samples in their order, size at a time; the last batch may be short. The
// batches of a set in memory share its memory. Those of a set that streams are read by several
// goroutines while the loop works on the batch before, and are valid until the next iteration. A
// sample that can't be read ends the loop with its error, and an empty batch.
//
// InOrder panics if size is not positive.
func (s *Set) InOrder(size int) iter.Seq2[net.Batch, error] {
	if size <= 0 {
		panic(fmt.Sprintf("dataset: batch size %d is not positive", size))
	}
	if s.Streams() {
		return ahead{set: s, size: size, batches: num.CeilDiv(s.Len(), size)}.seq()
	}
	return func(yield func(net.Batch, error) bool) {
		for first := 0; first < s.Len(); first += size {
			if !yield(s.Range(first, min(size, s.Len()-first)), nil) {
				return
			}
		}
	}
}

// Batches returns one epoch: every sample once, size at a time. The last batch is short if size
// does not divide Len. The order depends on seed, epoch and Len alone, and is the same on every
// platform. A sample that can't be read ends the loop with its error, and an empty batch; samples
// in memory can always be read.
//
// A batch is valid until the next iteration, which reuses its memory. For a set in memory all
// allocation is at the start of the epoch. Batches panics if size is not positive. A [Loader] makes
// the same batches while the loop works.
func (s *Set) Batches(size int, seed, epoch uint64) iter.Seq2[net.Batch, error] {
	if size <= 0 {
		panic(fmt.Sprintf("dataset: batch size %d is not positive", size))
	}
	return func(yield func(net.Batch, error) bool) {
		order := permutation(s.Len(), seed, epoch)
		memory := s.batch(min(size, s.Len()))
		r := newReader(s)
		for part := range slices.Chunk(order, size) {
			batch, err := r.read(memory, part)
			if !yield(batch, err) || err != nil {
				return
			}
		}
	}
}

// batch returns memory for n samples of s.
func (s *Set) batch(n int) net.Batch {
	batch := net.Batch{N: n}
	if s.IsText() {
		s.textMemory(&batch)
	} else {
		batch.X = make([]float32, n*s.Shape.Size())
	}
	if s.Labels != nil {
		batch.Labels = make([]int32, n)
	}
	if s.Targets != nil {
		batch.Targets = make([]float32, n*s.targets())
	}
	return batch
}

// gather copies the labels and targets of the samples at indices to the memory of a batch, which
// has room for at least as many, and returns the batch of them, with their tokens if they are
// texts. Its X isn't filled in yet.
func (s *Set) gather(memory net.Batch, indices []int) net.Batch {
	n, targets := len(indices), s.targets()
	batch := net.Batch{N: n}
	if s.IsText() {
		s.gatherTexts(&batch, memory, indices)
	} else {
		batch.X = memory.X[:n*s.Shape.Size()]
	}
	if s.Labels != nil {
		batch.Labels = memory.Labels[:n]
		for i, from := range indices {
			batch.Labels[i] = s.Labels[from]
		}
	}
	if s.Targets != nil {
		batch.Targets = memory.Targets[:n*targets]
		for i, from := range indices {
			copy(batch.Targets[i*targets:][:targets], s.Targets[from*targets:])
		}
	}
	return batch
}
