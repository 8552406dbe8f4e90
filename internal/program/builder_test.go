package program_test

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/steppe-ml/steppe/internal/program"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/op"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCompileErrors(t *testing.T) {
	nan := math.NaN()
	for want, test := range map[string]struct {
		input  op.Shape
		layers []op.Layer
	}{
		"net: input shape [], want at least one dimension":                                                                                                                         {nil, []op.Layer{net.Dense{Out: 3}}},
		"net: input shape [2147483648 2147483648 4], want at most 1099511627776 elements":                                                                                          {op.Shape{1 << (strconv.IntSize/2 - 1), 1 << (strconv.IntSize/2 - 1), 4}, []op.Layer{net.Flatten{}, net.Dense{Out: 3}}},
		"net: layer 0, Dense{Out:2305843009213693952}: input 6: op net.dense has output shape [2305843009213693952], want at most 1099511627776 elements":                          {op.Shape{6}, []op.Layer{net.Dense{Out: 1 << (strconv.IntSize - 3)}}},
		"net: layer 0.Dense: parameter \"weight\" has shape [1073741824 1073741824], want at most 1099511627776 elements":                                                          {op.Shape{1 << 30}, []op.Layer{net.Dense{Out: 1 << 30}}},
		"net: layer 1.Dense: all parameters up to \"1.Dense.weight\" have shape [1649268228096], want at most 1099511627776 elements":                                              {op.Shape{1 << 20}, []op.Layer{net.Dense{Out: 3 << 18}, net.Dense{Out: 1 << 20}}},
		"net: layer 0.Conv2D: parameter \"weight\" has shape [3 3 1048576 1073741824], want at most 1099511627776 elements":                                                        {op.Shape{8, 8, 1 << 20}, []op.Layer{net.Conv2D{Out: 1 << 30, Kernel: 3}, net.GlobalAvgPool{}}},
		"net: layer 0, Subsample{Stride:1 Out:1152921504606846976}: input 8x8x2: op net.subsample has output shape [8 8 1152921504606846976], want at most 1099511627776 elements": {op.Shape{8, 8, 2}, []op.Layer{net.Subsample{Stride: 1, Out: 1 << (strconv.IntSize - 4)}}},
		"net: input shape [28 0 1], want positive dimensions":                                                                                                                      {op.Shape{28, 0, 1}, []op.Layer{net.Dense{Out: 3}}},
		"net: layer 1 is nil": {op.Shape{6}, []op.Layer{net.Dense{Out: 3}, nil}},
		"net: layer 0, Dense{Out:10}: input 28x28x1: samples must be flat: put Flatten{} before it":                                                            {op.Shape{28, 28, 1}, []op.Layer{net.Dense{Out: 10}}},
		"net: layer 2, Dense{}: input 64: Out is 0, want at least 1":                                                                                           {op.Shape{64}, []op.Layer{net.Dense{Out: 64}, net.ReLU{}, net.Dense{}}},
		"net: layer 1, Dense{Out:-3}: input 64: Out is -3, want at least 1":                                                                                    {op.Shape{8, 8}, []op.Layer{net.Flatten{}, net.Dense{Out: -3}}},
		"net: layer 1, BatchNorm{Momentum:1.5}: input 5: Momentum is 1.5, want 0 to 1":                                                                         {op.Shape{6}, []op.Layer{net.Dense{Out: 5}, net.BatchNorm{Momentum: 1.5}}},
		"net: layer 0, BatchNorm{Momentum:-0.1}: input 6: Momentum is -0.1, want 0 to 1":                                                                       {op.Shape{6}, []op.Layer{net.BatchNorm{Momentum: -0.1}}},
		"net: layer 0, BatchNorm{Momentum:NaN}: input 6: Momentum is NaN, want 0 to 1":                                                                         {op.Shape{6}, []op.Layer{net.BatchNorm{Momentum: nan}}},
		"net: layer 0, BatchNorm{Epsilon:-1}: input 6: Epsilon is -1, want a finite number that isn't negative":                                                {op.Shape{6}, []op.Layer{net.BatchNorm{Epsilon: -1}}},
		"net: layer 0, BatchNorm{Epsilon:NaN}: input 6: Epsilon is NaN, want a finite number that isn't negative":                                              {op.Shape{6}, []op.Layer{net.BatchNorm{Epsilon: nan}}},
		"net: layer 0, BatchNorm{Epsilon:+Inf}: input 6: Epsilon is +Inf, want a finite number that isn't negative":                                            {op.Shape{6}, []op.Layer{net.BatchNorm{Epsilon: math.Inf(1)}}},
		"net: layer 2, Dense{Out:3}: input 6: nothing can follow the loss":                                                                                     {op.Shape{6}, []op.Layer{net.ReLU{}, net.SoftmaxCrossEntropy{}, net.Dense{Out: 3}}},
		"net: layer 1, Flatten{}: input 6: nothing can follow the loss":                                                                                        {op.Shape{6}, []op.Layer{net.SoftmaxCrossEntropy{}, net.Flatten{}}},
		"net: layer 1, SoftmaxCrossEntropy{}: input 6: a model has one loss":                                                                                   {op.Shape{6}, []op.Layer{net.SoftmaxCrossEntropy{}, net.SoftmaxCrossEntropy{}}},
		"net: layer 1, SoftmaxCrossEntropy{}: input 1: outputs for 1 class, want at least 2":                                                                   {op.Shape{6}, []op.Layer{net.Dense{Out: 1}, net.SoftmaxCrossEntropy{}}},
		"net: layer 1, SoftmaxCrossEntropy{}: input 2x3: outputs must be flat, one for each class: put Flatten{} before it (the loss where no other is given)": {op.Shape{2, 3}, []op.Layer{net.ReLU{}}},
	} {
		if strconv.IntSize == 32 && strings.HasSuffix(want, "at most 1099511627776 elements") {
			continue // another limit comes first
		}
		_, err := net.Compile(test.input, test.layers...)
		assert.EqualError(t, err, want)
	}
}

