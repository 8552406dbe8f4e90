package train

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/steppe-ml/steppe/internal/agree"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/sam"
)

// loop is a run under way.
type loop struct {
	*Run
	loader  dataset.Loader
	opt     *sam.Optimizer
	metric  []Metric
	params  *net.Params
	history *History

	epoch int    // epochs that are finished
	batch int    // batches of the next that are done
	sums  sums   // over them
	steps uint64 // of opt that are counted in them
	since sums   // over the steps since the last row of RowStep; only with LogEvery

	status    Status
	rows      *logWriter // of Dir; nil without
	mark      time.Time  // up to which sums.Seconds counts
	ending    error      // by which the last step ends the run; other ranks have yet to hear of it
	saved     bool       // the state is in Dir
	bestSaved bool       // and the best parameters
	epochs    []byte     // the first encoded epochs of the history, as a State is saved with them
	encoded   int
}

// StepError is a step that was refused, or that failed otherwise. The parameters and the state
// are as they were before it.
type StepError struct {
	Epoch int // from 1 on
	Batch int // in the epoch, from 1 on
	Err   error
}

// Error implements error.
func (e *StepError) Error() string {
	return fmt.Sprintf("epoch %d, batch %d: %v", e.Epoch, e.Batch, e.Err)
}

// Unwrap returns Err.
func (e *StepError) Unwrap() error { return e.Err }

// newLoop returns the loop of a valid run, at a state; nil is the beginning.
func newLoop(r *Run, state *State) (*loop, error) {
	l := &loop{Run: r, loader: r.Loader(), metric: r.metrics(), params: r.Params, history: &History{}}
	if state != nil {
		if err := state.validate(l); err != nil {
			return nil, err
		}
	}
	if l.params == nil {
		l.params = r.Model.Init(r.Seed)
	}
	if err := l.begin(state); err != nil {
		return nil, err
	}
	l.readOwn()
	l.history.Params, l.steps = l.params, l.opt.Steps()
	l.status = Status{Run: r, Model: r.Model, Params: l.params, Plan: l.opt.Plan(), History: l.history}
	l.show()
	return l, nil
}

// begin makes the optimizer, and takes over a valid state if it isn't nil. The state's parameters
// are there before sam.New, which refuses those that aren't finite. After an error the parameters
// are as they were.
func (l *loop) begin(state *State) (err error) {
	if state != nil {
		before := l.params.Clone()
		defer func() {
			if err != nil {
				l.setParams(before)
			}
		}()
		l.setParams(state.Params)
	}
	if l.opt, err = sam.New(l.Model, l.params, l.config()); err != nil || state == nil {
		return err
	}
	return l.restore(state)
}

// setParams copies the values of p, not p itself: the user may hold the run's parameters.
func (l *loop) setParams(p *net.Params) {
	copy(l.params.Values, p.Values)
	copy(l.params.State, p.State)
}

// run calls the hooks at the start and at the end, trains in between, and sees to it that the
// state is saved however the training ends.
// another says that files in Dir are of another run.
func (l *loop) run(ctx context.Context, another bool) (*History, error) {
	l.history.Stopped, l.history.Unfinished = "", nil
	if l.epoch > 0 && l.batch == 0 {
		l.keepBest() // Monitor may be another than before, and rank the last epoch first
	}
	defer l.closeDir()
	if err := l.ranks.agree(l.beginDir(another)); err != nil {
		return nil, err
	}
	ended := false
	defer func() {
		if !ended { // a hook, a layer or another part that isn't ours panicked
			l.rescue()
		}
	}()
	err := l.ranks.agree(l.call(AtStart))
	if err == nil {
		err = l.train(ctx)
	}
	if s := asStop(err); s != nil {
		l.history.Stopped, l.saved, err = s.reason, false, nil
	}
	l.addUnfinished()
	l.status.Row = nil
	err = unsaved(err, l.save())
	if last := l.call(AtEnd); err == nil && asStop(last) == nil {
		err = last
	}
	ended = true
	if !errors.As(err, new(*agree.Lost)) {
		err = l.ranks.agree(err)
	}
	return l.history, err
}

// unsaved adds to the error that ended a run, if there is one, that its state couldn't be saved:
// who goes on from Dir must know that it has an earlier one.
func unsaved(ended, saving error) error {
	if saving == nil || errors.As(ended, new(*SaveError)) {
		return ended
	}
	if ended == nil {
		return saving
	}
	return fmt.Errorf("%w; then the state couldn't be saved: %w", ended, saving)
}

// addUnfinished adds the epoch under way to the history.
func (l *loop) addUnfinished() {
	if l.batch > 0 {
		e := l.sums.epoch(l.epoch + 1)
		l.history.Unfinished = &e
	}
}

// rescue saves the state of a run that panics. A step that panicked before its update has changed
// nothing. If it panicked in the update, the parameters are those of no step, and the files stay
// as they were. They stay so, too, if saving fails: the panic matters more than that error.
func (l *loop) rescue() {
	if l.opt.Steps() != l.steps {
		return
	}
	l.addUnfinished()
	_ = l.save()
}

