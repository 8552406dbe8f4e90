package study

import (
	"context"
	"encoding/json"
	"math"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// full returns a small study that measures all there is of its final models.
func full(t testing.TB) *Study {
	s := small(t)
	s.Grid.Methods, s.Grid.Rhos, s.Grid.Noise = []string{"sgd", "sam", "msam"}, []float64{0.05}, []float64{0, 0.3}
	s.Recipe.Epochs, s.Grid.EqualTime, s.Full = 4, true, true
	s.Flatness = &FlatnessConfig{Samples: 50, Rho: 0.05, Labels: TrainedLabels}
	require.NoError(t, s.Validate())
	return s
}

// given keeps costs in a store by which SGD has twice the epochs, SAM its own, and mSAM fewer.
func given(t testing.TB, s *Study, store *Store) {
	t.Helper()
	require.NoError(t, store.addCosts(costs{Steps: s.costsOf(0.002, 0.5, 1, 1.6), Workers: 1}))
}

// costsOf returns costs of all entries by what their steps take over SAM's, which takes seconds.
func (s *Study) costsOf(seconds float64, vsSAM ...float64) (list []Cost) {
	for i, e := range s.entries {
		list = append(list, s.cost(e, seconds, share{vsSAM[i], 0.01}, CPUClock))
	}
	return list
}

// The epochs of equal time come from costs that are measured once, and where they are about SAM's,
// the runs of equal epochs count for both.
func TestEqualTime(t *testing.T) {
	for vsSAM, want := range map[float64]int{0.5: 20, 0.53: 19, 0.95: 10, 1: 10, 1.05: 10, 1.06: 9, 1.5: 7, 30: 1} {
		assert.Equal(t, want, equalEpochs(10, vsSAM), "%v", vsSAM)
	}
	s := full(t)
	store := NewStore()
	given(t, s, store)
	costs := store.getCosts().Steps
	assert.Equal(t, []int{8, 4, 3}, []int{costs[0].EqualEpochs, costs[1].EqualEpochs, costs[2].EqualEpochs}, "the nearest to 4/1.6 is 3")

	runs := execute(t, s, store, 2, 1)
	assert.Equal(t, 2*2*(3+2), runs, "by noise and seed: equal epochs, and those of SGD and mSAM at equal time")
	level := s.Summary(store).Levels[1]
	epochs := func(rows []Row) (list []int) {
		for _, r := range rows {
			list = append(list, r.Epochs)
			assert.Len(t, r.Losses, r.Epochs)
		}
		return list
	}
	assert.Equal(t, []int{4, 4, 4}, epochs(level.Rows))
	assert.Equal(t, []int{8, 4, 3}, epochs(level.EqualTime))
	assert.Equal(t, level.Rows[1].Accuracies, level.EqualTime[1].Accuracies)
	for i, want := range []float64{1, 2, 3.2} {
		assert.InDelta(t, want, level.Rows[i].Cost, 1e-12, "by the measured costs, as the epochs are")
	}
	assert.Zero(t, execute(t, s, store, 1, 1))
}

// A study without costs measures those of all methods before anything else.
func TestCostsAreMeasured(t *testing.T) {
	s := full(t)
	s.Grid.EqualTime = false // so that times decide no run
	store := NewStore()
	execute(t, s, store, 2, 1)
	costs := store.getCosts()
	require.NotNil(t, costs)
	require.Len(t, costs.Steps, 3)
	for i, c := range costs.Steps {
		assert.Equal(t, s.entries[i].String(), c.Name)
		assert.Positive(t, c.Step)
		assert.Positive(t, c.VsSAM)
	}
	assert.Equal(t, 1.0, costs.Steps[1].VsSAM)
	assert.Nil(t, s.Summary(store).Levels[0].EqualTime)
}

// Final models' calibration, losses and flatness don't depend on jobs and workers, and are results.
func TestDetails(t *testing.T) {
	s := full(t)
	one, many := NewStore(), NewStore()
	given(t, s, one)
	given(t, s, many)
	execute(t, s, one, 1, 1)
	execute(t, s, many, 3, 2)
	assert.Equal(t, timeless(one), timeless(many))
	sum := s.Summary(one)
	for _, level := range sum.Levels {
		for _, r := range level.Rows {
			assert.Equal(t, []int{1, 2}, r.Seeds)
			assert.Equal(t, r.Seeds, r.Flatness.Seeds)
			assert.Equal(t, []any{50, "trained", "none", 0.05}, []any{r.Flatness.Samples, r.Flatness.Labels, r.Flatness.Mode, r.Flatness.Rho})
			assert.Positive(t, r.Flatness.Lambda1.Mean)
			assert.Positive(t, r.Flatness.Sharpness.Mean)
			assert.Less(t, r.ECE.Mean, 1.0)
			assert.Positive(t, *r.LossFall, "after 4 epochs the loss still falls")
		}
	}
	var again Summary
	text, err := json.Marshal(sum)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &again))
	assert.Equal(t, sum.Levels[1].Rows[2].VsSGD, again.Levels[1].Rows[2].VsSGD)

}

