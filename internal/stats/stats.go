// Package stats has the statistics of repeated measurements.
package stats

import (
	"slices"

	"gonum.org/v1/gonum/stat"
)

// Spread is the quartiles of some values.
type Spread struct {
	Q1     float64 `json:"q1"`
	Median float64 `json:"median"`
	Q3     float64 `json:"q3"`
}

// Half returns half the distance between the quartiles.
func (s Spread) Half() float64 { return (s.Q3 - s.Q1) / 2 }

// SpreadOf returns the quartiles of values. There must be at least one.
func SpreadOf(values []float64) Spread {
	return Spread{Quantile(values, 0.25), Quantile(values, 0.5), Quantile(values, 0.75)}
}

// Median returns the median of values. There must be at least one.
func Median(values []float64) float64 { return Quantile(values, 0.5) }

// Quantile returns the value below which the fraction q of values lies, linear between neighbors
// (type 7 of Hyndman and Fan, "Sample Quantiles in Statistical Packages", 1996; the default of R
// and numpy, which gonum's stat doesn't have). There must be at least one value.
func Quantile(values []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	at := q * float64(len(sorted)-1)
	below := int(at)
	above := min(below+1, len(sorted)-1)
	return sorted[below] + (at-float64(below))*(sorted[above]-sorted[below])
}

// GeometricMean returns the geometric mean of values, all above zero; NaN for none.
func GeometricMean(values []float64) float64 {
	return stat.GeometricMean(values, nil)
}

// Ratios returns numerator[i]/denominator[i] for each i.
func Ratios(numerator, denominator []float64) []float64 {
	r := make([]float64, len(numerator))
	for i := range r {
		r[i] = numerator[i] / denominator[i]
	}
	return r
}
