package dataset

import (
	"cmp"
	"fmt"
	"iter"
	"slices"

	"github.com/steppe-ml/steppe/net"
)

// Loader makes the batches of a training set while the model computes: during each step, one
// goroutine gathers and augments the next batch. If the set streams, several read its samples. The
// batches have the same bits either way.
//
// The contents of a batch depend only on the fields, the epoch and the number of the batch in it.
// They don't depend on time, on workers or on earlier batches. So training can go on where it
// stopped, and without augmentation and buckets the batches equal those of Set.Batches. The random
// bits that augment a sample come from the seed, the epoch, the sample's index in Set and the
// augmentation's index in Augment. They stay the same if the batch size changes, or if other
// augmentations are appended.
type Loader struct {
	Set     *Set           // nobody may write to it while batches are made
	Batch   int            // samples of a batch
	Seed    uint64         // of the order and of the augmentations
	Augment []Augmentation // applied to each sample, in this order
	// DropLast leaves out the last batch of an epoch if it is short. Batch normalization takes
	// its statistics from the batch, and those of a few samples are poor ones. Each epoch
	// leaves out other samples.
	DropLast bool
	// Bucket, if not 0, puts texts of similar length into one batch: the samples of each Bucket
	// batches, which are chosen at random, are sorted by length, and all batches of the epoch
	// are shuffled. A short last batch is left as it is, behind the others. It saves no time,
	// since there is no padding to save: steps on text-tiny take as long with 4, with 16 and
	// without, to a percent. It is for those who want samples of a batch, and the shards of
	// mSAM, to be alike.
	Bucket int
	// Own, if not nil, says of a batch of so many samples which of them are read and augmented: those
	// from from up to to. X of the others isn't written; labels, targets and texts are all there.
	// It is for processes that share batches, as sam.Optimizer.Own says.
	Own func(samples int) (from, to int)
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
	if l.Bucket < 0 {
		return fmt.Errorf("dataset: Bucket is %d, want batches to sort by length, or 0 for none", l.Bucket)
	}
	if l.Bucket > 0 && !l.Set.IsText() {
		return fmt.Errorf("dataset: Bucket is %d, but the samples of %s are no texts, and have one size", l.Bucket, l.Set.Name)
	}
	if len(l.Augment) > 0 && l.Set.IsText() {
		return fmt.Errorf("dataset: Augment has %d augmentations, but %s is text, and they change pictures", len(l.Augment), l.Set.Name)
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
func (l Loader) Epoch(epoch uint64) iter.Seq2[net.Batch, error] { return l.From(epoch, 0) }

// From returns the batches of an epoch from batch number first on, as they are in the whole epoch;
// none if first is Batches or more. A sample that can't be read, which only a set that streams can
// have, ends the loop with its error, and an empty batch.
//
// A batch is valid until the next iteration, which reuses its memory. The caller may write to it.
// The goroutines end with the loop, also if the loop ends early. From allocates memory for two
// batches at the start; a batch of a set in memory allocates nothing.
//
// From panics with the error of Validate if there is one, and if first is negative. If an
// augmentation or the Samples panic, the loop panics with the same value where it asks for that
// batch.
func (l Loader) From(epoch uint64, first int) iter.Seq2[net.Batch, error] {
	if err := l.Validate(); err != nil {
		panic(err)
	}
	if first < 0 {
		panic(fmt.Sprintf("dataset: batch number %d is negative", first))
	}
	return ahead{
		set: l.Set, size: l.Batch, first: first, batches: l.Batches(),
		order: func() []int { return l.order(epoch) },
		own:   l.Own,
		change: func(x []float32, indices []int, random *Random) {
			l.augment(x, indices, epoch, random)
		},
	}.seq()
}

// order returns the samples of an epoch in their order.
func (l Loader) order(epoch uint64) []int {
	order := permutation(l.Set.Len(), l.Seed, epoch)
	if l.Bucket == 0 {
		return order
	}
	full := l.Set.Len() / l.Batch
	window := min(l.Bucket, full) * l.Batch // without overflow
	for samples := range slices.Chunk(order[:full*l.Batch], max(1, window)) {
		slices.SortStableFunc(samples, func(a, b int) int { return cmp.Compare(l.Set.length(a), l.Set.length(b)) })
	}
	var shuffle Random
	shuffle.start(l.Seed, epoch, 0, forBuckets)
	shuffled := make([]int, 0, len(order))
	for _, batch := range shuffle.permutation(full) {
		shuffled = append(shuffled, order[batch*l.Batch:][:l.Batch]...)
	}
	return append(shuffled, order[full*l.Batch:]...)
}

// augment augments the samples in x, which are copies of those at indices in Set.
func (l Loader) augment(x []float32, indices []int, epoch uint64, random *Random) {
	if len(l.Augment) == 0 {
		return
	}
	shape := l.Set.Shape
	size := shape.Size()
	for i, index := range indices {
		sample := x[i*size:][:size]
		for place, augmentation := range l.Augment {
			random.start(l.Seed, epoch, uint64(index), forAugment+uint64(place))
			augmentation.Apply(sample, shape, random)
		}
	}
}
