package net

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/steppe-ml/steppe/internal/program"
	"github.com/steppe-ml/steppe/net/op"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// dropped returns the output of a Dropout for ones, and its input gradient for a gradient of ones.
func dropped(t *testing.T, rate float64, c op.Call, n int) (y, dx []float32) {
	t.Helper()
	b, in := program.NewBuilder(Shape{5, 4, 3})
	_, err := Dropout{Rate: rate}.Build(b, in)
	require.NoError(t, err)
	tensor := func() op.Tensor {
		x := op.Tensor{N: n, Shape: Shape{5, 4, 3}, Data: make([]float32, n*60)}
		fill(x.Data, 1)
		return x
	}
	out, din := tensor(), tensor()
	b.Op(0).Forward(&c, nil, []op.Tensor{tensor()}, out)
	b.Op(0).Backward(&c, nil, nil, out, tensor(), []op.Tensor{din})
	return out.Data, din.Data
}

func TestDropout(t *testing.T) {
	const n, rate = 500, 0.3
	call := op.Call{Train: true, Seed: 5, Step: 6, Op: 7, First: 8}
	y, dx := dropped(t, rate, call, n)
	assert.Equal(t, y, dx, "the gradient passes where the value did")
	zeros := 0
	for _, v := range y {
		if v == 0 {
			zeros++
		} else {
			require.Equal(t, float32(1/(1-rate)), v)
		}
	}
	total := float64(len(y))
	deviation := math.Sqrt(total * rate * (1 - rate))
	assert.InDelta(t, rate*total, zeros, 5*deviation, "dropped with probability %v", rate)

	// Neighbors in any direction are dropped independently.
	for _, apart := range []int{1, 3, 12, 60} {
		both := 0
		for i := range len(y) - apart {
			if y[i] == 0 && y[i+apart] == 0 {
				both++
			}
		}
		assert.InDelta(t, rate*rate*total, both, 5*math.Sqrt(total)*rate, "%d apart", apart)
	}

	// The same sample of the batch is dropped alike in any call; another seed, step or op drops
	// others.
	part := call
	part.First += 3
	later, _ := dropped(t, rate, part, 20)
	assert.Equal(t, y[3*60:23*60], later)
	for _, change := range []func(*op.Call){
		func(c *op.Call) { c.Seed++ }, func(c *op.Call) { c.Step++ }, func(c *op.Call) { c.Op++ }, func(c *op.Call) { c.First += n },
	} {
		other := call
		change(&other)
		z, _ := dropped(t, rate, other, n)
		same := 0
		for i := range z {
			if (z[i] == 0) == (y[i] == 0) {
				same++
			}
		}
		assert.InDelta(t, (rate*rate+(1-rate)*(1-rate))*total, same, 5*math.Sqrt(total)/2)
	}

	call.Train = false
	y, _ = dropped(t, rate, call, 3)
	for _, v := range y {
		require.Equal(t, float32(1), v, "in prediction nothing is")
	}
}

func TestDropoutOfNothing(t *testing.T) {
	y, _ := dropped(t, 0, op.Call{Train: true}, 3)
	for _, v := range y {
		require.Equal(t, float32(1), v)
	}
	r := rand.New(rand.NewPCG(1, 1))
	for want, rate := range map[string]float64{
		"Rate is 1, want 0 or more and less than 1":    1,
		"Rate is -0.1, want 0 or more and less than 1": -0.1,
		"Rate is NaN, want 0 or more and less than 1":  math.NaN(),
	} {
		_, err := Compile(Shape{1 + r.IntN(5)}, Dropout{Rate: rate}, Dense{Out: 2})
		assert.ErrorContains(t, err, want)
	}
}

// Errors of layers name the layer, the shape of its input, and the field that is wrong.
func TestLayerErrors(t *testing.T) {
	for want, layers := range map[string][]Layer{
		"net: layer 0, Conv2D{Out:3}: input 8x8x2: Kernel is 0, want at least 1":                                      {Conv2D{Out: 3}},
		"net: layer 0, Conv2D{Kernel:3}: input 8x8x2: Out is 0, want at least 1":                                      {Conv2D{Kernel: 3}},
		"net: layer 0, Conv2D{Out:3 Kernel:9}: input 8x8x2: conv: kernel 9x9 with dilation 1x1 spans 9x9, more":       {Conv2D{Out: 3, Kernel: 9}},
		"net: layer 1, Conv2D{Out:3 Kernel:1}: input 128: ":                                                           {Flatten{}, Conv2D{Out: 3, Kernel: 1}},
		"net: layer 0, Conv2D{Out:3 Kernel:3 Padding:-7}: input 8x8x2: Padding is -7, want pixels or Same":            {Conv2D{Out: 3, Kernel: 3, Padding: -7}},
		"net: layer 0, MaxPool{Size:9}: input 8x8x2: Size is 9, more than the padded input of 8x8":                    {MaxPool{Size: 9}},
		"net: layer 0, AvgPool{Size:2 Padding:2}: input 8x8x2: conv: a window of 2x2 would see nothing but padding":   {AvgPool{Size: 2, Padding: 2}},
		"net: layer 0, MaxPool{}: input 8x8x2: Size is 0, want at least 1":                                            {MaxPool{}},
		"net: layer 0, AvgPool{Size:-2}: input 8x8x2: Size is -2, want at least 1":                                    {AvgPool{Size: -2}},
		"net: layer 0, MaxPool{Size:2 Stride:-1}: input 8x8x2: Stride is -1, want at least 1, or 0 for the default":   {MaxPool{Size: 2, Stride: -1}},
		"net: layer 0, Conv2D{Out:3 Kernel:3 Dilation:-1}: input 8x8x2: Dilation is -1, want at least 1, or 0 for 1":  {Conv2D{Out: 3, Kernel: 3, Dilation: -1}},
		"net: layer 1, GlobalAvgPool{}: input 128: ":                                                                  {Flatten{}, GlobalAvgPool{}},
		"net: layer 0, Subsample{Stride:2 Out:1}: input 8x8x2: Out is 1, want at least the 2 channels of the input":   {Subsample{Stride: 2, Out: 1}},
		"net: layer 0, Subsample{}: input 8x8x2: Stride is 0, want at least 1":                                        {Subsample{}},
		"net: layer 0, Residual{}: input 8x8x2: Body has no layers":                                                   {Residual{}},
		"body makes 8x8x3, and the shortcut 8x8x2: want one shape":                                                    {Residual{Body: []Layer{Conv2D{Out: 3, Kernel: 1}}}},
		"net: layer 0, BatchNorm{Momentum:2}: input 8x8x2: Momentum is 2, want 0 to 1":                                {BatchNorm{Momentum: 2}},
		"net: layer 0, LayerNorm{Epsilon:-1}: input 8x8x2: Epsilon is -1, want a finite number that isn't negative":   {LayerNorm{Epsilon: -1}},
		"net: layer 0, Dense{Out:3}: input 8x8x2: samples must be flat: put Flatten{} before it":                      {Dense{Out: 3}},
		"net: layer 1, SoftmaxCrossEntropy{}: input 8x8x2: outputs must be flat, one for each class: put Flatten{} b": {ReLU{}, SoftmaxCrossEntropy{}},
	} {
		_, err := Compile(Shape{8, 8, 2}, layers...)
		assert.ErrorContains(t, err, want)
	}
}
