package train

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/simdtest"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/checkpoint"
	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/net/optim"
	"github.com/steppe-ml/steppe/sam"
)

// A run does what a loop over the batches with sam's optimizer does, bit for bit.
func TestRunIsTheLoop(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		run := small(t, normed(t))
		run.Optimizer.Rho, run.Optimizer.Shards = 0.1, 4
		run.Optimizer.LRSchedule = optim.Cosine{Steps: run.Steps()}
		history, err := run.Start(t.Context())
		require.NoError(t, err)

		params := run.Model.Init(5)
		cfg := run.Optimizer
		cfg.Batch, cfg.Seed = 8, 5
		opt, err := sam.New(run.Model, params, cfg)
		require.NoError(t, err)
		for epoch := range 3 {
			loss, samples := 0.0, 0
			for batch, err := range run.Train.Set.Batches(8, 5, uint64(epoch)) {
				require.NoError(t, err)
				stats, err := opt.Step(batch)
				require.NoError(t, err)
				loss += stats.Loss * float64(batch.N)
				samples += batch.N
			}
			e := history.Epochs[epoch]
			assert.Equal(t, []any{epoch + 1, 5, 34, loss / float64(samples)}, []any{e.Epoch, e.Steps, e.Samples, e.Loss})
		}
		assert.Equal(t, params, history.Params)
		scores, err := Evaluate(run.Model, params, run.Valid, &Loss{}, &Accuracy{})
		require.NoError(t, err)
		assert.Equal(t, scores, history.Epochs[2].Valid)
		losses := []float64{history.Epochs[0].Valid["loss"], history.Epochs[1].Valid["loss"], history.Epochs[2].Valid["loss"]}
		assert.Equal(t, slices.Index(losses, slices.Min(losses))+1, history.BestEpoch)
	})
}

// Given parameters are trained in place.
func TestRunParams(t *testing.T) {
	run := small(t, linear(t))
	run.Params = run.Model.Init(9)
	before := run.Params.Clone()
	history, err := run.Start(t.Context())
	require.NoError(t, err)
	assert.Same(t, run.Params, history.Params)
	assert.NotEqual(t, before, run.Params)
	other := small(t, run.Model)
	_, err = other.Start(t.Context())
	require.NoError(t, err)
	assert.NotEqual(t, other.State().Params, run.Params)
}

// The last batch is left out if it would leave a shard, or the part of one that perturbs, with
// fewer samples than a normalization needs.
func TestShortLastBatch(t *testing.T) {
	vectors := compile(t, net.Shape{6, 6, 2}, net.Flatten{}, net.Dense{Out: 4}, net.BatchNorm{}, net.Dense{Out: 3})
	for _, test := range []struct {
		name    string
		model   *net.Model
		n, size int
		cfg     sam.Config
		drop    bool
		samples int
	}{
		{"no normalization", linear(t), 33, 8, sam.Config{Shards: 8}, false, 33},
		{"one sample is left", vectors, 33, 8, sam.Config{}, true, 32},
		{"two samples are left", vectors, 34, 8, sam.Config{}, false, 34},
		{"two samples in two shards", vectors, 34, 8, sam.Config{Shards: 4}, false, 34},
		{"three samples in two shards", vectors, 35, 8, sam.Config{Shards: 4}, true, 32},
		{"three samples in shards of 2", vectors, 35, 8, sam.Config{ShardSize: 2}, true, 32},
		{"three samples in shards of 4", vectors, 35, 8, sam.Config{ShardSize: 4}, false, 35},
		{"half of them perturbs", vectors, 34, 8, sam.Config{Rho: 0.1, Ascent: sam.Ascent{Fraction: 0.5}}, true, 32},
		{"images of a sample have many values", normed(t), 33, 8, sam.Config{}, false, 33},
		{"no short batch", vectors, 32, 8, sam.Config{Shards: 4}, false, 32},
		{"an optimizer of larger batches", vectors, 35, 8, sam.Config{Shards: 4, Batch: 16}, false, 35},
	} {
		t.Run(test.name, func(t *testing.T) {
			run := small(t, test.model)
			run.Epochs, run.Train.Set, run.Train.Batch = 1, images(test.n, 1), test.size
			test.cfg.Base = run.Optimizer.Base
			run.Optimizer = test.cfg
			assert.Equal(t, test.drop, run.Loader().DropLast)
			history, err := run.Start(t.Context())
			require.NoError(t, err)
			assert.Equal(t, test.samples, history.Epochs[0].Samples)
			assert.Equal(t, run.Steps(), history.Epochs[0].Steps)
			if test.drop {
				opt, err := sam.New(run.Model, run.Model.Init(1), run.config())
				require.NoError(t, err)
				_, err = opt.Step(run.Train.Set.Range(0, test.n%test.size))
				assert.ErrorContains(t, err, "leave such a batch out", "the optimizer couldn't have taken it")
			}
		})
	}
	run := small(t, linear(t))
	run.Train.DropLast = true
	assert.True(t, run.Loader().DropLast, "it is the user's choice, too")
	assert.Zero(t, (&Run{Epochs: 3}).Steps())
}

