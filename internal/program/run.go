package program

import (
	"github.com/steppe-ml/steppe/net/op"
	"github.com/steppe-ml/steppe/simd"
)

// Forward runs the forward pass. It sets pass.Losses and, if w has memory for gradients, the
// gradient of the loss. With a teacher, it sets pass.Divergences, too.
func (w *Workspace) Forward(pass *Pass) {
	w.Infer(pass)
	w.keepAux()
	w.Loss(pass)
}

// Again goes back to the end of the last Forward, with a pass over the same tile that has another
// loss, or needs other gradients. Backward may then follow again. The workspace has Size.Again.
func (w *Workspace) Again(pass *Pass) {
	w.bind(pass)
	w.restoreAux()
	w.Loss(pass)
}

// Loss sets pass.Losses and the gradient of the loss, after Infer or Select. Unless
// pass.SampleLosses is nil, it applies the loss sample by sample. With a teacher, it sets
// pass.Divergences, too.
func (w *Workspace) Loss(pass *Pass) { w.loss(pass, w.OutputGrad()) }

// LossOnly is Loss without the gradient.
func (w *Workspace) LossOnly(pass *Pass) { w.loss(pass, op.Tensor{}) }

func (w *Workspace) loss(pass *Pass, dout op.Tensor) {
	loss := w.program.loss
	first, _ := run(pass.Shards)
	out := w.Output()
	if !dout.Wanted() { // slices of it have no memory, either
		dout = op.Tensor{N: out.N, Shape: out.Shape, Starts: out.Starts}
	}
	for s, shard := range pass.Shards {
		at := shard.First - first
		batch := pass.Batch.Slice(shard.First, shard.N)
		scale := pass.Scale
		switch {
		case pass.Means:
			scale = 1 / float64(loss.Terms(batch))
		case pass.Scales != nil:
			scale = pass.Scales[s]
		}
		own, down := out.Slice(at, shard.N), dout.Slice(at, shard.N)
		if pass.SampleLosses == nil {
			pass.Losses[s] = loss.Apply(own, batch, float32(scale), down)
		} else {
			pass.Losses[s] = 0
			for i := range shard.N {
				sum := loss.Apply(own.Slice(i, 1), batch.Slice(i, 1), float32(scale), down.Slice(i, 1))
				pass.SampleLosses[at+i] = sum
				pass.Losses[s] += sum
			}
		}
		if pass.Teacher.Wanted() {
			pass.Divergences[s] = loss.(op.Distillable).Divergence(own, pass.Teacher.Slice(at, shard.N), batch, float32(pass.Weight*scale), down)
		}
	}
}

// keepAux copies what ops keep for the backward pass, which may change it, if Again needs it.
func (w *Workspace) keepAux() {
	for i, kept := range w.memory.auxKept {
		if kept != nil {
			copy(kept.data, w.memory.aux[i].data)
		}
	}
}

// restoreAux undoes what the backward pass has changed.
func (w *Workspace) restoreAux() {
	for i, kept := range w.memory.auxKept {
		if kept != nil {
			copy(w.memory.aux[i].data, kept.data)
		}
	}
}

// Infer runs the forward pass without the loss.
func (w *Workspace) Infer(pass *Pass) {
	w.bind(pass)
	for i := pass.From; i < len(w.program.nodes); i++ {
		if seg, ok := w.segmentAt(i); ok && pass.Pieces == nil {
			w.inferChunks(pass, seg, i)
			i = seg.to - 1
			continue
		}
		n := &w.program.nodes[i]
		switch kind := pass.kind(n); {
		case kind == Factored:
			delta := &pass.Perturb[i]
			c, in, out := w.whole(pass, i)
			n.op.(op.Factorable).ForwardDelta(c, in[0], delta.In, delta.D, out, w.rows)
			c.Accumulate = true
			n.op.Forward(c, n.params.Of(pass.Params), in, out)
		case kind == Formed || n.traits.Couples && pass.Train:
			for s := range pass.Shards {
				c, in, out := w.shard(pass, i, s)
				n.op.Forward(c, pass.params(n, s), in, out)
			}
		case pass.Pieces.of(i) != nil:
			c, in, out := w.whole(pass, i)
			pass.Pieces.forward(pass.Within, i, n, c, in, out)
		default:
			c, in, out := w.whole(pass, i)
			n.op.Forward(c, n.params.Of(pass.Params), in, out)
		}
	}
}

