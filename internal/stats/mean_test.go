package stats

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// The quantiles of t come from printed tables: 12.706, 4.303 and 2.776 for 1, 2 and 4 degrees of
// freedom.
func TestMeanOf(t *testing.T) {
	for _, c := range []struct {
		values     []float64
		mean, half float64
	}{
		{[]float64{3}, 3, 0},
		{[]float64{1, 3}, 2, 12.706 * 1},
		{[]float64{1, 2, 3}, 2, 4.303 * 1 / 1.7320508},
		{[]float64{2, 4, 4, 4, 6}, 4, 2.776 * 1.4142136 / 2.2360680},
		{[]float64{5, 5, 5}, 5, 0},
	} {
		m := MeanOf(c.values)
		assert.InDelta(t, c.mean, m.Mean, 1e-12, "%v", c.values)
		assert.InDelta(t, c.half, m.Half(), 1e-3, "%v", c.values)
		assert.InDelta(t, m.Mean, (m.Low+m.High)/2, 1e-12, "%v", c.values)
	}
	assert.Equal(t, []float64{1, -2}, Differences([]float64{3, 1}, []float64{2, 3}))
}
