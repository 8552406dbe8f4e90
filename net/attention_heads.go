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
	kept                []float32 // Aux: a head's largest and total, by sample and head

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
		for i := range min(tasks, team.Workers()) {
			j.scratch[i].grow(j.attention)
		}
		team.Run(tasks, j)
	}
	*j = attentionJob{scratch: j.scratch}
	attentionJobs.Put(j)
}

// Do computes some heads.
func (j *attentionJob) Do(task, worker int) {
	for i := task * j.perTask; i < min((task+1)*j.perTask, j.qkv.N*j.heads); i++ {
		run, number := j.qkv.Run(i/j.heads), i%j.heads
		if run.N > 0 {
			kept := j.kept[2*(run.First*j.heads+number*run.N):]
			j.do(j, head{
				first: run.First, rows: run.N, column: number * j.features(),
				largest: kept[:run.N], total: kept[run.N:][:run.N],
			}, &j.scratch[worker])
		}
	}
}

// head is one head of one sample.
type head struct {
	first, rows int // rows of the sample, counted from the call's first one
	column      int // of its first feature, in q

	largest, total []float32 // by row: what Softmax makes of its scores, besides the probabilities
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
		p := b.in(s.p)
		blas.MatMul(nil, p, rowsOf(q, b.first, b.Rows), rowsOf(k, 0, b.Width()).T(), s.keysT.options(f, b.Width()))
		b.Softmax(p.Data, j.scale(), h.largest[b.first:][:b.Rows], h.total[b.first:][:b.Rows])
		blas.MatMul(nil, rowsOf(out, b.first, b.Rows), p, rowsOf(v, 0, b.Width()), s.values.options(b.Width(), f))
	}
}

// backward computes the gradients of queries, keys and values. With S for the scores of a block,
// P for their softmax, and ' for the transpose:
//
//	P  = softmax(scale QK')          dV = P'dO
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
		p, d := b.in(s.p), b.in(s.d)
		q, dq, out, dout := rowsOf(q, b.first, b.Rows), rowsOf(dq, b.first, b.Rows), rowsOf(out, b.first, b.Rows), rowsOf(dout, b.first, b.Rows)
		k, v, dk, dv := rowsOf(k, 0, b.Width()), rowsOf(v, 0, b.Width()), rowsOf(dk, 0, b.Width()), rowsOf(dv, 0, b.Width())
		others := blas.Options[float32]{Accumulate: i < n-1}

		blas.MatMul(nil, p, q, k.T(), s.keysT.options(f, b.Width()))
		b.SoftmaxAgain(p.Data, j.scale(), h.largest[b.first:][:b.Rows], h.total[b.first:][:b.Rows])
		blas.MatMul(nil, dv, p.T(), dout, others)
		blas.MatMul(nil, d, dout, v.T(), s.valuesT.options(f, b.Width()))
		simd.RowDots(s.delta[:b.Rows], dout.Data, out.Data, f, dout.RowStride, out.RowStride)
		b.SoftmaxBackward(d.Data, p.Data, j.scale(), s.delta[:b.Rows])
		blas.MatMul(nil, dq, d, k, s.keys.options(b.Width(), f))
		blas.MatMul(nil, dk, d.T(), q, others)
	}
}
