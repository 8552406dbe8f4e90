package net

import (
	"cmp"
	"slices"
)

// A workspace's buffers lie in one piece of memory, its arena, where those that are
// never in use at the same time share a place. Time is counted in calls of ops: op i of
// n runs forward at i, the loss at n, and the way back of each op takes three times:
// Prepare's, Gradient's and Backward's.

// buffer is some memory that is in use from one time to another, both included.
type buffer struct {
	floats, from, to int
	kept             bool // outlives the pass, and lies in memory apart
	at, trial        int  // in the arena
	data             []float32
}

// during has b in use at a time, too.
func (b *buffer) during(time int) {
	b.from, b.to = min(b.from, time), max(b.to, time)
}

// buffers are those of a workspace, by what they hold: nil for what needs none, since
// it shares another's memory, lies elsewhere, or isn't wanted.
type buffers struct {
	values, grads []*buffer // by storage
	aux           []*buffer // by op
	remade        []*buffer // by value: where it lies on the way back, if it is made again then
	remakes       []remakes // by op
	makers        []int     // by value: the op that makes it
	floats, kept  int       // of the arena, and of what is kept apart
	all           []*buffer
}

// remakes are the values to make again before an op's Prepare, and before its Gradient.
type remakes struct{ prepare, gradient []Value }

// plan decides where everything lies in a workspace of a size. How long a chain of values
// may be made again, each from the one before, is tried out: to make them costs the same,
// but when they take memory differs.
func (m *Model) plan(size Size, late *Late) (best *buffers) {
	const longest = 6
	for chain := range longest + 1 {
		if b := m.planChains(size, late, chain); best == nil || b.floats < best.floats {
			best = b
		}
		if !size.Backward {
			break
		}
	}
	return best
}

func (m *Model) planChains(size Size, late *Late, chain int) *buffers {
	p := &planner{Model: m, size: size, n: len(m.nodes), chain: chain}
	p.values, p.grads = make([]*buffer, len(m.shapes)), make([]*buffer, len(m.shapes))
	p.remade, p.aux = make([]*buffer, len(m.shapes)), make([]*buffer, len(m.nodes))
	p.remakes = make([]remakes, len(m.nodes))
	p.makers = make([]int, len(m.shapes))
	for i, n := range m.nodes {
		p.makers[n.out] = i
	}
	for s := range m.shapes {
		if m.storage[s] != Value(s) || s == 0 || m.readers[s] == 0 {
			continue
		}
		if !late.holdsValue(Value(s)) {
			p.values[s] = p.newBuffer(size.Samples * m.shapes[s].Size())
		}
		if size.Backward && !late.holdsGrad(m.gradStorage[s]) && m.gradStorage[s] == Value(s) {
			p.grads[s] = p.newBuffer(size.Samples * m.shapes[s].Size())
		}
	}
	p.forward()
	if size.Backward {
		p.backward()
	}
	if size.apart {
		for _, b := range p.all {
			b.from, b.to = 0, p.end()
		}
	}
	p.floats = place(p.all, false)
	p.kept = place(p.all, true)
	return &p.buffers
}

// planner makes a plan.
type planner struct {
	*Model
	buffers
	size   Size
	n      int    // ops
	chain  int    // the most values that are made again one from the other
	remake []bool // by value
}

func (p *planner) newBuffer(floats int) *buffer {
	b := &buffer{floats: floats, from: p.end(), to: 0}
	p.all = append(p.all, b)
	return b
}

// The calls of an op on the way back.
const (
	prepare = iota
	gradient
	backward
	calls
)

// back is the time of a call on op i's way back.
func (p *planner) back(i, call int) int { return p.n + 1 + calls*(p.n-1-i) + call }

func (p *planner) end() int { return p.n + 1 + calls*p.n }

// value has the memory of v in use at a time.
func (p *planner) value(v Value, time int) {
	if b := p.values[p.storage[v]]; b != nil {
		b.during(time)
	}
}

func (p *planner) grad(v Value, time int) {
	if b := p.grads[p.gradStorage[v]]; b != nil {
		b.during(time)
	}
}

// forward has in use what the way forward reads and writes.
func (p *planner) forward() {
	for i, n := range p.nodes {
		for _, v := range n.in {
			p.value(v, i)
		}
		p.value(n.out, i)
		if floats := p.size.Samples*n.traits.Aux.Sample + p.size.Shards*n.traits.Aux.Call; floats > 0 {
			p.aux[i] = p.newBuffer(floats)
			p.aux[i].during(i)
		}
	}
	last := Value(len(p.shapes) - 1)
	p.value(last, p.end()) // whoever has run the pass reads it
	p.grad(last, p.n)
}

