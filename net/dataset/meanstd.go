package dataset

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// MeanStd is the mean and the standard deviation of each channel. The channels are the last
// dimension of a sample: the colors of an image, or every value of a sample of one dimension.
type MeanStd struct {
	Mean []float64 // [channels]
	Std  []float64 // [channels], of the whole set: divided by n, not by n-1
}

// MeanStd measures s, which is usually the training set: test samples, and those predicted later,
// have to be standardized by the same numbers. Sums are in float64 and in a fixed order, so the
// result is the same on every platform, and whether s is in memory or streams; it reads a set that
// streams twice. It returns the error of [Set.Validate] for a set that Validate refuses, except
// that it doesn't look at labels, and that of a sample that can't be read.
func (s *Set) MeanStd() (MeanStd, error) {
	if err := s.validateValues(); err != nil {
		return MeanStd{}, err
	}
	mean, _, err := s.means(make([]float64, s.channels()))
	if err != nil {
		return MeanStd{}, err
	}
	if slices.ContainsFunc(mean, notFinite) {
		return MeanStd{}, s.Validate()
	}
	// Squares are taken around the mean. Around zero they would lose the digits that a mean far
	// larger than the deviation takes.
	_, std, err := s.means(mean)
	if err != nil {
		return MeanStd{}, err
	}
	for c, variance := range std {
		std[c] = math.Sqrt(variance)
	}
	return MeanStd{Mean: mean, Std: std}, nil
}

// means returns, for each channel, the means of x-center and of its square. Each sample has sums of
// its own, which keeps sums over millions of values exact to some digits more.
func (s *Set) means(center []float64) (first, second []float64, err error) {
	channels := len(center)
	first, second = make([]float64, channels), make([]float64, channels)
	one, two := make([]float64, channels), make([]float64, channels) // of a sample
	const together = 256
	for batch, err := range s.InOrder(together) {
		if err != nil {
			return nil, nil, err
		}
		for sample := range slices.Chunk(batch.X, s.Shape.Size()) {
			clear(one)
			clear(two)
			for pixel := range slices.Chunk(sample, channels) {
				for c, x := range pixel {
					d := float64(x) - center[c]
					one[c] += d
					two[c] += float64(d * d) // rounded, so that no compiler fuses it
				}
			}
			for c := range first {
				first[c] += one[c]
				second[c] += two[c]
			}
		}
	}
	n := float64(s.Len() * s.Shape.Size() / channels)
	for c := range first {
		first[c] /= n
		second[c] /= n
	}
	return first, second, nil
}

// validateValues returns an error unless s has values to measure.
func (s *Set) validateValues() error {
	if s.IsText() {
		return fmt.Errorf("dataset: %s is text, which has no mean and deviation to standardize by", s.Name)
	}
	return s.validateSizes()
}

func (s *Set) channels() int { return s.Shape[len(s.Shape)-1] }

func notFinite(x float64) bool { return math.IsNaN(x) || math.IsInf(x, 0) }

// Standardize returns a set whose values are (x-mean)/std. Its values have memory of their own; it
// shares labels and targets with s, which stays as it is. A channel that was constant where m was
// measured has no deviation: Standardize subtracts its mean and doesn't divide it.
//
// It returns an error if s is text, if m has other channels than s, if m isn't finite or has a
// negative deviation, and if Validate refuses the result. The samples of a set that streams are
// standardized as they are read.
func (s *Set) Standardize(m MeanStd) (*Set, error) {
	if err := s.validateValues(); err != nil {
		return nil, err
	}
	if err := m.validate(); err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	channels := s.channels()
	if len(m.Mean) != channels {
		return nil, fmt.Errorf("dataset: %s has %d channels, but mean and deviation are given for %d", s.Name, channels, len(m.Mean))
	}
	by := m.standardizer()
	standard := *s
	if s.Streams() {
		standard.Samples = standardized{s, by}
		return &standard, nil
	}
	standard.X = make([]float32, len(s.X))
	by.apply(standard.X, s.X)
	if err := standard.Validate(); err != nil {
		return nil, fmt.Errorf("%w, after standardization by %v", err, m)
	}
	return &standard, nil
}

