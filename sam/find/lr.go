package find

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/sam"
	"github.com/steppe-ml/steppe/sam/train"
)

// LROptions are the settings of LR. The zero value takes the defaults.
type LROptions struct {
	Min   float64 // learning rate of the first step; 0 is 1e-6
	Max   float64 // learning rate of the last step; 0 is 10
	Steps int     // from Min to Max; 0 is 200
	// Diverged ends the test once the loss is that many times the lowest one; 0 is 4.
	Diverged float64
	// Report is called after each step with the number of steps that are done; nil for nobody.
	Report func(step int)
}

// Ends of a range test.
const (
	Finished = "finished" // the learning rate has reached Max
	Diverged = "diverged" // the loss rose beyond Diverged times the lowest one
	Refused  = "refused"  // a step met a value that isn't finite
	Canceled = "canceled" // the context was done
)

// LRResult is what a range test has seen.
type LRResult struct {
	Points []LRPoint `json:"points"` // one a step
	// Suggestion is a learning rate to begin with: the smallest at which the smoothed loss has made
	// 95% of its fall from the first step to the lowest. Larger ones are at the flat bottom, where
	// noise decides which is the lowest. It is 0 if there is none, and then None says why: the loss
	// doesn't fall by more than noise, or falls to the end.
	Suggestion float64 `json:"suggestion,omitempty"`
	None       string  `json:"none,omitempty"`
	// Steepest is the learning rate at which the loss falls the fastest, and Lowest that of the
	// lowest loss, in steps of a logarithmic scale. Both are of the smoothed loss, and 0 without a
	// Suggestion.
	Steepest float64 `json:"steepest,omitempty"`
	Lowest   float64 `json:"lowest,omitempty"`
	End      string  `json:"end"`             // Finished, Diverged, Refused or Canceled
	Error    string  `json:"error,omitempty"` // of the step that was refused
}

// LRPoint is a step of a range test.
type LRPoint struct {
	LR       float64 `json:"lr"`
	Loss     float64 `json:"loss"`     // of the step's batch, before the step
	Smoothed float64 `json:"smoothed"` // of the steps around it
}

// LR tries learning rates from small to large in one short run: the learning-rate range test of
// Smith (arXiv 1506.01186), as fastai has it. Each step takes the next batch of run.Train and a
// learning rate that is larger by the same factor, with run's own optimizer and method. The test
// ends at Max, when the loss diverges, or with a step that is refused.
//
// run is taken with its parameters, of which LR trains a copy, its loader, augmentation included,
// and its Optimizer, whose learning-rate schedule gives way to the test's and whose rho stays
// constant. Its Epochs, Valid, Metrics, Hooks and Dir aren't used.
//
// LRResult.Suggestion says how a suggestion comes about. If ctx is done, LR returns the points so
// far with the context's error.
func LR(ctx context.Context, run train.Run, o LROptions) (*LRResult, error) {
	o = o.resolved()
	if err := o.validate(); err != nil {
		return nil, err
	}
	test, err := o.test(run)
	if err != nil {
		return nil, err
	}
	r := &LRResult{End: Finished}
	var trend trend
	test.Hooks = []train.Hook{train.HookFunc(func(at train.Moment, s *train.Status) error {
		if at != train.AfterStep {
			return nil
		}
		r.Points = append(r.Points, LRPoint{LR: s.Step.LearningRate, Loss: s.Step.Loss})
		if o.Report != nil {
			o.Report(len(r.Points))
		}
		if trend.add(s.Step.Loss); trend.value > o.Diverged*trend.lowest {
			r.End = Diverged
		}
		if r.End == Diverged || len(r.Points) == o.Steps {
			return train.Stop("the range test has ended")
		}
		return nil
	})}
	_, err = test.Start(ctx)
	if refused := new(train.StepError); errors.As(err, &refused) && errors.Is(err, sam.ErrRefused) {
		r.End, r.Error, err = Refused, refused.Err.Error(), nil
	} else if err != nil {
		r.End = Canceled
		if ctx.Err() == nil {
			return nil, err
		}
	}
	width := max(1, bell*float64(o.Steps))
	r.smooth(width, o.Diverged*trend.lowest)
	r.suggest(width, o.Max)
	return r, err
}

// resolved returns o with its defaults filled in.
func (o LROptions) resolved() LROptions {
	if o.Min == 0 {
		o.Min = 1e-6
	}
	if o.Max == 0 {
		o.Max = 10
	}
	if o.Steps == 0 {
		o.Steps = 200
	}
	if o.Diverged == 0 {
		o.Diverged = 4
	}
	return o
}

// fewestSteps is how many a curve needs that anything can be read from.
const fewestSteps = 10

func (o LROptions) validate() error {
	switch {
	case !num.Positive(o.Min):
		return fmt.Errorf("find: Min is %v, want a positive float32", o.Min)
	case !num.Positive(o.Max) || !(o.Max > o.Min):
		return fmt.Errorf("find: Max is %v, want a float32 above Min, %v", o.Max, o.Min)
	case o.Steps < fewestSteps:
		return fmt.Errorf("find: Steps is %d, want at least %d", o.Steps, fewestSteps)
	case !(o.Diverged > 1):
		return fmt.Errorf("find: Diverged is %v, want more than 1", o.Diverged)
	}
	return nil
}

// test returns the run that makes the steps.
func (o LROptions) test(run train.Run) (*train.Run, error) {
	test := &train.Run{
		Model: run.Model, Params: run.Params, Seed: run.Seed, Epochs: 1,
		Train: run.Train, Optimizer: run.Optimizer,
	}
	if err := validate(test); err != nil {
		return nil, err
	}
	if run.Params != nil {
		test.Params = run.Params.Clone()
	}
	base := run.Optimizer.Base.Hyper().LearningRate
	test.Optimizer.LRSchedule = rising{o.Min / base, o.Max / base, o.Steps}
	test.Optimizer.RhoSchedule = nil
	test.Epochs = num.CeilDiv(o.Steps, test.Loader().Batches())
	return test, nil
}

// validate returns an error if a run can't be started.
func validate(run *train.Run) error {
	if err := run.Validate(); err != nil {
		return err
	}
	cfg := run.Optimizer
	if cfg.Batch == 0 {
		cfg.Batch = run.Train.Batch
	}
	return cfg.Validate(run.Model)
}

// rising is a schedule that multiplies the factor by the same number in each step: From in the
// first of Steps steps, To in the last.
type rising struct {
	From, To float64
	Steps    int
}

// Factor implements optim.Schedule.
func (r rising) Factor(step uint64) float64 {
	part := min(1, float64(step)/float64(r.Steps-1))
	return math.Exp((1-part)*math.Log(r.From) + part*math.Log(r.To))
}

// trend follows the loss while the test runs: an exponential mean of the last ten steps or so.
type trend struct {
	sum, weight   float64
	value, lowest float64
}

func (t *trend) add(loss float64) {
	const keep = 0.9
	first := t.weight == 0
	t.sum, t.weight = keep*t.sum+(1-keep)*loss, keep*t.weight+(1-keep)
	t.value = t.sum / t.weight
	if first || t.value < t.lowest {
		t.lowest = t.value
	}
}
