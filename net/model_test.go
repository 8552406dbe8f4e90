package net

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParamsLieOneBehindTheOther(t *testing.T) {
	m, err := Compile(Shape{4, 5}, Flatten{}, Dense{Out: 7}, BatchNorm{}, ReLU{}, Dense{Out: 3})
	require.NoError(t, err)
	type row struct {
		name   string
		shape  string
		role   Role
		offset int
	}
	var got []row
	end := 0
	for _, v := range m.Params() {
		got = append(got, row{v.Name, v.Shape.String(), v.Role, v.Offset})
		require.Equal(t, end, v.Offset, "%s begins where the one before ends", v.Name)
		end += v.Shape.Size()
	}
	assert.Equal(t, []row{
		{"1.Dense.weight", "20x7", Weight, 0},
		{"1.Dense.bias", "7", Bias, 140},
		{"2.BatchNorm.scale", "7", Norm, 147},
		{"2.BatchNorm.shift", "7", Norm, 154},
		{"4.Dense.weight", "7x3", Weight, 161},
		{"4.Dense.bias", "3", Bias, 182},
	}, got)
	assert.Equal(t, end, m.NumParams())
	assert.Equal(t, 14, m.NumState())
	assert.Equal(t, Shape{4, 5}, m.InputShape())
	assert.Equal(t, Shape{3}, m.OutputShape())
	assert.Equal(t, SoftmaxCrossEntropy{}, m.Loss())

	flat := make([]float32, m.NumParams())
	for i, v := range m.Params() {
		fill(v.Of(flat), float32(i+1))
	}
	for i, x := range flat {
		require.NotZero(t, x, "element %d is in no view", i)
		require.Equal(t, m.Params()[int(x)-1].Name, m.program.ParamAt(i))
	}
	assert.Equal(t, "nothing", m.program.ParamAt(m.NumParams()))
}

func TestInit(t *testing.T) {
	m, err := Compile(Shape{400}, Dense{Out: 300}, BatchNorm{}, ReLU{}, Dense{Out: 100})
	require.NoError(t, err)
	p := m.Init(1)
	assert.Equal(t, p, m.Init(1), "the seed alone decides")
	other := m.Init(2)

	weights := m.Params()[0]
	same := 0
	for i, v := range weights.Of(p.Values) {
		if v == weights.Of(other.Values)[i] {
			same++
		}
	}
	assert.Less(t, same, 10, "of %d weights by another seed", weights.Shape.Size())
	assert.NotEqual(t, weights.Of(p.Values)[:100], m.Params()[4].Of(p.Values)[:100], "layers draw from streams of their own")

	for _, v := range m.Params() {
		switch values := v.Of(p.Values); {
		case v.Name == "1.BatchNorm.scale":
			assert.Equal(t, constant(1, len(values)), values, v.Name)
		case v.Role != Weight:
			assert.Equal(t, make([]float32, len(values)), values, v.Name)
		default:
			n, in := float64(len(values)), float64(v.Shape[0])
			mean, square := 0.0, 0.0
			for _, x := range values {
				mean += float64(x) / n
				square += float64(x) * float64(x) / n
			}
			// Five standard errors of a normal sample's mean and variance.
			assert.InDelta(t, 0, mean, 5*math.Sqrt(2/in/n), v.Name)
			assert.InEpsilon(t, 2/in, square, 5*math.Sqrt(2/n), v.Name)
		}
	}
	assert.Equal(t, append(make([]float32, 300), constant(1, 300)...), p.State, "means of 0, variances of 1")
}

// constant returns n floats of v.
func constant(v float32, n int) []float32 {
	x := make([]float32, n)
	fill(x, v)
	return x
}

// What a layer draws depends on where it stands, not on what else is there to be drawn behind it.
func TestInitOfALongerModel(t *testing.T) {
	short := perceptron(t, false, 20, 30, 10).Model
	long := perceptron(t, false, 20, 30, 40, 10).Model
	assert.Equal(t, short.Params()[0].Of(short.Init(3).Values), long.Params()[0].Of(long.Init(3).Values))
}

func TestValidateParams(t *testing.T) {
	m, err := Compile(Shape{3}, BatchNorm{}, Dense{Out: 2}) // 6 + 8 parameters
	require.NoError(t, err)
	good := m.Init(1)
	assert.NoError(t, m.ValidateParams(good))
	for want, p := range map[string]*Params{
		"net: no parameters":                              nil,
		"net: 13 parameters, the model has 14":            {Values: good.Values[:13], State: good.State},
		"net: 0 parameters, the model has 14":             {},
		"net: 5 floats of running state, the model has 6": {Values: good.Values, State: good.State[:5]},
		"net: 0 floats of running state, the model has 6": {Values: good.Values},
		"net: 15 parameters, the model has 14":            {Values: append(good.Values, 0), State: good.State},
	} {
		assert.EqualError(t, m.ValidateParams(p), want)
	}
}

func TestValidateBatch(t *testing.T) {
	m, err := Compile(Shape{2, 3}, Flatten{}, Dense{Out: 4})
	require.NoError(t, err)
	x := make([]float32, 12)
	const many = math.MaxInt/2 + 1 // the product with 6 overflows
	assert.NoError(t, m.ValidateBatch(Batch{N: 2, X: x, Labels: []int32{0, 3}}))
	for want, b := range map[string]Batch{
		"net: batch of 0 samples, want at least 1":                                          {},
		"net: batch of -1 samples, want at least 1":                                         {N: -1, X: x},
		"net: batch of 2 samples has 11 floats, want 6 a sample of 2x3":                     {N: 2, X: x[:11], Labels: []int32{0, 1}},
		"net: batch of 1 samples has 12 floats, want 6 a sample of 2x3":                     {N: 1, X: x, Labels: []int32{0}},
		fmt.Sprintf("net: batch of %d samples has 12 floats, want 6 a sample of 2x3", many): {N: many, X: x},
		"net: 1 labels for 2 samples":                                                       {N: 2, X: x, Labels: []int32{0}},
		"net: sample 1 has label 4, want 0 to 3":                                            {N: 2, X: x, Labels: []int32{0, 4}},
	} {
		assert.EqualError(t, m.ValidateBatch(b), want)
	}
}
