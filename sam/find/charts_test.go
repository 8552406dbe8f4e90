package find

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLRChart(t *testing.T) {
	r := curve(valley(func(int) float64 { return 0 })...)
	r.Points = append(r.Points, LRPoint{LR: 2, Loss: 1e30, Smoothed: 4})
	c := r.Chart("a title")
	assert.Equal(t, r.Suggestion, c.ReferenceX)
	require.Len(t, c.Series, 2)
	for i, series := range c.Series {
		require.Len(t, series.X, 122)
		assert.Equal(t, 2.0, series.X[121])
		assert.Equal(t, 4.0, series.Y[121], "series %d: 1e30 would flatten the others", i)
	}
	assert.Contains(t, c.Note, "Suggested: ")

	path := filepath.Join(t.TempDir(), "lr.png")
	require.NoError(t, r.Plot(path, "a title"))
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.Greater(t, info.Size(), int64(10000))

	r.Suggestion, r.None = 0, "it is flat"
	assert.Equal(t, "No suggestion: it is flat.", r.Chart("").Note)
	r.Points = nil
	assert.Error(t, r.Plot(path, ""), "there is nothing to draw")
}

func TestRhoChart(t *testing.T) {
	cell := func(rho, mean float64) RhoCell {
		return RhoCell{Rho: rho, Losses: []float64{mean, mean}, Loss: &Mean{Mean: mean, Low: mean, High: mean}}
	}
	r := &RhoResult{Seeds: []uint64{1, 2}, Epochs: 3, SGD: cell(0, 2), Rows: []RhoRow{
		{Shards: 1, Samples: 64, Cells: []RhoCell{cell(0.1, 1), cell(0.2, 3), cell(0.5, 4.1)}},
		{Shards: 4, Samples: 16, Cells: []RhoCell{cell(0.1, 1.5), cell(0.4, 9)}},
		{Shards: 8, Samples: 8, Cells: []RhoCell{{Rho: 0.1, Refused: 1}}},
	}}
	r.Rows[1].Cells[1].Collapsed = 1
	for i := range r.Rows {
		r.Rows[i].compare(&r.SGD)
	}
	c := r.Chart("a title")
	require.Len(t, c.Series, 2)
	assert.Equal(t, "1 shard of 64", c.Series[0].Name)
	assert.Equal(t, []float64{0.1, 0.2}, c.Series[0].X)
	assert.Equal(t, []float64{0.5, 1.5}, c.Series[0].Y)
	assert.Equal(t, "4 shards of 16", c.Series[1].Name)
	assert.Equal(t, []float64{0.75}, c.Series[1].Y)
	assert.Contains(t, c.Note, " Not drawn: 3 points that failed or are above 2.")
	r.Rows[0].Cells, r.Rows[1].Cells = r.Rows[0].Cells[2:], nil
	assert.Len(t, r.Chart("").Series, 1, "better high points than none")
	require.NoError(t, r.Plot(filepath.Join(t.TempDir(), "rho.svg"), "a title"))
	assert.Error(t, r.Plot(filepath.Join(t.TempDir(), "rho.jpg"), ""))
}
