package net

import (
	"errors"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCompileErrors(t *testing.T) {
	nan := math.NaN()
	for want, test := range map[string]struct {
		input  Shape
		layers []Layer
	}{
		"net: input shape [], want positive dimensions":                                                                                                        {nil, []Layer{Dense{Out: 3}}},
		"net: input shape [28 0 1], want positive dimensions":                                                                                                  {Shape{28, 0, 1}, []Layer{Dense{Out: 3}}},
		"net: layer 1 is nil":                                                                                                                                  {Shape{6}, []Layer{Dense{Out: 3}, nil}},
		"net: layer 0, Dense{Out:10}: input 28x28x1: samples must be flat: put Flatten{} before it":                                                            {Shape{28, 28, 1}, []Layer{Dense{Out: 10}}},
		"net: layer 2, Dense{}: input 64: Out is 0, want at least 1":                                                                                           {Shape{64}, []Layer{Dense{Out: 64}, ReLU{}, Dense{}}},
		"net: layer 1, Dense{Out:-3}: input 64: Out is -3, want at least 1":                                                                                    {Shape{8, 8}, []Layer{Flatten{}, Dense{Out: -3}}},
		"net: layer 1, BatchNorm{Momentum:1.5}: input 5: Momentum is 1.5, want 0 to 1":                                                                         {Shape{6}, []Layer{Dense{Out: 5}, BatchNorm{Momentum: 1.5}}},
		"net: layer 0, BatchNorm{Momentum:-0.1}: input 6: Momentum is -0.1, want 0 to 1":                                                                       {Shape{6}, []Layer{BatchNorm{Momentum: -0.1}}},
		"net: layer 0, BatchNorm{Momentum:NaN}: input 6: Momentum is NaN, want 0 to 1":                                                                         {Shape{6}, []Layer{BatchNorm{Momentum: nan}}},
		"net: layer 0, BatchNorm{Eps:-1}: input 6: Eps is -1, want a number that isn't negative":                                                               {Shape{6}, []Layer{BatchNorm{Eps: -1}}},
		"net: layer 0, BatchNorm{Eps:NaN}: input 6: Eps is NaN, want a number that isn't negative":                                                             {Shape{6}, []Layer{BatchNorm{Eps: nan}}},
		"net: layer 0, BatchNorm{Eps:+Inf}: input 6: Eps is +Inf, want a number that isn't negative":                                                           {Shape{6}, []Layer{BatchNorm{Eps: math.Inf(1)}}},
		"net: layer 2, Dense{Out:3}: input 6: nothing can follow the loss":                                                                                     {Shape{6}, []Layer{ReLU{}, SoftmaxCrossEntropy{}, Dense{Out: 3}}},
		"net: layer 1, Flatten{}: input 6: nothing can follow the loss":                                                                                        {Shape{6}, []Layer{SoftmaxCrossEntropy{}, Flatten{}}},
		"net: layer 1, SoftmaxCrossEntropy{}: input 6: a model has one loss":                                                                                   {Shape{6}, []Layer{SoftmaxCrossEntropy{}, SoftmaxCrossEntropy{}}},
		"net: layer 1, SoftmaxCrossEntropy{}: input 1: outputs for 1 class, want at least 2":                                                                   {Shape{6}, []Layer{Dense{Out: 1}, SoftmaxCrossEntropy{}}},
		"net: layer 1, SoftmaxCrossEntropy{}: input 2x3: outputs must be flat, one for each class: put Flatten{} before it (the loss where no other is given)": {Shape{2, 3}, []Layer{ReLU{}}},
	} {
		_, err := Compile(test.input, test.layers...)
		assert.EqualError(t, err, want)
	}
}

// A layer is named with the fields that it was written with, whatever it is.
func TestLayersAreNamed(t *testing.T) {
	wrong := errors.New("wrong")
	for want, layer := range map[string]Layer{
		"net: layer 0, failing{Size:3}: input 6: wrong": failing{3},
		"net: layer 0, build: input 6: wrong":           build(func(*Builder, Value) (Value, error) { return 0, wrong }),
	} {
		_, err := Compile(Shape{6}, layer)
		assert.EqualError(t, err, want)
	}
	_, err := Compile(Shape{6}, &failing{4})
	assert.EqualError(t, err, "net: layer 0, failing{Size:4}: input 6: wrong", "a pointer")
	_, err = Compile(Shape{6}, build(func(*Builder, Value) (Value, error) { return 0, wrong }))
	assert.ErrorIs(t, err, wrong)
}

type failing struct{ Size int }

func (failing) Build(*Builder, Value) (Value, error) { return 0, errors.New("wrong") }

// strange is an op with any traits, and nothing else.
type strange struct {
	sumOp
	traits Traits
}

func (o strange) Traits() Traits { return o.traits }

// stateful is strange with state.
type stateful struct{ strange }

func (stateful) Commit([]float32, []float32) {}

// Those who write layers of their own are told what they got wrong.
func TestBuilderErrors(t *testing.T) {
	add := func(op Op, out Shape, in ...Value) build {
		return func(b *Builder, _ Value) (Value, error) { return b.Add(op, out, in...) }
	}
	for want, layer := range map[string]build{
		"op net.sumOp has no input":                                                                                  add(sumOp{}, Shape{6}),
		"op net.sumOp has output shape [], want positive dimensions":                                                 add(sumOp{}, Shape{}, 0),
		"op net.sumOp has output shape [3 -1], want positive dimensions":                                             add(sumOp{}, Shape{3, -1}, 0),
		"op net.sumOp reads value 1 of 1":                                                                            add(sumOp{}, Shape{6}, 0, 1),
		"op net.sumOp reads value -1 of 1":                                                                           add(sumOp{inPlace: true}, Shape{6}, -1),
		"op net.biasOp works in place, but makes 3 of 6":                                                             add(biasOp{6, false}, Shape{3}, 0),
		"op net.strange has 1 tensors of state; Stateful is false":                                                   add(strange{traits: Traits{State: []Param{{Name: "mean", Shape: Shape{2}}}, Couples: true}}, Shape{6}, 0),
		"op net.stateful has 0 tensors of state; Stateful is true":                                                   add(stateful{}, Shape{6}, 0),
		"op net.stateful has state but doesn't couple: statistics are a shard's":                                     add(stateful{strange{traits: Traits{State: []Param{{Name: "mean", Shape: Shape{2}}}}}}, Shape{6}, 0),
		"op net.strange is late, and couples or keeps Aux: one gradient call for a batch has neither shards nor Aux": add(strange{traits: Traits{Late: true, Aux: Aux{Sample: 2}}}, Shape{6}, 0),
		"op net.strange keeps 1 floats of Aux for a call, but doesn't couple: a call is any samples":                 add(strange{traits: Traits{Aux: Aux{Sample: 4, Call: 1}}}, Shape{6}, 0),
		"op net.strange passes its gradient to input 1 of 1":                                                         add(strange{traits: Traits{Passes: 1}}, Shape{6}, 0),
		"op net.dense is Factored, and has 2 inputs, want 1":                                                         add(dense{in: 6, out: 3}, Shape{3}, 0, 0),
		"can't reshape 6 to 4":                                                                                       func(b *Builder, in Value) (Value, error) { return b.Reshape(in, Shape{4}) },
		"can't reshape 6 to -2x-3":                                                                                   func(b *Builder, in Value) (Value, error) { return b.Reshape(in, Shape{-2, -3}) },
		"can't reshape value 3 of 1":                                                                                 func(b *Builder, in Value) (Value, error) { return b.Reshape(3, Shape{6}) },
		"the loss must read the last value": func(b *Builder, in Value) (Value, error) {
			if _, err := b.Reshape(in, Shape{2, 3}); err != nil {
				return 0, err
			}
			return b.SetLoss(SoftmaxCrossEntropy{}, in)
		},
	} {
		_, err := Compile(Shape{6}, layer)
		assert.EqualError(t, err, "net: layer 0, build: input 6: "+want)
	}
}

func TestProgramErrors(t *testing.T) {
	for want, layers := range map[string][]Layer{
		"net: layer 1, build: input 4: returned value 9 of 2":  {Dense{Out: 4}, build(func(*Builder, Value) (Value, error) { return 9, nil })},
		"net: layer 1, build: input 4: returned value -1 of 2": {Dense{Out: 4}, build(func(*Builder, Value) (Value, error) { return -1, nil })},
		"net: layer 1.build.0.0.Dense computes a value of shape 7 by net.dense that nothing uses": {Flatten{}, build(func(b *Builder, in Value) (Value, error) {
			if _, err := chain(b, in, Dense{Out: 7}); err != nil {
				return 0, err
			}
			return chain(b, in, Dense{Out: 3})
		})},
		`net: layer 0.build: parameter "gain" has shape [0], want positive dimensions`: {build(func(b *Builder, in Value) (Value, error) {
			return b.Add(strange{traits: Traits{Params: []Param{{Name: "gain", Shape: Shape{0}}}}}, Shape{6}, in)
		})},
		"net: the layers' output must be the last value they compute": {Dense{Out: 4}, build(func(b *Builder, in Value) (Value, error) {
			_, err := b.SetLoss(SoftmaxCrossEntropy{}, in)
			return 0, err
		})},
	} {
		_, err := Compile(Shape{6}, layers...)
		assert.EqualError(t, err, want)
	}
}

// The least that there may be.
func TestCompileLittle(t *testing.T) {
	m, err := Compile(Shape{3})
	require.NoError(t, err, "a loss on the input")
	assert.Zero(t, m.NumParams())
	p, err := m.Predict(m.Init(1), []float32{1, 1, 1})
	require.NoError(t, err)
	assert.InDeltaSlice(t, []float32{1. / 3, 1. / 3, 1. / 3}, p, 1e-7)

	pass := &Pass{Batch: Batch{N: 1, X: make([]float32, 3), Labels: []int32{0}}, Shards: shardsFrom(0, 1), Means: true, Train: true, Losses: make([]float64, 1)}
	w := m.NewWorkspace(backwardSize(pass.Shards), nil)
	w.Forward(pass)
	w.Backward(pass)
	assert.InDelta(t, math.Log(3), pass.Losses[0], 1e-12)
}
