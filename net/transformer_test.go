package net_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/ref"
	"github.com/steppe-ml/steppe/net"
)

// A block is its layers, bit for bit: of text, whose samples have different lengths, and of images.
func TestTransformerBlockIsItsLayers(t *testing.T) {
	const width, hidden = 12, 20
	attention := net.MultiHeadAttention{Heads: 3}
	norm, drop := net.LayerNorm{Epsilon: 1e-6}, net.Dropout{Rate: 0.25}
	dense, out := net.Dense{Out: hidden, Init: net.XavierUniform}, net.Dense{Out: width, Init: net.XavierUniform}
	causal := net.MultiHeadAttention{Heads: 2, Causal: true, Rotary: true}
	residual := func(body ...net.Layer) net.Layer { return net.Residual{Body: body} }
	for name, c := range map[string]struct {
		block  net.TransformerBlock
		layers []net.Layer
	}{
		"post-norm": {
			net.TransformerBlock{Heads: 3, Hidden: hidden, Epsilon: 1e-6},
			[]net.Layer{residual(attention), norm, residual(dense, net.GELU{}, out), norm},
		},
		"post-norm with dropout": {
			net.TransformerBlock{Heads: 3, Hidden: hidden, Epsilon: 1e-6, Dropout: 0.25},
			[]net.Layer{residual(attention, drop), norm, residual(dense, net.GELU{}, out, drop), norm},
		},
		"pre-norm": {
			net.TransformerBlock{Heads: 3, Hidden: hidden, Epsilon: 1e-6, PreNorm: true},
			[]net.Layer{residual(norm, attention), residual(norm, dense, net.GELU{}, out)},
		},
		"pre-norm with dropout, causal": {
			net.TransformerBlock{Heads: 2, PreNorm: true, Causal: true, Rotary: true, Dropout: 0.25},
			[]net.Layer{
				residual(net.LayerNorm{}, causal, drop),
				residual(net.LayerNorm{}, net.Dense{Out: 4 * width, Init: net.XavierUniform}, net.GELU{}, out, drop),
			},
		},
	} {
		for _, text := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, text %v", name, text), func(t *testing.T) {
				r := rand.New(rand.NewPCG(1, 2))
				compile := func(layers ...net.Layer) *net.Model {
					in, first := net.Shape{7}, net.Layer(net.Embedding{Vocabulary: 11, Width: width, Positions: net.LearnedPositions})
					if !text {
						in, first = net.Shape{7, width}, net.AddPositions{}
					}
					layers = append([]net.Layer{first}, layers...)
					m, err := net.Compile(in, append(layers, net.Pooling{}, net.Dense{Out: 3})...)
					require.NoError(t, err)
					return m
				}
				b := net.Batch{N: 5, Labels: []int32{0, 1, 2, 1, 0}}
				if text {
					b.Starts = []int{0, 7, 8, 13, 15, 22}
					for range 22 {
						b.Tokens = append(b.Tokens, r.Int32N(11))
					}
				} else {
					for range 5 * 7 * width {
						b.X = append(b.X, float32(r.NormFloat64()))
					}
				}
				block, layers := compile(c.block), compile(c.layers...)
				params := block.Init(1)
				require.Equal(t, layers.Init(1).Values, params.Values)
				want, got := make([]float32, layers.NumParams()), make([]float32, block.NumParams())
				wantLoss, err := layers.Gradient(params, b, 9, want)
				require.NoError(t, err)
				loss, err := block.Gradient(params, b, 9, got)
				require.NoError(t, err)
				assert.Equal(t, wantLoss, loss)
				assert.Equal(t, want, got)
				if c.block.Dropout > 0 {
					other, err := block.Gradient(params, b, 10, got)
					require.NoError(t, err)
					assert.NotEqual(t, loss, other, "another seed drops others")
				}
			})
		}
	}
}

