package net

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/steppe-ml/steppe/simd"
)

// BatchNorm normalises every channel, the last dimension, over the samples of a shard
// and their pixels, then scales and shifts it (Ioffe and Szegedy, arXiv 1502.03167).
// Flat samples are one pixel of as many channels. In prediction it uses running
// statistics: means, and variances by n-1, which a training step moves by Momentum
// towards its own.
type BatchNorm struct {
	Momentum float64 // of the running statistics; 0 is 0.1
	Eps      float64 // added to the variance; 0 is 1e-5
}

// Build implements Layer.
func (l BatchNorm) Build(b *Builder, in Value) (Value, error) {
	s := b.Shape(in)
	if !(l.Momentum >= 0 && l.Momentum <= 1) {
		return 0, fmt.Errorf("Momentum is %v, want 0 to 1", l.Momentum)
	}
	if err := checkEps(l.Eps); err != nil {
		return 0, err
	}
	channels := s[len(s)-1]
	op := batchNorm{channels: channels, momentum: float32(l.Momentum), eps: l.Eps, flat: s.Size() == channels}
	if l.Momentum == 0 {
		op.momentum = 0.1
	}
	if l.Eps == 0 {
		op.eps = defaultEps
	}
	return b.Add(op, s, in)
}

const defaultEps = 1e-5

func checkEps(eps float64) error {
	if !(eps >= 0) || math.IsInf(eps, 1) {
		return fmt.Errorf("Eps is %v, want a number that isn't negative", eps)
	}
	return nil
}

// batchNorm is the op. Its parameters are scale and shift, its state means and
// variances. With m and s the channel's mean and deviation in the shard, the output
// is
//
//	y = a*(x-m) + shift,  a = scale/s
//
// and the input's gradient, from the sums over the shard's n rows of d, that of the
// output, and of d times the normalised input,
//
//	dx = a*(d - sum(d)/n - (x-m)/s * sum(d*(x-m)/s)/n) = a*d + q*(x-m) + r
//
// Rows of channels are in float32, sums over them and what is made of these in
// float64. x is centred by m rounded to float32; what that leaves of m goes into shift
// and r, so that a mean far larger than the deviation costs no digits.
type batchNorm struct {
	channels int
	momentum float32
	eps      float64
	flat     bool // samples have one row
}

// A shard's Aux, an element a channel.
const (
	auxScale   = iota // a
	auxShift          // shift, and a times what is left of m
	auxInverse        // 1/s
	auxMean           // m, and what float32 leaves of it
	auxMeanRest
	auxD // sum(d), likewise
	auxDRest
	auxDX // sum(d*(x-m)/s), likewise
	auxDXRest
	auxQ
	auxR
	auxPerChannel
)

func (o batchNorm) Traits() Traits {
	shape := Shape{o.channels}
	t := Traits{
		Params: []Param{
			{Name: "scale", Shape: shape, Role: Norm, Init: ones},
			{Name: "shift", Shape: shape, Role: Norm},
		},
		State: []Param{
			{Name: "mean", Shape: shape},
			{Name: "variance", Shape: shape, Init: ones},
		},
		Aux:      func(int) int { return auxPerChannel*o.channels + 1 },
		Couples:  true,
		FreesOut: true,
	}
	if o.flat {
		t.MinShard = 2
	}
	return t
}

func ones(_ *rand.Rand, p []float32) { fill(p, 1) }

func fill(x []float32, v float32) {
	for i := range x {
		x[i] = v
	}
}

func (o batchNorm) Commit(state, stats []float32) {
	for i := range state {
		state[i] += o.momentum * (stats[i] - state[i])
	}
}

// aux returns one of the vectors that a shard keeps.
func (o batchNorm) aux(c *Call, which int) []float32 {
	return c.Aux[which*o.channels:][:o.channels]
}

// summed tells whether a shard's sums of gradients are there.
func (o batchNorm) summed(c *Call) *float32 { return &c.Aux[auxPerChannel*o.channels] }

func (o batchNorm) Forward(c *Call, p []float32, in []Tensor, out Tensor) {
	if c.Train {
		o.moments(c, in[0])
	} else {
		for i, variance := range c.State[o.channels:] {
			o.aux(c, auxMean)[i], o.aux(c, auxMeanRest)[i] = c.State[i], 0
			o.aux(c, auxInverse)[i] = float32(1 / math.Sqrt(float64(variance)+o.eps))
		}
	}
	scale, shift := o.aux(c, auxScale), o.aux(c, auxShift)
	for i, inverse := range o.aux(c, auxInverse) {
		scale[i] = p[i] * inverse
		shift[i] = p[o.channels+i] - float32(scale[i]*o.aux(c, auxMeanRest)[i])
	}
	j := newChannelJob(out, scaleShiftUnit)
	j.dst, j.x, j.centre, j.scale, j.shift = out.Data, in[0].Data, o.aux(c, auxMean), scale, shift
	c.Team.Run(j.units(), j)
	j.release()
}

