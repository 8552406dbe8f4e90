package sam

import (
	"errors"
	"math/bits"
	"unsafe"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/internal/parallel"
	"github.com/steppe-ml/steppe/internal/program"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/op"
)

// The ranks of a run share the units of each batch. A rank takes a run of units through the passes,
// then all ranks add up their gradients, and each makes the whole step: all have all parameters and
// all of the optimizer's state.
//
// A unit's gradient is a sum of its own, that of deferred ops, too, and units are added along the
// tree of their numbers, between ranks as within one. So the bits depend on the units, and not on
// which rank has which. With Config.Fast, gradients are deferred over all of a rank's samples, and
// the communicator adds up the ranks' sums.

// Alone returns the communicator of one rank. A step with it has the bits that it has on several.
func Alone() Communicator { return alone{} }

type alone struct{}

func (alone) Rank() int                         { return 0 }
func (alone) Size() int                         { return 1 }
func (alone) Sum([]float32) error               { return nil }
func (alone) Broadcast([]byte, int) error       { return nil }
func (alone) Gather(x []byte) ([][]byte, error) { return [][]byte{x}, nil }
func (alone) Barrier() error                    { return nil }
func (alone) Abort(reason error)                { panic(reason) }

func (alone) Exchange(send, receive [][]float32) error {
	copy(receive[0], send[0])
	return nil
}

// rankState is what a step needs to be made by several ranks.
type rankState struct {
	Communicator
	tree treeSum

	products [][]float32 // deferred gradients of this rank's nodes, each of all parameters
	sum      []float32   // of the ops that are summed by units, as they lie in a unit
	own      [][]float32 // this rank's nodes, for tree

	status        []partStatus // by part
	send, receive [][]float32
}

// partStatus is what all ranks must know of a part.
type partStatus struct {
	before, after, divergence float64
	refused                   float64 // 1 if the part has met what makes the step fail
}

// floats is a run of statuses as an exchange has it.
func floats(s []partStatus) []float32 {
	if len(s) == 0 {
		return nil
	}
	return unsafe.Slice((*float32)(unsafe.Pointer(&s[0])), len(s)*int(unsafe.Sizeof(s[0])/4))
}

// leaveOwn takes this rank's own part out of an exchange in which all send their part of the same
// memory: it is there already, and others read it.
func (t *rankState) leaveOwn() { t.send[t.Rank()], t.receive[t.Rank()] = nil, nil }

// statusOf returns the statuses of some parts.
func (t *rankState) statusOf(parts num.Span) []float32 { return floats(t.status[parts.From:parts.To]) }

// unitsOf returns the units of a rank.
func (p *plan) unitsOf(rank int) num.Span {
	return num.Range(parallel.Cut(len(p.units), 1, p.ranks, rank))
}

// partsOfRank returns the parts of a rank.
func (p *plan) partsOfRank(rank int) num.Span {
	u := p.unitsOf(rank)
	if u.Len() == 0 {
		return num.Range(0, 0)
	}
	return num.Range(p.units[u.From].From, p.units[u.To-1].To)
}

// Own returns which samples of a batch of n this rank computes on, if the optimizer has a
// Communicator: those from from up to to. Step reads the inputs of no others. A batch that Step
// would refuse has none.
func (o *Optimizer) Own(n int) (from, to int) {
	o.enter()
	defer o.leave()
	if o.ranks.Communicator == nil {
		return 0, n
	}
	plan, err := o.planOf(n)
	if err != nil {
		return 0, 0
	}
	own := plan.ownParts()
	if own.Len() == 0 {
		return 0, 0
	}
	first, last := plan.parts[own.From], plan.parts[own.To-1]
	return first.First, last.First + last.N
}

// ownUnits and ownParts return those of this process's rank.
func (p *plan) ownUnits() num.Span { return p.unitsOf(p.rank) }
func (p *plan) ownParts() num.Span { return p.partsOfRank(p.rank) }

