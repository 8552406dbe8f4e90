package net

// Flatten makes every sample a vector: [H, W, C] becomes [H*W*C]. It costs
// nothing.
type Flatten struct{}

// Build implements Layer.
func (Flatten) Build(b *Builder, in Value) (Value, error) {
	return b.Reshape(in, Shape{b.Shape(in).Size()})
}
