package net

import (
	"fmt"
	"math"
	"math/rand/v2"
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
	op := batchNorm{normalisation{channels: channels, momentum: float32(l.Momentum), eps: l.Eps, flat: s.Size() == channels}}
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

// batchNorm is the op, with a ReLU behind it or not.
type batchNorm struct{ normalisation }

func (o batchNorm) Traits() Traits {
	return Traits{
		Params: o.params(), State: o.state(), MinShard: o.minShard(),
		Aux:      Aux{Call: o.auxFloats()},
		Couples:  true,
		FreesOut: true,
	}
}

func (o batchNorm) Forward(c *Call, p []float32, in []Tensor, out Tensor) {
	if c.Train {
		j := newChannelJob(in[0], sumUnit)
		j.x = in[0].Data
		sums, squares := j.sum(c.Team)
		o.measured(c, c.Aux, j.rows, sums, squares)
		j.release()
	}
	o.affine(c, c.Aux, p)
	o.normalise(c, c.Aux, in[0], nil, out)
}

// Prepare implements Preparer.
func (o batchNorm) Prepare(c *Call, _ []float32, in []Tensor, out, dout Tensor) {
	o.sumGradients(c, c.Aux, in[0], out, dout, false)
}

func (o batchNorm) Backward(c *Call, _ []float32, in []Tensor, _, dout Tensor, din []Tensor) {
	if din[0].Wanted() {
		o.backward(c.Team, c.Aux, in[0], dout, din[0].Data, false)
	}
}

func (o batchNorm) Gradient(c *Call, _ []Tensor, _, _ Tensor, g []float32) {
	o.gradient(c, c.Aux, g)
}

func ones(_ *rand.Rand, p []float32) { fill(p, 1) }

func fill(x []float32, v float32) {
	for i := range x {
		x[i] = v
	}
}
