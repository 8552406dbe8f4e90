package train

import (
	"fmt"
	"math"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/dataset"
)

// F1 is the harmonic mean of precision and recall. Of two classes it is that of class 1, as for
// MRPC and QQP in GLUE. Of more it is the macro mean: the mean over the classes that occur, among
// the labels or the predictions. A class that nobody predicts, or that no label has, has F1 0, so
// a model that always says class 0 of two has F1 0. Of equal outputs the first counts; a sample
// with NaN among its outputs is in no class, and so misses its own.
type F1 struct{ counts counts }

// Name implements Metric.
func (*F1) Name() string { return "f1" }

// Reset implements Metric.
func (f *F1) Reset(model *net.Model, set *dataset.Set) error { return f.counts.reset(model, set) }

// Update implements Metric.
func (f *F1) Update(outputs []float32, batch net.Batch) { f.counts.add(outputs, batch) }

// Value implements Metric.
func (f *F1) Value() float64 {
	if len(f.counts.labels) == 2 {
		return f.of(1)
	}
	sum, classes := 0.0, 0
	for class := range f.counts.labels {
		if f.counts.labels[class]+f.counts.predicted[class] > 0 {
			sum += f.of(class)
			classes++
		}
	}
	return sum / float64(classes)
}

// of returns the F1 of a class.
func (f *F1) of(class int) float64 {
	c := &f.counts
	if c.right[class] == 0 {
		return 0
	}
	return float64(2*c.right[class]) / float64(c.labels[class]+c.predicted[class])
}

// Better implements Metric.
func (*F1) Better(a, b float64) bool { return a > b }

// Matthews is Matthews' correlation coefficient of labels and predicted classes, from -1 to 1; for
// more than two classes Gorodkin's generalization, R_K (Computational Biology and Chemistry 28,
// 2004). It is 0 where it isn't defined: if all predictions, or all labels, are of one class. Of
// equal outputs the first counts; samples with NaN among their outputs are as if predicted in a
// class of their own.
type Matthews struct{ counts counts }

// Name implements Metric.
func (*Matthews) Name() string { return "matthews" }

// Reset implements Metric.
func (m *Matthews) Reset(model *net.Model, set *dataset.Set) error { return m.counts.reset(model, set) }

// Update implements Metric.
func (m *Matthews) Update(outputs []float32, batch net.Batch) { m.counts.add(outputs, batch) }

// Value implements Metric.
func (m *Matthews) Value() float64 {
	right, both, labels, predicted := 0.0, 0.0, 0.0, 0.0
	for class, n := range m.counts.labels {
		t, p := float64(n), float64(m.counts.predicted[class])
		right += float64(m.counts.right[class])
		both += float64(t * p)
		labels += float64(t * t)
		predicted += float64(p * p)
	}
	predicted += float64(float64(m.counts.none) * float64(m.counts.none))
	n := float64(m.counts.total)
	spread := math.Sqrt(float64(n*n)-labels) * math.Sqrt(float64(n*n)-predicted)
	if spread == 0 {
		return 0
	}
	return (float64(right*n) - both) / spread
}

// Better implements Metric.
func (*Matthews) Better(a, b float64) bool { return a > b }

// counts counts labels, predictions and hits by class.
type counts struct {
	labels    []int
	predicted []int
	right     []int
	none      int // labels with NaN among the outputs, so that no class is predicted
	total     int // labels
}

func (c *counts) reset(model *net.Model, set *dataset.Set) error {
	n := classesOf(model)
	*c = counts{labels: make([]int, n), predicted: make([]int, n), right: make([]int, n)}
	if n < 2 {
		return fmt.Errorf("the model has %d output a label, want at least 2 classes", n)
	}
	return validateLabels(model, set)
}

func (c *counts) add(outputs []float32, batch net.Batch) {
	for label, scores := range byLabel(outputs, batch) {
		c.total++
		c.labels[label]++
		switch class := highest(scores); {
		case class < 0:
			c.none++
		case class == label:
			c.right[class]++
			fallthrough
		default:
			c.predicted[class]++
		}
	}
}
