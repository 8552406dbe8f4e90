package program

import (
	"slices"

	"github.com/steppe-ml/steppe/net/op"
)

// Workspace is all that the passes of one worker write: the values and gradients of
// a tile of samples. Workspaces of several workers run the same program at once,
// without locks.
type Workspace struct {
	program  *Program
	deferred *Deferred // whole-batch memory, in which some tensors lie; nil for none

	memory        *buffers
	before        *Workspace  // Size.Before
	arena, kept   []float32   // memory's; nil before Allocate
	values, grads []op.Tensor // by value, of the current tile
	rows          []Shard     // by shard of the tile: its samples, counted from the tile's first
	scratch       []float32   // of factored calls
	sum           []float32   // a gradient that is about to be added to another

	scratchFloats, sumFloats int

	wanted []bool // by base value: its gradient is wanted
	idle   []bool // by op: it has no part in the backward pass

	call op.Call
	in   []op.Tensor
	din  []op.Tensor
}

// Size is what a workspace has to hold.
type Size struct {
	Samples  int    // of a tile
	Shards   int    // of a tile
	Shard    int    // samples of a shard
	Backward bool   // otherwise there are forward passes only
	Keeps    []bool // by op: Operands and GradNormSq are asked for after a pass; nil is of none
	Trains   []bool // by op: gradients of its parameters are wanted; nil is of all
	// Before has passes that are over when this workspace's begin, and then needs
	// only what it Keeps: its other memory serves both. Nil for none.
	Before *Workspace
	// Apart: nothing shares memory, so that tests can look at all of it.
	Apart bool
}

func (s Size) keeps(i int) bool { return s.Keeps != nil && s.Keeps[i] }

// NewWorkspace returns a workspace for tiles of a size. It keeps the operands of
// deferred gradients in deferred, which may be nil.
func (p *Program) NewWorkspace(size Size, deferred *Deferred) *Workspace {
	w := p.PlanWorkspace(size, deferred)
	w.Allocate()
	return w
}

// PlanWorkspace is NewWorkspace without the memory, which Allocate takes.
func (p *Program) PlanWorkspace(size Size, deferred *Deferred) *Workspace {
	w := &Workspace{
		program: p, deferred: deferred, memory: p.plan(size, deferred), before: size.Before,
		values: make([]op.Tensor, len(p.shapes)),
		grads:  make([]op.Tensor, len(p.shapes)),
		rows:   make([]Shard, 0, size.Shards),
	}
	w.wanted, w.idle = p.wanted(size.Trains)
	for v := range p.shapes {
		w.values[v].Shape, w.grads[v].Shape = p.shapes[v], p.shapes[v]
	}
	inputs := 1
	for _, n := range p.nodes {
		inputs = max(inputs, len(n.in))
		added := 0
		for j, v := range n.in {
			if n.apart && n.adds[j] {
				added += size.Samples * p.shapes[v].Size()
			}
		}
		w.sumFloats = max(w.sumFloats, added)
		if f, ok := n.op.(op.Factorable); ok && size.Backward {
			w.scratchFloats = max(w.scratchFloats, f.Scratch(size.Shard))
		}
	}
	if !size.Backward {
		w.sumFloats = 0
	}
	w.in, w.din = make([]op.Tensor, inputs), make([]op.Tensor, inputs)
	return w
}

// wanted returns which values' gradients lead to parameters that train, by base
// value, and which ops the backward pass leaves out. The input's gradient is never
// wanted.
func (p *Program) wanted(trains []bool) (wanted, idle []bool) {
	wanted, idle = make([]bool, len(p.shapes)), make([]bool, len(p.nodes))
	for i, n := range p.nodes {
		works := trains == nil || trains[i] ||
			slices.ContainsFunc(n.in, func(v op.Value) bool { return wanted[p.base[v]] })
		wanted[n.out], idle[i] = works, !works
	}
	return wanted, idle
}

// BackwardOps returns which ops pass gradients on to their inputs, if those of the ops
// that trains names are wanted.
func (p *Program) BackwardOps(trains []bool) []bool {
	wanted, _ := p.wanted(trains)
	backward := make([]bool, len(p.nodes))
	for i, n := range p.nodes {
		backward[i] = slices.ContainsFunc(n.in, func(v op.Value) bool { return wanted[p.base[v]] })
	}
	return backward
}

// Allocate takes the memory that was planned, and that of the workspace before this
// one.
func (w *Workspace) Allocate() {
	arena := make([]float32, w.arenaFloats())
	for each := w; each != nil; each = each.before {
		each.arena, each.kept = arena, make([]float32, each.memory.kept)
		each.scratch, each.sum = make([]float32, each.scratchFloats), make([]float32, each.sumFloats)
		each.memory.in(each.arena, each.kept)
	}
}

// Bytes returns the size of w, and of the workspace before it.
func (w *Workspace) Bytes() (total int) {
	total = 4 * w.arenaFloats()
	for each := w; each != nil; each = each.before {
		total += 4 * (each.memory.kept + each.scratchFloats + each.sumFloats)
	}
	return total
}

// arenaFloats is the size of the arena that w shares with those before it.
func (w *Workspace) arenaFloats() (floats int) {
	for each := w; each != nil; each = each.before {
		floats = max(floats, each.memory.floats)
	}
	return floats
}

// bind points the tensors to a tile's memory.
func (w *Workspace) bind(pass *Pass) {
	p := w.program
	first, n := run(pass.Shards)
	place := func(own []*buffer, deferred [][]float32, s op.Value, size int) []float32 {
		if deferred != nil && deferred[s] != nil {
			return deferred[s][first*size:][:n*size]
		}
		if own[s] == nil {
			return nil
		}
		return own[s].data[:n*size]
	}
	var deferredValues, deferredGrads [][]float32
	if w.deferred != nil {
		deferredValues, deferredGrads = w.deferred.values, w.deferred.grads
	}
	for v, s := range p.storage {
		size := p.shapes[v].Size()
		value, grad := &w.values[v], &w.grads[v]
		value.N, grad.N = n, n
		if s == 0 {
			value.Data = op.Samples(pass.Batch.X, pass.Batch.N, first, n)
			continue
		}
		value.Data = place(w.memory.values, deferredValues, s, size)
		grad.Data = place(w.memory.grads, deferredGrads, p.gradStorage[v], size)
	}
	w.rows = w.rows[:0]
	for _, s := range pass.Shards {
		w.rows = append(w.rows, Shard{s.First - first, s.N})
	}
}

// Operands returns the tile's input and output gradient of op i, which has one
// input, after Backward.
func (w *Workspace) Operands(i int) (in, d op.Tensor) {
	n := &w.program.nodes[i]
	return w.values[n.in[0]], w.grads[n.out]
}

// GradNormSq returns the squared norm of a Factorable op's gradient over shard s of
// the tile, after Backward with the same pass.
func (w *Workspace) GradNormSq(pass *Pass, i, s int, kept []float32) float64 {
	n := &w.program.nodes[i]
	c, in, _ := w.shard(pass, i, s)
	c.Kept = kept
	return n.op.(op.Factorable).GradNormSq(c, in[0], w.part(w.grads[n.out], s))
}

// Output returns the tile's outputs, after Forward or Infer.
func (w *Workspace) Output() op.Tensor { return w.values[len(w.values)-1] }

// OutputGrad returns the gradient of the tile's outputs, after Forward.
func (w *Workspace) OutputGrad() op.Tensor { return w.grads[len(w.grads)-1] }
