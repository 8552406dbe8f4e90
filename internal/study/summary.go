package study

import (
	"slices"

	"github.com/steppe-ml/steppe/internal/stats"
)

// Summary is the result of a study. Its JSON is a contract: renaming or dropping a field takes a
// new version.
type Summary struct {
	Version   int     `json:"version"`
	Recipe    Recipe  `json:"recipe"`
	Grid      Grid    `json:"grid"`
	Levels    []Level `json:"levels"`     // by noise
	EqualLoad bool    `json:"equal_load"` // all runs had the same Workers and Jobs, so times compare
	Workers   int     `json:"workers"`    // of each run, or of the last one if they differ
	Jobs      int     `json:"jobs"`       // runs at a time, or at the last one if that differs
}

// Level has the results for one fraction of relabeled samples.
type Level struct {
	Noise float64 `json:"noise"`
	Rows  []Row   `json:"rows"`
}

// Row has the results of a method with a number of shards.
type Row struct {
	Name   string `json:"name"` // method and shards in words
	Title  string `json:"-"`    // the method alone in words
	Method string `json:"method"`
	Shards int    `json:"shards"`
	Choice Choice `json:"choice"`
	// Accuracy on the test set, with its interval over seeds.
	Accuracy   stats.Mean `json:"accuracy"`
	Accuracies []float64  `json:"accuracies"` // seed by seed
	// VsSGD and VsSAM are the mean differences in accuracy to the first row of that method, seed by
	// seed. All methods share the random numbers of a seed, so the interval of the difference may
	// exclude 0 even if the intervals of the accuracies overlap. They are nil if the study lacks
	// the other method, and for that method's row itself.
	VsSGD *stats.Mean `json:"vs_sgd,omitempty"`
	VsSAM *stats.Mean `json:"vs_sam,omitempty"`
	Loss  float64     `json:"loss"`         // mean of the last epochs' training losses
	Step  float64     `json:"step_seconds"` // median over seeds; 0 if the first step was refused
	// Cost is the step's time divided by SGD's; 0 without SGD.
	Cost      float64 `json:"cost_vs_sgd"`
	Collapsed int     `json:"collapsed"` // runs that are no better than guessing
	Diverged  int     `json:"diverged"`  // runs that ended in a step that was refused
}

// Summary returns the results for the seeds that all methods have finished; nil if there are none.
func (s *Study) Summary(store *Store) *Summary {
	sum := &Summary{Version: 1, Recipe: s.Recipe, Grid: s.Grid, EqualLoad: true}
	for _, noise := range s.Grid.Noise {
		if level, ok := s.level(store, noise, sum); ok {
			sum.Levels = append(sum.Levels, level)
		}
	}
	if sum.Levels == nil {
		return nil
	}
	return sum
}

func (s *Study) level(store *Store, noise float64, sum *Summary) (Level, bool) {
	level := Level{Noise: noise}
	results := make([][]Result, len(s.entries)) // seed by seed
	for i, e := range s.entries {
		choice, known := s.choose(store, noise, e)
		if !known {
			return level, false
		}
		level.Rows = append(level.Rows, Row{Name: e.String(), Title: e.Method.Title, Method: e.Method.Name, Shards: e.Shards, Choice: choice})
		for seed := 1; seed <= s.Grid.Seeds; seed++ {
			if r, ok := store.Get(e.run(Final, noise, choice.Rho, choice.LR, seed)); ok {
				results[i] = append(results[i], r)
			}
		}
	}
	results = common(results)
	if len(results[0]) == 0 {
		return level, false
	}
	for i := range level.Rows {
		level.Rows[i].fill(results[i])
		for _, r := range results[i] {
			if sum.Jobs != 0 && (sum.Workers != r.Workers || sum.Jobs != r.Jobs) {
				sum.EqualLoad = false
			}
			sum.Workers, sum.Jobs = r.Workers, r.Jobs
		}
	}
	base, sharp := level.row(sgd), level.row(samName)
	for i := range level.Rows {
		r := &level.Rows[i]
		r.VsSGD, r.VsSAM = r.against(base), r.against(sharp)
		if base != nil && base.Step > 0 {
			r.Cost = r.Step / base.Step
		}
	}
	return level, true
}

// common drops the results of seeds that some row lacks.
func common(rows [][]Result) [][]Result {
	has := map[int]int{}
	for _, row := range rows {
		for _, r := range row {
			has[r.Seed]++
		}
	}
	for i := range rows {
		rows[i] = slices.DeleteFunc(rows[i], func(r Result) bool { return has[r.Seed] < len(rows) })
	}
	return rows
}

// fill computes a row from the results of its runs.
func (r *Row) fill(results []Result) {
	var steps []float64
	for _, result := range results {
		r.Accuracies = append(r.Accuracies, result.Accuracy())
		steps = append(steps, result.Step)
		r.Loss += result.Loss / float64(len(results))
		if result.Collapsed {
			r.Collapsed++
		}
		if result.Diverged != "" {
			r.Diverged++
		}
	}
	r.Accuracy = stats.MeanOf(r.Accuracies)
	r.Step = stats.Median(steps)
}

// row returns the first row of a method, or nil.
func (l *Level) row(method string) *Row {
	if i := slices.IndexFunc(l.Rows, func(r Row) bool { return r.Method == method }); i >= 0 {
		return &l.Rows[i]
	}
	return nil
}

// against returns the mean difference in accuracy between r and other; nil if other is nil or r.
func (r *Row) against(other *Row) *stats.Mean {
	if other == nil || other == r {
		return nil
	}
	i := stats.MeanOf(stats.Differences(r.Accuracies, other.Accuracies))
	return &i
}
