package study

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"time"

	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/sam"
)

// costBatches is how many full batches steps are measured on, again and again.
const costBatches = 10

// sameTime is the largest difference in a step's cost from SAM's that equal time takes for none:
// then the runs of equal epochs are those of equal time, too. It is more than goodCost, so that
// methods that cost the same aren't told apart by how far the costs are off.
const sameTime = 0.05

// The clocks that costs are measured by.
const (
	CPUClock  = "cpu"  // processor time of the process: steps of one worker, where the system has it
	WallClock = "wall" // time that passes
)

// costClock returns the clock for steps with so many workers, and its name. Several workers wait
// for each other, which processor time doesn't show.
func costClock(workers int) (clock func() time.Duration, name string) {
	if _, ok := processTime(); ok && workers == 1 {
		return func() time.Duration { t, _ := processTime(); return t }, CPUClock
	}
	begin := time.Now()
	return func() time.Duration { return time.Since(begin) }, WallClock
}

// reference returns the entry whose steps those of all others are compared with: SAM, or the first
// entry of a study without it.
func (s *Study) reference() Entry {
	if e := s.entry(samName); e != nil {
		return *e
	}
	return s.entries[0]
}

// unmeasured returns the entries to measure the costs of, nil for none. A method that is new in a
// store is measured alone, beside SAM. All are measured if SAM is among the new ones, or if the
// costs are from a version that had no control, unless runs of equal time were trained by them.
func (s *Study) unmeasured(store *Store) (list []Entry) {
	c := store.getCosts()
	if c == nil || c.of(s.reference()) == nil {
		return s.entries
	}
	for _, e := range s.entries {
		switch known := c.of(e); {
		case known == nil:
			list = append(list, e)
		case known.Off == nil && !store.hasEqualTime():
			return s.entries
		}
	}
	return list
}

// measureCosts measures what a step of some entries takes on a full batch, in turns with those of
// the reference. Nothing else of the study may run in the process. known are the costs to fit in
// with: the reference's step keeps its seconds, and steps have the same workers. It is nil if all
// entries are measured.
func (s *Study) measureCosts(ctx context.Context, entries []Entry, known *costs, workers int) (costs, error) {
	if known != nil && known.Workers > 0 {
		workers = known.Workers
	}
	c := costs{Workers: workers}
	batches, err := s.costBatches()
	if err != nil {
		return c, err
	}
	reference := s.reference()
	others := slices.DeleteFunc(slices.Clone(entries), func(e Entry) bool { return e.key() == reference.key() })
	var subjects []subject
	for _, e := range slices.Concat([]Entry{reference}, others, []Entry{reference}) {
		one, err := s.subject(e, batches, workers)
		if err != nil {
			return c, fmt.Errorf("%v: %w", e, err)
		}
		subjects = append(subjects, one)
	}
	runtime.GC() // what was read before is collected now, and not in someone's turn
	clock, name := costClock(workers)
	seconds, shares, err := turns{clock, time.Now, s.finalSteps()}.measure(ctx, subjects)
	if err != nil {
		return c, err
	}
	if known != nil {
		seconds = known.of(reference).Step
	}
	of := map[key]share{reference.key(): shares[0]}
	for i, e := range others {
		of[e.key()] = shares[1+i]
	}
	for _, e := range entries {
		c.Steps = append(c.Steps, s.cost(e, seconds, of[e.key()], name))
	}
	return c, nil
}

// finalSteps returns the steps of all runs of equal epochs.
func (s *Study) finalSteps() int {
	return len(s.entries) * len(s.Grid.Noise) * s.Grid.Seeds * s.Recipe.Epochs * num.CeilDiv(s.Train.Len(), s.Recipe.Batch)
}

// cost returns the cost of an entry. The ratio to the reference decides all of it, so that epochs
// of equal time and times over SGD's agree.
func (s *Study) cost(e Entry, seconds float64, of share, clock string) Cost {
	k := e.key()
	c := Cost{Name: e.String(), Method: k.method, Shards: k.shards, Settings: k.settings, Step: seconds * of.ratio, Off: &of.off, Clock: clock}
	if s.reference().Method.Name == samName {
		c.VsSAM, c.EqualEpochs = of.ratio, equalEpochs(s.Recipe.Epochs, of.ratio)
	}
	return c
}

