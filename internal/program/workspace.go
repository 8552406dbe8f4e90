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

	resumes  []bool    // by op: a forward pass may begin there
	segments []segment // through which samples go forward in chunks

	order []int // of a selection, by a worker alone, whose values that stay are where they were
	total int   // samples of the tile before it

	own   *Needs // of Size.Trains
	needs *Needs // of the pass under way

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
	Factored []bool // by op: its perturbation is factored; nil for all that can be
	Trains   []bool // by op: the gradient of its parameters is wanted; nil for all
	Again    bool   // Workspace.Again is called, so the backward pass leaves all that it reads
	// Before is a workspace whose passes end before this one's begin. This one takes over its
	// memory, apart from the operands that Before keeps. Nil for none.
	Before *Workspace
	// Chunk is the bytes of values up to which samples of large shards go through ops together in
	// the forward pass, where they can; 0 is no bound. Nothing is factored then.
	Chunk int
	// Apart gives each buffer a place of its own, so that tests can look at all of them.
	Apart bool
}

func (s Size) factored(i int) bool {
	if s.Factored == nil {
		return s.Backward
	}
	return s.Factored[i]
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
	w.own = p.Needs(size.Trains)
	w.resumes = w.findResumes()
	w.segments = w.findSegments(size)
	for v := range p.shapes {
		w.values[v].Shape, w.grads[v].Shape = p.shapes[v], p.shapes[v]
	}
	inputs := 1
	for i, n := range p.nodes {
		inputs = max(inputs, len(n.in))
		added := 0
		for j, v := range n.in {
			if n.apart && n.adds[j] {
				added += size.Samples * p.shapes[v].Size()
			}
		}
		w.sumFloats = max(w.sumFloats, added)
		if f, ok := n.op.(op.Factorable); ok && size.factored(i) {
			w.scratchFloats = max(w.scratchFloats, size.Shards*f.Scratch(size.Shard, p.isInput(n.in[0])))
		}
	}
	if !size.Backward {
		w.sumFloats = 0
	}
	w.in, w.din = make([]op.Tensor, inputs), make([]op.Tensor, inputs)
	return w
}

// Needs says what a backward pass has to compute.
type Needs struct {
	wanted []bool // by base value: its gradient leads to parameters that train
	idle   []bool // by op: the pass leaves it out
	first  int    // the first op that isn't idle; the number of ops if all are
}

// Needs returns what a backward pass has to compute if trains says, by op, whether the gradient
// of its parameters is wanted; nil is all. The input's gradient is never wanted.
func (p *Program) Needs(trains []bool) *Needs {
	needs := &Needs{wanted: make([]bool, len(p.shapes)), idle: make([]bool, len(p.nodes))}
	p.SetNeeds(needs, trains)
	return needs
}

// SetNeeds makes needs what Needs returns for trains.
func (p *Program) SetNeeds(needs *Needs, trains []bool) {
	for i, n := range p.nodes {
		works := trains == nil || trains[n.owner] || needs.passes(p, n)
		needs.wanted[n.out], needs.idle[i] = works, !works
	}
	if needs.first = slices.Index(needs.idle, false); needs.first < 0 {
		needs.first = len(p.nodes)
	}
}

// passes reports whether n passes a gradient on to any of its inputs.
func (needs *Needs) passes(p *Program, n node) bool {
	return slices.ContainsFunc(n.in, func(v op.Value) bool { return needs.wanted[p.base[v]] })
}

// BackwardOps returns which ops pass gradients on to their inputs.
func (p *Program) BackwardOps(needs *Needs) []bool {
	backward := make([]bool, len(p.nodes))
	for i, n := range p.nodes {
		backward[i] = needs.passes(p, n)
	}
	return backward
}

