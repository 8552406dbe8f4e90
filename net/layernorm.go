package net

import (
	"math"

	"github.com/steppe-ml/steppe/simd"
)

// LayerNorm normalises every sample over its channels, the last dimension, pixel by
// pixel, then scales and shifts each channel (Ba et al., arXiv 1607.06450).
type LayerNorm struct {
	Eps float64 // added to the variance; 0 is 1e-5
}

// Build implements Layer.
func (l LayerNorm) Build(b *Builder, in Value) (Value, error) {
	if err := checkEps(l.Eps); err != nil {
		return 0, err
	}
	s := b.Shape(in)
	op := layerNorm{channels: s[len(s)-1], rows: s.Size() / s[len(s)-1], eps: l.Eps}
	if l.Eps == 0 {
		op.eps = defaultEps
	}
	return b.Add(op, s, in)
}

// layerNorm is the op: its parameters are scale and shift. From Forward on it keeps
// the normalised rows, then what each was multiplied by.
type layerNorm struct {
	channels, rows int // of a sample
	eps            float64
}

func (o layerNorm) Traits() Traits {
	shape := Shape{o.channels}
	return Traits{
		Params: []Param{
			{Name: "scale", Shape: shape, Role: Norm, Init: ones},
			{Name: "shift", Shape: shape, Role: Norm},
		},
		Aux:      Aux{Sample: o.rows * (o.channels + 1)},
		InPlace:  true,
		FreesIn:  true,
		FreesOut: true,
	}
}

// kept returns the normalised rows of a call, and their factors.
func (o layerNorm) kept(c *Call) (normal, inverse []float32) {
	rows := len(c.Aux) / (o.channels + 1)
	return c.Aux[:rows*o.channels], c.Aux[rows*o.channels:]
}

func (o layerNorm) Forward(c *Call, p []float32, in []Tensor, out Tensor) {
	normal, inverse := o.kept(c)
	j := newChannelJob(out, layerNormUnit)
	j.dst, j.x, j.z, j.scale, j.shift = out.Data, in[0].Data, normal, p[:o.channels], p[o.channels:]
	j.q, j.eps = inverse, o.eps
	c.Team.Run(j.units(), j)
	j.release()
}

func layerNormUnit(j *channelJob, u int) {
	n := j.channels
	x, y, normal := j.of(j.x, u), j.of(j.dst, u), j.of(j.z, u)
	for i := 0; i < len(x); i += n {
		row := x[i:][:n]
		sum := 0.0
		for _, v := range row {
			sum += float64(v)
		}
		mean := sum / float64(n)
		squares := 0.0
		for _, v := range row {
			d := float64(v) - mean
			squares += float64(d * d)
		}
		inverse := 1 / math.Sqrt(squares/float64(n)+j.eps)
		j.q[j.row(u)+i/n] = float32(inverse)
		to := normal[i:][:n]
		for k, v := range row {
			to[k] = float32((float64(v) - mean) * inverse)
		}
		simd.Mul(y[i:][:n], to, j.scale)
		simd.Add(y[i:][:n], y[i:][:n], j.shift)
	}
}

func (o layerNorm) Backward(c *Call, p []float32, _ []Tensor, _, dout Tensor, din []Tensor) {
	if !din[0].Wanted() {
		return
	}
	normal, inverse := o.kept(c)
	j := newChannelJob(dout, layerNormBackwardUnit)
	j.dst, j.d, j.z, j.scale, j.q = din[0].Data, dout.Data, normal, p[:o.channels], inverse
	c.Team.Run(j.units(), j)
	j.release()
}

// layerNormBackwardUnit computes, with e = scale*d, inverse * (e - mean(e) - normal *
// mean(e*normal)), row by row.
func layerNormBackwardUnit(j *channelJob, u int) {
	n := j.channels
	d, dx, normal := j.of(j.d, u), j.of(j.dst, u), j.of(j.z, u)
	for i := 0; i < len(d); i += n {
		from, to, xs := d[i:][:n], dx[i:][:n], normal[i:][:n]
		var sum, weighted float64
		for k, v := range from {
			e := float64(j.scale[k]) * float64(v)
			sum += e
			weighted += float64(e * float64(xs[k]))
		}
		sum, weighted = sum/float64(n), weighted/float64(n)
		inverse := float64(j.q[j.row(u)+i/n])
		for k, v := range from {
			e := float64(j.scale[k]) * float64(v)
			to[k] = float32(inverse * (e - sum - float64(float64(xs[k])*weighted)))
		}
	}
}

func (o layerNorm) Gradient(c *Call, _ []Tensor, _, dout Tensor, g []float32) {
	normal, _ := o.kept(c)
	if !c.Accumulate {
		clear(g)
	}
	j := newChannelJob(dout, gradSumsUnit)
	j.d, j.x = dout.Data, normal
	sumD, sumDX := j.sum(c.Team)
	for i := range o.channels {
		g[i] += float32(sumDX[i])
		g[o.channels+i] += float32(sumD[i])
	}
	j.release()
}
