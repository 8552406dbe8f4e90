package program

import (
	"github.com/steppe-ml/steppe/internal/parallel"
	"github.com/steppe-ml/steppe/net/op"
)

// A backward pass may be over some samples of a tile's forward pass. Select moves together what
// the forward pass has kept of them, so that the backward pass is an ordinary one of fewer
// samples. What an op keeps for a call, such as a shard's statistics, stays that of all samples.

// Selection is the samples of a tile that go on to the backward pass.
type Selection struct {
	// Order is the samples, counted from the tile's first, shard by shard. They only move
	// towards the front: of a shard, element j is j or more behind the shard's first sample.
	// If the samples are sequences, they are in ascending order.
	Order []int
	// Samples are their indexes in the batch.
	Samples []int
	// Batch has the size of Pass.Batch. From the tile's first sample on, it has the selected
	// ones.
	Batch op.Batch
	// Shards are the tile's shards in Batch, a sample or more each.
	Shards []Shard
}

// Select moves the values of the selected samples together, after Infer with the same pass. It
// makes the pass one over them, for Loss and Backward.
func (w *Workspace) Select(pass *Pass, chosen Selection) {
	j := selectJobs.Get()
	j.w, j.chosen, j.stay = w, chosen, pass.Team.Workers() == 1
	pass.Team.Run(len(w.values)+len(w.memory.aux), j)
	*j = selectJob{}
	selectJobs.Put(j)
	total := w.values[0].N
	pass.Batch, pass.Shards, pass.Samples = chosen.Batch, chosen.Shards, chosen.Samples
	w.bind(pass)
	if pass.Team.Workers() == 1 {
		w.order, w.total = chosen.Order, total
	}
}

// findStays finds the values that needn't move, because in the backward pass nothing reads them
// but ops without products, which may as well be called for a few samples at a time.
func (p *Program) findStays() {
	p.stays = make([]bool, len(p.shapes))
	for s := range p.stays {
		p.stays[s] = s > 0 && !p.sequence[s]
	}
	for _, n := range p.nodes {
		if n.callable() {
			continue
		}
		if !n.traits.FreesOut {
			p.stays[p.storage[n.out]] = false
		}
		for j, v := range n.in {
			if n.traits.InForGradient && j == 0 || !n.traits.InForGradient && n.reads(j) {
				p.stays[p.storage[v]] = false
			}
		}
	}
	p.stays[p.storage[len(p.storage)-1]] = false // the loss reads it
}

// callable reports whether a backward call of n for few samples costs little more than one for
// many.
func (n *node) callable() bool {
	_, prepares := n.op.(op.Preparer)
	return n.params.Len() == 0 && n.traits.Flops == op.Flops{} && n.traits.Aux == op.Aux{} && !n.traits.Couples && !prepares && !n.keepsGrad()
}

// leaves reports whether Select leaves values that op i reads in the backward pass where they are.
func (w *Workspace) leaves(i int) bool {
	n := &w.program.nodes[i]
	if w.order == nil || !n.callable() {
		return false
	}
	leaves := w.program.stays[w.program.storage[n.out]]
	for _, v := range n.in {
		leaves = leaves || w.program.stays[w.program.storage[v]]
	}
	return leaves
}

// backwardByRuns is backward of op i for selected samples, run by run of those that lie one behind
// the other.
func (w *Workspace) backwardByRuns(pass *Pass, i int) {
	n := &w.program.nodes[i]
	for at := 0; at < len(w.order); {
		end := at + 1
		for end < len(w.order) && w.order[end] == w.order[end-1]+1 {
			end++
		}
		c := w.prepare(pass, i, Shard{First: at, N: end - at})
		for j, v := range n.in {
			w.in[j] = w.left(v, at, end-at)
		}
		w.backward(c, n, nil, n.params.Of(pass.Params), w.in[:len(n.in)], w.left(n.out, at, end-at), at)
		at = end
	}
}

