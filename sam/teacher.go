package sam

import (
	"fmt"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/internal/program"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/op"
	"github.com/steppe-ml/steppe/net/optim"
)

// Teacher makes a step learn from the model itself at other parameters w', its teacher (SADT, Fahim
// and Boutellier, arXiv 2211.00310). With p and q the probabilities that the model gives at w and
// at w', the step is the base optimizer's on the gradient, at w and with q held constant, of
//
//	cross-entropy + Weight * KL(p || q),    KL(p || q) = sum over classes of p * log(p/q)
//
// There is no temperature. The teacher has the mask of the student's Dropout, so they differ by
// their parameters alone, and normalizes by its own batch statistics. The running statistics move
// by the student's. The zero value is no teacher. docs/MSAM.md has the cost.
type Teacher struct {
	// Weight is that of the divergence from the teacher. 0 is no teacher: the step is that of the
	// other settings, which without Rho is the base optimizer's. The model's loss must be an
	// op.Distillable, as SoftmaxCrossEntropy and NextToken are.
	Weight float64

	// Noise is the standard deviation of Gaussian noise, from Config.Seed and the step's number,
	// that makes w' of w: on all tensors of two dimensions or more, as weights are, but for
	// those of groups that are frozen or unperturbed. One w' serves the whole batch, and Rho is 0.
	//
	// With 0, each shard has its own w' = w + eps, with the eps of Config.Rho and Config.Ascent.
	Noise float64
}

// on reports whether there is a teacher.
func (t Teacher) on() bool { return t.Weight > 0 }

// noisy reports whether there is a teacher that noise makes.
func (t Teacher) noisy() bool { return t.on() && t.Noise > 0 }

// validate returns an error unless t fits the rest of c, and the model.
func (t Teacher) validate(c Config, model *net.Model) error {
	for _, f := range []struct {
		name  string
		value float64
	}{{"Weight", t.Weight}, {"Noise", t.Noise}} {
		if f.value != 0 && !num.Positive(f.value) {
			return badField("Teacher."+f.name, "is %v, want a positive float32, or 0 for none", f.value)
		}
	}
	if t.Noise > 0 && c.Rho > 0 {
		return fmt.Errorf("sam: both Teacher.Noise (%v) and Rho (%v) are given, want one of them: noise makes the teacher, or the ascent does", t.Noise, c.Rho)
	}
	if !t.on() {
		return nil
	}
	if _, ok := model.Loss().(op.Distillable); !ok {
		return badField("Teacher.Weight", "is %v, and the model's loss, %T, has no probabilities to compare with a teacher's: want a softmax cross-entropy", t.Weight, model.Loss())
	}
	set := c.Descent.set()
	switch {
	case len(set) > 0:
		return fmt.Errorf("sam: %s, and Teacher.Weight is %v, whose step has one gradient, at w", set[0], t.Weight)
	case c.Ascent.Momentum:
		return badField("Ascent.Momentum", "is true with Teacher.Weight %v, whose teacher the shards' gradients make, or noise", t.Weight)
	case c.Descent.selects():
		return badField("Descent.Samples", "is %v with Teacher.Weight %v, whose step is on all samples", c.Descent.Samples, t.Weight)
	case c.Ascent.draws():
		return badField("Ascent.Tensors", "is %v with Teacher.Weight %v, whose teacher all tensors make", c.Ascent.Tensors, t.Weight)
	case t.Noise == 0 && c.Rho == 0:
		return badField("Teacher.Weight", "is %v, and both Teacher.Noise and Rho are 0, which leave the teacher at w", t.Weight)
	case c.Ascent.part():
		return badField("Ascent.Fraction", "is %v with Teacher.Weight %v, whose clean pass is over all samples", c.Ascent.Fraction, t.Weight)
	}
	return nil
}

// validateNoise returns an error if noise should make the teacher, and no tensor gets any.
func (t Teacher) validateNoise(spans []num.Span) error {
	if t.noisy() && len(spans) == 0 {
		return badField("Teacher.Noise", "is %v, and the model and the groups leave no tensor of two dimensions or more for it", t.Noise)
	}
	return nil
}

// spans returns the parameters that get noise, in order.
func (t Teacher) spans(views []net.View, groups []optim.Range) (spans []num.Span) {
	if !t.noisy() {
		return nil
	}
	for _, v := range views {
		if len(v.Shape) < 2 {
			continue
		}
		for _, g := range groups {
			s := num.Range(max(v.Offset, g.From), min(v.Offset+v.Shape.Size(), g.To))
			if s.Len() > 0 && !g.Frozen && !g.Unperturbed {
				spans = append(spans, s)
			}
		}
	}
	return spans
}

// String describes the teacher in a few words; "" if there is none.
func (t Teacher) String() string {
	switch {
	case !t.on():
		return ""
	case t.noisy():
		return fmt.Sprintf("of weight %v, by noise of %v", t.Weight, t.Noise)
	}
	return fmt.Sprintf("of weight %v, by the ascent", t.Weight)
}