// Allocate takes the memory that was planned, and that of the workspaces before w.
func (w *Workspace) Allocate() {
	arena, scratch := make([]float32, w.arenaFloats()), make([]float32, w.mostScratch())
	for each := w; each != nil; each = each.before {
		each.arena, each.kept = arena, make([]float32, each.memory.kept)
		each.scratch, each.sum = scratch, make([]float32, each.sumFloats)
		each.memory.in(each.arena, each.kept)
	}
}

// Bytes returns the size of the memory of w and of the workspaces before it.
func (w *Workspace) Bytes() (total int) {
	total = 4 * (w.arenaFloats() + w.mostScratch())
	for each := w; each != nil; each = each.before {
		total += 4 * (each.memory.kept + each.sumFloats)
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

// mostScratch returns the size of the scratch that w shares with the workspaces before it: it is
// valid during a call.
func (w *Workspace) mostScratch() (floats int) {
	for each := w; each != nil; each = each.before {
		floats = max(floats, each.scratchFloats)
	}
	return floats
}

// bind points the tensors to the memory of a tile.
func (w *Workspace) bind(pass *Pass) {
	p := w.program
	w.order = nil
	w.needs = w.own
	if pass.Needs != nil {
		w.needs = pass.Needs
	}
	first, n := run(pass.Shards)
	place := func(own []*buffer, deferred [][]float32, s op.Value, before, size int) []float32 {
		if deferred != nil && deferred[s] != nil {
			return deferred[s][before:][:size]
		}
		if own[s] == nil {
			return nil
		}
		return own[s].data[:size]
	}
	var deferredValues, deferredGrads [][]float32
	if w.deferred != nil {
		deferredValues, deferredGrads = w.deferred.values, w.deferred.grads
	}
	for v, s := range p.storage {
		value, grad := &w.values[v], &w.grads[v]
		value.N, grad.N = n, n
		if s == 0 {
			p.bindInput(value, pass.Batch)
			*value = value.Slice(first, n)
			continue
		}
		if p.sequence[v] {
			value.Starts = pass.Batch.Starts[first:][:n+1]
			grad.Starts = value.Starts
		}
		before, size := p.sizeOf(op.Value(v), pass.Batch, first, n)
		value.Data = place(w.memory.values, deferredValues, s, before, size)
		grad.Data = place(w.memory.grads, deferredGrads, p.gradStorage[v], before, size)
	}
	w.rows = w.rows[:0]
	for _, s := range pass.Shards {
		w.rows = append(w.rows, Shard{First: s.First - first, N: s.N})
	}
}

// Operands returns the tile's input and output gradient of op i, which has one input, after
// Backward.
func (w *Workspace) Operands(i int) (in, d op.Tensor) {
	n := &w.program.nodes[i]
	return w.values[n.in[0]], w.grads[n.out]
}

// GradNormSq sets sq[s] to the squared norm of a Factorable op's gradient over shard s of the tile,
// after Backward with the same pass.
func (w *Workspace) GradNormSq(pass *Pass, i int, kept []float32, sq []float64) {
	n := &w.program.nodes[i]
	c, in, _ := w.whole(pass, i)
	c.Kept = kept
	n.op.(op.Factorable).GradNormSq(c, in[0], w.grads[n.out], w.rows, sq)
}

// Output returns the tile's outputs, after Forward or Infer.
func (w *Workspace) Output() op.Tensor { return w.values[len(w.values)-1] }

// OutputGrad returns the gradient of the tile's outputs, after Forward.
func (w *Workspace) OutputGrad() op.Tensor { return w.grads[len(w.grads)-1] }

// Release drops w's references to memory that isn't its own, such as the batch. The next pass
// makes new ones.
func (w *Workspace) Release() {
	for v := range w.values {
		value, grad := &w.values[v], &w.grads[v]
		if w.program.storage[v] == 0 {
			value.Data = nil
		}
		value.Starts, value.Tokens, value.Segments, grad.Starts = nil, nil, nil, nil
	}
	clear(w.in)
	w.call = op.Call{}
}
