package net

import "github.com/steppe-ml/steppe/net/op"

// Flatten makes every sample flat: [H, W, C] becomes [H*W*C], by rows, columns and channels. It has
// no parameters and costs nothing.
type Flatten struct{}

// Build implements Layer.
func (Flatten) Build(b op.Builder, in op.Value) (op.Value, error) {
	return b.Reshape(in, Shape{b.Shape(in).Size()})
}
