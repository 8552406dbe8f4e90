package net

import (
	"fmt"
	"math"

	"github.com/steppe-ml/steppe/internal/parallel"
	"github.com/steppe-ml/steppe/net/op"
	"github.com/steppe-ml/steppe/simd"
)

// rotation is the op that rotates the queries and keys of rows [L, 3*width] (Su et al., arXiv
// 2104.09864): in row i, features j and j+n/2 of each head's n by the angle i * 10000^(-2j/n). v
// stays as it is.
type rotation struct {
	noParams
	rows, width, heads int
	cos, sin           []float32 // [rows, n/2]
}

const rotationBase = 10000

// addRotation appends a rotation to a program.
func addRotation(b op.Builder, in op.Value, heads int) (op.Value, error) {
	s := b.Shape(in)
	o := rotation{rows: s[0], width: s[1] / 3, heads: heads}
	features := o.width / heads
	if features%2 != 0 {
		return 0, fmt.Errorf("Rotary rotates pairs, and a head has %d features: want an even number", features)
	}
	half := features / 2
	o.cos, o.sin = make([]float32, o.rows*half), make([]float32, o.rows*half)
	for j := range half {
		frequency := math.Pow(rotationBase, -2*float64(j)/float64(features))
		for i := range o.rows {
			sin, cos := math.Sincos(float64(i) * frequency)
			o.cos[i*half+j], o.sin[i*half+j] = float32(cos), float32(sin)
		}
	}
	return b.Add(o, s, in)
}

func (rotation) Traits() op.Traits { return op.Traits{InPlace: true, FreesIn: true, FreesOut: true} }

func (o rotation) Forward(c *op.Call, _ []float32, in []op.Tensor, out op.Tensor) {
	o.rotate(c, out, in[0], false)
}

func (o rotation) Backward(c *op.Call, _ []float32, _ []op.Tensor, _, dout op.Tensor, din []op.Tensor) {
	if din[0].Wanted() {
		o.rotate(c, din[0], dout, true)
	}
}

// rotate sets y to x rotated, or rotated back. y may be x.
func (o rotation) rotate(c *op.Call, y, x op.Tensor, back bool) {
	j := rotationJobs.Get()
	j.rotation, j.y, j.x, j.back = o, y, x, back
	j.sampleTasks = tasksOf(x)
	c.Team.Run(j.tasks(), j)
	*j = rotationJob{}
	rotationJobs.Put(j)
}

// rotationJob is a team's job: a rotation, some samples at a time.
type rotationJob struct {
	rotation
	sampleTasks
	y, x op.Tensor
	back bool
}

var rotationJobs parallel.Pool[rotationJob]

// Do rotates some samples.
func (j *rotationJob) Do(task, _ int) {
	half, stride := j.width/j.heads/2, 3*j.width
	pairs := simd.Rotation{Blocks: 2 * j.heads, Half: half, Stride: stride}
	from, to := j.of(task)
	for i := from; i < to; i++ {
		y, x := j.y.Slice(i, 1).Data, j.x.Slice(i, 1).Data
		n := len(x) / stride
		pairs.Rotate(y, x, j.cos[:n*half], j.sin[:n*half], j.back)
		if n == 0 || &y[0] == &x[0] {
			continue
		}
		for v := 2 * j.width; v < len(x); v += stride {
			copy(y[v:][:j.width], x[v:])
		}
	}
}
