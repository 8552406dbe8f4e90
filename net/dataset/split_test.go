package dataset

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSplit(t *testing.T) {
	s := numbered(100)
	s.Name = "numbered/train"
	for _, n := range []int{1, 10, 50, 99} {
		rest, held, err := s.Split(n, 1)
		require.NoError(t, err)
		assert.Equal(t, []string{"numbered/train", "numbered/validation"}, []string{rest.Name, held.Name})
		assert.Equal(t, []int{100 - n, n}, []int{rest.Len(), held.Len()})
		assert.ElementsMatch(t, s.Labels, slices.Concat(rest.Labels, held.Labels), "every sample once")
		for _, part := range []*Set{rest, held} {
			require.NoError(t, part.Validate())
			assert.Equal(t, []any{s.Shape, s.Classes}, []any{part.Shape, part.Classes})
			assert.True(t, slices.IsSorted(part.Labels), "in the order of the set")
			for i, label := range part.Labels {
				require.Equal(t, []float32{float32(label), -float32(label)}, part.X[2*i:2*i+2])
			}
			part.X[0], part.Labels[0] = 77, 77
		}
	}
	want := numbered(100)
	want.Name = s.Name
	assert.Equal(t, want, s, "copies")
}

func TestSplitSeed(t *testing.T) {
	s := numbered(40)
	_, held, err := s.Split(8, 1)
	require.NoError(t, err)
	assert.Equal(t, "numbered/validation", held.Name)
	_, again, _ := s.Split(8, 1)
	assert.Equal(t, held, again)
	_, other, _ := s.Split(8, 2)
	assert.NotEqual(t, held.Labels, other.Labels)

	// Recorded: it must hold on every platform and with every Go release.
	assert.Equal(t, []int32{9, 14, 23, 25, 26, 27, 28, 29}, held.Labels)

	var counts [10]float64
	const splits = 4000
	for seed := range uint64(splits) {
		_, held, _ := numbered(10).Split(3, seed)
		for _, label := range held.Labels {
			counts[label]++
		}
	}
	for label, count := range counts {
		assert.InDelta(t, splits*0.3, count, 6*math.Sqrt(splits*0.3*0.7), "sample %d", label)
	}
}

func TestSplitErrors(t *testing.T) {
	for _, n := range []int{-1, 0, 4, 5, math.MaxInt, math.MinInt} {
		rest, held, err := numbered(4).Split(n, 1)
		assert.Nil(t, rest)
		assert.Nil(t, held)
		assert.ErrorContains(t, err, "of the 4 samples of numbered, want at least 1 and fewer than all")
	}
}

// A subset has the classes' shares, rounded by largest remainders, and other samples for another
// seed.
func TestSubset(t *testing.T) {
	counts := func(s *Set) []int {
		c := make([]int, s.Classes)
		for _, label := range s.Labels {
			c[label]++
		}
		return c
	}
	s := numbered(100)
	s.Classes = 4
	for i := range s.Labels {
		s.Labels[i] = int32([]int{0, 0, 0, 0, 0, 1, 1, 1, 3, 3}[i%10]) // 50, 30, 0, 20
	}
	for n, want := range map[int][]int{
		1: {1, 0, 0, 0}, 2: {1, 1, 0, 0}, 3: {1, 1, 0, 1}, 10: {5, 3, 0, 2}, 13: {6, 4, 0, 3}, 50: {25, 15, 0, 10}, 99: {49, 30, 0, 20}, 100: {50, 30, 0, 20},
	} {
		subset, err := s.Subset(n, 1)
		require.NoError(t, err)
		require.NoError(t, subset.Validate())
		assert.Equal(t, want, counts(subset), "%d samples", n)
		before := -1
		for i, label := range subset.Labels {
			at := int(subset.X[2*i])
			require.Greater(t, at, before, "in the order of the set, each once")
			require.Equal(t, s.Labels[at], label)
			before = at
		}
	}
	first := func(seed uint64) []float32 {
		subset, err := s.Subset(6, seed)
		require.NoError(t, err)
		return subset.X
	}
	assert.Equal(t, first(1), first(1))
	assert.NotEqual(t, first(1), first(2))
	chosen, kept := first(1), s.X[0]
	chosen[0] = 77
	assert.Equal(t, kept, s.X[0], "copies")

	for _, n := range []int{-1, 0, 101, math.MaxInt} {
		_, err := s.Subset(n, 1)
		assert.ErrorContains(t, err, "of the 100 samples of numbered, want at least 1 and no more than there are")
	}
	s.Labels[3] = 4
	_, err := s.Subset(2, 1)
	assert.ErrorContains(t, err, "label of sample 3 is 4, want 0 to 3")
}

// Spread takes samples at even distances, whatever they are: those of data in the order of its
// classes have the classes' shares.
func TestSpread(t *testing.T) {
	s := numbered(100)
	for n, want := range map[int][]int32{
		1: {0}, 3: {0, 33, 66}, 4: {0, 25, 50, 75}, 7: {0, 14, 28, 42, 57, 71, 85}, 100: s.Labels,
	} {
		spread, err := s.Spread(n)
		require.NoError(t, err)
		require.NoError(t, spread.Validate())
		assert.Equal(t, want, spread.Labels)
		assert.Equal(t, float32(want[n-1]), spread.X[2*(n-1)])
		spread.X[0] = 77
		assert.Zero(t, s.X[0], "a copy")
	}
	for _, n := range []int{-1, 0, 101, math.MaxInt} {
		_, err := s.Spread(n)
		assert.ErrorContains(t, err, "of the 100 samples of numbered, want at least 1 and no more than there are")
	}
}
