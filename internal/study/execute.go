package study

import (
	"context"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
)

// Progress says how much of a study is done.
type Progress struct {
	Done, Runs int     // of the study, including those that the store had
	Part       float64 // fraction done of the work that was left at the start, from 0 to 1
	Finished   *Result // the run that has just ended; nil at the end of an epoch
}

// Execute trains the runs that the store lacks, jobs of them at a time, each with the given number
// of workers. It calls report after each epoch and after each run, from one goroutine at a time.
// When ctx is done, it returns the context's error; the store has the finished runs.
//
// jobs and workers change no result, except for times.
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

// advance adds the work of an epoch, or a finished run, and reports it.
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

// work returns the cost of a run: the number of forward and backward passes of one sample.
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

// ready returns the missing runs that can begin now: those of the first stage, or if all of them
// are done, those of the second. It orders them by seed. So a study that is cut short is complete
// for some seeds, and the methods take turns, which makes their times comparable.
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

// survey returns the number of finished runs, the number of all runs, and the work that is left.
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

// planned is a run of the study.
type planned struct {
	Run
	guess bool // rho or the learning rate isn't chosen yet; the run takes as long as the right one
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
