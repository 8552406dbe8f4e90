package op

import (
	"math/rand/v2"

	"github.com/steppe-ml/steppe/blas"
)

// Op is one row of a compiled program. It is immutable, and all workers share it.
// A call is one run of consecutive samples under one set of parameters; the
// executor decides which.
//
// p is the op's own parameters, as Traits lists them, one behind the other. Inputs,
// outputs and their gradients are tensors of the same samples. A sample's output
// and gradients must not depend on which other samples are in the call, unless the
// op Couples.
type Op interface {
	Traits() Traits

	// Forward sets out. With c.Accumulate it adds to out instead; the executor asks
	// that of Factorable ops only.
	Forward(c *Call, p []float32, in []Tensor, out Tensor)

	// Backward sets din, the gradients of the inputs, from dout, the gradient of the
	// output. An empty din[i] is not wanted. With c.Accumulate it adds to din
	// instead; the executor asks that only of ops that Add.
	Backward(c *Call, p []float32, in []Tensor, out, dout Tensor, din []Tensor)

	// Gradient sets g, the gradient of p, to the sum over the call's samples, or
	// adds it with c.Accumulate. The executor calls it before Backward, and only if
	// there are parameters and their gradient is wanted.
	Gradient(c *Call, in []Tensor, out, dout Tensor, g []float32)
}

// Traits tells the executor and the planner what they have to know of an op.
type Traits struct {
	Params []Param // none for most
	State  []Param // running state; an op with some is Stateful
	Aux    Aux     // floats kept from Forward to Backward and Gradient

	// Couples: samples see each other in training, so a call is exactly one shard.
	// Otherwise a call is any samples.
	Couples bool
	// MinShard is the fewest samples of a shard that the op can train on; 0 is 1.
	MinShard int
	// Deferred: the gradient is best computed by one call a step over the whole
	// batch, from inputs and output gradients that the executor keeps. Such an op
	// has no Aux. Otherwise the gradient is summed shard by shard.
	Deferred bool

	// Function names what the op computes, for ops that could absorb it; "" for most.
	Function Function

	// InPlace: out may share in[0]'s memory, and din[0] dout's. Neither Gradient nor
	// Backward reads in[0].
	InPlace bool
	// FreesIn: neither Gradient nor Backward reads any input.
	FreesIn bool
	// FreesOut: neither Gradient nor Backward reads out, so the next op may work in
	// place.
	FreesOut bool
	// InForGradient: of the inputs, Gradient reads in[0] only, and nothing else
	// reads any.
	InForGradient bool
	// OutForPrepare: only Prepare reads out.
	OutForPrepare bool
	// DoutForPrepare: only Prepare reads dout, apart from DinFromDout.
	DoutForPrepare bool
	// DinFromDout, if not 0, is the input whose gradient is dout as Prepare leaves
	// it. The two may share memory, so no other gradient may be made from there.
	DinFromDout int
	// Adds: Backward can add to its input's gradient. The executor asks that only of
	// ops with one input.
	Adds bool

	Flops Flops
}

// Aux counts the floats that an op keeps: for each sample of a call, and for each
// call. Only ops that Couple, whose calls are shards, may keep floats for a call.
// The floats of samples lie sample behind sample, so that a part of a call finds its
// own.
type Aux struct{ Sample, Call int }

// Floats returns the floats of a call of n samples.
func (a Aux) Floats(n int) int { return n*a.Sample + a.Call }

// Flops is the floating-point operations of one sample.
type Flops struct{ Forward, Backward, Gradient int64 }

// Function is a function that an op may compute in place of the op behind it.
type Function string

const (
	Rectify Function = "rectify" // max(0, x), element by element
	Sum     Function = "sum"     // of two inputs of one shape
)

// Role is what a parameter does in its op.
type Role string

const (
	Weight Role = "weight" // multiplies
	Bias   Role = "bias"   // is added
	Norm   Role = "norm"   // scales or shifts normalized values
)

// Param describes one tensor of parameters, or of running state.
type Param struct {
	Name  string
	Shape Shape
	Role  Role
	Init  func(r *rand.Rand, p []float32) // sets the initial values; nil leaves zeros
}

// View is the place of one tensor in the flat parameters, or in the flat state.
type View struct {
	Param
	Offset int // of the first element
}

// Of returns v's part of flat parameters, of a gradient, or of flat state.
func (v View) Of(flat []float32) []float32 { return flat[v.Offset:][:v.Shape.Size()] }

// Call is what an op is told about a call besides its operands.
type Call struct {
	Team  *blas.Team // one worker, or all; sums inside go by fixed chunks
	Train bool       // a training step; otherwise prediction

	// Random bits are a function of Seed, Step, Op, the sample's index in the batch
	// (First + its index in the call) and the element. So no masks are stored, and
	// no order matters.
	Seed, Step uint64
	Op, First  int

	Accumulate bool      // see Forward, Backward and Gradient
	Only       Role      // the parameters whose gradient is wanted, "" for all; an op may leave out what it computes apart
	Packs      []Packed  // of p, by a Packer; nil if p isn't shared
	Aux        []float32 // Traits.Aux floats
	State      []float32 // running state, read in prediction
	Stats      []float32 // where Forward leaves a shard's statistics, laid out as Traits.State; nil if not wanted
	Kept       []float32 // Factorable.Kept floats, from GradNormSq to ForwardDelta
	Scratch    []float32 // Factorable.Scratch floats, for the call alone
}

// Pack returns operand i of the call in its packed form P, or nil if the call has none.
func Pack[P Packed](c *Call, i int) (packed P) {
	if i < len(c.Packs) && c.Packs[i] != nil {
		packed = c.Packs[i].(P)
	}
	return packed
}
