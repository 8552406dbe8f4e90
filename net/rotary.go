package net

import (
	"fmt"
	"math"

	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/internal/parallel"
	"github.com/steppe-ml/steppe/net/op"
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
	o.rotate(c, out, in[0], 1)
}

func (o rotation) Backward(c *op.Call, _ []float32, _ []op.Tensor, _, dout op.Tensor, din []op.Tensor) {
	if din[0].Wanted() {
		o.rotate(c, din[0], dout, -1)
	}
}

// rotate sets y to x rotated, forward with a sign of 1 and back with -1. y may be x.
func (o rotation) rotate(c *op.Call, y, x op.Tensor, sign float32) {
	j := rotationJobs.Get()
	j.rotation, j.y, j.x, j.sign = o, y, x, sign
	j.perTask = max(1, rotationFloats*x.N/max(1, len(x.Data)))
	c.Team.Run(num.CeilDiv(x.N, j.perTask), j)
	*j = rotationJob{}
	rotationJobs.Put(j)
}

// rotationJob is a team's job: a rotation, some samples at a time.
type rotationJob struct {
	rotation
	y, x    op.Tensor
	sign    float32
	perTask int // samples of a task
}

var rotationJobs parallel.Pool[rotationJob]

// rotationFloats is the floats of a task, about.
const rotationFloats = 1 << 15

// Do rotates some samples.
func (j *rotationJob) Do(task, _ int) {
	for i := task * j.perTask; i < min((task+1)*j.perTask, j.x.N); i++ {
		run, stride := j.x.Run(i), 3*j.width
		for r := range run.N {
			at := (run.First + r) * stride
			j.row(j.y.Data[at:][:stride], j.x.Data[at:][:stride], r)
		}
	}
}

// row rotates row r of a sample.
func (j *rotationJob) row(y, x []float32, r int) {
	half := j.width / j.heads / 2
	cos, sin := j.cos[r*half:][:half], j.sin[r*half:][:half]
	for at := 0; at < 2*j.width; at += 2 * half {
		a, b, toA, toB := x[at:][:half], x[at+half:][:half], y[at:][:half], y[at+half:][:half]
		for i, c := range cos {
			s, u, v := j.sign*sin[i], a[i], b[i]
			toA[i] = float32(u*c) - float32(v*s)
			toB[i] = float32(v*c) + float32(u*s)
		}
	}
	copy(y[2*j.width:], x[2*j.width:])
}