// A step that is refused is reported as that. The run is as the step has found it, and goes on
// from there with other settings.
func TestRefusedStep(t *testing.T) {
	run := small(t, linear(t))
	run.Dir = t.TempDir()
	run.Optimizer.Base = optim.SGD{LR: 1e38}
	moments := []Moment{}
	run.Hooks = []Hook{HookFunc(func(at Moment, s *Status) error {
		moments = append(moments, at)
		return nil
	})}
	history, err := run.Start(t.Context())
	refused := new(StepError)
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, []int{1, 3}, []int{refused.Epoch, refused.Batch})
	assert.ErrorContains(t, err, "epoch 1, batch 3: sam: step refused: ")
	assert.Equal(t, []Moment{AtStart, AfterStep, AfterStep, AtEnd}, moments)
	require.NotNil(t, history)
	assert.Empty(t, history.Epochs)
	assert.Nil(t, history.Best)
	assert.Equal(t, 2, history.Unfinished.Steps)

	state, err := LoadState(run.last(), run.Model)
	require.NoError(t, err)
	assert.Equal(t, history.Params, state.Params)
	assert.Equal(t, uint64(2), state.Optimizer.Steps)
	again := small(t, run.Model)
	again.Dir, again.Optimizer.Base = run.Dir, optim.SGD{LR: 1e38}
	_, err = again.Resume(t.Context())
	refusedAgain := new(StepError)
	require.ErrorAs(t, err, &refusedAgain)
	assert.Equal(t, refused.Error(), refusedAgain.Error())
}

// A context ends the run after the step under way, with all that was done.
func TestContext(t *testing.T) {
	cause := errors.New("the lights went out")
	for name, test := range map[string]struct {
		at    Moment
		epoch int
		steps uint64
	}{
		"before":      {AtStart, 1, 0},
		"in an epoch": {AfterStep, 1, 1},
		"at its end":  {AfterEpoch, 2, 5},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			run := small(t, linear(t))
			run.Dir = t.TempDir()
			run.Hooks = []Hook{HookFunc(func(at Moment, _ *Status) error {
				if at == test.at {
					cancel(cause)
				}
				return nil
			})}
			history, err := run.Start(ctx)
			require.ErrorIs(t, err, context.Canceled)
			require.ErrorIs(t, err, cause)
			assert.ErrorContains(t, err, "train: ended in epoch "+string(rune('0'+test.epoch))+": ")
			assert.Len(t, history.Epochs, test.epoch-1)
			assert.Equal(t, test.steps, run.State().Optimizer.Steps)
			state, err := LoadState(run.last(), run.Model)
			require.NoError(t, err)
			assert.Equal(t, run.State(), state)
		})
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	<-ctx.Done()
	run := small(t, linear(t))
	_, err := run.Start(ctx)
	assert.ErrorIs(t, err, context.DeadlineExceeded)
}

// A context that ends during the validation leaves the run before it, so that resuming measures
// the set again.
func TestContextInValidation(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	slow := &hooked{update: func() { cancel() }}
	run := small(t, linear(t))
	run.Valid, run.Epochs = images(2*evaluated+3, 2), 1
	run.Metrics = []Metric{slow}
	_, err := run.Start(ctx)
	require.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, 1, slow.updates)
	state := run.State()
	assert.Equal(t, []int{0, 5}, []int{state.Epoch, state.Batch})
	history, err := run.ResumeFrom(t.Context(), state)
	require.NoError(t, err)
	assert.Equal(t, 5, history.Epochs[0].Steps)
	assert.Equal(t, 4, slow.updates)
}

