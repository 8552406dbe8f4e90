package net

import "github.com/steppe-ml/steppe/simd"

// ReLU is max(0, x), element by element.
type ReLU struct{}

// Build implements Layer.
func (ReLU) Build(b *Builder, in Value) (Value, error) { return b.Add(relu{}, b.Shape(in), in) }

type relu struct{}

func (relu) Traits() Traits { return Traits{InPlace: true} }

func (relu) Forward(_ *Call, _ []float32, in []Tensor, out Tensor) { simd.ReLU(out.Data, in[0].Data) }

func (relu) Backward(_ *Call, _ []float32, _ []Tensor, out, dout Tensor, din []Tensor) {
	if din[0].Wanted() {
		simd.ReLUBackward(din[0].Data, dout.Data, out.Data)
	}
}

func (relu) Gradient(*Call, []Tensor, Tensor, Tensor, []float32) {}
