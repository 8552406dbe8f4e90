package net

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/ref"
	"github.com/steppe-ml/steppe/internal/simdtest"
)

func TestMain(m *testing.M) { simdtest.Main(m) }

// twin is a model and its oracle, which have the same parameters.
type twin struct {
	*Model
	oracle ref.Net
}

// perceptron is a multi-layer perceptron: sizes are the features of the input, of the hidden layers
// with ReLU, normalized before it or not, and the classes.
func perceptron(t testing.TB, norm bool, sizes ...int) twin {
	t.Helper()
	layers, last := []Layer{Flatten{}}, len(sizes)-2
	var oracle ref.Net
	for i, in := range sizes[:last+1] {
		out := sizes[i+1]
		layers, oracle = append(layers, Dense{Out: out}), append(oracle, ref.Dense{In: in, Out: out})
		if i < last && norm {
			layers, oracle = append(layers, BatchNorm{}), append(oracle, ref.BatchNorm{Features: out, Epsilon: 1e-5})
		}
		if i < last {
			layers, oracle = append(layers, ReLU{}), append(oracle, ref.ReLU{})
		}
	}
	model, err := Compile(Shape{1, sizes[0]}, layers...)
	require.NoError(t, err)
	return twin{model, oracle}
}

// randomParams are initial parameters with noise on all of them, so that no bias is 0 and no scale
// 1.
func randomParams(r *rand.Rand, m *Model) *Params {
	p := m.Init(r.Uint64())
	for i := range p.Values {
		p.Values[i] += float32(r.NormFloat64() / 10)
	}
	return p
}
