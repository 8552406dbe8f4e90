package find

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/stats"
	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/net/optim"
	"github.com/steppe-ml/steppe/sam"
	"github.com/steppe-ml/steppe/sam/train"
)

// loss trains a run with one seed, rho and number of shards by hand.
func loss(t *testing.T, run train.Run, seed uint64, shards int, rho float64) float64 {
	run.Seed, run.Optimizer.Shards, run.Optimizer.Rho = seed, shards, rho
	history, err := run.Start(t.Context())
	require.NoError(t, err)
	return history.Epochs[len(history.Epochs)-1].Valid["loss"]
}

func TestRho(t *testing.T) {
	run := digits(t)
	run.Optimizer.LRSchedule = optim.Cosine{Steps: run.Steps()}
	o := RhoOptions{Shards: []int{5, 1}, Rhos: []float64{1000, 0.02, 0.1, 0.02}, Seeds: 2}
	var reports []RhoProgress
	o.Report = func(p RhoProgress) { reports = append(reports, p) }
	r, err := Rho(t.Context(), run, o)
	require.NoError(t, err)

	assert.Equal(t, []uint64{1, 2}, r.Seeds)
	assert.Equal(t, 6, r.Epochs)
	assert.Equal(t, 50, r.Batch)
	require.Len(t, r.Rows, 2)
	sgd := []float64{loss(t, run, 1, 1, 0), loss(t, run, 2, 1, 0)}
	assert.Equal(t, sgd, r.SGD.Losses, "the bits of a run made by hand")
	assert.Equal(t, stats.MeanOf(sgd), *r.SGD.Loss)
	assert.Nil(t, r.SGD.AgainstSGD)
	for i, shards := range []int{1, 5} {
		row := r.Rows[i]
		assert.Equal(t, shards, row.Shards)
		assert.Equal(t, 50/shards, row.Samples)
		assert.Equal(t, DefaultRho(50/shards), row.Default)
		require.Len(t, row.Cells, 3)
		for j, rho := range []float64{0.02, 0.1} {
			c := row.Cells[j]
			want := []float64{loss(t, run, 1, shards, rho), loss(t, run, 2, shards, rho)}
			assert.Equal(t, rho, c.Rho)
			assert.Equal(t, want, c.Losses)
			assert.Equal(t, stats.MeanOf(stats.Differences(want, sgd)), *c.AgainstSGD)
			assert.Zero(t, c.Collapsed+c.Refused)
			assert.Greater(t, c.Accuracy.Mean, 0.2)
		}
		worst := row.Cells[2]
		assert.Equal(t, 1000.0, worst.Rho)
		assert.Equal(t, 2, worst.Collapsed+worst.Refused, "it learns nothing")
		assert.Contains(t, []float64{0.02, 0.1}, row.Best)
	}
	assert.NotNil(t, r.Best)

	last := reports[len(reports)-1]
	assert.Equal(t, 14, last.Runs)
	assert.Equal(t, 14, last.Done)
	assert.Equal(t, 1.0, last.Part)
	assert.NotNil(t, last.Finished)
	for i := range reports[1:] {
		assert.GreaterOrEqual(t, reports[i+1].Part, reports[i].Part)
	}

	o.Jobs, run.Optimizer.Workers = 3, 2
	again, err := Rho(t.Context(), run, o)
	require.NoError(t, err)
	assert.Equal(t, r, again, "neither jobs nor workers change a result")
}

// Given parameters begin every run, and stay as they are. Without labels the loss alone counts.
func TestRhoParams(t *testing.T) {
	run := digits(t)
	run.Epochs = 1
	run.Params = run.Model.Init(7)
	before := run.Params.Clone()
	r, err := Rho(t.Context(), run, RhoOptions{Seeds: 1})
	require.NoError(t, err)
	assert.Equal(t, before, run.Params)
	require.Len(t, r.Rows, 1)
	assert.Equal(t, 5, r.Rows[0].Shards, "those of the run")
	var rhos []float64
	for _, c := range r.Rows[0].Cells {
		rhos = append(rhos, c.Rho)
	}
	assert.Equal(t, defaultRhos(sam.Ascent{}, 10), rhos)
	assert.Nil(t, r.Rows[0].Close, "one seed says nothing about the spread")

	run.Params = run.Params.Clone()
	assert.Equal(t, loss(t, run, 1, 1, 0), r.SGD.Losses[0])
}

