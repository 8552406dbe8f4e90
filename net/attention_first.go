package net

import (
	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/parallel"
	"github.com/steppe-ml/steppe/net/op"
	"github.com/steppe-ml/steppe/simd"
)

// firstAttention is attention for the query of each sample's first row alone, from q, k and v [L,
// 3*width] to flat samples [width]. It keeps the probabilities, of which a sample has one for each
// head and row.
type firstAttention struct{ attention }

func (o firstAttention) Traits() op.Traits {
	product := 2 * int64(o.rows) * int64(o.width)
	return op.Traits{
		Aux:   op.Aux{Sample: o.heads * o.rows},
		Pools: true,
		Flops: op.Flops{Forward: 2 * product, Backward: 4 * product},
	}
}

func (o firstAttention) Forward(c *op.Call, _ []float32, in []op.Tensor, out op.Tensor) {
	j := newFirstAttentionJob(o, (*firstAttentionJob).forward)
	j.qkv, j.out, j.p = in[0], out, c.Aux
	j.run(c.Team)
}

func (o firstAttention) Backward(c *op.Call, _ []float32, in []op.Tensor, out, dout op.Tensor, din []op.Tensor) {
	if !din[0].Wanted() {
		return
	}
	j := newFirstAttentionJob(o, (*firstAttentionJob).backward)
	j.qkv, j.out, j.dout, j.din, j.p = in[0], out, dout, din[0], c.Aux
	j.run(c.Team)
}

// firstAttentionJob is a team's job, some samples at a time.
type firstAttentionJob struct {
	firstAttention
	do func(j *firstAttentionJob, sample int) // not a closure, which would be allocated

	qkv, out, dout, din op.Tensor
	p                   []float32 // probabilities by sample, head and row

	sampleTasks
}

var firstAttentionJobs parallel.Pool[firstAttentionJob]

func newFirstAttentionJob(o firstAttention, do func(*firstAttentionJob, int)) *firstAttentionJob {
	j := firstAttentionJobs.Get()
	j.firstAttention, j.do = o, do
	return j
}

// run runs the job on a team, and gives it back to the pool.
func (j *firstAttentionJob) run(team *blas.Team) {
	j.sampleTasks = tasksOf(j.qkv)
	team.Run(j.tasks(), j)
	*j = firstAttentionJob{}
	firstAttentionJobs.Put(j)
}

// Do computes some samples.
func (j *firstAttentionJob) Do(task, _ int) {
	from, to := j.of(task)
	for i := from; i < to; i++ {
		j.do(j, i)
	}
}

// probabilities returns those of a head of a sample, by row.
func (j *firstAttentionJob) probabilities(sample, head int) []float32 {
	run := j.qkv.Run(sample)
	return j.p[run.First*j.heads+head*run.N:][:run.N]
}

// rowOf returns the features of a head in row i of a sample: of q, k and v, or of their gradients.
func (o attention) rowOf(rows []float32, i, head int) (q, k, v []float32) {
	n := o.features()
	row := rows[i*3*o.width+head*n:]
	return row[:n], row[o.width:][:n], row[2*o.width:][:n]
}

func (j *firstAttentionJob) forward(sample int) {
	n, rows, out := j.features(), rowsOfSample(j.qkv, sample), rowsOfSample(j.out, sample)
	for head := range j.heads {
		p, y := j.probabilities(sample, head), out[head*n:][:n]
		q, _, _ := j.rowOf(rows, 0, head)
		for i := range p {
			_, k, _ := j.rowOf(rows, i, head)
			p[i] = j.scale() * simd.Dot(q, k)
		}
		simd.SoftmaxRows(p, p, len(p), nil, nil)
		clear(y)
		for i, weight := range p {
			_, _, v := j.rowOf(rows, i, head)
			simd.Axpy(weight, v, y)
		}
	}
}

// backward sets the gradients of a sample's q, k and v. Those of q are 0 but in the first row.
func (j *firstAttentionJob) backward(sample int) {
	n, rows, drows := j.features(), rowsOfSample(j.qkv, sample), rowsOfSample(j.din, sample)
	out, dout := rowsOfSample(j.out, sample), rowsOfSample(j.dout, sample)
	for head := range j.heads {
		d := dout[head*n:][:n]
		mean := simd.Dot(d, out[head*n:][:n])
		q, _, _ := j.rowOf(rows, 0, head)
		first, _, _ := j.rowOf(drows, 0, head)
		clear(first)
		for i, weight := range j.probabilities(sample, head) {
			_, k, v := j.rowOf(rows, i, head)
			dq, dk, dv := j.rowOf(drows, i, head)
			slope := float32(j.scale()*weight) * (simd.Dot(d, v) - mean)
			if i > 0 {
				clear(dq)
			}
			simd.Axpy(slope, k, first)
			copy(dk, q)
			simd.Scale(slope, dk)
			copy(dv, d)
			simd.Scale(weight, dv)
		}
	}
}
