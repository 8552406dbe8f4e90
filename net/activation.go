package net

import (
	"github.com/steppe-ml/steppe/net/op"
	"github.com/steppe-ml/steppe/simd"
)

// ReLU computes max(0, x), element by element. It has no parameters.
type ReLU struct{}

// Tanh computes the hyperbolic tangent, element by element. It has no parameters.
type Tanh struct{}

// Sigmoid computes 1 / (1 + exp(-x)), element by element. It has no parameters.
type Sigmoid struct{}

// GELU computes x times the standard normal distribution function of x, element by element
// (Hendrycks and Gimpel, arXiv 1606.08415). It is the exact form, by the error function. It has no
// parameters.
type GELU struct{}

// Build implements Layer.
func (ReLU) Build(b op.Builder, in op.Value) (op.Value, error) { return b.Add(relu{}, b.Shape(in), in) }

// Build implements Layer.
func (Tanh) Build(b op.Builder, in op.Value) (op.Value, error) {
	return b.Add(activation{forward: elementwise(simd.Tanh), backward: simd.TanhBackward}, b.Shape(in), in)
}

// Build implements Layer.
func (Sigmoid) Build(b op.Builder, in op.Value) (op.Value, error) {
	return b.Add(activation{forward: elementwise(simd.Sigmoid), backward: simd.SigmoidBackward}, b.Shape(in), in)
}

// Build implements Layer.
func (GELU) Build(b op.Builder, in op.Value) (op.Value, error) {
	return b.Add(gelu{size: b.Shape(in).Size()}, b.Shape(in), in)
}

// relu is the op of a ReLU that isn't fused with another op.
type relu struct{ noParams }

func (relu) Traits() op.Traits { return op.Traits{Function: op.Rectify, InPlace: true, FreesIn: true} }

func (relu) Forward(c *op.Call, _ []float32, in []op.Tensor, out op.Tensor) {
	op.Elementwise(c.Team, reluTo, out.Data, in[0].Data, nil)
}

func (relu) Backward(c *op.Call, _ []float32, _ []op.Tensor, out, dout op.Tensor, din []op.Tensor) {
	if din[0].Wanted() {
		op.Elementwise(c.Team, simd.ReLUBackward, din[0].Data, dout.Data, out.Data)
	}
}

// Absorb implements op.Absorber. It absorbs a max pooling: the largest of rectified values is the
// largest value, rectified, and behind the pooling there are fewer values to rectify.
func (relu) Absorb(next op.Op) op.Op {
	if pool, ok := next.(maxPool); ok {
		pool.window.ReLU = true
		return pool
	}
	return nil
}

func reluTo(dst, x, _ []float32) { simd.ReLU(dst, x) }

// gelu is the op of GELU. Its derivative has most of its work in common with it, so Aux keeps the
// derivative from Forward on.
type gelu struct {
	noParams
	size int // of a sample
}

func (o gelu) Traits() op.Traits {
	return op.Traits{Aux: op.Aux{Sample: o.size}, InPlace: true, FreesIn: true, FreesOut: true}
}

func (o gelu) Forward(c *op.Call, _ []float32, in []op.Tensor, out op.Tensor) {
	if !c.Train {
		op.Elementwise(c.Team, geluTo, out.Data, in[0].Data, nil)
		return
	}
	op.Elementwise(c.Team, geluAndSlope, out.Data, in[0].Data, c.Aux)
}

func (o gelu) Backward(c *op.Call, _ []float32, _ []op.Tensor, _, dout op.Tensor, din []op.Tensor) {
	if din[0].Wanted() {
		op.Elementwise(c.Team, simd.Mul, din[0].Data, dout.Data, c.Aux)
	}
}

func geluTo(dst, x, _ []float32) { simd.GELU(dst, x) }

func geluAndSlope(dst, x, slope []float32) { simd.GELUAndSlope(dst, slope, x) }

// activation is the op of the other functions, which compute their derivatives from their outputs.
type activation struct {
	noParams
	forward  func(dst, x, _ []float32)
	backward func(dst, dy, y []float32)
}

func (o activation) Traits() op.Traits { return op.Traits{InPlace: true, FreesIn: true} }

func (o activation) Forward(c *op.Call, _ []float32, in []op.Tensor, out op.Tensor) {
	op.Elementwise(c.Team, o.forward, out.Data, in[0].Data, nil)
}

func (o activation) Backward(c *op.Call, _ []float32, _ []op.Tensor, out, dout op.Tensor, din []op.Tensor) {
	if din[0].Wanted() {
		op.Elementwise(c.Team, o.backward, din[0].Data, dout.Data, out.Data)
	}
}

// elementwise gives f the signature that op.Elementwise calls.
func elementwise(f func(dst, x []float32)) func(dst, x, _ []float32) {
	return func(dst, x, _ []float32) { f(dst, x) }
}

// noParams is embedded in ops without parameters.
type noParams struct{}

// Gradient implements op.Op.
func (noParams) Gradient(*op.Call, []op.Tensor, op.Tensor, op.Tensor, []float32) {}
