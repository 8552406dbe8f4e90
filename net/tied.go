package net

import (
	"errors"
	"fmt"
	"slices"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/net/op"
)

// TiedOutput makes logits of rows, from [L, width] to [L, Vocabulary], by the table of the last
// Embedding{Tied: true} before it, whose Width is that of the rows: the products of each row with
// those of all tokens (Press and Wolf, arXiv 1608.05859). It has no parameters of its own.
type TiedOutput struct{}

// Build implements Layer.
func (TiedOutput) Build(b op.Builder, in op.Value) (op.Value, error) {
	s := b.Shape(in)
	if len(s) > 2 {
		return 0, fmt.Errorf("samples of shape %v, want rows of one width, or flat samples", s)
	}
	for i := b.Ops() - 1; i >= 0; i-- {
		e, ok := b.Op(i).(tiedEmbedding)
		if !ok {
			continue
		}
		last := len(s) - 1
		if s[last] != e.width {
			return 0, fmt.Errorf("rows of width %d, and the tied Embedding's Width is %d", s[last], e.width)
		}
		out := append(slices.Clone(s[:last]), e.vocabulary)
		return b.Add(tiedOutput{rows: s.Size() / e.width, table: e.tables}, out, in)
	}
	return 0, errors.New("there is no Embedding{Tied: true} before it")
}

// tiedOutput is the op: X T' for rows X and the table T.
type tiedOutput struct {
	rows  int // of a sample, at most
	table tables
}

// TiedTo implements op.Tied.
func (tiedOutput) TiedTo(o op.Op) bool {
	_, ok := o.(tiedEmbedding)
	return ok
}

func (o tiedOutput) Traits() op.Traits {
	product := int64(2*o.table.vocabulary*o.table.width) * int64(o.rows)
	return op.Traits{
		FreesOut: true, InForGradient: true, Rounds: true,
		Flops: op.Flops{Forward: product, Backward: product, Gradient: product},
	}
}

// of returns T, which the embedding's parameters begin with.
func (o tiedOutput) of(p []float32) blas.Mat[float32] {
	tokens, _, _ := o.table.split(p)
	return blas.RowMajor(tokens, o.table.vocabulary, o.table.width)
}

func (o tiedOutput) Forward(c *op.Call, p []float32, in []op.Tensor, out op.Tensor) {
	blas.MatMul(c.Team, rows(out), rows(in[0]), o.of(p).T(), blas.Options[float32]{PackedB: op.Pack[*blas.PackedB[float32]](c, 0), Precision: c.Precision})
}

func (o tiedOutput) Backward(c *op.Call, p []float32, _ []op.Tensor, _, dout op.Tensor, din []op.Tensor) {
	if din[0].Wanted() {
		blas.MatMul(c.Team, rows(din[0]), rows(dout), o.of(p), blas.Options[float32]{PackedB: op.Pack[*blas.PackedB[float32]](c, 1), Precision: c.Precision})
	}
}

// Gradient sets the gradients of all of the embedding's tables: those of the others are 0.
func (o tiedOutput) Gradient(c *op.Call, in []op.Tensor, _, dout op.Tensor, g []float32) {
	blas.MatMul(c.Team, o.of(g), rows(dout).T(), rows(in[0]), blas.Options[float32]{Accumulate: c.Accumulate, Precision: c.Precision})
	if !c.Accumulate {
		_, positions, segments := o.table.split(g)
		clear(positions)
		clear(segments)
	}
}

// NewPacks implements op.Packer. The packs are T' for Forward, and T for Backward.
func (o tiedOutput) NewPacks(wanted op.Directions) []op.Packed {
	packs := make([]op.Packed, 2)
	if wanted.Forward {
		packs[0] = newPacked(wanted.Precision, o.table.width, o.table.vocabulary)
	}
	if wanted.Backward {
		packs[1] = newPacked(wanted.Precision, o.table.vocabulary, o.table.width)
	}
	return packs
}

// Pack implements op.Packer.
func (o tiedOutput) Pack(team *blas.Team, p []float32, packs []op.Packed) {
	t := o.of(p)
	for i, t := range []blas.Mat[float32]{t.T(), t} {
		if packs[i] != nil {
			packs[i].(*blas.PackedB[float32]).Pack(team, t)
		}
	}
}
