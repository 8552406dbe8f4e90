package net

import (
	"math"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/internal/parallel"
	"github.com/steppe-ml/steppe/net/op"
	"github.com/steppe-ml/steppe/simd"
)

// attentionJob is a team's job: the passes of attention, head by head of each sample. Heads share
// nothing, so one worker computes each of them. What it computes depends on the sample alone.
type attentionJob struct {
	attention
	do func(j *attentionJob, h head, s *headScratch) // not a closure, which would be allocated

	qkv, out, dout, din op.Tensor
	lse                 []float32 // by sample, head and row: log of the sum of exponentials

	perTask int           // heads of a task
	scratch []headScratch // a worker's, kept for the next job
}

// headScratch is a worker's memory for a block of scores. Its size depends on the longest sample
// that an op may have, so that a longer one doesn't allocate.
type headScratch struct {
	p, d  []float32 // probabilities of a block, and their gradients
	delta []float32 // by row of the block
}

// head is one head of one sample.
type head struct {
	first, rows int // rows of the sample, counted from the call's first one
	column      int // of its first feature
	lse         []float32
}

var attentionJobs parallel.Pool[attentionJob]

func newAttentionJob(o attention, do func(*attentionJob, head, *headScratch)) *attentionJob {
	j := attentionJobs.Get()
	j.attention, j.do = o, do
	return j
}

// headWork is the multiply-adds of a task, at least: some 10 microseconds, which is longer than
// handing it to a worker.
const headWork = 1 << 19

// run runs the job on a team, and gives it back to the pool.
func (j *attentionJob) run(team *blas.Team) {
	heads := j.qkv.N * j.heads
	if heads > 0 {
		mean := j.qkv.Rows() / j.qkv.N
		j.perTask = min(heads, num.CeilDiv(headWork, max(1, 2*mean*mean*j.features())))
		tasks := num.CeilDiv(heads, j.perTask)
		for len(j.scratch) < min(tasks, team.Workers()) {
			j.scratch = append(j.scratch, headScratch{})
		}
		team.Run(tasks, j)
	}
	*j = attentionJob{scratch: j.scratch}
	attentionJobs.Put(j)
}

// Do computes some heads.
func (j *attentionJob) Do(task, worker int) {
	s := &j.scratch[worker]
	s.grow(j.rows)
	for i := task * j.perTask; i < min((task+1)*j.perTask, j.qkv.N*j.heads); i++ {
		sample, h := i/j.heads, i%j.heads
		run := j.qkv.Run(sample)
		j.do(j, head{
			first: run.First, rows: run.N, column: h * j.features(),
			lse: j.lse[run.First*j.heads+h*run.N:][:run.N],
		}, s)
	}
}

// features returns the features of a head.
func (o attention) features() int { return o.width / o.heads }

// scale is the factor of the products of queries and keys.
func (o attention) scale() float32 { return float32(1 / math.Sqrt(float64(o.features()))) }

// of returns the features of a head from column on, in its rows of t.
func (h head) of(t op.Tensor, column, features int) blas.Mat[float32] {
	width := t.Width()
	return blas.Mat[float32]{
		Data: t.Data[h.first*width+column+h.column:],
		Rows: h.rows, Cols: features, RowStride: width, ColStride: 1,
	}
}

// from returns n rows of m from row i on.
func from(m blas.Mat[float32], i, n int) blas.Mat[float32] {
	m.Data, m.Rows = m.Data[i*m.RowStride:], n
	return m
}

// The scores of a head are computed for a block of rows at a time, all keys that they see at once.

const (
	scoreFloats   = 1 << 14 // of a block, about: with their gradients they take 128 KiB of the cache
	fewestQueries = 24      // rows of a block
	mostQueries   = 96
)

// blocks returns how many blocks of queries a sample of so many rows has.
func queryBlocks(rows int) int {
	most := min(mostQueries, max(fewestQueries, scoreFloats/max(1, rows)))
	return num.CeilDiv(rows, most)
}

// stride is the floats between the rows of a block of scores: no power of two, so that they don't
// fight for the same lines of the cache.
func scoreStride(keys int) int { return num.CeilDiv(keys, 16)*16 + 16 }

