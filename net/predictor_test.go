package net

import (
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/ref"
	"github.com/steppe-ml/steppe/internal/simdtest"
)

// predictable are small models of every kind of op that predicts: packed or not, with running
// state, in place, and with random bits in training.
func predictable(t testing.TB) map[string]*Model {
	models := map[string]*Model{}
	for name, layers := range map[string][]Layer{
		"mlp": {Flatten{}, Dense{Out: 70}, ReLU{}, Dense{Out: 10}},
		"images": {
			Conv2D{Out: 5, Kernel: 3, Padding: Same, NoBias: true}, BatchNorm{}, ReLU{}, MaxPool{Size: 2},
			Residual{Body: []Layer{Conv2D{Out: 5, Kernel: 3, Padding: 1}, Dropout{Rate: 0.5}}}, LayerNorm{}, GELU{},
			GlobalAvgPool{}, Dense{Out: 10},
		},
		"normalized": {Flatten{}, Dense{Out: 40}, BatchNorm{}, Tanh{}, Dense{Out: 10}},
		"regression": {Flatten{}, Dense{Out: 7}, Sigmoid{}, Dense{Out: 3}, MSE{}},
	} {
		m, err := Compile(Shape{8, 8, 2}, layers...)
		require.NoError(t, err, name)
		models[name] = m
	}
	return models
}

// trainedParams are random parameters, and a running state as training leaves it.
func trainedParams(r *rand.Rand, m *Model) *Params {
	p := randomParams(r, m)
	for i := range p.State {
		p.State[i] = float32(0.5 + r.Float64())
	}
	return p
}

func TestPredictorHasTheBitsOfTheModel(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		for name, m := range predictable(t) {
			r := rand.New(rand.NewPCG(1, 1))
			params := trainedParams(r, m)
			p, err := m.Predictor(params)
			require.NoError(t, err)
			assert.Same(t, m, p.Model())
			for _, n := range []int{300, 1, 63, 64, 65, 200} {
				x := ref.Normal(r, n*m.InputShape().Size())
				want, err := m.Outputs(params, x)
				require.NoError(t, err)
				got, err := p.Outputs(nil, x)
				require.NoError(t, err)
				require.Equal(t, want, got, "%s: outputs of %d samples", name, n)

				want, err = m.Predict(params, x)
				require.NoError(t, err)
				got, err = p.Predict(ref.NaNs(make([]float32, 5)), x)
				require.NoError(t, err)
				require.Equal(t, want, got, "%s: predictions for %d samples", name, n)

				class, probability, err := p.Classify(x[:m.InputShape().Size()])
				require.NoError(t, err)
				first := want[:m.OutputShape().Size()]
				require.Equal(t, first[class], probability, name)
				for i, other := range first {
					require.True(t, other < probability || other == probability && i >= class, "%s: class %d of %v", name, class, first)
				}
			}
		}
	})
}

func TestPredictorWritesToDst(t *testing.T) {
	m := predictable(t)["mlp"]
	r := rand.New(rand.NewPCG(2, 2))
	p, err := m.Predictor(randomParams(r, m))
	require.NoError(t, err)
	x := ref.Normal(r, 3*m.InputShape().Size())
	for _, length := range []int{0, 7, 30, 35} {
		room := make([]float32, 35)
		y, err := p.Outputs(room[:length], x)
		require.NoError(t, err)
		assert.Len(t, y, 30)
		assert.Same(t, &room[0], &y[0])
		assert.Equal(t, make([]float32, 5), room[30:], "nothing is written behind the outputs")
	}
}

// The predictor has a copy of the parameters and of the running state.
func TestPredictorKeepsItsParameters(t *testing.T) {
	m := predictable(t)["images"]
	r := rand.New(rand.NewPCG(3, 3))
	params := trainedParams(r, m)
	p, err := m.Predictor(params)
	require.NoError(t, err)
	for _, n := range []int{1, 100} {
		x := ref.Normal(r, n*m.InputShape().Size())
		want, err := p.Predict(nil, x)
		require.NoError(t, err)
		former := params.Clone()
		ref.NaNs(params.Values)
		ref.NaNs(params.State)
		got, err := p.Predict(nil, x)
		require.NoError(t, err)
		assert.Equal(t, want, got, "%d samples", n)
		params = former
	}
}

