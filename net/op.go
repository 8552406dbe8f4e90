package net

import (
	"math/rand/v2"

	"github.com/steppe-ml/steppe/blas"
)

// Op is one row of a compiled program. It is immutable, and shared by all
// workers. A call is one run of consecutive samples under one set of
// parameters; the executor decides which.
//
// p is the op's own parameters, as Traits lists them, one behind the other.
// Inputs, outputs and their gradients are tensors of the same samples. What a
// sample's output and gradients are must not depend on which other samples are
// in the call, unless the op Couples.
type Op interface {
	Traits() Traits

	// Forward sets out. With c.Accumulate it adds to out instead: only asked
	// of ops that are Factored.
	Forward(c *Call, p []float32, in []Tensor, out Tensor)

	// Backward sets din, the gradients of the inputs, from dout, that of the
	// output. An empty din[i] is not wanted. With c.Accumulate it adds to din
	// instead: only asked of ops that Add.
	Backward(c *Call, p []float32, in []Tensor, out, dout Tensor, din []Tensor)

	// Gradient sets g, the gradient of p, to the sum over the call's samples,
	// or adds it with c.Accumulate. It is called before Backward, and only if
	// there are parameters and it is wanted.
	Gradient(c *Call, in []Tensor, out, dout Tensor, g []float32)
}

// Traits is what the executor and the planner know of an op.
type Traits struct {
	Params []Param // none for most
	State  []Param // running state; an op with some is Stateful
	Aux    Aux     // what is kept from Forward to Backward and Gradient

	// Couples: samples see each other in training, so a call is exactly one
	// shard. Otherwise a call is any samples.
	Couples bool
	// MinShard is the fewest samples of a shard that the op can train on; 0
	// is 1.
	MinShard int
	// Late: the gradient is best computed by one call a step over the whole
	// batch, from inputs and output gradients that are kept; there is no Aux.
	// Otherwise it is summed shard by shard.
	Late bool

	// InPlace: out may share in[0]'s memory, and din[0] dout's: nothing on the way
	// back reads in[0].
	InPlace bool
	// FreesIn: nothing on the way back reads any input.
	FreesIn bool
	// FreesOut: nothing on the way back reads out, so that the next op may work in
	// place.
	FreesOut bool
	// What is read less: of the inputs in[0] alone, by Gradient; out by Prepare alone;
	// and dout by Prepare alone, but for what it Passes.
	InForGradient, OutForPrepare, DoutForPrepare bool
	// Passes is the input, if not 0, whose gradient is dout as Prepare leaves it, so
	// that it may share its memory; no other gradient may then be made of what lies
	// there.
	Passes int
	// Adds: Backward can add to its input's gradient. It is asked of ops with one input.
	Adds bool

	Flops Flops
}

// Aux is floats kept by an op: for each sample of a call, and for each call. What is
// kept for a call is there only of ops that Couple, whose calls are shards. What is kept
// for samples lies sample behind sample, so that a part of a call finds its own.
type Aux struct{ Sample, Call int }

func (a Aux) of(n int) int { return n*a.Sample + a.Call }

// Flops is the floating-point operations of one sample.
type Flops struct{ Forward, Backward, Gradient int64 }

// Role is what a parameter does in its op.
type Role string

const (
	Weight Role = "weight" // multiplies
	Bias   Role = "bias"   // is added
	Norm   Role = "norm"   // scales or shifts what was normalised
)

// Param describes one tensor of parameters, or of running state.
type Param struct {
	Name  string
	Shape Shape
	Role  Role
	Init  func(r *rand.Rand, p []float32) // sets the initial values; nil leaves zeros
}

// Call is what an op is told about a call besides its operands.
type Call struct {
	Team  *blas.Team // one worker, or all; sums inside go by fixed chunks
	Train bool       // a training step; otherwise prediction

	// Random bits are a function of Seed, Step, Op, the sample's index in the
	// batch, First + its index in the call, and the element: no masks are
	// stored, and no order matters.
	Seed, Step uint64
	Op, First  int

	Accumulate bool      // see Forward, Backward and Gradient
	Only       Role      // the parameters whose gradient is wanted, "" for all: an op may leave out what it computes apart
	Packs      []Packed  // of p, by a Packer; nil if p isn't shared
	Aux        []float32 // what Traits.Aux says
	State      []float32 // running state, read in prediction
	Stats      []float32 // where Forward leaves a shard's statistics, laid out as Traits.State; nil if not wanted
	Kept       []float32 // Factored.Kept floats, from GradNormSq to ForwardDelta
	Scratch    []float32 // Factored.Scratch floats, for the call alone
}

// Packer is an op that multiplies by its parameters, and gains from having
// them packed once a step for all of its calls.
type Packer interface {
	Op
	// NewPacks returns packed operands, unfilled: Forward's and Backward's, nil for
	// a pass that they aren't wanted for.
	NewPacks(passes Passes) []Packed
	// Pack fills those packs that aren't nil from p.
	Pack(team *blas.Team, p []float32, packs []Packed)
}

// Packed is an operand in the form that an op's product reads fastest: a
// *blas.PackedB[float32] or a *conv.PackedFilter.
type Packed interface {
	Bytes() int // its size
}

// Preparer is an op whose Gradient and Backward begin with the same work. Prepare does
// it, before both, and may leave in dout what they want to be given instead: the
// gradient before an activation, say.
type Preparer interface {
	Op
	Prepare(c *Call, p []float32, in []Tensor, out, dout Tensor)
}

// Remaker is an op that can make its output once more, from its inputs and what it has
// kept, for less than it takes to keep it: what is read again on the way back only
// needs no memory until then.
type Remaker interface {
	Op
	// Remake sets out as Forward did. It is not called after Prepare.
	Remake(c *Call, in []Tensor, out Tensor)
	// RemakeReads reports whether Remake reads in[j].
	RemakeReads(j int) bool
}

// Stateful is an op with running state, such as batch normalisation.
type Stateful interface {
	Op
	// Commit moves the running state on by a step, from the mean of the
	// statistics that its shards left, weighted by their samples.
	Commit(state, stats []float32)
}

// Factored is an op, affine in its one input, whose gradient G is a sum of
// outer products of its input and output gradient, bias included, which can
// be used without being formed. in and d are the input and the output gradient
// of the samples that G sums over: one shard.
type Factored interface {
	Op
	// GradNormSq returns the squared norm of G(in, d).
	GradNormSq(c *Call, in, d Tensor) float64
	// ForwardDelta sets out to what parameters G(in, d) alone make of x.
	ForwardDelta(c *Call, x, in, d, out Tensor)
	// BackwardDelta adds to din what parameters G(in, d) alone make of dout.
	BackwardDelta(c *Call, dout, in, d, din Tensor)

	// Kept and Scratch are the floats of Call.Kept and Call.Scratch that a
	// shard of n samples takes.
	Kept(n int) int
	Scratch(n int) int
	// DeltaFlops is the floating-point operations of the three calls for a
	// shard of n samples. first says that the op's input is the model's: it is
	// the same in both passes, and its gradient is not wanted.
	DeltaFlops(n int, first bool) int64
}
