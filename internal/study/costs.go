package study

import (
	"context"
	"fmt"
	"time"

	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/internal/stats"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/sam"
)

const (
	costSteps  = 10              // of a method in a round, at least: some methods ascend in some steps only
	costRounds = 5               // at least
	mostRounds = 25              // enough for a median of any steps
	costTime   = 2 * time.Second // of all methods together, before which rounds go on
)

// sameTime is the largest difference in a step's cost from SAM's that equal time takes for none:
// then the runs of equal epochs are those of equal time, too. It is about as much as the costs
// themselves can be off.
const sameTime = 0.05

// measureCosts measures what a step of each entry takes on a full batch. The entries take turns,
// so that whatever slows down the machine for a while slows down all of them.
func (s *Study) measureCosts(ctx context.Context, workers int) (costs, error) {
	c := costs{Workers: workers}
	set, _, err := s.sets(Run{Stage: Final, Seed: 1})
	if err != nil {
		return c, err
	}
	n := max(1, min(costSteps, set.Len()/s.Recipe.Batch))
	if set, err = set.Head(n * s.Recipe.Batch).Load(); err != nil {
		return c, err
	}
	var batches []net.Batch
	for i := range n {
		batches = append(batches, set.Range(i*s.Recipe.Batch, s.Recipe.Batch))
	}
	steppers := make([]*stepper, len(s.entries))
	for i, e := range s.entries {
		if steppers[i], err = s.stepper(e, batches, workers); err != nil {
			return c, fmt.Errorf("%v: %w", e, err)
		}
	}
	seconds := make([][]float64, len(s.entries)) // by entry and round
	begin := time.Now()
	for round := 0; round < costRounds || round < mostRounds && time.Since(begin) < costTime; round++ {
		for i, t := range steppers {
			if err := ctx.Err(); err != nil {
				return c, err
			}
			took, err := t.round()
			if err != nil {
				return c, fmt.Errorf("%v: %w", s.entries[i], err)
			}
			seconds[i] = append(seconds[i], took)
		}
	}
	c.Steps = s.compareCosts(seconds)
	return c, nil
}

// compareCosts makes costs of the times of a step by entry and round.
func (s *Study) compareCosts(seconds [][]float64) (list []Cost) {
	var measure []float64
	for i, e := range s.entries {
		if e.Method.Name == samName && measure == nil {
			measure = seconds[i]
		}
	}
	for i, e := range s.entries {
		cost := Cost{Name: e.String(), Method: e.Method.Name, Shards: e.Shards, Settings: e.Settings, Step: stats.Median(seconds[i])}
		if measure != nil {
			cost.VsSAM = stats.Median(stats.Ratios(seconds[i], measure))
			cost.EqualEpochs = equalEpochs(s.Recipe.Epochs, cost.VsSAM)
		}
		list = append(list, cost)
	}
	return list
}

// equalEpochs returns how many epochs of a method whose step costs vsSAM times as much as SAM's fit
// the time of SAM's epochs.
func equalEpochs(epochs int, vsSAM float64) int {
	if vsSAM >= 1-sameTime && vsSAM <= 1+sameTime {
		return epochs
	}
	return max(1, int(float64(epochs)/vsSAM))
}

// stepper trains a model on the same batches again and again.
type stepper struct {
	opt     *sam.Optimizer
	batches []net.Batch
	steps   int // of a round: whole cycles of a method that doesn't ascend in each step
	at      int
}

// stepper returns a stepper of an entry that has made its first steps. Its learning rate is so
// small that it can't diverge.
func (s *Study) stepper(e Entry, batches []net.Batch, workers int) (*stepper, error) {
	run := s.anyRun(e)
	run.LR *= 1e-3
	opt, err := sam.New(s.Model, s.Model.Init(1), s.config(run, e.Method, len(batches), workers))
	if err != nil {
		return nil, err
	}
	cycle := max(1, e.Method.Preset.Ascent.Every)
	t := &stepper{opt: opt, batches: batches, steps: cycle}
	if _, err := t.round(); err != nil {
		return nil, err
	}
	t.steps = cycle * num.CeilDiv(costSteps, cycle)
	return t, nil
}

// round makes some steps and returns the mean seconds of one.
func (t *stepper) round() (float64, error) {
	begin := time.Now()
	for range t.steps {
		if _, err := t.opt.Step(t.batches[t.at%len(t.batches)]); err != nil {
			return 0, err
		}
		t.at++
	}
	return time.Since(begin).Seconds() / float64(t.steps), nil
}