// A layer is named with the fields that it was written with, whatever it is.
func TestLayersAreNamed(t *testing.T) {
	wrong := errors.New("wrong")
	for want, layer := range map[string]op.Layer{
		"net: layer 0, failing{Size:3}: input 6: wrong": failing{3},
		"net: layer 0, build: input 6: wrong":           build(func(op.Builder, op.Value) (op.Value, error) { return 0, wrong }),
	} {
		_, err := net.Compile(op.Shape{6}, layer)
		assert.EqualError(t, err, want)
	}
	_, err := net.Compile(op.Shape{6}, &failing{4})
	assert.EqualError(t, err, "net: layer 0, failing{Size:4}: input 6: wrong", "a pointer")
	_, err = net.Compile(op.Shape{6}, build(func(op.Builder, op.Value) (op.Value, error) { return 0, wrong }))
	assert.ErrorIs(t, err, wrong)
}

type failing struct{ Size int }

func (failing) Build(op.Builder, op.Value) (op.Value, error) { return 0, errors.New("wrong") }

// strange is an op with any traits, and nothing else.
type strange struct {
	sumOp
	traits op.Traits
}

func (o strange) Traits() op.Traits { return o.traits }

// stateful is strange with state.
type stateful struct{ strange }

func (stateful) Commit([]float32, []float32) {}

// factorable is strange with a gradient that can be factored.
type factorable struct {
	strange
	op.Factorable
}

func (o factorable) Traits() op.Traits                                              { return o.strange.Traits() }
func (o factorable) Forward(c *op.Call, p []float32, in []op.Tensor, out op.Tensor) {}
func (o factorable) Backward(c *op.Call, p []float32, in []op.Tensor, out, dout op.Tensor, din []op.Tensor) {
}
func (o factorable) Gradient(c *op.Call, in []op.Tensor, out, dout op.Tensor, g []float32) {}

