// Package parallel runs jobs on teams of workers.
package parallel

import (
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/steppe-ml/steppe/simd"
)

// Job is work cut into tasks. Do runs one of them on one of the team's
// workers; tasks run in any order, and at the same time on different workers,
// so what a task computes must not depend on the worker but for scratch.
type Job interface {
	Do(task, worker int)
}

// Team is some workers that run one job at a time: one worker, or all that
// there are. A nil Team is one worker, the caller. Between jobs a team costs
// nothing: its goroutines live as long as the job. A Team serves one caller at
// a time, and a job must not run another on its own team.
type Team struct {
	workers int
	run     []func() // one a worker but the caller: made once, so that a run allocates nothing
	job     Job
	tasks   int64
	next    atomic.Int64
	done    sync.WaitGroup
}

// NewTeam returns a team of that many workers, the caller being one of them.
func NewTeam(workers int) *Team {
	if workers < 1 {
		panic("parallel: a team needs at least one worker")
	}
	t := &Team{workers: workers}
	for w := 1; w < workers; w++ {
		t.run = append(t.run, func() {
			t.work(w)
			t.done.Done()
		})
	}
	return t
}

// Workers returns the size of the team.
func (t *Team) Workers() int {
	if t == nil {
		return 1
	}
	return t.workers
}

// Run runs the tasks 0 to tasks-1 of job, in the order in which workers become
// free, and returns when all are done.
func (t *Team) Run(tasks int, job Job) {
	if t.Workers() == 1 || tasks <= 1 {
		for task := range tasks {
			job.Do(task, 0)
		}
		return
	}
	t.job, t.tasks = job, int64(tasks)
	t.next.Store(0)
	helpers := min(t.workers, tasks) - 1
	t.done.Add(helpers)
	for _, run := range t.run[:helpers] {
		go run()
	}
	t.work(0)
	t.done.Wait()
	t.job = nil
}

func (t *Team) work(worker int) {
	for task := t.next.Add(1) - 1; task < t.tasks; task = t.next.Add(1) - 1 {
		t.job.Do(int(task), worker)
	}
}

// DefaultWorkers returns the number of workers that pays for work limited by
// arithmetic: the physical cores among those that affinity, a container's
// quota and GOMAXPROCS leave to the program.
func DefaultWorkers() int {
	cpu := simd.Processor()
	threadsPerCore := max(1, cpu.LogicalCores/cpu.PhysicalCores)
	return max(1, (runtime.GOMAXPROCS(0)+threadsPerCore-1)/threadsPerCore)
}

// Cut returns the bounds of part i when n things, which come in grains that
// stay together, are cut into parts of equal size.
func Cut(n, grain, parts, i int) (from, to int) {
	grains := (n + grain - 1) / grain
	return min(n, grains*i/parts*grain), min(n, grains*(i+1)/parts*grain)
}
