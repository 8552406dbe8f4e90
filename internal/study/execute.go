package study

import (
	"context"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
)

// Progress says how much of a study is done.
type Progress struct {
	Done, Runs int     // of all studies, including those that the stores had
	Part       float64 // fraction done of the work that was left at the start, from 0 to 1
	Measuring  string  // what is measured, if that is the costs of steps, before any run
	Finished   *Result // the run that has just ended; nil at the end of an epoch
	Study      *Study  // that Finished belongs to
}

// Work is a study with the store of its results.
type Work struct {
	*Study
	Store *Store
}

// Execute trains the runs that the store lacks, jobs of them at a time, each with the given number
// of workers. It calls report after each epoch and after each run, from one goroutine at a time.
// When ctx is done, it returns the context's error; the store has the finished runs.
//
// jobs and workers change no result, except for times.
func (s *Study) Execute(ctx context.Context, store *Store, jobs, workers int, report func(Progress)) error {
	return Execute(ctx, []Work{{s, store}}, jobs, workers, report)
}

// Execute is Study.Execute for several studies. Each begins when those before it have no run left
// that could begin.
func Execute(ctx context.Context, works []Work, jobs, workers int, report func(Progress)) error {
	e := &execution{works: works, jobs: jobs, workers: workers, report: report, underWay: map[task]float64{}}
	e.changed.L = &e.mutex
	if err := e.measureCosts(ctx); err != nil {
		return err
	}
	return e.train(ctx)
}

// task is a run of a work.
type task struct {
	work int
	Run
}

type execution struct {
	works         []Work
	jobs, workers int
	report        func(Progress)

	mutex          sync.Mutex
	changed        sync.Cond        // a run has ended, or the context
	underWay       map[task]float64 // work that is done of each
	done           float64          // work of the runs that have ended since the start
	finished, runs int              // of all works, as Progress has them
	left           float64          // work of the runs that haven't ended
}

// measureCosts measures the costs of steps where a study wants them and lacks some. No run trains
// before all studies have theirs.
func (e *execution) measureCosts(ctx context.Context) error {
	for _, w := range e.works {
		if !w.Full {
			continue
		}
		entries := w.unmeasured(w.Store)
		if entries == nil {
			continue
		}
		e.tell(Progress{Measuring: w.Recipe.Model + " on " + w.Recipe.Data})
		var known *costs
		if len(entries) < len(w.entries) {
			known = w.Store.getCosts()
		}
		costs, err := w.measureCosts(ctx, entries, known, e.workers)
		if err != nil {
			return err
		}
		if err := w.Store.addCosts(costs); err != nil {
			return err
		}
	}
	return nil
}

// train has several goroutines take one run after the other.
func (e *execution) train(ctx context.Context) error {
	e.survey()
	group, ctx := errgroup.WithContext(ctx)
	defer context.AfterFunc(ctx, func() {
		e.mutex.Lock()
		defer e.mutex.Unlock()
		e.changed.Broadcast()
	})()
	for range e.jobs {
		group.Go(func() error {
			for {
				t, ok := e.next(ctx)
				if !ok {
					return ctx.Err()
				}
				if err := e.execute(ctx, t); err != nil {
					return err
				}
			}
		})
	}
	return group.Wait()
}

// next returns a run to begin. It waits where all runs that could begin are under way, and others
// depend on their results. ok is false if there are no more, or ctx is done.
func (e *execution) next(ctx context.Context) (t task, ok bool) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	for ctx.Err() == nil {
		for i, w := range e.works {
			for _, run := range w.ready(w.Store) {
				t = task{i, run}
				if _, ok := e.underWay[t]; !ok {
					e.underWay[t] = 0
					return t, true
				}
			}
		}
		if len(e.underWay) == 0 {
			return task{}, false
		}
		e.changed.Wait()
	}
	return task{}, false
}

// execute trains a run and keeps its result.
func (e *execution) execute(ctx context.Context, t task) error {
	w := e.works[t.work]
	all := w.work(w.Store, t.Run)
	r, err := e.trainTask(ctx, t, func() { e.tell(Progress{}) })
	if err == nil {
		err = w.Store.Add(r)
	}
	e.mutex.Lock()
	defer e.mutex.Unlock()
	e.changed.Broadcast()
	if err != nil {
		delete(e.underWay, t)
		return err
	}
	e.finish(t, r, all)
	return nil
}

// trainTask trains a run, and calls epoch with the mutex held after each of its epochs.
func (e *execution) trainTask(ctx context.Context, t task, epoch func()) (Result, error) {
	w := e.works[t.work]
	all := w.work(w.Store, t.Run)
	r, err := w.train(ctx, t.Run, e.workers, func() {
		e.mutex.Lock()
		defer e.mutex.Unlock()
		e.underWay[t] = min(all, e.underWay[t]+all/float64(w.epochs(t.Run)))
		epoch()
	})
	r.Jobs = e.jobs
	return r, err
}

// finish counts a run that has ended, whose work was all. The caller holds the mutex.
func (e *execution) finish(t task, r Result, all float64) {
	delete(e.underWay, t)
	e.done += all
	e.survey()
	e.tell(Progress{Finished: &r, Study: e.works[t.work].Study})
}

