package parallel

import (
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
)

type count struct {
	done    []atomic.Int32
	workers int
	strange atomic.Int32
}

func (c *count) Do(task, worker int) {
	c.done[task].Add(1)
	if worker < 0 || worker >= c.workers {
		c.strange.Add(1)
	}
}

func TestEveryTaskRunsOnce(t *testing.T) {
	for _, workers := range []int{1, 2, 3, 8} {
		team := NewTeam(workers)
		assert.Equal(t, workers, team.Workers())
		for _, tasks := range []int{0, 1, 2, 5, 100} {
			for range 20 {
				c := &count{done: make([]atomic.Int32, tasks), workers: workers}
				team.Run(tasks, c)
				for i := range c.done {
					assert.EqualValues(t, 1, c.done[i].Load(), "task %d of %d on %d workers", i, tasks, workers)
				}
				assert.Zero(t, c.strange.Load(), "worker out of range")
			}
		}
	}
}

// busy is a job that sees whether a worker does two tasks at a time, which
// would share its scratch.
type busy struct {
	working []atomic.Bool
	clashes atomic.Int32
	done    atomic.Int32
}

func (b *busy) Do(task, worker int) {
	if b.working[worker].Swap(true) {
		b.clashes.Add(1)
	}
	for range task % 3 {
		runtime.Gosched()
	}
	b.working[worker].Store(false)
	b.done.Add(1)
}

// Runs that follow each other at once meet workers that are late for the ones
// before.
func TestNoWorkerDoesTwoTasks(t *testing.T) {
	team := NewTeam(4)
	for run := range 20000 {
		tasks := 2 + run%7
		b := &busy{working: make([]atomic.Bool, 4)}
		team.Run(tasks, b)
		if b.clashes.Load() != 0 || int(b.done.Load()) != tasks {
			t.Fatalf("run %d: %d of %d tasks done, %d clashes", run, b.done.Load(), tasks, b.clashes.Load())
		}
	}
	assert.LessOrEqual(t, team.coming.Load(), int64(6), "workers that are left over")
}

func TestTooManyTasks(t *testing.T) {
	assert.PanicsWithValue(t, "parallel: a job of 1048576 tasks, want at most 1048575", func() { NewTeam(2).Run(1<<20, &count{}) })
}

func TestNilTeamIsTheCaller(t *testing.T) {
	var team *Team
	c := &count{done: make([]atomic.Int32, 3), workers: 1}
	team.Run(3, c)
	assert.Equal(t, 1, team.Workers())
	assert.EqualValues(t, 1, c.done[2].Load())
}

func TestRunAllocatesNothing(t *testing.T) {
	team := NewTeam(3)
	c := &count{done: make([]atomic.Int32, 10), workers: 3}
	team.Run(10, c) // the first run makes the goroutines that later ones use again
	assert.Less(t, testing.AllocsPerRun(200, func() { team.Run(10, c) }), 0.1)
}

func TestCutCoversEverything(t *testing.T) {
	for _, n := range []int{0, 1, 7, 12, 100, 101} {
		for _, grain := range []int{1, 4, 12} {
			for parts := 1; parts < 6; parts++ {
				at := 0
				for i := range parts {
					from, to := Cut(n, grain, parts, i)
					assert.Equal(t, at, from)
					assert.GreaterOrEqual(t, to, from)
					if to < n {
						assert.Zero(t, to%grain)
					}
					at = to
				}
				assert.Equal(t, n, at)
			}
		}
	}
}

func BenchmarkRun(b *testing.B) {
	team := NewTeam(2)
	c := &count{done: make([]atomic.Int32, 2), workers: 2}
	b.ReportAllocs()
	for b.Loop() {
		team.Run(2, c)
	}
}
