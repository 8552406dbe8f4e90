package sam

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/internal/program"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/op"
	"github.com/steppe-ml/steppe/net/optim"
)

// Ascent says how a shard's gradient becomes its perturbation, and in which steps. The
// zero value is that of SAM and mSAM. docs/MSAM.md has the cost of each option.
type Ascent struct {
	// Adaptive scales perturbations by the parameters (ASAM, Kwon et al., arXiv
	// 2102.11600): eps = rho * T^2 g / ||T g||, where T is |w| + Eta for weights, and 1
	// for biases and the parameters of normalizations. Rho is then some ten times SAM's.
	Adaptive bool
	Eta      float64 // of Adaptive; 0 is 0.01

	// NormOnly perturbs only the scales and shifts of normalizations (SAM-ON, Müller et
	// al., arXiv 2306.04226). Rho is then some ten times SAM's.
	NormOnly bool

	// Fraction is the part of each shard, its first samples, whose gradient perturbs
	// it (Bahri et al., arXiv 2110.08529); 0 is all of it.
	Fraction float64

	// Steps repeats the ascent: eps is the sum of so many steps of length Rho/Steps, each along
	// the shard's gradient where the one before it ended. 0 is 1.
	Steps int

	// Sigma is that of Friendly SAM (Li et al., arXiv 2403.12350): g less Sigma times the moving
	// average of the batches' gradients perturbs, in place of g. As in its authors' code the
	// average is that before the step; for Sigma = 1 the paper's, after it, gives the same
	// direction. 0 is SAM; the paper has 1.
	Sigma  float64
	Lambda float64 // of Sigma: how much of the average a step keeps, between 0 and 1; 0 is 0.9

	// Momentum perturbs by the base optimizer's momentum v in place of a gradient: eps =
	// -Rho * v/||v||, for the whole batch (Momentum-SAM, Becker et al., arXiv 2401.12033, which
	// its authors abbreviate MSAM; it isn't mSAM). A step takes one gradient, and so costs
	// what the base optimizer's does. Stats.Loss and running statistics are those at w + eps.
	Momentum bool
	// Tensors is the probability with which a parameter tensor takes part in a step's
	// perturbation: beta of ESAM (Du et al., arXiv 2110.03141). The others stay at w, and the
	// gradients at w are computed of those that take part alone. eps = Rho/Tensors * g/||g||,
	// where g has their elements. The paper draws element by element; as in its authors' code
	// we draw tensor by tensor. A draw depends on Config.Seed and the number of the step. A step
	// that draws no tensor is the base optimizer's. 0 is 1: all take part.
	Tensors float64

	// Precision blas.BFloat16 multiplies in bfloat16 in the pass whose gradients perturb: forward,
	// backward and for the gradient, in layers that can (docs/MSAM.md). A perturbation is a direction
	// alone, which 8 significant bits give; w + eps and all that follows are float32, and so are the
	// gradients that the weights are moved by. Stats.Loss and running statistics are of that pass, and
	// so are the losses by which Descent.Samples chooses. It is meant to halve the ascent's cost where
	// simd.HasBF16; on other CPUs it saves nothing, and its bits are the same. 0 is blas.Full.
	Precision blas.Precision

	// Every makes only the steps 0, Every, 2*Every and so on perturb. The others are the
	// base optimizer's, on the same shards. 0 is 1.
	Every int
}

