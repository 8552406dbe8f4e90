package program

import (
	"slices"

	"github.com/steppe-ml/steppe/net/op"
)

// Workspace is all memory that the passes of one worker write: the values and gradients of a tile
// of samples. The workspaces of several workers run the same program at the same time, without
// locks.
type Workspace struct {
	program  *Program
	deferred *Deferred // memory of the whole batch, in which some tensors lie; nil for none

	memory        *buffers
	before        *Workspace  // Size.Before
	arena, kept   []float32   // where the buffers lie; nil before Allocate
	values, grads []op.Tensor // by value, of the current tile
	rows          []Shard     // by shard of the tile: its samples, counted from the tile's first
	scratch       []float32   // Call.Scratch
	sum           []float32   // gradients that are added to others next

	scratchFloats, sumFloats int

	wanted []bool // by base value: its gradient is wanted
	idle   []bool // by op: the backward pass leaves it out
	first  int    // the first op that isn't idle; the number of ops if all are

	call op.Call
	in   []op.Tensor
	din  []op.Tensor
}

// Size is the size of a workspace: the largest passes that it runs.
type Size struct {
	Samples  int    // of a tile, at most
	Shards   int    // of a tile, at most
	Shard    int    // samples of a shard, at most
	Backward bool   // there are backward passes, too
	Keeps    []bool // by op: Operands or GradNormSq is called after the pass; nil for none
	Trains   []bool // by op: the gradient of its parameters is wanted; nil for all
	// Before is a workspace whose passes end before this one's begin. This one takes over its
	// memory, apart from the operands that Before keeps. Nil for none.
	Before *Workspace
	// Apart gives each buffer a place of its own, so that tests can look at all of them.
	Apart bool
}

func (s Size) keeps(i int) bool { return s.Keeps != nil && s.Keeps[i] }

// NewWorkspace returns a workspace of a size. It keeps the operands of deferred gradients in
// deferred, which may be nil.
func (p *Program) NewWorkspace(size Size, deferred *Deferred) *Workspace {
	w := p.PlanWorkspace(size, deferred)
	w.Allocate()
	return w
}

// PlanWorkspace is NewWorkspace without the memory. Allocate takes it.
func (p *Program) PlanWorkspace(size Size, deferred *Deferred) *Workspace {
	w := &Workspace{
		program: p, deferred: deferred, memory: p.plan(size, deferred), before: size.Before,
		values: make([]op.Tensor, len(p.shapes)),
		grads:  make([]op.Tensor, len(p.shapes)),
		rows:   make([]Shard, 0, size.Shards),
	}
	w.wanted, w.idle = p.wanted(size.Trains)
	if w.first = slices.Index(w.idle, false); w.first < 0 {
		w.first = len(p.nodes)
	}
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

// wanted returns for each base value whether its gradient leads to parameters that train, and for
// each op whether the backward pass leaves it out. The input's gradient is never wanted.
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

// Allocate takes the memory that was planned, and that of the workspaces before w.
func (w *Workspace) Allocate() {
	arena := make([]float32, w.arenaFloats())
	for each := w; each != nil; each = each.before {
		each.arena, each.kept = arena, make([]float32, each.memory.kept)
		each.scratch, each.sum = make([]float32, each.scratchFloats), make([]float32, each.sumFloats)
		each.memory.in(each.arena, each.kept)
	}
}

// Bytes returns the size of the memory of w and of the workspaces before it.
func (w *Workspace) Bytes() (total int) {
	total = 4 * w.arenaFloats()
	for each := w; each != nil; each = each.before {
		total += 4 * (each.memory.kept + each.scratchFloats + each.sumFloats)
	}
	return total
}

// arenaFloats returns the size of the arena that w shares with the workspaces before it.
func (w *Workspace) arenaFloats() (floats int) {
	for each := w; each != nil; each = each.before {
		floats = max(floats, each.memory.floats)
	}
	return floats
}

// bind points the tensors to the memory of a tile.
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

// Operands returns the tile's input and output gradient of op i, which has one input, after
// Backward.
func (w *Workspace) Operands(i int) (in, d op.Tensor) {
	n := &w.program.nodes[i]
	return w.values[n.in[0]], w.grads[n.out]
}

// GradNormSq returns the squared norm of a Factorable op's gradient over shard s of the tile, after
// Backward with the same pass.
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