// grow makes room for the blocks of samples of at most so many rows.
func (s *headScratch) grow(rows int) {
	most := 0
	for keys := rows; keys > 0; keys /= 2 { // a shorter sample may have larger blocks, of up to twice as many floats
		most = max(most, min(keys, mostQueries, max(fewestQueries, scoreFloats/keys))*scoreStride(keys))
	}
	most = min(most, mostQueries*scoreStride(rows))
	if len(s.p) < 2*most {
		s.p, s.d = make([]float32, 2*most), make([]float32, 2*most)
		s.delta = make([]float32, mostQueries)
	}
}

// block is some queries of a head, and the keys that they see.
type block struct {
	first, rows int // queries
	keys        int // seen by any of them
	seen        int // by the first one; each further one sees growth more
	growth      int
}

// block returns block i of n of a head.
func (o attention) block(h head, i, n int) block {
	from, to := parallel.Cut(h.rows, 1, n, i)
	if o.causal {
		return block{from, to - from, to, from + 1, 1}
	}
	return block{from, to - from, h.rows, h.rows, 0}
}

// scores returns b's part of memory as a matrix.
func (b block) scores(memory []float32) blas.Mat[float32] {
	return blas.Mat[float32]{Data: memory, Rows: b.rows, Cols: b.keys, RowStride: scoreStride(b.keys), ColStride: 1}
}

func (j *attentionJob) forward(h head, s *headScratch) {
	f := j.features()
	q, k, v := h.of(j.qkv, 0, f), h.of(j.qkv, j.width, f), h.of(j.qkv, 2*j.width, f)
	out := h.of(j.out, 0, f)
	n := queryBlocks(h.rows)
	for i := range n {
		b := j.block(h, i, n)
		p := b.scores(s.p)
		blas.MatMul(nil, p, from(q, b.first, b.rows), from(k, 0, b.keys).T(), blas.Options[float32]{})
		softmaxScores(p.Data, p.RowStride, b.rows, b.seen, b.growth, j.scale(), h.lse[b.first:][:b.rows], s.delta)
		blas.MatMul(nil, from(out, b.first, b.rows), p, from(v, 0, b.keys), blas.Options[float32]{})
	}
}

// backward goes from the last block to the first, since only the last one sees all keys if
// attention is causal. It sets the gradients of keys and values, and the others add to them.
func (j *attentionJob) backward(h head, s *headScratch) {
	f := j.features()
	q, k, v := h.of(j.qkv, 0, f), h.of(j.qkv, j.width, f), h.of(j.qkv, 2*j.width, f)
	dq, dk, dv := h.of(j.din, 0, f), h.of(j.din, j.width, f), h.of(j.din, 2*j.width, f)
	out, dout := h.of(j.out, 0, f), h.of(j.dout, 0, f)
	n := queryBlocks(h.rows)
	for i := n - 1; i >= 0; i-- {
		b := j.block(h, i, n)
		p, d := b.scores(s.p), b.scores(s.d)
		q, dq, out, dout := from(q, b.first, b.rows), from(dq, b.first, b.rows), from(out, b.first, b.rows), from(dout, b.first, b.rows)
		k, v, dk, dv := from(k, 0, b.keys), from(v, 0, b.keys), from(dk, 0, b.keys), from(dv, 0, b.keys)
		others := blas.Options[float32]{Accumulate: i < n-1}

		blas.MatMul(nil, p, q, k.T(), blas.Options[float32]{})
		softmaxScoresAgain(p.Data, p.RowStride, b.rows, b.seen, b.growth, j.scale(), h.lse[b.first:][:b.rows])
		blas.MatMul(nil, dv, p.T(), dout, others)
		blas.MatMul(nil, d, dout, v.T(), blas.Options[float32]{})
		for r := range b.rows {
			s.delta[r] = simd.Dot(dout.Data[r*dout.RowStride:][:f], out.Data[r*out.RowStride:][:f])
		}
		softmaxScoresBackward(d.Data, p.Data, d.RowStride, b.rows, b.seen, b.growth, j.scale(), s.delta)
		blas.MatMul(nil, dq, d, k, blas.Options[float32]{})
		blas.MatMul(nil, dk, d.T(), q, others)
	}
}
