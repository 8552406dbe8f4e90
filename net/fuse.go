package net

import "strings"

// fuse makes one op of some that follow each other, so that what passes between them
// stays in registers or the cache. It shows in the names of ops alone: layers, their
// parameters and what they compute are as they were written.
//
// A rule takes an op and the only one that reads its output, and returns what to do
// both by, nil if that can't be done so. It is tried again on what it made.
func (m *Model) fuse() {
	for again := true; again; {
		again = false
		readers := m.onlyReaders()
		for i := range m.nodes {
			j := readers[i]
			if j < 0 {
				continue
			}
			if n := fuseTwo(&m.nodes[i], &m.nodes[j]); n != nil {
				m.nodes[j] = *n
				m.nodes = append(m.nodes[:i], m.nodes[i+1:]...)
				again = true
				break
			}
		}
	}
}

// onlyReaders returns, op by op, which one alone reads its output, as it is and once: -1
// if there is no such op.
func (m *Model) onlyReaders() []int {
	count, reader := make([]int, len(m.shapes)), make([]int, len(m.shapes))
	count[m.base[len(m.base)-1]]++ // the loss
	for j, n := range m.nodes {
		for _, v := range n.in {
			count[m.base[v]]++
			reader[m.base[v]] = j
			if m.base[v] != v {
				count[m.base[v]]++ // in another shape, it is not to be fused
			}
		}
	}
	only := make([]int, len(m.nodes))
	for i, n := range m.nodes {
		only[i] = -1
		if count[n.out] == 1 && int(n.out) != len(m.shapes)-1 {
			only[i] = reader[n.out]
		}
	}
	return only
}

// fuseTwo returns one op for a and b, which alone reads a's output; nil if there is
// none.
func fuseTwo(a, b *node) *node {
	var op Op
	in := a.in
	switch x := a.op.(type) {
	case dense:
		if _, ok := b.op.(relu); ok && !x.relu {
			x.relu = true
			op = x
		}
	case convolution:
		switch y := b.op.(type) {
		case relu:
			if !x.relu {
				x.relu = true
				op = x
			}
		case batchNorm:
			if !x.relu && !x.bias && !y.relu && a.params.to == b.params.from {
				op = convNorm{convolution: x, norm: y.normalisation}
			}
		}
	case batchNorm:
		if _, ok := b.op.(relu); ok && !x.relu {
			x.relu = true
			op = x
		}
	case convNorm:
		switch b.op.(type) {
		case relu:
			if !x.norm.relu {
				x.norm.relu = true
				op = x
			}
		case addition:
			if other := b.in[0] + b.in[1] - a.out; !x.norm.relu && !x.adds && b.in[0] != b.in[1] {
				x.adds = true
				op, in = x, []Value{a.in[0], other}
			}
		}
	case relu: // the largest of what is rectified is the largest, rectified
		if y, ok := b.op.(maxPool); ok {
			y.window.ReLU = true
			op = y
		}
	case maxPool:
		if _, ok := b.op.(relu); ok && !x.window.ReLU {
			x.window.ReLU = true
			op = x
		}
	}
	if op == nil {
		return nil
	}
	n := &node{op: op, traits: op.Traits(), name: a.name + "+" + lastName(b.name), in: in, out: b.out, params: a.params, state: a.state}
	if n.params.len() == 0 {
		n.params = b.params
	} else if b.params.len() > 0 {
		n.params.to = b.params.to
	}
	if n.state.len() == 0 {
		n.state = b.state
	}
	return n
}

// lastName is the part of an op's name that is its layer's type.
func lastName(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }
