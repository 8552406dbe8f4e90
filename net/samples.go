package net

import (
	"slices"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/internal/parallel"
	"github.com/steppe-ml/steppe/net/op"
)

// sampleJob is a team's job on the samples of a call, which may have different numbers of rows. A
// task is some samples.
type sampleJob struct {
	do func(j *sampleJob, i int) // works on sample i; not a closure, which would be allocated

	x, y       op.Tensor // read, and set
	params     []float32
	tables     tables
	accumulate bool // add to y
	first      bool // of Pooling

	sampleTasks
}

var sampleJobs parallel.Pool[sampleJob]

func newSampleJob(do func(j *sampleJob, i int)) *sampleJob {
	j := sampleJobs.Get()
	j.do = do
	return j
}

// run works on all samples of t, the tensor with the most rows, and gives the job back.
func (j *sampleJob) run(team *blas.Team, t op.Tensor) {
	j.sampleTasks = tasksOf(t)
	team.Run(j.tasks(), j)
	*j = sampleJob{}
	sampleJobs.Put(j)
}

// Do works on the samples of one task.
func (j *sampleJob) Do(task, _ int) {
	from, to := j.of(task)
	for i := from; i < to; i++ {
		j.do(j, i)
	}
}

// sampleTasks cuts samples into tasks. A task is some samples, or one with many rows.
type sampleTasks struct{ samples, group int }

// taskRows is about how many rows a task has: they take longer than handing them to a worker.
const taskRows = 64

func tasksOf(t op.Tensor) sampleTasks {
	return sampleTasks{samples: t.N, group: max(1, taskRows*t.N/max(1, t.Rows()))}
}

// tasks returns how many tasks there are.
func (s sampleTasks) tasks() int { return num.CeilDiv(s.samples, s.group) }

// of returns the first sample of a task, and the one behind its last.
func (s sampleTasks) of(task int) (from, to int) {
	return task * s.group, min(s.samples, (task+1)*s.group)
}

// rowsOfSample returns the rows of sample i, one behind the other.
func rowsOfSample(t op.Tensor, i int) []float32 {
	run, width := t.Run(i), t.Width()
	return t.Data[run.First*width:][:run.N*width]
}

// room returns n elements of memory, s's if that has as many.
func room[T any](s []T, n int) []T { return slices.Grow(s[:0], n)[:n] }
