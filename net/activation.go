package net

import "github.com/steppe-ml/steppe/simd"

// ReLU is max(0, x), element by element.
type ReLU struct{}

// Build implements Layer.
func (ReLU) Build(b *Builder, in Value) (Value, error) { return b.Add(relu{}, b.Shape(in), in) }

type relu struct{}

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

func (relu) Gradient(*Call, []Tensor, Tensor, Tensor, []float32) {}
