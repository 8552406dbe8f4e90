package optim

import (
	"fmt"
)

// Rule is an update rule: what an optimizer does to a parameter, given its gradient. SGD and AdamW
// are rules, and a program can bring its own.
//
// A rule holds settings only; the Optimizer holds the state vectors. It cuts the parameters into
// pieces and updates them in any order and on several goroutines, so an update must be element by
// element: element i of w and of each state vector after an update depends on their elements i, on
// element i of g and on Step alone, and not on where the piece begins or ends.
type Rule interface {
	// Validate returns an error that names the setting that is wrong, or nil.
	Validate() error
	// Hyper returns the settings that schedules and groups change.
	Hyper() Hyper
	// StateVectors returns the number of state vectors that the rule keeps. Each is as long as
	// the parameters and begins at 0.
	StateVectors() int
	// Update applies the gradient g to w, and updates state. All slices are the same piece of
	// their vectors; g is only read, and none may be kept.
	Update(s Step, w, g []float32, state [][]float32)
}

// Hyper is a rule's settings before schedules and groups.
type Hyper struct {
	LearningRate float64 // positive as a float32
	WeightDecay  float64 // 0 or positive as a float32
}

// Step is what a rule is told about one update beside the vectors.
type Step struct {
	Number       uint64  // of updates made before this one
	LearningRate float64 // after the schedule and the group's factor
	WeightDecay  float64 // after the group
	GradScale    float32 // factor to apply to the gradient: 1, or less if it is clipped
}

// Bounder is a Rule that can bound its update beforehand. The Optimizer refuses updates whose
// result isn't finite: a Bounder's are known to be finite from the bounds, while those of other
// rules are tried on copies first, which reads the parameters and the state once more.
type Bounder interface {
	Rule
	// Bound is given upper bounds of the magnitudes of w, of g and of each state vector. It
	// returns an upper bound of |w| after an update, and replaces those in state by upper
	// bounds after it. It returns +Inf or NaN where a float32 may overflow on the way. The
	// caller adds what rounding may add.
	Bound(s Step, w, g float64, state []float64) float64
}

// MomentumRule is a Rule that may keep a state vector which adds up the gradients of former steps,
// so that the next update goes against it.
type MomentumRule interface {
	Rule
	// MomentumVector returns the number of that state vector, -1 if these settings have none.
	MomentumVector() int
}

// StateValidator is a Rule whose state vectors have to satisfy more than being finite. Restore
// calls it.
type StateValidator interface {
	Rule
	// ValidateState returns an error unless the rule can go on from this complete set of state
	// vectors.
	ValidateState(state [][]float32) error
}

// fraction reports whether x lies between 0 and 1, both excluded, once it is rounded to a float32.
func fraction(x float64) bool { return float32(x) > 0 && float32(x) < 1 }

// single formats x, and what it is as a float32 where that differs.
func single(x float64) string {
	text, rounded := fmt.Sprint(x), fmt.Sprint(float32(x))
	if text == rounded {
		return text
	}
	return fmt.Sprintf("%s, which is %s as a float32", text, rounded)
}
