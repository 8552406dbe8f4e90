package study

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// searched executes the first stage of a study with one perturbing method, as accuracies tells: by
// rho, in percent. It returns the choice and the rhos in the order in which they were tried.
func searched(t *testing.T, rhos []float64, extend int, accuracy func(rho float64) int) (choice Choice, tried []float64) {
	t.Helper()
	s := small(t)
	s.Grid.Methods, s.Grid.Noise, s.Grid.Rhos, s.Grid.Extend = []string{"sam"}, []float64{0}, rhos, extend
	require.NoError(t, s.Validate())
	store := NewStore()
	for {
		runs := s.ready(store)
		if runs[0].Stage == Final {
			break
		}
		for _, run := range runs {
			require.NoError(t, store.Add(Result{Run: run, Correct: accuracy(run.Rho), Of: 100}))
			tried = append(tried, run.Rho)
		}
	}
	choice, known := s.choose(store, 0, s.entries[0])
	require.True(t, known)
	assert.Len(t, choice.Candidates, len(tried))
	done, all, _ := s.survey(store)
	assert.Equal(t, []int{len(tried), len(tried) + 2}, []int{done, all})
	return choice, tried
}

// A grid goes on by its own ratio where the best rho is at its edge, as often as it may.
func TestGridsAreExtended(t *testing.T) {
	rises := func(rho float64) int { return int(100 * rho) }
	falls := func(rho float64) int { return int(90 - 100*rho) }
	peak := func(at float64) func(float64) int {
		return func(rho float64) int {
			if rho == at {
				return 90
			}
			return 50
		}
	}
	for name, test := range map[string]struct {
		rhos     []float64
		extend   int
		accuracy func(float64) int
		best     float64
		extended []float64
		atEdge   bool
	}{
		"upwards, twice":        {[]float64{0.05, 0.1}, 2, rises, 0.4, []float64{0.2, 0.4}, true},
		"downwards, twice":      {[]float64{0.05, 0.1, 0.4}, 2, falls, 0.0125, []float64{0.025, 0.0125}, true},
		"upwards, to the peak":  {[]float64{0.05, 0.1}, 3, peak(0.1), 0.1, []float64{0.2}, false},
		"beyond the peak":       {[]float64{0.05, 0.1}, 3, peak(0.2), 0.2, nil, false},
		"not at all":            {[]float64{0.05, 0.1}, 0, rises, 0.1, nil, true},
		"not from the middle":   {[]float64{0.01, 0.05, 0.1}, 3, peak(0.05), 0.05, nil, false},
		"not a single rho":      {[]float64{0.05}, 3, rises, 0.05, nil, false},
		"the smallest of equal": {[]float64{0.02, 0.1}, 1, func(float64) int { return 70 }, 0.02, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			if len(test.rhos) == 1 { // nothing to choose
				s := small(t)
				s.Grid.Methods, s.Grid.Rhos, s.Grid.Extend = []string{"sam"}, test.rhos, test.extend
				require.NoError(t, s.Validate())
				choice, known := s.choose(NewStore(), 0, s.entries[0])
				assert.True(t, known)
				assert.Equal(t, Choice{Rho: 0.05, LR: 0.05}, choice)
				return
			}
			if name == "beyond the peak" { // whose accuracies lead there
				test.accuracy = func(rho float64) int { return 50 + int(100*min(rho, 0.4-rho)) }
				test.extended = []float64{0.2, 0.4}
			}
			choice, tried := searched(t, test.rhos, test.extend, test.accuracy)
			assert.Equal(t, test.best, choice.Rho)
			assert.Equal(t, test.extended, choice.Extended)
			assert.Equal(t, test.atEdge, choice.AtEdge)
			assert.Equal(t, append(append([]float64{}, test.rhos...), test.extended...), tried)
			for i := 1; i < len(choice.Candidates); i++ {
				assert.Less(t, choice.Candidates[i-1].Rho, choice.Candidates[i].Rho)
			}
		})
	}
}

// A variant has its own grids, and its runs those settings. It doesn't share runs with the method
// as it is.
func TestVariants(t *testing.T) {
	s := small(t)
	preset := s.entries[1].Method.Preset
	preset.Ascent.Every = 2
	s.Grid.Methods = nil
	s.Grid.Variants = []Variant{
		{Method: "sgd", LRs: []float64{0.1, 0.05}}, {Method: "sam"},
		{Method: "sam", Settings: "ascent.every=2", Preset: preset, Rhos: []float64{0.3}, LRs: []float64{0.02}},
		{Method: "msam", Shards: []int{2, 8}},
	}
	s.Grid.Noise, s.Grid.Seeds = []float64{0}, 1
	require.NoError(t, s.Validate())
	store := NewStore()
	execute(t, s, store, 2, 1)
	rows := s.Summary(store).Levels[0].Rows
	var names []string
	for _, r := range rows {
		names = append(names, r.Name)
	}
	assert.Equal(t, []string{"SGD", "SAM", "SAM, ascent.every=2", "mSAM with 2 shards", "mSAM with 8 shards"}, names)
	assert.Len(t, rows[0].Choice.Candidates, 2)
	assert.Equal(t, []float64{0.3, 0.02}, []float64{rows[2].Choice.Rho, rows[2].Choice.LR})
	assert.NotEqual(t, rows[1].Losses, rows[2].Losses)
	r, ok := store.Get(Run{Stage: Final, Method: "sam", Shards: 1, Rho: 0.3, LR: 0.02, Seed: 1, Settings: "ascent.every=2"})
	require.True(t, ok)
	assert.NotNil(t, r.Details)

	s.Grid.Variants = append(s.Grid.Variants, Variant{Method: "sam"})
	assert.EqualError(t, s.Validate(), "study: Grid.Methods has SAM twice")
}
