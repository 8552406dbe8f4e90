package sam

import (
	"cmp"
	"fmt"
	"math"
)

// Scheduler is how a setting changes over a run. A nil one leaves it as it is.
type Scheduler interface {
	// Factor returns what the setting is multiplied by in a step; steps are counted
	// from 0, without those that were refused. It must be finite and not negative.
	Factor(step uint64) float64
}

// Cosine falls from 1 to Least along half a cosine, over Steps steps (Loshchilov
// and Hutter, arXiv 1608.03983, without restarts). It stays there.
type Cosine struct {
	Steps int
	Least float64
}

// Factor implements Scheduler.
func (c Cosine) Factor(step uint64) float64 {
	return c.Least + (1-c.Least)*(1+math.Cos(math.Pi*done(step, c.Steps)))/2
}

func (c Cosine) check() error {
	switch {
	case c.Steps < 1:
		return fmt.Errorf("Cosine.Steps is %d, want at least 1", c.Steps)
	case !(c.Least >= 0 && c.Least <= 1):
		return fmt.Errorf("Cosine.Least is %v, want 0 to 1", c.Least)
	}
	return nil
}

// Linear goes evenly from From to To over Steps steps. It stays there.
type Linear struct {
	Steps    int
	From, To float64
}

// Factor implements Scheduler.
func (l Linear) Factor(step uint64) float64 {
	d := done(step, l.Steps)
	return (1-d)*l.From + d*l.To
}

func (l Linear) check() error {
	switch {
	case l.Steps < 1:
		return fmt.Errorf("Linear.Steps is %d, want at least 1", l.Steps)
	case !isFactor(l.From):
		return fmt.Errorf("Linear.From is %v, want a number that isn't negative", l.From)
	case !isFactor(l.To):
		return fmt.Errorf("Linear.To is %v, want a number that isn't negative", l.To)
	}
	return nil
}

// MultiStep multiplies by By at each of the steps At, which ascend: 0.1 by default.
type MultiStep struct {
	At []int
	By float64
}

// Factor implements Scheduler.
func (m MultiStep) Factor(step uint64) float64 {
	factor := 1.0
	for _, at := range m.At {
		if step >= uint64(at) {
			factor *= m.by()
		}
	}
	return factor
}

func (m MultiStep) by() float64 { return cmp.Or(m.By, 0.1) }

func (m MultiStep) check() error {
	for i, at := range m.At {
		if at < 0 || i > 0 && at <= m.At[i-1] {
			return fmt.Errorf("MultiStep.At is %v, want steps that ascend from 0 on", m.At)
		}
	}
	if !(m.by() > 0) || math.IsInf(m.By, 1) {
		return fmt.Errorf("MultiStep.By is %v, want a positive number", m.By)
	}
	return nil
}

// Warmup rises evenly over Steps steps to where Then begins, and goes on with it: Then
// counts its steps from there.
type Warmup struct {
	Steps int
	Then  Scheduler // nil stays at 1
}

// Factor implements Scheduler.
func (w Warmup) Factor(step uint64) float64 {
	if steps := uint64(w.Steps); step >= steps {
		return factor(w.Then, step-steps)
	}
	return factor(w.Then, 0) * float64(step+1) / float64(w.Steps+1)
}

func (w Warmup) check() error {
	if w.Steps < 0 {
		return fmt.Errorf("Warmup.Steps is %d, want 0 or more", w.Steps)
	}
	if err := check(w.Then); err != nil {
		return fmt.Errorf("Warmup.Then: %w", err)
	}
	return nil
}

// factor is s's, for which nil is 1.
func factor(s Scheduler, step uint64) float64 {
	if s == nil {
		return 1
	}
	return s.Factor(step)
}

// check returns what is wrong with the settings of s, as far as it can say.
func check(s Scheduler) error {
	if c, ok := s.(interface{ check() error }); ok {
		return c.check()
	}
	return nil
}

// done is which part of so many steps is done before a step: 1 at the most.
func done(step uint64, steps int) float64 { return min(1, float64(step)/float64(steps)) }

func isFactor(x float64) bool { return x >= 0 && !math.IsInf(x, 1) }
