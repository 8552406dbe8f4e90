package net

import (
	"math"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/net/op"
	"github.com/steppe-ml/steppe/simd"
)

// normalization is the arithmetic of batch normalization, for the ops that contain one. Its
// parameters are scale and shift, its state means and variances. With the channel's mean m and
// deviation s in the shard, the output is
//
//	y = a*(x-m) + shift,  a = scale/s
//
// With the output's gradient d, and sums over the shard's n rows, the input's gradient is
//
//	dx = a*(d - sum(d)/n - (x-m)/s * sum(d*(x-m)/s)/n) = a*d + q*(x-m) + r
//
// If relu is set, a ReLU is part of it, and d is 0 where the ReLU gives 0.
//
// Running statistics don't depend on x: with them, q and r are 0.
//
// Rows of channels are in float32. Sums over them, and the factors computed from the sums, are in
// float64. x is centered by m rounded to float32. The rest of m goes into shift and r, so a mean
// far larger than the deviation costs no digits.
type normalization struct {
	channels int
	momentum float32
	epsilon  float64
	flat     bool // a sample is one row
	relu     bool
}

// The vectors that Aux keeps of a shard, each with an element a channel. A float64 is kept as a
// float32 and the rest that rounding leaves.
const (
	auxScale    = iota // a
	auxShift           // shift, less a times the rest of m
	auxInverse         // 1/s
	auxMean            // m
	auxMeanRest        // rest of m
	auxD               // sum(d)
	auxDRest           // rest of sum(d)
	auxDX              // sum(d*(x-m)/s)
	auxDXRest          // rest of sum(d*(x-m)/s)
	auxQ               // q
	auxR               // r
	auxPerChannel
)

func (o normalization) auxFloats() int { return auxPerChannel * o.channels }

// of returns one of the vectors of aux.
func (o normalization) of(aux []float32, which int) []float32 {
	return aux[which*o.channels:][:o.channels]
}

func (o normalization) params() []op.Param {
	return []op.Param{
		{Name: "scale", Shape: Shape{o.channels}, Role: Norm, Init: ones},
		{Name: "shift", Shape: Shape{o.channels}, Role: Norm},
	}
}

func (o normalization) state() []op.Param {
	return []op.Param{
		{Name: "mean", Shape: Shape{o.channels}},
		{Name: "variance", Shape: Shape{o.channels}, Init: ones},
	}
}

// minShard returns the fewest samples that have a deviation, 0 for any.
func (o normalization) minShard() int {
	if o.flat {
		return 2
	}
	return 0
}

// Commit implements op.Stateful.
func (o normalization) Commit(state, stats []float32) {
	for i := range state {
		state[i] += float32(o.momentum * (stats[i] - state[i])) // rounded, so that no compiler fuses it
	}
}

// measures reports whether a call normalizes by the statistics of its samples. Otherwise it does so
// by the running ones.
func (o normalization) measures(c *op.Call) bool { return c.State == nil }

// measure computes a shard's means and inverse deviations from its sums over rows, and stores its
// statistics if they are wanted.
func (o normalization) measure(c *op.Call, aux []float32, rows int, sums, squares []float64) {
	n := float64(rows)
	for i, sum := range sums {
		mean := sum / n
		deviations := max(0, squares[i]-float64(mean*sum)) // the sum of their squares
		split(mean, &o.of(aux, auxMean)[i], &o.of(aux, auxMeanRest)[i])
		o.of(aux, auxInverse)[i] = float32(1 / math.Sqrt(deviations/n+o.epsilon))
		if c.Stats != nil {
			c.Stats[i] = float32(mean)
			c.Stats[o.channels+i] = float32(deviations / (n - 1))
		}
	}
}

// affine computes the scales and shifts that normalize, from the parameters p and the shard's
// statistics or the running ones.
func (o normalization) affine(c *op.Call, aux, p []float32) {
	if !o.measures(c) {
		for i, variance := range c.State[o.channels:] {
			o.of(aux, auxMean)[i], o.of(aux, auxMeanRest)[i] = c.State[i], 0
			o.of(aux, auxInverse)[i] = float32(1 / math.Sqrt(float64(variance)+o.epsilon))
		}
	}
	scale, shift := o.of(aux, auxScale), o.of(aux, auxShift)
	for i, inverse := range o.of(aux, auxInverse) {
		scale[i] = p[i] * inverse
		shift[i] = p[o.channels+i] - float32(scale[i]*o.of(aux, auxMeanRest)[i])
	}
}

// normalize sets y to x normalized, plus z unless it is nil.
func (o normalization) normalize(c *op.Call, aux []float32, x op.Tensor, z []float32, y op.Tensor) {
	do := scaleShiftPiece
	if z != nil {
		do = scaleShiftAddPiece
	}
	j := newChannelJob(x, do)
	j.dst, j.x, j.z, j.relu = y.Data, x.Data, z, o.relu
	j.center, j.scale, j.shift = o.of(aux, auxMean), o.of(aux, auxScale), o.of(aux, auxShift)
	c.Team.Run(j.pieces(), j)
	j.release()
}