func scaleShiftUnit(j *channelJob, u int) {
	simd.ScaleShift(j.of(j.dst, u), j.of(j.x, u), j.centre, j.scale, j.shift, j.relu)
}

// moments sets a shard's means and inverse deviations, and its statistics.
func (o batchNorm) moments(c *Call, x Tensor) {
	j := newChannelJob(x, sumUnit)
	j.x = x.Data
	sums, squares := j.sum(c.Team)
	n := float64(j.rows)
	for i, sum := range sums {
		mean := sum / n
		deviations := max(0, squares[i]-float64(mean*sum)) // squared, and summed
		split(mean, &o.aux(c, auxMean)[i], &o.aux(c, auxMeanRest)[i])
		o.aux(c, auxInverse)[i] = float32(1 / math.Sqrt(deviations/n+o.eps))
		if c.Stats != nil {
			c.Stats[i] = float32(mean)
			c.Stats[o.channels+i] = float32(deviations / (n - 1))
		}
	}
	*o.summed(c) = 0
	j.release()
}

// sum sets a shard's sums of gradients, once.
func (o batchNorm) sum(c *Call, x, d Tensor) {
	if *o.summed(c) != 0 {
		return
	}
	*o.summed(c) = 1
	j := newChannelJob(x, gradSumsUnit)
	j.d, j.x = d.Data, x.Data
	sumD, sumDX := j.sum(c.Team)
	for i, s := range sumD {
		mean := whole(o.aux(c, auxMean)[i], o.aux(c, auxMeanRest)[i])
		normal := float64(o.aux(c, auxInverse)[i]) * (sumDX[i] - float64(mean*s))
		split(s, &o.aux(c, auxD)[i], &o.aux(c, auxDRest)[i])
		split(normal, &o.aux(c, auxDX)[i], &o.aux(c, auxDXRest)[i])
	}
	j.release()
}

func gradSumsUnit(j *channelJob, u int) {
	a, b := j.unitSums(u)
	simd.ChannelGradSums(j.of(j.d, u), j.of(j.x, u), a, b)
}

// split writes s as two float32 whose sum has twice their digits.
func split(s float64, high, low *float32) {
	*high = float32(s)
	*low = float32(s - float64(*high))
	if math.IsNaN(float64(*low)) { // of infinities
		*low = 0
	}
}

// whole is what split wrote.
func whole(high, low float32) float64 { return float64(high) + float64(low) }

func (o batchNorm) Backward(c *Call, _ []float32, in []Tensor, _, dout Tensor, din []Tensor) {
	if !din[0].Wanted() {
		return
	}
	o.sum(c, in[0], dout)
	q, r := o.aux(c, auxQ), o.aux(c, auxR)
	n := float64(rowsOfChannels(dout).rows)
	for i := range q {
		a, inverse := float64(o.aux(c, auxScale)[i]), float64(o.aux(c, auxInverse)[i])
		d := whole(o.aux(c, auxD)[i], o.aux(c, auxDRest)[i])
		dx := whole(o.aux(c, auxDX)[i], o.aux(c, auxDXRest)[i])
		factor := -a * inverse * dx / n
		q[i] = float32(factor)
		r[i] = float32(-a*d/n - float64(factor*float64(o.aux(c, auxMeanRest)[i])))
	}
	j := newChannelJob(dout, scaleAddShiftUnit)
	j.dst, j.d, j.x = din[0].Data, dout.Data, in[0].Data
	j.centre, j.scale, j.q, j.r = o.aux(c, auxMean), o.aux(c, auxScale), q, r
	c.Team.Run(j.units(), j)
	j.release()
}

func scaleAddShiftUnit(j *channelJob, u int) {
	simd.ScaleAddShift(j.of(j.dst, u), j.of(j.d, u), j.of(j.x, u), j.centre, j.scale, j.q, j.r)
}

func (o batchNorm) Gradient(c *Call, in []Tensor, _, dout Tensor, g []float32) {
	if !c.Accumulate {
		clear(g)
	}
	o.sum(c, in[0], dout)
	for i := range o.channels {
		g[i] += float32(whole(o.aux(c, auxDX)[i], o.aux(c, auxDXRest)[i]))
		g[o.channels+i] += float32(whole(o.aux(c, auxD)[i], o.aux(c, auxDRest)[i]))
	}
}