// A step that is refused ends its run only.
func TestRhoRefused(t *testing.T) {
	run := digits(t)
	r, err := Rho(t.Context(), run, RhoOptions{Rhos: []float64{0.02, 1e38}, Seeds: 2})
	require.NoError(t, err)
	row := r.Rows[0]
	assert.Equal(t, 0.02, row.Best)
	assert.Equal(t, 2, row.Cells[1].Refused)
	assert.Nil(t, row.Cells[1].Loss)
	assert.Nil(t, row.Cells[1].AgainstSGD)
	assert.Empty(t, row.Close)

	r, err = Rho(t.Context(), run, RhoOptions{Rhos: []float64{1e38}, Seeds: 1})
	require.NoError(t, err)
	assert.Zero(t, r.Rows[0].Best)
	assert.Nil(t, r.Best)
}

// A search with a folder goes on where it was interrupted, with the same results.
func TestRhoResume(t *testing.T) {
	run := digits(t)
	run.Epochs = 1
	o := RhoOptions{Shards: []int{2, 5}, Rhos: []float64{0.01, 0.1}, Seeds: 2}
	want, err := Rho(t.Context(), run, o)
	require.NoError(t, err)

	o.Dir = filepath.Join(t.TempDir(), "rho")
	interrupt := func(runs int) (*RhoResult, error) {
		ctx, cancel := context.WithCancel(t.Context())
		o.Report = func(p RhoProgress) {
			if p.Done >= runs {
				cancel()
			}
		}
		return Rho(ctx, run, o)
	}
	partial, err := interrupt(3)
	require.ErrorIs(t, err, context.Canceled)
	assert.Nil(t, partial, "no seed is whole")
	path := filepath.Join(o.Dir, "rho.jsonl")
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, 4, strings.Count(string(text), "\n"))
	require.NoError(t, os.WriteFile(path, text[:len(text)-9], 0o666)) // a kill in the middle of a line

	partial, err = interrupt(7)
	require.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, []uint64{1}, partial.Seeds)
	assert.Equal(t, want.SGD.Losses[:1], partial.SGD.Losses)

	trained := 0
	o.Report = func(p RhoProgress) {
		if p.Finished != nil {
			trained++
		}
	}
	got, err := Rho(t.Context(), run, o)
	require.NoError(t, err)
	assert.Equal(t, want, got)
	assert.Equal(t, 3, trained)
	got, err = Rho(t.Context(), run, o)
	require.NoError(t, err)
	assert.Equal(t, want, got)
	assert.Equal(t, 3, trained, "nothing is left to train")

	run.Epochs, run.Optimizer.Clip = 2, 1
	_, err = Rho(t.Context(), run, o)
	require.ErrorContains(t, err, "rho.jsonl, line 1: trials of another run: epochs 1 there, and 2 here; optimizer base")
	require.NoError(t, os.WriteFile(path, []byte("{}\n"), 0o666))
	_, err = Rho(t.Context(), run, o)
	require.ErrorContains(t, err, "trials of version 0, want 1")
}

// Trials are read on machines with another order of bytes in memory, too, so sums are the same.
func TestSumOnOtherMachines(t *testing.T) {
	data, _, err := dataset.Digits()
	require.NoError(t, err)
	assert.Equal(t, "a8e7aa89", sum(data))
	assert.Equal(t, "ff8c4a90", sum(dataset.SyntheticText(50, 3, 7, 4, 20, 1)))
	assert.Equal(t, "e4dac73f", checksum([]float32{1, -2}, []float64{3}, []uint64{4, 5}))
}

