package ranks

import (
	"errors"
	"fmt"
	"strings"
	"sync"
)

// world is where the ranks meet. A call has two meetings: it begins when all ranks have called the
// same, and ends when all have done their part, so that no rank changes what another one reads.
type world struct {
	mutex   sync.Mutex
	changed sync.Cond

	calls   []call // by rank: what it has called and not finished
	here    int    // ranks in a call
	ended   []bool // by rank
	gone    int    // ranks that have ended
	begun   uint64 // calls that all ranks have begun
	done    uint64 // calls that all ranks have finished
	working int    // ranks that work at the call that has begun

	aborted *Aborted
}

// call is a method's name and its arguments.
type call struct {
	method        method
	send, receive [][]float32
	floats        []float32
	bytes         []byte
	root          int
}

type method int

const (
	none method = iota
	exchange
	sum
	broadcast
	gather
	barrier
)

func (c *call) String() string {
	switch c.method {
	case exchange:
		return "Exchange"
	case sum:
		return fmt.Sprintf("Sum of %d floats", len(c.floats))
	case broadcast:
		return fmt.Sprintf("Broadcast of %d bytes from rank %d", len(c.bytes), c.root)
	case gather:
		return "Gather"
	case barrier:
		return "Barrier"
	}
	return "nothing"
}

// agrees says whether two ranks' calls can be parts of one, the parts of an Exchange apart.
func (c *call) agrees(other *call) bool {
	return c.method == other.method && len(c.floats) == len(other.floats) && c.root == other.root &&
		(c.method != broadcast || len(c.bytes) == len(other.bytes))
}

// begin returns when all ranks have called the same.
func (w *world) begin(rank int, c call) error {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if w.aborted != nil {
		return w.aborted
	}
	if under := &w.calls[rank]; under.method != none {
		called := c // c itself mustn't escape to the heap
		w.abort(rank, fmt.Errorf("%v was called while the rank's %v was under way", &called, under))
		return w.aborted
	}
	w.calls[rank] = c
	w.here++
	turn := w.begun
	w.settle()
	for w.begun == turn && w.aborted == nil {
		w.changed.Wait()
	}
	if w.begun == turn {
		return w.aborted
	}
	return nil
}

// finish returns when all ranks have done their part of the call. An abort doesn't end it early,
// since the others may still read this rank's memory: none of them waits for anything.
func (w *world) finish() {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	turn := w.done
	if w.working--; w.working == 0 {
		clear(w.calls)
		w.here = 0
		w.done++
		w.changed.Broadcast()
	}
	for w.done == turn {
		w.changed.Wait()
	}
}

// settle begins the call once each rank has called, and aborts if they can't go on together.
func (w *world) settle() {
	if w.aborted != nil || w.here == 0 || w.here+w.gone < len(w.calls) {
		return
	}
	if err := w.disagreement(); err != nil {
		w.abort(-1, err)
		return
	}
	w.begun++
	w.working = len(w.calls)
	w.changed.Broadcast()
}

// disagreement compares the calls of all ranks, once all are here or gone.
func (w *world) disagreement() error {
	first := &w.calls[0]
	agree := w.gone == 0
	for i := range w.calls {
		agree = agree && w.calls[i].agrees(first)
	}
	if !agree {
		var all []string
		for i := range w.calls {
			if w.ended[i] {
				all = append(all, fmt.Sprintf("rank %d has ended", i))
			} else {
				all = append(all, fmt.Sprintf("rank %d called %v", i, &w.calls[i]))
			}
		}
		return errors.New("the ranks' calls don't agree: " + strings.Join(all, ", "))
	}
	if first.method != exchange {
		return nil
	}
	for from := range w.calls {
		for to := range w.calls {
			sent, expected := len(w.calls[from].send[to]), len(w.calls[to].receive[from])
			if sent != expected {
				return fmt.Errorf("Exchange: rank %d sent %d floats to rank %d, which expected %d", from, sent, to, expected)
			}
		}
	}
	return nil
}

// end notes that a rank has ended.
func (w *world) end(rank int, err error) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if err != nil {
		w.abort(rank, err)
	}
	if under := &w.calls[rank]; under.method != none {
		w.abort(rank, fmt.Errorf("the rank ended while its %v was under way", under))
	}
	w.ended[rank] = true
	w.gone++
	w.settle()
}

// abort makes all calls fail, unless they do already.
func (w *world) abort(rank int, reason error) {
	if w.aborted == nil {
		w.aborted = &Aborted{rank, reason}
		w.changed.Broadcast()
	}
}
