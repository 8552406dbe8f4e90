package sam

import (
	"fmt"
	"math"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/internal/program"
	"github.com/steppe-ml/steppe/simd"
)

// What methods take from the gradients at w beside a shard's own perturbation: their mean over the
// batch, and their moving average.

// cleanGroup returns the group of shards in which a shard's gradient at w is summed, and whether
// the shard is the group's first. One worker takes a group's shards, in their order.
func (a *arithmetic) cleanGroup(shard int) (group int, first bool) {
	if a.passByPass {
		return shard, true
	}
	group = a.unitOf(shard) // a part each
	return group, a.units[group].From == shard
}

// cleanGroups returns how many groups there are.
func (a *arithmetic) cleanGroups() int {
	if a.passByPass {
		return len(a.shards)
	}
	return len(a.units)
}

// adjust works on a run of a shard's gradient g, at the parameters of the run, before it perturbs:
// it adds g to the gradients at w, unless the ascent is one again, and takes the moving average
// off. The regions are those of the run.
func (w *worker) adjust(team *blas.Team, regions []region, shard int, run num.Span, again bool, g []float32) {
	o := w.o
	if o.run.plan.sumsClean && !again {
		group, first := o.run.plan.cleanGroup(shard)
		keep := float32(1)
		if first {
			keep = 0
		}
		w.vector.blend(team, nil, run.Of(o.cleanSums[group]), keep, float32(o.share(shard)), g)
	}
	if sigma := o.cfg.Ascent.Sigma; sigma > 0 && o.base.Steps() > 0 {
		w.vector.blend(team, regions, g, 1, float32(-sigma), run.Of(o.kept[0]))
	}
}

// deferredClean returns by op whether its gradient at w is one call over the batch.
func (a *arithmetic) deferredClean() (ops []bool) {
	for _, kind := range a.perturb {
		ops = append(ops, a.sumsClean && kind == program.Factored)
	}
	return ops
}

// weighClean makes the output gradients of factored ops, which the tile's perturbations have
// scaled, those of the batch's mean at w.
func (w *worker) weighClean() {
	plan := w.o.run.plan
	if !plan.sumsClean {
		return
	}
	for s, shard := range w.pass.Shards {
		c := float32(0) // a shard whose gradient is 0 adds nothing
		if f := w.factors[s]; f != 0 {
			c = float32(w.o.share(w.parts.From+s) / float64(f))
		}
		for i, kind := range plan.perturb {
			if kind == program.Factored {
				simd.Scale(c, w.perturb[i].D.Slice(shard.First-w.pass.Shards[0].First, shard.N).Data)
			}
		}
	}
}

// share is a shard's part of the batch's loss terms.
func (o *Optimizer) share(shard int) float64 {
	loss, s := o.model.Loss(), o.run.plan.shards[shard]
	return float64(loss.Terms(o.run.batch.Slice(s.First, s.N))) / float64(loss.Terms(o.run.batch))
}

// addCleanSums adds up the groups' gradients at w, as a binary tree over their numbers, and computes
// those that are deferred.
func (o *Optimizer) addCleanSums() {
	plan := o.run.plan
	if !plan.sumsClean {
		return
	}
	groups := plan.cleanGroups()
	for apart := 1; apart < groups; apart *= 2 {
		for i := 0; i+apart < groups; i += 2 * apart {
			o.vector.add(o.team, o.cleanSums[i], o.cleanSums[i+apart])
		}
	}
	o.cleanDeferred.Gradients(o.team, o.run.batch, program.Shard{N: o.run.batch.N}, nil, nil, o.cleanSums[0])
}

// lookAhead returns w + eps where the base optimizer's momentum perturbs.
func (o *Optimizer) lookAhead() ([]float32, error) {
	v, w, eta := o.base.Momentum(), o.params.Values, float32(o.cfg.Ascent.Eta)
	normSq := o.vector.squares(o.team, o.regions, eta, v, w)
	c := 0.0
	if normSq > 0 {
		c = -o.run.rho / math.Sqrt(normSq)
	}
	if math.Abs(c) > math.MaxFloat32 {
		return nil, fmt.Errorf("sam: %w: the momentum has norm %.3g, and rho, %v, over it is beyond float32", ErrVanishing, math.Sqrt(normSq), o.run.rho)
	}
	o.vector.climb(o.team, o.regions, o.ahead, float32(c), eta, v, w)
	return o.ahead, nil
}
