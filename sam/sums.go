package sam

import (
	"math/bits"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/internal/program"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/op"
)

// How ranks add up gradients. With Config.Fast each adds up its own, and the communicator the ranks'
// sums. Otherwise each has nodes of a tree: sums by units, which lie as in a unit, and products,
// which lie among all parameters.

// addRanks sets ghat to the sum of all ranks' gradients.
func (o *Optimizer) addRanks(batch net.Batch) error {
	plan := o.run.plan
	descends := &pass{kind: descent}
	if !plan.unitwise {
		own := plan.ownUnits()
		o.addUnits(own, descends, &o.vector, o.team)
		o.placeUnits(own, descends, o.ghat)
		o.deferredOfOwn(o.deferred, batch, o.ghat)
		return o.ranks.Sum(o.ghat)
	}
	w := o.workers[0]
	w.sums = sumOfProducts{d: o.deferred, batch: batch, ops: plan.deferred}
	if err := w.treeOfProducts(&plan.unitForest, 0, o.ghat); err != nil {
		return err
	}
	return o.treeOfUnits(&plan.unitForest, 0, descends, o.ghat)
}

// treeOfUnits adds up what the ops' gradients by units are, along a forest whose numbers begin at a
// unit, and puts them in their places in g.
func (o *Optimizer) treeOfUnits(f *forest, from int, p *pass, g []float32) error {
	if o.unitFloats() == 0 {
		return nil
	}
	first := o.run.plan.ownUnits().From
	sum, err := o.sumForest(f, o.ranks.room(o.unitFloats()), func(n num.Span) []float32 {
		o.addUnits(num.Range(from+n.From, from+n.To), p, &o.vector, o.team)
		return o.units[from+n.From-first]
	})
	if err == nil {
		o.place(sum, p, g)
	}
	return err
}

// sumForest returns the sum of a forest: in dst, unless this rank has all of it. own returns a node
// of this rank.
func (o *Optimizer) sumForest(f *forest, dst []float32, own func(node num.Span) []float32) ([]float32, error) {
	t := &o.ranks
	t.own = t.own[:0]
	for _, n := range f.nodes[o.plan.rank] {
		t.own = append(t.own, own(n))
	}
	if o.plan.ranks == 1 {
		return t.own[0], nil // all of the tree
	}
	return dst, t.tree.sum(t, o.team, &o.vector, f, t.own, dst)
}

// room returns memory for a sum of n floats; nil for one rank, which needs none.
func (t *rankState) room(n int) []float32 {
	if t.sum == nil {
		return nil
	}
	return t.sum[:n]
}

// placeUnits puts the first unit of a run, which has the run's sum, in its places in g; zeros if
// there is none.
func (o *Optimizer) placeUnits(units num.Span, p *pass, g []float32) {
	if units.Len() == 0 {
		clear(g)
		return
	}
	o.place(o.units[units.From-o.run.plan.ownUnits().From], p, g)
}

// place copies gradients that lie as in a unit to their places in g.
func (o *Optimizer) place(unit []float32, p *pass, g []float32) {
	for i, by := range o.plan.byUnits {
		if op := o.plan.ops[i]; by && !o.leftOut(i, p.kind) {
			copy(g[op.Offset:][:op.Params], unit[o.unitAt[i]:])
		}
	}
}

// deferredOfOwn sets the deferred ops' part of g from this rank's samples, and leaves it if there are
// none.
func (o *Optimizer) deferredOfOwn(d *program.Deferred, batch net.Batch, g []float32) {
	if run := o.runOf(o.run.plan.ownUnits()); run.N > 0 {
		d.Gradients(o.team, batch, run, nil, nil, g)
	}
}

// hullOf returns the run of parameters that those of deferred ops lie in.
func (o *Optimizer) hullOf(d *program.Deferred) (hull num.Span) {
	for i, op := range o.plan.ops {
		if d.Defers(i) && op.Params > 0 {
			if hull.Len() == 0 {
				hull.From = op.Offset
			}
			hull.To = max(hull.To, op.Offset+op.Params)
		}
	}
	return hull
}

// treeOfProducts sets the part of g that lies in the hull of deferred ops to the sum that w.sums
// describes: a product a unit, added along a forest whose numbers begin at a unit.
func (w *worker) treeOfProducts(f *forest, from int, g []float32) error {
	o := w.o
	hull := o.hullOf(w.sums.d)
	if hull.Len() == 0 {
		return nil
	}
	k := 0
	_, err := o.sumForest(f, hull.Of(g), func(n num.Span) []float32 {
		to := g
		if o.plan.ranks > 1 {
			to = o.ranks.products[k]
			k++
		}
		w.products(num.Range(from+n.From, from+n.To), to, 0, o.team)
		return hull.Of(to)
	})
	return err
}

// sumOfProducts says which deferred gradients are summed.
type sumOfProducts struct {
	d      *program.Deferred
	batch  net.Batch
	ops    []bool // of d's, those that are wanted
	only   []op.Role
	ascent bool // of the units' samples that perturb
}

// products sets the part of g of what w.sums describes to the sum over a node of units, from a level
// of the tree on.
func (w *worker) products(units num.Span, g []float32, level int, team *blas.Team) {
	s := &w.sums
	if units.Len() == 1 {
		run := w.o.runOf(units)
		if s.ascent {
			run = w.o.run.plan.cleanParts[units.From] // a unit each
		}
		s.d.Gradients(team, s.batch, run, s.ops, s.only, g)
		return
	}
	left, right := halves(units)
	w.products(left, g, level, team)
	w.products(right, w.levels[level], level+1, team)
	for i, op := range w.o.plan.ops {
		if s.ops[i] && s.d.Defers(i) {
			w.vector.add(team, g[op.Offset:][:op.Params], w.levels[level][op.Offset:][:op.Params])
		}
	}
}

