package optim

import (
	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/simd"
)

// SGD is stochastic gradient descent with momentum and weight decay, as PyTorch's SGD without
// dampening. With gradient g it computes
//
//	d = g + WeightDecay*w
//	v = Momentum*v + d
//	w = w - LR*v            or, with Nesterov, w - LR*(d + Momentum*v)
//
// It keeps one state vector, the velocity v.
type SGD struct {
	LR          float64 // learning rate; positive
	Momentum    float64 // 0 for none, or between 0 and 1
	WeightDecay float64 // 0 for none
	Nesterov    bool    // look ahead along the velocity (Sutskever et al., ICML 2013); needs Momentum
}

// Validate implements Rule.
func (s SGD) Validate() error {
	switch {
	case !num.Positive(s.LR):
		return badField("SGD.LR", "is %v, want a positive float32", s.LR)
	case s.Momentum != 0 && !fraction(s.Momentum):
		return badField("SGD.Momentum", "is %s, want at least 0 and less than 1", single(s.Momentum))
	case s.WeightDecay != 0 && !num.Positive(s.WeightDecay):
		return badField("SGD.WeightDecay", "is %v, want 0 or a positive float32", s.WeightDecay)
	case s.Nesterov && s.Momentum == 0:
		return badField("SGD.Nesterov", "is true and SGD.Momentum is 0, want Momentum > 0")
	}
	return nil
}

// Hyper implements Rule.
func (s SGD) Hyper() Hyper { return Hyper{LearningRate: s.LR, WeightDecay: s.WeightDecay} }

// StateVectors implements Rule.
func (s SGD) StateVectors() int { return 1 }

// MomentumVector implements MomentumRule: the velocity.
func (s SGD) MomentumVector() int {
	if s.Momentum == 0 {
		return -1
	}
	return 0
}

// Update implements Rule.
func (s SGD) Update(at Step, w, g []float32, state [][]float32) {
	simd.Momentum{
		LR: float32(at.LearningRate), Mu: float32(s.Momentum), Decay: float32(at.WeightDecay),
		Nesterov: s.Nesterov, Scale: at.GradScale,
	}.Update(w, state[0], g)
}

// Bound implements Bounder.
func (s SGD) Bound(at Step, w, g float64, state []float64) float64 {
	lr, mu, decay := float64(float32(at.LearningRate)), float64(float32(s.Momentum)), float64(float32(at.WeightDecay))
	d := float64(at.GradScale)*g + decay*w
	v := mu*state[0] + d
	state[0] = v
	step := v
	if s.Nesterov {
		step = d + mu*v
	}
	return w + max(lr, 1)*step // at least the step itself, which must not overflow either
}