// runs returns by rank what numbers of a tree a rank has, of those within a span that the tree's
// numbers begin with.
func (p *plan) runs(within num.Span, of func(rank int) num.Span) (runs []num.Span) {
	for rank := range p.ranks {
		run := of(rank)
		from, to := max(run.From, within.From), min(run.To, within.To)
		if from >= to {
			from, to = within.From, within.From
		}
		runs = append(runs, num.Range(from-within.From, to-within.From))
	}
	return runs
}

// layForests finds out which nodes ranks have of the trees of a step.
func (p *plan) layForests() {
	p.unitForest = newForest(len(p.units), p.runs(num.Range(0, len(p.units)), p.unitsOf))
	if p.sumsClean {
		sums := p.numCleanSums()
		p.cleanForest = newForest(sums, p.runs(num.Range(0, sums), p.cleanSumsOf))
	}
	p.shardForests = nil
	if p.passByPass {
		for shard := range p.shards {
			parts := p.cleanOf(shard) // a unit each
			p.shardForests = append(p.shardForests, newForest(parts.Len(), p.runs(parts, p.partsOfRank)))
		}
	}
}

// cleanSumsOf returns the sums of gradients at w that a rank has: its units, or the shards that
// begin in one of them.
func (p *plan) cleanSumsOf(rank int) num.Span {
	if !p.passByPass {
		return p.unitsOf(rank)
	}
	own := p.partsOfRank(rank)
	var sums num.Span
	for shard := range p.shards {
		if first := p.partsOf(shard).From; first >= own.From && first < own.To {
			if sums.Len() == 0 {
				sums.From = shard
			}
			sums.To = shard + 1
		}
	}
	return sums
}

// spreads reports whether several ranks have parts of a shard.
func (p *plan) spreads(shard int) bool {
	parts := p.partsOf(shard)
	for rank := range p.ranks {
		if own := p.partsOfRank(rank); own.From <= parts.From && parts.To <= own.To {
			return false
		}
	}
	return true
}

// agree tells all ranks what each part has met. If one has met what makes the step fail, it returns
// the error of the first of them, on all ranks.
func (o *Optimizer) agree() error {
	r, t := &o.run, &o.ranks
	mine := first(r.refused[:len(r.plan.parts)])
	if t.Communicator == nil || t.Size() == 1 {
		return mine
	}
	own := r.plan.ownParts()
	for part := own.From; part < own.To; part++ {
		s := partStatus{before: r.before[part], after: r.after[part], divergence: r.divergence[part]}
		if r.refused[part] != nil {
			s.refused = 1
		}
		t.status[part] = s
	}
	for rank := range t.send {
		t.send[rank] = t.statusOf(own)
		t.receive[rank] = t.statusOf(r.plan.partsOfRank(rank))
	}
	t.leaveOwn()
	if err := t.Exchange(t.send, t.receive); err != nil {
		return err
	}
	fails := false
	for part, s := range t.status[:len(r.plan.parts)] {
		r.before[part], r.after[part], r.divergence[part] = s.before, s.after, s.divergence
		fails = fails || s.refused != 0
	}
	if !fails {
		return nil
	}
	return o.sharedError(mine)
}

// kindsOfRefusal are those that an error is sent as the number of.
var kindsOfRefusal = []error{ErrRefused, ErrPerturbed, ErrVanishing, ErrBatch}

// sharedRefusal is another rank's error.
type sharedRefusal struct {
	text string
	kind error
}

func (e *sharedRefusal) Error() string { return e.text }
func (e *sharedRefusal) Unwrap() error { return e.kind }

