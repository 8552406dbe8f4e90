package program

import (
	"fmt"
	"strings"

	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/net/op"
)

// fuse replaces two ops that follow each other by one, where the first can absorb the second, until
// no such pair is left. Fusion changes the names of ops only: the layers, their parameters and
// their results stay as written.
//
// It begins at the end of the program, so that a ReLU in front of a pooling goes into the pooling,
// where it costs less than in the op before it.
func (p *Program) fuse() error {
	for {
		if fused, err := p.fuseOnce(); !fused || err != nil {
			return err
		}
	}
}

// fuseOnce fuses the last pair that can be fused, and reports whether there was one.
func (p *Program) fuseOnce() (bool, error) {
	only := p.onlyReaders()
	for i := len(p.nodes) - 1; i >= 0; i-- {
		if only[i] < 0 || p.isTied(i) || p.isTied(only[i]) {
			continue
		}
		a, b := &p.nodes[i], &p.nodes[only[i]]
		absorber, ok := a.op.(op.Absorber)
		if !ok || b.in[0] != a.out || !joins(a.params, b.params) || !joins(a.state, b.state) {
			continue
		}
		fused := absorber.Absorb(b.op)
		if fused == nil {
			continue
		}
		n := node{
			op: fused, traits: fused.Traits(), out: b.out,
			in:     append(append([]op.Value{}, a.in...), b.in[1:]...),
			name:   a.name + "+" + b.name[strings.LastIndexByte(b.name, '.')+1:],
			params: join(a.params, b.params), state: join(a.state, b.state),
			owner: only[i],
		}
		if err := n.validateFused(a, b, p.shapes); err != nil {
			return false, fmt.Errorf("layer %s: %T absorbs %T: %w", n.name, a.op, b.op, err)
		}
		*b = n
		p.nodes = append(p.nodes[:i], p.nodes[i+1:]...)
		for j := range p.nodes {
			if p.nodes[j].owner > i {
				p.nodes[j].owner--
			}
		}
		return true, nil
	}
	return false, nil
}

// isTied reports whether op i has the parameters of another, or another has its own.
func (p *Program) isTied(i int) bool { return p.nodes[i].owner != i || p.nodes[i].shares }

// validateFused returns an error unless n can stand for a and for b, the op behind it: its
// parameters and its state must be those of both, one behind the other.
func (n *node) validateFused(a, b *node, shapes []op.Shape) error {
	if first := shapes[n.in[0]]; n.traits.InPlace && shapes[n.out].Size() != first.Size() {
		return fmt.Errorf("%T works in place, but makes %v of %v", n.op, shapes[n.out], first)
	}
	for _, flat := range []struct {
		name    string
		tensors []op.Param
		a, b    num.Span
	}{
		{"parameters", n.traits.Params, a.params, b.params},
		{"state", n.traits.State, a.state, b.state},
	} {
		size := 0
		for _, t := range flat.tensors {
			size += t.Shape.Size()
		}
		if want := flat.a.Len() + flat.b.Len(); size != want {
			return fmt.Errorf("%T has %d floats of %s, want %d, the %d and the %d of the two",
				n.op, size, flat.name, want, flat.a.Len(), flat.b.Len())
		}
	}
	return validateTraits(n.op, n.traits, len(n.in))
}

// joins reports whether b follows a, or one of them is empty.
func joins(a, b num.Span) bool { return a.Len() == 0 || b.Len() == 0 || a.To == b.From }

// join returns both spans as one. They must join.
func join(a, b num.Span) num.Span {
	switch {
	case a.Len() == 0:
		return b
	case b.Len() == 0:
		return a
	}
	return num.Range(a.From, b.To)
}

// onlyReaders returns for each op the index of the op that alone reads its output, once and in its
// own shape, or -1 if there is none.
func (p *Program) onlyReaders() []int {
	count, reader := make([]int, len(p.shapes)), make([]int, len(p.shapes))
	count[p.base[len(p.base)-1]]++ // the loss
	for j, n := range p.nodes {
		for _, v := range n.in {
			count[p.base[v]]++
			reader[p.base[v]] = j
			if p.base[v] != v {
				count[p.base[v]]++ // a reader in another shape isn't fused
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
