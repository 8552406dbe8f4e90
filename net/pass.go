package net

import "github.com/steppe-ml/steppe/blas"

// Shard is a run of consecutive samples of a batch.
type Shard struct{ First, N int }

// Pass is one run of a model, forward and backward, over a tile: some
// consecutive shards of a batch.
type Pass struct {
	Batch  Batch   // the whole batch
	Shards []Shard // the tile's
	Scale  float64 // of the loss: the gradient is that of Scale times the sum of the terms, or
	Means  bool    // of each shard's mean

	Team   *blas.Team
	Params []float32 // flat
	Packs  Packs     // of Params; nil if they aren't packed
	State  []float32 // flat, read in prediction
	Train  bool
	Seed   uint64
	Step   uint64

	Perturb   []Perturb   // by op; nil for none
	Gradients Gradients   // where they go; nil if not wanted
	Only      Role        // the parameters that they are wanted of, "" for all; others' may be there or not
	Stats     [][]float32 // by shard of the tile, flat: where its statistics go; nil if not wanted

	Losses []float64 // by shard of the tile: set to the sum of its terms
}

// Gradients says where a pass leaves its parameters' gradients.
type Gradients interface {
	// Of returns where the gradient of an op over a shard of the tile goes,
	// or is added to; nil if it is not wanted.
	Of(op, shard int) (g []float32, add bool)
}

// Kind is how an op's parameters differ from shard to shard.
type Kind uint8

const (
	Same   Kind = iota // not at all
	Formed             // they are in memory, one set a shard
	Factor             // by multiples of the shards' gradients, which are not formed
)

// Perturb is the parameters of one op, shard by shard.
type Perturb struct {
	Kind   Kind
	Params [][]float32 // Formed: by shard of the tile, the op's own
	In, D  Tensor      // Factor: the tile's inputs and output gradients, with these multiplied by c: each shard's parameters are those of the pass + c*G
	Kept   []float32   // Factor: what GradNormSq kept, shard behind shard
}

// Late is the inputs and output gradients of a whole batch for the ops whose
// gradients are computed by one call, after all tiles are through.
type Late struct {
	ops                     []bool
	valueFloats, gradFloats []int       // by storage; 0 for what isn't kept
	values, grads           [][]float32 // by storage; nil before Allocate

	call Call
	in   []Tensor
}

// NewLate returns the memory for batches of up to samples. ops says which ops
// are late.
func (m *Model) NewLate(samples int, ops []bool) *Late {
	l := m.PlanLate(samples, ops)
	l.Allocate()
	return l
}

// PlanLate is NewLate without the memory, which Allocate brings.
func (m *Model) PlanLate(samples int, ops []bool) *Late {
	l := &Late{
		ops: ops, valueFloats: make([]int, len(m.shapes)), gradFloats: make([]int, len(m.shapes)),
		values: make([][]float32, len(m.shapes)), grads: make([][]float32, len(m.shapes)),
	}
	for i, n := range m.nodes {
		if !ops[i] {
			continue
		}
		for _, v := range n.in {
			if s := m.storage[v]; s != 0 {
				l.valueFloats[s] = samples * m.shapes[s].Size()
			}
		}
		s := m.gradStorage[n.out]
		l.gradFloats[s] = samples * m.shapes[s].Size()
		if s := m.storage[n.out]; !n.traits.FreesOut {
			l.valueFloats[s] = samples * m.shapes[s].Size()
		}
	}
	return l
}

// Allocate takes the memory that was planned.
func (l *Late) Allocate() {
	for s := range l.values {
		if n := l.valueFloats[s]; n > 0 {
			l.values[s] = make([]float32, n)
		}
		if n := l.gradFloats[s]; n > 0 {
			l.grads[s] = make([]float32, n)
		}
	}
}

// Twin returns l for another goroutine, which may compute the gradients of other samples
// at the same time: the memory is the same.
func (l *Late) Twin() *Late {
	twin := *l
	twin.in = nil
	return &twin
}

// holdsValue and holdsGrad report whether a storage lies in l, which may be nil.
func (l *Late) holdsValue(s Value) bool { return l != nil && l.valueFloats[s] > 0 }
func (l *Late) holdsGrad(s Value) bool  { return l != nil && l.gradFloats[s] > 0 }

// Bytes returns the size of l.
func (l *Late) Bytes() (total int) {
	for s := range l.values {
		total += 4 * (l.valueFloats[s] + l.gradFloats[s])
	}
	return total
}

// Gradients sets g, flat, to the late ops' gradients over a run of the batch's samples.
func (l *Late) Gradients(m *Model, team *blas.Team, batch Batch, run Shard, g []float32) {
	all := func(of [][]float32, storage []Value, v Value) Tensor {
		t := Tensor{N: batch.N, Shape: m.shapes[v]}
		if m.isInput(v) {
			t.Data = batch.X
		} else if data := of[storage[v]]; data != nil {
			t.Data = data[:batch.N*t.Shape.Size()]
		}
		return t.Slice(run.First, run.N)
	}
	for i, n := range m.nodes {
		if !l.ops[i] {
			continue
		}
		l.in = l.in[:0]
		for _, v := range n.in {
			l.in = append(l.in, all(l.values, m.storage, v))
		}
		l.call = Call{Team: team, Train: true, Op: i}
		n.op.Gradient(&l.call, l.in, all(l.values, m.storage, n.out), all(l.grads, m.gradStorage, n.out), n.params.of(g))
	}
}
