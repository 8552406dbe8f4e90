package net

import (
	"errors"
	"fmt"

	"github.com/steppe-ml/steppe/net/op"
)

// TransformerBlock is a block of a transformer, from rows [L, D] of each sample to rows [L, D]:
// self-attention, then two Dense layers with GELU between them, each beside a shortcut (Vaswani et
// al., arXiv 1706.03762). By default each sum is normalized, as in BERT (post-norm):
//
//	y = LayerNorm(x + Attention(x))
//	z = LayerNorm(y + Dense(GELU(Dense(y))))
//
// With PreNorm what each branch reads is normalized, as in GPT-2; then a LayerNorm should follow
// the last block:
//
//	y = x + Attention(LayerNorm(x))
//	z = y + Dense(GELU(Dense(LayerNorm(y))))
//
// With First the output is flat samples [D]: the rows that a Pooling{First: true} behind the block
// would take. Other rows are keys and values of attention then, and nothing else is computed for
// them, which saves most of the block's work. It is for the last block of a model that reads the
// first row alone.
//
// Its parameters are those of the layers "attention", a [MultiHeadAttention], "norm1" and "norm2",
// and "hidden" and "out", the two Dense layers.
type TransformerBlock struct {
	Heads   int         // of attention, at least 1; divides D
	Hidden  int         // features between the two Dense layers; 0 is 4*D
	PreNorm bool        // normalize before the branches rather than behind the sums
	Causal  bool        // a row sees itself and the rows before it only
	Rotary  bool        // attention turns queries and keys by their places
	First   bool        // make each sample's first row alone, as Pooling does
	Dropout float64     // rate, from 0 to less than 1, at the end of both branches
	Epsilon float64     // of both LayerNorms; 0 is 1e-5
	Init    Initializer // of all weights; nil is XavierUniform
}

// Build implements Layer.
func (l TransformerBlock) Build(b op.Builder, in op.Value) (op.Value, error) {
	s := b.Shape(in)
	switch {
	case len(s) != 2:
		return 0, errors.New("samples must be rows of features, [L, D]")
	case l.Hidden < 0:
		return 0, fmt.Errorf("Hidden is %d, want at least 1, or 0 for four times the features", l.Hidden)
	case !(l.Dropout >= 0 && l.Dropout < 1):
		return 0, fmt.Errorf("Dropout is %v, want 0 or more and less than 1", l.Dropout)
	}
	init, width, hidden := l.Init.or(XavierUniform), s[1], l.Hidden
	if hidden == 0 {
		hidden = 4 * width
	}
	v, err := l.branch(b, in, "1",
		named{"attention", MultiHeadAttention{Heads: l.Heads, Causal: l.Causal, Rotary: l.Rotary, First: l.First, Init: init}})
	if err != nil {
		return 0, err
	}
	return l.branch(b, v, "2",
		named{"hidden", Dense{Out: hidden, Init: init}}, named{"gelu", GELU{}}, named{"out", Dense{Out: width, Init: init}})
}

// named is a layer inside the block.
type named struct {
	name  string
	layer Layer
}

// branch builds one of the block's two branches, of these layers, with its sum and its
// normalization. number ends the names of what both branches have.
func (l TransformerBlock) branch(b op.Builder, in op.Value, number string, layers ...named) (v op.Value, err error) {
	norm := named{"norm" + number, LayerNorm{Epsilon: l.Epsilon}}
	if l.PreNorm {
		layers = append([]named{norm}, layers...)
	}
	if l.Dropout > 0 {
		layers = append(layers, named{"dropout" + number, Dropout{Rate: l.Dropout}})
	}
	if v, err = l.build(b, in, layers...); err != nil {
		return 0, err
	}
	if len(b.Shape(v)) < len(b.Shape(in)) {
		if in, err = b.Inner("first", Pooling{First: true}, in); err != nil {
			return 0, err
		}
	}
	if v, err = b.Add(addition{}, b.Shape(in), v, in); err != nil || l.PreNorm {
		return v, err
	}
	return l.build(b, v, norm)
}

// build builds layers one behind the other. Errors name them.
func (TransformerBlock) build(b op.Builder, v op.Value, layers ...named) (_ op.Value, err error) {
	for _, n := range layers {
		if v, err = b.Inner(n.name, n.layer, v); err != nil {
			return 0, fmt.Errorf("%s: %w", n.name, err)
		}
	}
	return v, nil
}