// validate returns an error unless a fits the rest of c, and the model.
func (a Ascent) validate(c Config, model *net.Model) error {
	switch {
	case a.Eta != 0 && !num.Positive(a.Eta):
		return badField("Ascent.Eta", "is %v, want a positive float32", a.Eta)
	case a.Eta != 0 && !a.Adaptive:
		return badField("Ascent.Eta", "is %v without Ascent.Adaptive", a.Eta)
	case !(a.Fraction >= 0 && a.Fraction <= 1):
		return badField("Ascent.Fraction", "is %v, want 0 < Fraction <= 1, or 0 for all", a.Fraction)
	case a.Steps < 0:
		return badField("Ascent.Steps", "is %d, want at least 1", a.Steps)
	case a.Sigma != 0 && !num.Positive(a.Sigma):
		return badField("Ascent.Sigma", "is %v, want 0 or a positive float32", a.Sigma)
	case a.Lambda != 0 && !(float32(a.Lambda) > 0 && float32(a.Lambda) < 1):
		return badField("Ascent.Lambda", "is %v, want between 0 and 1", a.Lambda)
	case a.Lambda != 0 && a.Sigma == 0:
		return badField("Ascent.Lambda", "is %v without Ascent.Sigma", a.Lambda)
	case a.Sigma > 0 && a.part():
		return badField("Ascent.Sigma", "is %v, which needs the gradient of the batch at w, and Ascent.Fraction is %v", a.Sigma, a.Fraction)
	case !(a.Tensors >= 0 && a.Tensors <= 1):
		return badField("Ascent.Tensors", "is %v, want 0 < Tensors <= 1, or 0 for 1", a.Tensors)
	case a.draws() && c.needsClean():
		return badField("Ascent.Tensors", "is %v, which leaves out gradients at w, and %s, which needs all of them", a.Tensors, c.whyClean())
	case a.Precision > blas.BFloat16:
		return badField("Ascent.Precision", "is %d, want blas.Full or blas.BFloat16", a.Precision)
	case a.rounds() && c.needsClean():
		return badField("Ascent.Precision", "is bfloat16, and %s, which moves the weights by the gradient at w, too", c.whyClean())
	case a.rounds() && c.Teacher.Weight > 0:
		return badField("Ascent.Precision", "is bfloat16, and Teacher.Weight is %v, which has a pass at w move the weights", c.Teacher.Weight)
	case a.Every < 0:
		return badField("Ascent.Every", "is %d, want at least 1", a.Every)
	case a.Adaptive && a.NormOnly:
		return errors.New("sam: both Ascent.Adaptive and Ascent.NormOnly are true, want one of them: Adaptive doesn't scale the parameters of normalizations")
	case a.NormOnly && !slices.ContainsFunc(model.Program().Ops(), normalizes):
		return badField("Ascent.NormOnly", "is true, and the model has no normalization")
	}
	if a.Momentum {
		if err := a.validateMomentum(c); err != nil {
			return err
		}
	}
	set := a.set()
	if c.RhoSchedule != nil {
		set = append(set, "RhoSchedule is set")
	}
	if c.Rho == 0 && len(set) > 0 {
		return fmt.Errorf("sam: %s, and Rho is 0, which perturbs nothing", set[0])
	}
	if c.force.perturb == factored && a.forms() {
		return fmt.Errorf("sam: %s, which needs formed gradients, and the test forces factored ones", set[0])
	}
	return nil
}

// validateMomentum returns an error unless Momentum goes with the rest of a and with c.
func (a Ascent) validateMomentum(c Config) error {
	for _, other := range []struct {
		set  bool
		what string
	}{
		{a.part(), fmt.Sprintf("Ascent.Fraction is %v", a.Fraction)},
		{a.Steps > 1, fmt.Sprintf("Ascent.Steps is %d", a.Steps)},
		{a.draws(), fmt.Sprintf("Ascent.Tensors is %v", a.Tensors)},
		{a.Sigma > 0, fmt.Sprintf("Ascent.Sigma is %v", a.Sigma)},
		{a.rounds(), "Ascent.Precision is bfloat16"},
	} {
		if other.set {
			return fmt.Errorf("sam: Ascent.Momentum is true, which takes no gradient to perturb, and %s", other.what)
		}
	}
	if c.Base == nil {
		return nil // which resolved tells
	}
	if rule, ok := c.Base.(optim.MomentumRule); !ok || rule.MomentumVector() < 0 {
		return badField("Ascent.Momentum", "is true, and the base optimizer, %T, keeps no momentum: want SGD with Momentum, or AdamW", c.Base)
	}
	return nil
}

