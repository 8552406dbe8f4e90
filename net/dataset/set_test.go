package dataset

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net"
)

// numbered returns n samples of two floats, sample i being (i, -i) with label i, in slices with
// capacity to spare.
func numbered(n int) *Set {
	s := &Set{Name: "numbered", Shape: net.Shape{2}, Classes: n, X: make([]float32, 0, 4*n+8), Labels: make([]int32, 0, 2*n+4)}
	for i := range n {
		s.X = append(s.X, float32(i), -float32(i))
		s.Labels = append(s.Labels, int32(i))
	}
	return s
}

// epoch returns the labels of one epoch in order, and the batches' sizes.
func epoch(t *testing.T, s *Set, size int, seed, epoch uint64) (labels []int32, sizes []int) {
	for batch, err := range s.Batches(size, seed, epoch) {
		require.NoError(t, err)
		require.Len(t, batch.Labels, batch.N)
		require.Len(t, batch.X, batch.N*s.Shape.Size())
		require.Nil(t, batch.Targets)
		for i, label := range batch.Labels {
			require.Equal(t, []float32{float32(label), -float32(label)}, batch.X[2*i:2*i+2], "the sample that belongs to its label")
		}
		labels = append(labels, batch.Labels...)
		sizes = append(sizes, batch.N)
	}
	return labels, sizes
}

func TestBatches(t *testing.T) {
	for _, test := range []struct {
		name    string
		n, size int
		sizes   []int
	}{
		{"even", 12, 4, []int{4, 4, 4}},
		{"short last batch", 10, 4, []int{4, 4, 2}},
		{"one batch", 5, 5, []int{5}},
		{"size beyond the set", 3, math.MaxInt, []int{3}},
		{"single samples", 3, 1, []int{1, 1, 1}},
		{"single sample", 1, 8, []int{1}},
		{"empty", 0, 4, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := numbered(test.n)
			labels, sizes := epoch(t, s, test.size, 1, 2)
			assert.Equal(t, test.sizes, sizes)
			assert.ElementsMatch(t, s.Labels, labels, "every sample once")
		})
	}
}

func TestBatchesOrder(t *testing.T) {
	s := numbered(100)
	first, _ := epoch(t, s, 7, 1, 0)

	again, _ := epoch(t, s, 7, 1, 0)
	assert.Equal(t, first, again, "same seed and epoch")
	again, _ = epoch(t, s, 32, 1, 0)
	assert.Equal(t, first, again, "the batch size does not matter")
	again, _ = epoch(t, numbered(101).Head(100), 7, 1, 0)
	assert.Equal(t, first, again, "nor does the memory beyond the set")

	seen := [][]int32{s.Labels, first}
	for _, other := range [][2]uint64{{1, 1}, {2, 0}, {0, 1}, {0, 0}, {1 << 63, 0}, {1, 1 << 63}} {
		labels, _ := epoch(t, s, 7, other[0], other[1])
		for _, before := range seen {
			assert.NotEqual(t, before, labels, "seed %d, epoch %d", other[0], other[1])
		}
		seen = append(seen, labels)
	}

	// A recorded order: it must hold on every platform and with every Go release.
	labels, _ := epoch(t, numbered(16), 16, 1, 2)
	assert.Equal(t, []int32{1, 6, 4, 10, 0, 2, 14, 11, 5, 7, 15, 9, 12, 13, 8, 3}, labels)
}

// Over many epochs each sample comes first equally often. The bound is six standard deviations of a
// binomial count.
func TestBatchesAreFair(t *testing.T) {
	const n, epochs = 8, 8000
	var counts [n]float64
	for epoch := range uint64(epochs) {
		counts[permutation(n, 5, epoch)[0]]++
	}
	deviation := math.Sqrt(epochs * (1.0 / n) * (1 - 1.0/n))
	for i, count := range counts {
		assert.InDelta(t, epochs/n, count, 6*deviation, "sample %d", i)
	}
}

func TestBatchesStopEarly(t *testing.T) {
	count := 0
	for range numbered(10).Batches(2, 0, 0) {
		if count++; count == 2 {
			break
		}
	}
	assert.Equal(t, 2, count)
}

func TestBatchesPanicOnSize(t *testing.T) {
	for _, size := range []int{0, -3} {
		assert.Panics(t, func() { numbered(4).Batches(size, 0, 0) }, "size %d", size)
	}
}

func TestBatchesAllocatePerEpochOnly(t *testing.T) {
	s := numbered(512)
	allocations := func(size int) float64 {
		return testing.AllocsPerRun(10, func() {
			for batch := range s.Batches(size, 3, 4) {
				_ = batch
			}
		})
	}
	one := allocations(s.Len())
	assert.Equal(t, one, allocations(1), "512 batches against one")
	assert.LessOrEqual(t, one, 8.0)
}

func TestRange(t *testing.T) {
	s := numbered(6)
	batch := s.Range(2, 3)
	assert.Equal(t, net.Batch{N: 3, X: []float32{2, -2, 3, -3, 4, -4}, Labels: []int32{2, 3, 4}}, batch)
	assert.Same(t, &s.X[4], &batch.X[0], "shared memory")
	assert.Zero(t, s.Range(6, 0).N)

	_ = append(batch.Labels, 99)
	_ = append(batch.X, 99)
	assert.Equal(t, numbered(6), s, "appending to a batch leaves the set alone")

	for _, bad := range [][2]int{{-1, 2}, {0, 7}, {5, 2}, {7, 0}, {3, -1}, {1, math.MaxInt}} {
		assert.Panics(t, func() { s.Range(bad[0], bad[1]) }, "%v", bad)
	}
	assert.Zero(t, testing.AllocsPerRun(10, func() { batch = s.Range(1, 4) }))
}

func TestHead(t *testing.T) {
	s := numbered(6)
	head := s.Head(4)
	assert.Equal(t, s.Labels[:4], head.Labels)
	assert.Equal(t, s.X[:8], head.X)
	assert.Equal(t, []any{s.Name, s.Shape, s.Classes}, []any{head.Name, head.Shape, head.Classes})
	assert.Equal(t, 6, s.Len(), "the set itself stays whole")
	assert.Panics(t, func() { head.Range(0, 5) }, "what was left out stays out of reach")

	assert.Equal(t, s, s.Head(7))
	assert.Zero(t, s.Head(0).Len())
}