// train is the training loop.
func (l *loop) train(ctx context.Context) error {
	for l.epoch < l.Epochs {
		l.mark = time.Now()
		for batch, err := range l.loader.From(uint64(l.epoch), l.batch) {
			if err := l.ranks.meet(l.obstacle(ctx, err)); err != nil {
				return err
			}
			start := time.Now()
			stats, err := l.opt.Step(batch)
			if err != nil {
				return &StepError{l.epoch + 1, l.batch + 1, err}
			}
			l.ending = l.endStep(batch.N, stats, time.Since(start))
			if l.ending == nil {
				l.ending = l.call(AfterStep)
			}
			if l.ending != nil && !l.ranks.several() {
				return l.ending
			}
		}
		if err := l.ranks.meet(l.ending); err != nil {
			return err
		}
		if err := l.endEpoch(ctx); err != nil {
			return err
		}
		if err := l.ranks.agree(l.call(AfterEpoch)); err != nil {
			return err
		}
	}
	return nil
}

// obstacle returns why this rank can't make the next step: reading is the error of its batch.
func (l *loop) obstacle(ctx context.Context, reading error) error {
	switch {
	case l.ending != nil:
		return l.ending
	case ctx.Err() != nil:
		return l.interrupted(ctx)
	case reading != nil:
		return fmt.Errorf("train: epoch %d, batch %d: %w", l.epoch+1, l.batch+1, reading)
	}
	return nil
}

// interrupted returns the error of a context that is done.
func (l *loop) interrupted(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) {
		return fmt.Errorf("train: ended in epoch %d: %w", l.epoch+1, cause)
	}
	return fmt.Errorf("train: ended in epoch %d: %w: %w", l.epoch+1, err, cause)
}

// endStep adds a step on n samples to the sums, and logs and saves if it is time to.
func (l *loop) endStep(n int, stats sam.Stats, took time.Duration) error {
	l.batch++
	l.steps, l.saved = l.opt.Steps(), false
	now := time.Now()
	seconds := now.Sub(l.mark).Seconds()
	l.mark = now
	l.sums.add(n, stats, seconds)
	l.status.Step, l.status.StepSamples, l.status.StepTime = stats, n, took
	l.show()
	if l.LogEvery > 0 {
		l.since.add(n, stats, seconds)
		if l.steps%uint64(l.LogEvery) == 0 {
			row := l.since.row(RowStep, l.epoch+1, l.steps)
			l.since = sums{}
			if err := l.addRow(row); err != nil {
				return err
			}
		}
	}
	if l.SaveEvery > 0 && l.steps%uint64(l.SaveEvery) == 0 {
		return l.save()
	}
	return nil
}

// addRow logs a row, and shows it to the hooks.
func (l *loop) addRow(row *Row) error {
	l.status.Row = row
	if l.rows == nil {
		return nil
	}
	if err := l.rows.add(row); err != nil {
		return &SaveError{l.Dir, err}
	}
	return nil
}

// show updates the status to where the run is.
func (l *loop) show() {
	s := &l.status
	s.Epoch, s.Batch, s.Samples, s.Loss, s.Row = l.epoch+1, l.batch, l.sums.Samples, l.sums.loss(), nil
}

// endEpoch measures the validation set, adds the epoch to the history, keeps the parameters if
// they are the best so far, and saves. If it is interrupted, the run is still before it.
func (l *loop) endEpoch(ctx context.Context) error {
	e := l.sums.epoch(l.epoch + 1)
	var err error
	if l.Valid != nil {
		e.Valid, err = evaluate(l.Model, l.params, l.Valid, l.metric, l.ranks, func(first bool, reading error) error {
			if !first && ctx.Err() != nil {
				return l.interrupted(ctx)
			}
			return reading
		})
		if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("train: epoch %d: %w", l.epoch+1, err)
		}
	}
	if err := l.ranks.agree(err); err != nil {
		return err
	}
	row := l.sums.row(RowEpoch, l.epoch+1, l.steps)
	for name, score := range e.Valid {
		if row.Valid == nil {
			row.Valid = Scores{}
		}
		row.Valid[logName(name)] = score
	}
	l.history.Epochs = append(l.history.Epochs, e)
	l.epoch, l.batch, l.sums, l.saved = l.epoch+1, 0, sums{}, false
	l.keepBest()
	if err = l.addRow(row); err == nil {
		err = l.save()
	}
	return l.ranks.agree(err)
}

// keepBest copies the parameters if the last epoch is better, by Monitor, than BestEpoch. The
// parameters must be those at the end of the last epoch.
func (l *loop) keepBest() {
	m, err := find(l.metric, l.Monitor)
	if err != nil {
		return // Validate has found the monitor
	}
	h, last := l.history, len(l.history.Epochs)
	score := func(epoch int) float64 { return l.score(m, &h.Epochs[epoch-1]) }
	if h.BestEpoch > 0 && !improves(score(last), score(h.BestEpoch), m.Better) {
		return
	}
	h.BestEpoch, l.bestSaved = last, false
	if h.Best == nil {
		h.Best = l.params.Clone()
	}
	copy(h.Best.Values, l.params.Values)
	copy(h.Best.State, l.params.State)
}

// improves reports whether value is better than best. NaN is worse than anything.
func improves(value, best float64, better func(a, b float64) bool) bool {
	return !math.IsNaN(value) && (math.IsNaN(best) || better(value, best))
}

// cloneBest copies the best parameters, which are nil before an epoch is finished.
func cloneBest(p *net.Params) *net.Params {
	if p == nil {
		return nil
	}
	return p.Clone()
}