// Restore returns standardized values of whole samples as they were before.
func (m MeanStd) Restore(x []float32) []float64 {
	values := make([]float64, len(x))
	for i, v := range x {
		c := i % len(m.Mean)
		std := m.Std[c]
		if std == 0 { // Standardize doesn't divide by it
			std = 1
		}
		values[i] = float64(float64(v)*std) + m.Mean[c]
	}
	return values
}

// standardizer is a mean and one over a deviation for each channel.
type standardizer struct{ mean, scale []float64 }

// standardizer returns a valid m as a factor.
func (m MeanStd) standardizer() standardizer {
	scale := make([]float64, len(m.Std))
	for c, std := range m.Std {
		scale[c] = 1
		if std > 0 {
			scale[c] = 1 / std
		}
	}
	return standardizer{m.Mean, scale}
}

// apply writes the values of from, which may be those of to, standardized to to.
func (s standardizer) apply(to, from []float32) {
	channels := len(s.mean)
	for i := 0; i < len(from); i += channels {
		from, to := from[i:][:channels], to[i:][:channels]
		for c, x := range from {
			to[c] = float32((float64(x) - s.mean[c]) * s.scale[c])
		}
	}
}

func (m MeanStd) validate() error {
	if len(m.Mean) == 0 || len(m.Mean) != len(m.Std) {
		return fmt.Errorf("%d means and %d deviations, want the same number of both and at least 1", len(m.Mean), len(m.Std))
	}
	for c, mean := range m.Mean {
		if std := m.Std[c]; notFinite(mean) || notFinite(std) || std < 0 {
			return fmt.Errorf("channel %d has mean %v and deviation %v, want finite numbers and no negative deviation", c, mean, std)
		}
	}
	return nil
}

// String returns m as text for a checkpoint's metadata, as in "mean 0.49,0.48 deviation 0.25,0.24".
// ParseMeanStd gets every bit back.
func (m MeanStd) String() string {
	return textMean + joinFloats(m.Mean) + textDeviation + joinFloats(m.Std)
}

// ParseMeanStd reads the text that MeanStd.String writes. It returns an error for text of another
// form, and for numbers that Standardize would refuse for any set.
func ParseMeanStd(text string) (MeanStd, error) {
	means, stds, ok := strings.Cut(text, textDeviation)
	means, prefixed := strings.CutPrefix(means, textMean)
	if !ok || !prefixed {
		return MeanStd{}, fmt.Errorf(`dataset: expected mean and deviation such as "mean 0.5,0.4 deviation 0.25,0.2", got %q`, text)
	}
	mean, err := splitFloats(means)
	if err != nil {
		return MeanStd{}, fmt.Errorf("dataset: %q: %w", text, err)
	}
	std, err := splitFloats(stds)
	if err != nil {
		return MeanStd{}, fmt.Errorf("dataset: %q: %w", text, err)
	}
	m := MeanStd{Mean: mean, Std: std}
	if err := m.validate(); err != nil {
		return MeanStd{}, fmt.Errorf("dataset: %q: %w", text, err)
	}
	return m, nil
}

const (
	textMean      = "mean "
	textDeviation = " deviation "
)

func joinFloats(values []float64) string {
	fields := make([]string, len(values))
	for i, v := range values {
		fields[i] = strconv.FormatFloat(v, 'g', -1, 64)
	}
	return strings.Join(fields, ",")
}

func splitFloats(text string) ([]float64, error) {
	var values []float64
	for field := range strings.SplitSeq(text, ",") {
		v, err := strconv.ParseFloat(field, 64)
		if err != nil {
			return nil, fmt.Errorf("expected a number, got %q", field)
		}
		values = append(values, v)
	}
	return values, nil
}
