package study

import (
	"context"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
)

// Progress is how far a study is.
type Progress struct {
	Done, Runs int     // of the study, those that were found done among them
	Part       float64 // of the work that there was to do, from 0 to 1
	Finished   *Result // what has just been finished; nil at the end of an epoch
}

// Execute trains what the store doesn't have yet, jobs runs at once with as many
// workers each. It calls report, from one goroutine at a time, at the end of each
// epoch. When ctx is done it returns; what is finished is in the store.
//
// Neither jobs nor workers change a result, but for times.
func (s *Study) Execute(ctx context.Context, store *Store, jobs, workers int, report func(Progress)) error {
	e := &execution{Study: s, store: store, jobs: jobs, workers: workers, report: report}
	for {
		e.progress.Done, e.progress.Runs, e.left = s.survey(store)
		runs := s.ready(store)
		if len(runs) == 0 {
			return nil
		}
		if err := e.train(ctx, runs); err != nil {
			return err
		}
	}
}

type execution struct {
	*Study
	store         *Store
	jobs, workers int
	report        func(Progress)

	mutex      sync.Mutex
	progress   Progress
	done, left float64 // work
}

func (e *execution) train(ctx context.Context, runs []Run) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(e.jobs)
	for _, run := range runs {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error {
			r, err := e.Study.train(ctx, run, e.workers, func() { e.advance(e.work(run)/float64(e.Recipe.Epochs), nil) })
			if err != nil {
				return err
			}
			r.Jobs = e.jobs
			if err := e.store.Add(r); err != nil {
				return err
			}
			e.advance(0, &r)
			return nil
		})
	}
	return group.Wait()
}

// advance reports an epoch's work, or a finished run.
func (e *execution) advance(work float64, finished *Result) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	e.done, e.left = e.done+work, e.left-work
	p := e.progress
	if finished != nil {
		e.progress.Done++
		p.Done++
	}
	p.Part, p.Finished = e.done/(e.done+e.left), finished
	e.report(p)
}

// work is what a run takes, in passes of one sample through the model and back.
func (s *Study) work(run Run) float64 {
	samples := s.Train.Len()
	if run.Stage == Selection {
		samples -= s.Recipe.Validation
	}
	passes := 1
	if run.Rho > 0 {
		passes = 2
	}
	return float64(s.Recipe.Epochs * samples * passes)
}

// ready returns the runs that are missing and can be done now: those of the first
// stage, and when all of them are there, the second's. Seeds come one after the
// other, so that what is cut short is whole for some of them, and so that the
// methods' times are taken in turn.
func (s *Study) ready(store *Store) (runs []Run) {
	for _, stage := range []Stage{Selection, Final} {
		for _, run := range s.runs(store, stage) {
			if _, ok := store.Get(run.Run); !ok && !run.guess {
				runs = append(runs, run.Run)
			}
		}
		if len(runs) > 0 {
			slices.SortStableFunc(runs, func(a, b Run) int { return a.Seed - b.Seed })
			return runs
		}
	}
	return nil
}

// survey returns how many runs of the study are done, how many there are, and the
// work that is left.
func (s *Study) survey(store *Store) (done, all int, left float64) {
	for _, stage := range []Stage{Selection, Final} {
		for _, run := range s.runs(store, stage) {
			all++
			if _, ok := store.Get(run.Run); ok && !run.guess {
				done++
			} else {
				left += s.work(run.Run)
			}
		}
	}
	return done, all, left
}

// planned is a run of the study, or a guess that takes as long, where what it has to
// be trained with is not chosen yet.
type planned struct {
	Run
	guess bool
}

// runs returns all runs of a stage.
func (s *Study) runs(store *Store, stage Stage) (list []planned) {
	if stage == Selection && !s.selects() {
		return nil
	}
	for _, noise := range s.Grid.Noise {
		for _, e := range s.entries {
			var of []Candidate
			var known bool
			seeds := s.Grid.Seeds
			if stage == Selection {
				of, known = s.candidates(store, noise, e)
				seeds = s.Grid.SelectionSeeds
			} else {
				var choice Choice
				choice, known = s.choose(store, noise, e)
				of = []Candidate{{Rho: choice.Rho, LR: choice.LR}}
			}
			for _, c := range of {
				for seed := 1; seed <= seeds; seed++ {
					list = append(list, planned{e.run(stage, noise, c.Rho, c.LR, seed), !known})
				}
			}
		}
	}
	return list
}