func TestRhoErrors(t *testing.T) {
	for want, o := range map[string]RhoOptions{
		"find: Rhos has 0, want positive numbers: rho 0 is always tried":      {Rhos: []float64{0}},
		"find: Shards has 51, want 1 to 50, the samples of a batch":           {Shards: []int{51}},
		"find: Shards has 0, want 1 to 50, the samples of a batch":            {Shards: []int{0}},
		"find: Seeds is -1 and Jobs 1, want at least 1, or 0 for the default": {Seeds: -1},
		"find: Seeds is 3 and Jobs -2, want at least 1, or 0 for the default": {Jobs: -2},
	} {
		_, err := Rho(t.Context(), digits(t), o)
		assert.EqualError(t, err, want)
	}
	run := digits(t)
	run.Valid = nil
	_, err := Rho(t.Context(), run, RhoOptions{})
	assert.EqualError(t, err, "find: the run has no Valid set to compare by")
}

// compare finds the best rho, and those that the seeds don't tell from it.
func TestRhoCompare(t *testing.T) {
	sgd := RhoCell{Losses: []float64{1, 2, 3}, Loss: mean([]float64{1, 2, 3})}
	cell := func(rho float64, losses ...float64) RhoCell {
		return RhoCell{Rho: rho, Losses: losses, Loss: mean(losses)}
	}
	collapsed := cell(0.4, 0.1, 0.1, 0.1)
	collapsed.Collapsed = 1
	row := RhoRow{Cells: []RhoCell{
		cell(0.01, 0.95, 1.95, 2.95), // worse than the best by 0.05 for each seed
		cell(0.02, 0.90, 1.90, 2.90),
		cell(0.05, 0.80, 2.10, 2.92), // worse on average, and better for one seed
		cell(0.1, 0.97, 1.96, 2.97),
		collapsed,
		{Rho: 0.8, Losses: []float64{1, 0, 1}, Refused: 1},
	}}
	row.compare(&sgd)
	assert.Equal(t, 0.02, row.Best)
	assert.Equal(t, []float64{0.05}, row.Close)
	assert.InDelta(t, -0.1, row.Cells[1].AgainstSGD.Mean, 1e-12)
	assert.InDelta(t, -0.1, row.Cells[1].AgainstSGD.High, 1e-12)
	assert.Nil(t, row.Cells[1].AgainstBest)
	assert.InDelta(t, 0.05, row.Cells[0].AgainstBest.Low, 1e-12)
	assert.Nil(t, row.Cells[5].AgainstBest)

	r := RhoResult{Rows: []RhoRow{{Shards: 1}, row, {Shards: 8, Best: 0.3, Cells: []RhoCell{cell(0.3, 0.5, 0.5, 0.5)}}}}
	r.chooseBest()
	assert.Equal(t, &RhoSetting{8, 0.3}, r.Best)
}

// rho falls with the samples of a shard.
func TestDefaultRho(t *testing.T) {
	before := 0.0
	for _, samples := range []int{0, 1, 2, 4, 8, 16, 32, 64, 128, 1 << 20} {
		rho := DefaultRho(samples)
		assert.GreaterOrEqual(t, rho, before)
		assert.Positive(t, rho)
		assert.LessOrEqual(t, rho, 0.05)
		assert.Equal(t, round(rho), rho)
		before = rho
	}
	assert.Equal(t, 0.05, DefaultRho(128))
	assert.InEpsilon(t, 10*DefaultRho(8), defaultRho(sam.Ascent{Adaptive: true}, 8), 1e-9)
	assert.Equal(t, []float64{0.01, 0.02, 0.05, 0.1, 0.2}, defaultRhos(sam.Ascent{}, 128))
	assert.Equal(t, []float64{0.005, 0.01, 0.02, 0.05, 0.1}, defaultRhos(sam.Ascent{}, 8))
	assert.Equal(t, []float64{0.1, 0.2, 0.5, 1, 2}, defaultRhos(sam.Ascent{NormOnly: true}, 128))
}