// hooked is a metric that calls a function.
type hooked struct {
	Accuracy
	update  func()
	updates int
}

func (h *hooked) Update(outputs []float32, batch net.Batch) {
	h.updates++
	h.Accuracy.Update(outputs, batch)
	h.update()
}

// The files of a folder are replaced when the run is told to, or resumed.
func TestDir(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "runs", "first")
	run := small(t, normed(t))
	run.Dir, run.Meta.Model = dir, "tiny"
	history, err := run.Start(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []string{"best.safetensors", "last.safetensors", "metrics.jsonl"}, names(t, dir))
	for name, want := range map[string]*net.Params{"best": history.Best, "last": history.Params} {
		got, err := checkpoint.Load(filepath.Join(dir, name+".safetensors"), run.Model)
		require.NoError(t, err)
		assert.Equal(t, want, got)
		meta, err := checkpoint.ReadMeta(filepath.Join(dir, name+".safetensors"))
		require.NoError(t, err)
		assert.Equal(t, checkpoint.Meta{Model: "tiny", Input: net.Shape{6, 6, 2}, Classes: 3, Data: "synthetic:6x6x2"}, meta)
	}

	before := contents(t, dir)
	other := small(t, linear(t))
	other.Dir = dir
	_, err = other.Start(t.Context())
	assert.ErrorContains(t, err, "last.safetensors is of another run: Resume it, use another Dir, or set Overwrite")
	_, err = other.ResumeFrom(t.Context(), run.State())
	assert.ErrorContains(t, err, "is of another run")
	require.NoError(t, os.Remove(run.last()))
	_, err = other.Start(t.Context())
	assert.ErrorContains(t, err, "best.safetensors is of another run")
	require.NoError(t, os.Remove(run.best()))
	_, err = other.Start(t.Context())
	assert.ErrorContains(t, err, "metrics.jsonl is of another run")
	require.NoError(t, os.WriteFile(run.best(), []byte(before["best.safetensors"]), 0o644))
	require.NoError(t, os.WriteFile(run.last(), []byte(before["last.safetensors"]), 0o644))
	assert.Equal(t, before, contents(t, dir))

	other.Overwrite = true
	other.Hooks = []Hook{stopAfter(2)}
	_, err = other.Start(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []string{"last.safetensors", "metrics.jsonl"}, names(t, dir), "the other run's best parameters are gone")
	assert.Empty(t, contents(t, dir)["metrics.jsonl"], "and its rows")
}

func contents(t *testing.T, dir string) map[string]string {
	all := map[string]string{}
	for _, name := range names(t, dir) {
		text, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		all[name] = string(text)
	}
	return all
}

// A folder that can't be written to is an error before the first step, and one that can't be
// any more ends the run with its history.
func TestDirErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	run := small(t, linear(t))
	run.Dir = file
	_, err := run.Start(t.Context())
	assert.ErrorContains(t, err, "train: mkdir ")

	run.Dir = t.TempDir()
	run.Hooks = []Hook{HookFunc(func(at Moment, s *Status) error {
		if at == AfterStep && s.Epoch == 2 {
			require.NoError(t, os.RemoveAll(run.Dir))
		}
		return nil
	})}
	history, err := run.Start(t.Context())
	assert.ErrorIs(t, err, os.ErrNotExist)
	assert.Len(t, history.Epochs, 2)

	run.Dir = t.TempDir()
	require.NoError(t, os.WriteFile(run.last(), []byte("damaged"), 0o644))
	_, err = run.Resume(t.Context())
	assert.ErrorContains(t, err, "not a safetensors file")
	model := filepath.Join(run.Dir, "last.safetensors")
	require.NoError(t, checkpoint.Save(model, run.Model, run.Model.Init(1), checkpoint.Meta{}))
	_, err = run.Resume(t.Context())
	assert.ErrorContains(t, err, "no training state")
	require.NoError(t, checkpoint.SaveState(model, run.Model, run.Model.Init(1), checkpoint.Meta{}, &checkpoint.State{}))
	_, err = run.Resume(t.Context())
	assert.ErrorContains(t, err, "last.safetensors: history: ")
	require.NoError(t, checkpoint.SaveState(model, run.Model, run.Model.Init(1), checkpoint.Meta{}, &checkpoint.State{Progress: json.RawMessage("{}")}))
	_, err = run.Resume(t.Context())
	assert.ErrorContains(t, err, "last.safetensors has no history of a run")
}

