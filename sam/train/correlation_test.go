package train

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/dataset"
)

// correlationOf returns a metric's value for targets and outputs of so many numbers a sample. The
// samples come in two batches.
func correlationOf(t *testing.T, m Metric, width int, targets, outputs []float32) float64 {
	t.Helper()
	model := compile(t, net.Shape{1}, net.Dense{Out: width}, net.MSE{})
	n := len(targets) / width
	set := &dataset.Set{Name: "made", Shape: net.Shape{1}, X: make([]float32, n), Targets: targets}
	for range 2 { // Reset begins anew
		require.NoError(t, m.Reset(model, set))
		m.Update(outputs[:width], set.Range(0, 1))
		m.Update(outputs[width:], set.Range(1, n-1))
	}
	return m.Value()
}

func TestCorrelations(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for name, test := range map[string]struct {
		width             int
		targets, outputs  []float32
		pearson, spearman float64
	}{
		// Deviations -2..2 and 3.7 2.7 -3.8 -0.3 -2.3: products sum to -15, squares to 10 and 40.8.
		"scipy's pearsonr example": {1, []float32{1, 2, 3, 4, 5}, []float32{10, 9, 2.5, 6, 4}, -15 / math.Sqrt(10*40.8), -0.7},
		// Ranks 1..5 and 1 2 3.5 5 3.5: products sum to 8, squares to 10 and 9.5.
		"scipy's spearmanr example": {1, []float32{1, 2, 3, 4, 5}, []float32{5, 6, 7, 8, 7}, 6 / math.Sqrt(10*5.2), 8 / math.Sqrt(10*9.5)},
		"a line":                    {1, []float32{3, 1, 2}, []float32{7, 3, 5}, 1, 1},
		"falls":                     {1, []float32{3, 1, 2}, []float32{-7, -3, -5}, -1, -1},
		"a curve":                   {1, []float32{0, 1, 2}, []float32{0, 1, 8}, 8 / math.Sqrt(2*38), 1},
		"constant outputs":          {1, []float32{1, 2, 3}, []float32{4, 4, 4}, 0, 0},
		"constant targets":          {1, []float32{4, 4, 4}, []float32{1, 2, 3}, 0, 0},
		"NaN":                       {1, []float32{1, 2, 3}, []float32{1, nan, 3}, math.NaN(), math.NaN()},
		"infinite":                  {1, []float32{1, 2, 3}, []float32{1, 2, inf}, math.NaN(), 1},
		"two targets":               {2, []float32{1, 1, 2, 2, 3, 3}, []float32{1, 3, 2, 2, 3, 1}, 0, 0},
		"the mean of two":           {2, []float32{1, 1, 2, 2, 3, 3}, []float32{1, 5, 2, 5, 3, 5}, 0.5, 0.5},
	} {
		for m, want := range map[Metric]float64{&Pearson{}: test.pearson, &Spearman{}: test.spearman} {
			got := correlationOf(t, m, test.width, test.targets, test.outputs)
			if math.IsNaN(want) {
				assert.True(t, math.IsNaN(got), "%s of %s is %v, want NaN", m.Name(), name, got)
				continue
			}
			assert.InDelta(t, want, got, 1e-12, "%s of %s", m.Name(), name)
		}
	}
	assert.True(t, (&Pearson{}).Better(0.5, -1))
	assert.True(t, (&Spearman{}).Better(0.5, -1))
}

// Equal values share the mean of their ranks.
func TestRanks(t *testing.T) {
	assert.Equal(t, []float64{2.5, 5, 2.5, 1, 4, 6}, ranks([]float64{2, 7, 2, -1, 3, 9}))
	assert.Equal(t, []float64{2, 2, 2}, ranks([]float64{0, 0, 0}))
}

func TestCorrelationErrors(t *testing.T) {
	model := compile(t, net.Shape{1}, net.Dense{Out: 1}, net.MSE{})
	for _, m := range []Metric{&Pearson{}, &Spearman{}} {
		err := m.Reset(model, dataset.Synthetic(net.Shape{1}, 2, 5, 1))
		assert.EqualError(t, err, "the set has no targets", m.Name())
		err = m.Reset(model, line(5))
		assert.EqualError(t, err, "10 targets, want 5 for outputs of 1", m.Name())
	}
}
