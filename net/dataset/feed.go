package dataset

import (
	"fmt"
	"iter"

	"github.com/steppe-ml/steppe/net"
)

// Feed makes the batches of a training set while the model computes: one
// goroutine gathers and augments the next batch during the step on the last.
//
// What a batch holds depends on the fields, the epoch and the batch's number in
// it, and on nothing else: not on time, on a worker, or on what was made before.
// So training can go on where it stopped, and with no augmentation the batches
// are those of Set.Batches. The bits that augment a sample are those of seed,
// epoch, the sample's index in Set, and the augmentation's place in Augment: they
// stay the same if the batch size changes or other augmentations are appended.
type Feed struct {
	Set   *Set // [Len, Shape...], not to be written to while batches are made
	Batch int  // samples of a batch
	Seed  uint64
	// Augment is what is done to each sample, in that order.
	Augment []Augmentation
	// DropLast leaves out the last batch of an epoch if it is short. Batch
	// normalisation takes its moments from the batch, and those of a few samples
	// are poor ones. Other samples are left out each epoch.
	DropLast bool
}

// Check returns an error if the fields don't fit each other. It doesn't read the
// set's values, which Set.Check does.
func (f Feed) Check() error {
	if f.Set == nil {
		return fmt.Errorf("dataset: Feed has no Set")
	}
	if err := f.Set.checkSizes(); err != nil {
		return err
	}
	if f.Batch < 1 {
		return fmt.Errorf("dataset: Batch is %d, want at least 1", f.Batch)
	}
	if f.DropLast && f.Batch > f.Set.Len() {
		return fmt.Errorf("dataset: Batch is %d, but %s has %d samples, so that DropLast leaves no batch",
			f.Batch, f.Set.Name, f.Set.Len())
	}
	for i, augmentation := range f.Augment {
		if augmentation == nil {
			return fmt.Errorf("dataset: Augment[%d] is nil", i)
		}
		if err := augmentation.Check(f.Set.Shape); err != nil {
			return fmt.Errorf("dataset: Augment[%d]: %w", i, err)
		}
	}
	return nil
}

// Batches returns the number of batches of an epoch, for a Feed that Check accepts.
func (f Feed) Batches() int {
	full := f.Set.Len() / f.Batch
	if f.DropLast || f.Set.Len()%f.Batch == 0 {
		return full
	}
	return full + 1
}

// Epoch returns the batches of an epoch: From its first.
func (f Feed) Epoch(epoch uint64) iter.Seq[net.Batch] { return f.From(epoch, 0) }

// From returns the batches of an epoch from batch number first on, as they are
// in the whole epoch; none if first is Batches or more.
//
// A batch is valid until the next iteration, which reuses its memory, and may be
// written to. The goroutine ends with the loop, also one that ends early. There
// is memory for two batches, allocated at the start; a batch allocates nothing.
//
// From panics with the error of Check if there is one, and if first is negative.
func (f Feed) From(epoch uint64, first int) iter.Seq[net.Batch] {
	if err := f.Check(); err != nil {
		panic(err)
	}
	if first < 0 {
		panic(fmt.Sprintf("dataset: batch number %d is negative", first))
	}
	return func(yield func(net.Batch) bool) {
		const buffers = 2 // one is the consumer's while the other is made
		empty, full := make(chan net.Batch, buffers), make(chan net.Batch, buffers)
		for range buffers {
			empty <- f.Set.batch(min(f.Batch, f.Set.Len()))
		}
		go f.fill(epoch, first, empty, full)
		defer func() {
			close(empty)
			for range full { // until fill has returned, so that nobody reads Set any more
			}
		}()
		for batch := range full {
			if !yield(batch) {
				return
			}
			empty <- batch
		}
	}
}

// fill makes batches from memory in empty, until the epoch or empty ends.
// Neither channel makes it wait but for memory, as they have room for all there is.
func (f Feed) fill(epoch uint64, first int, empty <-chan net.Batch, full chan<- net.Batch) {
	defer close(full)
	order := permutation(f.Set.Len(), f.Seed, epoch)
	var random Random
	for number := first; number < f.Batches(); number++ {
		memory, ok := <-empty
		if !ok {
			return
		}
		indices := order[number*f.Batch:]
		indices = indices[:min(f.Batch, len(indices))]
		batch := f.Set.gather(memory, indices)
		f.augment(batch, indices, epoch, &random)
		full <- batch
	}
}

// augment augments the samples of those indices, which batch has copies of.
func (f Feed) augment(batch net.Batch, indices []int, epoch uint64, random *Random) {
	shape := f.Set.Shape
	size := shape.Size()
	for i, index := range indices {
		sample := batch.X[i*size:][:size]
		for place, augmentation := range f.Augment {
			random.start(f.Seed, epoch, uint64(index), forAugment+uint64(place))
			augmentation.Apply(sample, shape, random)
		}
	}
}
