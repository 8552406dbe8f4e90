package study

import (
	"cmp"
	"slices"

	"gonum.org/v1/gonum/stat"

	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/internal/stats"
)

// Summary is the result of a study. Its JSON is a contract: renaming or dropping a field takes a
// new version.
type Summary struct {
	Version   int     `json:"version"`
	Recipe    Recipe  `json:"recipe"`
	Grid      Grid    `json:"grid"`
	Base      string  `json:"base"`            // title of the base optimizer, such as "SGD" or "AdamW"
	Levels    []Level `json:"levels"`          // by noise
	Costs     []Cost  `json:"costs,omitempty"` // of a step of each method, measured side by side; nil if the study doesn't measure them
	EqualLoad bool    `json:"equal_load"`      // all runs had the same Workers and Jobs, so times compare
	Workers   int     `json:"workers"`         // of each run, or of the last one if they differ
	Jobs      int     `json:"jobs"`            // runs at a time, or at the last one if that differs
	// TestSamples is how many predictions an accuracy on the test set is the fraction of.
	TestSamples int `json:"test_samples,omitempty"`
}

// Level has the results for one fraction of relabeled samples.
type Level struct {
	Noise float64 `json:"noise"`
	// Rows are the results of equal epochs: every method has Recipe.Epochs.
	Rows []Row `json:"rows"`
	// Tests is how many paired tests the rows make, and what their PHolm is corrected for.
	Tests int `json:"tests"`
	// EqualTime are the results of equal time: every method has the epochs that take as long as
	// SAM's Recipe.Epochs (Row.Epochs), with the rho and the learning rate that were chosen for
	// equal epochs. Where that is about the same number of epochs, the runs are those of Rows. It is
	// nil if the study doesn't ask for it, or has none of it yet. These rows have no Flatness.
	EqualTime      []Row `json:"equal_time,omitempty"`
	EqualTimeTests int   `json:"equal_time_tests,omitempty"` // as Tests, of EqualTime
	// Missing names the methods, in words, that have no finished seed yet.
	Missing []string `json:"missing,omitempty"`
	// EqualTimeMissing names those that EqualTime lacks: they have no finished seed there, or the
	// cost of their step isn't measured.
	EqualTimeMissing []string `json:"equal_time_missing,omitempty"`
}

// Row has the results of a method with a number of shards. Lists seed by seed are in the order of
// Seeds, which is the same for all rows of a table.
type Row struct {
	Name   string `json:"name"`  // method, shards and settings in words, as in "mSAM with 8 shards"
	Title  string `json:"title"` // the method alone in words, as in "mSAM"
	Method string `json:"method"`
	Shards int    `json:"shards"`
	// Settings are those that differ from the method's row in sam.Methods, as in "ascent.every=2";
	// "" for none.
	Settings string `json:"settings,omitempty"`
	Choice   Choice `json:"choice"`
	Epochs   int    `json:"epochs"`
	Seeds    []int  `json:"seeds"`
	// Accuracy on the test set, with its interval over seeds.
	Accuracy   stats.Mean `json:"accuracy"`
	Accuracies []float64  `json:"accuracies"` // seed by seed
	// VsSGD and VsSAM are the mean differences in accuracy to that method without settings, seed by
	// seed. All methods share the random numbers of a seed, so the interval of the difference may
	// exclude 0 even if the intervals of the accuracies overlap. They are nil if the study lacks
	// the other method, and for that method's row itself.
	VsSGD *Difference `json:"vs_sgd,omitempty"`
	VsSAM *Difference `json:"vs_sam,omitempty"`
	// ECE is the expected calibration error on the test set, of 15 bins (train.ECE); nil for runs
	// that didn't measure it.
	ECE  *stats.Mean `json:"ece,omitempty"`
	ECEs []float64   `json:"eces,omitempty"` // seed by seed
	Loss float64     `json:"loss"`           // mean of the last epochs' training losses
	// Losses are the training losses of the epochs, each the mean over seeds; nil for runs that
	// didn't keep them.
	Losses []float64 `json:"losses,omitempty"`
	// LossFall is by which part of itself the training loss still falls over the last tenth of the
	// epochs, and at least the last three, along the line that fits them: 0.01 is 1%. It is
	// negative if the loss rises, and nil if there are no Losses or fewer than three.
	LossFall *float64 `json:"loss_fall,omitempty"`
	// Flatness is that of the final models; nil if the study doesn't measure it.
	Flatness *FlatnessRow `json:"flatness,omitempty"`
	Step     float64      `json:"step_seconds"` // median over seeds; 0 if the first step was refused
	// Cost is the step's time divided by SGD's; 0 without SGD. It is from Summary.Costs if the study
	// measures them, and 0 where they lack a method.
	Cost float64 `json:"cost_vs_sgd"`
	// Collapsed is how many runs are no better than guessing. CollapsedSeeds says which.
	Collapsed      int   `json:"collapsed"`
	CollapsedSeeds []int `json:"collapsed_seeds,omitempty"`
	// Diverged is how many runs ended in a step that was refused. Refused has the reason of each.
	Diverged int       `json:"diverged"`
	Refused  []Refusal `json:"refused,omitempty"`
}

