package sam

import (
	"math/rand/v2"

	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/internal/program"
	"github.com/steppe-ml/steppe/net/op"
)

// perturbed is what a step perturbs, and how: all that the plan does, or those tensors that
// Ascent.Tensors has drawn for it.
type perturbed struct {
	regions  []region               // of all parameters
	regionOf [][]region             // the same by op, counted from its first parameter
	kinds    []program.Perturbation // by op
	ops      []bool                 // by op: it isn't Unperturbed
	only     []op.Role              // by op: whose gradients the clean pass needs; "" for all
	needs    *program.Needs         // of the clean pass
}

// tensor is a tensor of parameters, for a draw.
type tensor struct {
	op      int
	from    int // the op's first parameter
	role    op.Role
	regions []region // that it consists of
}

// everything returns what the plan perturbs.
func (o *Optimizer) everything() perturbed {
	plan := o.plan
	all := perturbed{
		regions: o.regions, regionOf: o.regionOf,
		kinds: plan.perturb, ops: plan.perturbed,
		needs: o.program.Needs(plan.perturbed),
	}
	for range plan.ops {
		role := plan.ascent.role()
		if plan.sumsClean {
			role = ""
		}
		all.only = append(all.only, role)
	}
	return all
}

// planDraws makes room for draws, where Ascent.Tensors asks for them.
func (o *Optimizer) planDraws() {
	if !o.plan.ascent.draws() {
		return
	}
	for i, info := range o.plan.ops {
		from := info.Offset
		for _, p := range info.Traits.Params {
			if info.Params == 0 {
				break // it has another's
			}
			to := from + p.Shape.Size()
			t := tensor{op: i, from: info.Offset, role: p.Role}
			for _, r := range o.regions {
				if s := r.of(from, to); s.Len() > 0 {
					t.regions = append(t.regions, region{s, r.scaling})
				}
			}
			o.tensors = append(o.tensors, t)
			from = to
		}
	}
	pieces := 0
	for _, t := range o.tensors {
		pieces += len(t.regions)
	}
	ops := len(o.plan.ops)
	o.drawn = perturbed{
		regions:  make([]region, 0, pieces),
		regionOf: make([][]region, ops),
		kinds:    make([]program.Perturbation, ops),
		ops:      make([]bool, ops),
		only:     make([]op.Role, ops),
		needs:    o.program.Needs(nil),
	}
	for i := range ops {
		o.drawn.regionOf[i] = make([]region, 0, pieces)
	}
}

// draw draws the tensors that a step perturbs. The result is nil if there is none.
func (o *Optimizer) draw(step uint64) *perturbed {
	d := &o.drawn
	d.regions = d.regions[:0]
	for i := range d.regionOf {
		d.regionOf[i], d.ops[i], d.only[i] = d.regionOf[i][:0], false, ""
	}
	bits := rand.NewPCG(o.cfg.Seed^drawSeed, step)
	for _, t := range o.tensors {
		in := float64(bits.Uint64()>>11) < o.cfg.Ascent.Tensors*(1<<53)
		in = in && perturbs(t.regions)
		for _, r := range t.regions {
			if !in {
				r.scaling = zero
			}
			d.regions = join(d.regions, r)
			d.regionOf[t.op] = join(d.regionOf[t.op], region{num.Range(r.From-t.from, r.To-t.from), r.scaling})
		}
		switch {
		case !in:
		case !d.ops[t.op]:
			d.ops[t.op], d.only[t.op] = true, t.role
		case d.only[t.op] != t.role:
			d.only[t.op] = ""
		}
	}
	any := false
	for i, kind := range o.plan.perturb {
		d.kinds[i] = program.Unperturbed
		if d.ops[i] {
			d.kinds[i], any = kind, true
		}
	}
	if !any {
		return nil
	}
	o.program.SetNeeds(d.needs, d.ops)
	return d
}

// drawSeed keeps draws apart from the other random bits of a seed.
const drawSeed = 0x657361_6d5f737770
