package program

import "github.com/steppe-ml/steppe/net/op"

// A tile may be larger than the caches, where all of a shard has to be forward before any of it
// goes backward. Then its samples go through runs of ops in chunks, so that an op finds in the
// cache what the one before it has written.

// segment is a run of ops that chunks of samples go through.
type segment struct {
	from, to int // ops
	chunk    int // samples
}

// minChunk is the fewest samples of a chunk: with fewer, products would mostly pack their filters.
const minChunk = 8

// findSegments returns the segments of tiles of a size.
func (w *Workspace) findSegments(size Size) (segments []segment) {
	p := w.program
	for from := 0; size.Chunk > 0 && from < len(p.nodes); {
		floats, to := 0, from
		var used []*buffer
		for ; to < len(p.nodes) && p.nodes[to].chunks(p) && !overlaps(used, w.buffersOf(to)); to++ {
			used = append(used, w.buffersOf(to)...)
			floats += p.valuesOf(p.nodes[to])
		}
		if to > from+1 {
			chunk := max(minChunk, size.Chunk/(4*floats))
			if size.Shard >= 2*chunk {
				segments = append(segments, segment{from, to, chunk})
			}
		}
		from = max(to, from+1)
	}
	return segments
}

// chunks reports whether n may be called for a chunk of samples, and whether reading its
// parameters for each is little beside the values.
func (n *node) chunks(p *Program) bool {
	return !n.traits.Couples && p.nodes[n.owner].params.Len() <= p.valuesOf(*n)
}

// valuesOf returns the size of a sample's inputs and output of n.
func (p *Program) valuesOf(n node) (floats int) {
	for _, v := range append([]op.Value{n.out}, n.in...) {
		floats += p.shapes[v].Size()
	}
	return floats
}

// buffersOf returns the buffers that op i reads and writes in the forward pass.
func (w *Workspace) buffersOf(i int) (list []*buffer) {
	n := &w.program.nodes[i]
	for _, v := range append([]op.Value{n.out}, n.in...) {
		if b := w.memory.values[w.program.storage[v]]; b != nil {
			list = append(list, b)
		}
	}
	if b := w.memory.aux[i]; b != nil {
		list = append(list, b)
	}
	return list
}

// overlaps reports whether a buffer of more takes the place of another of used: the first chunk
// would overwrite what the others have yet to read.
func overlaps(used, more []*buffer) bool {
	for _, a := range used {
		for _, b := range more {
			if a != b && a.kept == b.kept && a.at < b.at+b.floats && b.at < a.at+a.floats {
				return true
			}
		}
	}
	return false
}

// inferChunks runs the ops of a segment, from op number from on, chunk by chunk of each shard.
func (w *Workspace) inferChunks(pass *Pass, seg segment, from int) {
	chunk := seg.chunk * pass.Team.Workers()
	for s, rows := range w.rows {
		for at := rows.First; at < rows.First+rows.N; at += chunk {
			run := Shard{First: at, N: min(chunk, rows.First+rows.N-at)}
			for i := from; i < seg.to; i++ {
				n := &w.program.nodes[i]
				c, in, out := w.some(pass, i, run)
				n.op.Forward(c, pass.params(n, s), in, out)
			}
		}
	}
}

// some prepares a call of op i, which doesn't couple, for some samples of the tile.
func (w *Workspace) some(pass *Pass, i int, run Shard) (c *op.Call, in []op.Tensor, out op.Tensor) {
	n := &w.program.nodes[i]
	c = w.prepare(pass, i, run)
	if pass.kind(n) == Unperturbed {
		c.Packs = pass.packs(i)
	}
	for j, v := range n.in {
		w.in[j] = w.values[v].Of(run)
	}
	if b := w.memory.aux[i]; b != nil {
		c.Aux = b.data[n.auxOf(w.values[n.in[0]].Slice(0, run.First)):][:n.auxOf(w.in[0])]
	}
	return c, w.in[:len(n.in)], w.values[n.out].Of(run)
}

// segmentAt returns the segment that op i is in.
func (w *Workspace) segmentAt(i int) (seg segment, ok bool) {
	for _, seg := range w.segments {
		if seg.from <= i && i < seg.to {
			return seg, true
		}
	}
	return segment{}, false
}
