package dataset

import (
	"fmt"
	"math"
	"slices"
)

// NoisyLabels returns s with a fraction of its labels drawn again at random, to measure how well a
// method resists wrong labels. It chooses round(fraction*Len) labels without replacement and draws
// each from all classes with equal odds. One in Classes of them stays right by chance, so a
// fraction f makes some f*(1-1/Classes) of the labels wrong. Labels are copied, X is shared.
//
// The choice and the classes depend on seed, Len and Classes alone, and are the same on every
// platform. Of two fractions with the same seed, the larger redraws the labels of the smaller, to
// the same classes, and others.
//
// A fraction outside [0, 1], or NaN, is an error.
func (s *Set) NoisyLabels(fraction float64, seed uint64) (*Set, error) {
	if !(fraction >= 0 && fraction <= 1) {
		return nil, fmt.Errorf("dataset: fraction of noisy labels is %v, want 0 to 1", fraction)
	}
	if s.Classes < 1 || s.Labels == nil {
		return nil, fmt.Errorf("dataset: %s has %d labels of %d classes, want at least 1 class to draw from", s.Name, len(s.Labels), s.Classes)
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
