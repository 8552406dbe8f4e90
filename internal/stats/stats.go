// Package stats is the arithmetic of repeated measurements.
package stats

import (
	"math"
	"slices"
)

// Spread is the quartiles of some figures.
type Spread struct {
	Q1     float64 `json:"q1"`
	Median float64 `json:"median"`
	Q3     float64 `json:"q3"`
}

// Half returns half the distance between the quartiles.
func (s Spread) Half() float64 { return (s.Q3 - s.Q1) / 2 }

// SpreadOf returns the quartiles of values, of which there is at least one.
func SpreadOf(values []float64) Spread {
	return Spread{Quantile(values, 0.25), Quantile(values, 0.5), Quantile(values, 0.75)}
}

// Median returns the median of values, of which there is at least one.
func Median(values []float64) float64 { return Quantile(values, 0.5) }

// Quantile returns the value below which the fraction q of values lies, linear
// between neighbours (type 7 of Hyndman and Fan, "Sample Quantiles in
// Statistical Packages", 1996; the default of R and numpy). There is at least
// one value.
func Quantile(values []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	at := q * float64(len(sorted)-1)
	below := int(at)
	above := min(below+1, len(sorted)-1)
	return sorted[below] + (at-float64(below))*(sorted[above]-sorted[below])
}

// GeometricMean returns the geometric mean of values, all above zero, or NaN
// of none.
func GeometricMean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += math.Log(v)
	}
	return math.Exp(sum / float64(len(values)))
}

// Ratios returns numerator[i]/denominator[i] for each i.
func Ratios(numerator, denominator []float64) []float64 {
	r := make([]float64, len(numerator))
	for i := range r {
		r[i] = numerator[i] / denominator[i]
	}
	return r
}
