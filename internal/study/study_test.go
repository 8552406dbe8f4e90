package study

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/simdtest"
	"github.com/steppe-ml/steppe/internal/stats"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/net/optim"
)

func TestMain(m *testing.M) { simdtest.Main(m) }

// small returns a study that takes seconds: a linear model on real digits.
func small(t testing.TB) *Study {
	t.Helper()
	train, test, err := dataset.Open("digits")
	require.NoError(t, err)
	train, err = train.Subset(300, 1)
	require.NoError(t, err)
	model, err := net.Compile(train.Shape, net.Flatten{}, net.Dense{Out: train.Classes})
	require.NoError(t, err)
	sum, err := Sum(train, test)
	require.NoError(t, err)
	s := &Study{
		Recipe: Recipe{
			Model: "linear", Data: "digits", DataSum: sum, Samples: train.Len(), Validation: 60,
			Epochs: 2, Batch: 32, Schedule: "constant", Augment: []string{}, Momentum: 0.9, ISA: "any",
		},
		Grid: Grid{
			Methods: []string{"sgd", "sam", "msam"}, Shards: []int{4}, Rhos: []float64{0.05, 0.2}, LRs: []float64{0.05},
			Noise: []float64{0, 0.3}, Seeds: 2, SelectionSeeds: 1,
		},
		Model: model, Train: train, Test: test,
		Schedule: func(int, int) optim.Schedule { return nil },
	}
	require.NoError(t, s.Validate())
	return s
}

func execute(t testing.TB, s *Study, store *Store, jobs, workers int) (finished int) {
	t.Helper()
	require.NoError(t, s.Execute(t.Context(), store, jobs, workers, func(p Progress) {
		if p.Finished != nil {
			finished++
		}
	}))
	return finished
}

// timeless returns the results of a store without times, workers and jobs.
func timeless(store *Store) map[Run]Result {
	results := map[Run]Result{}
	for run, r := range store.done {
		r.Seconds, r.Step, r.Workers, r.Jobs = 0, 0, 0, 0
		results[run] = r
	}
	return results
}

func TestResultsDependOnNeitherJobsNorWorkers(t *testing.T) {
	s := small(t)
	one, many := NewStore(), NewStore()
	runs := execute(t, s, one, 1, 1)
	assert.Equal(t, 2*(1+2+2)+2*3*2, runs, "for each level of noise, the candidates of the first stage and the seeds of the second")
	assert.Equal(t, runs, execute(t, s, many, 3, 2))
	assert.Equal(t, timeless(one), timeless(many))
}

// A study that was interrupted, even in the middle of a line, goes on to the same results. No
// finished run is repeated.
func TestResume(t *testing.T) {
	dir := t.TempDir()
	s := small(t)
	store := NewStore()
	open := func() *Store {
		require.NoError(t, store.Close())
		var err error
		store, err = OpenStore(dir, s.Recipe)
		require.NoError(t, err)
		return store
	}
	t.Cleanup(func() { store.Close() })
	ctx, cancel := context.WithCancel(t.Context())
	done := 0
	err := s.Execute(ctx, open(), 1, 1, func(p Progress) {
		if p.Finished != nil {
			if done++; done == 5 {
				cancel()
			}
		}
	})
	require.ErrorIs(t, err, context.Canceled)
	assert.Nil(t, s.Summary(open()), "nothing is tested yet")

	path := filepath.Join(dir, storeName)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, text[:len(text)-10], 0o644))

	whole := NewStore()
	all := execute(t, s, whole, 2, 1)
	resumed := open()
	assert.Equal(t, all-4, execute(t, s, resumed, 2, 1))
	assert.Equal(t, timeless(whole), timeless(resumed))
	again := open()
	assert.Zero(t, execute(t, s, again, 2, 1))
	assert.Equal(t, s.Summary(resumed), s.Summary(again))
}

func TestStoreOfAnotherStudy(t *testing.T) {
	dir := t.TempDir()
	s := small(t)
	store, err := OpenStore(dir, s.Recipe)
	require.NoError(t, err)
	require.NoError(t, store.Close())
	other := s.Recipe
	other.Epochs, other.Model = 3, "mlp"
	_, err = ReadStore(dir, other)
	assert.ErrorContains(t, err, `line 1: results of another study: `)
	_, err = OpenStore(dir, other)
	assert.ErrorContains(t, err, `line 1: results of another study: epochs is 2 there, and 3 here; model is "linear" there, and "mlp" here`)

	require.NoError(t, os.WriteFile(filepath.Join(dir, storeName), []byte("{}\n"), 0o644))
	_, err = OpenStore(dir, s.Recipe)
	assert.ErrorContains(t, err, "results of version 0, want 1")
}