// sharedError returns the error of the first rank that has one.
func (o *Optimizer) sharedError(mine error) error {
	var message []byte
	if mine != nil {
		kind := 0
		for i, k := range kindsOfRefusal {
			if errors.Is(mine, k) {
				kind = i
			}
		}
		message = append([]byte{byte(kind)}, mine.Error()...)
	}
	all, err := o.ranks.Gather(message)
	if err != nil {
		return err
	}
	for rank, message := range all {
		switch {
		case len(message) == 0:
		case rank == o.ranks.Rank():
			return mine
		default:
			return &sharedRefusal{string(message[1:]), kindsOfRefusal[message[0]]}
		}
	}
	return errors.New("sam: a rank has refused the step and doesn't say why")
}

// shareStatistics tells all ranks the parts' statistics of normalizations.
func (o *Optimizer) shareStatistics() error {
	t, plan, size := &o.ranks, o.run.plan, o.program.NumState()
	if t.Communicator == nil || t.Size() == 1 || size == 0 {
		return nil
	}
	of := func(rank int) []float32 {
		parts := plan.partsOfRank(rank)
		return o.allStats[parts.From*size : parts.To*size]
	}
	for rank := range t.send {
		t.send[rank], t.receive[rank] = of(plan.rank), of(rank)
	}
	t.leaveOwn()
	return t.Exchange(t.send, t.receive)
}

