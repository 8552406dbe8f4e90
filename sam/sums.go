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
	plan, w, descends := o.run.plan, o.workers[0], &pass{kind: descent}
	w.sums = sumOfProducts{d: o.deferred, batch: batch, ops: plan.deferred}
	if !plan.unitwise {
		own := plan.ownUnits()
		o.addUnits(own, descends, &o.vector, o.team)
		o.placeUnits(own, descends, o.ghat)
		return w.sumOfAll(o.runOf(own), o.ghat)
	}
	o.ranks.open()
	sum := o.treeOfUnits(&plan.unitForest, 0, descends)
	w.treeOfProducts(&plan.unitForest, 0, o.ghat)
	if err := o.ranks.close(); err != nil {
		return err
	}
	o.place(sum, descends, o.ghat)
	return nil
}

// sumOfAll sets g to the sum of all ranks' g, after this rank has computed in it what w.sums
// describes, from a run of its samples; of none, nothing.
func (w *worker) sumOfAll(run program.Shard, g []float32) error {
	s, o := &w.sums, w.o
	o.ranks.open()
	for rest := num.Range(0, len(g)); rest.Len() > 0; {
		bucket := o.nextOfAll(&rest, s.d)
		if w.want(bucket) && run.N > 0 {
			s.d.Gradients(o.team, s.batch, run, w.wanted, s.only, s.precision, g)
		}
		o.ranks.put(parcel{dst: bucket.Of(g)})
	}
	return o.ranks.close()
}

// treeOfUnits begins to add up what the ops' gradients by units are, along a forest whose numbers
// begin at a unit. It returns where the sum is in the end.
func (o *Optimizer) treeOfUnits(f *forest, from int, p *pass) []float32 {
	first := o.run.plan.ownUnits().From
	return o.sumForest(f, o.ranks.room(o.unitFloats()), func(n num.Span) []float32 {
		o.addUnits(num.Range(from+n.From, from+n.To), p, &o.vector, o.team)
		return o.units[from+n.From-first]
	})
}

