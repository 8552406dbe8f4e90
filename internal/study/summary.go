package study

import (
	"slices"

	"github.com/steppe-ml/steppe/internal/stats"
)

// Summary is the result of a study. Its JSON is a contract: renaming or dropping a field takes a
// new version.
type Summary struct {
	Version int     `json:"version"`
	Recipe  Recipe  `json:"recipe"`
	Grid    Grid    `json:"grid"`
	Levels  []Level `json:"levels"` // by noise
	// EqualLoad says that all times were measured with the same number of workers for each run
	// and of runs at once: Workers and Jobs. Otherwise these two are of the last run.
	EqualLoad bool `json:"equal_load"`
	Workers   int  `json:"workers"`
	Jobs      int  `json:"jobs"`
}

// Level has the results for one fraction of redrawn labels.
type Level struct {
	Noise float64 `json:"noise"`
	Rows  []Row   `json:"rows"`
}

// Row has the results of a method with a number of shards.
type Row struct {
	Name   string `json:"name"` // in words, shards and all
	Title  string `json:"-"`    // of the method alone
	Method string `json:"method"`
	Shards int    `json:"shards"`
	Choice Choice `json:"choice"`
	// Accuracy on the test set, with its interval over seeds.
	Accuracy   stats.Mean `json:"accuracy"`
	Accuracies []float64  `json:"accuracies"` // seed by seed
	// VsSGD and VsSAM are the mean differences in accuracy, seed by seed. The methods share all
	// that the seed decides, so an interval may leave out 0 even where those of Accuracy overlap.
	// They are nil if the study lacks the other method, and for a method against itself.
	VsSGD *stats.Mean `json:"vs_sgd,omitempty"`
	VsSAM *stats.Mean `json:"vs_sam,omitempty"`
	Loss  float64     `json:"loss"`         // mean of the last epochs' training losses
	Step  float64     `json:"step_seconds"` // median over seeds; 0 if the first step was refused
	// Cost is the step's time divided by SGD's; 0 without SGD.
	Cost      float64 `json:"cost_vs_sgd"`
	Collapsed int     `json:"collapsed"` // runs that are no better than guessing
	Diverged  int     `json:"diverged"`  // runs that ended in a step that was refused
}

// Summary returns the results for the seeds that are done with all methods; nil if there are
// none.
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

// common keeps, in each row, the results of the seeds that all rows have.
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

// against returns how much more accurate r is than other, or nil.
func (r *Row) against(other *Row) *stats.Mean {
	if other == nil || other == r {
		return nil
	}
	i := stats.MeanOf(stats.Differences(r.Accuracies, other.Accuracies))
	return &i
}
