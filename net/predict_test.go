package net

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/ref"
	"github.com/steppe-ml/steppe/internal/simdtest"
	"github.com/steppe-ml/steppe/net/op"
)

func TestOutputsAgainstOracle(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		m := perceptron(t, false, 30, 41, 24, 10)
		r := rand.New(rand.NewPCG(1, 1))
		params := randomParams(r, m.Model)
		for _, n := range []int{1, 63, 64, 65, 200} {
			x := ref.Normal(r, n*30)
			want := join(m.oracle.Outputs(ref.Float64s(params.Values), ref.Rows(x, n)))
			got, err := m.Outputs(params, x)
			require.NoError(t, err)
			ref.RequireNear(t, want, got, ref.Bound(3, 41), "outputs of %d samples", n)

			probabilities, err := m.Predict(params, x)
			require.NoError(t, err)
			SoftmaxCrossEntropy{}.Predict(op.Tensor{N: n, Shape: m.OutputShape(), Data: got})
			require.Equal(t, got, probabilities, "%d samples", n)
			for i := range n {
				sum := 0.0
				for _, p := range probabilities[i*10:][:10] {
					sum += float64(p)
				}
				require.InDelta(t, 1, sum, 10*math.Ldexp(1, -24), "sample %d of %d", i, n)
			}
		}
	})
}

// A sample's prediction has the same bits alone as among others.
func TestPredictionsDoNotDependOnOthers(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		m := perceptron(t, true, 600, 41, 24, 10)
		r := rand.New(rand.NewPCG(2, 2))
		params := randomParams(r, m.Model)
		for i := range params.State {
			params.State[i] = float32(0.5 + r.Float64())
		}
		const n = 200
		x := ref.Normal(r, n*600)
		all, err := m.Predict(params, x)
		require.NoError(t, err)
		for _, size := range []int{1, 7, 64, 65} {
			var parts []float32
			for part := range slices.Chunk(x, size*600) {
				p, err := m.Predict(params, part)
				require.NoError(t, err)
				parts = append(parts, p...)
			}
			require.Equal(t, all, parts, "%d at a time", size)
		}
	})
}

// Ops are told that a prediction is no training step.
func TestPredictIsNoTraining(t *testing.T) {
	trained := false
	m, err := Compile(Shape{6}, layerFunc(func(b op.Builder, in op.Value) (op.Value, error) {
		return b.Add(spy{trained: &trained}, Shape{6}, in)
	}))
	require.NoError(t, err)
	_, err = m.Predict(m.Init(1), make([]float32, 6))
	require.NoError(t, err)
	assert.False(t, trained)
}

// spy is an op that copies its input, and records whether a call was a training step.
type spy struct {
	noParams
	trained *bool
}

func (spy) Traits() op.Traits { return op.Traits{} }

func (s spy) Forward(c *op.Call, _ []float32, in []op.Tensor, out op.Tensor) {
	*s.trained = *s.trained || c.Train
	copy(out.Data, in[0].Data)
}

func (spy) Backward(*op.Call, []float32, []op.Tensor, op.Tensor, op.Tensor, []op.Tensor) {}

// layerFunc is a layer that is its Build function.
type layerFunc func(b op.Builder, in op.Value) (op.Value, error)

func (l layerFunc) Build(b op.Builder, in op.Value) (op.Value, error) { return l(b, in) }

func TestPredictErrors(t *testing.T) {
	m, err := Compile(Shape{2, 3}, Flatten{}, Dense{Out: 4})
	require.NoError(t, err)
	good := m.Init(1)
	for want, test := range map[string]struct {
		params *Params
		x      []float32
	}{
		"net: no parameters":                  {nil, make([]float32, 6)},
		"net: 3 parameters, the model has 28": {&Params{Values: make([]float32, 3)}, make([]float32, 6)},
		"net: no samples to predict":          {good, nil},
		"net: 7 floats to predict from, want a multiple of 6, the size of a 2x3 sample": {good, make([]float32, 7)},
	} {
		_, err := m.Predict(test.params, test.x)
		assert.EqualError(t, err, want)
		_, err = m.Outputs(test.params, test.x)
		assert.EqualError(t, err, want)
	}
}
