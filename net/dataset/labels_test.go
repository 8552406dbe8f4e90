package dataset

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net"
)

// changed returns the samples whose labels differ between a and b.
func changed(a, b *Set) (indices []int) {
	for i := range a.Labels {
		if a.Labels[i] != b.Labels[i] {
			indices = append(indices, i)
		}
	}
	return indices
}

// With as many classes as a 32-bit label allows, no redrawn label stays by chance, so that what
// differs is what was drawn.
func TestNoisyLabelsCount(t *testing.T) {
	for _, test := range []struct {
		n        int
		fraction float64
		want     int
	}{
		{1000, 0, 0}, {1000, 0.2, 200}, {1000, 0.4, 400}, {1000, 1, 1000},
		{7, 0.5, 4}, {7, 0.49, 3}, {3, 0.1, 0}, {1, 0.5, 1}, {1000, 1e-300, 0}, {0, 0.5, 0},
	} {
		s := Synthetic(net.Shape{1}, math.MaxInt32, test.n, 1)
		noisy, err := s.NoisyLabels(test.fraction, 5)
		require.NoError(t, err)
		assert.Len(t, changed(s, noisy), test.want, "%g of %d", test.fraction, test.n)
	}
}

func TestNoisyLabels(t *testing.T) {
	const n, classes, fraction = 40000, 4, 0.4
	s := Synthetic(net.Shape{2}, classes, n, 1)
	before := slices.Clone(s.Labels)
	noisy, err := s.NoisyLabels(fraction, 3)
	require.NoError(t, err)
	assert.Equal(t, before, s.Labels, "the original stays")
	assert.Same(t, &s.X[0], &noisy.X[0], "shared")
	assert.Equal(t, []any{s.Name, s.Shape, s.Classes}, []any{noisy.Name, noisy.Shape, noisy.Classes})
	require.NoError(t, noisy.Validate())

	// From each class to each other go as many. The bounds are six standard deviations.
	var counts [classes][classes]float64
	for i, label := range noisy.Labels {
		counts[s.Labels[i]][label]++
	}
	for from := range classes {
		for to := range classes {
			if from != to {
				const p = fraction / classes / classes
				assert.InDelta(t, n*p, counts[from][to], 6*math.Sqrt(n*p*(1-p)), "%d to %d", from, to)
			}
		}
	}
	const p = fraction * (1 - 1.0/classes)
	assert.InDelta(t, n*p, len(changed(s, noisy)), 6*math.Sqrt(n*p*(1-p)))

	// The choice has no favorites along the set.
	firstHalf := 0.0
	for _, i := range changed(s, noisy) {
		if i < n/2 {
			firstHalf++
		}
	}
	assert.InDelta(t, n*p/2, firstHalf, 6*math.Sqrt(n*p/4))
}

func TestNoisyLabelsSeed(t *testing.T) {
	s := Synthetic(net.Shape{1}, 1000, 500, 1)
	noisy := func(fraction float64, seed uint64) *Set {
		made, err := s.NoisyLabels(fraction, seed)
		require.NoError(t, err)
		return made
	}
	some := noisy(0.2, 1)
	assert.Equal(t, some, noisy(0.2, 1))
	assert.NotEqual(t, changed(s, some), changed(s, noisy(0.2, 2)))
	more := noisy(0.6, 1)
	for _, i := range changed(s, some) {
		require.Equal(t, some.Labels[i], more.Labels[i], "label %d of the smaller fraction", i)
	}

	// Recorded: it must hold on every platform and with every Go release.
	small, err := numbered(10).NoisyLabels(0.5, 1)
	require.NoError(t, err)
	assert.Equal(t, []int32{0, 0, 2, 1, 4, 5, 8, 1, 8, 6}, small.Labels)
}

func TestNoisyLabelsErrors(t *testing.T) {
	s := numbered(4)
	for _, fraction := range []float64{-1e-9, 1.0000001, math.Inf(1), math.NaN()} {
		noisy, err := s.NoisyLabels(fraction, 1)
		assert.Nil(t, noisy)
		assert.ErrorContains(t, err, "fraction of noisy labels is", "%g", fraction)
	}
	s.Classes = 0
	_, err := s.NoisyLabels(0.5, 1)
	assert.ErrorContains(t, err, "numbered has 4 labels of 0 classes, want at least 1 class to draw from")
}
