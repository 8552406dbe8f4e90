package dataset

import (
	"encoding/binary"
	"hash/crc32"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net"
)

func TestSynthetic(t *testing.T) {
	shape := net.Shape{5, 3, 7}
	s := Synthetic(shape, 4, 1000, 9)
	assert.Equal(t, "synthetic:5x3x7", s.Name)
	assert.Equal(t, shape, s.Shape)
	assert.Equal(t, 4, s.Classes)
	assert.Equal(t, 1000, s.Len())
	require.Len(t, s.X, 1000*5*3*7)

	// Each moment is within six standard errors of the normal distribution's.
	n := float64(len(s.X))
	var moments [5]float64
	for _, x := range s.X {
		for k := range moments {
			moments[k] += math.Pow(float64(x), float64(k)) / n
		}
	}
	for k, want := range []struct{ moment, variance float64 }{{1, 0}, {0, 1}, {1, 2}, {0, 15}, {3, 96}} {
		assert.InDelta(t, want.moment, moments[k], 6*math.Sqrt(want.variance/n)+1e-9, "moment %d", k)
	}

	var counts [4]float64
	for _, label := range s.Labels {
		counts[label]++
	}
	for label, count := range counts {
		assert.InDelta(t, 250, count, 6*math.Sqrt(1000*0.25*0.75), "label %d", label)
	}

	shape[0] = 99
	assert.Equal(t, 5, s.Shape[0], "the set has a shape of its own")
}

func TestSyntheticSeed(t *testing.T) {
	s := Synthetic(net.Shape{3}, 10, 4, 1)
	assert.Equal(t, s, Synthetic(net.Shape{3}, 10, 4, 1))
	other := Synthetic(net.Shape{3}, 10, 4, 2)
	assert.NotEqual(t, s.X, other.X)
	longer := Synthetic(net.Shape{3}, 10, 6, 1)
	assert.Equal(t, s, &Set{Name: s.Name, Shape: s.Shape, Classes: 10, X: longer.X[:12], Labels: longer.Labels[:4]}, "more samples begin with the same")

	// Recorded draws: they must hold on every platform and with every Go release.
	assert.Equal(t, []int32{1, 2, 2, 8}, s.Labels)
	assert.Equal(t, []float32{-1.9275665, 1.8277893, -1.5051727, 0.5533447}, s.X[:4])
}

func TestNormalQuantiles(t *testing.T) {
	const grid = 1.0 / (1 << 16)
	quantiles := normalQuantiles()
	sum := crc32.NewIEEE()
	require.NoError(t, binary.Write(sum, binary.LittleEndian, quantiles))
	assert.Equal(t, uint32(0x3639d0e9), sum.Sum32(), "the same on every platform")
	for i, q := range quantiles {
		exact := normalQuantile(i)
		require.InDelta(t, exact, q, grid/2)
		require.Equal(t, q, -quantiles[len(quantiles)-1-i], "symmetric at %d", i)

		// Erfinv is good to some 1e-15. Were a quantile that near a tie, platforms could
		// round it differently.
		_, fraction := math.Modf(math.Abs(exact) / grid)
		require.Greater(t, math.Abs(fraction-0.5)*grid, 1e-12, "quantile %d", i)
	}
}

func TestSyntheticPanics(t *testing.T) {
	assert.Panics(t, func() { Synthetic(nil, 10, 1, 1) })
	assert.Panics(t, func() { Synthetic(net.Shape{3, 0}, 10, 1, 1) })
	assert.Panics(t, func() { Synthetic(net.Shape{3}, 0, 1, 1) })
}
