package program

import (
	"github.com/steppe-ml/steppe/internal/ref"
	"github.com/steppe-ml/steppe/net/op"
)

// Tests are outside the package, since they compile layers of package net, which imports it. Here
// is what else they look at.

// Node is an op in its place in the program.
type Node struct {
	Op     op.Op
	Traits op.Traits
	Name   string
	In     []op.Value
	Out    op.Value
	Params Span
}

// Span is a half-open range of indices.
type Span struct{ From, To int }

// Of returns the range of x.
func (s Span) Of(x []float32) []float32 { return x[s.From:s.To:s.To] }

// Len returns its length.
func (s Span) Len() int { return s.To - s.From }

// Nodes returns the program's ops.
func (p *Program) Nodes() (nodes []Node) {
	for _, n := range p.nodes {
		nodes = append(nodes, Node{n.op, n.traits, n.name, n.in, n.out, Span{n.params.From, n.params.To}})
	}
	return nodes
}

// NumValues returns how many values there are, Base the one that v is a reshape of, and Storage
// whose memory each has.
func (p *Program) NumValues() int              { return len(p.shapes) }
func (p *Program) Base(v op.Value) op.Value    { return p.base[v] }
func (p *Program) Storage() []op.Value         { return p.storage }
func (w *Workspace) Values() []op.Tensor       { return w.values }
func (w *Workspace) Grads() []op.Tensor        { return w.grads }
func (w *Workspace) Rows() []Shard             { return w.rows }
func (d *Deferred) Memory() (v, g [][]float32) { return d.values, d.grads }
func (w *Workspace) Memory() (parts [][]float32) {
	return [][]float32{w.arena, w.kept, w.scratch, w.sum}
}

// Run is the samples of consecutive shards.
func Run(shards []Shard) (first, n int) { return run(shards) }

// Chunked returns how many ops of the forward pass chunks of samples go through.
func (w *Workspace) Chunked() (ops int) {
	for _, s := range w.segments {
		ops += s.to - s.from
	}
	return ops
}

// Poison fills all that a workspace's passes write with NaN: they must read nothing that they
// haven't written.
func (w *Workspace) Poison() {
	for _, s := range w.Memory() {
		ref.NaNs(s)
	}
	if w.deferred != nil {
		for i := range w.deferred.values {
			ref.NaNs(w.deferred.values[i])
			ref.NaNs(w.deferred.grads[i])
		}
	}
}

// ArenaFloats is the arena of a workspace with rematerialized chains of up to a length, and of the
// best length for chain < 0.
func (p *Program) ArenaFloats(size Size, chain int) int {
	if chain < 0 {
		return p.plan(size, nil).floats
	}
	return p.planChains(size, nil, chain).floats
}

// Rematerialized lists the values that are computed again in the backward pass, in order, with
// those that each is computed from.
func (p *Program) Rematerialized(size Size, chain int) (values []op.Value, from map[op.Value][]op.Value) {
	plan := p.planChains(size, nil, chain)
	from = map[op.Value][]op.Value{}
	for i := len(p.nodes) - 1; i >= 0; i-- {
		r := plan.rematerializations[i]
		for _, v := range append(append([]op.Value{}, r.prepare...), r.gradient...) {
			values = append(values, v)
			maker := p.nodes[plan.makers[v]]
			for j, z := range maker.in {
				if maker.op.(op.Rematerializer).RematerializeReads(j) && plan.rematerialized[z] != nil {
					from[v] = append(from[v], z)
				}
			}
		}
	}
	return values, from
}
