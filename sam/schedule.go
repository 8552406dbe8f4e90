package sam

import (
	"fmt"
	"math"
)

// LRSchedule is how the learning rate changes over a run.
type LRSchedule interface {
	// Factor returns what Base's learning rate is multiplied by in a step; steps are
	// counted from 0.
	Factor(step uint64) float64
	// check returns what is wrong with the settings.
	check() error
}

// Cosine rises evenly to 1 over the Warmup steps, and falls to Least along half a
// cosine until step Steps (Loshchilov and Hutter, arXiv 1608.03983, without restarts).
// It stays there.
type Cosine struct {
	Steps  int     // of the run, those of Warmup among them
	Warmup int     // steps; 0 is none
	Least  float64 // the last factor
}

// Factor implements LRSchedule.
func (c Cosine) Factor(step uint64) float64 {
	if step < uint64(c.Warmup) {
		return float64(step+1) / float64(c.Warmup+1)
	}
	done := min(1, float64(step-uint64(c.Warmup))/float64(max(1, c.Steps-c.Warmup)))
	return c.Least + (1-c.Least)*(1+math.Cos(math.Pi*done))/2
}

func (c Cosine) check() error {
	switch {
	case c.Steps < 1:
		return fmt.Errorf("sam: Cosine.Steps is %d, want at least 1", c.Steps)
	case c.Warmup < 0 || c.Warmup >= c.Steps:
		return fmt.Errorf("sam: Cosine.Warmup is %d, want 0 or more and less than the %d steps", c.Warmup, c.Steps)
	case !(c.Least >= 0 && c.Least <= 1):
		return fmt.Errorf("sam: Cosine.Least is %v, want 0 to 1", c.Least)
	}
	return nil
}

// MultiStep multiplies by By at each of the steps At, which ascend: 0.1 by default.
type MultiStep struct {
	At []int
	By float64
}

// Factor implements LRSchedule.
func (m MultiStep) Factor(step uint64) float64 {
	factor := 1.0
	for _, at := range m.At {
		if step >= uint64(at) {
			factor *= m.by()
		}
	}
	return factor
}

func (m MultiStep) by() float64 {
	if m.By == 0 {
		return 0.1
	}
	return m.By
}

func (m MultiStep) check() error {
	for i, at := range m.At {
		if at < 0 || i > 0 && at <= m.At[i-1] {
			return fmt.Errorf("sam: MultiStep.At is %v, want steps that ascend from 0 on", m.At)
		}
	}
	if !(m.by() > 0) || math.IsInf(m.By, 1) {
		return fmt.Errorf("sam: MultiStep.By is %v, want a positive number", m.By)
	}
	return nil
}
