package net

// Workspace is all that the passes of one worker write: the values and
// gradients of a tile of samples. Workspaces of several workers run the same
// model at once, without locks.
type Workspace struct {
	model *Model
	late  *Late // whole-batch memory, in which some tensors lie; nil for none

	memory        *buffers
	before        *Workspace // Size.Before
	arena, kept   []float32  // in which they lie; nil before Allocate
	values, grads []Tensor   // by Value, of the current tile
	rows          []Shard    // by shard of the tile: its samples, counted from the tile's first
	scratch       []float32  // of factored calls
	sum           []float32  // a gradient on its way to being added to another

	scratchFloats, sumFloats int

	call Call
	in   []Tensor
	din  []Tensor
}

// Size is what a workspace has to hold.
type Size struct {
	Samples  int    // of a tile
	Shards   int    // of a tile
	Shard    int    // samples of a shard
	Backward bool   // otherwise there are forward passes only
	Keeps    []bool // by op: whether Operands and GradNormSq are asked for after a pass; nil is of none
	// Before has passes that are over when this workspace's begin, and needs nothing but
	// what it Keeps then: the other memory serves both. Nil for none.
	Before *Workspace

	apart bool // nothing shares memory: for tests, which look at all of it
}

func (s Size) keeps(op int) bool { return s.Keeps != nil && s.Keeps[op] }

// NewWorkspace returns a workspace for tiles of a size. Operands of ops that
// late names are kept there; late may be nil.
func (m *Model) NewWorkspace(size Size, late *Late) *Workspace {
	w := m.PlanWorkspace(size, late)
	w.Allocate()
	return w
}

// PlanWorkspace is NewWorkspace without the memory, which Allocate brings.
func (m *Model) PlanWorkspace(size Size, late *Late) *Workspace {
	w := &Workspace{
		model: m, late: late, memory: m.plan(size, late), before: size.Before,
		values: make([]Tensor, len(m.shapes)),
		grads:  make([]Tensor, len(m.shapes)),
		rows:   make([]Shard, 0, size.Shards),
	}
	for v := range m.shapes {
		w.values[v].Shape, w.grads[v].Shape = m.shapes[v], m.shapes[v]
	}
	inputs := 1
	for _, n := range m.nodes {
		inputs = max(inputs, len(n.in))
		added := 0
		for j, v := range n.in {
			if n.apart && n.adds[j] {
				added += size.Samples * m.shapes[v].Size()
			}
		}
		w.sumFloats = max(w.sumFloats, added)
		if f, ok := n.op.(Factored); ok && size.Backward {
			w.scratchFloats = max(w.scratchFloats, f.Scratch(size.Shard))
		}
	}
	if !size.Backward {
		w.sumFloats = 0
	}
	w.in, w.din = make([]Tensor, inputs), make([]Tensor, inputs)
	return w
}

// Allocate takes the memory that was planned, and that of the workspace before this one.
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
func (w *Workspace) bind(p *Pass) {
	m := w.model
	first, n := tile(p.Shards)
	place := func(own []*buffer, late [][]float32, s Value, size int) []float32 {
		if late != nil && late[s] != nil {
			return late[s][first*size:][:n*size]
		}
		if own[s] == nil {
			return nil
		}
		return own[s].data[:n*size]
	}
	var lateValues, lateGrads [][]float32
	if w.late != nil {
		lateValues, lateGrads = w.late.values, w.late.grads
	}
	for v, s := range m.storage {
		size := m.shapes[v].Size()
		value, grad := &w.values[v], &w.grads[v]
		value.N, grad.N = n, n
		if s == 0 {
			value.Data = samples(p.Batch.X, p.Batch.N, first, n)
			continue
		}
		value.Data = place(w.memory.values, lateValues, s, size)
		grad.Data = place(w.memory.grads, lateGrads, m.gradStorage[v], size)
	}
	w.rows = w.rows[:0]
	for _, s := range p.Shards {
		w.rows = append(w.rows, Shard{s.First - first, s.N})
	}
}

// tile returns the samples of consecutive shards.
func tile(shards []Shard) (first, n int) {
	last := shards[len(shards)-1]
	return shards[0].First, last.First + last.N - shards[0].First
}

// Forward runs the model forward, and sets p.Losses and, if there is memory
// for gradients, that of the loss.
func (w *Workspace) Forward(p *Pass) {
	w.run(p)
	first, _ := tile(p.Shards)
	last := len(w.values) - 1
	for s, shard := range p.Shards {
		at := shard.First - first
		batch := p.Batch.Slice(shard.First, shard.N)
		scale := p.Scale
		if p.Means {
			scale = 1 / float64(w.model.loss.Terms(batch))
		}
		p.Losses[s] = w.model.loss.Apply(w.values[last].Slice(at, shard.N), batch, float32(scale), w.grads[last].Slice(at, shard.N))
	}
}

