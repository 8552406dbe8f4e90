package sam

import (
	"fmt"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/internal/program"
	"github.com/steppe-ml/steppe/simd"
)

// What methods take from the gradients at w beside a shard's own perturbation: their mean over the
// batch, and their moving average.

// cleanSum returns the number of the sum to which a shard's gradient at w belongs, and whether the
// shard is the first in it. One worker takes a sum's shards, in their order.
func (a *arithmetic) cleanSum(shard int) (sum int, first bool) {
	if a.passByPass {
		return shard, true
	}
	sum = a.unitOf(shard) // a part each
	return sum, a.units[sum].From == shard
}

// numCleanSums returns how many sums there are.
func (a *arithmetic) numCleanSums() int {
	if a.passByPass {
		return len(a.shards)
	}
	return len(a.units)
}

// layClean lays out the sums of ops that aren't factored. The first sum has all parameters.
func (o *Optimizer) layClean() {
	o.cleanAt = make([]int, len(o.plan.ops)+1)
	for i, op := range o.plan.ops {
		o.cleanAt[i+1] = o.cleanAt[i]
		if o.plan.perturb[i] != program.Factored {
			o.cleanAt[i+1] += op.Params
		}
	}
}

// cleanFloats is the size of all sums.
func (o *Optimizer) cleanFloats() int {
	if !o.plan.sumsClean {
		return 0
	}
	return o.program.NumParams() + o.moreCleanSums()*o.cleanAt[len(o.plan.ops)]
}

// allocateClean takes the memory of the sums.
func (o *Optimizer) allocateClean() {
	if !o.plan.sumsClean {
		return
	}
	o.cleanSums = o.vectorsOf(1)
	for range o.moreCleanSums() {
		more := make([]float32, o.cleanAt[len(o.plan.ops)])
		if o.ranks.Communicator != nil {
			o.ownClean = append(o.ownClean, more)
		} else {
			o.cleanSums = append(o.cleanSums, more)
		}
	}
}

// moreCleanSums is how many sums there are beside the one of all parameters, in which they end up.
func (o *Optimizer) moreCleanSums() int {
	if o.ranks.Communicator == nil {
		return o.plan.numCleanSums() - 1
	}
	return num.CeilDiv(o.plan.numCleanSums(), o.plan.ranks)
}

// hasCleanSum reports whether a sum is this rank's.
func (o *Optimizer) hasCleanSum(sum int) bool {
	own := o.run.plan.cleanSumsOf(o.run.plan.rank)
	return own.From <= sum && sum < own.To
}

// wholeCleanSum returns all of a sum, with gaps where it lacks factored ops.
func (o *Optimizer) wholeCleanSum(sum int) []float32 {
	if o.ranks.Communicator != nil {
		return o.ownClean[sum-o.run.plan.cleanSumsOf(o.run.plan.rank).From]
	}
	return o.cleanSums[sum]
}

// cleanSum returns where a sum has the gradient of op i.
func (o *Optimizer) cleanSum(sum, i int) []float32 {
	op, at := o.plan.ops[i], o.cleanAt[i]
	if sum == 0 && o.ranks.Communicator == nil {
		at = op.Offset
	}
	return o.wholeCleanSum(sum)[at:][:op.Params]
}

// addClean adds a shard's gradient at w, or a run of it, to the same run of a sum.
func (w *worker) addClean(team *blas.Team, shard int, sum []float32, first bool, g []float32) {
	keep := float32(1)
	if first {
		keep = 0
	}
	w.vector.blend(team, nil, sum, keep, float32(w.o.share(shard)), g)
}

// subtractAverage takes the moving average off a run of a shard's gradient, which begins at a
// parameter and has these regions.
func (w *worker) subtractAverage(team *blas.Team, regions []region, from int, g []float32) {
	if sigma := w.o.cfg.Ascent.Sigma; sigma > 0 && w.o.base.Steps() > 0 {
		w.vector.blend(team, regions, g, 1, float32(-sigma), w.o.kept[0][from:][:len(g)])
	}
}

