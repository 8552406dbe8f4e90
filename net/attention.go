package net

import (
	"errors"
	"fmt"

	"github.com/steppe-ml/steppe/net/op"
)

// MultiHeadAttention is self-attention with several heads, from rows [L, D] of each sample to rows
// [L, D] (Vaswani et al., arXiv 1706.03762). A row is a token, or a place of an image. With
// q, k and v for linear functions of a row, [D/Heads] each, a head makes of row i
//
//	sum over j of p(i,j) v(j),  p(i,·) = softmax(q(i)·k(j) / sqrt(D/Heads))
//
// and the output is a linear function of what all heads make. j goes over the rows of the same
// sample: there is no padding, and samples don't see each other.
//
// Its parameters are those of two Dense layers: "qkv", whose 3D outputs are q, k and v of all
// heads, q of the first head first, and "out".
type MultiHeadAttention struct {
	Heads  int  // at least 1; divides D
	Causal bool // a row sees itself and the rows before it only
	// Rotary rotates q and k by angles that grow with their row, so that their product depends on
	// how far apart the rows are (Su et al., arXiv 2104.09864). D/Heads must be even.
	Rotary bool
	// First makes the output of each sample's first row alone, flat samples [D], as a
	// Pooling{First: true} behind the layer would. It costs less.
	First bool
	Init  Initializer // of both layers' weights; nil is XavierUniform
}

// Build implements Layer.
func (l MultiHeadAttention) Build(b op.Builder, in op.Value) (op.Value, error) {
	s := b.Shape(in)
	if len(s) != 2 {
		return 0, errors.New("samples must be rows of features, [L, D]")
	}
	rows, width := s[0], s[1]
	if l.Heads < 1 {
		return 0, fmt.Errorf("Heads is %d, want at least 1", l.Heads)
	}
	if width%l.Heads != 0 {
		return 0, fmt.Errorf("Heads is %d, which doesn't divide the %d features of a row", l.Heads, width)
	}
	if l.First && l.Causal {
		return 0, errors.New("First with Causal: the first row would see nothing but itself")
	}
	init := l.Init.or(XavierUniform)
	v, err := b.Inner("qkv", Dense{Out: 3 * width, Init: init}, in)
	if err != nil {
		return 0, err
	}
	if l.Rotary {
		if v, err = addRotation(b, v, l.Heads); err != nil {
			return 0, err
		}
	}
	o := attention{rows: rows, width: width, heads: l.Heads, causal: l.Causal}
	if l.First {
		v, err = b.Add(firstAttention{o}, Shape{width}, v)
	} else {
		v, err = b.Add(o, s, v)
	}
	if err != nil {
		return 0, err
	}
	return b.Inner("out", Dense{Out: width, Init: init}, v)
}

// attention is the op between the two Dense layers, from q, k and v [L, 3*width] to what the heads
// make [L, width].
//
// Forward keeps no probabilities, only the largest score of each row and the sum of exponentials,
// and Backward computes the same probabilities again (Dao et al., arXiv 2205.14135). So memory
// doesn't grow with the square of L. attention_heads.go has the arithmetic.
type attention struct {
	noParams
	rows   int // of a sample, at most
	width  int // features of a row, of all heads
	heads  int
	causal bool
}

func (o attention) Traits() op.Traits {
	pairs := int64(o.rows) * int64(o.rows) // of a query and a key
	if o.causal {
		pairs = (pairs + int64(o.rows)) / 2
	}
	product := 2 * pairs * int64(o.width)
	return op.Traits{
		Aux:   op.Aux{Sample: 2 * o.heads * o.rows},
		Flops: op.Flops{Forward: 2 * product, Backward: 5 * product},
	}
}

func (o attention) Forward(c *op.Call, _ []float32, in []op.Tensor, out op.Tensor) {
	j := newAttentionJob(o, (*attentionJob).forward)
	j.qkv, j.out, j.kept = in[0], out, c.Aux
	j.run(c.Team)
}

func (o attention) Backward(c *op.Call, _ []float32, in []op.Tensor, out, dout op.Tensor, din []op.Tensor) {
	if !din[0].Wanted() {
		return
	}
	j := newAttentionJob(o, (*attentionJob).backward)
	j.qkv, j.out, j.dout, j.din, j.kept = in[0], out, dout, din[0], c.Aux
	j.run(c.Team)
}
