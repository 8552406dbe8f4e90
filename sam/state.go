package sam

import (
	"errors"
	"fmt"
	"slices"
)

// State is what an Optimizer remembers from step to step, beside the parameters and the running
// state, which belong to the model. Everything else that a step depends on, such as schedules
// and random bits, is a function of Config and Step.
type State struct {
	Step    uint64      // steps made, without those that were refused
	Vectors [][]float32 // of the base optimizer, each [NumParams]
}

// State returns a copy of the optimizer's state. A new optimizer with the same Config, which is
// given the same parameters and this state, goes on bit for bit as this one would.
func (o *Optimizer) State() *State {
	s := &State{Step: o.step}
	for _, slot := range o.slots {
		s.Vectors = append(s.Vectors, slices.Clone(slot))
	}
	return s
}

// Restore sets the optimizer's state to s, which it copies. A state of another base optimizer or
// of another model is an error, and so are values that aren't finite; then nothing changes.
func (o *Optimizer) Restore(s *State) error {
	if s == nil {
		return errors.New("sam: no state to restore")
	}
	if len(s.Vectors) != len(o.slots) {
		return fmt.Errorf("sam: state has %d vectors, want %d for %T", len(s.Vectors), len(o.slots), o.cfg.Base)
	}
	const huge = 1e15 // as update has it
	wild := false
	for i, v := range s.Vectors {
		if len(v) != len(o.slots[i]) {
			return fmt.Errorf("sam: state vector %d has %d elements, want %d", i, len(v), len(o.slots[i]))
		}
		for j, x := range v {
			if !finite(float64(x)) {
				return fmt.Errorf("sam: state vector %d is %v at element %d of %s, want finite values", i, x, j, o.model.ParamAt(j))
			}
			wild = wild || max(x, -x) > huge
		}
	}
	for i, v := range s.Vectors {
		copy(o.slots[i], v)
	}
	// The flag itself isn't part of a state: only vectors can carry a huge gradient on.
	o.step, o.wild = s.Step, wild
	return nil
}
