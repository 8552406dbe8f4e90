package sam

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/steppe-ml/steppe/internal/num"
)

// Descent says what a step that perturbs makes of two gradients of the batch: g at w, and ghat, the
// mean of the shards' gradients at w + eps. The zero value gives the base optimizer ghat, as SAM
// and mSAM do. Of Orthogonal, Weight and Look at most one goes with a step. docs/MSAM.md has the
// cost of each.
type Descent struct {
	// Orthogonal is alpha of GSAM (Zhuang et al., arXiv 2203.08065): the base optimizer is given
	//
	//	ghat - alpha * g_perp
	//
	// where g_perp is the part of g that is orthogonal to ghat.
	Orthogonal float64

	// Weight is gamma of WSAM (Yue et al., arXiv 2305.15817), between 0 and 1: the base
	// optimizer is given
	//
	//	g + gamma/(1-gamma) * (ghat - g)
	//
	// which is ghat for 0.5. 0 is 0.5.
	Weight float64
	// Decoupled gives the base optimizer g alone. The learning rate times
	// gamma/(1-gamma) * (ghat - g) is subtracted from the parameters after its update. Parameter
	// groups count, but neither momentum nor Clip does.
	Decoupled bool

	// Look is alpha of LookSAM (Liu et al., arXiv 2203.02714), for Ascent.Every = k. A step that
	// perturbs keeps g_v, the part of ghat that is orthogonal to g. The k-1 steps that follow
	// don't perturb, and give the base optimizer
	//
	//	g + alpha * ||g||/||g_v|| * g_v
	Look float64

	// Samples is the fraction of each shard's samples, rounded up, that a step which perturbs goes
	// down on: gamma of ESAM (Du et al., arXiv 2110.03141). They are those whose loss rises most
	// from w to w + eps; of equal ones the first. A shard's gradient is that of the mean of their
	// losses, and weighs what it does without Samples. (The authors' code leaves out the last of
	// them; we don't.) A sample's loss is the sum of its terms: a text's, that of its tokens. All
	// samples go forward at w + eps, and the chosen ones backward from there. Batch normalization
	// normalizes by all of the shard, and goes backward as if the chosen samples were all of it.
	// Stats.Loss and Stats.Sharpness are those of all samples. 0 is 1: all of them.
	Samples float64
}

// validate returns an error unless d fits the rest of c.
func (d Descent) validate(c Config) error {
	for _, f := range []struct {
		field string
		value float64
	}{{"Orthogonal", d.Orthogonal}, {"Look", d.Look}} {
		if f.value != 0 && !num.Positive(f.value) {
			return badField("Descent."+f.field, "is %v, want 0 or a positive float32", f.value)
		}
	}
	if !(d.Weight >= 0 && d.Weight < 1) || !num.Finite(d.weight()) {
		return badField("Descent.Weight", "is %v, want at least 0 and less than 1", d.Weight)
	}
	if d.Decoupled && d.Weight == 0 {
		return badField("Descent.Decoupled", "is true without Descent.Weight")
	}
	set := d.set()
	switch {
	case len(set) > 1:
		return fmt.Errorf("sam: both %s and %s, want one of them", set[0], set[1])
	case len(set) > 0 && c.Rho == 0:
		return fmt.Errorf("sam: %s, and Rho is 0, which perturbs nothing", set[0])
	case len(set) > 0 && c.Ascent.part():
		return fmt.Errorf("sam: %s, which needs the gradient of the batch at w, and Ascent.Fraction is %v", set[0], c.Ascent.Fraction)
	case len(set) > 0 && c.Ascent.Momentum:
		return fmt.Errorf("sam: %s, which needs two gradients, and Ascent.Momentum takes one", set[0])
	case d.Look > 0 && c.Ascent.Every < 2:
		return badField("Descent.Look", "is %v, and Ascent.Every is %d: no step looks back", d.Look, c.Ascent.Every)
	case d.Look > 0 && c.Ascent.Sigma > 0:
		return fmt.Errorf("sam: both %s and Ascent.Sigma is %v, want one of them: a step that looks back has no gradient for the moving average", set[0], c.Ascent.Sigma)
	}
	return nil
}

// set lists the options that differ from SAM.
func (d Descent) set() (list []string) {
	if d.Orthogonal > 0 {
		list = append(list, fmt.Sprintf("Descent.Orthogonal is %v", d.Orthogonal))
	}
	if d.Weight > 0 {
		list = append(list, fmt.Sprintf("Descent.Weight is %v", d.Weight))
	}
	if d.Look > 0 {
		list = append(list, fmt.Sprintf("Descent.Look is %v", d.Look))
	}
	return list
}

// weight is how much of ghat - g is added to g: 1 gives ghat.
func (d Descent) weight() float64 {
	gamma := cmp.Or(d.Weight, 0.5)
	return gamma / (1 - gamma)
}

// weighs reports whether the base optimizer is given something else than ghat because of Weight.
func (d Descent) weighs() bool { return d.Decoupled || d.weight() != 1 }

// combines reports whether a step that perturbs needs g.
func (d Descent) combines() bool { return d.Orthogonal > 0 || d.weighs() || d.Look > 0 }

// String describes the options that differ from SAM in a few words; "" if none does.
func (d Descent) String() string {
	var list []string
	if d.Orthogonal > 0 {
		list = append(list, fmt.Sprintf("less %v of what the clean gradient has orthogonal to it", d.Orthogonal))
	}
	if d.weighs() {
		how := fmt.Sprintf("the clean gradient, and %.4g of what the perturbation changes in it", d.weight())
		if d.Decoupled {
			how += ", apart from the base optimizer"
		}
		list = append(list, how)
	}
	if d.Look > 0 {
		list = append(list, fmt.Sprintf("and, in the steps between, what the last perturbation added orthogonally, as long as %v gradients", d.Look))
	}
	return strings.Join(list, ", ")
}

// whyClean is the option for which needsClean is true.
func (c Config) whyClean() string {
	if c.Descent.combines() {
		return c.Descent.set()[0]
	}
	return fmt.Sprintf("Ascent.Sigma is %v", c.Ascent.Sigma)
}

// needsClean reports whether a step that perturbs needs the batch's gradient at w in memory.
func (c Config) needsClean() bool { return c.Descent.combines() || c.Ascent.Sigma > 0 }
