package optim

import (
	"fmt"
	"slices"
	"strings"

	"github.com/steppe-ml/steppe/internal/num"
)

// State is all that an Optimizer carries from step to step beside the parameters. Schedules are
// functions of Steps, so it has their position, too. A State shares no memory with its Optimizer.
type State struct {
	Rule    string      // type of the rule that the vectors belong to, such as "optim.SGD"
	Steps   uint64      // updates made
	Vectors [][]float32 // the rule's state vectors, each as long as the parameters
}

// State returns a copy of o's state.
func (o *Optimizer) State() State {
	o.enter()
	defer o.leave()
	s := State{Rule: o.ruleName(), Steps: o.steps, Vectors: make([][]float32, len(o.state))}
	for i, v := range o.state {
		s.Vectors[i] = slices.Clone(v)
	}
	return s
}

// Restore sets o's state to a copy of s. With the parameters of the same step, o then goes on as
// the Optimizer that s comes from, bit for bit. A state that doesn't fit o, or isn't finite, is
// an error and changes nothing. So is a state of another type of rule, and one that has vectors
// and doesn't say of which rule they are.
func (o *Optimizer) Restore(s State) error {
	o.enter()
	defer o.leave()
	if name := o.ruleName(); s.Rule != name && (s.Rule != "" || len(s.Vectors) > 0) {
		return fmt.Errorf("optim: State.Rule is %q, want %q, the type of the Optimizer's rule", s.Rule, name)
	}
	if len(s.Vectors) != len(o.state) {
		return fmt.Errorf("optim: state of %d vectors, and %T keeps %d", len(s.Vectors), o.rule, len(o.state))
	}
	for i, v := range s.Vectors {
		if len(v) != len(o.values) {
			return fmt.Errorf("optim: state vector %d has %d values, want %d, one a parameter", i, len(v), len(o.values))
		}
		if bad := num.FirstNonFinite(v); bad >= 0 {
			return fmt.Errorf("optim: state vector %d is %v at %s, want a finite number", i, v[bad], o.elementAt(bad))
		}
	}
	if rule, ok := o.rule.(StateValidator); ok {
		if err := rule.ValidateState(s.Vectors); err != nil {
			return fmt.Errorf("optim: state: %w", err)
		}
	}
	for i, v := range s.Vectors {
		copy(o.state[i], v)
	}
	o.steps = s.Steps
	o.update.forgetBounds()
	return nil
}

// ruleName returns the type of o's rule. A pointer to a rule is the same rule.
func (o *Optimizer) ruleName() string { return strings.TrimPrefix(fmt.Sprintf("%T", o.rule), "*") }