// teaches reports whether the step has a teacher's pass.
func (p *plan) teaches() bool { return p.teacher.noisy() || p.teacher.on() && p.perturbs() }

// teachesAnew reports whether the student's forward pass comes after the teacher's. Otherwise it is
// the clean pass, which the teacher is made of.
func (p *plan) teachesAnew() bool {
	return p.teaches() && (p.passByPass || p.ascent.Steps > 1 || !p.perturbs())
}

// distills reports whether one workspace has the clean pass and goes back to it, once it knows the
// teacher.
func (p *plan) distills() bool { return p.teaches() && !p.teachesAnew() }

// teacherSize is the size of the teacher's workspace, given that of the student's: it has a forward
// pass alone.
func teacherSize(student program.Size) program.Size {
	return program.Size{Samples: student.Samples, Shards: student.Shards, Shard: student.Shard, Factored: student.Factored}
}

// secondPass returns the pass of a shard behind its ascent, with the team's packs or none.
func (o *Optimizer) secondPass(formed []float32, team *blas.Team) pass {
	if o.plan.teaches() {
		p := o.passAtW(taught)
		p.teacher = formed
		if team != nil {
			p.teacherPacks = o.teacherPacks
		}
		return p
	}
	p := pass{kind: descent, params: formed}
	if team != nil {
		p.packs = o.packs
	}
	return p
}

// passWithNoise draws the step's noise, and returns the pass whose teacher it makes.
func (o *Optimizer) passWithNoise() pass {
	o.noise.draw(o.team, o.cfg.Seed, o.base.Steps(), float32(o.plan.teacher.Noise), o.params.Values)
	p := o.passAtW(taught)
	p.teacher, p.teacherPacks = o.noise.sum, o.teacherPacks
	return p
}

// distill takes the tile through the ascent, through the teacher's forward pass at w + eps, and a
// second time through the backward pass of the clean pass, for the loss that has the teacher in it.
// It reports whether all was finite.
func (w *worker) distill(p pass, team *blas.Team) bool {
	if !w.climb(p, team) {
		return false
	}
	p.kind, p.teacher, p.teacherPacks = taught, p.params, p.packs
	return w.taught(p, w.perturb, team)
}

// taught takes the tile through the teacher's forward pass, with perturbed parameters or nil, and
// then through the student's pass, or what is left of it. It reports whether all was finite.
func (w *worker) taught(p pass, perturb []program.Perturb, team *blas.Team) bool {
	w.teach(&p, perturb, team)
	w.learnFrom(&p, team)
	if w.o.run.plan.distills() {
		w.descent.Again(&w.pass)
	} else {
		w.descent.Forward(&w.pass)
	}
	return w.learn()
}

// teach takes the tile through the teacher's forward pass.
func (w *worker) teach(p *pass, perturb []program.Perturb, team *blas.Team) {
	w.pass = w.describe(p, perturb, team)
	w.pass.Params, w.pass.Packs, w.pass.Stats = p.teacher, p.teacherPacks, nil
	w.teacher.Forward(&w.pass)
	copy(w.o.run.after[w.parts.From:w.parts.To], w.pass.Losses)
}

// learnFrom describes the student's pass with the teacher that teach has left.
func (w *worker) learnFrom(p *pass, team *blas.Team) {
	plan := w.o.run.plan
	w.leg, w.pass = *p, w.describe(p, nil, team)
	w.pass.Teacher, w.pass.Weight = w.teacher.Output(), plan.teacher.Weight
	w.pass.Divergences = w.o.run.divergence[w.parts.From:w.parts.To]
}

// learn goes on with the student's pass behind its loss. It reports whether all losses were finite.
func (w *worker) learn() bool {
	r := &w.o.run
	copy(r.before[w.parts.From:w.parts.To], w.pass.Losses)
	for s, loss := range w.pass.Losses {
		part := w.parts.From + s
		switch {
		case !num.Finite(loss):
			w.refuse(s, ErrRefused, fmt.Sprintf("its loss is %v", loss))
		case !num.Finite(r.after[part]):
			w.refuse(s, ErrPerturbed, fmt.Sprintf("its teacher's loss is %v", r.after[part]))
		case !num.Finite(r.divergence[part]):
			w.refuse(s, ErrPerturbed, fmt.Sprintf("its divergence from its teacher is %v", r.divergence[part]))
		default:
			continue
		}
		return false
	}
	w.descent.Backward(&w.pass)
	return true
}

// teacherPacking returns whether an op's parameters at w' are packed, once for all tiles of a
// round.
func (o *Optimizer) teacherPacking(int) (passes op.Directions) {
	if !o.plan.teachesAnew() {
		return passes
	}
	for _, r := range o.plan.rounds {
		passes.Forward = passes.Forward || !r.whole && r.tilesFor(o.cfg.Workers) > 2
	}
	return passes
}
