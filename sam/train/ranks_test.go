package train

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/agree"
	group "github.com/steppe-ml/steppe/internal/ranks"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/net/optim"
	"github.com/steppe-ml/steppe/sam"
)

// trains starts a run, or goes on with it.
type trains func() (*History, error)

// starts is Start of a run.
func starts(t *testing.T, r *Run) trains {
	return func() (*History, error) { return r.Start(t.Context()) }
}

// onRanks trains on n ranks, each with a run of its own, and returns the runs and their errors.
func onRanks(t *testing.T, n int, run func(rank int) (*Run, trains)) (all []*Run, ended []error) {
	t.Helper()
	all, ended = make([]*Run, n), make([]error, n)
	require.NoError(t, group.Run(n, func(rank *group.Rank) error {
		r, train := run(rank.Rank())
		r.Optimizer.Communicator, r.Optimizer.Workers = rank, 1
		all[rank.Rank()] = r
		_, ended[rank.Rank()] = train()
		return nil
	}))
	return all, ended
}

// overall are runs on ranks of all kinds.
func overall(t *testing.T) map[string]func() *Run {
	crop := []dataset.Augmentation{dataset.Crop{Pad: 1}, dataset.Flip{}}
	sgd := optim.SGD{LR: 0.05, Momentum: 0.9}
	texts := dataset.SyntheticText(20, 3, 9, 3, 34, 1)
	return map[string]func() *Run{
		"msam": func() *Run {
			r := small(t, normed(t))
			r.Train.Augment = crop
			r.Optimizer = sam.Config{Rho: 0.05, Shards: 4, Base: sgd}
			return &r
		},
		"sam": func() *Run {
			r := small(t, linear(t))
			r.Train = dataset.Loader{Set: images(200, 1), Batch: 64}
			r.Optimizer = sam.Config{Rho: 0.05, Base: sgd}
			return &r
		},
		"stream": func() *Run {
			r := small(t, linear(t))
			r.Train.Augment = crop
			r.Train.Set, r.Valid = streamed(r.Train.Set, whole), streamed(r.Valid, whole)
			r.Optimizer = sam.Config{Rho: 0.05, Shards: 8, Base: sgd}
			return &r
		},
		"text": func() *Run {
			r := small(t, textual(t))
			r.Train.Set, r.Valid = texts, texts
			r.Optimizer = sam.Config{Rho: 0.05, Shards: 4, Base: optim.AdamW{LR: 0.01}}
			return &r
		},
		"without validation": func() *Run {
			r := small(t, linear(t))
			r.Valid, r.Metrics = nil, nil
			r.Optimizer = sam.Config{Shards: 4, Base: sgd}
			return &r
		},
	}
}

// A run on several ranks has the bits of one on a single rank, on every one of them.
func TestRunOnRanks(t *testing.T) {
	for name, run := range overall(t) {
		t.Run(name, func(t *testing.T) {
			alone := run()
			alone.Optimizer.Communicator = sam.Alone()
			_, err := alone.Start(t.Context())
			require.NoError(t, err)
			want := timeless(alone)
			for _, n := range []int{2, 3} {
				all, ended := onRanks(t, n, func(int) (*Run, trains) {
					r := run()
					return r, starts(t, r)
				})
				for rank, r := range all {
					require.NoError(t, ended[rank])
					require.Equal(t, want, timeless(r), "rank %d of %d", rank, n)
				}
			}
		})
	}
}

// Rank 0 alone writes files. A run that is stopped anywhere goes on with any number of ranks, none
// of which sees the files but rank 0, and has the bits of one that wasn't stopped.
func TestResumeOnOtherRanks(t *testing.T) {
	run := overall(t)["msam"]
	whole := run()
	whole.Optimizer.Communicator = sam.Alone()
	_, err := whole.Start(t.Context())
	require.NoError(t, err)
	dir := t.TempDir()
	in := func(stop int) func(rank int) (*Run, trains) {
		return func(rank int) (*Run, trains) {
			r := run()
			r.Dir, r.LogEvery = dir, 1
			if rank > 0 {
				r.Dir = filepath.Join(t.TempDir(), "not", "here")
				r.PrepareDir = func() error { return errors.New("rank 0 alone has files") }
				r.Finish = func(*History, error) error { return errors.New("rank 0 alone has files") }
			}
			if stop > 0 {
				r.Hooks = []Hook{stopAfter(stop)}
			}
			return r, func() (*History, error) { return r.Resume(t.Context()) }
		}
	}
	for _, part := range []struct{ ranks, steps int }{{2, 3}, {3, 2}, {1, 4}, {2, 0}} {
		all, ended := onRanks(t, part.ranks, in(part.steps))
		for rank, r := range all {
			require.NoError(t, ended[rank])
			if rank > 0 {
				assert.NoDirExists(t, filepath.Dir(r.Dir))
			}
			assert.Equal(t, all[0].State().Params, r.State().Params)
		}
		if part.steps == 0 {
			assert.Equal(t, timeless(whole), timeless(all[0]))
			assert.Equal(t, timeless(whole), timeless(all[1]))
		}
	}
	rows, err := ReadLog(LogFile(dir))
	require.NoError(t, err)
	assert.Len(t, rows, 15+3, "a row for each step and each epoch, once")
}

