package net

import (
	"fmt"

	"github.com/steppe-ml/steppe/net/op"
	"github.com/steppe-ml/steppe/simd"
)

// Pooling makes one row of each sample's rows, from [L, width] to flat samples [width]: their mean,
// or the first. Of text, a sample's rows are its own tokens', however long others are. It has no
// parameters.
type Pooling struct {
	First bool // take the first row, as BERT does
}

// Build implements Layer.
func (l Pooling) Build(b op.Builder, in op.Value) (op.Value, error) {
	s := b.Shape(in)
	if len(s) != 2 {
		return 0, fmt.Errorf("samples of shape %v, want rows of one width: two dimensions", s)
	}
	return b.Add(pooling{first: l.First}, s[1:], in)
}

// pooling is the op.
type pooling struct {
	noParams
	first bool
}

func (pooling) Traits() op.Traits {
	return op.Traits{Pools: true, FreesIn: true, FreesOut: true, Adds: true}
}

func (o pooling) Forward(c *op.Call, _ []float32, in []op.Tensor, out op.Tensor) {
	j := newSampleJob(poolSample)
	j.x, j.y, j.first = in[0], out, o.first
	j.run(c.Team, in[0])
}

func poolSample(j *sampleJob, i int) {
	x, y := rowsOfSample(j.x, i), rowsOfSample(j.y, i)
	width := len(y)
	copy(y, x)
	if j.first {
		return
	}
	for at := width; at < len(x); at += width {
		simd.Add(y, y, x[at:][:width])
	}
	simd.Scale(float32(1/float64(len(x)/width)), y)
}

func (o pooling) Backward(c *op.Call, _ []float32, _ []op.Tensor, _, dout op.Tensor, din []op.Tensor) {
	if !din[0].Wanted() {
		return
	}
	j := newSampleJob(poolSampleBackward)
	j.x, j.y, j.first, j.accumulate = dout, din[0], o.first, c.Accumulate
	j.run(c.Team, din[0])
}

func poolSampleBackward(j *sampleJob, i int) {
	d, dx := rowsOfSample(j.x, i), rowsOfSample(j.y, i)
	width := len(d)
	if !j.accumulate {
		clear(dx)
	}
	if j.first {
		simd.Add(dx[:width], dx[:width], d)
		return
	}
	share := float32(1 / float64(len(dx)/width))
	for at := 0; at < len(dx); at += width {
		simd.Axpy(share, d, dx[at:][:width])
	}
}
