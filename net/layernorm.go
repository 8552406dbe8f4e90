package net

import (
	"math"

	"github.com/steppe-ml/steppe/net/op"
)

// LayerNorm normalizes every pixel of every sample over its channels, the last dimension, then
// scales and shifts each channel (Ba et al., arXiv 1607.06450). A flat sample counts as one pixel.
// Its parameters are the scales, initially 1, and the shifts, initially 0: [C] each.
type LayerNorm struct {
	Epsilon float64 // added to the variance; 0 is 1e-5
}

// Build implements Layer.
func (l LayerNorm) Build(b op.Builder, in op.Value) (op.Value, error) {
	if err := validateEpsilon(l.Epsilon); err != nil {
		return 0, err
	}
	s := b.Shape(in)
	op := layerNorm{channels: s[len(s)-1], rows: s.Size() / s[len(s)-1], epsilon: l.Epsilon}
	if l.Epsilon == 0 {
		op.epsilon = defaultEpsilon
	}
	return b.Add(op, s, in)
}

// layerNorm is the op. Aux keeps the mean of each row of channels and the inverse of its deviation,
// from Forward on.
type layerNorm struct {
	channels int
	rows     int // of a sample
	epsilon  float64
}

func (o layerNorm) Traits() op.Traits {
	shape := Shape{o.channels}
	return op.Traits{
		Params: []op.Param{
			{Name: "scale", Shape: shape, Role: Norm, Init: ones},
			{Name: "shift", Shape: shape, Role: Norm},
		},
		Aux:      op.Aux{Sample: 2 * o.rows},
		FreesOut: true,
	}
}

func (o layerNorm) Forward(c *op.Call, p []float32, in []op.Tensor, out op.Tensor) {
	j := newChannelJob(out, layerNormPiece)
	j.dst, j.x, j.scale, j.shift = out.Data, in[0].Data, p[:o.channels], p[o.channels:]
	j.q, j.epsilon = c.Aux, o.epsilon
	c.Team.Run(j.pieces(), j)
	j.release()
}

// normalRow returns the kept mean and inverse deviation of the row at element i of piece u.
func (j *channelJob) normalRow(u, i int) (mean, inverse float64) {
	kept := j.q[2*(j.row(u)+i/j.channels):]
	return float64(kept[0]), float64(kept[1])
}

func layerNormPiece(j *channelJob, u int) {
	n := j.channels
	x, y := j.of(j.x, u), j.of(j.dst, u)
	for i := 0; i < len(x); i += n {
		row, to := x[i:][:n], y[i:][:n]
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
		inverse := 1 / math.Sqrt(squares/float64(n)+j.epsilon)
		kept := j.q[2*(j.row(u)+i/n):]
		kept[0], kept[1] = float32(mean), float32(inverse)
		for k, v := range row {
			to[k] = float32(float64(j.scale[k])*float64((float64(v)-mean)*inverse)) + j.shift[k]
		}
	}
}

func (o layerNorm) Backward(c *op.Call, p []float32, in []op.Tensor, _, dout op.Tensor, din []op.Tensor) {
	if !din[0].Wanted() {
		return
	}
	j := newChannelJob(dout, layerNormBackwardPiece)
	j.dst, j.d, j.x, j.scale, j.q = din[0].Data, dout.Data, in[0].Data, p[:o.channels], c.Aux
	c.Team.Run(j.pieces(), j)
	j.release()
}

// layerNormBackwardPiece computes inverse * (e - mean(e) - z*mean(e*z)) row by row, with e =
// scale*d and the normalized input z.
func layerNormBackwardPiece(j *channelJob, u int) {
	n := j.channels
	d, x, dx := j.of(j.d, u), j.of(j.x, u), j.of(j.dst, u)
	for i := 0; i < len(d); i += n {
		from, xs, to := d[i:][:n], x[i:][:n], dx[i:][:n]
		mean, inverse := j.normalRow(u, i)
		var sum, weighted float64
		for k, v := range from {
			e := float64(j.scale[k]) * float64(v)
			sum += e
			weighted += float64(e * float64((float64(xs[k])-mean)*inverse))
		}
		sum, weighted = sum/float64(n), weighted/float64(n)
		for k, v := range from {
			e := float64(j.scale[k]) * float64(v)
			normal := (float64(xs[k]) - mean) * inverse
			to[k] = float32(inverse * (e - sum - float64(normal*weighted)))
		}
	}
}

func (o layerNorm) Gradient(c *op.Call, in []op.Tensor, _, dout op.Tensor, g []float32) {
	if !c.Accumulate {
		clear(g)
	}
	j := newChannelJob(dout, layerNormGradientPiece)
	j.d, j.x, j.q = dout.Data, in[0].Data, c.Aux
	sumD, sumDX := j.sum(c.Team)
	for i := range o.channels {
		g[i] += float32(sumDX[i])
		g[o.channels+i] += float32(sumD[i])
	}
	j.release()
}

func layerNormGradientPiece(j *channelJob, u int) {
	n := j.channels
	sumD, sumDX := j.pieceSums(u)
	d, x := j.of(j.d, u), j.of(j.x, u)
	for i := 0; i < len(d); i += n {
		mean, inverse := j.normalRow(u, i)
		for k, v := range d[i:][:n] {
			sumD[k] += float64(v)
			sumDX[k] += float64(float64(v) * float64((float64(x[i+k])-mean)*inverse))
		}
	}
}