// All methods of a seed begin with the same weights and see the same batches and labels: with a
// tiny perturbation they reach the same loss.
func TestMethodsOfASeedHaveTheSameConditions(t *testing.T) {
	s := small(t)
	s.Grid.Rhos, s.Grid.SelectionSeeds = []float64{1e-12}, 1
	require.NoError(t, s.Validate())
	store := NewStore()
	execute(t, s, store, 2, 1)
	for _, noise := range s.Grid.Noise {
		losses := map[int][]float64{}
		for run, r := range store.done {
			if run.Noise == noise {
				losses[run.Seed] = append(losses[run.Seed], r.Loss)
			}
		}
		require.Len(t, losses, 2)
		for seed, of := range losses {
			require.Len(t, of, 3)
			for _, loss := range of {
				assert.InEpsilon(t, of[0], loss, 1e-5, "seed %d", seed)
			}
		}
		assert.NotEqual(t, losses[1][0], losses[2][0])
	}
}

// The first stage holds back a part of the training set and never sees the test set; the
// second trains on all of the training set.
func TestStagesAndTheirSets(t *testing.T) {
	s := small(t)
	train, test, err := s.sets(Run{Stage: Selection, Seed: 1})
	require.NoError(t, err)
	assert.Equal(t, []int{240, 60}, []int{train.Len(), test.Len()})
	samples := map[string]int{} // how often each is in the training set
	size := s.Train.Shape.Size()
	key := func(set *dataset.Set, i int) string { return string(bytesOf(set.X[i*size:][:size])) }
	for i := range s.Train.Len() {
		samples[key(s.Train, i)]++
	}
	for _, set := range []*dataset.Set{train, test} {
		for i := range set.Len() {
			samples[key(set, i)]--
		}
	}
	for _, n := range samples {
		require.Zero(t, n, "together the two sets are the training set")
	}

	train, test, err = s.sets(Run{Stage: Final, Seed: 1})
	require.NoError(t, err)
	assert.Equal(t, s.Train.X, train.X)
	assert.Equal(t, s.Test, test)
	train, _, err = s.sets(Run{Stage: Final, Seed: 1, Noise: 0.5})
	require.NoError(t, err)
	assert.NotEqual(t, s.Train.Labels, train.Labels)
	assert.NotEqual(t, Run{Stage: Selection, Seed: 1}.seed(), Run{Stage: Final, Seed: 1}.seed())
}

func bytesOf(x []float32) (b []byte) {
	for _, v := range x {
		bits := math.Float32bits(v)
		b = append(b, byte(bits), byte(bits>>8), byte(bits>>16), byte(bits>>24))
	}
	return b
}

// A run that diverges is a result, and its settings aren't chosen.
func TestDivergedRunsAreResults(t *testing.T) {
	s := small(t)
	s.Grid.Methods, s.Grid.Noise, s.Grid.LRs = []string{"sgd"}, []float64{0}, []float64{0.05, 1e38}
	require.NoError(t, s.Validate())
	store := NewStore()
	execute(t, s, store, 1, 1)
	r, ok := store.Get(Run{Stage: Selection, Method: "sgd", Shards: 1, LR: 1e38, Seed: 1})
	require.True(t, ok)
	assert.Contains(t, r.Diverged, "epoch 1, step ")
	assert.Contains(t, r.Diverged, "sam: step refused")
	summary := s.Summary(store)
	require.NotNil(t, summary)
	assert.Equal(t, 0.05, summary.Levels[0].Rows[0].Choice.LR)
}

