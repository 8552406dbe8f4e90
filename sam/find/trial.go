package find

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/steppe-ml/steppe/sam"
	"github.com/steppe-ml/steppe/sam/train"
)

// RhoKey says which of Rho's runs one is.
type RhoKey struct {
	Shards int     `json:"shards"` // 1 with Rho 0
	Rho    float64 `json:"rho"`    // 0 for the base optimizer
	Seed   uint64  `json:"seed"`
}

// RhoTrial is one of Rho's runs, finished.
type RhoTrial struct {
	RhoKey
	Loss     float64  `json:"loss"`               // on the validation set after the last epoch; 0 if a step was refused
	Accuracy *float64 `json:"accuracy,omitempty"` // the same; nil without labels
	Seconds  float64  `json:"seconds"`
	// Collapsed means that the run has learned nothing: it classifies no better than guessing, or
	// without labels its loss is no lower than before the first step.
	Collapsed bool   `json:"collapsed,omitempty"`
	Refused   string `json:"refused,omitempty"` // why the run ended early, or its loss isn't finite
}

// trial returns the run of a key.
func (s *search) trial(key RhoKey) *train.Run {
	run := s.run
	run.Seed = key.Seed
	if run.Params != nil {
		run.Params = run.Params.Clone()
	}
	c := &run.Optimizer
	c.Rho, c.Shards, c.ShardSize = key.Rho, key.Shards, 0
	if key.Rho == 0 {
		*c = c.Unperturbed()
	}
	if s.run.Valid.Labels != nil {
		run.Metrics = []train.Metric{&train.Accuracy{}}
	}
	return &run
}

// train trains a run. It calls after at the end of each epoch.
func (s *search) train(ctx context.Context, key RhoKey, after func()) (RhoTrial, error) {
	t, begin := RhoTrial{RhoKey: key}, time.Now()
	run := s.trial(key)
	before := math.Inf(1) // the loss before the first step
	if run.Metrics == nil {
		if run.Params == nil {
			run.Params = run.Model.Init(run.Seed)
		}
		scores, err := train.EvaluateContext(ctx, run.Model, run.Params, run.Valid, &train.Loss{})
		if err != nil {
			return t, err
		}
		before = scores["loss"]
	}
	run.Hooks = []train.Hook{train.HookFunc(func(at train.Moment, _ *train.Status) error {
		if at == train.AfterEpoch {
			after()
		}
		return nil
	})}
	history, err := run.Start(ctx)
	if refused := new(train.StepError); errors.As(err, &refused) && errors.Is(err, sam.ErrRefused) {
		t.Refused, t.Seconds = refused.Error(), time.Since(begin).Seconds()
		return t, nil
	} else if err != nil {
		return t, err
	}
	scores := history.Epochs[len(history.Epochs)-1].Valid
	t.Loss, t.Seconds = scores["loss"], time.Since(begin).Seconds()
	if math.IsNaN(t.Loss) || math.IsInf(t.Loss, 0) {
		t.Refused = fmt.Sprintf("the validation loss is %v", t.Loss)
		t.Loss = 0
	}
	t.Collapsed = t.Refused == "" && t.Loss >= before
	if run.Metrics != nil {
		accuracy := scores["accuracy"]
		t.Accuracy, t.Collapsed = &accuracy, accuracy <= train.Chance(run.Valid)
	}
	return t, nil
}

// execute trains the runs that the store lacks.
func (s *search) execute(ctx context.Context) error {
	keys := s.keys()
	e := &execution{search: s}
	e.progress.Runs = len(keys)
	var missing []RhoKey
	for _, key := range keys {
		if _, ok := s.store.done[key]; ok {
			e.progress.Done++
		} else {
			missing = append(missing, key)
			e.left += passes(key) * float64(s.run.Epochs)
		}
	}
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(s.o.Jobs)
	for _, key := range missing {
		if inner.Err() != nil || ctx.Err() != nil {
			break
		}
		group.Go(func() error { return e.train(inner, key) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return ctx.Err() // of a search that was done before its first run
}

// execution is the progress of a search.
type execution struct {
	*search
	mutex      sync.Mutex
	progress   RhoProgress
	done, left float64 // passes over the training set
}

func (e *execution) train(ctx context.Context, key RhoKey) error {
	epochs := 0
	trial, err := e.search.train(ctx, key, func() {
		epochs++
		e.advance(passes(key), nil)
	})
	if err != nil {
		return err
	}
	if err := e.store.add(trial); err != nil {
		return err
	}
	e.advance(passes(key)*float64(e.run.Epochs-epochs), &trial)
	return nil
}

// passes returns the cost of an epoch: how often it goes through the training set.
func passes(key RhoKey) float64 {
	if key.Rho > 0 {
		return 2
	}
	return 1
}

// advance counts work that is done, or a finished run, and reports it.
func (e *execution) advance(work float64, finished *RhoTrial) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	e.done, e.left = e.done+work, e.left-work
	if finished != nil {
		e.progress.Done++
	}
	if e.o.Report != nil {
		p := e.progress
		p.Part, p.Finished = e.done/(e.done+e.left), finished
		e.o.Report(p)
	}
}
