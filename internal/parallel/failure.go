package parallel

import (
	"fmt"
	"runtime/debug"
)

// failure is a task that panicked.
type failure struct {
	task  int
	value any
	stack []byte // of the panic
}

// keep keeps a task's panic for the caller, unless a task of a lower number has panicked. It is
// called by the function that recovers value, while the stack of the panic is still there. A value
// of nil means that the task has ended its goroutine: that of the caller ends without a panic.
func (t *Team) keep(task, worker int, value any) {
	if value == nil {
		if worker == 0 {
			return
		}
		value = fmt.Sprintf("parallel: task %d ended its worker's goroutine by runtime.Goexit", task)
	}
	f := &failure{task, value, debug.Stack()}
	for {
		other := t.failure.Load()
		if other != nil && other.task <= task || t.failure.CompareAndSwap(other, f) {
			return
		}
	}
}

// panic panics with the task's value. A program that ends by it prints both panics, so the first
// one has the stack for it; recover returns the second.
func (f *failure) panic() {
	defer panic(f.value)
	panic(fmt.Sprintf("parallel: task %d panicked on its worker:\n%s", f.task, f.stack))
}
