package train

import (
	"errors"
	"fmt"
	"slices"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/dataset"
)

// Accuracy is the share of labels whose class has the highest output; of equal outputs, the
// first counts. NaN among a sample's outputs makes it wrong.
type Accuracy struct {
	Correct int // labels whose class has the highest output
	Total   int // labels
}

// Name implements Metric.
func (*Accuracy) Name() string { return "accuracy" }

// Reset implements Metric.
func (a *Accuracy) Reset(model *net.Model, set *dataset.Set) error {
	*a = Accuracy{}
	return validateLabels(model, set)
}

// Update implements Metric.
func (a *Accuracy) Update(outputs []float32, batch net.Batch) {
	for label, scores := range byLabel(outputs, batch) {
		if highest(scores) == label {
			a.Correct++
		}
	}
	a.Total += len(batch.Labels)
}

// Value implements Metric.
func (a *Accuracy) Value() float64 { return float64(a.Correct) / float64(a.Total) }

// Better implements Metric.
func (*Accuracy) Better(a, b float64) bool { return a > b }

// TopK is the share of labels whose class is among the K with the highest outputs. With K 1 it
// is the accuracy.
type TopK struct {
	K       int
	Correct int
	Total   int
}

// Name implements Metric.
func (t *TopK) Name() string { return fmt.Sprintf("top-%d accuracy", t.K) }

// Reset implements Metric.
func (t *TopK) Reset(model *net.Model, set *dataset.Set) error {
	*t = TopK{K: t.K}
	if classes := classesOf(model); t.K < 1 || t.K > classes {
		return fmt.Errorf("TopK.K is %d, want 1 to %d", t.K, classes)
	}
	return validateLabels(model, set)
}

// Update implements Metric.
func (t *TopK) Update(outputs []float32, batch net.Batch) {
	for label, scores := range byLabel(outputs, batch) {
		above := 0
		for class, x := range scores {
			// In this form NaN is above any number, and any number above NaN.
			if class != label && !(x < scores[label]) && !(x == scores[label] && class > label) {
				above++
			}
		}
		if above < t.K {
			t.Correct++
		}
	}
	t.Total += len(batch.Labels)
}

// Value implements Metric.
func (t *TopK) Value() float64 { return float64(t.Correct) / float64(t.Total) }

// Better implements Metric.
func (*TopK) Better(a, b float64) bool { return a > b }

// Confusion counts which classes are taken for which. Its score is the balanced accuracy: the
// mean, over the classes that occur, of the share of their labels that is right.
type Confusion struct {
	// Counts is how often samples of a class, the first index, have the highest output in
	// another, the second. It has no samples with NaN among their outputs; the score counts
	// them as wrong.
	Counts [][]int

	totals []int // labels by class
}

// Name implements Metric.
func (*Confusion) Name() string { return "balanced accuracy" }

// Reset implements Metric.
func (c *Confusion) Reset(model *net.Model, set *dataset.Set) error {
	classes := classesOf(model)
	c.Counts, c.totals = make([][]int, classes), make([]int, classes)
	for i := range c.Counts {
		c.Counts[i] = make([]int, classes)
	}
	return validateLabels(model, set)
}

// Update implements Metric.
func (c *Confusion) Update(outputs []float32, batch net.Batch) {
	for label, scores := range byLabel(outputs, batch) {
		c.totals[label]++
		if class := highest(scores); class >= 0 {
			c.Counts[label][class]++
		}
	}
}

// Value implements Metric.
func (c *Confusion) Value() float64 {
	sum, classes := 0.0, 0
	for class, total := range c.totals {
		if total > 0 {
			sum += float64(c.Counts[class][class]) / float64(total)
			classes++
		}
	}
	return sum / float64(classes)
}

// Better implements Metric.
func (*Confusion) Better(a, b float64) bool { return a > b }

// classesOf returns the number of a model's outputs for a label.
func classesOf(model *net.Model) int {
	shape := model.OutputShape()
	return shape[len(shape)-1]
}

// validateLabels returns an error if a set's labels aren't classes of the model.
func validateLabels(model *net.Model, set *dataset.Set) error {
	if len(set.Labels) == 0 {
		return errors.New("the set has no labels")
	}
	classes := classesOf(model)
	if want := set.Len() * model.OutputShape().Size() / classes; len(set.Labels) != want {
		return fmt.Errorf("%d labels, want %d for outputs of %v", len(set.Labels), want, model.OutputShape())
	}
	for i, label := range set.Labels {
		if label < 0 || int(label) >= classes {
			return fmt.Errorf("label %d is %d, want 0 to %d", i, label, classes-1)
		}
	}
	return nil
}

// byLabel returns the labels of a batch with the outputs for each, one a class.
func byLabel(outputs []float32, batch net.Batch) func(yield func(label int, scores []float32) bool) {
	return func(yield func(label int, scores []float32) bool) {
		classes := len(outputs) / max(1, len(batch.Labels))
		for i, label := range batch.Labels {
			if !yield(int(label), outputs[i*classes:][:classes]) {
				return
			}
		}
	}
}

// highest returns the index of the first of the highest scores, -1 if one is NaN.
func highest(scores []float32) int { return slices.Index(scores, slices.Max(scores)) }