// tell reports how much is done. The caller holds the mutex.
func (e *execution) tell(p Progress) {
	done, left := e.done, e.left
	p.Done, p.Runs = e.finished, e.runs
	for _, part := range e.underWay {
		done, left = done+part, left-part
	}
	if done+left > 0 {
		p.Part = done / (done + left)
	}
	e.report(p)
}

// survey counts the runs and the work that is left. The caller holds the mutex.
func (e *execution) survey() {
	e.finished, e.runs, e.left = 0, 0, 0
	for _, w := range e.works {
		done, all, left := w.survey(w.Store)
		e.finished, e.runs, e.left = e.finished+done, e.runs+all, e.left+left
	}
}

// work returns the cost of a run: seconds by the measured costs of steps if there are those of all
// methods, or else the number of forward and backward passes of one sample.
func (s *Study) work(store *Store, run Run) float64 {
	samples := s.Train.Len()
	if run.Stage == Selection {
		samples -= s.Recipe.Validation
	}
	all := float64(s.epochs(run) * samples)
	if costs := s.Costs(store); len(costs) == len(s.entries) {
		if c := costOf(costs, run.key()); c != nil {
			return all / float64(s.Recipe.Batch) * c.Step
		}
	}
	if run.Rho > 0 {
		return 2 * all
	}
	return all
}

// ready returns the missing runs that can begin now, in the order in which they should: those of
// the first stage, then those of equal epochs, then those of equal time, each by seed. So a study
// that is cut short is complete for some seeds, and the methods take turns, which makes their times
// comparable.
func (s *Study) ready(store *Store) (runs []Run) {
	for _, list := range s.plan(store) {
		first := len(runs)
		for _, run := range list {
			if !run.guess && !s.has(store, run.Run) {
				runs = append(runs, run.Run)
			}
		}
		slices.SortStableFunc(runs[first:], func(a, b Run) int { return a.Seed - b.Seed })
	}
	return runs
}

// survey returns the number of finished runs, the number of all runs, and the work that is left.
func (s *Study) survey(store *Store) (done, all int, left float64) {
	for _, list := range s.plan(store) {
		for _, run := range list {
			all++
			if !run.guess && s.has(store, run.Run) {
				done++
			} else {
				left += s.work(store, run.Run)
			}
		}
	}
	return done, all, left
}

// has reports whether the store has a run's result, with all that the study wants to know of it.
func (s *Study) has(store *Store, run Run) bool {
	r, ok := s.get(store, run)
	return ok && !(s.Full && s.flattens(run) && r.Details.Flatness == nil)
}

// get returns the result of a run, if it has all that the study wants to know but for the flatness:
// that is nil unless it was measured as the study asks.
func (s *Study) get(store *Store, run Run) (Result, bool) {
	r, ok := store.Get(run)
	if ok && run.Stage == Final && s.Full {
		ok = r.Details != nil
	}
	if ok && r.Details != nil {
		details := *r.Details
		details.Flatness = nil
		if s.flattens(run) {
			details.Flatness = store.flatness(run, *s.Flatness)
		}
		r.Details = &details
	}
	return r, ok
}

// planned is a run of the study.
type planned struct {
	Run
	guess bool // rho or the learning rate isn't chosen yet; the run takes as long as the right one
}

// plan returns all runs, as far as the results so far tell: those of the first stage, those of
// equal epochs, and those of equal time that aren't among them.
func (s *Study) plan(store *Store) (stages [3][]planned) {
	for _, noise := range s.Grid.Noise {
		for _, e := range s.entries {
			if s.selects() {
				of, known := s.candidates(store, noise, e)
				for _, c := range of {
					for seed := 1; seed <= s.Grid.SelectionSeeds; seed++ {
						stages[0] = append(stages[0], planned{e.run(Selection, noise, c.Rho, c.LR, seed), !known})
					}
				}
			}
			choice, known := s.choose(store, noise, e)
			for seed := 1; seed <= s.Grid.Seeds; seed++ {
				run := e.run(Final, noise, choice.Rho, choice.LR, seed)
				stages[1] = append(stages[1], planned{run, !known})
				if run.Epochs, _ = s.equalTime(store, e); run.Epochs != 0 {
					stages[2] = append(stages[2], planned{run, !known})
				}
			}
		}
	}
	return stages
}

// equalTime returns the epochs of an entry's runs of equal time, as Run has them: 0 if they are
// those of equal epochs. ok is false if the study doesn't compare at equal time or hasn't measured
// the entry's cost.
func (s *Study) equalTime(store *Store, e Entry) (epochs int, ok bool) {
	costs := store.getCosts()
	if !s.Grid.EqualTime || costs == nil {
		return 0, false
	}
	c := costs.of(e)
	if c == nil || c.EqualEpochs == 0 {
		return 0, false
	}
	if epochs = c.EqualEpochs; epochs == s.Recipe.Epochs {
		epochs = 0
	}
	return epochs, true
}
