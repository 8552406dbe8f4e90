package net

import (
	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/internal/parallel"
	"github.com/steppe-ml/steppe/net/op"
	"github.com/steppe-ml/steppe/simd"
)

// The factored gradient. A shard's gradient of a table has the sum of those rows of its output
// gradients D that come from one row of the table, and zeros where there are none. So the squared
// norm is that of the sums, and what the embedding makes of the gradient as its parameters is, for
// each row, the sum of the rows of D with the same token, plus that with the same place, plus that
// with the same segment. The tables themselves are neither read nor written.

// GradNormSq implements op.Factorable.
func (o embedding) GradNormSq(c *op.Call, in, dout op.Tensor, shards []op.Shard, sq []float64) {
	j := newEmbeddingShards(o.tables, c, in, dout, shards)
	j.run(c, shardNormSq)
	for s := range shards {
		sq[s] = 0
		for _, part := range j.squares[s*j.tasks:][:j.tasks] {
			sq[s] += part
		}
	}
	j.release()
}

// ForwardDelta implements op.Factorable. Token ids are the same in both passes, so x is in.
func (o embedding) ForwardDelta(c *op.Call, _, in, dout, out op.Tensor, shards []op.Shard) {
	j := newEmbeddingShards(o.tables, c, in, dout, shards)
	j.out = out
	j.run(c, shardDelta)
	j.release()
}

// BackwardDelta implements op.Factorable. Token ids have no gradient, so there is nothing to add.
func (embedding) BackwardDelta(*op.Call, op.Tensor, op.Tensor, op.Tensor, op.Tensor, []op.Shard) {}

// Kept implements op.Factorable.
func (embedding) Kept(int, bool) int { return 0 }

// Scratch implements op.Factorable. It is a row, in which others are summed.
func (o embedding) Scratch(int, bool) int { return o.width }

// DeltaFlops implements op.Factorable. For each table, a shard's rows are summed twice, squared
// once and added to the output.
func (o embedding) DeltaFlops(n int, _ bool) int64 {
	tables := int64(1)
	if o.learned() > 0 {
		tables++
	}
	if o.segments > 0 {
		tables++
	}
	return 5 * tables * int64(n) * int64(o.length) * int64(o.width)
}

// embeddingShards is a team's job on the rows of shards, some columns of a shard at a time.
type embeddingShards struct {
	tables
	do func(j *embeddingShards, s, task int)

	in, d, out op.Tensor
	shards     []op.Shard
	sums       []float32 // by shard: room for a row
	tasks      int       // of a shard

	// The memory of the rest is kept for the next job.

	squares []float64 // by shard and task
	next    []int32   // by row: the next one in the shard that has the same token, or -1
	heads   []int32   // by shard, at the place of its rows: the first row of each token
	tokens  []int     // by shard: how many different ones it has
	last    []int32   // by token: 1 + the last row so far that has it; zeros between calls
}

var embeddingShardsPool parallel.Pool[embeddingShards]

// newEmbeddingShards returns a job in which the rows of each shard are grouped by token.
func newEmbeddingShards(t tables, c *op.Call, in, dout op.Tensor, shards []op.Shard) *embeddingShards {
	j := embeddingShardsPool.Get()
	j.tables, j.in, j.d, j.shards, j.sums = t, in, dout, shards, c.Scratch
	j.tasks = num.CeilDiv(t.width, columnsOfTask)
	j.squares = room(j.squares, len(shards)*j.tasks)
	j.tokens = room(j.tokens, len(shards))
	j.next, j.heads = room(j.next, in.Rows()), room(j.heads, in.Rows())
	if len(j.last) < t.vocabulary {
		j.last = make([]int32, t.vocabulary)
	}
	for s, shard := range shards {
		j.group(s, in.RowsOf(shard))
	}
	return j
}

// group chains the rows of shard s that have the same token.
func (j *embeddingShards) group(s int, rows op.Shard) {
	heads := j.heads[rows.First:][:0]
	for row := rows.First; row < rows.First+rows.N; row++ {
		last := &j.last[j.in.Tokens[row]]
		if *last == 0 {
			heads = append(heads, int32(row))
		} else {
			j.next[*last-1] = int32(row)
		}
		j.next[row] = -1
		*last = int32(row + 1)
	}
	for _, head := range heads {
		j.last[j.in.Tokens[head]] = 0
	}
	j.tokens[s] = len(heads)
}

