package optim

import (
	"cmp"
	"fmt"
	"math"
)

// Schedule changes a setting, such as the learning rate, over a run. A nil Schedule leaves it
// constant. A schedule that has a method Validate() error is checked by it before the run.
type Schedule interface {
	// Factor returns the factor on the setting in a step. Steps count from 0, and refused steps
	// don't count. The factor must be finite and not negative.
	Factor(step uint64) float64
}

// ValidateSchedule returns the error of s's method Validate, if s has one. A nil s is valid.
// It is for packages that have schedules of their own settings, as package sam has of rho. New
// calls it for the learning rate.
func ValidateSchedule(s Schedule) error {
	if v, ok := s.(interface{ Validate() error }); ok {
		return v.Validate()
	}
	return nil
}

// Factor returns s's factor in a step, 1 for a nil s. A factor that is negative or not finite is
// an error. It is for packages that have schedules of their own settings, as package sam has of
// rho.
func Factor(s Schedule, step uint64) (float64, error) {
	f := factor(s, step)
	if !isFactor(f) {
		return 0, fmt.Errorf("the schedule's factor of step %d is %v, want a finite number that isn't negative", step, f)
	}
	return f, nil
}

// Cosine falls from 1 to Min along half a cosine over Steps steps, and stays there (Loshchilov and
// Hutter, arXiv 1608.03983, without restarts).
type Cosine struct {
	Steps int     // at least 1
	Min   float64 // factor at the end, from 0 to 1
}

// Factor implements Schedule.
func (c Cosine) Factor(step uint64) float64 {
	return c.Min + (1-c.Min)*(1+math.Cos(math.Pi*progress(step, c.Steps)))/2
}

// Validate returns an error unless Steps is at least 1 and Min is from 0 to 1.
func (c Cosine) Validate() error {
	switch {
	case c.Steps < 1:
		return fmt.Errorf("Cosine.Steps is %d, want at least 1", c.Steps)
	case !(c.Min >= 0 && c.Min <= 1):
		return fmt.Errorf("Cosine.Min is %v, want 0 to 1", c.Min)
	}
	return nil
}

// Linear goes from From to To in equal increments over Steps steps, and stays there.
type Linear struct {
	Steps int     // at least 1
	From  float64 // factor of step 0
	To    float64 // factor from step Steps on
}

// Factor implements Schedule.
func (l Linear) Factor(step uint64) float64 {
	p := progress(step, l.Steps)
	return (1-p)*l.From + p*l.To
}

// Validate returns an error unless Steps is at least 1 and both factors are valid.
func (l Linear) Validate() error {
	switch {
	case l.Steps < 1:
		return fmt.Errorf("Linear.Steps is %d, want at least 1", l.Steps)
	case !isFactor(l.From):
		return fmt.Errorf("Linear.From is %v, want a finite number that isn't negative", l.From)
	case !isFactor(l.To):
		return fmt.Errorf("Linear.To is %v, want a finite number that isn't negative", l.To)
	}
	return nil
}

// MultiStep multiplies the factor by Gamma at each of the milestones.
type MultiStep struct {
	Milestones []int   // steps, ascending
	Gamma      float64 // positive; 0 is 0.1
}

// Factor implements Schedule.
func (m MultiStep) Factor(step uint64) float64 {
	f := 1.0
	for _, milestone := range m.Milestones {
		if step >= uint64(milestone) {
			f *= m.gamma()
		}
	}
	return f
}

func (m MultiStep) gamma() float64 { return cmp.Or(m.Gamma, 0.1) }

// Validate returns an error unless the milestones ascend and Gamma is positive.
func (m MultiStep) Validate() error {
	for i, milestone := range m.Milestones {
		if milestone < 0 || i > 0 && milestone <= m.Milestones[i-1] {
			return fmt.Errorf("MultiStep.Milestones is %v, want ascending steps from 0 on", m.Milestones)
		}
	}
	if !(m.gamma() > 0) || math.IsInf(m.Gamma, 1) {
		return fmt.Errorf("MultiStep.Gamma is %v, want a positive finite number", m.Gamma)
	}
	return nil
}

// Warmup rises to the first factor of Then over Steps steps in equal increments, and goes on with
// Then, whose step 0 is step Steps of the run (Goyal et al., arXiv 1706.02677).
type Warmup struct {
	Steps int      // 0 or more
	Then  Schedule // nil stays at 1
}

// Factor implements Schedule.
func (w Warmup) Factor(step uint64) float64 {
	if steps := uint64(w.Steps); step >= steps {
		return factor(w.Then, step-steps)
	}
	return factor(w.Then, 0) * float64(step+1) / float64(w.Steps+1)
}

// Validate returns an error if Steps is negative, or the error of Then.
func (w Warmup) Validate() error {
	if w.Steps < 0 {
		return fmt.Errorf("Warmup.Steps is %d, want 0 or more", w.Steps)
	}
	if err := ValidateSchedule(w.Then); err != nil {
		return fmt.Errorf("Warmup.Then: %w", err)
	}
	return nil
}

// factor returns s's factor unchecked, 1 for a nil s.
func factor(s Schedule, step uint64) float64 {
	if s == nil {
		return 1
	}
	return s.Factor(step)
}

// progress returns the part of steps that is done before a step, at most 1.
func progress(step uint64, steps int) float64 { return min(1, float64(step)/float64(steps)) }

func isFactor(x float64) bool { return x >= 0 && !math.IsInf(x, 1) }
