package net

import (
	"fmt"
	"math"

	"github.com/steppe-ml/steppe/net/op"
	"github.com/steppe-ml/steppe/simd"
)

// Positions says what a row gets added by its place in the sample.
type Positions int

// The kinds of positions.
const (
	NoPositions         Positions = iota // nothing
	LearnedPositions                     // parameters: a row for each place
	SinusoidalPositions                  // constants: sines and cosines (Vaswani et al., arXiv 1706.03762)
)

// String returns the constant's name.
func (p Positions) String() string {
	switch p {
	case NoPositions:
		return "NoPositions"
	case LearnedPositions:
		return "LearnedPositions"
	case SinusoidalPositions:
		return "SinusoidalPositions"
	}
	return fmt.Sprintf("Positions(%d)", int(p))
}

// AddPositions adds a row of numbers to each row of samples [L, width], by its place in the sample:
// what tells the patches of an image apart. (Embedding adds those of tokens.) Its parameters are
// the rows [L, width], unless they are constants.
type AddPositions struct {
	Sinusoidal bool        // constants, as SinusoidalPositions
	Init       Initializer // of the parameters; nil is TruncatedNormal(0.02)
}

// Build implements Layer.
func (l AddPositions) Build(b op.Builder, in op.Value) (op.Value, error) {
	s := b.Shape(in)
	if len(s) != 2 {
		return 0, fmt.Errorf("samples of shape %v, want rows of one width: two dimensions", s)
	}
	t := tables{length: s[0], width: s[1], positions: LearnedPositions, init: l.Init}
	if l.Sinusoidal {
		t.positions, t.sinusoids = SinusoidalPositions, sinusoids(s[0], s[1])
	}
	return b.Add(addPositions{t}, s, in)
}

// sinusoids returns the constant positions [length, width]. The wavelengths of neighboring pairs of
// columns, a sine and a cosine, form a geometric progression from 2 pi to 10000 times that.
func sinusoids(length, width int) []float32 {
	rows := make([]float32, length*width)
	for i := range rows {
		row, column := i/width, i%width
		angle := float64(row) / math.Pow(10000, float64(column/2*2)/float64(width))
		if column%2 == 0 {
			rows[i] = float32(math.Sin(angle))
		} else {
			rows[i] = float32(math.Cos(angle))
		}
	}
	return rows
}

// addPositions is the op. Its tables have no tokens.
type addPositions struct{ tables }

func (o addPositions) Traits() op.Traits {
	return op.Traits{Params: o.params(), InPlace: true, FreesIn: true, FreesOut: true, Adds: true}
}

func (o addPositions) Forward(c *op.Call, p []float32, in []op.Tensor, out op.Tensor) {
	o.forward(c, p, in[0], out)
}

func (o addPositions) Backward(c *op.Call, _ []float32, _ []op.Tensor, _, dout op.Tensor, din []op.Tensor) {
	switch d := din[0]; {
	case !d.Wanted():
	case c.Accumulate:
		op.Elementwise(c.Team, addTo, d.Data, dout.Data, nil)
	case &d.Data[0] != &dout.Data[0]:
		op.Elementwise(c.Team, copyTo, d.Data, dout.Data, nil)
	}
}

func (o addPositions) Gradient(c *op.Call, _ []op.Tensor, _, dout op.Tensor, g []float32) {
	o.gradient(c, op.Tensor{}, dout, g)
}

func addTo(dst, x, _ []float32) { simd.Add(dst, dst, x) }
