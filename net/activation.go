package net

import "github.com/steppe-ml/steppe/simd"

// ReLU is max(0, x), element by element.
type ReLU struct{}

// Tanh is the hyperbolic tangent, element by element.
type Tanh struct{}

// Sigmoid is 1 / (1 + exp(-x)), element by element.
type Sigmoid struct{}

// GELU is x times the standard normal distribution's function of x, element by element
// (Hendrycks and Gimpel, arXiv 1606.08415): the exact form, by the error function.
type GELU struct{}

// Build implements Layer.
func (ReLU) Build(b *Builder, in Value) (Value, error) { return b.Add(relu{}, b.Shape(in), in) }

// Build implements Layer.
func (Tanh) Build(b *Builder, in Value) (Value, error) {
	return b.Add(activation{forward: to(simd.Tanh), backward: simd.TanhBackward}, b.Shape(in), in)
}

// Build implements Layer.
func (Sigmoid) Build(b *Builder, in Value) (Value, error) {
	return b.Add(activation{forward: to(simd.Sigmoid), backward: simd.SigmoidBackward}, b.Shape(in), in)
}

// Build implements Layer.
func (GELU) Build(b *Builder, in Value) (Value, error) {
	return b.Add(activation{forward: to(simd.GELU), backward: simd.GELUBackward, ofInput: true}, b.Shape(in), in)
}

// relu is the op of a ReLU that is fused with no other.
type relu struct{ noParams }

func (relu) Traits() Traits { return Traits{InPlace: true, FreesIn: true} }

func (relu) Forward(c *Call, _ []float32, in []Tensor, out Tensor) {
	share(c.Team, reluTo, out.Data, in[0].Data, nil)
}

func (relu) Backward(c *Call, _ []float32, _ []Tensor, out, dout Tensor, din []Tensor) {
	if din[0].Wanted() {
		share(c.Team, simd.ReLUBackward, din[0].Data, dout.Data, out.Data)
	}
}

func reluTo(dst, x, _ []float32) { simd.ReLU(dst, x) }

// activation is the op of another function, whose derivative is made of what it was
// given, or of what it gave.
type activation struct {
	noParams
	forward  func(dst, x, _ []float32)
	backward func(dst, dy, of []float32)
	ofInput  bool
}

func (o activation) Traits() Traits {
	return Traits{InPlace: !o.ofInput, FreesIn: !o.ofInput, FreesOut: o.ofInput}
}

func (o activation) Forward(c *Call, _ []float32, in []Tensor, out Tensor) {
	share(c.Team, o.forward, out.Data, in[0].Data, nil)
}

func (o activation) Backward(c *Call, _ []float32, in []Tensor, out, dout Tensor, din []Tensor) {
	of := out
	if o.ofInput {
		of = in[0]
	}
	if din[0].Wanted() {
		share(c.Team, o.backward, din[0].Data, dout.Data, of.Data)
	}
}

// to is f as share wants it.
func to(f func(dst, x []float32)) func(dst, x, _ []float32) {
	return func(dst, x, _ []float32) { f(dst, x) }
}

// noParams is part of ops that have none.
type noParams struct{}

// Gradient implements Op.
func (noParams) Gradient(*Call, []Tensor, Tensor, Tensor, []float32) {}
