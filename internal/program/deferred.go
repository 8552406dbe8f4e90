package program

import (
	"slices"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/net/op"
)

// Deferred keeps the inputs and output gradients of a whole batch, for ops whose gradients are
// computed by one call after all tiles.
type Deferred struct {
	program     *Program
	ops         []bool      // by op: its gradient is deferred
	valueFloats []int       // by storage; 0 if it isn't kept
	gradFloats  []int       // likewise, of gradients
	values      [][]float32 // by storage; nil before Allocate
	grads       [][]float32 // likewise, of gradients

	call op.Call
	in   []op.Tensor
}

// NewDeferred returns the memory for batches of at most that many samples. ops says of each op
// whether its gradient is deferred.
func (p *Program) NewDeferred(samples int, ops []bool) *Deferred {
	d := p.PlanDeferred(samples, ops)
	d.Allocate()
	return d
}

// PlanDeferred is NewDeferred without the memory. Allocate takes it.
func (p *Program) PlanDeferred(samples int, ops []bool) *Deferred {
	d := &Deferred{
		program: p, ops: ops,
		valueFloats: make([]int, len(p.shapes)), gradFloats: make([]int, len(p.shapes)),
		values: make([][]float32, len(p.shapes)), grads: make([][]float32, len(p.shapes)),
	}
	for i, n := range p.nodes {
		if !ops[i] {
			continue
		}
		for _, v := range n.in {
			if s := p.storage[v]; s != 0 {
				d.valueFloats[s] = samples * p.shapes[s].Size()
			}
		}
		s := p.gradStorage[n.out]
		d.gradFloats[s] = samples * p.shapes[s].Size()
		if s := p.storage[n.out]; !n.traits.FreesOut {
			d.valueFloats[s] = samples * p.shapes[s].Size()
		}
	}
	return d
}

// Defers reports whether op i's gradient is deferred.
func (d *Deferred) Defers(i int) bool { return d.ops[i] }

// Allocate takes the memory that was planned.
func (d *Deferred) Allocate() {
	for s := range d.values {
		if n := d.valueFloats[s]; n > 0 {
			d.values[s] = make([]float32, n)
		}
		if n := d.gradFloats[s]; n > 0 {
			d.grads[s] = make([]float32, n)
		}
	}
}

// Twin returns a Deferred for another goroutine, which may compute gradients of other samples at
// the same time. Both have the same memory.
func (d *Deferred) Twin() *Deferred {
	twin := *d
	twin.in = nil
	return &twin
}

// holdsValue reports whether the values of a storage lie in d, which may be nil.
func (d *Deferred) holdsValue(s op.Value) bool { return d != nil && d.valueFloats[s] > 0 }

// holdsGrad reports whether the gradients of a storage lie in d, which may be nil.
func (d *Deferred) holdsGrad(s op.Value) bool { return d != nil && d.gradFloats[s] > 0 }

// Bytes returns the size of d.
func (d *Deferred) Bytes() (total int) {
	for s := range d.values {
		total += 4 * (d.valueFloats[s] + d.gradFloats[s])
	}
	return total
}

// Gradients sets the deferred ops' part of the flat gradient g, from a run of the batch's samples.
// It leaves out ops that wanted doesn't name; nil is all. only and precision are those of Pass.
func (d *Deferred) Gradients(team *blas.Team, batch op.Batch, run Shard, wanted []bool, only []op.Role, precision blas.Precision, g []float32) {
	p := d.program
	for i, n := range p.nodes {
		if !d.ops[i] || wanted != nil && !wanted[i] {
			continue
		}
		d.in = slices.Grow(d.in[:0], len(n.in))
		for _, v := range n.in {
			d.in = append(d.in, d.tensor(d.values, p.storage, v, batch, run))
		}
		d.call = op.Call{Team: team, Train: true, Op: i, Precision: n.precision(precision)}
		if only != nil {
			d.call.Only = only[i]
		}
		n.op.Gradient(&d.call, d.in, d.tensor(d.values, p.storage, n.out, batch, run), d.tensor(d.grads, p.gradStorage, n.out, batch, run), n.params.Of(g))
	}
	clear(d.in) // it may have the batch's memory
}

// tensor returns a run of the batch's samples of a value, or of its gradient.
func (d *Deferred) tensor(memory [][]float32, storage []op.Value, v op.Value, batch op.Batch, run Shard) op.Tensor {
	t := op.Tensor{N: batch.N, Shape: d.program.shapes[v]}
	if d.program.sequence[v] {
		t.Starts = batch.Starts
	}
	if d.program.isInput(v) {
		d.program.bindInput(&t, batch)
	} else if data := memory[storage[v]]; data != nil {
		_, size := d.program.sizeOf(v, batch, 0, batch.N)
		t.Data = data[:size]
	}
	return t.Slice(run.First, run.N)
}
