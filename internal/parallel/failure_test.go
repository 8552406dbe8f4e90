package parallel

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/steppe-ml/steppe/internal/simdtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// failing is a job of which some tasks panic.
type failing struct {
	panics  map[int]any // by task
	done    atomic.Int32
	arrived barrier
}

// barrier keeps the caller from doing all tasks before another worker has arrived.
type barrier struct{ workers, here atomic.Int32 }

func (f *failing) Do(task, worker int) {
	f.arrived.here.Add(1)
	for f.arrived.here.Load() < f.arrived.workers.Load() {
		runtime.Gosched()
	}
	f.done.Add(1)
	if value := f.panics[task]; value != nil {
		panic(value)
	}
}

// recovered returns what call panics with.
func recovered(call func()) (value any) {
	defer func() { value = recover() }()
	call()
	return nil
}

func TestPanicReachesTheCaller(t *testing.T) {
	cause := errors.New("cause")
	type own struct{ a, b int }
	for _, workers := range []int{1, 2, 4} {
		team := NewTeam(workers)
		for _, value := range []any{cause, fmt.Errorf("wrapped: %w", cause), "a string", own{1, 2}, 7} {
			for task := range 2 * workers {
				f := &failing{panics: map[int]any{task: value}}
				f.arrived.workers.Store(int32(workers)) // so every worker has a task
				got := recovered(func() { team.Run(2*workers, f) })
				assert.Equal(t, value, got, "%d workers, task %d", workers, task)
				if err, ok := value.(error); ok {
					assert.ErrorIs(t, got.(error), err)
				}
				if workers > 1 {
					assert.EqualValues(t, 2*workers, f.done.Load(), "the other tasks are done")
				} else {
					assert.EqualValues(t, task+1, f.done.Load(), "the tasks behind aren't begun")
				}

				// The team is as it was.
				c := &count{done: make([]atomic.Int32, 50), workers: workers}
				team.Run(50, c)
				for i := range c.done {
					require.EqualValues(t, 1, c.done[i].Load(), "task %d of the next job", i)
				}
				require.Zero(t, c.strange.Load())
			}
		}
	}
}

// Of several panics the caller meets that of the first task, whoever comes first.
func TestFirstPanicWins(t *testing.T) {
	for _, workers := range []int{1, 2, 4} {
		team := NewTeam(workers)
		for range 200 {
			f := &failing{panics: map[int]any{}}
			for task := 3; task < 20; task++ {
				f.panics[task] = task
			}
			require.Equal(t, 3, recovered(func() { team.Run(20, f) }), "%d workers", workers)
		}
	}
}

// exiting is a job whose last task ends the goroutine of every worker but the caller.
type exiting struct{ failing }

func (e *exiting) Do(task, worker int) {
	e.failing.Do(task, worker)
	if worker > 0 {
		runtime.Goexit()
	}
}

func TestGoexitReachesTheCaller(t *testing.T) {
	team := NewTeam(2)
	for range 100 {
		e := &exiting{}
		e.arrived.workers.Store(2)
		got := fmt.Sprint(recovered(func() { team.Run(2, e) }))
		require.Regexp(t, `^parallel: task [01] ended its worker's goroutine by runtime.Goexit$`, got)
	}
	assert.LessOrEqual(t, team.coming.Load(), int64(2), "workers that are left over")
}

// A program that doesn't recover the panic prints the stack of the task.
func TestTracebackHasTheTask(t *testing.T) {
	const variable = "STEPPE_TEST_PANICS"
	if os.Getenv(variable) != "" {
		f := &failing{panics: map[int]any{0: "the value", 1: "the value"}}
		f.arrived.workers.Store(2)
		NewTeam(2).Run(2, f)
		return
	}
	command := exec.Command(os.Args[0], "-test.run=^TestTracebackHasTheTask$")
	command.Env = append(os.Environ(), variable+"=1")
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	err := command.Run()
	simdtest.SkipIfEmulated(t, err)
	assert.Error(t, err)
	assert.Contains(t, output.String(), "panic: the value")
	_, stack, found := strings.Cut(output.String(), "parallel: task 0 panicked on its worker:")
	require.True(t, found, output.String())
	assert.Contains(t, stack, "(*failing).Do(")
}
