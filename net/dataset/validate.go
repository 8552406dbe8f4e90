package dataset

import (
	"fmt"
	"math"
)

// Validate returns an error unless a model can train on s. Call it for sets that don't come from
// this package's readers. The error names sizes of the shape, the samples, the classes, the labels
// and the targets that don't fit each other; the first label out of [0, Classes); the first text
// that is empty or too long; the first token id out of [0, Vocabulary); or the first value of X or
// Targets that is NaN or infinite, with its sample and its place there. One such value is enough to
// spoil a model, and nobody can tell afterwards where it came from.
//
// Validate reads all of X: 0.1 s for 50,000 images of 32x32x3. It reads no samples of a set that
// streams; their values are looked at whenever they are read.
func (s *Set) Validate() error {
	if err := s.validateSizes(); err != nil {
		return err
	}
	if err := s.validateLabels(); err != nil {
		return err
	}
	if err := s.validateTokens(); err != nil {
		return err
	}
	if i := firstNotFinite(s.X); i >= 0 {
		size := s.Shape.Size()
		return s.notFinite(i/size, i%size, s.X[i])
	}
	if i := firstNotFinite(s.Targets); i >= 0 {
		return fmt.Errorf("dataset: %s: target %d of sample %d is %v, want a finite value",
			s.Name, i%s.targets(), i/s.targets(), s.Targets[i])
	}
	return nil
}

// notFinite is the error of a value at a place of a sample.
func (s *Set) notFinite(sample, at int, value float32) error {
	return fmt.Errorf("dataset: %s: sample %d has %v at %v of %v, want a finite value",
		s.Name, sample, value, s.place(at), s.Shape)
}

// firstNotFinite returns the index of the first NaN or infinity, or -1.
func firstNotFinite(values []float32) int {
	for i, x := range values {
		const exponent = 0x7f800000 // all of its bits are 1 in NaN and infinities only
		if math.Float32bits(x)&exponent == exponent {
			return i
		}
	}
	return -1
}

// validateLabels is the part of Validate that looks at the labels.
func (s *Set) validateLabels() error {
	for i, label := range s.Labels {
		if label < 0 || int(label) >= s.Classes {
			return fmt.Errorf("dataset: %s: label of sample %d is %d, want 0 to %d", s.Name, i, label, s.Classes-1)
		}
	}
	return nil
}

// validateSizes is the part of Validate that takes no time.
func (s *Set) validateSizes() error {
	if err := s.Shape.Validate(); err != nil {
		return fmt.Errorf("dataset: %s has %w", s.Name, err)
	}
	switch {
	case s.Len() == 0:
		return fmt.Errorf("dataset: %s has no samples", s.Name)
	case s.Streams() && s.Samples.Len() != s.Len():
		return fmt.Errorf("dataset: %s has %d samples to read, but %d labels", s.Name, s.Samples.Len(), s.Len())
	case !s.Streams() && !s.IsText() && len(s.X) != s.Len()*s.Shape.Size():
		return fmt.Errorf("dataset: %s has %d values, want %d for %d samples of %v",
			s.Name, len(s.X), s.Len()*s.Shape.Size(), s.Len(), s.Shape)
	case s.Labels == nil && s.Targets == nil && !s.IsText():
		return fmt.Errorf("dataset: %s has neither labels nor targets", s.Name)
	case s.Labels != nil && s.Classes <= 0:
		return fmt.Errorf("dataset: %s has %d classes, want at least 1", s.Name, s.Classes)
	case s.ClassNames != nil && len(s.ClassNames) != s.Classes:
		return fmt.Errorf("dataset: %s has %d names for %d classes, want one a class or none", s.Name, len(s.ClassNames), s.Classes)
	case s.Targets != nil && (len(s.Targets) == 0 || len(s.Targets)%s.Len() != 0):
		return fmt.Errorf("dataset: %s has %d targets, want a multiple of its %d samples", s.Name, len(s.Targets), s.Len())
	}
	return s.validateTexts()
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
