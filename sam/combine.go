package sam

import (
	"fmt"
	"math"

	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/net/optim"
	"github.com/steppe-ml/steppe/simd"
)

// combination is what a step that has its gradients makes of them, and does once the base optimizer
// has taken them.
type combination struct {
	looks bool    // LookSAM: the step keeps g_v
	along float64 // of it: g_v is ghat less this times g
	apart float64 // WSAM: the factor of ghat - g, which the base optimizer isn't given, but for learning rates
}

// mostNorm is the longest sum of gradients that the base optimizer is given, and mostApart the
// longest update apart from its own: added to the largest float32 it is rounded away, so that a
// finite parameter stays finite.
const (
	mostNorm  = math.MaxFloat32 / 2
	mostApart = 1e30
)

// combine returns the gradient that the base optimizer is given. It returns an error, which wraps
// ErrRefused, if a float32 can't hold that.
func (o *Optimizer) combine() (given []float32, err error) {
	d, r := o.cfg.Descent, &o.run
	r.combination = combination{}
	switch {
	case r.between && d.Look > 0:
		return o.ghat, o.lookBack()
	case r.rho == 0 || !d.combines():
		return o.ghat, nil
	}
	clean := o.cleanSums[0]
	gg, hh := o.dot(clean, clean), o.dot(o.ghat, o.ghat)
	gh := o.dot(clean, o.ghat)
	if !num.Finite(gg) || !num.Finite(hh) {
		return nil, o.refuseLong(clean)
	}
	switch {
	case d.Look > 0:
		r.looks = true
		if gg > 0 {
			r.along = gh / gg
		}
		return o.ghat, bounded(1, hh, r.along, gg)
	case d.Orthogonal > 0 && hh > 0:
		return o.ghat, o.blend(1+d.Orthogonal*gh/hh, hh, -d.Orthogonal, gg)
	case d.Orthogonal > 0: // all of g is orthogonal to 0
		return o.ghat, o.blend(0, hh, -d.Orthogonal, gg)
	case !d.Decoupled:
		return o.ghat, o.blend(d.weight(), hh, 1-d.weight(), gg)
	}
	r.apart = d.weight()
	if err := o.blend(1, hh, -1, gg); err != nil {
		return nil, err
	}
	factor := o.largestRate() * r.apart
	if length := factor * math.Sqrt(o.dot(o.ghat, o.ghat)); !(length < mostApart && factor < mostApart) {
		return nil, fmt.Errorf("sam: %w: the update apart from the base optimizer's has norm %.3g and factor %.3g, want less than %v of both", ErrPerturbed, length, factor, mostApart)
	}
	return clean, nil
}

// refuseLong returns the error for gradients at w and at w + eps of which one isn't finite, or is
// too long for its norm to be.
func (o *Optimizer) refuseLong(clean []float32) error {
	for _, g := range []struct {
		at     string
		values []float32
	}{{"w", clean}, {"w + eps", o.ghat}} {
		i := firstNonFiniteIn(o.trained, g.values)
		if v := float64(g.values[i]); !num.Finite(v) {
			return fmt.Errorf("sam: %w: the batch's gradient of %s at %s is %v, want a finite number", ErrRefused, o.program.ParamAt(i), g.at, v)
		}
	}
	return fmt.Errorf("sam: %w: the batch's gradient at w or at w + eps is too long", ErrRefused)
}

// lookBack adds to ghat what LookSAM keeps of the last step that perturbed. It adds nothing if that
// has no length, or one that float32 can't scale up; nor to a gradient that isn't finite, which the
// base optimizer refuses.
func (o *Optimizer) lookBack() error {
	kept := o.kept[0]
	if !o.keptKnown {
		o.keptSq, o.keptKnown = o.dot(kept, kept), true
	}
	vv, gg := o.keptSq, o.dot(o.ghat, o.ghat)
	c := o.cfg.Descent.Look * math.Sqrt(gg/vv)
	if vv == 0 || !num.Finite(gg) || float32(c) == 0 || c > math.MaxFloat32 {
		return nil
	}
	if err := bounded(1, gg, c, vv); err != nil {
		return err
	}
	o.vector.blend(o.team, o.trained, o.ghat, 1, float32(c), kept)
	return nil
}

// blend sets ghat to a*ghat + c*g, whose squared norms are hh and gg.
func (o *Optimizer) blend(a, hh, c, gg float64) error {
	if err := bounded(a, hh, c, gg); err != nil {
		return err
	}
	o.vector.blend(o.team, o.trained, o.ghat, float32(a), float32(c), o.cleanSums[0])
	return nil
}

// bounded returns an error unless a*x + c*y is finite, for vectors of squared norms xx and yy.
func bounded(a, xx, c, yy float64) error {
	length := math.Abs(a)*math.Sqrt(xx) + math.Abs(c)*math.Sqrt(yy)
	kind := ErrRefused
	switch {
	case max(math.Abs(a), math.Abs(c)) > math.MaxFloat32: // one is so short that its factor is long
		kind = ErrVanishing
	case length < mostNorm:
		return nil
	}
	return fmt.Errorf("sam: %w: gradients of norms %.3g and %.3g, combined with factors %.3g and %.3g, are beyond float32", kind, math.Sqrt(xx), math.Sqrt(yy), a, c)
}

// dot returns the product of two vectors, over all parameters that aren't frozen.
func (o *Optimizer) dot(x, y []float32) float64 { return o.vector.dot(o.team, o.trained, x, y) }

// largestRate returns the largest learning rate of a parameter in the step to come.
func (o *Optimizer) largestRate() (rate float64) {
	factor, _ := optim.Factor(o.cfg.LRSchedule, o.base.Steps()) // gradient has checked it
	lr := factor * o.cfg.Base.Hyper().LearningRate
	for _, g := range o.groups {
		if !g.Frozen {
			rate = max(rate, lr*g.LRFactor)
		}
	}
	return rate
}

// settle does what is left of a step that the base optimizer has taken. Nothing of it can fail.
func (o *Optimizer) settle(first bool, learningRate float64) {
	r, v := &o.run, &o.vector
	if r.apart != 0 {
		for _, g := range o.groups {
			if !g.Frozen {
				simd.Axpy(float32(-learningRate*g.LRFactor*r.apart), o.ghat[g.From:g.To], o.params.Values[g.From:g.To])
			}
		}
	}
	if r.looks {
		o.keptKnown = false
		v.blend(o.team, o.trained, o.kept[0], 0, 1, o.ghat)
		v.blend(o.team, o.trained, o.kept[0], 1, float32(-r.along), o.cleanSums[0])
	}
	if a := o.cfg.Ascent; a.Sigma > 0 {
		clean := o.ghat
		if r.rho != 0 {
			clean = o.cleanSums[0]
		}
		keep := float32(a.Lambda)
		if first {
			v.blend(o.team, o.regions, o.kept[0], 0, 1, clean)
		} else {
			v.blend(o.team, o.regions, o.kept[0], keep, 1-keep, clean)
		}
	}
}
