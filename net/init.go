package net

import (
	"math"
	"math/rand/v2"
)

// Initializer sets the initial values w of a layer's weights, from the random numbers of r. Each
// output is a sum over fanIn inputs, and each input is part of fanOut outputs.
type Initializer func(r *rand.Rand, w []float32, fanIn, fanOut int)

// KaimingNormal is an Initializer: normal with variance 2/fanIn. Behind ReLUs it keeps values at
// one size from layer to layer (He et al., arXiv 1502.01852).
func KaimingNormal(r *rand.Rand, w []float32, fanIn, _ int) {
	drawNormal(r, w, math.Sqrt(2/float64(fanIn)))
}

// KaimingUniform is an Initializer: uniform around 0 with KaimingNormal's variance.
func KaimingUniform(r *rand.Rand, w []float32, fanIn, _ int) {
	drawUniform(r, w, math.Sqrt(6/float64(fanIn)))
}

// XavierNormal is an Initializer: normal with variance 2/(fanIn+fanOut). It is a compromise between
// the forward and the backward pass, for activations that are linear around 0 (Glorot and Bengio,
// AISTATS 2010).
func XavierNormal(r *rand.Rand, w []float32, fanIn, fanOut int) {
	drawNormal(r, w, math.Sqrt(2/float64(fanIn+fanOut)))
}

// XavierUniform is an Initializer: uniform around 0 with XavierNormal's variance.
func XavierUniform(r *rand.Rand, w []float32, fanIn, fanOut int) {
	drawUniform(r, w, math.Sqrt(6/float64(fanIn+fanOut)))
}

// TruncatedNormal returns an Initializer: normal with standard deviation std, cut off at two
// standard deviations. A value beyond them is drawn again.
func TruncatedNormal(std float64) Initializer {
	return func(r *rand.Rand, w []float32, _, _ int) {
		for i := range w {
			z := r.NormFloat64()
			for math.Abs(z) > 2 {
				z = r.NormFloat64()
			}
			w[i] = float32(std * z)
		}
	}
}

func drawNormal(r *rand.Rand, w []float32, std float64) {
	for i := range w {
		w[i] = float32(std * r.NormFloat64())
	}
}

func drawUniform(r *rand.Rand, w []float32, bound float64) {
	for i := range w {
		w[i] = float32(bound * (2*r.Float64() - 1))
	}
}

// or returns i, or other if i is nil.
func (i Initializer) or(other Initializer) Initializer {
	if i == nil {
		return other
	}
	return i
}

// fans returns i with its fans, as a Param.Init.
func (i Initializer) fans(in, out int) func(*rand.Rand, []float32) {
	return func(r *rand.Rand, w []float32) { i(r, w, in, out) }
}