// run runs the ops forward.
func (w *Workspace) run(p *Pass) {
	w.bind(p)
	for i := range w.model.nodes {
		n := &w.model.nodes[i]
		switch kind := p.kind(i); {
		case kind == Factor:
			delta := &p.Perturb[i]
			op := n.op.(Factored)
			for s := range p.Shards {
				c, in, out := w.shard(p, i, s)
				op.ForwardDelta(c, in[0], w.part(delta.In, s), w.part(delta.D, s), out)
			}
			c, in, out := w.whole(p, i)
			c.Accumulate = true
			n.op.Forward(c, n.params.of(p.Params), in, out)
		case kind == Formed || n.traits.Couples && p.Train:
			for s := range p.Shards {
				c, in, out := w.shard(p, i, s)
				n.op.Forward(c, p.params(n, i, s), in, out)
			}
		default:
			c, in, out := w.whole(p, i)
			n.op.Forward(c, n.params.of(p.Params), in, out)
		}
	}
}

// Backward runs the model backward, after Forward with the same pass.
func (w *Workspace) Backward(p *Pass) {
	m := w.model
	for i := len(m.nodes) - 1; i >= 0; i-- {
		n := &m.nodes[i]
		w.remake(p, w.memory.remakes[i].prepare)
		w.prepareGradients(p, i)
		w.remake(p, w.memory.remakes[i].gradient)
		w.gradients(p, i)
		switch kind := p.kind(i); {
		case kind == Factor:
			c, in, out := w.whole(p, i)
			w.inputGradients(c, n, n.params.of(p.Params), in, out, 0)
			if m.isInput(n.in[0]) {
				break
			}
			delta := &p.Perturb[i]
			op := n.op.(Factored)
			for s := range p.Shards {
				c, _, _ := w.shard(p, i, s)
				op.BackwardDelta(c, w.part(w.grads[n.out], s), w.part(delta.In, s), w.part(delta.D, s), w.part(w.grads[n.in[0]], s))
			}
		case kind == Formed || n.traits.Couples:
			for s := range p.Shards {
				c, in, out := w.shard(p, i, s)
				w.inputGradients(c, n, p.params(n, i, s), in, out, w.rows[s].First)
			}
		default:
			c, in, out := w.whole(p, i)
			w.inputGradients(c, n, n.params.of(p.Params), in, out, 0)
		}
	}
}

// remake makes values again that are about to be read.
func (w *Workspace) remake(p *Pass, values []Value) {
	for _, v := range values {
		value := &w.values[v]
		value.Data = w.memory.remade[v].data[:len(value.Data)]
		maker := w.memory.makers[v]
		n := &w.model.nodes[maker]
		for s := range p.Shards {
			c, in, out := w.shard(p, maker, s)
			n.op.(Remaker).Remake(c, in, out)
		}
	}
}

// prepareGradients has op i prepare its way back, if it does.
func (w *Workspace) prepareGradients(p *Pass, i int) {
	n := &w.model.nodes[i]
	op, ok := n.op.(Preparer)
	switch {
	case !ok:
	case p.kind(i) == Formed || n.traits.Couples:
		for s := range p.Shards {
			c, in, out := w.shard(p, i, s)
			op.Prepare(c, p.params(n, i, s), in, out, w.part(w.grads[n.out], s))
		}
	default:
		c, in, out := w.whole(p, i)
		op.Prepare(c, n.params.of(p.Params), in, out, w.grads[n.out])
	}
}

// gradients computes op i's parameter gradients, shard by shard, where they
// are wanted.
func (w *Workspace) gradients(p *Pass, i int) {
	n := &w.model.nodes[i]
	if n.params.len() == 0 || p.Gradients == nil {
		return
	}
	for s := range p.Shards {
		if g, add := p.Gradients.Of(i, s); g != nil {
			c, in, out := w.shard(p, i, s)
			c.Accumulate, c.Only = add, p.Only
			n.op.Gradient(c, in, out, w.part(w.grads[n.out], s), g)
		}
	}
}