// resolved is a with its defaults filled in.
func (a Ascent) resolved() Ascent {
	a.Eta, a.Fraction, a.Every = cmp.Or(a.Eta, 0.01), cmp.Or(a.Fraction, 1), cmp.Or(a.Every, 1)
	a.Steps, a.Lambda = cmp.Or(a.Steps, 1), cmp.Or(a.Lambda, 0.9)
	a.Tensors = cmp.Or(a.Tensors, 1)
	return a
}

// set lists the options that differ from SAM; those that need formed gradients come first.
func (a Ascent) set() (list []string) {
	if a.Adaptive {
		list = append(list, "Ascent.Adaptive is true")
	}
	if a.part() {
		list = append(list, fmt.Sprintf("Ascent.Fraction is %v", a.Fraction))
	}
	if a.Steps > 1 {
		list = append(list, fmt.Sprintf("Ascent.Steps is %d", a.Steps))
	}
	if a.Sigma > 0 {
		list = append(list, fmt.Sprintf("Ascent.Sigma is %v", a.Sigma))
	}
	if a.draws() {
		list = append(list, fmt.Sprintf("Ascent.Tensors is %v", a.Tensors))
	}
	if a.Momentum {
		list = append(list, "Ascent.Momentum is true")
	}
	if a.NormOnly {
		list = append(list, "Ascent.NormOnly is true")
	}
	if a.rounds() {
		list = append(list, "Ascent.Precision is bfloat16")
	}
	if a.Every > 1 {
		list = append(list, fmt.Sprintf("Ascent.Every is %d", a.Every))
	}
	return list
}

// forms reports whether a perturbation needs the gradient in memory: because its elements
// are scaled, because it is of other samples than those that are perturbed, because another
// vector is added to it, or because it is of some of an op's tensors.
func (a Ascent) forms() bool {
	return a.Adaptive || a.part() || a.Steps > 1 || a.Sigma > 0 || a.draws()
}

// rounds reports whether the ascent multiplies in bfloat16.
func (a Ascent) rounds() bool { return a.Precision == blas.BFloat16 }

// draws reports whether a step draws the tensors that it perturbs.
func (a Ascent) draws() bool { return a.Tensors > 0 && a.Tensors < 1 }

// part reports whether only a part of a shard's samples perturbs it.
func (a Ascent) part() bool { return a.Fraction > 0 && a.Fraction < 1 }

// Samples returns how many of a shard's n samples perturb it: the fraction, rounded up.
func (a Ascent) Samples(n int) int {
	if !a.part() {
		return n
	}
	return fraction(a.Fraction, n)
}

// role is the role of the parameters that are perturbed, "" for all.
func (a Ascent) role() net.Role {
	if a.NormOnly {
		return net.Norm
	}
	return ""
}

// String describes the options that differ from SAM in a few words; "" if none does.
func (a Ascent) String() string {
	a = a.resolved()
	var list []string
	if a.Adaptive {
		list = append(list, fmt.Sprintf("scaled by |w| + %v", a.Eta))
	}
	if a.NormOnly {
		list = append(list, "of normalizations only")
	}
	if a.part() {
		list = append(list, fmt.Sprintf("by the first %v of a shard's samples", a.Fraction))
	}
	if a.draws() {
		list = append(list, fmt.Sprintf("of tensors drawn with probability %v", a.Tensors))
	}
	if a.Steps > 1 {
		list = append(list, fmt.Sprintf("in %d steps of ascent", a.Steps))
	}
	if a.Sigma > 0 {
		list = append(list, fmt.Sprintf("by the gradient less %v of its moving average, which keeps %v", a.Sigma, a.Lambda))
	}
	if a.Momentum {
		list = append(list, "by the base optimizer's momentum")
	}
	if a.rounds() {
		list = append(list, "with products in bfloat16")
	}
	if a.Every > 1 {
		list = append(list, fmt.Sprintf("in one step of %d", a.Every))
	}
	return strings.Join(list, ", ")
}

// normalizes reports whether an op has parameters of a normalization.
func normalizes(info program.OpInfo) bool {
	return slices.ContainsFunc(info.Traits.Params, func(p op.Param) bool { return p.Role == net.Norm })
}
