package program

import (
	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/net/op"
)

// Shard is a run of consecutive samples of a batch.
type Shard = op.Shard

// Pass describes one run of a program over a tile, forward or forward and backward. A tile is some
// consecutive shards of a batch.
type Pass struct {
	Batch  op.Batch // the whole batch
	Shards []Shard  // the shards of the tile

	Scale float64 // the gradient is that of Scale times the sum of the loss's terms
	Means bool    // the gradient is that of each shard's mean instead
	// Scales by shard of the tile stand in for Scale; nil if it is the same for all.
	Scales []float64

	Team   *blas.Team
	Params []float32 // flat
	Packs  Packs     // of Params; nil if they aren't packed
	State  []float32 // flat, read in prediction and if Running
	Train  bool      // a training step; otherwise prediction

	// Of a training step whose function is to be differentiated as it is in prediction:
	Running bool // normalize by State, not by the shard's own statistics
	Still   bool // draw no random bits

	Precision blas.Precision // in which ops multiply that heed it

	Pieces Pieces // of the tile: the pass finds them, and with Within computes in them; nil for neither
	Within bool

	Seed uint64 // of random bits
	Step uint64 // of random bits

	Perturb   []Perturb   // by op; nil if none is perturbed
	Gradients Gradients   // where gradients of parameters go; nil if not wanted
	Only      []op.Role   // by op: only gradients of this role are wanted, others may be set or not; "" for all; nil is all of all
	Needs     *Needs      // what Backward has to compute; nil for the workspace's Size.Trains
	Stats     [][]float32 // by shard of the tile, flat: where its statistics go; nil if not wanted

	Losses []float64 // by shard of the tile: Forward sets them to the sums of the loss's terms
	// SampleLosses by sample of the tile: Forward sets them likewise; nil if not wanted.
	SampleLosses []float64

	// From is the first op of the forward pass; Workspace.ResumeAt returns it. The values of those
	// before it are the same as in the pass before, over the same tile.
	From int

	// Samples are the indexes in the batch of the tile's samples, after Select; otherwise nil.
	Samples []int

	// With a teacher, the gradient is that of the loss and Weight times the divergence from it. The
	// loss is then an op.Distillable.
	Teacher     op.Tensor // the teacher's outputs for the tile; without Data there is none
	Weight      float64
	Divergences []float64 // by shard of the tile: Forward sets them to the sums of the divergence's terms
}

// Gradients decides where a pass stores the gradients of parameters.
type Gradients interface {
	// Of returns where the gradient of an op over a shard of the tile is stored, or with add
	// where it is added. g is nil if the gradient is not wanted.
	Of(op, shard int) (g []float32, add bool)
}

// Perturbation says how an op's parameters differ from shard to shard.
type Perturbation uint8

// The kinds of perturbation.
const (
	Unperturbed Perturbation = iota // all shards have the pass's parameters
	Formed                          // each shard has parameters of its own in memory
	Factored                        // each shard adds a multiple of its gradient, which is not formed
)

// Perturb is the parameters of one op, shard by shard.
type Perturb struct {
	Kind Perturbation

	Params [][]float32 // if Formed, by shard of the tile: the op's own parameters

	// If Factored, a shard's parameters are those of the pass plus c*G(In, D/c), with the
	// gradient G of op.Factorable and the shard's own c.
	In   op.Tensor // the op's input in the ascent
	D    op.Tensor // the op's output gradients in the ascent, times c
	Kept []float32 // Call.Kept as GradNormSq left it
}

// kind returns how the parameters are perturbed that n uses.
func (p *Pass) kind(n *node) Perturbation {
	if p.Perturb == nil {
		return Unperturbed
	}
	return p.Perturb[n.owner].Kind
}

// precision is that of n's products in a pass of a precision: full, unless n heeds another.
func (n *node) precision(of blas.Precision) blas.Precision {
	if n.traits.Rounds {
		return of
	}
	return blas.Full
}

// only returns the role of the parameters of n whose gradients are wanted.
func (p *Pass) only(n *node) op.Role {
	if p.Only == nil {
		return ""
	}
	return p.Only[n.owner]
}

func (p *Pass) packs(i int) []op.Packed {
	if p.Packs == nil {
		return nil
	}
	return p.Packs[i]
}

// params returns the parameters that n uses for shard s.
func (p *Pass) params(n *node, s int) []float32 {
	if p.kind(n) == Formed {
		return p.Perturb[n.owner].Params[s]
	}
	return n.params.Of(p.Params)
}

// run returns the first sample and the number of samples of consecutive shards.
func run(shards []Shard) (first, n int) {
	last := shards[len(shards)-1]
	return shards[0].First, last.First + last.N - shards[0].First
}
