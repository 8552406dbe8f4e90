package main

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/steppe-ml/steppe/internal/stats"
)

// cell returns a row of mSAM with a cost relative to SAM and its interval; none where low is 0.
func cell(model string, batch, shards int, ratio, low, high float64) Row {
	row := Row{Model: model, Method: "msam", Batch: batch, Shards: shards, VsSAM: &ratio}
	if low > 0 {
		row.VsSAMInterval = &stats.Interval{Low: low, High: high}
	}
	return row
}

// The sentence under a table follows from what was measured, and no more.
func TestClaims(t *testing.T) {
	cheap, even := cell("mlp", 256, 8, 0.87, 0.86, 0.88), cell("mlp", 256, 2, 1.004, 0.98, 1.02)
	dear, dearer := cell("mlp", 256, 16, 1.05, 1.01, 1.09), cell("mlp", 32, 32, 1.12, 1.08, 1.15)
	unsure := cell("mlp", 32, 2, 1.2, 0.9, 1.5) // above the dearest that is sure, but not surely above 1
	for _, c := range []struct {
		name  string
		cells []Row
		want  string
	}{
		{"all cheaper", []Row{cheap, cell("mlp", 256, 4, 0.97, 0.95, 1)}, "mSAM costs at most 0.97 [0.95, 1.00] of SAM's price in all 2 cells."},
		{"one cell", []Row{cheap}, "mSAM costs at most 0.87 [0.86, 0.88] of SAM's price with 8 shards."},
		{"as much", []Row{cheap, even}, "mSAM costs no more than SAM in all 2 cells, within the 95% intervals: at most 1.00 [0.98, 1.02]."},
		{"one dearer", []Row{cheap, even, dear}, "mSAM costs more than SAM with 16 shards: 1.05 [1.01, 1.09]."},
		{"one dearer, at one batch of two", []Row{cheap, unsure, dearer}, "mSAM costs more than SAM with 32 shards at batch 32: 1.12 [1.08, 1.15]."},
		{"several dearer", []Row{dear, cheap, dearer, unsure}, "mSAM costs more than SAM in 2 of 4 cells: up to 1.12 [1.08, 1.15], with 32 shards at batch 32."},
		{"too wide to tell", []Row{cheap, even, unsure}, "mSAM may cost more than SAM in 1 of 3 cells, whose intervals are too wide to tell: up to 1.20 [0.90, 1.50], with 2 shards at batch 32."},
		{"of two models", []Row{cell("lenet", 256, 2, 0.9, 0.8, 0.95), dear}, "mSAM costs more than SAM on mlp with 16 shards: 1.05 [1.01, 1.09]."},
		{"too few rounds", []Row{cheap, cell("mlp", 256, 2, 1.1, 0, 0)}, "mSAM took at most 1.10 of SAM's time in all 2 cells: too few rounds to say how sure that is."},
	} {
		assert.Equal(t, []string{c.want}, claims(c.cells), c.name)
	}

	// SAM itself, SGD, one shard, and rows without SAM to compare with make no claim.
	one := 1.0
	assert.Empty(t, claims([]Row{{Method: "sgd", Shards: 1, VsSAM: &one}, {Method: "sam", Shards: 1, VsSAM: &one}, {Method: "msam", Shards: 4}}))
	adaptive := cell("mlp", 256, 8, 0.97, 0.95, 0.99)
	adaptive.Method = "masam"
	assert.Equal(t, []string{
		"mSAM costs at most 0.87 [0.86, 0.88] of SAM's price with 8 shards.",
		"mASAM costs at most 0.97 [0.95, 0.99] of SAM's price with 8 shards.",
	}, claims([]Row{adaptive, cheap}))
}

func TestMatrix(t *testing.T) {
	columns := matrix([]Row{
		cell("mlp", 256, 16, 0.87, 0.86, 0.88), cell("mlp", 256, 2, 1.02, 1.01, 1.03),
		cell("mlp", 32, 2, 1.02, 0.99, 1.03), cell("mlp", 32, 4, 0.9, 0, 0),
	})
	var got [][]string
	for _, c := range columns {
		got = append(got, append([]string{c.name}, c.cells...))
	}
	assert.Equal(t, [][]string{
		{"batch", "32", "256"}, {"2", "1.02", "1.02*"}, {"4", "0.90", "-"}, {"16", "-", "0.87"},
	}, got)
}

func TestShardsInWords(t *testing.T) {
	assert.Equal(t, "1 shard", shardsInWords([]int{1}))
	assert.Equal(t, "8 shards", shardsInWords([]int{8}))
	assert.Equal(t, "8 and 16 shards", shardsInWords([]int{8, 16}))
	assert.Equal(t, "8, 16 and 32 shards", shardsInWords([]int{8, 16, 32}))
}
