package study

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/steppe-ml/steppe/internal/stats"
	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/net/optim"
	"github.com/steppe-ml/steppe/sam"
	"github.com/steppe-ml/steppe/sam/train"
)

// Stage is the purpose of a run.
type Stage string

const (
	Selection Stage = "selection" // trained without the validation samples, and tested on them
	Final     Stage = "final"     // trained on all training samples, and tested on the test set
)

// Run is one training run of a study.
type Run struct {
	Stage  Stage   `json:"stage"`
	Noise  float64 `json:"noise"`
	Method string  `json:"method"`
	Shards int     `json:"shards"`
	Rho    float64 `json:"rho"`
	LR     float64 `json:"lr"`
	Seed   int     `json:"seed"` // from 1 on, in both stages; they share no random bits

	Epochs   int    `json:"epochs,omitempty"`   // 0 for Recipe.Epochs
	Settings string `json:"settings,omitempty"` // as Variant.Settings
}

// run returns the run of an entry, of Recipe.Epochs.
func (e Entry) run(stage Stage, noise, rho, lr float64, seed int) Run {
	return Run{Stage: stage, Noise: noise, Method: e.Method.Name, Shards: e.Shards, Rho: rho, LR: lr, Seed: seed, Settings: e.Settings}
}

// epochs returns the number of epochs of a run.
func (s *Study) epochs(run Run) int { return cmp.Or(run.Epochs, s.Recipe.Epochs) }

// Result is the outcome of a run.
type Result struct {
	Run
	Correct   int     `json:"right"` // validation or test samples
	Of        int     `json:"of"`
	Loss      float64 `json:"loss"` // mean of the last epoch's training batches
	Steps     int     `json:"steps"`
	Seconds   float64 `json:"seconds"`      // of the whole run
	Step      float64 `json:"step_seconds"` // median of the steps on full batches
	Workers   int     `json:"workers"`
	Jobs      int     `json:"jobs"`                // runs at once
	Collapsed bool    `json:"collapsed,omitempty"` // no better than guessing
	// Diverged is the reason if a step was refused. The run ended there, and was tested with the
	// parameters before that step.
	Diverged string `json:"diverged,omitempty"`

	Details *Details `json:"details,omitempty"` // of final runs; nil in stores from before there were any
}

// Details are what a final run measures of its model besides the accuracy.
type Details struct {
	ECE      float64   `json:"ece"`                // on the test set: train.ECE with its usual bins
	Losses   []float64 `json:"losses"`             // mean training loss of each finished epoch
	Flatness *Flatness `json:"flatness,omitempty"` // nil if the study doesn't measure it
}

// Accuracy is the share of validation or test samples that were classified correctly.
func (r Result) Accuracy() float64 { return float64(r.Correct) / float64(r.Of) }

const (
	splitSeed = 1 // of the validation samples; all runs hold back the same
	// selectionSeeds is added to the seeds of the first stage, so that no choice can suit the seeds
	// of the second.
	selectionSeeds = 1 << 20
)

// seed returns the seed of all random numbers of the run: initial weights, the order of samples,
// augmentation and label noise. It is the same for all methods.
func (r Run) seed() uint64 {
	if r.Stage == Selection {
		return uint64(r.Seed + selectionSeeds)
	}
	return uint64(r.Seed)
}

// sets returns the training set and the test set of a run.
func (s *Study) sets(run Run) (train, test *dataset.Set, err error) {
	if train, err = s.Train.NoisyLabels(run.Noise, run.seed()); err != nil {
		return nil, nil, err
	}
	test = s.Test
	if run.Stage == Selection {
		if train, test, err = train.Split(s.Recipe.Validation, splitSeed); err != nil {
			return nil, nil, err
		}
	}
	if !s.Recipe.Standardize {
		return train, test, nil
	}
	m, err := train.MeanStd()
	if err != nil {
		return nil, nil, err
	}
	if train, err = train.Standardize(m); err != nil {
		return nil, nil, err
	}
	test, err = test.Standardize(m)
	return train, test, err
}

// loader returns the loader of a run. If the model has batch normalization, it drops a short last
// batch for all methods, even for those that could take it, so that all have the same batches.
func (s *Study) loader(train *dataset.Set, seed uint64) dataset.Loader {
	return dataset.Loader{Set: train, Batch: s.Recipe.Batch, Seed: seed, Augment: s.Augment, DropLast: s.Model.MinShard() > 1}
}