// addRanks sets ghat to the sum of all ranks' gradients.
func (o *Optimizer) addRanks(batch net.Batch) error {
	plan := o.run.plan
	descends := &pass{kind: descent}
	if !plan.unitwise {
		own := plan.ownUnits()
		o.addUnits(own, descends, &o.vector, o.team)
		o.placeUnits(own, descends, o.ghat)
		o.sumOwn(o.deferred, batch, o.runOf(own), nil, nil, o.ghat)
		return o.ranks.Sum(o.ghat)
	}
	if err := o.treeOfProducts(o.deferred, batch, plan.deferred, o.ghat); err != nil {
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
	t := &o.ranks
	first := o.run.plan.ownUnits().From
	t.own = t.own[:0]
	for _, n := range f.nodes[o.run.plan.rank] {
		o.addUnits(num.Range(from+n.From, from+n.To), p, &o.vector, o.team)
		t.own = append(t.own, o.units[from+n.From-first])
	}
	sum := o.ownSum(t.own)
	if o.plan.ranks > 1 {
		sum = t.sum[:o.unitFloats()]
		if err := t.tree.sum(t, o.team, &o.vector, f, t.own, sum); err != nil {
			return err
		}
	}
	o.place(sum, p, g)
	return nil
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

// sumOwn sets the deferred ops' part of g from this rank's samples; to zeros if there are none.
func (o *Optimizer) sumOwn(d *program.Deferred, batch net.Batch, run program.Shard, wanted []bool, only []op.Role, g []float32) {
	if run.N > 0 {
		d.Gradients(o.team, batch, run, wanted, only, g)
	}
}

// hullOf returns the run of parameters that some ops' lie in.
func (o *Optimizer) hullOf(ops []bool) (hull num.Span) {
	for i, op := range o.plan.ops {
		if ops[i] && op.Params > 0 {
			if hull.Len() == 0 {
				hull.From = op.Offset
			}
			hull.To = max(hull.To, op.Offset+op.Params)
		}
	}
	return hull
}

// treeOfProducts sets the part of g that lies in the hull of some ops to their gradients over the
// batch: a product a unit, added as the tree of units.
func (o *Optimizer) treeOfProducts(d *program.Deferred, batch net.Batch, ops []bool, g []float32) error {
	plan, t, w := o.run.plan, &o.ranks, o.workers[0]
	hull := o.hullOf(ops)
	if hull.Len() == 0 {
		return nil
	}
	t.own = t.own[:0]
	w.sums = sumOfProducts{d: d, batch: batch, ops: ops}
	for k, n := range plan.unitForest.nodes[plan.rank] {
		to := g
		if plan.ranks > 1 {
			to = t.products[k]
		}
		w.products(&w.sums, n, to, 0, o.team)
		t.own = append(t.own, hull.Of(to))
	}
	if plan.ranks == 1 {
		return nil // it is in g already
	}
	return t.tree.sum(t, o.team, &o.vector, &plan.unitForest, t.own, hull.Of(g))
}

// sumOfProducts says which deferred gradients are summed.
type sumOfProducts struct {
	d      *program.Deferred
	batch  net.Batch
	ops    []bool // of d's, those that are wanted
	only   []op.Role
	ascent bool // of the units' samples that perturb
}

// products sets the ops' part of g to the sum over a node of units, from a level of the tree on.
func (w *worker) products(s *sumOfProducts, units num.Span, g []float32, level int, team *blas.Team) {
	if units.Len() == 1 {
		run := w.o.runOf(units)
		if s.ascent {
			run = w.o.run.plan.cleanParts[units.From] // a unit each
		}
		s.d.Gradients(team, s.batch, run, s.ops, s.only, g)
		return
	}
	left, right := halves(units)
	w.products(s, left, g, level, team)
	w.products(s, right, w.levels[level], level+1, team)
	for i, op := range w.o.plan.ops {
		if s.ops[i] && s.d.Defers(i) {
			w.vector.add(team, g[op.Offset:][:op.Params], w.levels[level][op.Offset:][:op.Params])
		}
	}
}

// sumDeferredAscent sets the deferred part of a shard's gradient that perturbs, or of some parts'.
func (w *worker) sumDeferredAscent(climb *pass, parts num.Span, g []float32, team *blas.Team) {
	r := &w.o.run
	if !r.plan.deferredAscent() || parts.Len() == 0 {
		return
	}
	if r.plan.unitwise {
		w.products(w.ascentProducts(), parts, g, 0, team)
		return
	}
	first, last := r.plan.cleanParts[parts.From], r.plan.cleanParts[parts.To-1]
	run := program.Shard{First: first.First, N: last.First + last.N - first.First}
	w.deferred.Gradients(team, r.batch, run, r.perturbed.ops, r.perturbed.only, g)
}

// ascentProducts describes the deferred gradients that perturb.
func (w *worker) ascentProducts() *sumOfProducts {
	r := &w.o.run
	w.sums = sumOfProducts{d: w.deferred, batch: r.batch, ops: r.perturbed.ops, only: r.perturbed.only, ascent: true}
	return &w.sums
}

// addSpread adds up the gradient that perturbs of a shard of which several ranks have parts.
func (o *Optimizer) addSpread(w *worker, climb *pass) error {
	if err := o.agree(); err != nil {
		return err
	}
	r, t := &o.run, &o.ranks
	plan := r.plan
	parts := plan.cleanOf(climb.shard)
	f := &plan.shardForests[climb.shard]
	own := f.nodes[plan.rank]
	if !plan.unitwise {
		clear(climb.sum)
		if len(own) > 0 {
			mine := num.Range(parts.From+own[0].From, parts.From+own[len(own)-1].To)
			o.addUnits(mine, climb, &w.vector, o.team)
			o.placeUnits(mine, climb, climb.sum)
			w.sumDeferredAscent(climb, mine, climb.sum, o.team)
		}
		return t.Sum(climb.sum)
	}
	if plan.deferredAscent() {
		s := w.ascentProducts()
		hull := o.hullOf(plan.deferred)
		t.own = t.own[:0]
		for k, n := range own {
			w.products(s, num.Range(parts.From+n.From, parts.From+n.To), t.products[k], 0, o.team)
			t.own = append(t.own, hull.Of(t.products[k]))
		}
		if err := t.tree.sum(t, o.team, &o.vector, f, t.own, hull.Of(climb.sum)); err != nil {
			return err
		}
	}
	return o.treeOfUnits(f, parts.From, climb, climb.sum)
}

// levels is how many sums of parameters lie below the root of a tree of units.
func levels(units int) int { return bits.Len(uint(max(1, units) - 1)) }

// units is the most units of a batch.
func (c Config) units() int {
	if c.Units == 0 {
		return defaultUnits
	}
	return c.Units
}

// validateRanks returns an error unless c can be shared by the communicator's ranks.
func (c Config) validateRanks() error {
	switch {
	case c.Fast && c.Communicator == nil:
		return errors.New("sam: Fast is set, and Communicator isn't, so that there is nothing to sum")
	case c.Units < 0:
		return badField("Units", "is %d, want at least 1, or 0 for the default", c.Units)
	case c.Communicator == nil && c.Units > 0 && c.Units != defaultUnits:
		return badField("Units", "is %d without Communicator", c.Units)
	case c.Communicator == nil:
		return nil
	}
	if n := c.Communicator.Size(); n > c.units() {
		return badField("Communicator", "has %d ranks, want at most %d, since a batch is cut into so many units: set Units", n, c.units())
	}
	return nil
}

// validateRanks returns an error if a rank would have nothing to do.
func (p *plan) validateRanks() error {
	if p.ranks > len(p.units) {
		return badField("Communicator", "has %d ranks, and a batch of %d samples in %d shards can be cut into %d units: give a larger batch or more shards", p.ranks, p.samples(), len(p.shards), len(p.units))
	}
	return nil
}

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

// cutUnits returns the units of each rank, of so many.
func cutUnits(units, ranks int) (runs []num.Span) {
	for rank := range ranks {
		runs = append(runs, num.Range(parallel.Cut(units, 1, ranks, rank)))
	}
	return runs
}

// vectorsExchanged is the longest vector that ranks exchange, and how many of all parameters a rank
// needs for its part.
func (o *Optimizer) vectorsExchanged() (longest, products int) {
	longest = max(o.unitFloats(), o.cleanAt[len(o.plan.ops)])
	for _, ops := range [][]bool{o.plan.deferred, o.cleanOps} {
		if hull := o.hullOf(ops); hull.Len() > 0 {
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
	t.tree.scratch = make([]float32, nodes*num.CeilDiv(longest, o.plan.ranks))
}

// addCleanOfRanks is addCleanSums for several ranks.
func (o *Optimizer) addCleanOfRanks() error {
	plan, t, all := o.run.plan, &o.ranks, o.cleanSums[0]
	own := plan.cleanSumsOf(plan.rank)
	if !plan.unitwise {
		o.treeOfCleanSums(own)
		clear(all)
		if own.Len() > 0 {
			o.placeClean(o.wholeCleanSum(own.From))
		}
		o.sumOwn(o.cleanDeferred, o.run.batch, o.runOf(plan.ownUnits()), nil, nil, all)
		return t.Sum(all)
	}
	if err := o.treeOfProducts(o.cleanDeferred, o.run.batch, o.cleanOps, all); err != nil {
		return err
	}
	length := o.cleanAt[len(plan.ops)]
	if length == 0 {
		return nil
	}
	t.own = t.own[:0]
	for _, n := range plan.cleanForest.nodes[plan.rank] {
		o.treeOfCleanSums(n)
		t.own = append(t.own, o.wholeCleanSum(n.From))
	}
	sum := o.ownSum(t.own)
	if plan.ranks > 1 {
		sum = t.sum[:length]
		if err := t.tree.sum(t, o.team, &o.vector, &plan.cleanForest, t.own, sum); err != nil {
			return err
		}
	}
	o.placeClean(sum)
	return nil
}

// ownSum is the sum of a tree of which this rank, if it is the only one, has all.
func (o *Optimizer) ownSum(own [][]float32) []float32 {
	if len(own) == 0 {
		return nil
	}
	return own[0]
}

// placeClean copies gradients at w that lie as in a sum to their places in the first.
func (o *Optimizer) placeClean(sum []float32) {
	for i, op := range o.plan.ops {
		if n := o.cleanAt[i+1] - o.cleanAt[i]; n > 0 {
			copy(o.cleanSums[0][op.Offset:][:op.Params], sum[o.cleanAt[i]:])
		}
	}
}