// Difference is a mean difference in accuracy, seed by seed, with its interval and its test.
type Difference struct {
	stats.Mean
	// P is that of the paired t-test against no difference, with a deviation of at least half a test
	// sample; nil for a single seed.
	P *float64 `json:"p,omitempty"`
	// PHolm is P by Holm's correction for all tests of the same table, which Level counts.
	PHolm *float64 `json:"p_holm,omitempty"`
}

// FlatnessRow is the flatness of a row's final models, over the seeds whose models could be
// measured. All rows of a study are measured on the same training samples. At a level with noise
// and labels "trained", they have the labels that the seed trained with.
type FlatnessRow struct {
	Samples int     `json:"samples"`
	Labels  string  `json:"labels"` // "trained" or "true"
	Mode    string  `json:"mode"`   // statistics of normalizations, as flatness.Mode: "running", "batch", or "none" without any
	Rho     float64 `json:"rho"`    // radius of the sharpness

	Lambda1   stats.Mean `json:"lambda1"`   // largest eigenvalue of the loss's Hessian
	Sharpness stats.Mean `json:"sharpness"` // worst-case: the most that the loss was found to rise in the ball of Rho
	// Seeds are those that could be measured, and the lists below are in their order.
	Seeds       []int     `json:"seeds"`
	Lambda1s    []float64 `json:"lambda1s"`
	Sharpnesses []float64 `json:"sharpnesses"`
	Problems    []string  `json:"problems,omitempty"` // why a seed couldn't be measured
}

// Refusal is a run that ended in a step that was refused.
type Refusal struct {
	Seed   int    `json:"seed"`
	Reason string `json:"reason"`
}

// Cost is the measured time of a method's step on a full batch. The methods took turns, each step
// with the workers of a run, while the study did nothing else.
type Cost struct {
	Name     string `json:"name"` // as Row.Name
	Method   string `json:"method"`
	Shards   int    `json:"shards"`
	Settings string `json:"settings,omitempty"`
	// Step is SAM's median time in seconds, times VsSAM. So a ratio of Steps is that of VsSAMs.
	// Without SAM, the study's first method stands in for it here.
	Step float64 `json:"step_seconds"`
	// VsSAM is the middle one of the rounds' ratios to SAM's time, or their mean if steps draw how
	// much they compute; 0 without SAM. It decides EqualEpochs.
	VsSAM float64 `json:"vs_sam,omitempty"`
	// EqualEpochs is the number of epochs that comes closest to the time of SAM's; 0 without SAM.
	EqualEpochs int `json:"equal_epochs,omitempty"`
	// Off is the part of itself that VsSAM may be off: what a second SAM in the same turns was, or
	// half VsSAM's 95% interval if that is more. It is nil if a version measured without one.
	Off *float64 `json:"off,omitempty"`
	// Clock is what the steps were timed by: CPUClock or WallClock. "" is WallClock.
	Clock string `json:"clock,omitempty"`
}

