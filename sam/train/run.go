package train

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/steppe-ml/steppe/internal/agree"
	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/checkpoint"
	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/sam"
)

// Run is a training run. Model, Epochs, Train and Optimizer.Base are needed. A Run serves one
// goroutine at a time, and so do the metrics and hooks in it.
type Run struct {
	Model     *net.Model
	Params    *net.Params     // trained in place; nil for Model.Init(Seed)
	Seed      uint64          // of the parameters, and of Train and Optimizer if theirs is 0
	Epochs    int             // passes over the training set, those before a Resume included
	Train     dataset.Loader  // batches to train on; see Loader for a short last one
	Valid     *dataset.Set    // measured after each epoch; nil for none
	Optimizer sam.Config      // Batch 0 is Train.Batch
	Metrics   []Metric        // of Valid, besides its loss
	Monitor   string          // metric that finds the best epoch; "" is "loss": of Valid, or without it of the training set
	Hooks     []Hook          // called in this order
	Dir       string          // folder for last.safetensors, best.safetensors and metrics.jsonl; "" keeps no files
	Overwrite bool            // lets Start replace the files of another run in Dir
	SaveEvery int             // steps after which the state is saved to Dir, besides after each epoch; 0 for none
	LogEvery  int             // steps after which a Row is logged, besides after each epoch; 0 for none
	Meta      checkpoint.Meta // goes into the files; Input, Classes and Data are filled in if they are zero

	// PrepareDir, if there is one, puts files of the caller's own in Dir, at Start and at Resume. It is
	// called when no other run can be there and its files may be replaced, and before the run writes
	// any. Its error ends the run.
	PrepareDir func() error

	// Finish, if there is one, is called when a run that began has ended, and no other run can be in
	// Dir yet, so it may write files there. It gets what Start or Resume would return, and they return
	// its error instead. The state is saved by then, if that is possible.
	Finish func(h *History, ended error) error

	loop  *loop    // of the last Start or Resume
	ranks *rankSet // of the call under way
}

// Loader returns Train as the run uses it: with Seed filled in, and with DropLast if the last
// batch of an epoch would be too short for the model. A normalization over the batch needs some
// samples in each shard, and also in the part of a shard that Optimizer.Ascent.Fraction takes.
func (r *Run) Loader() dataset.Loader {
	l := r.Train
	l.Seed = cmp.Or(l.Seed, r.Seed)
	if r.Model == nil || l.Set == nil || l.Batch < 1 {
		return l // which Validate refuses
	}
	if rest := l.Set.Len() % l.Batch; rest > 0 {
		size := r.shardSize()
		smallest := rest / num.CeilDiv(rest, size)
		l.DropLast = l.DropLast || r.Optimizer.Ascent.Samples(smallest) < r.Model.MinShard()
	}
	return l
}

// shardSize returns the largest number of samples of a shard.
func (r *Run) shardSize() int {
	batch, shards := r.config().Batch, max(1, r.Optimizer.Shards)
	if size := r.Optimizer.ShardSize; size > 0 {
		shards = num.CeilDiv(batch, size)
	}
	return max(1, num.CeilDiv(batch, shards))
}

// config returns Optimizer with its defaults filled in.
func (r *Run) config() sam.Config {
	c := r.Optimizer
	c.Batch, c.Seed = cmp.Or(c.Batch, r.Train.Batch), cmp.Or(c.Seed, r.Seed)
	return c
}

// Steps returns the number of steps of the whole run, for a schedule; 0 without a training set.
func (r *Run) Steps() int {
	if r.Train.Set == nil || r.Train.Batch < 1 {
		return 0
	}
	return r.Epochs * r.Loader().Batches()
}

// Validate returns an error if the fields don't fit each other, as Start does. It doesn't change
// the metrics, so it can't ask them whether they suit Valid, as Start does by their Reset.
func (r *Run) Validate() error {
	if r.Model == nil {
		return errors.New("train: Model is missing")
	}
	if r.Epochs < 1 {
		return fmt.Errorf("train: Epochs is %d, want at least 1", r.Epochs)
	}
	if err := r.Loader().Validate(); err != nil {
		return fmt.Errorf("train: Train: %w", err)
	}
	if err := fits(r.Model, r.Train.Set); err != nil {
		return fmt.Errorf("train: Train: %w", err)
	}
	if batch := r.config().Batch; batch < r.Train.Batch {
		return fmt.Errorf("train: Train.Batch is %d, and Optimizer.Batch %d, want no less", r.Train.Batch, batch)
	}
	if r.SaveEvery < 0 || r.LogEvery < 0 {
		return fmt.Errorf("train: SaveEvery is %d and LogEvery %d, want steps, or 0 for none", r.SaveEvery, r.LogEvery)
	}
	for i, hook := range r.Hooks {
		if hook == nil {
			return fmt.Errorf("train: Hooks[%d] is nil", i)
		}
	}
	return r.validateMetrics()
}

