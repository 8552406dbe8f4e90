// Package parallel runs jobs on teams of workers.
package parallel

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

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
// nothing: its goroutines live little longer than the job. A Team serves one
// caller at a time, and a job must not run another on its own team.
//
// To wake a sleeping core takes longer than many a job. So nobody waits for a
// worker to come: the caller begins at once, who comes takes what tasks are left,
// and a job is done when its tasks are, even if a worker is still on its way. That
// one finds the next job, or nothing.
type Team struct {
	workers int
	help    func() // a worker but the caller: made once, so that a run allocates nothing

	job   Job
	tasks int
	// state is the number of the run, of the workers that have come, and of the
	// tasks that nobody has taken, all in one, so that who is late can't mistake
	// one run for another.
	state   atomic.Uint64
	left    atomic.Int64 // tasks that aren't done
	waiting atomic.Bool  // the caller sleeps until they are
	wake    chan struct{}
	coming  atomic.Int64 // workers that are on their way, or there
	ended   time.Time    // when the last job did
}

// The parts of Team.state, from the lowest bits.
const (
	taskBits, workerBits = 20, 12
	maxTasks             = 1<<taskBits - 1
	oneWorker            = 1 << taskBits
	maxWorkers           = 1<<workerBits - 1
	oneRun               = 1 << (taskBits + workerBits)
	runs                 = 1 << (64 - taskBits - workerBits)
)

// NewTeam returns a team of that many workers, the caller being one of them.
func NewTeam(workers int) *Team {
	if workers < 1 {
		panic("parallel: a team needs at least one worker")
	}
	t := &Team{workers: min(workers, maxWorkers), wake: make(chan struct{}, 1)}
	t.help = t.come
	return t
}

// Workers returns the size of the team.
func (t *Team) Workers() int {
	if t == nil {
		return 1
	}
	return t.workers
}

// Awake reports whether a short job is best shared: whether workers are awake, or
// so little time has passed since the last job (of a single task, even) that they
// will stay so once they have been woken. Otherwise it is done sooner by the
// caller alone.
func (t *Team) Awake() bool {
	return t.Workers() > 1 && (t.coming.Load() > 0 || time.Since(t.ended) < patience)
}

// Run runs the tasks 0 to tasks-1 of job, in the order in which workers become
// free, and returns when all are done. There are at most a million of them where
// there are several workers.
func (t *Team) Run(tasks int, job Job) {
	if t.Workers() == 1 {
		for task := range tasks {
			job.Do(task, 0)
		}
		return
	}
	if tasks == 1 {
		job.Do(0, 0)
	} else if tasks > 1 {
		t.share(tasks, job)
	}
	t.ended = time.Now()
}

// share runs the tasks on all workers.
func (t *Team) share(tasks int, job Job) {
	if tasks > maxTasks {
		panic(fmt.Sprintf("parallel: a job of %d tasks, want at most %d", tasks, maxTasks))
	}
	t.job, t.tasks = job, tasks
	t.left.Store(int64(tasks))
	run := (t.state.Load()/oneRun + 1) % runs
	t.state.Store(run*oneRun + uint64(tasks))
	for range min(t.workers, tasks) - 1 - int(t.coming.Load()) {
		t.coming.Add(1)
		go t.help()
	}
	t.work(run, 0)
	t.wait()
	t.job = nil
}

// come is the life of a worker: it joins runs as long as there are any, or will
// be soon.
func (t *Team) come() {
	for {
		for t.join() || t.linger() {
		}
		t.coming.Add(-1)
		if _, _, open := t.place(); !open {
			return
		}
		t.coming.Add(1) // a run has begun, and may have counted on this worker
	}
}

// linger waits for the next run, for as long as it takes to wake a worker, and
// returns whether it has begun. Other goroutines may run meanwhile.
func (t *Team) linger() bool {
	for begin := time.Now(); time.Since(begin) < patience; runtime.Gosched() {
		for range 100 {
			if _, _, open := t.place(); open {
				return true
			}
		}
	}
	return false
}

// patience is about the time that it takes to wake a worker: some microseconds,
// but a hundred on virtual machines.
const patience = 100 * time.Microsecond

// place returns the state, and the number of the next worker, if there is one
// to come: a run is under way that has tasks left, and fewer workers than t.
func (t *Team) place() (state uint64, worker int, open bool) {
	state = t.state.Load()
	worker = int(state/oneWorker%(maxWorkers+1)) + 1
	return state, worker, state%oneWorker > 0 && worker < t.workers
}

// join does tasks of the run under way, as its next worker. It returns false if
// there is no place.
func (t *Team) join() bool {
	for {
		state, worker, open := t.place()
		if !open {
			return false
		}
		if t.state.CompareAndSwap(state, state+oneWorker) {
			t.work(state/oneRun, worker)
			return true
		}
	}
}

// work does tasks of a run until none are left.
func (t *Team) work(run uint64, worker int) {
	for {
		s := t.state.Load()
		left := int(s % oneWorker)
		if s/oneRun != run || left == 0 {
			return
		}
		if !t.state.CompareAndSwap(s, s-1) {
			continue
		}
		t.job.Do(t.tasks-left, worker)
		if t.left.Add(-1) == 0 && t.waiting.CompareAndSwap(true, false) {
			t.wake <- struct{}{}
		}
	}
}

// wait returns when all tasks are done. It sleeps only if that takes longer than
// to be woken.
func (t *Team) wait() {
	for begin := time.Now(); time.Since(begin) < patience; {
		for range 100 {
			if t.left.Load() == 0 {
				return
			}
		}
	}
	t.waiting.Swap(true) // not Store: emulators of arm64 let the load below pass it
	if t.left.Load() == 0 && t.waiting.CompareAndSwap(true, false) {
		return
	}
	<-t.wake
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
