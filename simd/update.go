package simd

import "math"

// Momentum is stochastic gradient descent with momentum and weight decay, as
// in PyTorch's SGD without dampening.
type Momentum struct {
	LR       float32 // step size
	Mu       float32 // momentum, 0 for none
	Decay    float32 // weight decay: Decay*w is added to the gradient
	Nesterov bool
	Scale    float32 // factor of the gradient; 0 is 1
}

// Update takes a step on the weights w with velocity v and gradient g, in one
// pass:
//
//	d = Scale*g + Decay*w
//	v = Mu*v + d
//	w = w - LR*v            or, with Nesterov, w - LR*(d + Mu*v)
//
// Terms with a factor of 0 are not left out: an infinite g, v or w that meets
// one leaves NaN.
func (m Momentum) Update(w, v, g []float32) {
	sameLength("Momentum.Update", len(w), len(v), len(g))
	velocity, gradient := float32(1), float32(0)
	if m.Nesterov {
		velocity, gradient = m.Mu, 1
	}
	kernels().momentum(w, v, g, orOne(m.Scale), m.LR, m.Mu, m.Decay, velocity, gradient)
}

// AdamW is Adam with weight decay outside of it (Loshchilov and Hutter, arXiv
// 1711.05101), as in PyTorch's AdamW.
type AdamW struct {
	LR    float32 // step size
	Beta1 float32 // decay rate of the mean gradient; from 0 to less than 1
	Beta2 float32 // decay rate of the mean squared gradient; from 0 to less than 1
	Eps   float32 // added to the root; positive
	Decay float32 // weight decay: w shrinks by LR*Decay of itself
	Step  uint64  // number of this update, from 1
	Scale float32 // factor of the gradient; 0 is 1
}

// Update takes a step on the weights w with the means m and v, which begin at
// 0, and gradient g, in one pass:
//
//	d = Scale*g
//	m = Beta1*m + (1-Beta1)*d
//	v = Beta2*v + (1-Beta2)*d*d
//	w = w - LR*Decay*w - LR * m/(1-Beta1^Step) / (sqrt(v/(1-Beta2^Step)) + Eps)
//
// A square is infinite from |d| of 2^64 on.
func (a AdamW) Update(w, m, v, g []float32) {
	sameLength("AdamW.Update", len(w), len(m), len(v), len(g))
	// The last line's factors, made in float64: lr, root and decay for
	// w - decay*w - lr*m/(root*sqrt(v) + Eps).
	step := float64(a.Step)
	lr := float64(a.LR) / (1 - math.Pow(float64(a.Beta1), step))
	root := 1 / math.Sqrt(1-math.Pow(float64(a.Beta2), step))
	decay := float64(a.LR) * float64(a.Decay)
	kernels().adamW(w, m, v, g, orOne(a.Scale), a.Beta1, 1-a.Beta1, a.Beta2, 1-a.Beta2,
		float32(root), a.Eps, float32(lr), float32(decay))
}

func orOne(scale float32) float32 {
	if scale == 0 {
		return 1
	}
	return scale
}