// sumForest begins to add up a forest: in dst, unless this rank has all of it. own returns a node of
// this rank.
func (o *Optimizer) sumForest(f *forest, dst []float32, own func(node num.Span) []float32) []float32 {
	t := &o.ranks
	at := len(t.own)
	for _, n := range f.nodes[o.plan.rank] {
		t.own = append(t.own, own(n))
	}
	if o.plan.ranks == 1 {
		return t.own[at] // all of the tree
	}
	if len(dst) > 0 {
		t.put(parcel{dst: dst, forest: f, own: t.own[at:len(t.own):len(t.own)]})
	}
	return dst
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

// treeOfProducts begins to set the deferred ops' part of g to the sum that w.sums describes: a product
// a unit, added along a forest whose numbers begin at a unit. It may set what lies between them.
func (w *worker) treeOfProducts(f *forest, from int, g []float32) {
	o := w.o
	rest := num.Range(0, len(g))
	for bucket := o.nextDeferred(&rest, w.sums.d); bucket.Len() > 0; bucket = o.nextDeferred(&rest, w.sums.d) {
		if !w.want(bucket) {
			continue
		}
		k := 0
		o.sumForest(f, bucket.Of(g), func(n num.Span) []float32 {
			to := g
			if o.plan.ranks > 1 {
				to = o.ranks.products[k]
				k++
			}
			w.products(num.Range(from+n.From, from+n.To), to, 0, o.team)
			return bucket.Of(to)
		})
	}
}

// sumOfProducts says which deferred gradients are summed.
type sumOfProducts struct {
	d      *program.Deferred
	batch  net.Batch
	ops    []bool // of d's, those that are wanted
	only   []op.Role
	ascent bool // of the units' samples that perturb

	precision blas.Precision
}

// want sets wanted to those of the gradients that w.sums describes that lie in a run of parameters,
// and reports whether there are any.
func (w *worker) want(run num.Span) (any bool) {
	w.wanted = w.wanted[:0]
	for i, op := range w.o.plan.ops {
		wanted := w.sums.ops[i] && w.sums.d.Defers(i) && run.From <= op.Offset && op.Offset < run.To
		w.wanted = append(w.wanted, wanted)
		any = any || wanted
	}
	return any
}

// products sets the part of g that is wanted of what w.sums describes to the sum over a node of
// units, from a level of the tree on.
func (w *worker) products(units num.Span, g []float32, level int, team *blas.Team) {
	s := &w.sums
	if units.Len() == 1 {
		run := w.o.runOf(units)
		if s.ascent {
			run = w.o.run.plan.cleanParts[units.From] // a unit each
		}
		s.d.Gradients(team, s.batch, run, w.wanted, s.only, s.precision, g)
		return
	}
	left, right := halves(units)
	w.products(left, g, level, team)
	w.products(right, w.levels[level], level+1, team)
	for i, op := range w.o.plan.ops {
		if w.wanted[i] {
			w.vector.add(team, g[op.Offset:][:op.Params], w.levels[level][op.Offset:][:op.Params])
		}
	}
}

// sumDeferredAscent sets the deferred part of the gradient that perturbs of a shard's parts.
func (w *worker) sumDeferredAscent(parts num.Span, g []float32, team *blas.Team) {
	plan := w.o.run.plan
	if !plan.deferredAscent() || parts.Len() == 0 {
		return
	}
	w.describeAscent()
	w.want(num.Range(0, len(g)))
	if plan.unitwise {
		w.products(parts, g, 0, team)
		return
	}
	s := &w.sums
	s.d.Gradients(team, s.batch, joined(plan.cleanParts[parts.From:parts.To]), w.wanted, s.only, s.precision, g)
}

// describeAscent sets sums to the deferred gradients that perturb.
func (w *worker) describeAscent() {
	r := &w.o.run
	w.sums = sumOfProducts{d: w.deferred, batch: r.batch, ops: r.perturbed.ops, only: r.perturbed.only, ascent: true, precision: r.plan.ascent.Precision}
}

// addSpread adds up the gradient that perturbs of a shard of which several ranks have parts.
func (o *Optimizer) addSpread(w *worker, climb *pass) error {
	if err := o.agree(); err != nil {
		return err
	}
	plan := o.run.plan
	parts := plan.cleanOf(climb.shard)
	f := &plan.shardForests[climb.shard]
	w.describeAscent()
	if !plan.unitwise {
		var mine num.Span
		if own := f.nodes[plan.rank]; len(own) > 0 {
			mine = num.Range(parts.From+own[0].From, parts.From+own[len(own)-1].To)
		}
		o.addUnits(mine, climb, &w.vector, o.team)
		clear(climb.sum) // of what isn't perturbed
		o.placeUnits(mine, climb, climb.sum)
		return w.sumOfAll(joined(plan.cleanParts[mine.From:mine.To]), climb.sum)
	}
	o.ranks.open()
	sum := o.treeOfUnits(f, parts.From, climb)
	w.treeOfProducts(f, parts.From, climb.sum)
	if err := o.ranks.close(); err != nil {
		return err
	}
	o.place(sum, climb, climb.sum)
	return nil
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

// vectorsExchanged is the longest vector that ranks exchange at once, and how many of all parameters
// a rank needs for its part.
func (o *Optimizer) vectorsExchanged() (longest, products int) {
	longest = o.roomFloats()
	for _, d := range []*program.Deferred{o.deferred, o.cleanDeferred} {
		rest := num.Range(0, o.program.NumParams())
		for bucket := o.nextDeferred(&rest, d); bucket.Len() > 0; bucket = o.nextDeferred(&rest, d) {
			longest = max(longest, bucket.Len())
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
	_, products := o.vectorsExchanged()
	return o.roomFloats() + products*o.program.NumParams() + o.scratchFloats()
}

// roomFloats is the size of the sum of what isn't deferred.
func (o *Optimizer) roomFloats() int {
	if !o.plan.sumsClean {
		return o.unitFloats()
	}
	return max(o.unitFloats(), o.cleanAt[len(o.plan.ops)])
}

// scratchFloats is the size of a rank's segments of all nodes.
func (o *Optimizer) scratchFloats() int {
	longest, _ := o.vectorsExchanged()
	_, nodes := o.plan.mostNodes()
	return nodes * num.CeilDiv(longest, o.plan.ranks)
}

// allocateExchange takes the memory.
func (o *Optimizer) allocateExchange() {
	t := &o.ranks
	if o.plan.ranks == 1 {
		return
	}
	t.status = make([]partStatus, len(o.plan.parts))
	t.send, t.receive = make([][]float32, o.plan.ranks), make([][]float32, o.plan.ranks)
	o.allocateRelay()
	if !o.plan.unitwise {
		return
	}
	_, products := o.vectorsExchanged()
	t.sum = make([]float32, o.roomFloats())
	t.products = o.vectorsOf(products)
	t.tree.send, t.tree.receive = make([][]float32, o.plan.ranks), make([][]float32, o.plan.ranks)
	t.tree.scratch = make([]float32, o.scratchFloats())
}
