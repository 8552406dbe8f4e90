package net

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
)

// BatchNorm normalises every feature of flat samples over the samples of a
// shard, then scales and shifts it (Ioffe and Szegedy, arXiv 1502.03167). In
// prediction it uses running statistics: means, and variances by n-1, which a
// training step moves by Momentum towards its own.
type BatchNorm struct {
	Momentum float64 // of the running statistics; 0 is 0.1
	Eps      float64 // added to the variance; 0 is 1e-5
}

// Build implements Layer.
func (l BatchNorm) Build(b *Builder, in Value) (Value, error) {
	s := b.Shape(in)
	if len(s) != 1 {
		return 0, errors.New("samples must be flat: put Flatten{} before it")
	}
	if !(l.Momentum >= 0 && l.Momentum <= 1) {
		return 0, fmt.Errorf("Momentum is %v, want 0 to 1", l.Momentum)
	}
	if !(l.Eps >= 0) || math.IsInf(l.Eps, 1) {
		return 0, fmt.Errorf("Eps is %v, want a number that isn't negative", l.Eps)
	}
	op := batchNorm{features: s[0], momentum: float32(l.Momentum), eps: l.Eps}
	if l.Momentum == 0 {
		op.momentum = 0.1
	}
	if l.Eps == 0 {
		op.eps = 1e-5
	}
	return b.Add(op, s, in)
}

// batchNorm is the op. Its parameters are scale and shift, its state means and
// variances. From Forward to Backward it keeps the normalised samples, then
// what each feature was divided by.
type batchNorm struct {
	features int
	momentum float32
	eps      float64
}

func (o batchNorm) Traits() Traits {
	shape := Shape{o.features}
	ones := func(_ *rand.Rand, p []float32) { fill(p, 1) }
	return Traits{
		Params: []Param{
			{Name: "scale", Shape: shape, Role: Norm, Init: ones},
			{Name: "shift", Shape: shape, Role: Norm},
		},
		State:    2 * o.features,
		Aux:      func(n int) int { return (n + 1) * o.features },
		Couples:  true,
		MinShard: 2,
		FreesOut: true,
	}
}

func fill(x []float32, v float32) {
	for i := range x {
		x[i] = v
	}
}

func (o batchNorm) InitState(state []float32) { fill(state[o.features:], 1) }

func (o batchNorm) Commit(state, stats []float32) {
	for i := range state {
		state[i] += o.momentum * (stats[i] - state[i])
	}
}

// moments returns the mean and the sum of squared deviations of feature j.
func (o batchNorm) moments(x Tensor, j int) (mean, squares float64) {
	for i := range x.N {
		mean += float64(x.Data[i*o.features+j])
	}
	mean /= float64(x.N)
	for i := range x.N {
		d := float64(x.Data[i*o.features+j]) - mean
		squares += float64(d * d)
	}
	return mean, squares
}

func (o batchNorm) Forward(c *Call, p []float32, in []Tensor, out Tensor) {
	x, f := in[0], o.features
	for j := range f {
		scale, shift := p[j], p[f+j]
		if !c.Train {
			inverse := float32(1 / math.Sqrt(float64(c.State[f+j])+o.eps))
			for i := range x.N {
				out.Data[i*f+j] = float32(scale*float32(float32(x.Data[i*f+j]-c.State[j])*inverse)) + shift
			}
			continue
		}
		mean, squares := o.moments(x, j)
		deviation := math.Sqrt(squares/float64(x.N) + o.eps)
		for i := range x.N {
			normal := float32((float64(x.Data[i*f+j]) - mean) / deviation)
			c.Aux[i*f+j] = normal
			out.Data[i*f+j] = float32(scale*normal) + shift
		}
		c.Aux[x.N*f+j] = float32(deviation)
		if c.Stats != nil {
			c.Stats[j] = float32(mean)
			c.Stats[f+j] = float32(squares / float64(x.N-1))
		}
	}
}

func (o batchNorm) Backward(c *Call, p []float32, _ []Tensor, _, dout Tensor, din []Tensor) {
	if !din[0].Wanted() {
		return
	}
	f, n := o.features, float64(dout.N)
	for j := range f {
		sum, weighted := o.sums(c, dout, j)
		sum, weighted = sum/n, weighted/n
		factor := float64(p[j]) / float64(c.Aux[dout.N*f+j])
		for i := range dout.N {
			d := float64(dout.Data[i*f+j]) - sum - float64(float64(c.Aux[i*f+j])*weighted)
			din[0].Data[i*f+j] = float32(factor * d)
		}
	}
}

// sums returns the sums of feature j's output gradients, and of those times
// the normalised inputs.
func (o batchNorm) sums(c *Call, dout Tensor, j int) (sum, weighted float64) {
	for i := range dout.N {
		d := float64(dout.Data[i*o.features+j])
		sum += d
		weighted += float64(d * float64(c.Aux[i*o.features+j]))
	}
	return sum, weighted
}

func (o batchNorm) Gradient(c *Call, _ []Tensor, _, dout Tensor, g []float32) {
	if !c.Accumulate {
		clear(g)
	}
	for j := range o.features {
		sum, weighted := o.sums(c, dout, j)
		g[j] += float32(weighted)
		g[o.features+j] += float32(sum)
	}
}
