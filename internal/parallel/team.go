// Package parallel runs jobs on teams of workers.
package parallel

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/simd"
)

// Job is work that is cut into tasks. Do runs one of them on one of the team's workers. Tasks run
// in any order, and at the same time on different workers, so what a task computes must not depend
// on the worker, except that a worker may have scratch memory of its own.
type Job interface {
	Do(task, worker int)
}

// Team runs one job at a time, on its caller alone or on several workers, the caller being one of
// them. A nil Team is the caller alone. Between jobs a team costs nothing: its goroutines end soon
// after the job. A Team serves one caller at a time, and a job must not run another one on its own
// team.
//
// Waking a sleeping core takes longer than many a job, so nobody waits for a worker to arrive. The
// caller begins at once, workers that arrive take tasks that are left, and a job is done when its
// tasks are, even if a worker is still on its way. A worker that arrives late joins the next job,
// if there is one.
//
// If a task panics, Run panics on the caller's goroutine, whichever worker the task ran on, and the
// team can be used again. Run says which other tasks are done.
type Team struct {
	workers int
	help    func() // a worker but the caller: made once, so that a run allocates nothing

	job   Job
	tasks int
	// state packs three numbers into one word, so that a late worker can't mistake one run for
	// another: of the run, of the workers that have arrived, and of the tasks that nobody has taken.
	state   atomic.Uint64
	left    atomic.Int64 // tasks that aren't done
	waiting atomic.Bool  // the caller sleeps until they are
	wake    chan struct{}
	coming  atomic.Int64 // workers that are on their way, or there
	ended   time.Time    // when the last job ended
	failure atomic.Pointer[failure]
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

// Run runs the tasks 0 to tasks-1 of job, in the order in which workers become free, and returns
// when all are done. A team of several workers takes at most a million of them.
//
// If tasks panic, Run panics with the value of the first of them, by number. A job that is shared
// among several workers has all its other tasks done before. On a team of one worker, or a nil one,
// the tasks behind the one that panics aren't begun. If nothing recovers the panic, its traceback
// has the stack of the task, too.
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
	defer t.finish()
	t.work(run, 0)
}

// finish ends a run: it waits for its tasks, and panics if one of them did.
func (t *Team) finish() {
	t.wait()
	t.job = nil
	if t.failure.Load() != nil {
		t.failure.Swap(nil).panic()
	}
}

// come is the life of a worker: it joins runs until no other has begun for a while.
func (t *Team) come() {
	ended := false
	defer func() {
		if !ended && !t.leave() { // a task has ended the goroutine
			go t.help()
		}
	}()
	for {
		for t.join() || t.linger() {
		}
		if t.leave() {
			ended = true
			return
		}
	}
}

// leave takes a worker off those that are there. It returns false, and does nothing, if a run has
// begun that may have counted on this worker.
func (t *Team) leave() bool {
	t.coming.Add(-1)
	if _, _, open := t.place(); !open {
		return true
	}
	t.coming.Add(1)
	return false
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
	for !t.workUntilPanic(run, worker) {
	}
}

// workUntilPanic does tasks of a run until none are left, or until one has panicked: then it keeps
// the failure for the caller, counts the task as done, and returns false.
func (t *Team) workUntilPanic(run uint64, worker int) (none bool) {
	task := 0
	defer func() {
		if !none {
			t.keep(task, worker, recover())
			t.done()
		}
	}()
	for {
		s := t.state.Load()
		left := int(s % oneWorker)
		if s/oneRun != run || left == 0 {
			return true
		}
		if !t.state.CompareAndSwap(s, s-1) {
			continue
		}
		task = t.tasks - left
		t.job.Do(task, worker)
		t.done()
	}
}

// done counts a task as done, and wakes the caller if it was the last.
func (t *Team) done() {
	if t.left.Add(-1) == 0 && t.waiting.CompareAndSwap(true, false) {
		t.wake <- struct{}{}
	}
}

// wait returns when all tasks are done. It sleeps only if that takes longer than waking up does.
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
	return max(1, num.CeilDiv(runtime.GOMAXPROCS(0), threadsPerCore))
}

// Cut returns the bounds of part i when n things are cut into parts of equal size, in grains that
// stay together.
func Cut(n, grain, parts, i int) (from, to int) {
	grains := num.CeilDiv(n, grain)
	return min(n, grains*i/parts*grain), min(n, grains*(i+1)/parts*grain)
}