// costBatches returns full batches to measure steps on.
func (s *Study) costBatches() (batches []net.Batch, err error) {
	set, _, err := s.sets(Run{Stage: Final, Seed: 1})
	if err != nil {
		return nil, err
	}
	n := max(1, min(costBatches, set.Len()/s.Recipe.Batch))
	if set, err = set.Head(n * s.Recipe.Batch).Load(); err != nil {
		return nil, err
	}
	for i := range n {
		batches = append(batches, set.Range(i*s.Recipe.Batch, s.Recipe.Batch))
	}
	return batches, nil
}

// subject returns an entry as a subject. Its learning rate is so small that it can't diverge.
func (s *Study) subject(e Entry, batches []net.Batch, workers int) (subject, error) {
	run := s.anyRun(e)
	run.LR *= 1e-3
	opt, err := sam.New(s.Model, s.Model.Init(1), s.config(run, e.Method, len(batches), workers))
	if err != nil {
		return subject{}, err
	}
	ascent := e.Method.Preset.Ascent
	return subject{
		name: e.String(), cycle: max(1, ascent.Every), drawn: ascent.Tensors > 0 && ascent.Tensors < 1,
		step: func(i int) error { _, err := opt.Step(batches[i%len(batches)]); return err },
	}, nil
}

// equalEpochs returns how many epochs of a method whose step costs vsSAM times as much as SAM's
// come closest to the time of SAM's epochs.
func equalEpochs(epochs int, vsSAM float64) int {
	if vsSAM >= 1-sameTime && vsSAM <= 1+sameTime {
		return epochs
	}
	return max(1, int(math.Round(float64(epochs)/vsSAM)))
}

// CostChange is a method whose epochs at equal time new costs change.
type CostChange struct {
	Name          string // as Row.Name
	Before, After int    // epochs
	Runs          int    // finished runs of equal time that no longer count
}

// MeasureCosts measures the costs of all methods of a study again, and keeps them in the store in
// place of those before. It returns the methods whose runs of equal time that changes; Execute
// trains the new ones. Nothing else may run in the process.
func (w Work) MeasureCosts(ctx context.Context, workers int) (changes []CostChange, err error) {
	before := map[key]int{}
	if old := w.Store.getCosts(); old != nil {
		for _, c := range old.Steps {
			before[c.key()] = c.EqualEpochs
		}
	}
	c, err := w.measureCosts(ctx, w.entries, nil, workers)
	if err != nil {
		return nil, err
	}
	for _, cost := range c.Steps {
		if was := before[cost.key()]; w.Grid.EqualTime && was != 0 && was != cost.EqualEpochs {
			changes = append(changes, CostChange{cost.Name, was, cost.EqualEpochs, w.Store.equalTimeRuns(cost.key(), was)})
		}
	}
	return changes, w.Store.addCosts(c)
}

// Costs returns the costs that the store has of the study's methods, in their order.
func (s *Study) Costs(store *Store) (list []Cost) {
	if c := store.getCosts(); c != nil {
		for _, e := range s.entries {
			if cost := c.of(e); cost != nil {
				list = append(list, *cost)
			}
		}
	}
	return list
}

// HowGood returns the part of themselves that costs may be off, at most, and whether that is known
// of all of them: versions before there was a control didn't measure it.
func HowGood(list []Cost) (off float64, known bool) {
	for _, c := range list {
		if c.Off == nil {
			return 0, false
		}
		off = max(off, *c.Off)
	}
	return off, true
}

// GoodCosts reports whether costs are as good as a measurement tries to make them.
func GoodCosts(list []Cost) bool {
	off, known := HowGood(list)
	return known && off <= goodCost
}

// key says which entry a cost is of.
type key struct {
	method   string
	shards   int
	settings string
}

func (e Entry) key() key { return key{e.Method.Name, e.Shards, e.Settings} }
func (c Cost) key() key  { return key{c.Method, c.Shards, c.Settings} }
func (r Run) key() key   { return key{r.Method, r.Shards, r.Settings} }
func (r *Row) key() key  { return key{r.Method, r.Shards, r.Settings} }

// of returns the cost of an entry, nil if there is none.
func (c *costs) of(e Entry) *Cost { return costOf(c.Steps, e.key()) }

func costOf(list []Cost, k key) *Cost {
	if i := slices.IndexFunc(list, func(c Cost) bool { return c.key() == k }); i >= 0 {
		return &list[i]
	}
	return nil
}
