package program

import (
	"slices"

	"github.com/steppe-ml/steppe/net/op"
)

// share decides which values and gradients share memory. An op works in place if it can and nothing
// else needs its input.
func (p *Program) share() {
	p.storage, p.gradStorage = make([]op.Value, len(p.shapes)), make([]op.Value, len(p.shapes))
	frees := make([]bool, len(p.shapes)) // the op that computes a value doesn't read it again
	maker, last := make([]*node, len(p.shapes)), make([]*node, len(p.shapes))
	for i := range p.nodes {
		n := &p.nodes[i]
		frees[n.out] = n.traits.FreesOut
		maker[n.out] = n
		for _, v := range n.in {
			last[p.base[v]] = n
		}
	}
	for v := range p.storage {
		p.storage[v], p.gradStorage[v] = op.Value(v), op.Value(v)
		n := maker[v]
		switch base := p.base[v]; {
		case base != op.Value(v):
			p.storage[v], p.gradStorage[v] = p.storage[base], p.gradStorage[base]
		case n == nil || n.keepsGrad():
		case n.traits.InPlace:
			if in := p.base[n.in[0]]; in != 0 && p.readers[in] == 1 && frees[in] {
				p.storage[v], p.gradStorage[v] = p.storage[in], p.gradStorage[in]
			}
		case n.traits.DinFromDout > 0:
			// The output's gradient, as Prepare leaves it, is the first gradient of
			// this input.
			in := p.base[n.in[n.traits.DinFromDout]]
			if in != 0 && last[in] == n && !p.repeated(n.in, n.traits.DinFromDout) && !maker[in].keepsGrad() && int(v) != len(p.shapes)-1 {
				p.gradStorage[v] = p.gradStorage[in]
			}
		}
	}
}

// keepsGrad reports whether the executor may read n's output gradient after Backward. Then the
// input's gradient can't share its memory.
func (n *node) keepsGrad() bool {
	_, factorable := n.op.(op.Factorable)
	return factorable || n.traits.Deferred
}

// addUp decides which gradients of inputs are added to a gradient that another op has set.
func (p *Program) addUp() {
	summed := make([]bool, len(p.shapes)) // by base value: its gradient is set already
	summed[p.base[len(p.base)-1]] = true  // the loss sets it
	for i := len(p.nodes) - 1; i >= 0; i-- {
		n := &p.nodes[i]
		n.adds = make([]bool, len(n.in))
		for j, v := range n.in {
			n.adds[j] = !p.isInput(v) && (summed[p.base[v]] || p.repeated(n.in, j))
			n.apart = n.apart || n.adds[j] && (!n.traits.Adds || len(n.in) > 1)
		}
		for _, v := range n.in {
			summed[p.base[v]] = true
		}
	}
}

// countReaders counts the readers of each value: ops, and the loss.
func (p *Program) countReaders() {
	p.readers = make([]int, len(p.shapes))
	p.readers[p.base[len(p.base)-1]]++
	for _, n := range p.nodes {
		for _, v := range n.in {
			p.readers[p.base[v]]++
		}
	}
}

// repeated reports whether the value in[j], in any shape, is among in[:j], too.
func (p *Program) repeated(in []op.Value, j int) bool {
	return slices.ContainsFunc(in[:j], func(v op.Value) bool { return p.base[v] == p.base[in[j]] })
}
