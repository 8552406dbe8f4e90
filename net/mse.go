package net

import (
	"fmt"

	"github.com/steppe-ml/steppe/net/op"
)

// MSE is the mean squared error between outputs of any shape and Batch.Targets, which has as many
// values a sample. It has one term a sample: the mean over its elements. Its predictions are the
// outputs.
type MSE struct{}

// Build implements Layer.
func (l MSE) Build(b op.Builder, in op.Value) (op.Value, error) {
	if b.Sequence(in) {
		return 0, errSequence
	}
	return b.SetLoss(l, in)
}

// Validate implements Loss.
func (MSE) Validate(out Shape, b Batch) error {
	if size := out.Size(); len(b.Targets)%size != 0 || len(b.Targets)/size != b.N {
		return fmt.Errorf("%d targets for %d samples of %v, want %d a sample", len(b.Targets), b.N, out, size)
	}
	return nil
}

// Terms implements Loss.
func (MSE) Terms(b Batch) int { return b.N }

// Apply implements Loss.
func (MSE) Apply(out op.Tensor, b Batch, scale float32, dout op.Tensor) (sum float64) {
	size := float64(out.Shape.Size())
	slope := 2 * float64(scale) / size
	for i, y := range out.Data {
		d := float64(y) - float64(b.Targets[i])
		sum += float64(d*d) / size
		if dout.Wanted() {
			dout.Data[i] = float32(slope * d)
		}
	}
	return sum
}

// Predict implements Loss.
func (MSE) Predict(op.Tensor) {}
