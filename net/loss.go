package net

import (
	"errors"
	"fmt"
	"math"
)

// Loss ends a program: it turns outputs and what a batch wants of them into
// one number. A loss is a sum over terms, of which a sample has one or more
// (a sequence: one a token that counts), and means are over terms. As a Layer,
// its Build calls Builder.SetLoss.
type Loss interface {
	Layer

	// Check says what is wrong with the labels or targets of b for outputs of
	// shape out, nil if nothing is.
	Check(out Shape, b Batch) error

	// Terms returns the number of terms of b.
	Terms(b Batch) int

	// Apply returns the sum of b's terms, and sets dout, if wanted, to the
	// gradient of scale times that sum. dout may share out's memory.
	Apply(out Tensor, b Batch, scale float32, dout Tensor) (sum float64)

	// Predict turns outputs into predictions, in place.
	Predict(out Tensor)
}

// SoftmaxCrossEntropy is the cross-entropy between labels and the softmax of
// outputs of shape [classes]: one term a sample. Its predictions are
// probabilities.
type SoftmaxCrossEntropy struct{}

// Build implements Layer.
func (l SoftmaxCrossEntropy) Build(b *Builder, in Value) (Value, error) {
	switch s := b.Shape(in); {
	case len(s) != 1:
		return 0, errors.New("outputs must be flat, one for each class: put Flatten{} before it")
	case s[0] < 2:
		return 0, fmt.Errorf("outputs for %d class, want at least 2", s[0])
	}
	return b.SetLoss(l, in)
}

// Check implements Loss.
func (SoftmaxCrossEntropy) Check(out Shape, b Batch) error {
	if len(b.Labels) != b.N {
		return fmt.Errorf("net: %d labels for %d samples", len(b.Labels), b.N)
	}
	for i, label := range b.Labels {
		if label < 0 || int(label) >= out[0] {
			return fmt.Errorf("net: sample %d has label %d, want 0 to %d", i, label, out[0]-1)
		}
	}
	return nil
}

// Terms implements Loss.
func (SoftmaxCrossEntropy) Terms(b Batch) int { return b.N }

// Apply implements Loss.
func (SoftmaxCrossEntropy) Apply(out Tensor, b Batch, scale float32, dout Tensor) (sum float64) {
	classes := out.Shape.Size()
	for i, label := range b.Labels {
		row := out.Data[i*classes:][:classes]
		largest, total := softmaxSum(row)
		sum += math.Log(total) - (float64(row[label]) - largest)
		if dout.Wanted() {
			d := dout.Data[i*classes:][:classes]
			for j, v := range row {
				p := math.Exp(float64(v)-largest) / total
				if j == int(label) {
					p--
				}
				d[j] = float32(float64(scale) * p)
			}
		}
	}
	return sum
}

// Predict implements Loss.
func (SoftmaxCrossEntropy) Predict(out Tensor) {
	classes := out.Shape.Size()
	for i := range out.N {
		row := out.Data[i*classes:][:classes]
		largest, total := softmaxSum(row)
		for j, v := range row {
			row[j] = float32(math.Exp(float64(v)-largest) / total)
		}
	}
}

// softmaxSum returns the largest output, and the sum of the exponentials of
// their distances from it: NaN if any output is.
func softmaxSum(row []float32) (largest, total float64) {
	largest = math.Inf(-1)
	for _, v := range row {
		largest = max(largest, float64(v))
	}
	for _, v := range row {
		total += math.Exp(float64(v) - largest)
	}
	return largest, total
}
