package ref

import "math"

// Base is a base optimizer, with its state.
type Base interface{ Step(w, g []float64) }

// SGD is stochastic gradient descent with momentum.
type SGD struct {
	LR, Momentum, WeightDecay float64
	Nesterov                  bool
	v                         []float64
}

// Step moves w by the gradient g.
func (s *SGD) Step(w, g []float64) {
	if s.v == nil {
		s.v = make([]float64, len(w))
	}
	for i := range w {
		d := g[i] + s.WeightDecay*w[i]
		s.v[i] = s.Momentum*s.v[i] + d
		if s.Nesterov {
			w[i] -= s.LR * (d + s.Momentum*s.v[i])
		} else {
			w[i] -= s.LR * s.v[i]
		}
	}
}

// AdamW is Adam with decoupled weight decay.
type AdamW struct {
	LR, Beta1, Beta2, Epsilon, WeightDecay float64
	m, v                                   []float64
	steps                                  float64
}

// Step moves w by the gradient g.
func (a *AdamW) Step(w, g []float64) {
	if a.m == nil {
		a.m, a.v = make([]float64, len(w)), make([]float64, len(w))
	}
	a.steps++
	for i := range w {
		w[i] -= a.LR * a.WeightDecay * w[i]
		a.m[i] = a.Beta1*a.m[i] + (1-a.Beta1)*g[i]
		a.v[i] = a.Beta2*a.v[i] + (1-a.Beta2)*g[i]*g[i]
		mean, square := a.m[i]/(1-math.Pow(a.Beta1, a.steps)), a.v[i]/(1-math.Pow(a.Beta2, a.steps))
		w[i] -= a.LR * mean / (math.Sqrt(square) + a.Epsilon)
	}
}

// Clip scales g down to a norm of at most the given one.
func Clip(g []float64, most float64) {
	norm := Norm(g)
	for i := range g {
		g[i] *= min(1, most/norm)
	}
}