// Summary returns the results for the seeds that all methods have finished; nil if there are none.
// A method that has finished no seed is left out, and Level.Missing names it.
func (s *Study) Summary(store *Store) *Summary {
	sum := &Summary{Version: 1, Recipe: s.Recipe, Grid: s.Grid, Base: cmp.Or(s.BaseTitle, "SGD"), EqualLoad: true, Costs: s.Costs(store)}
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

func (s *Study) level(store *Store, noise float64, sum *Summary) (level Level, ok bool) {
	level.Noise = noise
	level.Rows, level.Missing = s.rows(store, noise, sum, func(Entry) (int, bool) { return 0, true })
	level.Tests = test(level.Rows)
	if s.Grid.EqualTime && store.getCosts() != nil {
		level.EqualTime, level.EqualTimeMissing = s.rows(store, noise, sum, func(e Entry) (int, bool) { return s.equalTime(store, e) })
		for i := range level.EqualTime {
			level.EqualTime[i].Flatness = nil // only some of them have it
		}
		level.EqualTimeTests = test(level.EqualTime)
	}
	return level, level.Rows != nil
}

// rows returns a row for each entry that has finished a seed, for the seeds that all of them have,
// and the names of the others. epochs are those of an entry's runs, as Run has them, if it has any.
func (s *Study) rows(store *Store, noise float64, sum *Summary, epochs func(Entry) (n int, ok bool)) (rows []Row, missing []string) {
	var results [][]Result // by row, seed by seed
	for _, e := range s.entries {
		choice, known := s.choose(store, noise, e)
		var of []Result
		run := e.run(Final, noise, choice.Rho, choice.LR, 0)
		var ok bool
		run.Epochs, ok = epochs(e)
		for run.Seed = 1; ok && known && run.Seed <= s.Grid.Seeds; run.Seed++ {
			if r, ok := s.get(store, run); ok {
				of = append(of, r)
			}
		}
		if of == nil {
			missing = append(missing, e.String())
			continue
		}
		results = append(results, of)
		rows = append(rows, Row{
			Name: e.String(), Title: e.Method.Title, Method: e.Method.Name, Shards: e.Shards, Settings: e.Settings,
			Choice: choice, Epochs: s.epochs(run),
		})
	}
	if results = common(results); len(results) == 0 || len(results[0]) == 0 {
		return nil, missing
	}
	for i := range rows {
		rows[i].fill(results[i])
		for _, r := range results[i] {
			if sum.Jobs != 0 && (sum.Workers != r.Workers || sum.Jobs != r.Jobs) {
				sum.EqualLoad = false
			}
			sum.Workers, sum.Jobs, sum.TestSamples = r.Workers, r.Jobs, r.Of
		}
	}
	base, sharp := rowOf(rows, sgd), rowOf(rows, samName)
	for i := range rows {
		r := &rows[i]
		r.VsSGD, r.VsSAM = r.against(base, sum.TestSamples), r.against(sharp, sum.TestSamples)
		r.Cost = sum.cost(r, base)
	}
	return rows, missing
}

// cost returns what a step of a row costs over one of the base row; 0 if nobody knows. Both times
// are measured costs, or both are of the steps of runs while they trained if the study has no costs.
func (s *Summary) cost(r, base *Row) float64 {
	if base == nil {
		return 0
	}
	step, of := r.Step, base.Step
	if s.Costs != nil {
		c, baseCost := costOf(s.Costs, r.key()), costOf(s.Costs, base.key())
		if c == nil || baseCost == nil {
			return 0
		}
		step, of = c.Step, baseCost.Step
	}
	if of > 0 {
		return step / of
	}
	return 0
}

// test fills in the p-values of the rows' differences, and returns how many tests they are. SGD
// against SAM and SAM against SGD are one test.
func test(rows []Row) (tests int) {
	var all []float64
	var of []*Difference
	base, sharp := rowOf(rows, sgd), rowOf(rows, samName)
	for i := range rows {
		r := &rows[i]
		for _, d := range []*Difference{r.VsSGD, r.VsSAM} {
			if d == nil || d.P == nil || r == base && d == r.VsSAM {
				continue // the last is SAM's test against SGD
			}
			all, of = append(all, *d.P), append(of, d)
		}
	}
	corrected := stats.Holm(all)
	for i, d := range of {
		d.PHolm = &corrected[i]
	}
	if base != nil && base.VsSAM != nil && base.VsSAM.P != nil {
		base.VsSAM.PHolm = sharp.VsSGD.PHolm
	}
	return len(all)
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
		r.Seeds = append(r.Seeds, result.Seed)
		r.Accuracies = append(r.Accuracies, result.Accuracy())
		steps = append(steps, result.Step)
		r.Loss += result.Loss / float64(len(results))
		if result.Collapsed {
			r.Collapsed++
			r.CollapsedSeeds = append(r.CollapsedSeeds, result.Seed)
		}
		if result.Diverged != "" {
			r.Diverged++
			r.Refused = append(r.Refused, Refusal{result.Seed, result.Diverged})
		}
	}
	r.Accuracy = stats.MeanOf(r.Accuracies)
	r.Step = stats.Median(steps)
	r.fillDetails(results)
	r.Flatness = flatnessRow(results)
}

