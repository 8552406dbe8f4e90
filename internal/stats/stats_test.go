package stats

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestQuantile(t *testing.T) {
	for _, c := range []struct {
		values  []float64
		q, want float64
	}{
		{[]float64{7}, 0.25, 7},
		{[]float64{3, 1}, 0.5, 2},
		{[]float64{3, 1, 2}, 0.5, 2},
		{[]float64{4, 1, 3, 2}, 0.25, 1.75}, // numpy.quantile
		{[]float64{4, 1, 3, 2}, 0.75, 3.25},
		{[]float64{4, 1, 3, 2}, 0, 1},
		{[]float64{4, 1, 3, 2}, 1, 4},
	} {
		assert.InDelta(t, c.want, Quantile(c.values, c.q), 1e-12, "%v", c)
	}
	values := []float64{3, 1, 2}
	assert.Equal(t, Spread{1.5, 2, 2.5}, SpreadOf(values))
	assert.Equal(t, []float64{3, 1, 2}, values, "the argument keeps its order")
}

// A disturbance of a whole round doesn't change the ratio of that round, but it can change the
// ratio of the medians.
func TestMedianOfRatios(t *testing.T) {
	ours, theirs := []float64{1, 2, 3, 2, 5}, []float64{2, 4, 6, 4, 1}
	assert.Equal(t, 2.0, Median(Ratios(theirs, ours)))
	assert.Equal(t, 2.0, Median(theirs)/Median(ours))
	ours, theirs = []float64{1, 10, 1}, []float64{2, 20, 20}
	assert.Equal(t, 2.0, Median(Ratios(theirs, ours)))
	assert.Equal(t, 20.0, Median(theirs)/Median(ours))
}

func TestGeometricMean(t *testing.T) {
	assert.InDelta(t, 1, GeometricMean([]float64{2, 0.5}), 1e-12)
	assert.InDelta(t, 6, GeometricMean([]float64{4, 9}), 1e-12)
	assert.True(t, math.IsNaN(GeometricMean(nil)))
}
