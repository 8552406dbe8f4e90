package dataset

import (
	"fmt"
	"math"
)

// Check returns an error that says what is wrong with the set, for sets that
// come from elsewhere than this package's readers: a shape, or numbers of
// samples and classes, that don't fit each other; the first label out of
// [0, Classes); or the first value of X that is NaN or infinite, with its sample
// and its place in it. One wrong value is enough to spoil a model, and where it
// came from can't be told any more once it has.
//
// It reads all of X: 0.1 s for 50,000 images of 32x32x3.
func (s *Set) Check() error {
	if err := s.checkSizes(); err != nil {
		return err
	}
	if err := s.checkLabels(); err != nil {
		return err
	}
	for i, x := range s.X {
		const exponent = 0x7f800000 // all ones in what is no number
		if math.Float32bits(x)&exponent == exponent {
			size := s.Shape.Size()
			return fmt.Errorf("dataset: %s: sample %d has %v at %v of %v, want a finite value",
				s.Name, i/size, x, s.place(i%size), s.Shape)
		}
	}
	return nil
}

// checkLabels is the part of Check that looks at the labels.
func (s *Set) checkLabels() error {
	for i, label := range s.Labels {
		if label < 0 || int(label) >= s.Classes {
			return fmt.Errorf("dataset: %s: label of sample %d is %d, want 0 to %d", s.Name, i, label, s.Classes-1)
		}
	}
	return nil
}

// checkSizes is Check without what takes time.
func (s *Set) checkSizes() error {
	switch {
	case s.Len() == 0:
		return fmt.Errorf("dataset: %s has no samples", s.Name)
	case s.Shape.Validate() != nil:
		return fmt.Errorf("dataset: %s has shape %v, want positive dimensions", s.Name, []int(s.Shape))
	case s.Classes <= 0:
		return fmt.Errorf("dataset: %s has %d classes, want at least 1", s.Name, s.Classes)
	case len(s.X) != s.Len()*s.Shape.Size():
		return fmt.Errorf("dataset: %s has %d values, want %d for %d samples of %v",
			s.Name, len(s.X), s.Len()*s.Shape.Size(), s.Len(), s.Shape)
	}
	return nil
}

// place returns the indices of element i of a sample, as in [row column channel].
func (s *Set) place(i int) []int {
	indices := make([]int, len(s.Shape))
	for d := len(indices) - 1; d >= 0; d-- {
		indices[d] = i % s.Shape[d]
		i /= s.Shape[d]
	}
	return indices
}
