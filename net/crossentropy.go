package net

import (
	"errors"
	"fmt"
	"math"

	"github.com/steppe-ml/steppe/internal/parallel"
	"github.com/steppe-ml/steppe/net/op"
	"github.com/steppe-ml/steppe/simd"
)

// SoftmaxCrossEntropy is the cross-entropy between Batch.Labels, classes from 0 on, and the softmax
// of outputs of shape [classes]. It has one term a sample. Its predictions are the probabilities of
// the classes.
type SoftmaxCrossEntropy struct {
	// Smoothing is the share of each label that is spread evenly over all classes, from 0 to
	// less than 1 (Szegedy et al., arXiv 1512.00567).
	Smoothing float64
}

// Build implements Layer.
func (l SoftmaxCrossEntropy) Build(b op.Builder, in op.Value) (op.Value, error) {
	if !(l.Smoothing >= 0 && l.Smoothing < 1) {
		return 0, fmt.Errorf("Smoothing is %v, want 0 or more and less than 1", l.Smoothing)
	}
	switch s := b.Shape(in); {
	case b.Sequence(in):
		return 0, errSequence
	case len(s) != 1:
		return 0, errors.New("outputs must be flat, one for each class: put Flatten{} before it")
	case s[0] < 2:
		return 0, fmt.Errorf("outputs for %d class, want at least 2", s[0])
	}
	return b.SetLoss(l, in)
}

var errSequence = errors.New("outputs are a sequence, with a row for each token: put Pooling{} before it")

// Validate implements Loss.
func (SoftmaxCrossEntropy) Validate(out Shape, b Batch) error {
	if len(b.Labels) != b.N {
		return fmt.Errorf("%d labels for %d samples", len(b.Labels), b.N)
	}
	for i, label := range b.Labels {
		if label < 0 || int(label) >= out[0] {
			return fmt.Errorf("sample %d has label %d, want 0 to %d", i, label, out[0]-1)
		}
	}
	return nil
}

// Terms implements Loss.
func (SoftmaxCrossEntropy) Terms(b Batch) int { return b.N }

// Apply implements Loss.
func (l SoftmaxCrossEntropy) Apply(out op.Tensor, b Batch, scale float32, dout op.Tensor) (sum float64) {
	classes := out.Shape.Size()
	s := softmaxes.Get()
	defer softmaxes.Put(s)
	s.hold(out.N, classes)
	simd.SoftmaxRows(s.p, out.Data, classes, s.largest, s.total)
	for i, label := range b.Labels {
		x, p := out.Data[i*classes:][:classes], s.p[i*classes:][:classes]
		sum += l.sample(x, p, float64(s.largest[i]), float64(s.total[i]), int(label))
	}
	if dout.Wanted() {
		simd.Scale(scale, s.p)
		copy(dout.Data, s.p)
	}
	return sum
}

// sample returns the loss of a sample with outputs x, and turns their softmax p into the gradient.
// Where the label is nearly certain, the sum of the other probabilities has digits that 1 minus its
// own hasn't.
func (l SoftmaxCrossEntropy) sample(x, p []float32, largest, total float64, label int) float64 {
	others := 0.0
	for j, q := range p {
		if j != label {
			others += float64(q)
		}
	}
	distance := float64(x[label]) - largest
	loss := math.Log(total) - distance
	if others < 0.5 {
		loss = -math.Log1p(-others)
	}
	uniform := l.Smoothing / float64(len(x))
	if uniform > 0 {
		loss += l.Smoothing * distance
		for j, v := range x {
			loss -= float64(uniform * (float64(v) - largest))
			p[j] -= float32(uniform)
		}
	}
	p[label] = float32(l.Smoothing - uniform - others)
	return loss
}

// Predict implements Loss.
func (SoftmaxCrossEntropy) Predict(out op.Tensor) {
	simd.SoftmaxRows(out.Data, out.Data, out.Shape.Size(), nil, nil)
}

// softmax is memory for the softmax of rows of outputs: the probabilities, and of each row the
// largest output and the sum of exponentials.
type softmax struct{ p, largest, total []float32 }

var softmaxes parallel.Pool[softmax]

// hold makes room for n rows of classes.
func (s *softmax) hold(n, classes int) {
	if cap(s.p) < n*classes || cap(s.total) < n {
		*s = softmax{make([]float32, n*classes), make([]float32, n), make([]float32, n)}
	}
	s.p, s.largest, s.total = s.p[:n*classes], s.largest[:n], s.total[:n]
}
