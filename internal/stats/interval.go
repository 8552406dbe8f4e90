package stats

import (
	"slices"
	"sort"

	"gonum.org/v1/gonum/stat/distuv"
)

// Interval is where a figure lies with some confidence.
type Interval struct {
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// MedianInterval returns where the median lies of what values are drawn from, with
// at least the given confidence and whatever the distribution: between the j-th
// least and the j-th greatest of the n values. Each value is below the median with
// the odds of a coin; j is the greatest for which fewer than j heads of n coins have
// a probability of (1-confidence)/2 at most (David and Nagaraja, "Order Statistics",
// 3rd edition, 2003, section 7.1). The values are taken to be independent. ok is
// false where they are too few: 0.95 takes six.
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
