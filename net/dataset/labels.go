package dataset

import (
	"fmt"
	"math"
	"slices"
)

// NoisyLabels returns s with a fraction of its labels drawn anew, to measure how
// well a method resists what is wrong with its data: round(fraction*Len) labels,
// chosen without replacement, each drawn from all classes with the same odds. So
// one in Classes of them stays right by chance, and a fraction f means that
// f*(1-1/Classes) of the labels are wrong, about. Labels are copied, X is shared.
//
// Choice and classes depend on seed, Len and Classes alone, and are the same on
// every platform. Of two fractions with the same seed, the smaller one's labels
// are drawn anew with the larger too, to the same classes.
//
// A fraction outside [0, 1], or NaN, is an error.
func (s *Set) NoisyLabels(fraction float64, seed uint64) (*Set, error) {
	if !(fraction >= 0 && fraction <= 1) {
		return nil, fmt.Errorf("dataset: fraction of noisy labels is %v, want 0 to 1", fraction)
	}
	if s.Classes < 1 {
		return nil, fmt.Errorf("dataset: %s has %d classes to draw labels from, want at least 1", s.Name, s.Classes)
	}
	noisy := *s
	noisy.Labels = slices.Clone(s.Labels)
	count := int(math.Round(fraction * float64(s.Len())))
	var choice, classes Random
	choice.start(seed, 0, 0, forNoisy)
	classes.start(seed, 0, 0, forNoise)
	for _, i := range choice.permutation(s.Len())[:count] {
		noisy.Labels[i] = int32(classes.Below(s.Classes))
	}
	return &noisy, nil
}