func TestChoiceAndDifferences(t *testing.T) {
	s := small(t)
	s.Grid.Noise = []float64{0}
	require.NoError(t, s.Validate())
	store := NewStore()
	add := func(stage Stage, method string, shards int, rho float64, seed, right int) {
		require.NoError(t, store.Add(Result{Run: Run{Stage: stage, Method: method, Shards: shards, Rho: rho, LR: 0.05, Seed: seed}, Correct: right, Of: 100, Step: 0.001}))
	}
	add(Selection, "sgd", 1, 0, 1, 80)
	for method, shards := range map[string]int{"sam": 1, "msam": 4} {
		add(Selection, method, shards, 0.05, 1, 85)
		add(Selection, method, shards, 0.2, 1, map[string]int{"sam": 85, "msam": 90}[method])
	}
	for seed, right := range map[int][3]int{1: {70, 75, 81}, 2: {60, 67, 73}} {
		add(Final, "sgd", 1, 0, seed, right[0])
		add(Final, "sam", 1, 0.05, seed, right[1]) // the first of two equal rhos
		add(Final, "msam", 4, 0.2, seed, right[2])
	}
	summary := s.Summary(store)
	require.NotNil(t, summary)
	rows := summary.Levels[0].Rows
	assert.Equal(t, []float64{0, 0.05, 0.2}, []float64{rows[0].Choice.Rho, rows[1].Choice.Rho, rows[2].Choice.Rho})
	assert.InDelta(t, 0.77, rows[2].Accuracy.Mean, 1e-12)
	assert.InDelta(t, 0.12, rows[2].VsSGD.Mean.Mean, 1e-12)
	// Of differences 0.11 and 0.13 the deviation is 0.0141, and t(0.975, 1) 12.706.
	assert.InDelta(t, 12.706*0.01, rows[2].VsSGD.Half(), 1e-4)
	assert.InDelta(t, 0.06, rows[2].VsSAM.Mean.Mean, 1e-12)
}

// A study with another base optimizer trains with that one, and calls the method that perturbs
// nothing by its name.
func TestBaseOptimizer(t *testing.T) {
	usual, other := small(t), small(t)
	other.Base = func(lr float64) optim.Rule { return optim.AdamW{LR: lr / 10} }
	other.BaseTitle = "AdamW"
	losses := map[*Study]float64{}
	for s, titles := range map[*Study][]string{usual: {"SGD", "SAM"}, other: {"AdamW", "SAM"}} {
		s.Grid.Methods, s.Grid.Noise, s.Grid.Rhos, s.Grid.Seeds = []string{"sgd", "sam"}, []float64{0}, []float64{0.05}, 1
		require.NoError(t, s.Validate())
		store := NewStore()
		execute(t, s, store, 2, 1)
		rows := s.Summary(store).Levels[0].Rows
		assert.Equal(t, titles, []string{rows[0].Title, rows[1].Title})
		assert.Equal(t, titles, []string{rows[0].Name, rows[1].Name})
		assert.Equal(t, "sgd", rows[0].Method, "its name in flags and JSON")
		losses[s] = rows[0].Loss
	}
	assert.NotEqual(t, losses[usual], losses[other])
	plan, err := other.MostBytes(1)
	require.NoError(t, err)
	assert.Positive(t, plan)
}

func TestStudyErrors(t *testing.T) {
	for want, change := range map[string]func(*Study){
		"study: Grid.Methods has no value, want at least 1":                                                     func(s *Study) { s.Grid.Methods = nil },
		"study: Grid.Seeds is 0, want at least 1, and less than 1048576":                                        func(s *Study) { s.Grid.Seeds = 0 },
		"study: Grid.Rhos has no value, and SAM perturbs, want at least 1":                                      func(s *Study) { s.Grid.Rhos = nil },
		"study: Grid.LRs has 1e+39, want positive numbers that a float32 can be":                                func(s *Study) { s.Grid.LRs = []float64{0.1, 1e39} },
		"study: Grid.Rhos has -1, want positive numbers":                                                        func(s *Study) { s.Grid.Rhos = []float64{-1} },
		"study: Grid.Noise has 1.5, want fractions from 0 to 1":                                                 func(s *Study) { s.Grid.Noise = []float64{1.5} },
		"study: Grid.Methods has SGD twice":                                                                     func(s *Study) { s.Grid.Methods = []string{"sgd", "sgd"} },
		"study: Recipe.Batch is 250, want at most the 240 samples that are left without the validation samples": func(s *Study) { s.Recipe.Batch = 250 },
		"study: Grid.Methods lacks sgd, which chooses the learning rate for all methods unless each chooses its own": func(s *Study) {
			s.Grid.Methods, s.Grid.LRs = []string{"sam"}, []float64{0.1, 0.2}
		},
		"mSAM with 33 shards: sam: 33 shards of a batch of 32 samples, want at least a sample each": func(s *Study) { s.Grid.Shards = []int{33} },
	} {
		s := small(t)
		change(s)
		assert.EqualError(t, s.Validate(), want)
	}
	s := small(t)
	s.Grid.Methods = []string{"adam"}
	assert.ErrorContains(t, s.Validate(), `"adam"`)
}