func TestRunErrors(t *testing.T) {
	for want, change := range map[string]func(*Run){
		"train: Model is missing":                                               func(r *Run) { r.Model = nil },
		"train: Epochs is 0, want at least 1":                                   func(r *Run) { r.Epochs = 0 },
		"train: Train: dataset: Loader has no Set":                              func(r *Run) { r.Train.Set = nil },
		"train: Train: dataset: Batch is 0, want at least 1":                    func(r *Run) { r.Train.Batch = 0 },
		"train: Train: synthetic:5 has samples of 5, and the model takes 6x6x2": func(r *Run) { r.Train.Set = dataset.Synthetic(net.Shape{5}, 3, 20, 1) },
		"train: Valid: synthetic:5 has samples of 5, and the model takes 6x6x2": func(r *Run) { r.Valid = dataset.Synthetic(net.Shape{5}, 3, 20, 1) },
		"train: Valid: synthetic:6x6x2 has no samples":                          func(r *Run) { r.Valid = images(4, 1).Head(0) },
		"train: Valid: loss of synthetic:6x6x2: label 2 is 7, want 0 to 2": func(r *Run) {
			r.Valid = images(4, 1)
			r.Valid.Labels[2] = 7
			r.Metrics = []Metric{&lossless{}, &Accuracy{}}
		},
		"train: Train.Batch is 8, and Optimizer.Batch 4, want no less": func(r *Run) { r.Optimizer.Batch = 4 },
		"train: Hooks[1] is nil":                       func(r *Run) { r.Hooks = []Hook{Progress(nil), nil} },
		"train: 1 Metrics and no Valid set to measure": func(r *Run) { r.Valid = nil },
		"train: metric 1 is nil":                       func(r *Run) { r.Metrics = []Metric{nil} },
		`train: metrics "a b" and "a-b" are both "valid_a_b" in the log`: func(r *Run) {
			r.Metrics = []Metric{&ranked{name: "a b"}, &ranked{name: "a-b"}}
		},
		"train: SaveEvery is -1 and LogEvery 0, want steps, or 0 for none":              func(r *Run) { r.SaveEvery = -1 },
		"train: SaveEvery is 0 and LogEvery -3, want steps, or 0 for none":              func(r *Run) { r.LogEvery = -3 },
		`train: two metrics are called "accuracy"`:                                      func(r *Run) { r.Metrics = []Metric{&Accuracy{}, &Accuracy{}} },
		`train: Monitor: unknown metric "acuracy", want one of loss, accuracy`:          func(r *Run) { r.Monitor = "acuracy" },
		"train: Valid: top-4 accuracy of synthetic:6x6x2: TopK.K is 4, want 1 to 3":     func(r *Run) { r.Metrics = []Metric{&TopK{K: 4}} },
		"sam: Base is missing, such as optim.SGD{LR: 0.1}":                              func(r *Run) { r.Optimizer.Base = nil },
		"sam: 9 shards of a batch of 8 samples, want at least a sample each":            func(r *Run) { r.Optimizer.Shards = 9 },
		`train: EarlyStopping.Monitor: unknown metric "f1", want one of loss, accuracy`: func(r *Run) { r.Hooks = []Hook{EarlyStopping{Patience: 1, Monitor: "f1"}} },
		"train: EarlyStopping.Patience is 0 and MinDelta 0, want at least 1 and 0":      func(r *Run) { r.Hooks = []Hook{EarlyStopping{}} },
		"train: EarlyStopping.Patience is 1 and MinDelta NaN, want at least 1 and 0":    func(r *Run) { r.Hooks = []Hook{EarlyStopping{Patience: 1, MinDelta: math.NaN()}} },
	} {
		run := small(t, linear(t))
		change(&run)
		_, err := run.Start(t.Context())
		assert.EqualError(t, err, want)
	}
}

