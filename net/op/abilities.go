package op

import "github.com/steppe-ml/steppe/blas"

// Absorber is an op that can do the work of the op behind it as well, so that the
// value between them stays in registers or in the cache.
type Absorber interface {
	Op
	// Absorb returns an op that computes what the receiver and next compute one
	// after the other, or nil if there is none. next alone reads the receiver's
	// output, as its first input. The new op has the receiver's inputs and then
	// next's others, the receiver's parameters and then next's, and so with state.
	Absorb(next Op) Op
}

// Packer is an op that multiplies by its parameters, and gains from having them
// packed once a step for all of its calls.
type Packer interface {
	Op
	// NewPacks returns packed operands, unfilled: Forward's and Backward's, nil for a
	// direction that they aren't wanted for.
	NewPacks(wanted Directions) []Packed
	// Pack fills those packs that aren't nil from p.
	Pack(team *blas.Team, p []float32, packs []Packed)
}

// Directions are those that parameters are packed for.
type Directions struct{ Forward, Backward bool }

// Packed is an operand in the form that an op's product reads fastest: a
// *blas.PackedB[float32] or a *conv.PackedFilter.
type Packed interface {
	Bytes() int // its size
}

// Preparer is an op whose Gradient and Backward begin with the same work.
type Preparer interface {
	Op
	// Prepare does that work, before both. It may write to dout what they read there
	// instead of the output's gradient: the gradient before an activation, say.
	Prepare(c *Call, p []float32, in []Tensor, out, dout Tensor)
}

// Rematerializer is an op that can compute its output once more, from its inputs and
// its Aux, for less than keeping it costs. An output that only Gradient and Backward
// still read needs no memory until then.
type Rematerializer interface {
	Op
	// Rematerialize sets out as Forward did. It is not called after Prepare.
	Rematerialize(c *Call, in []Tensor, out Tensor)
	// RematerializeReads reports whether Rematerialize reads in[j].
	RematerializeReads(j int) bool
}

// Stateful is an op with running state, such as batch normalization.
type Stateful interface {
	Op
	// Commit moves the running state on by a step. stats is the mean of the
	// statistics that the step's shards left, weighted by their samples.
	Commit(state, stats []float32)
}

// Factorable is an op, affine in its one input, whose gradient G is a sum of outer
// products of its input and output gradient, bias included. G can then be used
// without being formed. in and d are the input and the output gradient of the
// samples that G sums over: one shard.
type Factorable interface {
	Op
	// GradNormSq returns the squared norm of G(in, d).
	GradNormSq(c *Call, in, d Tensor) float64
	// ForwardDelta sets out to the op's output for input x and parameters G(in, d).
	ForwardDelta(c *Call, x, in, d, out Tensor)
	// BackwardDelta adds to din the gradient of the input for output gradient dout
	// and parameters G(in, d).
	BackwardDelta(c *Call, dout, in, d, din Tensor)

	// Kept and Scratch are the floats of Call.Kept and Call.Scratch that a shard of n
	// samples takes.
	Kept(n int) int
	Scratch(n int) int
	// DeltaFlops is the floating-point operations of the three calls for a shard of n
	// samples. first says that the op reads the model's input, which is the same in
	// both passes and has no gradient.
	DeltaFlops(n int, first bool) int64
}
