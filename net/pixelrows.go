package net

import "github.com/steppe-ml/steppe/net/op"

// PixelRows makes the pixels of an image rows, as attention reads them: [H, W, C] becomes [H*W, C].
// It has no parameters and costs nothing.
type PixelRows struct{}

// Build implements Layer.
func (PixelRows) Build(b op.Builder, in op.Value) (op.Value, error) {
	s := b.Shape(in)
	if err := validateImages(s); err != nil {
		return 0, err
	}
	return b.Reshape(in, Shape{s[0] * s[1], s[2]})
}