// Backward runs the backward pass, after Forward with the same pass. It ends at the first op that
// leads to parameters that train.
func (w *Workspace) Backward(pass *Pass) {
	for i := len(w.program.nodes) - 1; i >= w.needs.first; i-- {
		w.rematerialize(pass, w.memory.rematerializations[i].prepare)
		if !w.needs.idle[i] {
			w.prepareGradients(pass, i)
		}
		w.rematerialize(pass, w.memory.rematerializations[i].gradient)
		if !w.needs.idle[i] {
			w.gradients(pass, i)
			w.inputGradients(pass, i)
		}
	}
}

// rematerialize computes values again that the next call reads.
func (w *Workspace) rematerialize(pass *Pass, values []op.Value) {
	for _, v := range values {
		value := &w.values[v]
		value.Data = w.memory.rematerialized[v].data[:len(value.Data)]
		maker := w.memory.makers[v]
		r := w.program.nodes[maker].op.(op.Rematerializer)
		for s := range pass.Shards {
			c, in, out := w.shard(pass, maker, s)
			r.Rematerialize(c, in, out)
		}
	}
}

// prepareGradients calls op i's Prepare, if it has one.
func (w *Workspace) prepareGradients(pass *Pass, i int) {
	n := &w.program.nodes[i]
	preparer, ok := n.op.(op.Preparer)
	switch {
	case !ok:
	case pass.kind(n) == Formed || n.traits.Couples:
		for s := range pass.Shards {
			c, in, out := w.shard(pass, i, s)
			preparer.Prepare(c, pass.params(n, s), in, out, w.part(w.grads[n.out], s))
		}
	default:
		c, in, out := w.whole(pass, i)
		preparer.Prepare(c, n.params.Of(pass.Params), in, out, w.grads[n.out])
	}
}

// gradients computes op i's parameter gradients, shard by shard, where they are wanted.
func (w *Workspace) gradients(pass *Pass, i int) {
	n := &w.program.nodes[i]
	if n.params.Len() == 0 || pass.Gradients == nil {
		return
	}
	for s := range pass.Shards {
		if g, add := pass.Gradients.Of(n.owner, s); g != nil {
			c, in, out := w.shard(pass, i, s)
			c.Accumulate, c.Only = add || n.shares, pass.only(n)
			n.op.Gradient(c, in, out, w.part(w.grads[n.out], s), g)
		}
	}
}

// inputGradients computes the gradients of op i's inputs.
func (w *Workspace) inputGradients(pass *Pass, i int) {
	n := &w.program.nodes[i]
	switch kind := pass.kind(n); {
	case kind == Factored:
		c, in, out := w.whole(pass, i)
		w.backward(c, n, nil, n.params.Of(pass.Params), in, out, 0)
		if !w.wants(n.in[0]) {
			break
		}
		delta := &pass.Perturb[i]
		c.Accumulate = false
		n.op.(op.Factorable).BackwardDelta(c, w.grads[n.out], delta.In, delta.D, w.grads[n.in[0]], w.rows)
	case kind == Formed || n.traits.Couples:
		for s := range pass.Shards {
			c, in, out := w.shard(pass, i, s)
			w.backward(c, n, nil, pass.params(n, s), in, out, w.rows[s].First)
		}
	case w.leaves(i):
		w.backwardByRuns(pass, i)
	default:
		c, in, out := w.whole(pass, i)
		w.backward(c, n, pass.Pieces.of(i), n.params.Of(pass.Params), in, out, 0)
	}
}

