package net

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/ref"
	"github.com/steppe-ml/steppe/internal/simdtest"
	"github.com/steppe-ml/steppe/net/op"
)

// Logits are those of a Dense whose weights are the table's transpose.
func TestTiedOutputAgainstOracle(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		for _, width := range []int{1, 5, 70} {
			for _, lengths := range texts {
				r := rand.New(rand.NewPCG(1, 1))
				const vocabulary, learned = 37, 9 + 2
				o := tiedOutput{rows: 9, table: tables{vocabulary: vocabulary, length: 9, width: width, positions: LearnedPositions, segments: 2}}
				b := randomText(r, vocabulary, lengths)
				x, d := sequence(r, b, 9, width), sequence(r, b, 9, vocabulary)
				p := ref.Normal(r, (vocabulary+learned)*width)
				before := ref.Normal(r, len(p))
				what := fmt.Sprintf("width %d, %v", width, lengths)

				oracle := ref.ByRow{Width: width, Layer: ref.Dense{In: width, Out: vocabulary}}
				weights, g := make([]float64, oracle.Params()), make([]float64, oracle.Params())
				for i, v := range p[:vocabulary*width] {
					weights[i%width*vocabulary+i/width] = float64(v)
				}
				y := oracle.Forward(weights, samplesOf(x))
				dx := oracle.Backward(weights, samplesOf(x), y, samplesOf(d), g)
				want := make([]float64, len(p))
				for i := range vocabulary * width {
					want[i] = g[i%width*vocabulary+i/width]
				}
				for _, team := range []*blas.Team{nil, blas.NewTeam(3)} {
					packs := o.NewPacks(op.Directions{Forward: true, Backward: true})
					o.Pack(team, p, packs)
					var logits []float32
					for _, packs := range [][]op.Packed{nil, packs, o.NewPacks(op.Directions{})} {
						c := &op.Call{Team: team, Packs: packs}
						out, din := like(d), like(x)
						o.Forward(c, p, []op.Tensor{x}, out)
						ref.RequireNear(t, join(y), out.Data, ref.Bound(1, width), "forward, %s", what)
						o.Backward(c, p, []op.Tensor{x}, out, d, []op.Tensor{din})
						ref.RequireNear(t, join(dx), din.Data, ref.Bound(1, vocabulary), "backward, %s", what)
						o.Backward(c, p, []op.Tensor{x}, out, d, []op.Tensor{{N: x.N, Shape: x.Shape, Starts: x.Starts}}) // not wanted
						if logits == nil {
							logits = out.Data
						}
						assert.Equal(t, logits, out.Data, "packs change no bit")
					}
					got := ref.NaNs(make([]float32, len(p)))
					o.Gradient(&op.Call{Team: team}, []op.Tensor{x}, d, d, got)
					ref.RequireNear(t, want, got, ref.Bound(1, len(b.Tokens)), "gradient, %s", what)
					assert.Equal(t, make([]float32, learned*width), got[vocabulary*width:], "other tables have none")
					got = slices.Clone(before)
					o.Gradient(&op.Call{Team: team, Accumulate: true}, []op.Tensor{x}, d, d, got)
					ref.RequireNear(t, ref.Axpy(1, want, ref.Float64s(before)), got, ref.Bound(2, len(b.Tokens)), "gradient, added, %s", what)
					assert.Equal(t, before[vocabulary*width:], got[vocabulary*width:])
				}
			}
		}
	})
}

// Only the packs that are wanted take memory.
func TestTiedOutputPacks(t *testing.T) {
	o := tiedOutput{rows: 9, table: tables{vocabulary: 37, length: 9, width: 5}}
	packs := o.NewPacks(op.Directions{Backward: true})
	require.Len(t, packs, 2)
	assert.Nil(t, packs[0])
	assert.NotNil(t, packs[1])
}

// The output has no parameters of its own, and works in any place behind the embedding: on rows,
// and on a pooled one.
func TestTiedOutputCompiles(t *testing.T) {
	embedding := Embedding{Vocabulary: 7, Width: 4, Positions: LearnedPositions, Tied: true}
	m, err := Compile(Shape{5}, embedding, TiedOutput{}, NextToken{})
	require.NoError(t, err)
	assert.Equal(t, 7*4+5*4, m.NumParams())
	assert.Equal(t, Shape{5, 7}, m.OutputShape())
	assert.Contains(t, m.Summary(), "1.TiedOutput  5x7")

	m, err = Compile(Shape{5}, embedding, Pooling{}, TiedOutput{})
	require.NoError(t, err)
	assert.Equal(t, 7*4+5*4, m.NumParams())
	assert.Equal(t, Shape{7}, m.OutputShape())
}

func TestTiedOutputErrors(t *testing.T) {
	tied := Embedding{Vocabulary: 7, Width: 4, Tied: true}
	for want, layers := range map[string][]Layer{
		"net: layer 1, TiedOutput{}: input 5x4: there is no Embedding{Tied: true} before it":             {Embedding{Vocabulary: 7, Width: 4}, TiedOutput{}},
		"net: layer 2, TiedOutput{}: input 5x3: rows of width 3, and the tied Embedding's Width is 4":    {tied, Dense{Out: 3}, TiedOutput{}},
		"net: layer 0, TiedOutput{}: input 5: there is no Embedding{Tied: true} before it":               {TiedOutput{}},
		"net: layer 1, NextToken{}: input 3: outputs aren't a sequence, which has a row of logits for e": {Dense{Out: 3}, NextToken{}},
		"net: layer 2, NextToken{}: input 5x1: logits of 1 token, want at least 2":                       {tied, Dense{Out: 1}, NextToken{}},
	} {
		_, err := Compile(Shape{5}, layers...)
		assert.ErrorContains(t, err, want)
	}
}