// fillDetails computes what comes from Details, if all runs have them. Losses are those of the
// epochs that all runs have finished.
func (r *Row) fillDetails(results []Result) {
	if slices.ContainsFunc(results, func(r Result) bool { return r.Details == nil }) {
		return
	}
	epochs := len(results[0].Details.Losses)
	for _, result := range results {
		r.ECEs = append(r.ECEs, result.Details.ECE)
		epochs = min(epochs, len(result.Details.Losses))
	}
	ece := stats.MeanOf(r.ECEs)
	r.ECE = &ece
	r.Losses = make([]float64, epochs)
	for _, result := range results {
		for i := range r.Losses {
			r.Losses[i] += result.Details.Losses[i] / float64(len(results))
		}
	}
	r.LossFall = lossFall(r.Losses)
}

// lossFall returns by which part of itself a loss falls over the last tenth of the epochs.
func lossFall(losses []float64) *float64 {
	n := max(3, num.CeilDiv(len(losses), 10))
	if len(losses) < n {
		return nil
	}
	last := losses[len(losses)-n:]
	epochs := make([]float64, n)
	for i := range epochs {
		epochs[i] = float64(i)
	}
	first, slope := stat.LinearRegression(epochs, last, nil, false)
	if first <= 0 { // a loss of about 0, which falls no more
		first = 0
	}
	fall := 0.0
	if first > 0 {
		fall = -slope * float64(n-1) / first
	}
	return &fall
}

// rowOf returns the row of a method as it is, without settings of its own, or nil. While it is
// missing, a variant doesn't take its place.
func rowOf(rows []Row, method string) *Row {
	if i := slices.IndexFunc(rows, func(r Row) bool { return r.Method == method && r.Settings == "" }); i >= 0 {
		return &rows[i]
	}
	return nil
}

// against returns the mean difference in accuracy between r and other; nil if other is nil or r.
// samples are those of the test set. The test doesn't believe a deviation of less than half of one.
func (r *Row) against(other *Row, samples int) *Difference {
	if other == nil || other == r {
		return nil
	}
	d := &Difference{Mean: stats.MeanOf(stats.Differences(r.Accuracies, other.Accuracies))}
	if p, ok := stats.PairedT(r.Accuracies, other.Accuracies, 0.5/float64(samples)); ok {
		d.P = &p
	}
	return d
}
