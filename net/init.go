package net

import (
	"math"
	"math/rand/v2"
)

// Initializer sets a weight's initial values. fanIn is the inputs that each of its
// outputs is a sum over, fanOut the outputs that each input is part of.
type Initializer func(r *rand.Rand, w []float32, fanIn, fanOut int)

// KaimingNormal is normal with variance 2/fanIn, which keeps the size of what wanted
// forward through ReLUs (He et al., arXiv 1502.01852).
func KaimingNormal(r *rand.Rand, w []float32, fanIn, _ int) {
	drawNormal(r, w, math.Sqrt(2/float64(fanIn)))
}

// KaimingUniform is KaimingNormal's variance, spread evenly.
func KaimingUniform(r *rand.Rand, w []float32, fanIn, _ int) {
	drawUniform(r, w, math.Sqrt(6/float64(fanIn)))
}

// XavierNormal is normal with variance 2/(fanIn+fanOut), a compromise between both
// directions for functions that are linear around 0 (Glorot and Bengio, AISTATS
// 2010).
func XavierNormal(r *rand.Rand, w []float32, fanIn, fanOut int) {
	drawNormal(r, w, math.Sqrt(2/float64(fanIn+fanOut)))
}

// XavierUniform is XavierNormal's variance, spread evenly.
func XavierUniform(r *rand.Rand, w []float32, fanIn, fanOut int) {
	drawUniform(r, w, math.Sqrt(6/float64(fanIn+fanOut)))
}

// TruncatedNormal returns an Initializer: normal with standard deviation std, where
// what is more than two of them from 0 is drawn again.
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

// or returns i, or what stands in for none.
func (i Initializer) or(other Initializer) Initializer {
	if i == nil {
		return other
	}
	return i
}

// fans returns i for a weight, as Param.Init wants it.
func (i Initializer) fans(in, out int) func(*rand.Rand, []float32) {
	return func(r *rand.Rand, w []float32) { i(r, w, in, out) }
}
