package dataset

import (
	"encoding/binary"
	"hash/crc32"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net"
)

// bySample returns the images of an epoch by label, which is the index in the set.
func bySample(f Loader, epoch uint64) map[int32][]float32 {
	images := map[int32][]float32{}
	for _, batch := range collect(f.Epoch(epoch)) {
		size := len(batch.X) / batch.N
		for i, label := range batch.Labels {
			images[label] = batch.X[i*size:][:size]
		}
	}
	return images
}

// What a sample becomes depends on nothing but seed, epoch, index and augmentations.
func TestLoaderAugmentsBySample(t *testing.T) {
	s := marked(net.Shape{6, 5, 3}, 40)
	before := slices.Clone(s.X)
	loader := Loader{Set: s, Batch: 8, Seed: 1, Augment: everything[:2]}
	images := bySample(loader, 4)
	require.Len(t, images, 40)
	assert.Equal(t, before, s.X, "the set stays")

	other := loader
	other.Batch = 13
	assert.Equal(t, images, bySample(other, 4), "the batch size does not matter")

	other = loader
	other.Set = s.Head(20)
	for label, image := range bySample(other, 4) {
		assert.Equal(t, images[label], image, "nor do the other samples, for sample %d", label)
	}

	cut := loader
	cut.Augment = everything
	for label, image := range bySample(cut, 4) {
		for i, x := range image {
			if x != 0 && x != images[label][i] { // zero is cut out
				t.Fatalf("an augmentation that comes later changed sample %d", label)
			}
		}
	}

	// Of 50 ways to crop and flip, few samples can have met the same twice.
	differs := func(a, b map[int32][]float32) (count int) {
		for label := range a {
			if !slices.Equal(a[label], b[label]) {
				count++
			}
		}
		return count
	}
	assert.Greater(t, differs(images, bySample(loader, 5)), 30, "another epoch")
	other = loader
	other.Seed = 2
	assert.Greater(t, differs(images, bySample(other, 4)), 30, "another seed")
}

// Samples, and places of Augment, have bits of their own: half of the samples end up flipped by any
// number of flips. With shared bits it would be all or none.
func TestLoaderAugmentsApart(t *testing.T) {
	const n = 2000
	s := &Set{Name: "pairs", Shape: net.Shape{1, 2, 1}, Classes: 1, Labels: make([]int32, n)}
	for range n {
		s.X = append(s.X, 1, 2)
	}
	for flips := 1; flips <= 3; flips++ {
		loader := Loader{Set: s, Batch: n, Augment: slices.Repeat([]Augmentation{Flip{}}, flips)}
		flipped := 0
		for i, x := range collect(loader.Epoch(0))[0].X {
			if i%2 == 0 && x == 2 {
				flipped++
			}
		}
		assert.InDelta(t, n/2, flipped, 6*math.Sqrt(n/4), "%d flips", flips)
	}
}

// A recorded epoch: it must hold on every platform and with every Go release.
func TestLoaderRecorded(t *testing.T) {
	sum := crc32.NewIEEE()
	for batch := range (Loader{Set: marked(net.Shape{8, 7, 3}, 50), Batch: 16, Seed: 1, Augment: everything}).Epoch(3) {
		require.NoError(t, binary.Write(sum, binary.LittleEndian, batch.Labels))
		require.NoError(t, binary.Write(sum, binary.LittleEndian, batch.X))
	}
	assert.Equal(t, uint32(0x13601c4), sum.Sum32())
}
