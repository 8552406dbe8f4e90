package op

import "github.com/steppe-ml/steppe/blas"

// Absorber is an op that can be fused with the op behind it, so that the value between them stays
// in registers or in the cache.
type Absorber interface {
	Op
	// Absorb returns one op that computes the receiver and then next, or nil if the receiver
	// can't absorb next. No op but next reads the receiver's output, and next reads it as its
	// first input. The inputs of the new op are the receiver's, then the rest of next's. Its
	// parameters are the receiver's, then next's; so is its state. Compile refuses a new op
	// whose parameters or state have another size.
	Absorb(next Op) Op
}

// Tied is an op that uses the parameters of another op before it. It has none of its own; the
// methods get the other's, and its gradient is added to the other's. Neither op is Factorable or
// Deferred.
type Tied interface {
	Op
	// TiedTo reports whether the op uses the parameters of o. The last op for which it does
	// counts. There must be one.
	TiedTo(o Op) bool
}

// Packer is an op that multiplies by its parameters, and is faster if they are packed once a step
// for all of its calls.
type Packer interface {
	Op
	// NewPacks returns unfilled packs of the parameters: element 0 for Forward, element 1 for
	// Backward. An element is nil if its direction isn't wanted. An op whose Traits say Rounds makes
	// them for products in wanted.Precision.
	NewPacks(wanted Directions) []Packed
	// Pack fills the packs that aren't nil from the parameters p.
	Pack(team *blas.Team, p []float32, packs []Packed)
}

// Directions are the passes that parameters are packed for.
type Directions struct {
	Forward, Backward bool
	Precision         blas.Precision // of the products
}

// None reports whether parameters are packed for no pass.
func (d Directions) None() bool { return !d.Forward && !d.Backward }

// Packed is an operand in the order in which a product reads fastest, such as a
// *blas.PackedB[float32] or a *conv.PackedFilter. Pack returns it to an op.
type Packed interface {
	Bytes() int // size of its memory
}

// Preparer is an op whose Gradient and Backward begin with the same work.
type Preparer interface {
	Op
	// Prepare does that work, before both are called. It may change dout, for example from the
	// gradient behind an activation to the gradient before it; Gradient and Backward then read
	// the changed dout.
	Prepare(c *Call, p []float32, in []Tensor, out, dout Tensor)
}

// Rematerializer is an op that can compute its output again in the backward pass, from its inputs
// and its Aux, which costs less than to keep the output. The output then has no memory between the
// forward pass and the first call that reads it.
type Rematerializer interface {
	Op
	// Rematerialize sets out as Forward did. It is not called after Prepare.
	Rematerialize(c *Call, in []Tensor, out Tensor)
	// RematerializeReads reports whether Rematerialize reads in[j].
	RematerializeReads(j int) bool
}

// Piecewise is an op without parameters whose function has kinks, such as a ReLU: it is made of
// pieces, in each of which it is smooth. A program that isn't fused can find the pieces in which
// its ops are at some parameters, and compute within them at others nearby. What it computes then is
// smooth, so that differences of its gradient are second derivatives. An op that has absorbed
// another need not care, since only programs without fusion do this. A call is for all samples of a
// tile.
type Piecewise interface {
	Op
	// Pieces returns how many floats say which piece a sample is in, at most, for an input of
	// that shape.
	Pieces(in Shape) int
	// Find sets pieces to where the samples are. It is called after Forward, which may have
	// worked in place.
	Find(c *Call, in []Tensor, out Tensor, pieces []float32)
	// ForwardWithin is Forward as if the samples were in these pieces.
	ForwardWithin(c *Call, pieces []float32, in []Tensor, out Tensor)
	// BackwardWithin is Backward after ForwardWithin. It reads neither in nor out.
	BackwardWithin(c *Call, pieces []float32, dout Tensor, din []Tensor)
}

// Stateful is an op with running state, such as batch normalization.
type Stateful interface {
	Op
	// Commit updates the running state after a step. stats is the mean of the statistics that
	// Forward has written to Call.Stats, over the step's shards, weighted by their samples.
	Commit(state, stats []float32)
}

// Shard is some consecutive samples, which share one perturbation.
type Shard = blas.Run

// Factorable is an op with one input, affine in it, such as a fully connected layer. The gradient G
// of its parameters is a sum of outer products of inputs and output gradients, so parameters can be
// perturbed by G without forming it. The calls are for all shards of a tile: in and d are the input
// and the output gradient of the tile, of which each shard has its samples, and G(in, d) is a
// shard's gradient, summed over its samples.
type Factorable interface {
	Op
	// GradNormSq sets sq[s] to the squared norm of G(in, d) of shard s.
	GradNormSq(c *Call, in, d Tensor, shards []Shard, sq []float64)
	// ForwardDelta sets out to the op's output for input x, with G(in, d) of a sample's shard for
	// parameters.
	ForwardDelta(c *Call, x, in, d, out Tensor, shards []Shard)
	// BackwardDelta adds to din the gradient of the input for output gradient dout, with G(in, d)
	// of a sample's shard for parameters.
	BackwardDelta(c *Call, dout, in, d, din Tensor, shards []Shard)

	// Below, if first is set, the op reads the model's input, which has no gradient and is the
	// same in both passes.

	// Kept returns the floats of Call.Kept for a shard of n samples. The tile's are those of its
	// shards, one behind the other.
	Kept(n int, first bool) int
	// Scratch returns the floats of Call.Scratch for a shard of n samples, likewise.
	Scratch(n int, first bool) int
	// DeltaFlops returns the floating-point operations of the three calls for a shard of n
	// samples.
	DeltaFlops(n int, first bool) int64
}

// Distillable is a Loss whose outputs stand for probabilities, so that they can be compared with
// those of a teacher: the outputs for the same samples at other parameters.
type Distillable interface {
	Loss
	// Divergence returns the sum over b's terms of the Kullback-Leibler divergence
	// KL(p || q) = sum(p * log(p/q)), where p are the probabilities of out, and q those of teacher.
	// If dout is wanted, Divergence adds to it the gradient of scale times that sum by out. The
	// teacher is a constant. If a value of teacher isn't finite, neither is the sum.
	Divergence(out, teacher Tensor, b Batch, scale float32, dout Tensor) (sum float64)
}
