package dataset

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Moments are the mean and the standard deviation of each channel, which is the
// last dimension of a sample: the colours of an image, every value of a sample
// of one dimension.
type Moments struct {
	Mean      []float64 // [channels]
	Deviation []float64 // [channels]; divided by the number of values, not by one less
}

// Moments measures s, which is the training set as a rule: what is predicted
// later has to be standardised by the same numbers, and comes one by one. The
// sums are of float64 and in a fixed order, so the result is the same on every
// platform. It returns the error of [Set.Check] for a set that Check refuses,
// except for its labels.
func (s *Set) Moments() (Moments, error) {
	if err := s.checkSizes(); err != nil {
		return Moments{}, err
	}
	mean, _ := s.means(make([]float64, s.channels()))
	if slices.ContainsFunc(mean, notFinite) {
		return Moments{}, s.Check()
	}
	// Around the mean, since a square around zero loses the digits that a mean far
	// larger than the deviation takes.
	_, deviation := s.means(mean)
	for c, variance := range deviation {
		deviation[c] = math.Sqrt(variance)
	}
	return Moments{Mean: mean, Deviation: deviation}, nil
}

// means returns, for each channel, the means of x-centre and of its square.
// Each sample is summed apart, which keeps sums over millions of values exact to
// some digits more.
func (s *Set) means(centre []float64) (first, second []float64) {
	channels := len(centre)
	first, second = make([]float64, channels), make([]float64, channels)
	one, two := make([]float64, channels), make([]float64, channels) // of a sample
	for i := range s.Len() {
		clear(one)
		clear(two)
		for pixel := range slices.Chunk(s.Range(i, 1).X, channels) {
			for c, x := range pixel {
				d := float64(x) - centre[c]
				one[c] += d
				two[c] += float64(d * d) // rounded, so that no compiler fuses it
			}
		}
		for c := range first {
			first[c] += one[c]
			second[c] += two[c]
		}
	}
	n := float64(len(s.X) / channels)
	for c := range first {
		first[c] /= n
		second[c] /= n
	}
	return first, second
}

func (s *Set) channels() int { return s.Shape[len(s.Shape)-1] }

func notFinite(x float64) bool { return math.IsNaN(x) || math.IsInf(x, 0) }

// Standardise returns a set of (x-mean)/deviation, in memory of its own except
// for the labels; s stays as it is, since others may share it, as they do with
// Digits. A channel that was constant where m was measured has no deviation: its
// mean is subtracted, and it is not divided.
//
// Errors are moments of other channels than those of s, moments that are not
// finite or negative deviations, and what Check finds in the result.
func (s *Set) Standardise(m Moments) (*Set, error) {
	if err := s.checkSizes(); err != nil {
		return nil, err
	}
	if err := m.check(); err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	channels := s.channels()
	if len(m.Mean) != channels {
		return nil, fmt.Errorf("dataset: %s has %d channels, but the moments are those of %d", s.Name, channels, len(m.Mean))
	}
	scale := make([]float64, channels)
	for c, deviation := range m.Deviation {
		scale[c] = 1
		if deviation > 0 {
			scale[c] = 1 / deviation
		}
	}
	standard := *s
	standard.X = make([]float32, len(s.X))
	for i := 0; i < len(s.X); i += channels {
		from, to := s.X[i:][:channels], standard.X[i:][:channels]
		for c, x := range from {
			to[c] = float32((float64(x) - m.Mean[c]) * scale[c])
		}
	}
	if err := standard.Check(); err != nil {
		return nil, fmt.Errorf("%w, after standardisation by %v", err, m)
	}
	return &standard, nil
}

// check returns what is wrong with m.
func (m Moments) check() error {
	if len(m.Mean) == 0 || len(m.Mean) != len(m.Deviation) {
		return fmt.Errorf("moments have %d means and %d deviations, want as many and at least 1", len(m.Mean), len(m.Deviation))
	}
	for c, mean := range m.Mean {
		if deviation := m.Deviation[c]; notFinite(mean) || notFinite(deviation) || deviation < 0 {
			return fmt.Errorf("moments of channel %d are mean %v and deviation %v, want finite ones and no negative deviation",
				c, mean, deviation)
		}
	}
	return nil
}

// String returns m as text for a checkpoint's metadata, as in "mean 0.49,0.48
// deviation 0.25,0.24". ParseMoments gets every bit back.
func (m Moments) String() string {
	return momentsMean + joinFloats(m.Mean) + momentsDeviation + joinFloats(m.Deviation)
}

// ParseMoments reads what Moments.String writes. It returns an error for text of
// another form, and for moments that Standardise would refuse for any set.
func ParseMoments(text string) (Moments, error) {
	means, deviations, ok := strings.Cut(text, momentsDeviation)
	means, prefixed := strings.CutPrefix(means, momentsMean)
	if !ok || !prefixed {
		return Moments{}, fmt.Errorf(`dataset: expected moments such as "mean 0.5,0.4 deviation 0.25,0.2", got %q`, text)
	}
	mean, err := splitFloats(means)
	if err != nil {
		return Moments{}, fmt.Errorf("dataset: moments %q: %w", text, err)
	}
	deviation, err := splitFloats(deviations)
	if err != nil {
		return Moments{}, fmt.Errorf("dataset: moments %q: %w", text, err)
	}
	m := Moments{Mean: mean, Deviation: deviation}
	if err := m.check(); err != nil {
		return Moments{}, fmt.Errorf("dataset: %q: %w", text, err)
	}
	return m, nil
}

const (
	momentsMean      = "mean "
	momentsDeviation = " deviation "
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
