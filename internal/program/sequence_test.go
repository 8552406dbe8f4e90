package program_test

import (
	"testing"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/op"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// table is a layer and its op from outside package net: row i of its parameters for token i.
type table struct {
	vocabulary, width int
}

func (l table) Build(b op.Builder, in op.Value) (op.Value, error) {
	shape := b.Shape(in)
	return b.Add(l, op.Shape{shape[0], l.width}, in)
}

func (l table) Traits() op.Traits {
	return op.Traits{
		Vocabulary: l.vocabulary, FreesOut: true,
		Params: []op.Param{{Name: "table", Shape: op.Shape{l.vocabulary, l.width}, Role: op.Weight}},
	}
}

func (l table) Forward(_ *op.Call, p []float32, in []op.Tensor, out op.Tensor) {
	for i, id := range in[0].Tokens {
		copy(out.Data[i*l.width:][:l.width], p[int(id)*l.width:])
	}
}

func (l table) Backward(*op.Call, []float32, []op.Tensor, op.Tensor, op.Tensor, []op.Tensor) {}

func (l table) Gradient(c *op.Call, in []op.Tensor, _, dout op.Tensor, g []float32) {
	if !c.Accumulate {
		clear(g)
	}
	for i, id := range in[0].Tokens {
		for j, d := range dout.Data[i*l.width:][:l.width] {
			g[int(id)*l.width+j] += d
		}
	}
}

// first is a layer and its op that pools: the first row of each sample.
type first struct{}

func (l first) Build(b op.Builder, in op.Value) (op.Value, error) {
	return b.Add(l, b.Shape(in)[1:], in)
}

func (first) Traits() op.Traits { return op.Traits{Pools: true, FreesIn: true, FreesOut: true} }

func (first) Forward(_ *op.Call, _ []float32, in []op.Tensor, out op.Tensor) {
	for i := range in[0].N {
		copy(out.Slice(i, 1).Data, in[0].Slice(i, 1).Data)
	}
}

func (first) Backward(_ *op.Call, _ []float32, _ []op.Tensor, _, dout op.Tensor, din []op.Tensor) {
	clear(din[0].Data)
	for i := range dout.N {
		copy(din[0].Slice(i, 1).Data, dout.Slice(i, 1).Data)
	}
}

func (first) Gradient(*op.Call, []op.Tensor, op.Tensor, op.Tensor, []float32) {}

func TestSequenceErrors(t *testing.T) {
	words := table{vocabulary: 10, width: 4}
	for want, test := range map[string]struct {
		input  op.Shape
		layers []op.Layer
	}{
		"net: layer 0, table{}: input 7x2: op program_test.table reads token ids of shape 7x2, want one dimension, the most tokens of a sample":                         {op.Shape{7, 2}, []op.Layer{words}},
		"net: layer 1, table{}: input 7: op program_test.table reads token ids, and only the model's input can be some":                                                 {op.Shape{7}, []op.Layer{net.Dense{Out: 7}, words}},
		"net: layer 1, Flatten{}: input 7x4: can't reshape a sequence of at most 7 rows to 28: samples have different lengths":                                          {op.Shape{7}, []op.Layer{words, net.Flatten{}}},
		"net: layer 1, BatchNorm{}: input 7x4: op net.batchNorm couples samples, and can't read a sequence, whose samples have different lengths":                       {op.Shape{7}, []op.Layer{words, net.BatchNorm{}}},
		"net: layer 1, SoftmaxCrossEntropy{}: input 7x4: outputs are a sequence, with a row for each token: put Pooling{} before it (the loss where no other is given)": {op.Shape{7}, []op.Layer{words}},
		"net: layer 1, MSE{}: input 7x4: outputs are a sequence, with a row for each token: put Pooling{} before it":                                                    {op.Shape{7}, []op.Layer{words, net.MSE{}}},
		"net: layer 1, build: input 7x4: op program_test.strange keeps 6 floats of Aux for a sample of at most 7 rows, want as many for each row": {op.Shape{7}, []op.Layer{words, build(func(b op.Builder, in op.Value) (op.Value, error) {
			return b.Add(strange{traits: op.Traits{Aux: op.Aux{Sample: 6}}}, b.Shape(in), in)
		})}},
	} {
		_, err := net.Compile(test.input, test.layers...)
		assert.EqualError(t, err, want)
	}
}

func TestValidateText(t *testing.T) {
	model, err := net.Compile(op.Shape{3}, table{vocabulary: 10, width: 4}, first{}, net.Dense{Out: 2})
	require.NoError(t, err)
	assert.Equal(t, 10, model.Vocabulary())
	good := op.Batch{N: 2, Tokens: []int32{0, 9, 3}, Starts: []int{5, 6, 8}, Labels: []int32{0, 1}}
	require.NoError(t, model.ValidateBatch(good))
	for want, change := range map[string]func(b *op.Batch){
		"net: batch of 2 samples has 6 floats, and the model reads token ids": func(b *op.Batch) { b.X = make([]float32, 6) },
		"net: batch of 2 samples has 2 Starts, want 3":                        func(b *op.Batch) { b.Starts = []int{0, 3} },
		"net: batch has 3 tokens, want those from 0 to 4":                     func(b *op.Batch) { b.Starts = []int{0, 1, 4} },
		"net: batch has 1 Segments for 3 tokens":                              func(b *op.Batch) { b.Segments = make([]uint8, 1) },
		"net: sample 1 has 0 tokens, want 1 to 3":                             func(b *op.Batch) { b.Starts = []int{0, 3, 3} },
		"net: sample 0 has -1 tokens, want 1 to 3":                            func(b *op.Batch) { b.Starts = []int{0, -1, 3} },
		"net: sample 1 has -1 tokens, want 1 to 3":                            func(b *op.Batch) { b.Tokens, b.Starts = b.Tokens[:2:2], []int{0, 3, 2} },
		"net: token 1 of sample 1 is 10, want 0 to 9":                         func(b *op.Batch) { b.Tokens = []int32{0, 9, 10} },
		"net: token 0 of sample 0 is -1, want 0 to 9":                         func(b *op.Batch) { b.Tokens = []int32{-1, 9, 3} },
		"net: token 0 of sample 1 is in segment 2, want 0 or 1":               func(b *op.Batch) { b.Segments = []uint8{0, 2, 1} },
		"net: 1 labels for 2 samples":                                         func(b *op.Batch) { b.Labels = b.Labels[:1] },
	} {
		b := good
		change(&b)
		assert.EqualError(t, model.ValidateBatch(b), want)
	}
}

// A sample's outputs are those it has alone, whatever the lengths of the others, and gradients are
// the sums over samples.
func TestSamplesOfDifferentLength(t *testing.T) {
	model, err := net.Compile(op.Shape{5},
		table{vocabulary: 7, width: 6}, net.Dense{Out: 9}, net.GELU{}, net.LayerNorm{}, net.Dropout{Rate: 0.3},
		net.Residual{Body: []op.Layer{net.Dense{Out: 9}, net.ReLU{}}}, first{}, net.Dense{Out: 3})
	require.NoError(t, err)
	params := model.Init(1)
	for i := range params.Values {
		params.Values[i] += float32(i%7) / 10
	}
	batch := op.Batch{
		N: 4, Tokens: []int32{1, 2, 3, 4, 5, 6, 0, 1, 1}, Starts: []int{0, 1, 6, 7, 9}, Labels: []int32{0, 1, 2, 0},
	}
	predictor, err := model.Predictor(params)
	require.NoError(t, err)
	together, err := predictor.OutputsOf(nil, batch)
	require.NoError(t, err)
	for i := range batch.N {
		alone, err := predictor.OutputsOf(nil, batch.Slice(i, 1))
		require.NoError(t, err)
		assert.Equal(t, together[i*3:][:3], alone, "sample %d", i)
	}
}
