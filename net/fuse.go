package net

import "strings"

// fuse makes one op of some that follow each other, so that what passes between them
// stays in registers or the cache. It shows in the names of ops alone: layers, their
// parameters and what they compute are as they were written.
//
// A rule takes an op and the only one that reads its output, and returns the op that
// does what both do, with its inputs; nil if there is none. Poolings come first: a ReLU
// costs less there than anywhere else.
func (m *Model) fuse() {
	for _, rule := range []func(a, b *node) (Op, []Value){rectifyPooling, takeAlong} {
		for m.fuseOnce(rule) {
		}
	}
}

// fuseOnce fuses the first two ops that a rule takes, and reports whether there were any.
func (m *Model) fuseOnce(rule func(a, b *node) (Op, []Value)) bool {
	for i, j := range m.onlyReaders() {
		if j < 0 {
			continue
		}
		a, b := &m.nodes[i], &m.nodes[j]
		if op, in := rule(a, b); op != nil {
			m.nodes[j] = node{
				op: op, traits: op.Traits(), in: in, out: b.out,
				name:   a.name + "+" + b.name[strings.LastIndexByte(b.name, '.')+1:],
				params: a.params.and(b.params), state: a.state.and(b.state),
			}
			m.nodes = append(m.nodes[:i], m.nodes[i+1:]...)
			return true
		}
	}
	return false
}

// and is both spans, of which one may be empty, or the other follows.
func (s span) and(other span) span {
	switch {
	case s.len() == 0:
		return other
	case other.len() == 0:
		return s
	}
	return span{s.from, other.to}
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

// rectifyPooling is the rule for a max pooling and a ReLU, one behind the other: the
// largest of what is rectified is the largest, rectified.
func rectifyPooling(a, b *node) (Op, []Value) {
	pool, ok := b.op.(maxPool)
	if _, is := a.op.(relu); !ok || !is {
		pool, ok = a.op.(maxPool)
		if _, is := b.op.(relu); !ok || !is {
			return nil, nil
		}
	}
	pool.window.ReLU = true
	return pool, a.in
}

// takeAlong is the rule for what an op can take along behind it.
func takeAlong(a, b *node) (Op, []Value) {
	_, rectified := b.op.(relu)
	switch x := a.op.(type) {
	case dense:
		if rectified && !x.relu {
			x.relu = true
			return x, a.in
		}
	case batchNorm:
		if rectified && !x.relu {
			x.relu = true
			return x, a.in
		}
	case convolution:
		if rectified && !x.relu {
			x.relu = true
			return x, a.in
		}
		norm, ok := b.op.(batchNorm)
		if ok && !x.relu && !x.bias && a.params.to == b.params.from {
			return convNorm{convolution: x, norm: norm.normalisation}, a.in
		}
	case convNorm:
		if rectified && !x.norm.relu {
			x.norm.relu = true
			return x, a.in
		}
		if _, ok := b.op.(addition); ok && !x.norm.relu && !x.adds && b.in[0] == a.out {
			x.adds = true
			return x, []Value{a.in[0], b.in[1]}
		}
	}
	return nil, nil
}
