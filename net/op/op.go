package op

import (
	"math/rand/v2"

	"github.com/steppe-ml/steppe/blas"
)

// Op is one row of a compiled program. A call of its methods is for consecutive samples that have
// the same parameters; the executor decides which samples.
//
// The arguments are alike in all methods. p is the op's own parameters, one tensor behind the other
// as Traits lists them. in, out, dout and din are the inputs, the output and their gradients, for
// the same samples. A sample's output and gradients must not depend on the other samples of the
// call, unless the op couples samples.
type Op interface {
	// Traits returns the op's traits, the same at each call.
	Traits() Traits

	// Forward sets out. With c.Accumulate it adds to out instead; only Factorable ops are asked
	// to.
	Forward(c *Call, p []float32, in []Tensor, out Tensor)

	// Backward sets din from dout. An empty din[j] is not wanted. With c.Accumulate, Backward
	// adds to din instead; only ops with the trait Adds are asked to.
	Backward(c *Call, p []float32, in []Tensor, out, dout Tensor, din []Tensor)

	// Gradient sets g to the gradient of p, summed over the call's samples. With c.Accumulate
	// it adds the gradient to g instead. It is called before Backward, and only if the op has
	// parameters and their gradient is wanted.
	Gradient(c *Call, in []Tensor, out, dout Tensor, g []float32)
}

// Traits describes an op to the executor and the planner. The zero values from Deferred on are
// always correct, if not the fastest: they promise nothing.
type Traits struct {
	Params []Param // parameters
	State  []Param // running state; an op that has any is Stateful
	Aux    Aux     // floats kept from Forward to Backward and Gradient

	// Couples: in training, samples see each other, so a call is exactly one shard. Otherwise
	// the executor may cut a call anywhere.
	Couples bool
	// Selects: of an op that couples, a call of the backward pass may have some of the samples of
	// Forward's call. What the op needs of the others is in Aux.
	Selects bool
	// MinShard is the fewest samples of a shard that the op can train on; 0 is 1.
	MinShard int
	// Deferred: Gradient is fastest as one call a step over the whole batch. The executor then
	// keeps the inputs and output gradients of the batch. The op has no Aux. Otherwise the
	// gradient is summed shard by shard.
	Deferred bool

	// Vocabulary: the op reads token ids, from 0 to Vocabulary-1, rather than floats: in[0] is
	// the model's input, which is text, and has no Data. The output is a sequence.
	Vocabulary int
	// Pools: the op makes one row of each sample of a sequence. Other ops that read a sequence
	// make one.
	Pools bool

	// Function names the function that the op computes, so that an Absorber recognizes it.
	Function Function

	// InPlace: out may share in[0]'s memory, and din[0] may share dout's. Neither Gradient nor
	// Backward reads in[0].
	InPlace bool
	// FreesIn: neither Gradient nor Backward reads any input.
	FreesIn bool
	// FreesOut: neither Gradient nor Backward reads out, so the next op may work in place.
	FreesOut bool
	// InForGradient: only Gradient reads in[0], and nothing in the backward pass reads another
	// input.
	InForGradient bool
	// OutForPrepare: in the backward pass, only Prepare reads out.
	OutForPrepare bool
	// DoutForPrepare: only Prepare reads dout, apart from DinFromDout.
	DoutForPrepare bool
	// DinFromDout, if not 0, is the index of an input whose gradient equals dout after Prepare.
	// The two may share memory, so Backward must not compute another gradient from dout.
	DinFromDout int
	// Rounds: the op's products heed Call.Precision.
	Rounds bool
	// Adds: Backward can add to din. Only ops with one input are asked to.
	Adds bool

	Flops Flops // floating-point operations, for plans and summaries
}

// Aux is the number of floats that an op keeps from the forward to the backward pass. The floats of
// samples lie sample behind sample. Only ops that couple samples may keep floats for a call.
//
// Of an op that reads a sequence, each row has as many floats, and those of the rows lie row behind
// row.
type Aux struct {
	Sample int // for each sample; of a sequence, for the longest sample
	Call   int // for each call, behind those of the samples
}

