package train

import (
	"math"
	"slices"

	"github.com/steppe-ml/steppe/net/dataset"
)

// Chance returns an accuracy that a classifier rarely exceeds if it has learned nothing: the share
// of the set's most frequent class, plus two standard errors.
func Chance(set *dataset.Set) float64 {
	counts := make([]int, set.Classes)
	for _, label := range set.Labels {
		counts[label]++
	}
	n := float64(set.Len())
	p := float64(slices.Max(counts)) / n
	return p + 2*math.Sqrt(p*(1-p)/n)
}
