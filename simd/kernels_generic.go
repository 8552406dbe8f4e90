package simd

import (
	"math"
	"runtime"
)

// generic is the reference: one readable loop a kernel. Products are rounded
// by an explicit conversion, so that no compiler fuses them with a sum.
var generic = table{
	axpy: func(alpha float32, x, y []float32) {
		for i := range y {
			y[i] += float32(alpha * x[i])
		}
	},
	axpyTo: func(dst []float32, alpha float32, x, y []float32) {
		for i := range dst {
			dst[i] = y[i] + float32(alpha*x[i])
		}
	},
	scale: func(alpha float32, x []float32) {
		for i := range x {
			x[i] *= alpha
		}
	},
	add: func(dst, x, y []float32) {
		for i := range dst {
			dst[i] = x[i] + y[i]
		}
	},
	mul: func(dst, x, y []float32) {
		for i := range dst {
			dst[i] = x[i] * y[i]
		}
	},
	dot: func(x, y []float32) (sum float32) {
		for i := range x {
			sum += float32(x[i] * y[i])
		}
		return sum
	},
	dot64: func(x, y []float32) (sum float64) {
		for i := range x {
			sum += float64(x[i]) * float64(y[i]) // the product is exact
		}
		return sum
	},
	squares: func(x []float32) (sum float64) {
		for _, v := range x {
			sum += float64(v) * float64(v) // exact
		}
		return sum
	},
	scaledSquares: func(eta float32, x, y []float32) (sum float64) {
		for i := range x {
			scaled := (math.Abs(float64(y[i])) + float64(eta)) * float64(x[i])
			sum += float64(scaled * scaled)
		}
		return sum
	},
	scaledAxpyTo: func(dst []float32, alpha, eta float32, x, y []float32) {
		for i := range dst {
			t := float32(math.Abs(float64(y[i]))) + eta
			dst[i] = y[i] + float32(float32(x[i]*t)*float32(t*alpha))
		}
	},
	max: func(x []float32) float32 {
		largest := minusInf
		for _, v := range x {
			largest = max(largest, v)
		}
		return largest
	},
	relu: func(dst, x []float32) {
		for i, v := range x {
			if v < 0 {
				v = 0
			}
			dst[i] = v
		}
	},
	reluBackward: func(dst, dy, y []float32) {
		for i, v := range y {
			if v <= 0 {
				dst[i] = 0
			} else {
				dst[i] = dy[i]
			}
		}
	},
	momentum: func(w, v, g []float32, scale, lr, mu, decay, vel, grad float32) {
		for i := range w {
			d := float32(scale*g[i]) + float32(decay*w[i])
			v[i] = float32(mu*v[i]) + d
			step := float32(vel*v[i]) + float32(grad*d)
			w[i] -= float32(lr * step)
		}
	},
	adamW: func(w, m, v, g []float32, scale, beta1, rest1, beta2, rest2, root, eps, lr, decay float32) {
		for i := range w {
			d := scale * g[i]
			m[i] = float32(beta1*m[i]) + float32(rest1*d)
			v[i] = float32(beta2*v[i]) + float32(rest2*float32(d*d))
			q := m[i] / (float32(root*float32(math.Sqrt(float64(v[i])))) + eps)
			w[i] -= float32(lr*q) + float32(decay*w[i])
		}
	},
	channelSums:           channelSums,
	scaleShift:            scaleShift,
	scaleShiftAdd:         scaleShiftAdd,
	channelGradSums:       channelGradSums,
	channelGradSumsOutput: channelGradSumsOutput,
	channelGradSumsAffine: channelGradSumsAffine,
	scaleAddShift:         scaleAddShift,
	scaleAddShiftAffine:   scaleAddShiftAffine,
	layerNorm:             layerNorm,
	layerNormBackward:     layerNormBackward,
	layerNormSums:         layerNormSums,
	exp:                   eachOf(exp),
	log:                   eachOf(log),
	tanh:                  eachOf(tanh),
	sigmoid:               eachOf(sigmoid),
	gelu:                  eachOf(gelu),
	geluBackward:          slopes(geluSlope),
	geluAndSlope:          geluAndSlope,
	tanhBackward:          slopes(func(y float64) float64 { return 1 - float64(y*y) }),
	sigmoidBackward:       slopes(func(y float64) float64 { return y - float64(y*y) }),
	softmaxRows:           softmaxRows,
	softmaxScores:         softmaxScores,
	softmaxScoresAgain:    softmaxScoresAgain,
	softmaxScoresBackward: softmaxScoresBackward,
	rowDots:               rowDots,
	rotateHalves:          rotateHalves,
	peak: func(iterations int) {
		var a, b, c, d float32
		for range iterations {
			a, b, c, d = a*peakFactor+1, b*peakFactor+1, c*peakFactor+1, d*peakFactor+1
		}
		runtime.KeepAlive(a + b + c + d)
	},
	peakFlops: 8,
}
