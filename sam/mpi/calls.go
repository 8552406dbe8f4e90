//go:build mpi && cgo

package mpi

// #include "calls.h"
import "C"

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"unsafe"
)

// request is a call that the thread of MPI is to make.
type request struct {
	method        method
	send, receive [][]float32
	floats        []float32
	bytes         []byte
	root          int
	all           [][]byte // what Gather returns
}

type method int

const (
	exchange method = iota
	sum
	broadcast
	gather
	barrier
	finish
)

func (m method) String() string {
	return [...]string{"Exchange", "Sum", "Broadcast", "Gather", "Barrier", "Close"}[m]
}

// MPI counts in int32, so that larger messages go in pieces. Variables, so that tests can have
// pieces of small messages.
var (
	messageFloats = 1 << 28
	bucketFloats  = 1 << 20 // of a Sum
	smallSum      = 1 << 12
	messageBytes  = 1 << 30
	gatherBytes   = math.MaxInt32
)

// do makes the call that has been asked for. It reports whether Abort has interrupted it.
func (c *communicator) do() (err error, interrupted bool) {
	r := &c.request
	defer c.pins.release()
	var code C.int
	switch r.method {
	case exchange:
		code = c.exchange(r.send, r.receive)
	case sum:
		code = c.sum(r.floats)
	case broadcast:
		code = c.broadcast(r.bytes, r.root)
	case gather:
		code = c.gather(r.bytes, r.all)
	case barrier:
		if code = C.steppe_mpi_barrier(); code == 0 {
			code = C.steppe_mpi_wait()
		}
	case finish:
		code = C.steppe_mpi_finish()
	}
	switch code {
	case 0:
		return nil, false
	case C.STEPPE_MPI_INTERRUPTED:
		return nil, true
	case C.STEPPE_MPI_ASKED:
		c.end(C.GoString(C.steppe_mpi_reason()))
	}
	return c.failure(r.method.String(), code), false
}

// exchange begins with what it receives, so that messages find their place when they come.
func (c *communicator) exchange(send, receive [][]float32) C.int {
	for step := 1; step < c.size; step++ {
		from := (c.rank + c.size - step) % c.size
		for rest := receive[from]; len(rest) > 0; {
			piece := rest[:min(len(rest), messageFloats)]
			rest = rest[len(piece):]
			if code := C.steppe_mpi_receive(c.pins.floats(piece), C.int(len(piece)), C.int(from)); code != 0 {
				return code
			}
		}
	}
	for step := 1; step < c.size; step++ {
		to := (c.rank + step) % c.size
		for rest := send[to]; len(rest) > 0; {
			piece := rest[:min(len(rest), messageFloats)]
			rest = rest[len(piece):]
			if code := C.steppe_mpi_send(c.pins.floats(piece), C.int(len(piece)), C.int(to)); code != 0 {
				return code
			}
		}
	}
	copy(receive[c.rank], send[c.rank])
	return C.steppe_mpi_wait()
}

// sum waits in a barrier, which can be interrupted, and then adds by MPI_Allreduce. In Open MPI
// that takes half the time of MPI_Iallreduce from 64 KB on. A few floats aren't worth a barrier.
func (c *communicator) sum(x []float32) C.int {
	if len(x) == 0 {
		return 0
	}
	small := len(x) <= smallSum
	var code C.int
	if small {
		code = C.steppe_mpi_sum(c.pins.floats(x), C.int(len(x)))
	} else {
		code = C.steppe_mpi_barrier()
	}
	if code == 0 {
		code = C.steppe_mpi_wait()
	}
	for !small && len(x) > 0 && code == 0 {
		bucket := x[:min(len(x), bucketFloats)]
		x = x[len(bucket):]
		code = C.steppe_mpi_sum_now(c.pins.floats(bucket), C.int(len(bucket)))
	}
	return code
}

