package optim

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sync/atomic"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/net"
)

// Config says how to apply gradients. Rule is needed.
type Config struct {
	Rule     Rule     // SGD, AdamW, or your own
	Schedule Schedule // of the learning rate; nil is constant
	Clip     float64  // scale gradients down to this L2 norm; 0 is no limit
	Groups   []Group  // parameter groups, in the order in which they apply

	Workers int        // goroutines; 0 is the number of physical cores; changes no result
	Team    *blas.Team // shares another's workers, in place of Workers; nil makes a team
}

// Optimizer applies gradients to the parameters that it is bound to. It serves one goroutine at a
// time: a call from a second one panics. In steady state a step allocates nothing.
type Optimizer struct {
	views    []net.View
	values   []float32
	rule     Rule
	schedule Schedule
	clip     float64
	ranges   []Range
	state    [][]float32 // by state vector
	steps    uint64
	update   update
	busy     atomic.Bool
}

// Stats describes a step.
type Stats struct {
	GradNorm     float64 // L2 norm of the gradient before it is clipped, without frozen parameters
	LearningRate float64 // after the schedule, before the groups' factors
}

// ErrRefused is wrapped by the error of a step that was refused because a value isn't finite.
var ErrRefused = errors.New("step refused")

// New returns an Optimizer that updates values in place. The views say which parameters lie where
// in values: net.Model.Params. Parameters that aren't finite are an error unless they are frozen.
func New(views []net.View, values []float32, cfg Config) (*Optimizer, error) {
	ranges, err := cfg.resolve(views)
	if err != nil {
		return nil, err
	}
	if want := numParams(views); len(values) != want {
		return nil, fmt.Errorf("optim: %d values, and the views are of %d parameters", len(values), want)
	}
	o := &Optimizer{views: views, values: values, rule: cfg.Rule, schedule: cfg.Schedule, clip: cfg.Clip, ranges: ranges}
	for _, r := range ranges {
		if i := num.FirstNonFinite(values[r.From:r.To]); !r.Frozen && i >= 0 {
			return nil, fmt.Errorf("optim: %s is %v, want a finite number", o.elementAt(r.From+i), values[r.From+i])
		}
	}
	for range cfg.Rule.StateVectors() {
		o.state = append(o.state, make([]float32, len(values)))
	}
	team := cfg.Team
	if team == nil {
		workers := cfg.Workers
		if workers == 0 {
			workers = blas.DefaultWorkers()
		}
		team = blas.NewTeam(workers)
	}
	o.update = newUpdate(team, cfg.Rule, ranges, values, o.state)
	return o, nil
}

// Validate returns an error unless New would accept c for the parameters of views.
func (c Config) Validate(views []net.View) error {
	_, err := c.resolve(views)
	return err
}

// resolve validates c and returns the ranges of its groups.
func (c Config) resolve(views []net.View) ([]Range, error) {
	if c.Rule == nil {
		return nil, errors.New("optim: Rule is missing, such as SGD{LR: 0.1}")
	}
	if err := c.Rule.Validate(); err != nil {
		return nil, fmt.Errorf("optim: %w", err)
	}
	if n := c.Rule.StateVectors(); n < 0 {
		return nil, fmt.Errorf("optim: %T keeps %d state vectors, want 0 or more", c.Rule, n)
	}
	if h := c.Rule.Hyper(); !num.Positive(h.LearningRate) || h.WeightDecay != 0 && !num.Positive(h.WeightDecay) {
		return nil, fmt.Errorf("optim: %T has learning rate %v and weight decay %v, want a positive float32, and 0 or a positive one", c.Rule, h.LearningRate, h.WeightDecay)
	}
	if err := ValidateSchedule(c.Schedule); err != nil {
		return nil, fmt.Errorf("optim: Schedule: %w", err)
	}
	switch {
	case !(c.Clip >= 0) || math.IsInf(c.Clip, 1):
		return nil, fmt.Errorf("optim: %w", badField("Clip", "is %v, want a finite number that isn't negative, 0 for no limit", c.Clip))
	case c.Workers < 0:
		return nil, fmt.Errorf("optim: %w", badField("Workers", "is %d, want at least 1, or 0 for the default", c.Workers))
	case c.Workers > 0 && c.Team != nil:
		return nil, fmt.Errorf("optim: both Workers (%d) and Team (of %d) are given, want one of them", c.Workers, c.Team.Workers())
	}
	return Resolve(views, c.Rule, c.Groups)
}

