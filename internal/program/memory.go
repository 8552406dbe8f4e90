package program

import "github.com/steppe-ml/steppe/net/op"

// plan decides where everything lies in a workspace of a size. In a chain of rematerialized values,
// each is computed from the one before it. plan tries several limits on the length of chains, and
// takes the one that needs the least memory. The work is the same for all of them.
func (p *Program) plan(size Size, deferred *Deferred) (best *buffers) {
	const longest = 6
	for chain := range longest + 1 {
		if b := p.planChains(size, deferred, chain); best == nil || b.floats < best.floats {
			best = b
		}
		if !size.Backward {
			break
		}
	}
	return best
}

func (p *Program) planChains(size Size, deferred *Deferred, chain int) *buffers {
	m := &planner{Program: p, size: size, n: len(p.nodes), chain: chain}
	m.values, m.grads = make([]*buffer, len(p.shapes)), make([]*buffer, len(p.shapes))
	m.rematerialized, m.aux = make([]*buffer, len(p.shapes)), make([]*buffer, len(p.nodes))
	if size.Again {
		m.auxKept = make([]*buffer, len(p.nodes))
	}
	m.rematerializations = make([]rematerializations, len(p.nodes))
	m.makers = make([]int, len(p.shapes))
	for i, n := range p.nodes {
		m.makers[n.out] = i
	}
	for s := range p.shapes {
		if p.storage[s] != op.Value(s) || s == 0 || p.readers[s] == 0 {
			continue
		}
		if !deferred.holdsValue(op.Value(s)) {
			m.values[s] = m.newBuffer(size.Samples * p.shapes[s].Size())
		}
		if size.Backward && !deferred.holdsGrad(p.gradStorage[s]) && p.gradStorage[s] == op.Value(s) {
			m.grads[s] = m.newBuffer(size.Samples * p.shapes[s].Size())
		}
	}
	m.forward()
	if size.Backward {
		m.backward()
	}
	if size.Apart {
		for _, b := range m.all {
			b.from, b.to = 0, m.end()
		}
	}
	m.floats = place(m.all, false)
	m.kept = place(m.all, true)
	return &m.buffers
}

// planner makes a plan. It goes through the calls of a pass, and marks the buffers that each call
// reads or writes as live.
type planner struct {
	*Program
	buffers
	size          Size
	n             int    // number of ops
	chain         int    // the longest chain of rematerialized values
	rematerialize []bool // by value: it is rematerialized
}

func (p *planner) newBuffer(floats int) *buffer {
	b := &buffer{floats: floats, from: p.end(), to: 0}
	p.all = append(p.all, b)
	return b
}

// The calls of an op in the backward pass.
const (
	prepare = iota
	gradient
	backward
	calls
)

// back returns the time of a call of op i in the backward pass.
func (p *planner) back(i, call int) int { return p.n + 1 + calls*(p.n-1-i) + call }

func (p *planner) end() int { return p.n + 1 + calls*p.n }

// value marks the memory of v as live at a time.
func (p *planner) value(v op.Value, time int) {
	if b := p.values[p.storage[v]]; b != nil {
		b.during(time)
		if p.size.Again && time > p.n {
			b.during(p.end())
		}
	}
}

// grad marks the memory of the gradient of v as live at a time.
func (p *planner) grad(v op.Value, time int) {
	if b := p.grads[p.gradStorage[v]]; b != nil {
		b.during(time)
	}
}

// forward marks the buffers that the forward pass reads and writes.
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
	last := op.Value(len(p.shapes) - 1)
	p.value(last, p.end()) // the caller reads it after the pass
	p.grad(last, p.n)
}

// backward marks the buffers that the backward pass reads and writes.
func (p *planner) backward() {
	p.rematerialize = p.choose()
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
		if !t.DoutForPrepare || t.DinFromDout > 0 {
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
			if p.size.Again {
				p.auxKept[i] = p.newBuffer(p.aux[i].floats)
				p.auxKept[i].during(p.n)
				p.auxKept[i].during(p.end())
			}
		}
		if p.size.keeps(i) {
			for _, v := range n.in {
				keep(p.values[p.storage[v]])
			}
			keep(p.grads[p.gradStorage[n.out]])
		}
	}
}

// need marks a value as live in a call of op i in the backward pass. The first call that needs a
// rematerialized value computes it, so its inputs are live then, too. backward visits ops from last
// to first, in the order of the calls.
func (p *planner) need(v op.Value, i, call int) {
	time := p.back(i, call)
	if !p.rematerialize[v] {
		p.value(v, time)
		return
	}
	if p.rematerialized[v] == nil {
		maker := &p.nodes[p.makers[v]]
		for j, z := range maker.in {
			if maker.op.(op.Rematerializer).RematerializeReads(j) {
				p.need(z, i, call)
			}
		}
		p.rematerialized[v] = p.newBuffer(p.size.Samples * p.shapes[v].Size())
		list := &p.rematerializations[i].prepare
		if call == gradient {
			list = &p.rematerializations[i].gradient
		}
		*list = append(*list, v)
	}
	p.rematerialized[v].during(time)
}

// keep marks a buffer as kept after the pass.
func keep(b *buffer) {
	if b != nil {
		b.kept = true
	}
}

// choose decides for each value whether the backward pass rematerializes it. The value's op must be
// able to, no other value may share its memory, the workspace must not keep it as an operand, and
// its chain must not be too long.
func (p *planner) choose() []bool {
	rematerialize, chain := make([]bool, len(p.shapes)), make([]int, len(p.shapes))
	kept := make([]bool, len(p.shapes))
	for i, n := range p.nodes {
		for _, v := range n.in {
			kept[v] = kept[v] || p.size.keeps(i)
		}
	}
	for _, n := range p.nodes {
		v := n.out
		r, can := n.op.(op.Rematerializer)
		if !can || kept[v] || p.values[v] == nil || p.shared(v) {
			continue
		}
		chain[v] = 1
		for j, z := range n.in {
			if r.RematerializeReads(j) && rematerialize[z] {
				chain[v] = max(chain[v], chain[z]+1)
			}
		}
		rematerialize[v] = chain[v] <= p.chain
	}
	return rematerialize
}

// shared reports whether another value has v's memory.
func (p *planner) shared(v op.Value) bool {
	for other, s := range p.storage {
		if s == v && op.Value(other) != v {
			return true
		}
	}
	return false
}

// reads reports whether a call in the backward pass reads input j.
func (n *node) reads(j int) bool { return !n.traits.FreesIn && (j > 0 || !n.traits.InPlace) }
