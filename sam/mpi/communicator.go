//go:build mpi && cgo

package mpi

// #include <stdlib.h>
// #include "calls.h"
import "C"

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/steppe-ml/steppe/internal/ranks"
)

// communicator hands all calls to the one thread that calls MPI. The request lies in its fields, so
// that a call allocates nothing.
type communicator struct {
	rank, size int
	library    string

	calling sync.Mutex // a call is under way
	request request
	asked   chan struct{} // the request is there
	answer  chan error
	ended   error // MPI has ended, or failed, and this is what calls return

	abortOnce sync.Once
	aborting  chan string   // the reason
	served    chan struct{} // closed when the thread of MPI has ended

	// For the thread of MPI alone.
	pins pins
}

var started atomic.Bool

func start() (Communicator, error) {
	if started.Swap(true) {
		return nil, errors.New("mpi: MPI has been started already, which a process can do once")
	}
	c := &communicator{asked: make(chan struct{}), answer: make(chan error), aborting: make(chan string, 1), served: make(chan struct{})}
	go c.serve()
	if err := <-c.answer; err != nil {
		return nil, err
	}
	if c.size == 1 {
		if err := alone(); err != nil {
			return nil, errors.Join(err, c.Close())
		}
	}
	return c, nil
}

// alone looks for the trace of an mpirun that has started several processes, though MPI says that
// this one is alone: the program was built for another MPI.
func alone() error {
	for _, launcher := range []struct{ variable, name string }{
		{"OMPI_COMM_WORLD_SIZE", "Open MPI's mpirun"},
		{"PMI_SIZE", "MPICH's mpirun"},
		{"SLURM_STEP_NUM_TASKS", "Slurm's srun"},
	} {
		if n, err := strconv.Atoi(os.Getenv(launcher.variable)); err == nil && n > 1 {
			return fmt.Errorf("mpi: %s has started %d processes, but they don't find each other: this program was built for %s",
				launcher.name, n, builtFor)
		}
	}
	return nil
}

// serve calls MPI, from start to end, on a thread of its own.
func (c *communicator) serve() {
	defer close(c.served)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var rank, size, provided C.int
	code := C.steppe_mpi_start(&rank, &size, &provided)
	if code != 0 {
		c.answer <- c.failure("MPI_Init_thread", code)
		return
	}
	c.rank, c.size = int(rank), int(size)
	c.library = nameOf(C.GoString(C.steppe_mpi_library()))
	c.answer <- nil
	listen := time.NewTicker(100 * time.Millisecond)
	defer listen.Stop()
	for {
		select {
		case <-c.asked:
			last := c.request.method == finish // the caller may make the next request once it has the answer
			err, interrupted := c.do()
			if interrupted {
				c.end(<-c.aborting)
			}
			c.answer <- err
			if last {
				return
			}
		case reason := <-c.aborting:
			c.end(reason)
		case <-listen.C:
			if C.steppe_mpi_listen() == C.STEPPE_MPI_ASKED {
				c.end(C.GoString(C.steppe_mpi_reason()))
			}
		}
	}
}

// nameOf cuts off what a library says of itself after its name and version, which can be a page.
func nameOf(library string) string {
	end := strings.IndexAny(library, ",\n")
	if end >= 0 {
		library = library[:end]
	}
	return strings.Join(strings.Fields(library), " ")
}

// call has the thread of MPI do the request.
func (c *communicator) call(r request) error {
	if !c.calling.TryLock() {
		return fmt.Errorf("mpi: %v was called while another call was under way", r.method)
	}
	defer c.calling.Unlock()
	if c.ended != nil {
		return c.ended
	}
	c.request = r
	c.asked <- struct{}{}
	err := <-c.answer
	c.request = request{}
	if err != nil {
		c.ended = err
	}
	return err
}

func (c *communicator) Rank() int       { return c.rank }
func (c *communicator) Size() int       { return c.size }
func (c *communicator) Library() string { return c.library }

func (c *communicator) Exchange(send, receive [][]float32) error {
	if err := ranks.CheckParts(c.rank, c.size, send, receive); err != nil {
		return err
	}
	return c.call(request{method: exchange, send: send, receive: receive})
}

func (c *communicator) Sum(x []float32) error {
	return c.call(request{method: sum, floats: x})
}

func (c *communicator) Broadcast(x []byte, root int) error {
	if err := ranks.CheckRoot(c.size, root); err != nil {
		return err
	}
	return c.call(request{method: broadcast, bytes: x, root: root})
}

func (c *communicator) Gather(x []byte) ([][]byte, error) {
	all := make([][]byte, c.size)
	if err := c.call(request{method: gather, bytes: x, all: all}); err != nil {
		return nil, err
	}
	return all, nil
}

func (c *communicator) Barrier() error { return c.call(request{method: barrier}) }

func (c *communicator) Close() error {
	err := c.call(request{method: finish})
	if err == nil {
		c.ended = errors.New("mpi: the communicator is closed")
	}
	return err
}

// Abort has rank 0 print the reason and end all processes. If rank 0 doesn't, this rank does.
func (c *communicator) Abort(reason error) {
	c.abortOnce.Do(func() {
		text := fmt.Sprintf("rank %d: %v", c.rank, reason)
		if len(text) >= longestReason {
			text = text[:longestReason-len("...\n")] + "..."
		}
		text += "\n"
		c.aborting <- text
		C.steppe_mpi_interrupt()
		// The thread of MPI ends the process, unless it has ended, or is stuck in MPI.
		select {
		case <-c.served:
		case <-time.After(graceOfOthers + 5*time.Second):
		}
		say(text)
		os.Exit(1)
	})
	select {}
}

const (
	longestReason = C.STEPPE_MPI_REASON
	// graceOfOthers is how long a rank waits for rank 0 to end the job.
	graceOfOthers = 3 * time.Second
)

// end ends all processes. It runs on the thread of MPI.
func (c *communicator) end(reason string) {
	if c.rank != 0 {
		text := C.CString(reason)
		C.steppe_mpi_ask(text, C.int(len(reason)))
		time.Sleep(graceOfOthers)
	}
	say(reason)
	C.steppe_mpi_abort(1)
	os.Exit(1)
}

// say prints a reason, after which the process ends. mpirun has a moment to read it: MPICH's would
// otherwise end the job without what it hasn't read.
func say(text string) {
	C.steppe_mpi_print((*C.char)(unsafe.Pointer(unsafe.StringData(text))), C.size_t(len(text)))
	time.Sleep(200 * time.Millisecond)
}