// Whatever ends the run of one rank ends all after the same step, with the same error, and the
// folder has that step's state.
func TestRanksEndTogether(t *testing.T) {
	failure := errors.New("the battery is empty")
	after := func(at Moment, step uint64, do func() error) func(r *Run, cancel context.CancelFunc) {
		return func(r *Run, _ context.CancelFunc) {
			r.Hooks = []Hook{HookFunc(func(now Moment, s *Status) error {
				if now == at && r.loop.opt.Steps() == step {
					return do()
				}
				return nil
			})}
		}
	}
	fails := func(at Moment, step uint64) func(r *Run, cancel context.CancelFunc) {
		return after(at, step, func() error { return failure })
	}
	stops := func(at Moment, step uint64) func(r *Run, cancel context.CancelFunc) {
		return after(at, step, func() error { return Stop("enough") })
	}
	for name, test := range map[string]struct {
		change func(r *Run, cancel context.CancelFunc)
		want   string // without the rank; "" if all ends well
		is     error
		steps  uint64
	}{
		"signal": {func(r *Run, cancel context.CancelFunc) {
			after(AfterStep, 2, func() error { cancel(); return nil })(r, nil)
		}, "train: ended in epoch 1: context canceled", context.Canceled, 2},
		"signal after an epoch": {func(r *Run, cancel context.CancelFunc) {
			after(AfterEpoch, 5, func() error { cancel(); return nil })(r, nil)
		}, "train: ended in epoch 2: context canceled", context.Canceled, 5},
		"hook after a step":     {fails(AfterStep, 3), failure.Error(), failure, 3},
		"hook after a last one": {fails(AfterStep, 5), failure.Error(), failure, 5},
		"hook after an epoch":   {fails(AfterEpoch, 5), failure.Error(), failure, 5},
		"hook at the start":     {fails(AtStart, 0), failure.Error(), failure, 0},
		"hook at the end":       {fails(AtEnd, 15), failure.Error(), failure, 15},
		"hook that stops":       {stops(AfterStep, 4), "", nil, 4},
		"hook stops after all":  {stops(AfterEpoch, 10), "", nil, 10},
	} {
		for _, bad := range []int{0, 2} {
			t.Run(fmt.Sprint(name, ", rank ", bad), func(t *testing.T) {
				dir := t.TempDir()
				all, ended := onRanks(t, 3, func(rank int) (*Run, trains) {
					r := small(t, linear(t))
					r.Dir, r.Optimizer.Shards = dir, 8
					ctx, cancel := context.WithCancel(t.Context())
					if rank == bad {
						test.change(&r, cancel)
					}
					return &r, func() (*History, error) { defer cancel(); return r.Start(ctx) }
				})
				for rank, r := range all {
					assert.Equal(t, test.steps, r.loop.opt.Steps(), "rank %d", rank)
					if test.want == "" {
						assert.NoError(t, ended[rank])
						assert.Equal(t, "enough", r.State().History.Stopped)
						continue
					}
					assert.EqualError(t, ended[rank], fmt.Sprintf("rank %d: %s", bad, test.want))
					assert.True(t, agree.Known(ended[rank]))
					if rank == bad || errors.Is(test.is, context.Canceled) {
						assert.ErrorIs(t, ended[rank], test.is)
					}
				}
				saved, err := LoadState(LastFile(dir), all[0].Model)
				require.NoError(t, err)
				assert.Equal(t, test.steps, saved.Optimizer.Steps)
				assert.Equal(t, all[0].State().Params, saved.Params)
			})
		}
	}
}

// A sample that a rank can't read ends all before the step that has it.
func TestUnreadableSampleOnRanks(t *testing.T) {
	for _, bad := range []int{0, 2} {
		dir := t.TempDir()
		all, ended := onRanks(t, 3, func(rank int) (*Run, trains) {
			r := small(t, linear(t))
			r.Dir, r.Optimizer.Shards = dir, 8
			r.Train.Set = streamed(r.Train.Set, func(reads int64) bool { return rank == bad && reads > 34+16 })
			return &r, starts(t, &r)
		})
		saved, err := LoadState(LastFile(dir), all[0].Model)
		require.NoError(t, err)
		assert.Positive(t, saved.Optimizer.Steps)
		for rank, r := range all {
			assert.Equal(t, saved.Optimizer.Steps, r.loop.opt.Steps())
			assert.Regexp(t, fmt.Sprintf(`^rank %d: train: epoch [23], batch \d: %v$`, bad, errDamaged), ended[rank])
		}
		assert.ErrorIs(t, ended[bad], errDamaged)
	}
}

