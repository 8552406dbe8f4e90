package study

import (
	"math"
	"slices"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/dataset"
)

// Correct returns how many samples of a set the model classifies rightly.
func Correct(model *net.Model, params *net.Params, set *dataset.Set) (right int, err error) {
	scores, err := model.Outputs(params, set.X)
	if err != nil {
		return 0, err
	}
	return Hits(scores, set.Labels), nil
}

// Hits returns how many samples score highest in the class of their label.
func Hits(scores []float32, labels []int32) (right int) {
	classes := len(scores) / len(labels)
	for i, label := range labels {
		sample := scores[i*classes:][:classes]
		if slices.Index(sample, slices.Max(sample)) == int(label) {
			right++
		}
	}
	return right
}

// Chance returns what share of a set a classifier that has learned nothing may
// well get right: that of the most frequent class, and two standard errors.
func Chance(set *dataset.Set) float64 {
	counts := make([]int, set.Classes)
	for _, label := range set.Labels {
		counts[label]++
	}
	n := float64(set.Len())
	p := float64(slices.Max(counts)) / n
	return p + 2*math.Sqrt(p*(1-p)/n)
}
