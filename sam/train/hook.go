package train

import (
	"errors"
	"math"
	"time"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/sam"
)

// Moment is when a run calls its hooks.
type Moment uint8

const (
	AtStart    Moment = iota // before the first step of Start or Resume
	AfterStep                // after each step
	AfterEpoch               // after each epoch: the history has it, and Dir
	AtEnd                    // once, however the run ends, but not if it panics
)

// Hook watches a run, and may end it.
type Hook interface {
	// Handle is called at each Moment. An error ends the run, which saves its state and returns
	// the error. One made by Stop ends it well: the run returns no error. Every hook is called
	// even if one before it returns an error.
	Handle(at Moment, s *Status) error
}

// HookFunc is a function as a Hook.
type HookFunc func(at Moment, s *Status) error

// Handle implements Hook.
func (f HookFunc) Handle(at Moment, s *Status) error { return f(at, s) }

// Status is where a run is. Hooks must not change it, and it is valid until they return.
type Status struct {
	Run     *Run
	Model   *net.Model
	Params  *net.Params // as they are now
	Plan    sam.Plan    // how the steps are computed
	History *History    // of the finished epochs

	Epoch   int     // the epoch under way, from 1 on, or at AfterEpoch and AtEnd the one just finished
	Batch   int     // batches of it that are done
	Samples int     // samples of it that are done
	Loss    float64 // their mean training loss

	// Row is the row that the log has got at this moment: at AfterEpoch, and at AfterStep each
	// Run.LogEvery steps. It is nil where there is none. It doesn't depend on Run.Dir.
	Row *Row

	Step        sam.Stats     // of the last step
	StepSamples int           // in its batch
	StepTime    time.Duration // that it took
}

// Series returns a metric of Run.Valid for each finished epoch, and whether one value is better
// than another. Epochs before a Resume that added the metric have NaN. Without a validation set,
// the values are the training losses. "" is Run.Monitor.
func (s *Status) Series(metric string) (values []float64, better func(a, b float64) bool, err error) {
	if metric == "" {
		metric = s.Run.Monitor
	}
	m, err := find(s.Run.loop.metric, metric)
	if err != nil {
		return nil, nil, err
	}
	for i := range s.History.Epochs {
		values = append(values, s.Run.score(m, &s.History.Epochs[i]))
	}
	return values, m.Better, nil
}

// score returns a finished epoch's score by a metric of Valid; see Status.Series.
func (r *Run) score(m Metric, e *Epoch) float64 {
	if r.Valid == nil {
		return e.Loss
	}
	if v, ok := e.Valid[m.Name()]; ok {
		return v
	}
	return math.NaN()
}

// Stop returns the error by which a hook ends a run well: a hook that returns Stop(reason), or
// that wraps it alone, ends the run without an error. The reason goes to History.Stopped. Joined
// with another error, as by errors.Join, it is an error.
func Stop(reason string) error { return &stop{reason} }

type stop struct{ reason string }

func (s *stop) Error() string { return "train: stopped: " + s.reason }

// asStop returns the stop that err is, or that it wraps without another error; nil if it's none.
func asStop(err error) *stop {
	for ; err != nil; err = errors.Unwrap(err) { // which doesn't unwrap several errors
		if s, ok := err.(*stop); ok {
			return s
		}
	}
	return nil
}

// call calls all hooks. It returns the first error, but Stop only if there is no other.
func (l *loop) call(at Moment) (err error) {
	for _, hook := range l.Hooks {
		e := hook.Handle(at, &l.status)
		if e != nil && (err == nil || asStop(err) != nil && asStop(e) == nil) {
			err = e
		}
	}
	return err
}