// left returns n selected samples of a value, from number at on, wherever they are.
func (w *Workspace) left(v op.Value, at, n int) op.Tensor {
	t, s := w.values[v], w.program.storage[v]
	b := w.memory.values[s]
	if !w.program.stays[s] || b == nil || w.memory.rematerialized[w.program.base[v]] != nil {
		return t.Slice(at, n) // where Select has moved them, or where they are computed again
	}
	t.N = w.total
	t.Data = b.data[:w.total*t.Shape.Size()]
	return t.Slice(w.order[at], n)
}

// selectJob is a team's job: a task moves the samples of one value, or of one op's Aux.
type selectJob struct {
	w      *Workspace
	chosen Selection
	stay   bool // values that may stay do
}

var selectJobs parallel.Pool[selectJob]

// Do runs one task.
func (j *selectJob) Do(task, _ int) {
	if values := len(j.w.values); task >= values {
		j.aux(task - values)
	} else {
		j.value(op.Value(task))
	}
}

// value moves the samples of a value that has memory of its own.
func (j *selectJob) value(v op.Value) {
	w := j.w
	switch {
	case v == 0 || w.program.storage[v] != v || !w.survives(v):
		return
	case j.stay && w.program.stays[v] && !w.deferred.holdsValue(v):
		return
	}
	t, to := w.values[v], 0
	for _, i := range j.chosen.Order {
		to += move(t.Data[to:], t.Slice(i, 1).Data)
	}
}

// survives reports whether a value that the forward pass has set is read behind it. The memory of
// another value may be that of a third by then.
func (w *Workspace) survives(v op.Value) bool {
	b := w.memory.values[v]
	return w.deferred.holdsValue(v) || b != nil && w.program.crosses(b)
}

// crosses reports whether a buffer is live both in the forward pass and behind it.
func (p *Program) crosses(b *buffer) bool { return b.from < len(p.nodes) && b.to > len(p.nodes) }

// aux moves what op i has kept of the samples, and behind those of each shard what it has kept for
// the call.
func (j *selectJob) aux(i int) {
	w := j.w
	b := w.memory.aux[i]
	if b == nil || !w.program.crosses(b) {
		return
	}
	n := &w.program.nodes[i]
	in := w.values[n.in[0]]
	order, to := j.chosen.Order, 0
	for s, shard := range j.chosen.Shards {
		calls := s * n.traits.Aux.Call // floats of the calls before
		for _, sample := range order[:shard.N] {
			from := calls + n.auxOf(in.Slice(0, sample))
			to += move(b.data[to:], b.data[from:][:n.auxOf(in.Slice(sample, 1))])
		}
		order = order[shard.N:]
		behind := calls + n.auxOf(in.Slice(0, w.rows[s].First+w.rows[s].N))
		to += move(b.data[to:], b.data[behind:][:n.traits.Aux.Call])
	}
}

// auxOf returns the floats that n keeps of the samples of its first input, but for those of calls.
func (n *node) auxOf(in op.Tensor) int { return n.traits.Aux.Of(in, 0) }

// move copies src to the front of dst, unless it is there, and returns its length.
func move(dst, src []float32) int {
	if len(src) > 0 && &dst[0] != &src[0] {
		copy(dst, src)
	}
	return len(src)
}

// Move moves a run of the batch's samples to another place, counted in samples, and in the rows of
// sequences.
func (d *Deferred) Move(batch op.Batch, from Shard, to, toRow int) {
	p := d.program
	for s := range d.values {
		for _, memory := range [][]float32{d.values[s], d.grads[s]} {
			if memory == nil {
				continue
			}
			before, size := p.sizeOf(op.Value(s), batch, from.First, from.N)
			at := to * p.shapes[s].Size()
			if p.sequence[s] {
				at = toRow * p.shapes[s][1]
			}
			move(memory[at:], memory[before:][:size])
		}
	}
}
