package train

import (
	"cmp"
	"fmt"
	"math"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/dataset"
)

// ECE is the expected calibration error of a classifier (Naeini et al., AAAI 2015; Guo et al.,
// arXiv 1706.04599): how far its confidence is from its accuracy. The confidence of a prediction is
// the probability of the predicted class, by the softmax of the outputs. Predictions go into bins
// of equal width by confidence, (0, 1/Bins], (1/Bins, 2/Bins] and so on. The error is the mean over
// all predictions of the distance, in each one's bin, between the mean confidence and the share of
// right predictions. 0 is best. Of equal outputs the first is the prediction. NaN among a
// sample's outputs makes it wrong with a confidence of 1.
type ECE struct {
	Bins int // 0 is 15

	total []int     // labels by bin
	right []int     // of them
	sum   []float64 // of confidences
}

// eceBins is the usual number of bins.
const eceBins = 15

// Name implements Metric.
func (*ECE) Name() string { return "ece" }

// Reset implements Metric.
func (e *ECE) Reset(model *net.Model, set *dataset.Set) error {
	if e.Bins < 0 {
		return fmt.Errorf("ECE.Bins is %d, want at least 1, or 0 for %d", e.Bins, eceBins)
	}
	bins := cmp.Or(e.Bins, eceBins)
	*e = ECE{Bins: e.Bins, total: make([]int, bins), right: make([]int, bins), sum: make([]float64, bins)}
	if classes := classesOf(model); classes < 2 {
		return fmt.Errorf("the model has %d output a label, want at least 2 classes", classes)
	}
	return validateLabels(model, set)
}

// Update implements Metric.
func (e *ECE) Update(outputs []float32, batch net.Batch) {
	for label, scores := range byLabel(outputs, batch) {
		class, confidence := highest(scores), 1.0
		if class >= 0 {
			confidence = softmaxOf(scores, class)
		}
		bins := len(e.total)
		bin := max(0, min(bins-1, int(math.Ceil(confidence*float64(bins)))-1))
		e.total[bin]++
		e.sum[bin] += confidence
		if class == label {
			e.right[bin]++
		}
	}
}

// softmaxOf returns the probability of the class with the highest score. Scores of +Inf share it.
func softmaxOf(scores []float32, class int) float64 {
	sum, top := 0.0, float64(scores[class])
	for _, score := range scores {
		if float64(score) == top { // also where both are infinite
			sum++
		} else {
			sum += math.Exp(float64(score) - top)
		}
	}
	return 1 / sum
}

// Value implements Metric.
func (e *ECE) Value() float64 {
	distance, labels := 0.0, 0
	for bin, n := range e.total {
		distance += math.Abs(e.sum[bin] - float64(e.right[bin]))
		labels += n
	}
	return distance / float64(labels)
}

// Better implements Metric.
func (*ECE) Better(a, b float64) bool { return a < b }