// Each sample is read and augmented by one rank.
func TestRanksReadTheirOwn(t *testing.T) {
	var reads, augmented atomic.Int64
	_, ended := onRanks(t, 3, func(int) (*Run, trains) {
		r := small(t, linear(t))
		r.Valid, r.Metrics, r.Optimizer.Shards = nil, nil, 8
		r.Train.Set = streamed(r.Train.Set, func(int64) bool { reads.Add(1); return false })
		r.Train.Augment = []dataset.Augmentation{counting{&augmented}}
		return &r, starts(t, &r)
	})
	for _, err := range ended {
		require.NoError(t, err)
	}
	assert.EqualValues(t, 3*34+3*34, reads.Load(), "3 fingerprints, and 3 epochs")
	assert.EqualValues(t, 3*34, augmented.Load())
}

// counting is an augmentation that counts samples.
type counting struct{ n *atomic.Int64 }

func (counting) Validate(net.Shape) error                      { return nil }
func (c counting) Apply([]float32, net.Shape, *dataset.Random) { c.n.Add(1) }

// A step that is refused ends all ranks with one error, without a rank: none of them is to blame.
func TestStepRefusedOnRanks(t *testing.T) {
	_, ended := onRanks(t, 2, func(int) (*Run, trains) {
		r := small(t, linear(t))
		r.Optimizer.Shards = 8
		r.Optimizer.Base = optim.SGD{LR: 1e38}
		return &r, starts(t, &r)
	})
	for _, err := range ended {
		require.ErrorIs(t, err, sam.ErrRefused)
		assert.ErrorAs(t, err, new(*StepError))
		assert.NotContains(t, err.Error(), "rank")
		assert.Equal(t, ended[0].Error(), err.Error())
	}
}

// Ranks that wouldn't train the same run don't begin.
func TestRanksDiffer(t *testing.T) {
	for name, test := range map[string]struct {
		change func(r *Run)
		want   string
	}{
		"epochs": {func(r *Run) { r.Epochs = 4 }, "the ranks differ in Epochs: rank 1 has 4, and rank 0 3"},
		"batch":  {func(r *Run) { r.Train.Batch = 16 }, "the ranks differ in Train.Batch: rank 1 has 16, and rank 0 8"},
		"rho":    {func(r *Run) { r.Optimizer.Rho = 0.1 }, "the ranks differ in Optimizer.Rho: rank 1 has 0.1, and rank 0 0"},
		"seed":   {func(r *Run) { r.Train.Seed = 9 }, "the ranks differ in Train.Seed: rank 1 has 9, and rank 0 5"},
		"sum":    {func(r *Run) { r.Optimizer.Fast = true }, "the ranks differ in Optimizer.Fast: rank 1 has true, and rank 0 false"},
		"size":   {func(r *Run) { r.Train.Set = images(35, 1) }, "the ranks differ in the training set: rank 1 has 35 samples"},
		"data":   {func(r *Run) { r.Valid = images(20, 3) }, "the ranks differ in the validation set: rank 1 has 20 samples"},
		"parameters": {func(r *Run) { r.Params = r.Model.Init(6) },
			"the ranks differ in the parameters: rank 1 has of checksum"},
		"model":   {func(r *Run) { r.Model = normed(t) }, "the ranks differ in the number of parameters: rank 1 has 275, and rank 0 219"},
		"invalid": {func(r *Run) { r.Epochs = 0 }, "rank 1: train: Epochs is 0, want at least 1"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "run")
			_, ended := onRanks(t, 2, func(rank int) (*Run, trains) {
				r := small(t, linear(t))
				r.Dir, r.Optimizer.Shards = dir, 4
				if rank == 1 {
					test.change(&r)
				}
				return &r, starts(t, &r)
			})
			for _, err := range ended {
				require.ErrorContains(t, err, test.want)
				assert.Equal(t, ended[0].Error(), err.Error())
			}
			assert.NoDirExists(t, dir)
		})
	}
}

// A folder that rank 0 can't use ends all ranks.
func TestFolderOnRanks(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(LogFile(dir), nil, 0o644))
	_, ended := onRanks(t, 2, func(int) (*Run, trains) {
		r := small(t, linear(t))
		r.Dir, r.Optimizer.Shards = dir, 4
		return &r, starts(t, &r)
	})
	for _, err := range ended {
		assert.ErrorContains(t, err, "rank 0: train: "+LogFile(dir)+" is of another run")
	}
}