// A study that asks for another flatness keeps its accuracies. It never shows what was measured
// with other settings, and trains anew only what lacks its own.
func TestOtherFlatness(t *testing.T) {
	s := full(t)
	s.Grid.Noise, s.Grid.EqualTime = []float64{0}, false
	store, err := OpenStore(t.TempDir(), s.Recipe)
	require.NoError(t, err)
	t.Cleanup(func() { store.Close() })
	given(t, s, store)
	require.Equal(t, 6, execute(t, s, store, 2, 1))
	before := s.Summary(store).Levels[0].Rows
	same := func(flat func(i int, r Row)) {
		t.Helper()
		for i, r := range s.Summary(store).Levels[0].Rows {
			assert.Equal(t, before[i].Accuracies, r.Accuracies)
			assert.Equal(t, before[i].ECEs, r.ECEs)
			flat(i, r)
		}
	}
	none := func(_ int, r Row) { assert.Nil(t, r.Flatness) }

	s.Flatness = &FlatnessConfig{Samples: 50, Rho: 0.2, Labels: TrainedLabels}
	same(none)
	done, all, _ := s.survey(store)
	assert.Equal(t, []int{0, 6}, []int{done, all})

	// Interrupted, it has what it has measured itself alone.
	ctx, cancel := context.WithCancel(t.Context())
	err = s.Execute(ctx, store, 1, 1, func(p Progress) {
		if p.Finished != nil {
			cancel()
		}
	})
	require.ErrorIs(t, err, context.Canceled)
	same(func(i int, r Row) {
		if i > 0 {
			assert.Nil(t, r.Flatness)
			return
		}
		assert.Equal(t, []int{1}, r.Flatness.Seeds)
		assert.Equal(t, 0.2, r.Flatness.Rho)
		assert.Greater(t, r.Flatness.Sharpnesses[0], before[0].Flatness.Sharpnesses[0])
	})
	assert.Equal(t, 5, execute(t, s, store, 2, 1))

	// Without flatness there is none to see, and nothing to train.
	s.Flatness = nil
	same(none)
	assert.Zero(t, execute(t, s, store, 1, 1))

	// What was measured before is still there, also for who reads the file.
	s.Flatness = &FlatnessConfig{Samples: 50, Rho: 0.05, Labels: TrainedLabels}
	require.NoError(t, store.Close())
	store, err = ReadStore(filepath.Dir(store.file.Name()), s.Recipe)
	require.NoError(t, err)
	assert.Zero(t, execute(t, s, store, 1, 1))
	same(func(i int, r Row) { assert.Equal(t, before[i].Flatness, r.Flatness) })
}

// Flatness is measured on the same samples at any noise and seed, with the labels that it says.
func TestFlatnessSet(t *testing.T) {
	s := full(t)
	of := func(noise float64, seed int, labels string) (x []float32, y []int32) {
		s.Flatness.Labels = labels
		set, err := s.flatnessSet(Run{Stage: Final, Noise: noise, Seed: seed})
		require.NoError(t, err)
		assert.Nil(t, set.Targets)
		return set.X, set.Labels
	}
	x, clean := of(0, 1, TrainedLabels)
	require.Len(t, clean, 50)
	noisyX, noisy := of(0.3, 2, TrainedLabels)
	assert.Equal(t, x, noisyX)
	wrong := 0
	for i := range clean {
		if clean[i] != noisy[i] {
			wrong++
		}
	}
	assert.InDelta(t, 0.3*0.9*50, wrong, 9, "4 deviations of as many draws")
	_, other := of(0.3, 1, TrainedLabels)
	assert.NotEqual(t, noisy, other)
	trueX, trueLabels := of(0.3, 2, TrueLabels)
	assert.Equal(t, x, trueX)
	assert.Equal(t, clean, trueLabels)
}

// A table's p-values are corrected for its tests: each method against SGD and against SAM, and the
// two against each other once.
func TestTests(t *testing.T) {
	row := func(method string, accuracies ...float64) Row { return Row{Method: method, Accuracies: accuracies} }
	rows := []Row{row("sgd", 0.5, 0.6, 0.7), row("sam", 0.52, 0.61, 0.73), row("msam", 0.55, 0.66, 0.75)}
	base, sharp := &rows[0], &rows[1]
	for i := range rows {
		rows[i].VsSGD, rows[i].VsSAM = rows[i].against(base, 100), rows[i].against(sharp, 100)
	}
	assert.Equal(t, 3, test(rows))
	assert.Nil(t, rows[0].VsSGD)
	assert.Nil(t, rows[1].VsSAM)
	// Of differences 2, 1 and 3 points t is 2 sqrt(3), which has p = 0.0742 with 2 degrees of freedom.
	assert.InDelta(t, 0.0742, *rows[1].VsSGD.P, 1e-4)
	assert.Equal(t, *rows[1].VsSGD.P, *rows[0].VsSAM.P)
	assert.Equal(t, *rows[1].VsSGD.PHolm, *rows[0].VsSAM.PHolm)
	p := *rows[2].VsSGD.P // the smallest of the three
	assert.InDelta(t, 3*p, *rows[2].VsSGD.PHolm, 1e-12)
	assert.Greater(t, *rows[2].VsSAM.PHolm, *rows[2].VsSAM.P)

	single := []Row{row("sgd", 0.5), row("sam", 0.6)}
	single[1].VsSGD = single[1].against(&single[0], 100)
	assert.Zero(t, test(single), "a single seed has no test")
	assert.Nil(t, single[1].VsSGD.P)
}

// The fall of the loss is taken along a line over the last tenth of the epochs, or the last three.
func TestLossFall(t *testing.T) {
	assert.Nil(t, lossFall([]float64{1, 0.5}))
	assert.InDelta(t, 0.5, *lossFall([]float64{9, 9, 1, 0.75, 0.5}), 1e-12)
	assert.InDelta(t, -0.5, *lossFall([]float64{1, 1.25, 1.5}), 1e-12)
	assert.Zero(t, *lossFall(make([]float64, 50)))
	losses := make([]float64, 100) // 10 epochs from 0.2 to 0.02, behind others
	for i := range losses {
		losses[i] = math.Max(0, 0.02*float64(100-i))
	}
	assert.InDelta(t, 0.9, *lossFall(losses), 1e-9)
}
