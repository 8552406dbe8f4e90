package find

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/sam/train"
)

// RhoOptions are the settings of Rho. The zero value takes the defaults.
type RhoOptions struct {
	Shards []int     // numbers of shards to try; nil is the run's own
	Rhos   []float64 // to try with each number of shards; nil is five around what suits a shard
	Seeds  int       // how many, from the run's Seed on; 0 is 3
	// Jobs is how many runs are trained at a time, each with the run's Optimizer.Workers; 0 is 1. It
	// changes no result.
	Jobs int
	// Dir keeps every finished run in the folder's file rho.jsonl. A call with the same Dir and
	// the same run goes on from there, also with other options. "" keeps no file.
	Dir string
	// Report is called after each epoch and after each run, by one goroutine at a time; nil for
	// nobody.
	Report func(RhoProgress)
}

// RhoProgress says how much is done.
type RhoProgress struct {
	Done, Runs int       // those that Dir had included
	Part       float64   // of the work that was left at the start, from 0 to 1
	Finished   *RhoTrial // the run that has just ended; nil at the end of an epoch
}

// Rho trains a short run for each rho, number of shards and seed, and compares their losses on the
// validation set with each other and with those of rho 0, which is the base optimizer. The runs of
// a seed share initial parameters, batches and augmentation, so differences are taken seed by seed.
//
// Each is run with another Rho and another number of shards: Valid and Epochs are needed, and the
// schedules are run's. If run has Params, all runs begin with a copy of them, and seeds differ in
// the order of the data alone. A short last batch is dropped by all runs if the model normalizes
// over the batch. Metrics, Monitor, Hooks and Dir of run aren't used.
//
// A step that is refused ends its run, and the search goes on. If ctx is done, Rho returns what is
// known from the seeds whose runs are all done, nil if there are none, with the context's error.
func Rho(ctx context.Context, run train.Run, o RhoOptions) (*RhoResult, error) {
	s, err := newSearch(run, o)
	if err != nil {
		return nil, err
	}
	if err := s.open(); err != nil {
		return nil, err
	}
	defer s.store.close()
	err = s.execute(ctx)
	if err != nil && ctx.Err() == nil {
		return nil, err
	}
	return s.result(), err
}

// search is one call of Rho.
type search struct {
	run   train.Run // Optimizer's Rho and Shards differ from trial to trial
	o     RhoOptions
	rows  []row
	batch int // Optimizer.Batch
	store *store
}

// row is a number of shards, with its values of rho.
type row struct {
	shards, samples int // of a full batch, and of a shard of it
	rhos            []float64
}

// newSearch validates a run and options, and fills in defaults.
func newSearch(run train.Run, o RhoOptions) (*search, error) {
	s := &search{run: train.Run{
		Model: run.Model, Params: run.Params, Seed: run.Seed, Epochs: run.Epochs,
		Train: run.Train, Valid: run.Valid, Optimizer: run.Optimizer,
	}, o: o}
	if s.run.Valid == nil {
		return nil, errors.New("find: the run has no Valid set to compare by")
	}
	if err := validate(&s.run); err != nil {
		return nil, err
	}
	s.run.Train.DropLast = s.run.Train.DropLast || s.run.Model.MinShard() > 1
	s.run.Train.Seed, s.run.Optimizer.Seed = 0, 0 // those of the trials
	s.batch = cmp.Or(s.run.Optimizer.Batch, s.run.Train.Batch)
	if err := s.options(); err != nil {
		return nil, err
	}
	for _, r := range s.rows {
		trial := s.trial(RhoKey{Shards: r.shards, Rho: r.rhos[0]})
		if err := validate(trial); err != nil {
			return nil, fmt.Errorf("find: Shards has %d: %w", r.shards, err)
		}
	}
	return s, nil
}

// options validates the options, and makes the rows.
func (s *search) options() error {
	o := &s.o
	o.Seeds, o.Jobs = cmp.Or(o.Seeds, 3), cmp.Or(o.Jobs, 1)
	if o.Seeds < 1 || o.Jobs < 1 {
		return fmt.Errorf("find: Seeds is %d and Jobs %d, want at least 1, or 0 for the default", o.Seeds, o.Jobs)
	}
	for _, rho := range o.Rhos {
		if !(rho > 0) || math.IsInf(rho, 1) {
			return fmt.Errorf("find: Rhos has %v, want positive numbers: rho 0 is always tried", rho)
		}
	}
	shards := sortedSet(o.Shards)
	if len(shards) == 0 {
		shards = []int{s.ownShards()}
	}
	for _, n := range shards {
		if n < 1 || n > s.batch {
			return fmt.Errorf("find: Shards has %d, want 1 to %d, the samples of a batch", n, s.batch)
		}
		r := row{shards: n, samples: num.CeilDiv(s.batch, n), rhos: sortedSet(o.Rhos)}
		if len(r.rhos) == 0 {
			r.rhos = defaultRhos(s.run.Optimizer.Ascent, r.samples)
		}
		s.rows = append(s.rows, r)
	}
	return nil
}

// ownShards returns the number of shards that the run asks for.
func (s *search) ownShards() int {
	if size := s.run.Optimizer.ShardSize; size > 0 {
		return num.CeilDiv(s.batch, size)
	}
	return max(1, s.run.Optimizer.Shards)
}

func sortedSet[T cmp.Ordered](list []T) []T {
	return slices.Compact(slices.Sorted(slices.Values(list)))
}

// keys returns the trials, seed by seed: a search that is cut short is complete for some seeds.
func (s *search) keys() (keys []RhoKey) {
	for i := range s.o.Seeds {
		seed := s.run.Seed + uint64(i)
		keys = append(keys, RhoKey{Shards: 1, Seed: seed})
		for _, r := range s.rows {
			for _, rho := range r.rhos {
				keys = append(keys, RhoKey{r.shards, rho, seed})
			}
		}
	}
	return keys
}