// Validate leaves the metrics as the last evaluation has left them.
func TestValidateKeepsTheMetrics(t *testing.T) {
	run := small(t, linear(t))
	accuracy, confusion := &Accuracy{}, &Confusion{}
	run.Metrics = []Metric{accuracy, confusion}
	_, err := run.Start(t.Context())
	require.NoError(t, err)
	require.Equal(t, 20, accuracy.Total)
	counts := confusion.Counts
	require.NoError(t, run.Validate())
	assert.Equal(t, 20, accuracy.Total)
	assert.Equal(t, counts, confusion.Counts)
	assert.NotZero(t, confusion.Value())
}

// lossless is a metric in the loss's place.
type lossless struct{ Accuracy }

func (*lossless) Name() string { return "loss" }

// In steady state the loop allocates nothing, whatever the number of steps of an epoch.
func TestStepAllocatesNothing(t *testing.T) {
	run := small(t, linear(t))
	run.Epochs, run.Train = 1, dataset.Loader{Set: images(4000, 1), Batch: 8, Augment: []dataset.Augmentation{dataset.Flip{}}}
	run.Optimizer.Rho, run.Optimizer.Shards, run.Optimizer.Workers = 0.05, 4, 1
	var before, after runtime.MemStats
	run.Hooks = []Hook{EarlyStopping{Patience: 1}, Progress(&strings.Builder{}), HookFunc(func(at Moment, s *Status) error {
		switch {
		case at == AfterStep && s.Batch == 100:
			runtime.ReadMemStats(&before)
		case at == AfterStep && s.Batch == 500:
			runtime.ReadMemStats(&after)
		}
		return nil
	})}
	_, err := run.Start(t.Context())
	require.NoError(t, err)
	assert.Less(t, after.Mallocs-before.Mallocs, uint64(40), "400 steps")
}

// A regression has targets, no labels and no classes.
func TestRegression(t *testing.T) {
	set := &dataset.Set{Name: "line", Shape: net.Shape{1}}
	for i := range 64 {
		x := float32(i)/32 - 1
		set.X, set.Targets = append(set.X, x), append(set.Targets, 3*x-1)
	}
	run := Run{
		Model: compile(t, set.Shape, net.Dense{Out: 1}, net.MSE{}), Epochs: 60, Seed: 1,
		Train: dataset.Loader{Set: set, Batch: 16}, Valid: set,
		Optimizer: sam.Config{Base: optim.SGD{LR: 0.2}},
	}
	history, err := run.Start(t.Context())
	require.NoError(t, err)
	assert.Less(t, history.Epochs[59].Valid["loss"], 1e-6)
	run.Metrics = []Metric{&Accuracy{}}
	_, err = run.Start(t.Context())
	assert.EqualError(t, err, "train: Valid: accuracy of line: the set has no labels")
}

// brokenSamples can't read some sample.
type brokenSamples struct {
	*dataset.Set
	broken int
}

func (b brokenSamples) Read(i int, x []float32) error {
	if i == b.broken {
		return fs.ErrPermission
	}
	return b.Set.Read(i, x)
}

// A sample that can't be read ends a run, which goes on when the sample can be read again.
func TestUnreadableSample(t *testing.T) {
	whole := small(t, linear(t))
	_, err := whole.Start(t.Context())
	require.NoError(t, err)

	run := small(t, linear(t))
	run.Dir = t.TempDir()
	set := run.Train.Set
	broken := *set
	broken.X, broken.Samples = nil, brokenSamples{set, 17}
	run.Train.Set = &broken
	history, err := run.Start(t.Context())
	assert.ErrorIs(t, err, fs.ErrPermission)
	assert.Regexp(t, `^train: epoch 1, batch \d: `, err)
	assert.Empty(t, history.Epochs)

	again := small(t, run.Model)
	again.Dir = run.Dir
	_, err = again.Resume(t.Context())
	require.NoError(t, err)
	assert.Equal(t, timeless(&whole), timeless(&again))
}
