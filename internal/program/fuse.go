package program

import (
	"strings"

	"github.com/steppe-ml/steppe/net/op"
)

// fuse makes one op of two that follow each other, where the first can absorb the
// second, until no pair is left. It shows in the names of ops only: layers, their
// parameters and their results are as they were written.
//
// It begins at the end of the program. So a ReLU in front of a pooling goes into the
// pooling, where it costs less than in the op before it.
func (p *Program) fuse() {
	for p.fuseOnce() {
	}
}

// fuseOnce fuses the last pair that can be fused, and reports whether there was one.
func (p *Program) fuseOnce() bool {
	only := p.onlyReaders()
	for i := len(p.nodes) - 1; i >= 0; i-- {
		if only[i] < 0 {
			continue
		}
		a, b := &p.nodes[i], &p.nodes[only[i]]
		absorber, ok := a.op.(op.Absorber)
		if !ok || b.in[0] != a.out || !a.params.joins(b.params) || !a.state.joins(b.state) {
			continue
		}
		fused := absorber.Absorb(b.op)
		if fused == nil {
			continue
		}
		*b = node{
			op: fused, traits: fused.Traits(), out: b.out,
			in:     append(append([]op.Value{}, a.in...), b.in[1:]...),
			name:   a.name + "+" + b.name[strings.LastIndexByte(b.name, '.')+1:],
			params: a.params.join(b.params), state: a.state.join(b.state),
		}
		p.nodes = append(p.nodes[:i], p.nodes[i+1:]...)
		return true
	}
	return false
}

// joins reports whether one of the spans is empty, or other follows s.
func (s span) joins(other span) bool { return s.len() == 0 || other.len() == 0 || s.to == other.from }

// join returns both spans as one, if they join.
func (s span) join(other span) span {
	switch {
	case s.len() == 0:
		return other
	case other.len() == 0:
		return s
	}
	return span{s.from, other.to}
}

// onlyReaders returns, op by op, the only op that reads its output, if it reads it
// once and in its own shape; otherwise -1.
func (p *Program) onlyReaders() []int {
	count, reader := make([]int, len(p.shapes)), make([]int, len(p.shapes))
	count[p.base[len(p.base)-1]]++ // the loss
	for j, n := range p.nodes {
		for _, v := range n.in {
			count[p.base[v]]++
			reader[p.base[v]] = j
			if p.base[v] != v {
				count[p.base[v]]++ // in another shape, it is not to be fused
			}
		}
	}
	only := make([]int, len(p.nodes))
	for i, n := range p.nodes {
		only[i] = -1
		if count[n.out] == 1 && int(n.out) != len(p.shapes)-1 {
			only[i] = reader[n.out]
		}
	}
	return only
}
