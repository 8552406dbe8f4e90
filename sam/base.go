package sam

import (
	"cmp"
	"errors"
	"fmt"
	"math"

	"github.com/steppe-ml/steppe/simd"
)

// Base is an optimiser that applies a gradient to parameters: SGD or AdamW.
type Base interface {
	// check returns what is wrong with the settings.
	check() error
	// rate returns the learning rate, before any schedule.
	rate() float64
	// slots returns the number of vectors of state, of the parameters' length.
	// They begin at 0.
	slots() int
	// update applies g to w; all slices are the same part of their vectors.
	update(at moment, w, g []float32, slots [][]float32)
}

// moment is what changes from update to update, beside vectors.
type moment struct {
	updates uint64  // made before this one
	rate    float64 // learning rate
	scale   float32 // that the gradient is multiplied by
}

// SGD is stochastic gradient descent, as in PyTorch: with d = g +
// WeightDecay*w and v = Momentum*v + d, w moves by -LR*v, or with Nesterov by
// -LR*(d + Momentum*v). The decay is outside the perturbation.
type SGD struct {
	LR          float64
	Momentum    float64
	WeightDecay float64
	Nesterov    bool
}

func (s SGD) check() error {
	switch {
	case !positive(s.LR):
		return fmt.Errorf("sam: SGD.LR is %v, want a positive float32", s.LR)
	case !(s.Momentum >= 0 && s.Momentum < 1):
		return fmt.Errorf("sam: SGD.Momentum is %v, want 0 <= Momentum < 1", s.Momentum)
	case !(s.WeightDecay == 0 || positive(s.WeightDecay)):
		return fmt.Errorf("sam: SGD.WeightDecay is %v, want 0 or a positive float32", s.WeightDecay)
	case s.Nesterov && s.Momentum == 0:
		return errors.New("sam: SGD.Nesterov needs Momentum > 0")
	}
	return nil
}

func (s SGD) rate() float64 { return s.LR }

func (s SGD) slots() int { return 1 }

func (s SGD) update(at moment, w, g []float32, slots [][]float32) {
	simd.Momentum{
		LR: float32(at.rate), Mu: float32(s.Momentum), Decay: float32(s.WeightDecay), Nesterov: s.Nesterov, Scale: at.scale,
	}.Update(w, slots[0], g)
}

// AdamW is Adam with decoupled weight decay (arXiv 1711.05101), as in PyTorch:
//
//	m = Beta1*m + (1-Beta1)*g
//	v = Beta2*v + (1-Beta2)*g^2
//	w = w - LR*WeightDecay*w - LR * m/(1-Beta1^t) / (sqrt(v/(1-Beta2^t)) + Eps)
//
// in its step t, counted from 1. Steps that are refused don't count. The decay is
// outside the perturbation.
type AdamW struct {
	LR          float64
	Beta1       float64 // 0 is 0.9
	Beta2       float64 // 0 is 0.999
	Eps         float64 // 0 is 1e-8
	WeightDecay float64
}

func (a AdamW) filled() AdamW {
	a.Beta1, a.Beta2, a.Eps = cmp.Or(a.Beta1, 0.9), cmp.Or(a.Beta2, 0.999), cmp.Or(a.Eps, 1e-8)
	return a
}

func (a AdamW) check() error {
	a = a.filled()
	switch {
	case !positive(a.LR):
		return fmt.Errorf("sam: AdamW.LR is %v, want a positive float32", a.LR)
	case !(a.Beta1 > 0 && float32(a.Beta1) < 1):
		return fmt.Errorf("sam: AdamW.Beta1 is %v, want 0 < Beta1 < 1", a.Beta1)
	case !(a.Beta2 > 0 && float32(a.Beta2) < 1):
		return fmt.Errorf("sam: AdamW.Beta2 is %v, want 0 < Beta2 < 1", a.Beta2)
	case !positive(a.Eps):
		return fmt.Errorf("sam: AdamW.Eps is %v, want a positive float32", a.Eps)
	case !(a.WeightDecay == 0 || positive(a.WeightDecay)):
		return fmt.Errorf("sam: AdamW.WeightDecay is %v, want 0 or a positive float32", a.WeightDecay)
	}
	return nil
}

func (a AdamW) rate() float64 { return a.LR }

func (a AdamW) slots() int { return 2 }

func (a AdamW) update(at moment, w, g []float32, slots [][]float32) {
	a = a.filled()
	simd.AdamW{
		LR: float32(at.rate), Beta1: float32(a.Beta1), Beta2: float32(a.Beta2), Eps: float32(a.Eps),
		Decay: float32(a.WeightDecay), Step: at.updates + 1, Scale: at.scale,
	}.Update(w, slots[0], slots[1], g)
}

// positive reports whether x is, as a finite float32.
func positive(x float64) bool { return float32(x) > 0 && !math.IsInf(float64(float32(x)), 1) }
