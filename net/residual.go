package net

import (
	"errors"
	"fmt"

	"github.com/steppe-ml/steppe/net/op"
	"github.com/steppe-ml/steppe/simd"
)

// Sequential is a layer that consists of layers, one behind the other.
type Sequential []Layer

// Build implements Layer.
func (l Sequential) Build(b op.Builder, in op.Value) (op.Value, error) { return b.Chain(in, l...) }

// Residual computes Body(x) + Shortcut(x), where both make one shape (He et al., arXiv 1512.03385).
type Residual struct {
	Body     []Layer // at least one layer
	Shortcut []Layer // a projection if Body changes the shape; none is the identity
}

// Build implements Layer.
func (l Residual) Build(b op.Builder, in op.Value) (op.Value, error) {
	if len(l.Body) == 0 {
		return 0, errors.New("Body has no layers")
	}
	// The shortcut comes first, so that the sum follows the body's last op.
	shortcut, err := b.Inner("shortcut", Sequential(l.Shortcut), in)
	if err != nil {
		return 0, fmt.Errorf("shortcut: %w", err)
	}
	body, err := b.Inner("body", Sequential(l.Body), in)
	if err != nil {
		return 0, fmt.Errorf("body: %w", err)
	}
	if x, y := b.Shape(body), b.Shape(shortcut); x.String() != y.String() {
		return 0, fmt.Errorf("body makes %v, and the shortcut %v: want one shape", x, y)
	}
	return b.Add(addition{}, b.Shape(body), body, shortcut)
}

// addition is the op: it adds its two inputs.
type addition struct{ noParams }

func (addition) Traits() op.Traits {
	return op.Traits{Function: op.Sum, InPlace: true, FreesIn: true, FreesOut: true}
}

func (addition) Forward(c *op.Call, _ []float32, in []op.Tensor, out op.Tensor) {
	op.Elementwise(c.Team, simd.Add, out.Data, in[0].Data, in[1].Data)
}

func copyTo(dst, x, _ []float32) { copy(dst, x) }

func (addition) Backward(c *op.Call, _ []float32, _ []op.Tensor, _, dout op.Tensor, din []op.Tensor) {
	for _, d := range din {
		if d.Wanted() && &d.Data[0] != &dout.Data[0] {
			op.Elementwise(c.Team, copyTo, d.Data, dout.Data, nil)
		}
	}
}