func scaleShiftPiece(j *channelJob, u int) {
	simd.ScaleShift(j.of(j.dst, u), j.of(j.x, u), j.center, j.scale, j.shift, j.relu)
}

func scaleShiftAddPiece(j *channelJob, u int) {
	simd.ScaleShiftAdd(j.of(j.dst, u), j.of(j.x, u), j.center, j.scale, j.shift, j.of(j.z, u), j.relu)
}

// sumGradients sums a shard's gradients, and computes q and r for backward. If a ReLU is part of
// the op, d counts as 0 where y is 0. If a second input was added before the ReLU, sumGradients
// reads y and sets d to 0 there; otherwise it computes y again from x, and d stays as it is.
func (o normalization) sumGradients(c *op.Call, aux []float32, x, y, d op.Tensor, added bool) {
	do := gradSumsPiece
	switch {
	case o.relu && added:
		do = gradSumsOutputPiece
	case o.relu:
		do = gradSumsAffinePiece
	}
	j := newChannelJob(x, do)
	j.d, j.x, j.z, j.dst = d.Data, x.Data, y.Data, d.Data
	j.center, j.scale, j.shift = o.of(aux, auxMean), o.of(aux, auxScale), o.of(aux, auxShift)
	sumD, sumDX := j.sum(c.Team)
	n := float64(j.rows)
	for i, sum := range sumD {
		rest := float64(o.of(aux, auxMeanRest)[i])
		mean := whole(o.of(aux, auxMean)[i], o.of(aux, auxMeanRest)[i])
		a, inverse := float64(o.of(aux, auxScale)[i]), float64(o.of(aux, auxInverse)[i])
		normal := inverse * (sumDX[i] - float64(mean*sum))
		split(sum, &o.of(aux, auxD)[i], &o.of(aux, auxDRest)[i])
		split(normal, &o.of(aux, auxDX)[i], &o.of(aux, auxDXRest)[i])
		if !o.measures(c) {
			o.of(aux, auxQ)[i], o.of(aux, auxR)[i] = 0, 0
			continue
		}
		factor := -a * inverse * normal / n
		o.of(aux, auxQ)[i] = float32(factor)
		o.of(aux, auxR)[i] = float32(-a*sum/n - float64(factor*rest))
	}
	j.release()
}

func gradSumsPiece(j *channelJob, u int) {
	a, b := j.pieceSums(u)
	simd.ChannelGradSums(j.of(j.d, u), j.of(j.x, u), a, b)
}

func gradSumsOutputPiece(j *channelJob, u int) {
	a, b := j.pieceSums(u)
	simd.ChannelGradSumsOutput(j.of(j.dst, u), j.of(j.d, u), j.of(j.x, u), j.of(j.z, u), a, b)
}

func gradSumsAffinePiece(j *channelJob, u int) {
	a, b := j.pieceSums(u)
	simd.ChannelGradSumsAffine(j.of(j.d, u), j.of(j.x, u), j.center, j.scale, j.shift, a, b)
}

// backward sets dx, which may be x's memory. sumGradients comes before it, with the same added.
func (o normalization) backward(team *blas.Team, aux []float32, x, d op.Tensor, dx []float32, added bool) {
	do := scaleAddShiftPiece
	if o.relu && !added {
		do = scaleAddShiftAffinePiece
	}
	j := newChannelJob(x, do)
	j.dst, j.d, j.x = dx, d.Data, x.Data
	j.center, j.scale, j.shift = o.of(aux, auxMean), o.of(aux, auxScale), o.of(aux, auxShift)
	j.q, j.r = o.of(aux, auxQ), o.of(aux, auxR)
	team.Run(j.pieces(), j)
	j.release()
}

func scaleAddShiftPiece(j *channelJob, u int) {
	simd.ScaleAddShift(j.of(j.dst, u), j.of(j.d, u), j.of(j.x, u), j.center, j.scale, j.q, j.r)
}

func scaleAddShiftAffinePiece(j *channelJob, u int) {
	simd.ScaleAddShiftAffine(j.of(j.dst, u), j.of(j.d, u), j.of(j.x, u), j.center, j.scale, j.shift, j.q, j.r)
}

// gradient sets g to the gradients of scale and shift, or adds them.
func (o normalization) gradient(c *op.Call, aux, g []float32) {
	if !c.Accumulate {
		clear(g)
	}
	for i := range o.channels {
		g[i] += float32(whole(o.of(aux, auxDX)[i], o.of(aux, auxDXRest)[i]))
		g[o.channels+i] += float32(whole(o.of(aux, auxD)[i], o.of(aux, auxDRest)[i]))
	}
}

// split writes s as the sum of two float32, high and the rest.
func split(s float64, high, low *float32) {
	*high = float32(s)
	*low = float32(s - float64(*high))
	if math.IsNaN(float64(*low)) { // of infinities
		*low = 0
	}
}

// whole returns the number that split wrote.
func whole(high, low float32) float64 { return float64(high) + float64(low) }
