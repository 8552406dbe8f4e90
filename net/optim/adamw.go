package optim

import (
	"cmp"
	"fmt"
	"math"

	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/simd"
)

// AdamW is Adam with decoupled weight decay (Loshchilov and Hutter, arXiv 1711.05101), as PyTorch's
// AdamW. With gradient g, the update of number t, counted from 1, computes
//
//	m = Beta1*m + (1-Beta1)*g
//	v = Beta2*v + (1-Beta2)*g^2
//	w = w - LR*WeightDecay*w - LR * m/(1-Beta1^t) / (sqrt(v/(1-Beta2^t)) + Epsilon)
//
// It keeps two state vectors, the means m and v.
type AdamW struct {
	LR          float64 // learning rate; positive
	Beta1       float64 // decay of the mean of gradients, between 0 and 1; 0 is 0.9
	Beta2       float64 // decay of the mean of their squares, between 0 and 1; 0 is 0.999
	Epsilon     float64 // added to the root; positive; 0 is 1e-8
	WeightDecay float64 // 0 for none
}

// withDefaults returns a with its defaults filled in.
func (a AdamW) withDefaults() AdamW {
	a.Beta1, a.Beta2, a.Epsilon = cmp.Or(a.Beta1, 0.9), cmp.Or(a.Beta2, 0.999), cmp.Or(a.Epsilon, 1e-8)
	return a
}

// Validate implements Rule.
func (a AdamW) Validate() error {
	a = a.withDefaults()
	switch {
	case !num.Positive(a.LR):
		return badField("AdamW.LR", "is %v, want a positive float32", a.LR)
	case !fraction(a.Beta1):
		return badField("AdamW.Beta1", "is %s, want more than 0 and less than 1", single(a.Beta1))
	case !fraction(a.Beta2):
		return badField("AdamW.Beta2", "is %s, want more than 0 and less than 1", single(a.Beta2))
	case !num.Positive(a.Epsilon):
		return badField("AdamW.Epsilon", "is %v, want a positive float32", a.Epsilon)
	case a.WeightDecay != 0 && !num.Positive(a.WeightDecay):
		return badField("AdamW.WeightDecay", "is %v, want 0 or a positive float32", a.WeightDecay)
	}
	return nil
}

// Hyper implements Rule.
func (a AdamW) Hyper() Hyper { return Hyper{LearningRate: a.LR, WeightDecay: a.WeightDecay} }

// StateVectors implements Rule.
func (a AdamW) StateVectors() int { return 2 }

// MomentumVector implements MomentumRule: the mean m.
func (a AdamW) MomentumVector() int { return 0 }

// Update implements Rule.
func (a AdamW) Update(at Step, w, g []float32, state [][]float32) {
	a = a.withDefaults()
	simd.AdamW{
		LR: float32(at.LearningRate), Beta1: float32(a.Beta1), Beta2: float32(a.Beta2), Eps: float32(a.Epsilon),
		Decay: float32(at.WeightDecay), Step: at.Number + 1, Scale: at.GradScale,
	}.Update(w, state[0], state[1], g)
}

// Bound implements Bounder. It bounds the root by 0, which is loose and serves: a weight that moves
// by LR*|m|/Epsilon is far from an overflow for the usual settings.
func (a AdamW) Bound(at Step, w, g float64, state []float64) float64 {
	a = a.withDefaults()
	b1, b2 := float64(float32(a.Beta1)), float64(float32(a.Beta2))
	lr, decay := float64(float32(at.LearningRate)), float64(float32(at.WeightDecay))
	corrected := float64(float32(lr / (1 - math.Pow(b1, float64(at.Number+1)))))
	d := float64(at.GradScale) * g
	state[0] = b1*state[0] + (1-b1)*d
	state[1] = b2*state[1] + (1-b2)*d*d
	q := state[0] / float64(float32(a.Epsilon))
	if !(max(d*d, q, lr*decay) <= limit) {
		return math.Inf(1)
	}
	return w + corrected*q + lr*decay*w
}

// ValidateState implements StateValidator: the mean of squares must not be negative.
func (a AdamW) ValidateState(state [][]float32) error {
	for i, v := range state[1] {
		if v < 0 {
			return fmt.Errorf("element %d of AdamW's mean of squares is %v, want no negative number", i, v)
		}
	}
	return nil
}
