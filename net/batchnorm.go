package net

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/steppe-ml/steppe/net/op"
)

// BatchNorm normalizes every channel, the last dimension, over the samples of a shard and their
// pixels, then scales and shifts it (Ioffe and Szegedy, arXiv 1502.03167). A flat sample counts as
// one pixel; a shard of flat samples then needs at least two of them.
//
// Its parameters are the scales, initially 1, and the shifts, initially 0: [C] each. Its running
// state is the means and the variances, divided by n-1: [C] each. A training step moves them
// towards its own by Momentum. Prediction normalizes by them.
type BatchNorm struct {
	Momentum float64 // share of a step in the running state, from 0 to 1; 0 is 0.1
	Epsilon  float64 // added to the variance; 0 is 1e-5
}

// Build implements Layer.
func (l BatchNorm) Build(b op.Builder, in op.Value) (op.Value, error) {
	s := b.Shape(in)
	if !(l.Momentum >= 0 && l.Momentum <= 1) {
		return 0, fmt.Errorf("Momentum is %v, want 0 to 1", l.Momentum)
	}
	if err := validateEpsilon(l.Epsilon); err != nil {
		return 0, err
	}
	channels := s[len(s)-1]
	op := batchNorm{normalization{channels: channels, momentum: float32(l.Momentum), epsilon: l.Epsilon, flat: s.Size() == channels}}
	if l.Momentum == 0 {
		op.momentum = 0.1
	}
	if l.Epsilon == 0 {
		op.epsilon = defaultEpsilon
	}
	return b.Add(op, s, in)
}

const defaultEpsilon = 1e-5

func validateEpsilon(epsilon float64) error {
	if !(epsilon >= 0) || math.IsInf(epsilon, 1) {
		return fmt.Errorf("Epsilon is %v, want a finite number that isn't negative", epsilon)
	}
	return nil
}

// batchNorm is the op, possibly fused with the ReLU behind it.
type batchNorm struct{ normalization }

func (o batchNorm) Traits() op.Traits {
	return op.Traits{
		Params: o.params(), State: o.state(), MinShard: o.minShard(),
		Aux:     op.Aux{Call: o.auxFloats()},
		Couples: true, Selects: true,
		FreesOut: true,
	}
}

func (o batchNorm) Forward(c *op.Call, p []float32, in []op.Tensor, out op.Tensor) {
	if o.measures(c) {
		j := newChannelJob(in[0], sumPiece)
		j.x = in[0].Data
		sums, squares := j.sum(c.Team)
		o.measure(c, c.Aux, j.rows, sums, squares)
		j.release()
	}
	o.affine(c, c.Aux, p)
	o.normalize(c, c.Aux, in[0], nil, out)
}

// Absorb implements op.Absorber. It absorbs a ReLU.
func (o batchNorm) Absorb(next op.Op) op.Op {
	if o.relu || next.Traits().Function != op.Rectify {
		return nil
	}
	o.relu = true
	return o
}

// Prepare implements op.Preparer.
func (o batchNorm) Prepare(c *op.Call, _ []float32, in []op.Tensor, out, dout op.Tensor) {
	o.sumGradients(c, c.Aux, in[0], out, dout, false)
}

func (o batchNorm) Backward(c *op.Call, _ []float32, in []op.Tensor, _, dout op.Tensor, din []op.Tensor) {
	if din[0].Wanted() {
		o.backward(c.Team, c.Aux, in[0], dout, din[0].Data, false)
	}
}

func (o batchNorm) Gradient(c *op.Call, _ []op.Tensor, _, _ op.Tensor, g []float32) {
	o.gradient(c, c.Aux, g)
}

func ones(_ *rand.Rand, p []float32) { fill(p, 1) }

func fill(x []float32, v float32) {
	for i := range x {
		x[i] = v
	}
}