func (j *embeddingShards) run(c *op.Call, do func(j *embeddingShards, s, task int)) {
	j.do = do
	c.Team.Run(len(j.shards)*j.tasks, j)
}

func (j *embeddingShards) release() {
	*j = embeddingShards{squares: j.squares, next: j.next, heads: j.heads, tokens: j.tokens, last: j.last}
	embeddingShardsPool.Put(j)
}

// Do works on some columns of one shard.
func (j *embeddingShards) Do(task, _ int) { j.do(j, task/j.tasks, task%j.tasks) }

// row returns the task's columns of a row of t.
func (j *embeddingShards) row(t op.Tensor, row, task int) []float32 {
	first, n := j.columns(task)
	return t.Data[row*j.width+first:][:n]
}

// rowSum sums rows. The sum of one row is that row itself.
type rowSum struct {
	room []float32
	sum  []float32 // nil of no row
}

// newSum returns an empty sum for a task's columns. There is one at a time.
func (j *embeddingShards) newSum(s, task int) rowSum {
	first, n := j.columns(task)
	return rowSum{room: j.sums[s*j.width+first:][:n]}
}

func (r *rowSum) add(row []float32) {
	if r.sum == nil {
		r.sum = row
		return
	}
	simd.Add(r.room, r.sum, row)
	r.sum = r.room
}

// ofToken returns the sum of the rows that have the same token, of which head is the first.
func (j *embeddingShards) ofToken(s, task, head int) []float32 {
	r := j.newSum(s, task)
	for row := head; row >= 0; row = int(j.next[row]) {
		r.add(j.row(j.d, row, task))
	}
	return r.sum
}

// ofPlace returns the sum of the rows at a place of their samples; nil if there are none.
func (j *embeddingShards) ofPlace(s, task, place int) []float32 {
	r := j.newSum(s, task)
	for i := range j.shards[s].N {
		if run := j.d.Run(j.shards[s].First + i); place < run.N {
			r.add(j.row(j.d, run.First+place, task))
		}
	}
	return r.sum
}

// ofSegment returns the sum of the rows of a segment; nil if there are none.
func (j *embeddingShards) ofSegment(s, task, segment int) []float32 {
	r, rows := j.newSum(s, task), j.d.RowsOf(j.shards[s])
	for row := rows.First; row < rows.First+rows.N; row++ {
		if segmentOf(j.in, row) == segment {
			r.add(j.row(j.d, row, task))
		}
	}
	return r.sum
}

// headsOf returns the first row of each token of shard s.
func (j *embeddingShards) headsOf(s int) []int32 {
	return j.heads[j.d.RowsOf(j.shards[s]).First:][:j.tokens[s]]
}

func shardNormSq(j *embeddingShards, s, task int) {
	sq := 0.0
	for _, head := range j.headsOf(s) {
		sq += simd.SumSquares(j.ofToken(s, task, int(head)))
	}
	for place := range j.learned() {
		sum := j.ofPlace(s, task, place)
		if sum == nil {
			break // all samples are shorter
		}
		sq += simd.SumSquares(sum)
	}
	for segment := range j.segments {
		sq += simd.SumSquares(j.ofSegment(s, task, segment))
	}
	j.squares[s*j.tasks+task] = sq
}

func shardDelta(j *embeddingShards, s, task int) {
	for _, head := range j.headsOf(s) {
		sum := j.ofToken(s, task, int(head))
		for row := int(head); row >= 0; row = int(j.next[row]) {
			copy(j.row(j.out, row, task), sum)
		}
	}
	for place := range j.learned() {
		sum := j.ofPlace(s, task, place)
		if sum == nil {
			break
		}
		for i := range j.shards[s].N {
			if run := j.d.Run(j.shards[s].First + i); place < run.N {
				to := j.row(j.out, run.First+place, task)
				simd.Add(to, to, sum)
			}
		}
	}
	rows := j.d.RowsOf(j.shards[s])
	for segment := range j.segments {
		sum := j.ofSegment(s, task, segment)
		for row := rows.First; row < rows.First+rows.N; row++ {
			if segmentOf(j.in, row) == segment {
				to := j.row(j.out, row, task)
				simd.Add(to, to, sum)
			}
		}
	}
}
