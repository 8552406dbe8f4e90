package dataset

import (
	"iter"
	"runtime/debug"

	"github.com/steppe-ml/steppe/net"
)

// ahead makes batches of a set in a goroutine of its own, one batch ahead of the loop over them.
type ahead struct {
	set            *Set
	size           int                                              // samples of a batch
	first, batches int                                              // number of the first batch, and one more than that of the last
	order          func() []int                                     // indices of the samples; nil for the order of the set
	own            func(samples int) (from, to int)                 // those of a batch that are read; nil for all
	change         func(x []float32, indices []int, random *Random) // of samples that are read; nil for none
}

// seq returns the batches. An error is the last that it returns.
func (a ahead) seq() iter.Seq2[net.Batch, error] {
	return func(yield func(net.Batch, error) bool) {
		const buffers = 2 // the consumer has one while fill works on the other
		empty, full := make(chan net.Batch, buffers), make(chan net.Batch, buffers)
		for range buffers {
			empty <- a.set.batch(min(a.size, a.set.Len()))
		}
		var failed failure // read it only after full is closed
		go a.fill(empty, full, &failed)
		defer func() {
			close(empty)
			for range full { // until fill has returned and no longer reads the set
			}
		}()
		for batch := range full {
			if !yield(batch, nil) {
				return
			}
			empty <- batch
		}
		failed.panic()
		if failed.err != nil {
			yield(net.Batch{}, failed.err)
		}
	}
}

// failure is how fill has ended if it hasn't made all batches that it was asked for. The zero
// value is no failure.
type failure struct {
	err   error // of a sample
	value any   // of a panic
	stack []byte
}

// panic panics with f's value, if there is one. A program that ends by it prints both panics, so
// the first one has the stack for it; recover returns the second.
func (f *failure) panic() {
	if f.value == nil {
		return
	}
	defer panic(f.value)
	panic("dataset: the goroutine that makes the batches panicked:\n" + string(f.stack))
}

// fill makes batches in the memory that it takes from empty, until the batches or empty end, or a
// sample can't be read. It waits for memory only: the channels have room for all batches. An error
// or a panic goes to failed before full is closed.
func (a ahead) fill(empty <-chan net.Batch, full chan<- net.Batch, failed *failure) {
	finished := false
	defer func() {
		if value := recover(); value != nil {
			*failed = failure{value: value, stack: debug.Stack()}
		} else if !finished {
			*failed = failure{value: "dataset: an augmentation ended its goroutine by runtime.Goexit", stack: debug.Stack()}
		}
		close(full)
	}()
	var order []int
	if a.order != nil {
		order = a.order()
	} else {
		order = indices(a.set.Len())
	}
	r := newReader(a.set)
	var random Random
	for number := a.first; number < a.batches; number++ {
		memory, ok := <-empty
		if !ok {
			break
		}
		indices := order[number*a.size:]
		indices = indices[:min(a.size, len(indices))]
		batch := a.set.gather(memory, indices)
		from, to := 0, len(indices)
		if a.own != nil {
			from, to = a.own(len(indices))
		}
		x := batch.X
		if x != nil {
			x = x[from*a.set.Shape.Size():][:(to-from)*a.set.Shape.Size()]
		}
		r.indices = indices[from:to]
		if err := r.readAll(x); err != nil {
			failed.err = err
			break
		}
		if a.change != nil {
			a.change(x, r.indices, &random)
		}
		full <- batch
	}
	finished = true
}

// indices returns 0 to n-1.
func indices(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}
