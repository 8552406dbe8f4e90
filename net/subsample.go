package net

import (
	"fmt"

	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/net/op"
)

// Subsample takes every Stride-th pixel of every Stride-th row of images [H, W, C], and appends
// channels of zeros, to images [ceil(H/Stride), ceil(W/Stride), Out]. It is the shortcut without
// parameters of He et al., arXiv 1512.03385 (option A).
type Subsample struct {
	Stride int // at least 1
	Out    int // channels of the output, at least C; 0 is C
}

// Build implements Layer.
func (l Subsample) Build(b op.Builder, in op.Value) (op.Value, error) {
	s := b.Shape(in)
	if err := validateImages(s); err != nil {
		return 0, err
	}
	if l.Out == 0 {
		l.Out = s[2]
	}
	switch {
	case l.Stride < 1:
		return 0, fmt.Errorf("Stride is %d, want at least 1", l.Stride)
	case l.Out < s[2]:
		return 0, fmt.Errorf("Out is %d, want at least the %d channels of the input", l.Out, s[2])
	}
	out := Shape{num.CeilDiv(s[0], l.Stride), num.CeilDiv(s[1], l.Stride), l.Out}
	return b.Add(subsample{in: s, out: out, stride: l.Stride}, out, in)
}

// subsample is the op.
type subsample struct {
	noParams
	in, out Shape
	stride  int
}

func (subsample) Traits() op.Traits { return op.Traits{FreesIn: true, FreesOut: true, Adds: true} }

// pixels visits the pixels of the output of n samples. It gives the index of the pixel's first
// channel in the output, and in the input.
func (o subsample) pixels(n int, visit func(out, in int)) {
	for i := range n {
		for r := range o.out[0] {
			for c := range o.out[1] {
				visit(((i*o.out[0]+r)*o.out[1]+c)*o.out[2], ((i*o.in[0]+r*o.stride)*o.in[1]+c*o.stride)*o.in[2])
			}
		}
	}
}

func (o subsample) Forward(_ *op.Call, _ []float32, in []op.Tensor, out op.Tensor) {
	x, y := in[0].Data, out.Data
	o.pixels(out.N, func(to, from int) {
		pixel := y[to:][:o.out[2]]
		clear(pixel[copy(pixel, x[from:][:o.in[2]]):])
	})
}

// Rematerialize implements op.Rematerializer.
func (o subsample) Rematerialize(c *op.Call, in []op.Tensor, out op.Tensor) {
	o.Forward(c, nil, in, out)
}

// RematerializeReads implements op.Rematerializer.
func (subsample) RematerializeReads(int) bool { return true }

func (o subsample) Backward(c *op.Call, _ []float32, _ []op.Tensor, _, dout op.Tensor, din []op.Tensor) {
	if !din[0].Wanted() {
		return
	}
	dx, dy := din[0].Data, dout.Data
	if !c.Accumulate {
		clear(dx)
	}
	o.pixels(dout.N, func(from, to int) {
		pixel := dx[to:][:o.in[2]]
		for k, d := range dy[from:][:len(pixel)] {
			pixel[k] += d
		}
	})
}