// The errors of a Builder say what is wrong with a user's layer.
func TestBuilderErrors(t *testing.T) {
	add := func(o op.Op, out op.Shape, in ...op.Value) build {
		return func(b op.Builder, _ op.Value) (op.Value, error) { return b.Add(o, out, in...) }
	}
	for want, layer := range map[string]build{
		"op program_test.sumOp has no input":                                                                                      add(sumOp{}, op.Shape{6}),
		"op program_test.sumOp has output shape [], want at least one dimension":                                                  add(sumOp{}, op.Shape{}, 0),
		"op program_test.sumOp has output shape [3 -1], want positive dimensions":                                                 add(sumOp{}, op.Shape{3, -1}, 0),
		"op program_test.sumOp reads value 1 of 1":                                                                                add(sumOp{}, op.Shape{6}, 0, 1),
		"op program_test.sumOp reads value -1 of 1":                                                                               add(sumOp{inPlace: true}, op.Shape{6}, -1),
		"op program_test.biasOp works in place, but makes 3 of 6":                                                                 add(biasOp{6, false}, op.Shape{3}, 0),
		"op program_test.strange has 1 tensors of state; Stateful is false":                                                       add(strange{traits: op.Traits{State: []op.Param{{Name: "mean", Shape: op.Shape{2}}}, Couples: true}}, op.Shape{6}, 0),
		"op program_test.stateful has 0 tensors of state; Stateful is true":                                                       add(stateful{}, op.Shape{6}, 0),
		"op program_test.stateful has state but doesn't couple: statistics are a shard's":                                         add(stateful{strange{traits: op.Traits{State: []op.Param{{Name: "mean", Shape: op.Shape{2}}}}}}, op.Shape{6}, 0),
		"op program_test.strange is deferred, and couples or keeps Aux: one gradient call for a batch has neither shards nor Aux": add(strange{traits: op.Traits{Deferred: true, Aux: op.Aux{Sample: 2}}}, op.Shape{6}, 0),
		"op program_test.strange keeps 1 floats of Aux for a call, but doesn't couple: a call is any samples":                     add(strange{traits: op.Traits{Aux: op.Aux{Sample: 4, Call: 1}}}, op.Shape{6}, 0),
		"op program_test.strange leaves the gradient of input 1 of 1 in dout":                                                     add(strange{traits: op.Traits{DinFromDout: 1}}, op.Shape{6}, 0),
		"op program_test.factorable is Factorable, and has 2 inputs, want 1":                                                      add(factorable{}, op.Shape{3}, 0, 0),
		"can't reshape 6 to 4: 6 elements to 4":                                                                                   func(b op.Builder, in op.Value) (op.Value, error) { return b.Reshape(in, op.Shape{4}) },
		"can't reshape 6: shape [-2 -3], want positive dimensions":                                                                func(b op.Builder, in op.Value) (op.Value, error) { return b.Reshape(in, op.Shape{-2, -3}) },
		"can't reshape value 3 of 1":                                                                                              func(b op.Builder, in op.Value) (op.Value, error) { return b.Reshape(3, op.Shape{6}) },
		"the loss must read the last value": func(b op.Builder, in op.Value) (op.Value, error) {
			if _, err := b.Reshape(in, op.Shape{2, 3}); err != nil {
				return 0, err
			}
			return b.SetLoss(net.SoftmaxCrossEntropy{}, in)
		},
	} {
		_, err := net.Compile(op.Shape{6}, layer)
		assert.EqualError(t, err, "net: layer 0, build: input 6: "+want)
	}
}

func TestProgramErrors(t *testing.T) {
	for want, layers := range map[string][]op.Layer{
		"net: layer 1, build: input 4: returned value 9 of 2":  {net.Dense{Out: 4}, build(func(op.Builder, op.Value) (op.Value, error) { return 9, nil })},
		"net: layer 1, build: input 4: returned value -1 of 2": {net.Dense{Out: 4}, build(func(op.Builder, op.Value) (op.Value, error) { return -1, nil })},
		"net: layer 1.build.0.0.Dense computes a value of shape 7 by net.dense that nothing uses": {net.Flatten{}, build(func(b op.Builder, in op.Value) (op.Value, error) {
			if _, err := chain(b, in, net.Dense{Out: 7}); err != nil {
				return 0, err
			}
			return chain(b, in, net.Dense{Out: 3})
		})},
		`net: layer 0.build: parameter "gain" has shape [0], want positive dimensions`: {build(func(b op.Builder, in op.Value) (op.Value, error) {
			return b.Add(strange{traits: op.Traits{Params: []op.Param{{Name: "gain", Shape: op.Shape{0}}}}}, op.Shape{6}, in)
		})},
		"net: the layers' output must be the last value they compute": {net.Dense{Out: 4}, build(func(b op.Builder, in op.Value) (op.Value, error) {
			_, err := b.SetLoss(net.SoftmaxCrossEntropy{}, in)
			return 0, err
		})},
	} {
		_, err := net.Compile(op.Shape{6}, layers...)
		assert.EqualError(t, err, want)
	}
}

// A model without layers is a loss on the input.
func TestCompileLittle(t *testing.T) {
	m, err := compile(op.Shape{3})
	require.NoError(t, err, "a loss on the input")
	assert.Zero(t, m.NumParams())

	pass := &program.Pass{Batch: op.Batch{N: 1, X: make([]float32, 3), Labels: []int32{0}}, Shards: shardsFrom(0, 1), Means: true, Train: true, Losses: make([]float64, 1)}
	w := m.NewWorkspace(backwardSize(pass.Shards), nil)
	w.Forward(pass)
	w.Backward(pass)
	assert.InDelta(t, math.Log(3), pass.Losses[0], 1e-12)
}
