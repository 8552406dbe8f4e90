package stats

import (
	"math"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// Mean is the mean of some values, with a 95% interval for the mean of their distribution.
type Mean struct {
	Mean float64 `json:"mean"`
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// MeanOf returns the mean of at least one value and its 95% interval by Student's t, with one
// degree of freedom less than there are values. A single value says nothing about the spread: its
// interval is the value itself.
func MeanOf(values []float64) Mean {
	mean, deviation := stat.MeanStdDev(values, nil)
	n := float64(len(values))
	if n < 2 {
		return Mean{mean, mean, mean}
	}
	half := distuv.StudentsT{Sigma: 1, Nu: n - 1}.Quantile(0.975) * deviation / math.Sqrt(n)
	return Mean{mean, mean - half, mean + half}
}

// Half returns half the length of the interval.
func (m Mean) Half() float64 { return (m.High - m.Low) / 2 }

// Differences returns a[i]-b[i] for each i. The lengths must be equal.
func Differences(a, b []float64) []float64 {
	return floats.SubTo(make([]float64, len(a)), a, b)
}