// deferredClean returns by op whether its gradient at w is one call over the batch.
func (a *arithmetic) deferredClean() (ops []bool) {
	for _, kind := range a.perturb {
		ops = append(ops, a.sumsClean && kind == program.Factored)
	}
	return ops
}

// weighClean prepares the gradient at w of factored ops. The tile's perturbation has multiplied their
// output gradients by each shard's factor; the shard's share of the batch takes the factor's place,
// so that one product over the batch gives the gradient.
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

// addCleanSums adds up the sums, as a binary tree over their numbers, and computes what is deferred.
func (o *Optimizer) addCleanSums() error {
	plan := o.run.plan
	if !plan.sumsClean {
		return nil
	}
	if o.ranks.Communicator != nil {
		return o.addCleanOfRanks()
	}
	o.treeOfCleanSums(num.Range(0, plan.numCleanSums()))
	o.cleanDeferred.Gradients(o.team, o.run.batch, program.Shard{N: o.run.batch.N}, nil, nil, blas.Full, o.cleanSums[0])
	return nil
}

// treeOfCleanSums adds up sums along the tree of their numbers, in the first of them.
func (o *Optimizer) treeOfCleanSums(sums num.Span) {
	for apart := 1; apart < sums.Len(); apart *= 2 {
		for s := sums.From; s+apart < sums.To; s += 2 * apart {
			for i, kind := range o.plan.perturb {
				if kind != program.Factored {
					o.vector.add(o.team, o.cleanSum(s, i), o.cleanSum(s+apart, i))
				}
			}
		}
	}
}

// lookAhead returns w + eps where the base optimizer's momentum perturbs. If there is none yet, rho
// becomes 0.
func (o *Optimizer) lookAhead() ([]float32, error) {
	v, w, eta := o.base.Momentum(), o.params.Values, float32(o.cfg.Ascent.Eta)
	normSq := o.vector.squares(o.team, o.regions, eta, v, w)
	if normSq == 0 {
		o.run.rho = 0
		return w, nil
	}
	c, why, kind := o.climb(normSq)
	if kind != nil {
		return nil, fmt.Errorf("sam: %w: the momentum %s", kind, why)
	}
	o.vector.climb(o.team, o.regions, o.ahead, -c, eta, v, w)
	return o.ahead, nil
}

// addCleanOfRanks is addCleanSums for several ranks.
func (o *Optimizer) addCleanOfRanks() error {
	plan, w, all := o.run.plan, o.workers[0], o.cleanSums[0]
	w.sums = sumOfProducts{d: o.cleanDeferred, batch: o.run.batch, ops: o.cleanOps}
	if !plan.unitwise {
		own := plan.cleanSumsOf(plan.rank)
		o.treeOfCleanSums(own)
		clear(all)
		if own.Len() > 0 {
			o.placeClean(o.wholeCleanSum(own.From))
		}
		return w.sumOfAll(o.runOf(plan.ownUnits()), all)
	}
	length := o.cleanAt[len(plan.ops)]
	o.ranks.open()
	sum := o.sumForest(&plan.cleanForest, o.ranks.room(length), func(n num.Span) []float32 {
		o.treeOfCleanSums(n)
		return o.wholeCleanSum(n.From)
	})
	w.treeOfProducts(&plan.unitForest, 0, all)
	if err := o.ranks.close(); err != nil {
		return err
	}
	o.placeClean(sum)
	return nil
}

// placeClean copies gradients at w that lie as in a sum to their places in the first.
func (o *Optimizer) placeClean(sum []float32) {
	for i, op := range o.plan.ops {
		if n := o.cleanAt[i+1] - o.cleanAt[i]; n > 0 {
			copy(o.cleanSums[0][op.Offset:][:op.Params], sum[o.cleanAt[i]:])
		}
	}
}