// sumDeferredAscent sets the deferred part of the gradient that perturbs of a shard's parts.
func (w *worker) sumDeferredAscent(parts num.Span, g []float32, team *blas.Team) {
	r := &w.o.run
	if !r.plan.deferredAscent() || parts.Len() == 0 {
		return
	}
	if r.plan.unitwise {
		w.describeAscent()
		w.products(parts, g, 0, team)
		return
	}
	w.deferred.Gradients(team, r.batch, joined(r.plan.cleanParts[parts.From:parts.To]), r.perturbed.ops, r.perturbed.only, g)
}

// describeAscent sets sums to the deferred gradients that perturb.
func (w *worker) describeAscent() {
	r := &w.o.run
	w.sums = sumOfProducts{d: w.deferred, batch: r.batch, ops: r.perturbed.ops, only: r.perturbed.only, ascent: true}
}

// addSpread adds up the gradient that perturbs of a shard of which several ranks have parts.
func (o *Optimizer) addSpread(w *worker, climb *pass) error {
	if err := o.agree(); err != nil {
		return err
	}
	plan := o.run.plan
	parts := plan.cleanOf(climb.shard)
	f := &plan.shardForests[climb.shard]
	own := f.nodes[plan.rank]
	if !plan.unitwise {
		clear(climb.sum)
		if len(own) > 0 {
			mine := num.Range(parts.From+own[0].From, parts.From+own[len(own)-1].To)
			o.addUnits(mine, climb, &w.vector, o.team)
			o.placeUnits(mine, climb, climb.sum)
			w.sumDeferredAscent(mine, climb.sum, o.team)
		}
		return o.ranks.Sum(climb.sum)
	}
	if plan.deferredAscent() {
		w.describeAscent()
		if err := w.treeOfProducts(f, parts.From, climb.sum); err != nil {
			return err
		}
	}
	return o.treeOfUnits(f, parts.From, climb, climb.sum)
}

// levels is how many sums of parameters lie below the root of a tree of units.
func levels(units int) int { return bits.Len(uint(max(1, units) - 1)) }

// numUnits is how many sums by units are beside ghat.
func (o *Optimizer) numUnits() int {
	if o.ranks.Communicator == nil {
		return len(o.plan.units) - 1
	}
	return num.CeilDiv(len(o.plan.units), o.plan.ranks)
}

// mostNodes is the most nodes that a rank has of a tree, and that all ranks have: for full batches
// and shorter ones.
func (p *plan) mostNodes() (ofRank, ofAll int) {
	consider := func(f forest) { ofRank, ofAll = max(ofRank, f.most), max(ofAll, f.count) }
	for total := range len(p.units) + 1 {
		consider(newForest(total, cutUnits(total, p.ranks)))
	}
	if p.sumsClean {
		for total := range p.numCleanSums() + 1 {
			consider(newForest(total, cutUnits(total, p.ranks)))
		}
	}
	if !p.passByPass || len(p.shards) == 1 {
		return ofRank, ofAll
	}
	for total := range p.partsOf(0).Len() + 1 { // any ranks may have parts of a shard
		for from := range total {
			for to := from + 1; to <= total; to++ {
				n := len(nodes(total, num.Range(from, to)))
				ofRank, ofAll = max(ofRank, n), max(ofAll, n*min(p.ranks, total))
			}
		}
	}
	return ofRank, ofAll
}

// vectorsExchanged is the longest vector that ranks exchange, and how many of all parameters a rank
// needs for its part.
func (o *Optimizer) vectorsExchanged() (longest, products int) {
	longest = max(o.unitFloats(), o.cleanAt[len(o.plan.ops)])
	for _, d := range []*program.Deferred{o.deferred, o.cleanDeferred} {
		if hull := o.hullOf(d); hull.Len() > 0 {
			longest = max(longest, hull.Len())
			products, _ = o.plan.mostNodes()
		}
	}
	return longest, products
}

// exchangedFloats is the size of what ranks exchange, beside units.
func (o *Optimizer) exchangedFloats() int {
	if o.plan.ranks == 1 || !o.plan.unitwise {
		return 0
	}
	longest, products := o.vectorsExchanged()
	_, nodes := o.plan.mostNodes()
	return longest + products*o.program.NumParams() + nodes*num.CeilDiv(longest, o.plan.ranks)
}

// allocateExchange takes the memory.
func (o *Optimizer) allocateExchange() {
	t := &o.ranks
	if o.plan.ranks == 1 {
		return
	}
	t.status = make([]partStatus, len(o.plan.parts))
	t.send, t.receive = make([][]float32, o.plan.ranks), make([][]float32, o.plan.ranks)
	if !o.plan.unitwise {
		return
	}
	longest, products := o.vectorsExchanged()
	t.sum = make([]float32, longest)
	t.products = o.vectorsOf(products)
	_, nodes := o.plan.mostNodes()
	t.tree.send, t.tree.receive = make([][]float32, o.plan.ranks), make([][]float32, o.plan.ranks)
	t.tree.scratch = make([]float32, nodes*num.CeilDiv(longest, o.plan.ranks))
}