func (r *Run) validateMetrics() error {
	if r.Valid == nil {
		if len(r.Metrics) > 0 {
			return fmt.Errorf("train: %d Metrics and no Valid set to measure", len(r.Metrics))
		}
	} else if err := fits(r.Model, r.Valid); err != nil {
		return fmt.Errorf("train: Valid: %w", err)
	}
	metrics := r.metrics()
	if err := validate(metrics); err != nil {
		return err
	}
	if _, err := find(metrics, r.Monitor); err != nil {
		return fmt.Errorf("train: Monitor: %w", err)
	}
	return nil
}

// prepare validates the run, and asks the metrics whether they suit Valid, which resets them.
func (r *Run) prepare() error {
	if err := r.Validate(); err != nil {
		return err
	}
	if r.Valid == nil {
		return nil
	}
	for _, m := range r.metrics() {
		if err := m.Reset(r.Model, r.Valid); err != nil {
			return fmt.Errorf("train: Valid: %s of %s: %w", m.Name(), r.Valid.Name, err)
		}
	}
	return nil
}

// metrics returns the metrics of the run, with the loss among them.
func (r *Run) metrics() []Metric {
	isLoss := func(m Metric) bool { return m != nil && m.Name() == lossName }
	if slices.ContainsFunc(r.Metrics, isLoss) {
		return r.Metrics
	}
	return append([]Metric{&Loss{}}, r.Metrics...)
}

// Start trains from the beginning.
//
// It returns the history also with an error, but for one of the fields or of the files. When ctx
// is done, the run ends after the step under way and the error wraps ctx's and its cause. A step
// that is refused ends it with a *StepError, and parameters are as that step found them. A hook
// may end it, too. At every end the run's state is complete, and with Dir it is saved.
//
// With Dir, the run keeps three files there. last.safetensors is its state, for Resume and
// LoadState, and best.safetensors the parameters of the best epoch. Both appear whole or not at
// all. metrics.jsonl is the log, for ReadLog. If one of them can't be written, as on a full disk,
// the run ends with that error, and Dir has the last state that was saved whole.
// Two runs at once can't have the same Dir, on systems that can lock a folder, of which Windows is
// none.
//
// If a hook, a layer, a metric or an augmentation panics, Start saves the state of the last whole
// step and lets the panic pass. If an optim.Rule of the user's own panics in the middle of an
// update, the parameters are no longer those of a step, and the files stay as they were.
//
// If Dir has files of another run, and Overwrite isn't set, Start returns a *DirError. With
// Overwrite they are removed before the run writes any.
//
// If Optimizer.Communicator connects several ranks, each calls Start with the same fields. They may
// differ in Hooks, Workers and MaxMemory, and what ranks know by a glance at the fields, the data
// and the parameters, must be the same. Rank 0 alone has files: on others Dir isn't read nor
// written, and PrepareDir and Finish aren't called. Hooks are called on all ranks. An error of
// one rank, a Stop of one rank's hook and the end of one rank's ctx end the run on all ranks after
// the same step, with the same error; that of another rank has its number. A rank that panics, and
// one that can't reach the others, has to end them: see Communicator.Abort.
func (r *Run) Start(ctx context.Context) (*History, error) { return r.start(ctx, nil) }

// Resume goes on from the last state in Dir, or starts if there is none, so that a program that
// only ever calls Resume can be stopped at any time. The run has to be the same: another seed of
// the loader, other batches, or a training set of another size are errors. More Epochs make the
// run longer. Other changes, such as of the learning rate, take effect from here on.
// History.BestEpoch says what another Monitor does.
//
// If all epochs are done, Resume returns the history and trains nothing.
func (r *Run) Resume(ctx context.Context) (*History, error) {
	if r.Dir == "" {
		return nil, errors.New("train: Resume without Dir: ResumeFrom takes a State")
	}
	return r.open(func() (*History, error) {
		var state *State
		var err error
		if r.ranks.leads() {
			if state, err = LoadState(r.last(), r.Model); errors.Is(err, fs.ErrNotExist) {
				err = nil
			}
		}
		if state, err = r.ranks.share(state, err, r.Model); err != nil {
			return nil, err
		}
		if state == nil {
			return r.begin(ctx, nil)
		}
		return r.run(ctx, state, false)
	})
}

