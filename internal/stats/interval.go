package stats

import (
	"slices"
	"sort"

	"gonum.org/v1/gonum/stat/distuv"
)

// Interval contains a figure with some confidence.
type Interval struct {
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// MedianInterval returns an interval for the median of the distribution that the values are drawn
// from, with at least the given confidence, for any distribution. It reaches from the j-th
// smallest to the j-th largest of the n values. Each value is below the median with the odds of a
// coin; j is the largest number such that fewer than j heads among n coins have a probability of
// at most (1-confidence)/2 (David and Nagaraja, "Order Statistics", 3rd edition, 2003, section
// 7.1). The values must be independent. ok is false if there are too few: 0.95 takes six.
func MedianInterval(values []float64, confidence float64) (in Interval, ok bool) {
	n := len(values)
	coins := distuv.Binomial{N: float64(n), P: 0.5}
	j := sort.Search(n/2, func(j int) bool { return coins.CDF(float64(j)) > (1-confidence)/2 })
	if j == 0 {
		return Interval{}, false
	}
	sorted := slices.Sorted(slices.Values(values))
	return Interval{sorted[j-1], sorted[n-j]}, true
}