func (c *communicator) broadcast(x []byte, root int) C.int {
	for len(x) > 0 {
		piece := x[:min(len(x), messageBytes)]
		x = x[len(piece):]
		if code := C.steppe_mpi_broadcast(c.pins.bytes(piece), C.int(len(piece)), C.int(root)); code != 0 {
			return code
		}
		if code := C.steppe_mpi_wait(); code != 0 {
			return code
		}
	}
	return 0
}

// gather fills all: the parts' lengths first, then the parts.
func (c *communicator) gather(x []byte, all [][]byte) C.int {
	lengths := make([]int64, c.size)
	mine := int64(len(x))
	c.pins.pin(unsafe.Pointer(&mine))
	c.pins.pin(unsafe.Pointer(&lengths[0]))
	if code := C.steppe_mpi_gather_lengths((*C.int64_t)(&mine), (*C.int64_t)(&lengths[0])); code != 0 {
		return code
	}
	if code := C.steppe_mpi_wait(); code != 0 {
		return code
	}
	var total int64
	for _, n := range lengths {
		total += n
	}
	memory := make([]byte, total)
	counts, starts := make([]C.int, c.size), make([]C.int, c.size)
	var start int64
	for r, n := range lengths {
		all[r] = memory[start : start+n : start+n]
		counts[r], starts[r] = C.int(n), C.int(start)
		start += n
	}
	if total > int64(gatherBytes) {
		copy(all[c.rank], x)
		for r := range all {
			if code := c.broadcast(all[r], r); code != 0 {
				return code
			}
		}
		return 0
	}
	c.pins.pin(unsafe.Pointer(&counts[0]))
	c.pins.pin(unsafe.Pointer(&starts[0]))
	code := C.steppe_mpi_gather(c.pins.bytes(x), C.int(len(x)), c.pins.bytes(memory), &counts[0], &starts[0])
	if code != 0 {
		return code
	}
	return C.steppe_mpi_wait()
}

// failure is the Go error of a code, in MPI's own words.
func (c *communicator) failure(what string, code C.int) error {
	var from, got, want C.int
	C.steppe_mpi_fault(&from, &got, &want)
	switch {
	case code == C.STEPPE_MPI_MEMORY:
		return errors.New("mpi: " + what + ": there is no memory for the requests")
	case code == C.STEPPE_MPI_SHORT:
		return fmt.Errorf("mpi: %s: rank %d sent %d floats to rank %d, which expected %d", what, from, got, c.rank, want)
	case from >= 0:
		return fmt.Errorf("mpi: %s: receiving %d floats from rank %d: %s", what, want, from, C.GoString(C.steppe_mpi_error(code)))
	}
	return fmt.Errorf("mpi: %s: %s", what, C.GoString(C.steppe_mpi_error(code)))
}

// pins keeps memory of Go in its place while C has its address. A runtime.Pinner allocates when it
// pins more than five things, so each has five.
type pins struct {
	pinners []*runtime.Pinner
	used    int // pins
}

const pinsEach = 5

func (p *pins) pin(x unsafe.Pointer) {
	if p.used/pinsEach == len(p.pinners) {
		p.pinners = append(p.pinners, new(runtime.Pinner))
	}
	p.pinners[p.used/pinsEach].Pin(x)
	p.used++
}

func (p *pins) floats(x []float32) *C.float {
	p.pin(unsafe.Pointer(unsafe.SliceData(x)))
	return (*C.float)(unsafe.SliceData(x))
}

// bytes returns the address of x, nil if x has no memory.
func (p *pins) bytes(x []byte) unsafe.Pointer {
	if len(x) == 0 {
		return nil
	}
	p.pin(unsafe.Pointer(unsafe.SliceData(x)))
	return unsafe.Pointer(unsafe.SliceData(x))
}

func (p *pins) release() {
	for i := range (p.used + pinsEach - 1) / pinsEach {
		p.pinners[i].Unpin()
	}
	p.used = 0
}
