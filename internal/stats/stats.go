// Package stats has statistics of repeated measurements: medians, means and their intervals.
package stats

import (
	"slices"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/stat"
)

// Spread has the quartiles of some values.
type Spread struct {
	Q1     float64 `json:"q1"`
	Median float64 `json:"median"`
	Q3     float64 `json:"q3"`
}

// Half returns half the distance between the quartiles.
func (s Spread) Half() float64 { return (s.Q3 - s.Q1) / 2 }

// SpreadOf returns the quartiles of at least one value.
func SpreadOf(values []float64) Spread {
	return Spread{Quantile(values, 0.25), Quantile(values, 0.5), Quantile(values, 0.75)}
}

// Median returns the median of at least one value: of an even number, the mean of the two in the
// middle. (stat.Quantile would return one of them.)
func Median(values []float64) float64 { return Quantile(values, 0.5) }

// Quantile returns the q-quantile of at least one value, for q from 0 to 1. It interpolates between
// neighbors by type 7 of Hyndman and Fan, "Sample Quantiles in Statistical Packages", 1996: the
// default of R and numpy. gonum's stat has types 1 and 4 alone.
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

// Ratios returns numerator[i]/denominator[i] for each i. The lengths must be equal.
func Ratios(numerator, denominator []float64) []float64 {
	return floats.DivTo(make([]float64, len(numerator)), numerator, denominator)
}
