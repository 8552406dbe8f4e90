package program

import (
	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/net/op"
)

// Shard is a run of consecutive samples of a batch.
type Shard struct{ First, N int }

// Pass describes one run of a program, forward and backward, over a tile: some
// consecutive shards of a batch.
type Pass struct {
	Batch  op.Batch // the whole batch
	Shards []Shard  // the tile's

	// The gradient is that of Scale times the sum of the loss terms; with Means, that
	// of each shard's mean.
	Scale float64
	Means bool

	Team   *blas.Team
	Params []float32 // flat
	Packs  Packs     // of Params; nil if they aren't packed
	State  []float32 // flat, read in prediction
	Train  bool
	Seed   uint64
	Step   uint64

	Perturb   []Perturb   // by op; nil for none
	Gradients Gradients   // where they go; nil if not wanted
	Only      op.Role     // gradients of these parameters are wanted, "" for all; others may be there or not
	Stats     [][]float32 // by shard of the tile, flat: where its statistics go; nil if not wanted

	Losses []float64 // by shard of the tile: Forward sets them to the sums of its terms
}

// Gradients decides where a pass leaves the gradients of parameters.
type Gradients interface {
	// Of returns where the gradient of an op over a shard of the tile goes, or is
	// added to; nil if it is not wanted.
	Of(op, shard int) (g []float32, add bool)
}

// Perturbation says how an op's parameters differ from shard to shard.
type Perturbation uint8

const (
	Unperturbed Perturbation = iota // they don't
	Formed                          // they are in memory, one set a shard
	Factored                        // by multiples of the shards' gradients, which are not formed
)

// Perturb is the parameters of one op, shard by shard.
type Perturb struct {
	Kind Perturbation

	Params [][]float32 // Formed: by shard of the tile, the op's own

	// Factored: each shard's parameters are those of the pass + c*G, where G is the
	// gradient made of the tile's inputs In and output gradients. D is those output
	// gradients, multiplied by c. Kept is what GradNormSq kept, shard behind shard.
	In, D op.Tensor
	Kept  []float32
}

func (p *Pass) kind(i int) Perturbation {
	if p.Perturb == nil {
		return Unperturbed
	}
	return p.Perturb[i].Kind
}

func (p *Pass) packs(i int) []op.Packed {
	if p.Packs == nil {
		return nil
	}
	return p.Packs[i]
}

// params returns the parameters of op i for shard s.
func (p *Pass) params(n *node, i, s int) []float32 {
	if p.kind(i) == Formed {
		return p.Perturb[i].Params[s]
	}
	return n.params.of(p.Params)
}

// run returns the samples of consecutive shards.
func run(shards []Shard) (first, n int) {
	last := shards[len(shards)-1]
	return shards[0].First, last.First + last.N - shards[0].First
}