// Floats returns the number of floats of a call with n samples.
func (a Aux) Floats(n int) int { return n*a.Sample + a.Call }

// Of returns the number of floats of some calls, one behind the other, whose inputs are together t.
func (a Aux) Of(t Tensor, calls int) int {
	if t.Starts == nil {
		return t.N*a.Sample + calls*a.Call
	}
	return t.Rows() * (a.Sample / t.Shape[0])
}

// Flops is the number of floating-point operations in the products of one sample.
type Flops struct {
	Forward  int64 // of Forward
	Backward int64 // of Backward
	Gradient int64 // of Gradient
}

// Function names a function that other ops may absorb.
type Function string

// The functions that ops of package net absorb.
const (
	Rectify Function = "rectify" // max(0, x), element by element
	Sum     Function = "sum"     // the sum of two inputs of one shape
)

// Role says how an op uses a parameter.
type Role string

// The roles of parameters.
const (
	Weight Role = "weight" // a factor of a product
	Bias   Role = "bias"   // a term of a sum
	Norm   Role = "norm"   // scales or shifts normalized values
)

// Param describes one tensor of parameters, or of running state.
type Param struct {
	Name  string                          // in its op, as in "weight"; in a View, with the layer: "3.Dense.weight"
	Shape Shape                           // of the tensor
	Role  Role                            // "" for running state
	Init  func(r *rand.Rand, p []float32) // sets the initial values; nil leaves zeros
}

// View is a tensor and its place in the flat parameters, or in the flat state.
type View struct {
	Param
	Offset int // index of the first element
}

// Of returns v's part of flat parameters, of a flat gradient, or of flat state.
func (v View) Of(flat []float32) []float32 { return flat[v.Offset:][:v.Shape.Size()] }

// Call describes a call of an op, besides its operands.
type Call struct {
	Team  *blas.Team // workers to share the call's work; sums must not depend on their number
	Train bool       // a training step; otherwise prediction
	Still bool       // no random bits are wanted, even if Train is set: Dropout does nothing

	// Random bits must be a function of Seed, Step, Op, the sample's index in the batch and the
	// element's index in the sample. Then the backward pass can draw them again, and they don't
	// depend on how the batch is cut.
	Seed  uint64
	Step  uint64
	Op    int // index of the op in the program
	First int // index in the batch of the call's first sample, if Samples is nil
	// Samples are the indexes in the batch of the call's samples, of a backward pass over some
	// of them. Nil if all lie behind First, one after the other. Index reads either.
	Samples []int

	// Precision is that in which the op multiplies by its parameters, and for their gradient. It is
	// blas.Full unless the op's Traits say Rounds.
	Precision blas.Precision

	Accumulate bool      // add to the result rather than setting it
	Only       Role      // Gradient may leave out the parameters of other roles; "" for none
	Packs      []Packed  // a Packer's packs of p; nil if p isn't packed
	Aux        []float32 // Traits.Aux floats
	State      []float32 // running state, to use in place of the samples' own statistics; nil in a training step
	Stats      []float32 // where Forward writes a shard's statistics, laid out as Traits.State; nil if not wanted
	Kept       []float32 // Factorable.Kept floats: GradNormSq writes them, ForwardDelta and BackwardDelta may read them
	Scratch    []float32 // Factorable.Scratch floats, valid during the call
}

// Index returns the index in the batch of the call's sample i.
func (c *Call) Index(i int) int {
	if c.Samples != nil {
		return c.Samples[i]
	}
	return c.First + i
}

// Pack returns pack i of the call as its type P, or nil if the call has none.
func Pack[P Packed](c *Call, i int) (packed P) {
	if i < len(c.Packs) && c.Packs[i] != nil {
		packed = c.Packs[i].(P)
	}
	return packed
}