func (s *Study) config(run Run, method sam.Method, batches, workers int) sam.Config {
	cfg := method.Preset
	cfg.Rho, cfg.Shards = run.Rho, run.Shards
	cfg.Base = optim.SGD{LR: run.LR, Momentum: s.Recipe.Momentum, WeightDecay: s.Recipe.WeightDecay}
	if s.Base != nil {
		cfg.Base = s.Base(run.LR)
	}
	cfg.LRSchedule = s.Schedule(s.epochs(run), batches)
	cfg.Batch, cfg.Seed, cfg.Workers = s.Recipe.Batch, run.seed(), workers
	return cfg
}

// method returns the method of a run, with the settings of its variant.
func (s *Study) method(run Run) (sam.Method, error) {
	for _, e := range s.entries {
		if e.Method.Name == run.Method && e.Settings == run.Settings {
			return e.Method, nil
		}
	}
	return sam.Method{}, fmt.Errorf("study: %s with settings %q isn't among the methods", run.Method, run.Settings)
}

// train executes one run. It calls after at the end of each epoch.
func (s *Study) train(ctx context.Context, run Run, workers int, after func()) (Result, error) {
	r := Result{Run: run, Workers: workers}
	begin := time.Now()
	method, err := s.method(run)
	if err != nil {
		return r, err
	}
	set, test, err := s.sets(run)
	if err != nil {
		return r, err
	}
	loader := s.loader(set, run.seed())
	if err := loader.Validate(); err != nil {
		return r, err
	}
	var steps []float64
	training := &train.Run{
		Model: s.Model, Seed: run.seed(), Epochs: s.epochs(run), Train: loader,
		Optimizer: s.config(run, method, loader.Batches(), workers),
		Hooks: []train.Hook{train.HookFunc(func(at train.Moment, status *train.Status) error {
			switch at {
			case train.AfterStep:
				r.Steps++
				if status.StepSamples == s.Recipe.Batch {
					steps = append(steps, status.StepTime.Seconds())
				}
			case train.AfterEpoch:
				after()
			}
			return nil
		})},
	}
	history, err := training.Start(ctx)
	if refused := new(train.StepError); errors.As(err, &refused) {
		r.Diverged = fmt.Sprintf("epoch %d, step %d: %v", refused.Epoch, r.Steps+1, refused.Err)
		after()
	} else if err != nil {
		return r, err
	}
	r.Loss = lastLoss(history)
	if len(steps) > 0 {
		r.Step = stats.Median(steps)
	}
	accuracy, calibration := &train.Accuracy{}, &train.ECE{}
	metrics := []train.Metric{accuracy}
	if run.Stage == Final {
		metrics = append(metrics, calibration)
	}
	if _, err := train.Evaluate(s.Model, history.Params, test, metrics...); err != nil {
		return r, err
	}
	r.Correct, r.Of = accuracy.Correct, accuracy.Total
	r.Collapsed = r.Accuracy() <= train.Chance(test)
	if run.Stage == Final {
		r.Details = &Details{ECE: calibration.Value()}
		for _, e := range history.Epochs {
			r.Details.Losses = append(r.Details.Losses, e.Loss)
		}
		if s.flattens(run) {
			if r.Details.Flatness, err = s.flatness(ctx, run, history.Params, workers); err != nil {
				return r, err
			}
		}
	}
	r.Seconds = time.Since(begin).Seconds()
	return r, nil
}

// lastLoss returns the mean training loss of the last epoch, whole or not; 0 if there was no step.
func lastLoss(h *train.History) float64 {
	if h.Unfinished != nil {
		return h.Unfinished.Loss
	}
	if len(h.Epochs) == 0 {
		return 0
	}
	return h.Epochs[len(h.Epochs)-1].Loss
}

// Sum returns a checksum of the values or tokens and of the labels of sets: CRC-32 in hexadecimal.
// The error is that of a sample that can't be read.
func Sum(sets ...*dataset.Set) (string, error) {
	sum := crc32.NewIEEE()
	for _, s := range sets {
		binary.Write(sum, binary.LittleEndian, s.Labels)
		if s.IsText() {
			binary.Write(sum, binary.LittleEndian, s.Tokens)
			binary.Write(sum, binary.LittleEndian, s.Segments)
			for i := range s.Len() {
				binary.Write(sum, binary.LittleEndian, int64(s.Starts[i+1]-s.Starts[i]))
			}
			binary.Write(sum, binary.LittleEndian, s.Targets)
			continue
		}
		for batch, err := range s.InOrder(1024) {
			if err != nil {
				return "", err
			}
			binary.Write(sum, binary.LittleEndian, batch.X)
		}
	}
	return fmt.Sprintf("%08x", sum.Sum32()), nil
}