// Goroutines that predict at the same time get what each of them would get alone.
func TestPredictorServesManyGoroutines(t *testing.T) {
	for name, m := range predictable(t) {
		r := rand.New(rand.NewPCG(4, 4))
		p, err := m.Predictor(trainedParams(r, m))
		require.NoError(t, err)
		size := m.InputShape().Size()
		type task struct {
			x, want []float32
			class   int
		}
		var tasks []task
		for i := range 8 {
			x := ref.Normal(r, (1+40*i)*size)
			want, err := p.Predict(nil, x)
			require.NoError(t, err)
			class, _, err := p.Classify(x[:size])
			require.NoError(t, err)
			tasks = append(tasks, task{x, want, class})
		}
		var all sync.WaitGroup
		for _, task := range tasks {
			all.Go(func() {
				var dst []float32
				for range 5 {
					var err error
					dst, err = p.Predict(dst, task.x)
					assert.NoError(t, err)
					assert.Equal(t, task.want, dst, name)
					class, _, err := p.Classify(task.x[:size])
					assert.NoError(t, err)
					assert.Equal(t, task.class, class, name)
				}
			})
		}
		all.Wait()
	}
}

// In steady state, a call allocates nothing.
func TestPredictorAllocatesNothing(t *testing.T) {
	for name, m := range predictable(t) {
		r := rand.New(rand.NewPCG(5, 5))
		p, err := m.Predictor(randomParams(r, m))
		require.NoError(t, err)
		for _, n := range []int{1, 300} {
			x := ref.Normal(r, n*m.InputShape().Size())
			dst, err := p.Predict(nil, x)
			require.NoError(t, err)
			assert.Less(t, testing.AllocsPerRun(10, func() { dst, _ = p.Predict(dst, x) }), 1.0, "%s: %d samples", name, n)
		}
		sample := ref.Normal(r, m.InputShape().Size())
		_, _, err = p.Classify(sample)
		require.NoError(t, err)
		assert.Less(t, testing.AllocsPerRun(10, func() { p.Classify(sample) }), 1.0, "%s: Classify", name)
	}
}

func TestClassifyOfEquals(t *testing.T) {
	m, err := Compile(Shape{2}, Dense{Out: 3})
	require.NoError(t, err)
	p, err := m.Predictor(&Params{Values: make([]float32, m.NumParams()), State: []float32{}})
	require.NoError(t, err)
	class, probability, err := p.Classify([]float32{1, 2})
	require.NoError(t, err)
	assert.Equal(t, 0, class, "the first of equal predictions")
	assert.InDelta(t, 1.0/3, probability, 1e-7)
}

func TestPredictorErrors(t *testing.T) {
	m, err := Compile(Shape{2, 3}, Flatten{}, Dense{Out: 4})
	require.NoError(t, err)
	_, err = m.Predictor(nil)
	assert.EqualError(t, err, "net: no parameters")
	_, err = m.Predictor(&Params{Values: make([]float32, 3)})
	assert.EqualError(t, err, "net: 3 parameters, the model has 28")

	p, err := m.Predictor(m.Init(1))
	require.NoError(t, err)
	for want, x := range map[string][]float32{
		"net: no samples to predict": nil,
		"net: 7 floats to predict from, want a multiple of 6, the size of a 2x3 sample": make([]float32, 7),
	} {
		_, err = p.Predict(nil, x)
		assert.EqualError(t, err, want)
		_, err = p.Outputs(nil, x)
		assert.EqualError(t, err, want)
	}
	for _, n := range []int{0, 5, 12} {
		_, _, err = p.Classify(make([]float32, n))
		assert.ErrorContains(t, err, "floats to classify, want 6, the size of a 2x3 sample", "%d floats", n)
	}

	images, err := Compile(Shape{4, 4, 2}, Conv2D{Out: 3, Kernel: 3}, MSE{})
	require.NoError(t, err)
	p, err = images.Predictor(images.Init(1))
	require.NoError(t, err)
	_, _, err = p.Classify(make([]float32, 32))
	assert.EqualError(t, err, "net: can't classify by outputs of shape 2x2x3, want one for each class")
}

// A model of text has nothing to make of floats, whether they are as many as its tokens or not.
func TestPredictorOfTextWantsTokens(t *testing.T) {
	m, err := Compile(Shape{3}, Embedding{Vocabulary: 5, Width: 4}, Pooling{}, Dense{Out: 2})
	require.NoError(t, err)
	p, err := m.Predictor(m.Init(1))
	require.NoError(t, err)
	for _, x := range [][]float32{{0, 1, 2}, {0}, nil} {
		_, _, err = p.Classify(x)
		assert.EqualError(t, err, "net: the model reads text, not floats: Predictor.OutputsOf takes a batch")
		_, err = p.Outputs(nil, x)
		assert.EqualError(t, err, "net: the model reads text, not floats: Predictor.OutputsOf takes a batch")
	}
}