// A block that makes the first row alone makes that row, and has its gradient, on any number of
// workers: of text, where samples may have one row, and of images.
func TestFirstRowOfTransformerBlock(t *testing.T) {
	const width = 24
	for name, block := range map[string]net.TransformerBlock{
		"post-norm":        {Heads: 3},
		"pre-norm, rotary": {Heads: 2, Hidden: 30, PreNorm: true, Rotary: true},
		"one head":         {Heads: 1},
	} {
		for _, text := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, text %v", name, text), func(t *testing.T) {
				r := rand.New(rand.NewPCG(3, 4))
				compile := func(layers ...net.Layer) *net.Model {
					in, before := net.Shape{70}, []net.Layer{net.Embedding{Vocabulary: 11, Width: width, Positions: net.LearnedPositions}}
					if !text {
						in, before = net.Shape{9, width}, []net.Layer{net.AddPositions{}}
					}
					before = append(before, net.TransformerBlock{Heads: 4})
					m, err := net.Compile(in, append(append(before, layers...), net.Dense{Out: 3})...)
					require.NoError(t, err)
					return m
				}
				b := net.Batch{N: 6, Labels: []int32{0, 1, 2, 1, 0, 2}}
				if text {
					b.Starts = []int{0, 7, 8, 78, 80, 97, 100}
					for range 100 {
						b.Tokens = append(b.Tokens, r.Int32N(11))
					}
				} else {
					for range 6 * 9 * width {
						b.X = append(b.X, float32(r.NormFloat64()))
					}
				}
				first := block
				first.First = true
				all, one := compile(block, net.Pooling{First: true}), compile(first)
				params := one.Init(1)
				require.Equal(t, all.Init(1).Values, params.Values)
				want, got := make([]float32, all.NumParams()), make([]float32, one.NumParams())
				wantLoss, err := all.Gradient(params, b, 9, want)
				require.NoError(t, err)
				loss, err := one.Gradient(params, b, 9, got)
				require.NoError(t, err)
				assert.InEpsilon(t, wantLoss, loss, 1e-6)
				assert.Less(t, ref.Distance(got, ref.Float64s(want)), 2e-6)

				p, err := one.Predictor(params)
				require.NoError(t, err)
				together, err := p.OutputsOf(nil, b)
				require.NoError(t, err)
				for i := range b.N {
					alone, err := p.OutputsOf(nil, b.Slice(i, 1))
					require.NoError(t, err)
					assert.Equal(t, together[3*i:][:3], alone, "sample %d", i)
				}
			})
		}
	}
}

// The names of a block's tensors say what they are.
func TestTransformerBlockNames(t *testing.T) {
	for preNorm, want := range map[bool][]string{
		false: {
			"attention.qkv.weight 8x24", "attention.qkv.bias 24", "attention.out.weight 8x8", "attention.out.bias 8", "norm1.scale 8", "norm1.shift 8",
			"hidden.weight 8x32", "hidden.bias 32", "out.weight 32x8", "out.bias 8", "norm2.scale 8", "norm2.shift 8",
		},
		true: {
			"norm1.scale 8", "norm1.shift 8", "attention.qkv.weight 8x24", "attention.qkv.bias 24", "attention.out.weight 8x8", "attention.out.bias 8",
			"norm2.scale 8", "norm2.shift 8", "hidden.weight 8x32", "hidden.bias 32", "out.weight 32x8", "out.bias 8",
		},
	} {
		m, err := net.Compile(net.Shape{5, 8}, net.TransformerBlock{Heads: 2, PreNorm: preNorm, Dropout: 0.1}, net.MSE{})
		require.NoError(t, err)
		var names []string
		for _, v := range m.Params() {
			names = append(names, fmt.Sprintf("%s %v", v.Name, v.Shape))
		}
		for i := range want {
			want[i] = "0.TransformerBlock." + want[i]
		}
		assert.Equal(t, want, names)
	}
}

func TestTransformerBlockErrors(t *testing.T) {
	for want, c := range map[string]struct {
		in    net.Shape
		block net.TransformerBlock
	}{
		"net: layer 0, TransformerBlock{Heads:2}: input 8: samples must be rows of features, [L, D]": {net.Shape{8}, net.TransformerBlock{Heads: 2}},
		"input 5x8: attention: Heads is 0, want at least 1":                                          {net.Shape{5, 8}, net.TransformerBlock{}},
		"attention: Heads is 3, which doesn't divide the 8 features of a row":                        {net.Shape{5, 8}, net.TransformerBlock{Heads: 3}},
		"attention: Rotary rotates pairs, and a head has 1 features: want an even number":            {net.Shape{5, 8}, net.TransformerBlock{Heads: 8, Rotary: true}},
		"attention: First with Causal: the first row would see nothing but itself":                   {net.Shape{5, 8}, net.TransformerBlock{Heads: 2, Causal: true, First: true}},
		"Hidden is -1, want at least 1, or 0 for four times the features":                            {net.Shape{5, 8}, net.TransformerBlock{Heads: 2, Hidden: -1}},
		"Dropout is 1, want 0 or more and less than 1":                                               {net.Shape{5, 8}, net.TransformerBlock{Heads: 2, Dropout: 1}},
		"norm1: Epsilon is -1": {net.Shape{5, 8}, net.TransformerBlock{Heads: 2, Epsilon: -1}},
	} {
		_, err := net.Compile(c.in, c.block, net.MSE{})
		assert.ErrorContains(t, err, want)
	}
}

// Rows takes an image's pixels as they lie.
func TestRows(t *testing.T) {
	m, err := net.Compile(net.Shape{3, 2, 4}, net.PixelRows{}, net.MSE{})
	require.NoError(t, err)
	assert.Equal(t, net.Shape{6, 4}, m.OutputShape())
	x := make([]float32, 48)
	for i := range x {
		x[i] = float32(i)
	}
	y, err := m.Outputs(m.Init(1), x)
	require.NoError(t, err)
	assert.Equal(t, x, y)

	_, err = net.Compile(net.Shape{6, 4}, net.PixelRows{}, net.MSE{})
	assert.EqualError(t, err, "net: layer 0, PixelRows{}: input 6x4: samples must be images, height x width x channels")
}