// wants reports whether the gradient of v is wanted.
func (w *Workspace) wants(v op.Value) bool { return w.needs.wanted[w.program.base[v]] }

// backward calls n's Backward for the samples of the call, which begin at sample at of the tile. If
// several ops read a value, its gradient is the sum of theirs. With pieces it calls BackwardWithin.
func (w *Workspace) backward(c *op.Call, n *node, pieces, params []float32, in []op.Tensor, out op.Tensor, at int) {
	din := w.din[:len(n.in)]
	wanted, sum := false, w.sum
	for j, v := range n.in {
		din[j] = w.grads[v].Slice(at, out.N)
		switch {
		case !w.wants(v):
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
	if dout := w.grads[n.out].Slice(at, out.N); pieces != nil {
		n.op.(op.Piecewise).BackwardWithin(c, pieces, dout, din)
	} else {
		n.op.Backward(c, params, in, out, dout, din)
	}
	for j, v := range n.in {
		if n.apart && n.adds[j] && w.wants(v) {
			op.Elementwise(c.Team, addTo, w.grads[v].Slice(at, out.N).Data, din[j].Data, nil)
		}
	}
}

func addTo(dst, x, _ []float32) { simd.Add(dst, dst, x) }

// whole prepares a call of op i for the whole tile.
func (w *Workspace) whole(pass *Pass, i int) (c *op.Call, in []op.Tensor, out op.Tensor) {
	n := &w.program.nodes[i]
	c = w.prepare(pass, i, Shard{N: w.values[0].N})
	c.Packs = pass.packs(i)
	if pass.kind(n) == Factored {
		c.Kept = pass.Perturb[i].Kept
	}
	for j, v := range n.in {
		w.in[j] = w.values[v]
	}
	if b := w.memory.aux[i]; b != nil {
		c.Aux = b.data[:n.traits.Aux.Of(w.in[0], 1)]
	}
	return c, w.in[:len(n.in)], w.values[n.out]
}

// shard prepares a call of op i for shard s of the tile.
func (w *Workspace) shard(pass *Pass, i, s int) (c *op.Call, in []op.Tensor, out op.Tensor) {
	n := &w.program.nodes[i]
	c = w.prepare(pass, i, w.rows[s])
	if pass.kind(n) == Unperturbed {
		c.Packs = pass.packs(i)
	}
	if pass.Stats != nil {
		c.Stats = n.state.Of(pass.Stats[s])
	}
	for j, v := range n.in {
		w.in[j] = w.part(w.values[v], s)
	}
	if b := w.memory.aux[i]; b != nil {
		before := w.values[n.in[0]].Slice(0, w.rows[s].First)
		c.Aux = b.data[n.traits.Aux.Of(before, s):][:n.traits.Aux.Of(w.in[0], 1)]
	}
	return c, w.in[:len(n.in)], w.part(w.values[n.out], s)
}

// prepare sets the fields of the call that don't depend on how the tile is cut.
func (w *Workspace) prepare(pass *Pass, i int, rows Shard) *op.Call {
	w.call = op.Call{
		Team: pass.Team, Train: pass.Train, Still: pass.Still,
		Seed: pass.Seed, Step: pass.Step, Op: i, First: pass.Shards[0].First + rows.First,
		Precision: w.program.nodes[i].precision(pass.Precision), Scratch: w.scratch,
	}
	if pass.Samples != nil {
		w.call.Samples = pass.Samples[rows.First:][:rows.N]
	}
	if !pass.Train || pass.Running {
		w.call.State = w.program.nodes[i].state.Of(pass.State)
	}
	return &w.call
}

// part returns shard s's samples of a tensor of the tile.
func (w *Workspace) part(t op.Tensor, s int) op.Tensor { return t.Slice(w.rows[s].First, w.rows[s].N) }
