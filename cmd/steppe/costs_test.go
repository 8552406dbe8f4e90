package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/stats"
)

// row returns a row with the fields that the chart needs.
func row(model, method string, shards int, ratio float64) Row {
	return Row{
		Model: model, Method: method, Shards: shards, Workers: 2,
		VsSAM: &ratio, VsSAMInterval: &stats.Interval{Low: ratio - 0.01, High: ratio + 0.02},
	}
}

// A model's line begins with SAM and is sorted by the number of shards, in whatever order the rows
// are.
func TestCosts(t *testing.T) {
	r := Report{Machine: Machine{CPU: "A CPU", ISA: "avx2"}, Rows: []Row{
		row("mlp", "msam", 8, 0.84), row("mlp", "msam", 2, 0.97), row("mlp", "sam", 1, 1), row("mlp", "sgd", 1, 0.5),
		row("lenet", "sam", 1, 1), row("lenet", "msam", 2, 1.01),
	}}
	l := r.costs()
	assert.Equal(t, 1.0, l.Reference)
	assert.Contains(t, l.Note, "A CPU, avx2, 2 workers")
	require.Len(t, l.Series, 2)
	assert.Equal(t, "mlp", l.Series[0].Name)
	assert.Equal(t, []float64{1, 2, 8}, l.Series[0].X)
	assert.Equal(t, []float64{1, 0.97, 0.84}, l.Series[0].Y)
	assert.InDeltaSlice(t, []float64{0.99, 0.96, 0.83}, l.Series[0].Low, 1e-12)
	assert.InDeltaSlice(t, []float64{1.02, 0.99, 0.86}, l.Series[0].High, 1e-12)
	assert.Equal(t, "lenet", l.Series[1].Name)
	assert.Equal(t, []float64{1, 1.01}, l.Series[1].Y)
	assert.NoError(t, l.Save(filepath.Join(t.TempDir(), "cost.svg")))

	// Each batch has a line of its own, relative to SAM on that batch, if a model has several.
	small := Report{Rows: slices.Clone(r.Rows)}
	for _, row := range []Row{row("mlp", "sam", 1, 1), row("mlp", "msam", 4, 1.75)} {
		row.Batch = 32
		small.Rows = append(small.Rows, row)
	}
	l = small.costs()
	require.Len(t, l.Series, 3)
	assert.Equal(t, []string{"mlp, batch 0", "lenet", "mlp, batch 32"}, []string{l.Series[0].Name, l.Series[1].Name, l.Series[2].Name})
	assert.Equal(t, []float64{1, 1.75}, l.Series[2].Y)

	// With few rounds there are no intervals.
	for i := range r.Rows {
		r.Rows[i].VsSAMInterval = nil
	}
	l = r.costs()
	assert.Nil(t, l.Series[0].Low)
	assert.NoError(t, l.Save(filepath.Join(t.TempDir(), "cost.svg")))
}

func TestBenchPlot(t *testing.T) {
	for _, ext := range []string{"svg", "png"} {
		dir := t.TempDir()
		path := filepath.Join(dir, "cost."+ext)
		code, _, stderr := steppe(t, quick("--model", "mlp", "--batch", "16", "--shards", "2,5", "--rounds", "6", "--workers", "2", "--plot", path)...)
		require.Zero(t, code, stderr)
		assert.Equal(t, []string{"cost." + ext}, names(t, dir))
		content := read(t, path)
		if ext == "svg" {
			for _, text := range []string{">tiny<", ">mlp<", ">1<", ">2<", ">5<", ", 2 workers; "} {
				assert.Contains(t, content, text)
			}
		} else {
			assert.True(t, strings.HasPrefix(content, "\x89PNG"))
		}
	}
}

// An interrupted run leaves an older plot as it is.
func TestBenchPlotInterrupted(t *testing.T) {
	dir := t.TempDir()
	code, _, _ := steppeIn(t, interruptedAfter(100), quick("--rounds", "1000", "--plot", filepath.Join(dir, "cost.png"))...)
	assert.Equal(t, 130, code)
	assert.Empty(t, names(t, dir))
}
