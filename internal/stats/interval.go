package stats

import (
	"slices"
	"sort"

	"gonum.org/v1/gonum/stat/distuv"
)

// Interval is a confidence interval.
type Interval struct {
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// MedianInterval returns an interval for the median of the distribution that values are drawn from.
// The values must be independent, and the distribution may be any. ok is false if there are too few
// values for the confidence: 0.95 needs six.
//
// The interval reaches from the j-th smallest to the j-th largest of the n values. A value is below
// the median with a probability of 1/2, so j is the largest number for which fewer than j heads
// among n coins have a probability of at most (1-confidence)/2 (David and Nagaraja, "Order
// Statistics", 3rd edition, 2003, section 7.1).
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
