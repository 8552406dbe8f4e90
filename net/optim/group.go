package optim

import (
	"errors"
	"fmt"

	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/net"
)

// Group is a parameter group: settings for the parameters that Match chooses.
//
// All groups that match a parameter apply to it, in their order: learning-rate factors multiply,
// the last WeightDecay counts, and Frozen and Unperturbed hold if any of the groups says so. A
// parameter that no group matches keeps the rule's settings.
type Group struct {
	Match Matcher // needed: Roles, Names or MatchFunc

	LRFactor    float64  // factor on the learning rate; positive; 0 is 1
	WeightDecay *float64 // replaces the rule's weight decay; nil keeps it; new(0.0) is none
	Frozen      bool     // not updated, and the gradient isn't read; implies Unperturbed
	Unperturbed bool     // SAM doesn't perturb the parameters; without SAM it changes nothing
}

// NoDecay returns the group that excludes the parameters of some roles from weight decay. Usually
// these are biases and the parameters of normalizations: NoDecay(net.Bias, net.Norm).
func NoDecay(roles ...net.Role) Group { return Group{Match: Roles(roles...), WeightDecay: new(0.0)} }

// Range is a run of parameters that are trained alike. Resolve and Optimizer.Ranges return ranges
// to packages that compute gradients, such as package sam; who only trains needs none.
type Range struct {
	From, To    int     // the parameters From to To-1 of the flat vector
	LRFactor    float64 // factor on the rule's learning rate
	WeightDecay float64
	Frozen      bool // not updated
	Unperturbed bool // not perturbed by SAM
}

// Len returns the number of parameters in r.
func (r Range) Len() int { return r.To - r.From }

// likewise reports whether the parameters of r and other are trained alike.
func (r Range) likewise(other Range) bool {
	r.From, r.To = other.From, other.To
	return r == other
}

// Resolve applies groups to parameters. The ranges that it returns are in order and cover all
// parameters; neighbors that are trained alike are one range. The views are those of
// net.Model.Params. Resolve is for packages that compute gradients and plan by the groups, such as
// package sam. New calls it.
//
// A group that matches no parameter is an error, and so are groups that freeze all of them.
func Resolve(views []net.View, rule Rule, groups []Group) ([]Range, error) {
	if err := validateViews(views); err != nil {
		return nil, err
	}
	for i, g := range groups {
		if err := g.validate(views); err != nil {
			return nil, fmt.Errorf("optim: Groups[%d]: %w", i, err)
		}
	}
	hyper := rule.Hyper()
	var ranges []Range
	frozen := len(views) > 0
	for _, v := range views {
		r := Range{From: v.Offset, To: v.Offset + v.Shape.Size(), LRFactor: 1, WeightDecay: hyper.WeightDecay}
		for _, g := range groups {
			if g.Match.Match(v) {
				g.apply(&r)
			}
		}
		if lr := hyper.LearningRate * r.LRFactor; !num.Positive(lr) {
			return nil, fmt.Errorf("optim: the learning rate of %s is %v, %v times LRFactor %v, want a positive float32", v.Name, lr, hyper.LearningRate, r.LRFactor)
		}
		frozen = frozen && r.Frozen
		if last := len(ranges) - 1; last >= 0 && ranges[last].likewise(r) {
			ranges[last].To = r.To
		} else {
			ranges = append(ranges, r)
		}
	}
	if frozen {
		return nil, fmt.Errorf("optim: Groups freeze all %d parameters, want at least one to train", len(views))
	}
	return ranges, nil
}

// apply sets what g says in r.
func (g Group) apply(r *Range) {
	if g.LRFactor != 0 {
		r.LRFactor *= g.LRFactor
	}
	if g.WeightDecay != nil {
		r.WeightDecay = *g.WeightDecay
	}
	r.Frozen = r.Frozen || g.Frozen
	r.Unperturbed = r.Unperturbed || g.Unperturbed || g.Frozen
}

// validate returns an error if a setting of g is wrong, or if g matches none of these parameters.
func (g Group) validate(views []net.View) error {
	switch {
	case g.Match == nil:
		return errors.New("Match is missing, such as Roles(net.Bias)")
	case g.LRFactor != 0 && !num.Positive(g.LRFactor):
		return fmt.Errorf("LRFactor is %v, want a positive float32, or 0 for 1", g.LRFactor)
	case g.WeightDecay != nil && *g.WeightDecay != 0 && !num.Positive(*g.WeightDecay):
		return fmt.Errorf("WeightDecay is %v, want 0 or a positive float32", *g.WeightDecay)
	}
	if m, ok := g.Match.(interface{ validate(views []net.View) error }); ok {
		if err := m.validate(views); err != nil {
			return err
		}
	}
	for _, v := range views {
		if g.Match.Match(v) {
			return nil
		}
	}
	if m, ok := g.Match.(interface{ explain(views []net.View) string }); ok {
		return errors.New(m.explain(views))
	}
	return fmt.Errorf("Match chooses none of the %d parameters", len(views))
}

// validateViews returns an error unless the views cover a flat vector in order.
func validateViews(views []net.View) error {
	at := 0
	for _, v := range views {
		if v.Offset != at {
			return fmt.Errorf("optim: parameter %s begins at %d, want %d, where the one before ends", v.Name, v.Offset, at)
		}
		at += v.Shape.Size()
	}
	return nil
}