// Step applies a gradient, as long as the parameters. It only reads it, and not at all where
// parameters are frozen.
//
// A gradient that isn't finite, or an update whose result wouldn't be, is an error that wraps
// ErrRefused. After an error the parameters and the state are as they were.
func (o *Optimizer) Step(gradient []float32) (Stats, error) {
	o.enter()
	defer o.leave()
	if len(gradient) != len(o.values) {
		return Stats{}, fmt.Errorf("optim: gradient of %d values, want %d, one a parameter", len(gradient), len(o.values))
	}
	f, err := Factor(o.schedule, o.steps)
	if err != nil {
		return Stats{}, fmt.Errorf("optim: %w", err)
	}
	stats := Stats{LearningRate: f * o.rule.Hyper().LearningRate}
	stats.GradNorm = o.update.measure(gradient)
	if math.IsNaN(stats.GradNorm) || math.IsInf(stats.GradNorm, 0) {
		return Stats{}, o.refuseGradient(gradient)
	}
	at := Step{Number: o.steps, LearningRate: stats.LearningRate, GradScale: 1}
	if o.clip > 0 && stats.GradNorm > o.clip {
		at.GradScale = max(float32(o.clip/stats.GradNorm), math.SmallestNonzeroFloat32)
	}
	if bad, ok := o.update.prepare(at, gradient); !ok {
		return Stats{}, o.refuseUpdate(bad, gradient)
	}
	o.steps++ // before the first write, so that Steps tells whether a step that panicked wrote anything
	o.update.apply()
	return stats, nil
}

// Steps returns the number of updates made. Refused steps don't count. A step that panicked counts
// if Rule.Update may have written some of the parameters and the state; otherwise the step has
// changed nothing.
func (o *Optimizer) Steps() uint64 { return o.steps }

// Momentum returns the state vector that adds up the gradients of former steps, nil if the rule has
// none. It may only be read, and only until the next step. It is for packages that compute
// gradients, such as package sam.
func (o *Optimizer) Momentum() []float32 {
	if rule, ok := o.rule.(MomentumRule); ok && rule.MomentumVector() >= 0 {
		return o.state[rule.MomentumVector()]
	}
	return nil
}

// Ranges returns the ranges that the groups make of the parameters, as Resolve does. It is for
// packages that compute gradients, such as package sam.
func (o *Optimizer) Ranges() []Range { return slices.Clone(o.ranges) }

// enter marks o as in use until leave.
func (o *Optimizer) enter() {
	if !o.busy.CompareAndSwap(false, true) {
		panic("optim: Optimizer is in use by another goroutine")
	}
}

func (o *Optimizer) leave() { o.busy.Store(false) }

// refuseGradient returns the error for a gradient that isn't finite.
func (o *Optimizer) refuseGradient(gradient []float32) error {
	for _, r := range o.ranges {
		if i := num.FirstNonFinite(gradient[r.From:r.To]); !r.Frozen && i >= 0 {
			return fmt.Errorf("optim: %w: the gradient of %s is %v, want a finite number", ErrRefused, o.elementAt(r.From+i), gradient[r.From+i])
		}
	}
	return fmt.Errorf("optim: %w: the gradient changed during the step", ErrRefused)
}

// refuseUpdate returns the error for an update whose result isn't finite.
func (o *Optimizer) refuseUpdate(bad nonFinite, gradient []float32) error {
	r := slices.IndexFunc(o.ranges, func(r Range) bool { return r.From <= bad.index && bad.index < r.To })
	at := o.update.stepOf(r)
	what := ""
	if bad.vector >= 0 {
		what = fmt.Sprintf("state vector %d of ", bad.vector)
	}
	return fmt.Errorf("optim: %w: the update makes %s%s %v, want a finite number (from value %v, gradient %v, learning rate %v, weight decay %v)",
		ErrRefused, what, o.elementAt(bad.index), bad.value, o.values[bad.index], gradient[bad.index], at.LearningRate, at.WeightDecay)
}

// elementAt names the element of a parameter that lies at an index of the flat vector.
func (o *Optimizer) elementAt(index int) string {
	at, found := slices.BinarySearchFunc(o.views, index, func(v net.View, index int) int { return v.Offset - index })
	if !found {
		at--
	}
	return fmt.Sprintf("element %d of %s", index-o.views[at].Offset, o.views[at].Name)
}

// numParams returns the number of parameters that the views cover.
func numParams(views []net.View) (n int) {
	for _, v := range views {
		n += v.Shape.Size()
	}
	return n
}
