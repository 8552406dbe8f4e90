// Package ranks runs the ranks of a job as goroutines of one process. A Rank does what
// sam.Communicator asks for, without MPI: tests run with it, and so do several ranks in one
// process.
package ranks

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
)

// Rank is one rank's end of the communicator. All ranks call the same methods in the same order,
// with arguments that agree; a rank calls from one goroutine at a time.
//
// Ranks that don't agree would wait for each other forever under MPI. Here each call returns an
// error that says which rank called what.
type Rank struct {
	number int
	world  *world
}

// Aborted is the error of all calls after a rank has aborted, and of Run.
type Aborted struct {
	Rank   int // the rank that aborted, or -1 if the ranks didn't agree
	Reason error
}

func (a *Aborted) Error() string {
	if a.Rank < 0 {
		return "ranks: " + a.Reason.Error()
	}
	return fmt.Sprintf("rank %d: %v", a.Rank, a.Reason)
}

func (a *Aborted) Unwrap() error { return a.Reason }

// Run runs n ranks, each of them a goroutine that calls rank, and returns when all have ended. A
// rank that returns an error, panics, or ends its goroutine aborts the others: their calls return
// an Aborted with its reason. So does Run, with the first reason if there are several.
func Run(n int, rank func(r *Rank) error) error {
	if n < 1 {
		return fmt.Errorf("ranks: %d ranks, want at least 1", n)
	}
	w := &world{calls: make([]call, n), ended: make([]bool, n)}
	w.changed.L = &w.mutex
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { w.run(&Rank{i, w}, rank) })
	}
	all.Wait()
	if w.aborted != nil {
		return w.aborted
	}
	return nil
}

// run calls rank, and tells the others how it has ended.
func (w *world) run(r *Rank, rank func(r *Rank) error) {
	err := errors.New("the rank ended its goroutine by runtime.Goexit")
	defer func() {
		if value := recover(); value != nil {
			err = fmt.Errorf("panic: %v\n%s", value, debug.Stack())
			if cause, ok := value.(error); ok {
				err = fmt.Errorf("panic: %w\n%s", cause, debug.Stack())
			}
		}
		w.end(r.number, err)
	}()
	err = rank(r)
}

// Rank returns the rank's number, from 0 to Size()-1.
func (r *Rank) Rank() int { return r.number }

// Size returns the number of ranks.
func (r *Rank) Size() int { return len(r.world.calls) }

// Abort makes all calls of all ranks fail with the reason, which Run returns, and ends the
// goroutine that calls it. Any goroutine may. Of several reasons the first counts.
func (r *Rank) Abort(reason error) {
	r.world.mutex.Lock()
	r.world.abort(r.number, reason)
	r.world.mutex.Unlock()
	runtime.Goexit()
}