// ResumeFrom goes on from a state, as Resume does. The run copies it. Files of another run in
// Dir are an error as they are for Start.
func (r *Run) ResumeFrom(ctx context.Context, state *State) (*History, error) {
	if state == nil {
		return nil, errors.New("train: no State to resume from")
	}
	return r.start(ctx, state)
}

// start begins a run in a folder of its own, if it has one.
func (r *Run) start(ctx context.Context, state *State) (*History, error) {
	return r.open(func() (*History, error) { return r.begin(ctx, state) })
}

// open calls f for a valid run, while no other run can be in Dir. A folder that it has made and
// that is still empty doesn't stay.
func (r *Run) open(f func() (*History, error)) (*History, error) {
	r.ranks = newRanks(r.Optimizer.Communicator)
	if err := r.ranks.agree(r.prepare()); err != nil {
		return nil, err
	}
	unlock, created, err := r.openDir()
	if unlock != nil {
		defer unlock()
	}
	if err := r.ranks.agree(err); err != nil {
		return nil, err
	}
	history, err := f()
	if history != nil {
		err = r.finish(history, err)
	}
	if err != nil && created {
		_ = os.Remove(r.Dir) // fails if it isn't empty
	}
	return history, err
}

// finish calls Finish on the rank that has files. The other ranks wait for it.
func (r *Run) finish(h *History, ended error) error {
	if errors.As(ended, new(*agree.Lost)) {
		return ended // nobody would hear of an error
	}
	if r.Finish != nil && r.ranks.leads() {
		ended = r.Finish(h, ended)
	}
	return r.ranks.agree(ended)
}

// begin runs the loop from a state, or from the beginning, in an open Dir with nothing of another
// run that may not be replaced.
func (r *Run) begin(ctx context.Context, state *State) (*History, error) {
	var err error
	if r.keepsFiles() && !r.Overwrite {
		err = Vacant(r.Dir)
	}
	if err := r.ranks.agree(err); err != nil {
		return nil, err
	}
	return r.run(ctx, state, true)
}

// run runs the loop from a state; nil is the beginning. another says that files in Dir are of
// another run.
func (r *Run) run(ctx context.Context, state *State, another bool) (*History, error) {
	l, err := newLoop(r, state)
	if err := r.ranks.compare(l, err); err != nil {
		return nil, err
	}
	r.loop = l
	return l.run(ctx, another)
}

// keepsFiles reports whether this rank writes to Dir.
func (r *Run) keepsFiles() bool { return r.Dir != "" && r.ranks.leads() }

// State returns a copy of the run's state as the last Start or Resume has left it, or in a hook
// the state at that moment; nil before. It can be saved, or given to ResumeFrom of another Run.
func (r *Run) State() *State {
	if r.loop == nil {
		return nil
	}
	return r.loop.state()
}

// fits returns an error if a set's samples aren't the model's.
func fits(model *net.Model, set *dataset.Set) error {
	if set.Len() == 0 {
		return fmt.Errorf("%s has no samples", set.Name)
	}
	switch want := model.InputShape(); {
	case set.IsText() && model.Vocabulary() == 0:
		return fmt.Errorf("%s has samples of text, and the model takes %v numbers", set.Name, want)
	case model.Vocabulary() > 0:
		return fitsText(model, set)
	case set.Shape.Size() != want.Size():
		return fmt.Errorf("%s has samples of %v, and the model takes %v", set.Name, set.Shape, want)
	}
	return nil
}

// fitsText is fits for a model that takes text.
func fitsText(model *net.Model, set *dataset.Set) error {
	switch most := model.InputShape()[0]; {
	case !set.IsText():
		return fmt.Errorf("%s has samples of %v, and the model takes text", set.Name, set.Shape)
	case set.Vocabulary > model.Vocabulary():
		return fmt.Errorf("%s has a vocabulary of %d tokens, and the model one of %d", set.Name, set.Vocabulary, model.Vocabulary())
	case set.Shape[0] > most:
		return fmt.Errorf("%s has texts of up to %d tokens, and the model takes %d", set.Name, set.Shape[0], most)
	}
	return nil
}

// meta returns Meta with its defaults filled in.
func (r *Run) meta() checkpoint.Meta {
	m := r.Meta
	if m.Input == nil {
		m.Input = r.Model.InputShape()
	}
	m.Classes = cmp.Or(m.Classes, r.Train.Set.Classes)
	m.Data = cmp.Or(m.Data, strings.TrimSuffix(r.Train.Set.Name, "/train"))
	return m
}
