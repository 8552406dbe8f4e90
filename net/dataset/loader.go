package dataset

import (
	"fmt"
	"iter"
	"runtime/debug"

	"github.com/steppe-ml/steppe/net"
)

// Loader makes the batches of a training set while the model computes: during each step, one
// goroutine gathers and augments the next batch.
//
// The contents of a batch depend only on the fields, the epoch and the number of the batch in it.
// They don't depend on time, on workers or on earlier batches. So training can go on where it
// stopped, and without augmentation the batches equal those of Set.Batches. The random bits that
// augment a sample come from the seed, the epoch, the sample's index in Set and the augmentation's
// index in Augment. They stay the same if the batch size changes, or if other augmentations are
// appended.
type Loader struct {
	Set     *Set           // nobody may write to it while batches are made
	Batch   int            // samples of a batch
	Seed    uint64         // of the order and of the augmentations
	Augment []Augmentation // applied to each sample, in this order
	// DropLast leaves out the last batch of an epoch if it is short. Batch normalization takes
	// its statistics from the batch, and those of a few samples are poor ones. Each epoch
	// leaves out other samples.
	DropLast bool
}

// Validate returns an error if the fields don't fit each other. It doesn't read the set's values,
// as Set.Validate does.
func (l Loader) Validate() error {
	if l.Set == nil {
		return fmt.Errorf("dataset: Loader has no Set")
	}
	if err := l.Set.validateSizes(); err != nil {
		return err
	}
	if l.Batch < 1 {
		return fmt.Errorf("dataset: Batch is %d, want at least 1", l.Batch)
	}
	if l.DropLast && l.Batch > l.Set.Len() {
		return fmt.Errorf("dataset: Batch is %d, but %s has %d samples, so that DropLast leaves no batch",
			l.Batch, l.Set.Name, l.Set.Len())
	}
	for i, augmentation := range l.Augment {
		if augmentation == nil {
			return fmt.Errorf("dataset: Augment[%d] is nil", i)
		}
		if err := augmentation.Validate(l.Set.Shape); err != nil {
			return fmt.Errorf("dataset: Augment[%d]: %w", i, err)
		}
	}
	return nil
}

// Batches returns the number of batches of an epoch, for a Loader that Validate accepts.
func (l Loader) Batches() int {
	full := l.Set.Len() / l.Batch
	if l.DropLast || l.Set.Len()%l.Batch == 0 {
		return full
	}
	return full + 1
}

// Samples returns the number of samples of an epoch, for a Loader that Validate accepts.
func (l Loader) Samples() int {
	if l.DropLast {
		return l.Batches() * l.Batch
	}
	return l.Set.Len()
}

// Epoch returns all batches of an epoch. It is From with first 0.
func (l Loader) Epoch(epoch uint64) iter.Seq[net.Batch] { return l.From(epoch, 0) }

// From returns the batches of an epoch from batch number first on, as they are in the whole epoch;
// none if first is Batches or more.
//
// A batch is valid until the next iteration, which reuses its memory. The caller may write to it.
// The goroutine ends with the loop, also if the loop ends early. From allocates memory for two
// batches at the start; a batch allocates nothing.
//
// From panics with the error of Validate if there is one, and if first is negative. If an
// augmentation panics, the loop panics with the same value where it asks for that batch.
func (l Loader) From(epoch uint64, first int) iter.Seq[net.Batch] {
	if err := l.Validate(); err != nil {
		panic(err)
	}
	if first < 0 {
		panic(fmt.Sprintf("dataset: batch number %d is negative", first))
	}
	return func(yield func(net.Batch) bool) {
		const buffers = 2 // the consumer has one while fill works on the other
		empty, full := make(chan net.Batch, buffers), make(chan net.Batch, buffers)
		for range buffers {
			empty <- l.Set.batch(min(l.Batch, l.Set.Len()))
		}
		var failed failure // read it only after full is closed
		go l.fill(epoch, first, empty, full, &failed)
		defer func() {
			close(empty)
			for range full { // until fill has returned and no longer reads Set
			}
		}()
		for batch := range full {
			if !yield(batch) {
				return
			}
			empty <- batch
		}
		failed.panic()
	}
}

// failure is how fill has ended if it hasn't made all batches that it was asked for. The zero
// value is no failure.
type failure struct {
	value any
	stack []byte // of the panic
}

// panic panics with f's value, if there is one. A program that ends by it prints both panics, so
// the first one has the stack for it; recover returns the second.
func (f *failure) panic() {
	if f.value == nil {
		return
	}
	defer panic(f.value)
	panic(fmt.Sprintf("dataset: the goroutine that makes the batches panicked:\n%s", f.stack))
}

// fill makes batches in the memory that it takes from empty, until the epoch or empty ends.
// It waits for memory only: the channels have room for all batches. A panic goes to failed before
// full is closed.
func (l Loader) fill(epoch uint64, first int, empty <-chan net.Batch, full chan<- net.Batch, failed *failure) {
	finished := false
	defer func() {
		if value := recover(); value != nil {
			*failed = failure{value, debug.Stack()}
		} else if !finished {
			*failed = failure{"dataset: an augmentation ended its goroutine by runtime.Goexit", debug.Stack()}
		}
		close(full)
	}()
	order := permutation(l.Set.Len(), l.Seed, epoch)
	var random Random
	for number := first; number < l.Batches(); number++ {
		memory, ok := <-empty
		if !ok {
			break
		}
		indices := order[number*l.Batch:]
		indices = indices[:min(l.Batch, len(indices))]
		batch := l.Set.gather(memory, indices)
		l.augment(batch, indices, epoch, &random)
		full <- batch
	}
	finished = true
}

// augment augments the samples of a batch, which are copies of those at indices in Set.
func (l Loader) augment(batch net.Batch, indices []int, epoch uint64, random *Random) {
	shape := l.Set.Shape
	size := shape.Size()
	for i, index := range indices {
		sample := batch.X[i*size:][:size]
		for place, augmentation := range l.Augment {
			random.start(l.Seed, epoch, uint64(index), forAugment+uint64(place))
			augmentation.Apply(sample, shape, random)
		}
	}
}
