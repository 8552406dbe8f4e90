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
	if heads := j.qkv.N * j.heads; heads > 0 {
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
	s.grow(j.attention)
	for i := task * j.perTask; i < min((task+1)*j.perTask, j.qkv.N*j.heads); i++ {
		run, number := j.qkv.Run(i/j.heads), i%j.heads
		if run.N > 0 {
			j.do(j, head{
				first: run.First, rows: run.N, column: number * j.features(),
				lse: j.lse[run.First*j.heads+number*run.N:][:run.N],
			}, s)
		}
	}
}

// head is one head of one sample.
type head struct {
	first, rows int       // rows of the sample, counted from the call's first one
	column      int       // of its first feature, in q
	lse         []float32 // by row
}

// of returns the features of a head in its rows of t, from its column in q, k or v on, which begins
// at column at.
func (h head) of(t op.Tensor, at, features int) blas.Mat[float32] {
	width := t.Width()
	return blas.Mat[float32]{
		Data: t.Data[h.first*width+at+h.column:],
		Rows: h.rows, Cols: features, RowStride: width, ColStride: 1,
	}
}

// rowsOf returns n rows of m from row i on.
func rowsOf(m blas.Mat[float32], i, n int) blas.Mat[float32] {
	m.Data, m.Rows = m.Data[i*m.RowStride:], n
	return m
}

// features returns the features of a head.
func (o attention) features() int { return o.width / o.heads }

// scale is the factor of the products of queries and keys.
func (o attention) scale() float32 { return float32(1 / math.Sqrt(float64(o.features()))) }

func (j *attentionJob) forward(h head, s *headScratch) {
	f := j.features()
	q, k, v := h.of(j.qkv, 0, f), h.of(j.qkv, j.width, f), h.of(j.qkv, 2*j.width, f)
	out := h.of(j.out, 0, f)
	s.keysT.pack(k.T())
	s.values.pack(v)
	n := j.blocks(h.rows)
	for i := range n {
		b := j.block(h.rows, i, n)
		p := b.scores(s.p)
		blas.MatMul(nil, p, rowsOf(q, b.first, b.rows), rowsOf(k, 0, b.keys).T(), s.keysT.options(f, b.keys))
		softmaxScores(p.Data, p.RowStride, b.rows, b.seen, b.growth, j.scale(), h.lse[b.first:][:b.rows], s.delta)
		blas.MatMul(nil, rowsOf(out, b.first, b.rows), p, rowsOf(v, 0, b.keys), s.values.options(b.keys, f))
	}
}

// backward computes the gradients of queries, keys and values. With S for the scores of a block,
// P for their softmax, and ' for the transpose:
//
//	P  = exp(scale QK' - lse)        dV = P'dO
//	dS = scale P o (dO V' - delta)   dQ = dS K,  dK = dS'Q,  delta = the sums of rows of dO o O
//
// It goes from the last block to the first, since only the last one sees all keys if attention is
// causal. That one sets the gradients of keys and values, and the others add to them.
func (j *attentionJob) backward(h head, s *headScratch) {
	f := j.features()
	q, k, v := h.of(j.qkv, 0, f), h.of(j.qkv, j.width, f), h.of(j.qkv, 2*j.width, f)
	dq, dk, dv := h.of(j.din, 0, f), h.of(j.din, j.width, f), h.of(j.din, 2*j.width, f)
	out, dout := h.of(j.out, 0, f), h.of(j.dout, 0, f)
	s.keysT.pack(k.T())
	s.valuesT.pack(v.T())
	s.keys.pack(k)
	n := j.blocks(h.rows)
	for i := n - 1; i >= 0; i-- {
		b := j.block(h.rows, i, n)
		p, d := b.scores(s.p), b.scores(s.d)
		q, dq, out, dout := rowsOf(q, b.first, b.rows), rowsOf(dq, b.first, b.rows), rowsOf(out, b.first, b.rows), rowsOf(dout, b.first, b.rows)
		k, v, dk, dv := rowsOf(k, 0, b.keys), rowsOf(v, 0, b.keys), rowsOf(dk, 0, b.keys), rowsOf(dv, 0, b.keys)
		others := blas.Options[float32]{Accumulate: i < n-1}

		blas.MatMul(nil, p, q, k.T(), s.keysT.options(f, b.keys))
		softmaxScoresAgain(p.Data, p.RowStride, b.rows, b.seen, b.growth, j.scale(), h.lse[b.first:][:b.rows])
		blas.MatMul(nil, dv, p.T(), dout, others)
		blas.MatMul(nil, d, dout, v.T(), s.valuesT.options(f, b.keys))
		for r := range b.rows {
			s.delta[r] = simd.Dot(dout.Data[r*dout.RowStride:][:f], out.Data[r*out.RowStride:][:f])
		}
		softmaxScoresBackward(d.Data, p.Data, d.RowStride, b.rows, b.seen, b.growth, j.scale(), s.delta)
		blas.MatMul(nil, dq, d, k, s.keys.options(b.keys, f))
		blas.MatMul(nil, dk, d.T(), q, others)
	}
}