// backward has in use what the way back reads and writes.
func (p *planner) backward() {
	p.remake = p.choose()
	for i := p.n - 1; i >= 0; i-- {
		n := &p.nodes[i]
		t := &n.traits
		if !t.FreesOut {
			p.need(n.out, i, prepare)
			if !t.OutForPrepare {
				p.need(n.out, i, backward)
			}
		}
		p.grad(n.out, p.back(i, prepare))
		if !t.DoutForPrepare || t.Passes > 0 {
			p.grad(n.out, p.back(i, backward))
		}
		for j, v := range n.in {
			switch {
			case t.InForGradient && j == 0:
				p.need(v, i, gradient)
			case !t.InForGradient && n.reads(j):
				p.need(v, i, prepare)
				p.need(v, i, backward)
			}
			p.grad(v, p.back(i, backward))
		}
		if p.aux[i] != nil {
			p.aux[i].during(p.back(i, backward))
		}
		if p.size.keeps(i) {
			for _, v := range n.in {
				keep(p.values[p.storage[v]])
			}
			keep(p.grads[p.gradStorage[n.out]])
		}
	}
}

// need has a value in use in a call on op i's way back. If it is made again then, what it
// is made of is in use, too. Ops come last first: nobody needs it earlier.
func (p *planner) need(v Value, i, call int) {
	time := p.back(i, call)
	if !p.remake[v] {
		p.value(v, time)
		return
	}
	if p.remade[v] == nil {
		maker := &p.nodes[p.makers[v]]
		for j, z := range maker.in {
			if maker.op.(Remaker).RemakeReads(j) {
				p.need(z, i, call)
			}
		}
		p.remade[v] = p.newBuffer(p.size.Samples * p.shapes[v].Size())
		list := &p.remakes[i].prepare
		if call == gradient {
			list = &p.remakes[i].gradient
		}
		*list = append(*list, v)
	}
	p.remade[v].during(time)
}

func keep(b *buffer) {
	if b != nil {
		b.kept = true
	}
}

// choose says of each value whether it is made again on the way back, rather than kept:
// if its op can do it, nobody works in place on it or keeps it, and it doesn't make a
// chain too long.
func (p *planner) choose() []bool {
	remake, chain := make([]bool, len(p.shapes)), make([]int, len(p.shapes))
	kept := make([]bool, len(p.shapes))
	for i, n := range p.nodes {
		for _, v := range n.in {
			kept[v] = kept[v] || p.size.keeps(i)
		}
	}
	for _, n := range p.nodes {
		v := n.out
		op, can := n.op.(Remaker)
		if !can || kept[v] || p.values[v] == nil || p.shared(v) {
			continue
		}
		chain[v] = 1
		for j, z := range n.in {
			if op.RemakeReads(j) && remake[z] {
				chain[v] = max(chain[v], chain[z]+1)
			}
		}
		remake[v] = chain[v] <= p.chain
	}
	return remake
}

// shared reports whether other values have v's memory.
func (p *planner) shared(v Value) bool {
	for other, s := range p.storage {
		if s == v && Value(other) != v {
			return true
		}
	}
	return false
}

// reads reports whether anything on the way back reads input j.
func (n *node) reads(j int) bool { return !n.traits.FreesIn && (j > 0 || !n.traits.InPlace) }

// in gives the buffers their memory.
func (bs *buffers) in(arena, kept []float32) {
	for _, b := range bs.all {
		memory := arena
		if b.kept {
			memory = kept
		}
		if b.from <= b.to {
			b.data = memory[b.at:][:b.floats:b.floats]
		}
	}
}

// place gives each buffer its place in an arena, and returns the floats of that. They are
// placed one after the other, each as far down as those with which it shares time
// allow; in which order is tried out (Pisarchyk and Lee, arXiv 2001.03288, compare some).
func place(all []*buffer, kept bool) (floats int) {
	var used []*buffer
	for _, b := range all {
		if b.kept == kept && b.from <= b.to {
			used = append(used, b)
		}
	}
	for try, order := range []func(a, b *buffer) int{
		func(a, b *buffer) int {
			return cmp.Or(cmp.Compare(b.floats, a.floats), cmp.Compare(b.to-b.from, a.to-a.from))
		},
		func(a, b *buffer) int { return cmp.Compare(b.to-b.from, a.to-a.from) },
		func(a, b *buffer) int { return cmp.Compare(b.floats*(b.to-b.from+1), a.floats*(a.to-a.from+1)) },
		func(a, b *buffer) int { return cmp.Compare(a.from, b.from) },
	} {
		slices.SortStableFunc(used, order)
		if total := placeInOrder(used, kept); try == 0 || total < floats {
			floats = total
			for _, b := range used {
				b.at = b.trial
			}
		}
	}
	return floats
}

// placeInOrder sets where each buffer would lie. Those that are kept share time with all.
func placeInOrder(order []*buffer, kept bool) (floats int) {
	const line = 16      // floats of a cache line
	var placed []*buffer // by place
	for _, b := range order {
		b.trial = 0
		for _, other := range placed {
			if !kept && (other.from > b.to || other.to < b.from) {
				continue
			}
			if other.trial >= b.trial+b.floats {
				break
			}
			b.trial = max(b.trial, (other.trial+other.floats+line-1)/line*line)
		}
		at, _ := slices.BinarySearchFunc(placed, b, func(x, y *buffer) int { return cmp.Compare(x.trial, y.trial) })
		placed = slices.Insert(placed, at, b)
		floats = max(floats, b.trial+b.floats)
	}
	return floats
}