// inputGradients computes the gradients of n's inputs for the call's samples,
// which begin at sample at of the tile. A value that several ops read gets the
// sum of what they make of it.
func (w *Workspace) inputGradients(c *Call, n *node, params []float32, in []Tensor, out Tensor, at int) {
	m := w.model
	din := w.din[:len(n.in)]
	wanted, sum := false, w.sum
	for j, v := range n.in {
		din[j] = w.grads[v].Slice(at, out.N)
		switch {
		case m.isInput(v):
			din[j].Data = nil
		case n.apart && n.adds[j]:
			size := len(din[j].Data)
			din[j].Data, sum = sum[:size], sum[size:]
		}
		wanted = wanted || din[j].Wanted()
	}
	if !wanted {
		return
	}
	c.Accumulate = n.adds[0] && !n.apart
	n.op.Backward(c, params, in, out, w.grads[n.out].Slice(at, out.N), din)
	for j, v := range n.in {
		if n.apart && n.adds[j] {
			share(c.Team, addTo, w.grads[v].Slice(at, out.N).Data, din[j].Data, nil)
		}
	}
}

// repeated reports whether in[j] stands earlier in the list, too, in whatever
// shape.
func (m *Model) repeated(in []Value, j int) bool {
	for _, v := range in[:j] {
		if m.base[v] == m.base[in[j]] {
			return true
		}
	}
	return false
}

// whole prepares a call of op i for the whole tile.
func (w *Workspace) whole(p *Pass, i int) (c *Call, in []Tensor, out Tensor) {
	n := &w.model.nodes[i]
	c = w.prepare(p, i, Shard{0, w.values[0].N})
	c.Packs = p.packs(i)
	if b := w.memory.aux[i]; b != nil {
		c.Aux = b.data[:n.traits.Aux.of(w.values[0].N)]
	}
	for j, v := range n.in {
		w.in[j] = w.values[v]
	}
	return c, w.in[:len(n.in)], w.values[n.out]
}

// shard prepares a call of op i for shard s of the tile.
func (w *Workspace) shard(p *Pass, i, s int) (c *Call, in []Tensor, out Tensor) {
	n := &w.model.nodes[i]
	c = w.prepare(p, i, w.rows[s])
	switch p.kind(i) {
	case Same:
		c.Packs = p.packs(i)
	case Factor:
		kept := n.op.(Factored).Kept
		from := 0
		for _, before := range p.Shards[:s] {
			from += kept(before.N)
		}
		c.Kept = p.Perturb[i].Kept[from:][:kept(p.Shards[s].N)]
	}
	if b := w.memory.aux[i]; b != nil {
		from := 0
		for _, before := range p.Shards[:s] {
			from += n.traits.Aux.of(before.N)
		}
		c.Aux = b.data[from:][:n.traits.Aux.of(p.Shards[s].N)]
	}
	if p.Stats != nil {
		c.Stats = n.state.of(p.Stats[s])
	}
	for j, v := range n.in {
		w.in[j] = w.part(w.values[v], s)
	}
	return c, w.in[:len(n.in)], w.part(w.values[n.out], s)
}

// prepare sets the fields of the call that don't depend on how it is cut.
func (w *Workspace) prepare(p *Pass, i int, rows Shard) *Call {
	w.call = Call{
		Team: p.Team, Train: p.Train,
		Seed: p.Seed, Step: p.Step, Op: i, First: p.Shards[0].First + rows.First,
		Scratch: w.scratch,
	}
	if !p.Train {
		w.call.State = w.model.nodes[i].state.of(p.State)
	}
	return &w.call
}

// part returns shard s's samples of a tensor of the tile.
func (w *Workspace) part(t Tensor, s int) Tensor { return t.Slice(w.rows[s].First, w.rows[s].N) }

// Operands returns the tile's input and output gradient of op i, which has
// one input, after Backward.
func (w *Workspace) Operands(i int) (in, d Tensor) {
	n := &w.model.nodes[i]
	return w.values[n.in[0]], w.grads[n.out]
}

// GradNormSq returns the squared norm of a Factored op's gradient over shard s
// of the tile, after Backward with the same pass.
func (w *Workspace) GradNormSq(p *Pass, i, s int, kept []float32) float64 {
	n := &w.model.nodes[i]
	c, in, _ := w.shard(p, i, s)
	c.Kept = kept
	return n.op.(Factored).GradNormSq(c, in[0], w.part(w.grads[n.out], s))
}

func (p *Pass) kind(i int) Kind {
	if p.Perturb == nil {
		return Same
	}
	return p.Perturb[i].Kind
}

func (p *Pass) packs(i int) []Packed {
	if p.Packs == nil {
		return nil
	}
	return p.Packs[i]
}

// params returns the parameters of op i for shard s.
func (p *Pass) params(n *node, i, s int) []float32 {
	if p.kind(i) == Formed {
		return p.Perturb[i].Params[s]
	}
	return n.params.of(p.Params)
}
