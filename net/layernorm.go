package net

import (
	"github.com/steppe-ml/steppe/net/op"
	"github.com/steppe-ml/steppe/simd"
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

// layerNorm is the op. Aux keeps what [simd.NormalizeRows] keeps of each row of channels, from
// Forward on.
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
		Aux:      op.Aux{Sample: simd.NormalizeRowsKept * o.rows},
		FreesOut: true,
	}
}

// job returns a job on the rows of t and what c keeps of them.
func (o layerNorm) job(c *op.Call, t op.Tensor, do func(j *channelJob, u int)) *channelJob {
	j := newChannelJob(t, do)
	j.q = c.Aux
	return j
}

// kept returns what is kept of the rows of piece u.
func (j *channelJob) kept(u int) []float32 {
	rows := len(j.of(j.x, u)) / j.channels
	return j.q[simd.NormalizeRowsKept*j.row(u):][:simd.NormalizeRowsKept*rows]
}

func (o layerNorm) Forward(c *op.Call, p []float32, in []op.Tensor, out op.Tensor) {
	j := o.job(c, out, layerNormPiece)
	j.dst, j.x, j.scale, j.shift, j.epsilon = out.Data, in[0].Data, p[:o.channels], p[o.channels:], o.epsilon
	c.Team.Run(j.pieces(), j)
	j.release()
}

func layerNormPiece(j *channelJob, u int) {
	simd.NormalizeRows(j.of(j.dst, u), j.of(j.x, u), j.scale, j.shift, j.kept(u), j.epsilon)
}

func (o layerNorm) Backward(c *op.Call, p []float32, in []op.Tensor, _, dout op.Tensor, din []op.Tensor) {
	if !din[0].Wanted() {
		return
	}
	j := o.job(c, dout, layerNormBackwardPiece)
	j.dst, j.d, j.x, j.scale = din[0].Data, dout.Data, in[0].Data, p[:o.channels]
	c.Team.Run(j.pieces(), j)
	j.release()
}

func layerNormBackwardPiece(j *channelJob, u int) {
	simd.NormalizeRowsBackward(j.of(j.dst, u), j.of(j.d, u), j.of(j.x, u), j.scale, j.kept(u))
}

func (o layerNorm) Gradient(c *op.Call, in []op.Tensor, _, dout op.Tensor, g []float32) {
	if !c.Accumulate {
		clear(g)
	}
	j := o.job(c, dout, layerNormGradientPiece)
	j.d, j.x = dout.Data, in[0].Data
	sumD, sumDZ := j.sum(c.Team)
	for i := range o.channels {
		g[i] += float32(sumDZ[i])
		g[o.channels+i] += float32(sumD[i])
	}
	j.release()
}

func layerNormGradientPiece(j *channelJob, u int) {
	sumD, sumDZ := j.pieceSums(u)
	simd.NormalizeRowsGradSums(j.of(j.d, u), j.of(j.x, u), j.kept(u), sumD, sumDZ)
}