// The sum of texts depends on each token, on where samples begin, on segments, labels and targets.
func TestSumOfText(t *testing.T) {
	made := func() *dataset.Set {
		s := dataset.SyntheticText(50, 3, 7, 4, 20, 1)
		s.Segments, s.Targets = make([]uint8, len(s.Tokens)), make([]float32, s.Len())
		return s
	}
	sums := map[string]string{}
	for name, change := range map[string]func(s *dataset.Set){
		"none":     func(s *dataset.Set) {},
		"token":    func(s *dataset.Set) { s.Tokens[17]++ },
		"start":    func(s *dataset.Set) { s.Starts[3]++ },
		"segments": func(s *dataset.Set) { s.Segments[9] = 1 },
		"label":    func(s *dataset.Set) { s.Labels[5]++ },
		"target":   func(s *dataset.Set) { s.Targets[5]++ },
	} {
		s := made()
		change(s)
		sum, err := Sum(s)
		require.NoError(t, err)
		assert.NotContains(t, sums, sum, name)
		sums[sum] = name
	}
	again, err := Sum(made())
	require.NoError(t, err)
	assert.Equal(t, "none", sums[again])
}

// A store is read on machines with another order of bytes in memory, too, so sums are the same.
func TestSumOnOtherMachines(t *testing.T) {
	train, test, err := dataset.Digits()
	require.NoError(t, err)
	sum, err := Sum(train, test)
	require.NoError(t, err)
	assert.Equal(t, "cee81749", sum)
	sum, err = Sum(dataset.SyntheticText(50, 3, 7, 4, 20, 1))
	require.NoError(t, err)
	assert.Equal(t, "53e78436", sum)
}

// Of equally good candidates the middle one of the longest run of neighbors is chosen; a refused run
// is worse than any accuracy.
func TestMiddleBest(t *testing.T) {
	candidates := func(lr float64, percents ...float64) (list []Candidate) {
		for i, p := range percents {
			list = append(list, Candidate{Rho: float64(i), LR: lr, Accuracy: stats.Mean{Mean: p}})
		}
		return list
	}
	for _, c := range []struct {
		percents []float64
		want     float64
	}{
		{[]float64{1, 2, 3}, 2},
		{[]float64{3, 3, 3}, 1},
		{[]float64{3, 3, 3, 3}, 1},
		{[]float64{1, 3, 2, 3, 3}, 3},
		{[]float64{3, 3, 3, 1, 1, 3, 3}, 1},
		{[]float64{3, 1, 2, 3}, 3},       // neighbors 1 and 2
		{[]float64{1, 3, 1, 2, 3, 2}, 4}, // 1 and 1, and 2 and 2
		{[]float64{3, 1, 3}, 0},
		{[]float64{3, 3, 1, 3, 3, 2}, 3}, // 1, and 1 and 2
	} {
		assert.Equal(t, c.want, middleBest(candidates(0.1, c.percents...)).Rho, "%v", c.percents)
	}
	refused := candidates(0.1, 9, 3)
	refused[0].Diverged = 1
	assert.Equal(t, 1.0, middleBest(refused).Rho)

	// The learning rate comes first: that with the most of the equals. A run ends with its rate.
	for _, c := range []struct {
		list    []Candidate
		lr, rho float64
	}{
		{slices.Concat(candidates(0.1, 1, 2, 3), candidates(0.2, 3, 3, 2)), 0.2, 0},
		{slices.Concat(candidates(0.1, 3, 2, 3), candidates(0.2, 2, 3, 2)), 0.1, 0},
		{slices.Concat(candidates(0.1, 3, 1, 3, 3), candidates(0.2, 3, 3, 1, 1)), 0.1, 2},
		{slices.Concat(candidates(0.1, 3), candidates(0.2, 3), candidates(0.4, 3), candidates(0.8, 1)), 0.2, 0},
		{slices.Concat(candidates(0.1, 3), candidates(0.2, 1), candidates(0.4, 3), candidates(0.8, 3)), 0.4, 0},
	} {
		best := middleBest(c.list)
		assert.Equal(t, []float64{c.lr, c.rho}, []float64{best.LR, best.Rho}, "%v", c.list)
	}
}

// While a method as it is has no row, a variant isn't what others are compared with.
func TestVariantsAreNoReference(t *testing.T) {
	row := func(name, settings string) Row {
		return Row{Method: name, Settings: settings, Accuracies: []float64{0.7, 0.8}}
	}
	rows := []Row{row("sgd", ""), row("sam", "ascent.every=2")}
	assert.Nil(t, rowOf(rows, samName))
	rows = append(rows, row("sam", ""))
	assert.Same(t, &rows[2], rowOf(rows, samName))
}
