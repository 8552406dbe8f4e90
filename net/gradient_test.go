package net

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/program"
	"github.com/steppe-ml/steppe/internal/ref"
	"github.com/steppe-ml/steppe/internal/simdtest"
)

// randomBatch is n samples with labels, or with targets for a regression.
func randomBatch(r *rand.Rand, m *Model, n int) Batch {
	b := Batch{N: n, X: ref.Normal(r, n*m.InputShape().Size())}
	if (m.Loss() == MSE{}) {
		b.Targets = ref.Normal(r, n*m.OutputShape().Size())
		return b
	}
	for range n {
		b.Labels = append(b.Labels, int32(r.IntN(m.OutputShape().Size())))
	}
	return b
}

func TestGradientAgainstOracle(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		for _, norm := range []bool{false, true} {
			for _, n := range []int{2, 40, 128, 129, 300} {
				m := perceptron(t, norm, 30, 41, 24, 10)
				r := rand.New(rand.NewPCG(1, uint64(n)))
				params, b := randomParams(r, m.Model), randomBatch(r, m.Model, n)
				if norm && n == 2 {
					continue // two samples are normalized to 1 and -1: their gradient is rounding
				}
				wantLoss, want := m.oracle.Gradient(ref.Float64s(params.Values), ref.Rows(b.X, n), b.Labels)
				g := ref.NaNs(make([]float32, m.NumParams()))
				loss, err := m.Gradient(params, b, 0, g)
				require.NoError(t, err)
				tolerance := ref.Bound(7, max(41, n)) // three products forward, three backward, one with the samples
				assert.InEpsilon(t, wantLoss, loss, tolerance, "norm %v: loss of %d samples", norm, n)
				ref.RequireNear(t, want, g, tolerance, "norm %v: gradient of %d samples", norm, n)
			}
		}
	})
}

// sumOfTiles is Gradient made by hand, on one worker: the first tile sets the gradient, and the
// others add to it.
type sumOfTiles struct {
	ops   []program.OpInfo
	g     []float32
	first bool
}

func (s *sumOfTiles) Of(i, _ int) ([]float32, bool) {
	return s.g[s.ops[i].Offset:][:s.ops[i].Params], !s.first
}

func (s *sumOfTiles) run(m *Model, params *Params, b Batch, seed uint64, tiles ...int) (loss float64) {
	at := 0
	for _, n := range tiles {
		work := m.program.NewWorkspace(program.Size{Samples: n, Shards: 1, Shard: n, Backward: true}, nil)
		pass := program.Pass{
			Batch: b, Scale: 1 / float64(b.N), Params: params.Values, Train: true, Seed: seed,
			Gradients: s, Losses: make([]float64, 1), Shards: []program.Shard{{First: at, N: n}},
		}
		s.first = at == 0
		work.Forward(&pass)
		work.Backward(&pass)
		loss += pass.Losses[0]
		at += n
	}
	return loss / float64(b.N)
}

// The gradient has the bits of a sum over tiles of 128 samples, or where a normalization couples
// samples of the batch in one piece, however many workers there are. It leaves the parameters and
// the running state as they are.
func TestGradientIsASumOverTiles(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	simdtest.EachISA(t, func(t *testing.T) {
		for name, coupled := range map[string]bool{"mlp": false, "regression": false, "images": true, "normalized": true} {
			for _, n := range []int{128, 300} {
				tiles := []int{n}
				if !coupled && n == 300 {
					tiles = []int{128, 128, 44}
				}
				m := predictable(t)[name]
				r := rand.New(rand.NewPCG(2, uint64(n)))
				params, b := trainedParams(r, m), randomBatch(r, m, n)
				want := &sumOfTiles{ops: m.program.Ops(), g: make([]float32, m.NumParams())}
				wantLoss := want.run(m, params, b, 7, tiles...)
				before := params.Clone()
				for _, procs := range []int{1, 2, 5} {
					runtime.GOMAXPROCS(procs)
					fresh := predictable(t)[name] // a model makes its team once
					g := ref.NaNs(make([]float32, m.NumParams()))
					loss, err := fresh.Gradient(params, b, 7, g)
					require.NoError(t, err)
					require.Equal(t, wantLoss, loss, "%s: %d samples, %d processors", name, n, procs)
					require.True(t, slices.Equal(want.g, g), "%s: %d samples, %d processors", name, n, procs)
					require.Equal(t, before, params, "%s: parameters and running state", name)
				}
			}
		}
	})
}

// The seed decides which elements a Dropout drops, and nothing else does.
func TestGradientDropsBySeed(t *testing.T) {
	m, err := Compile(Shape{20}, Dense{Out: 30}, Dropout{Rate: 0.5}, Dense{Out: 4})
	require.NoError(t, err)
	r := rand.New(rand.NewPCG(3, 3))
	params, b := randomParams(r, m), randomBatch(r, m, 50)
	gradient := func(seed uint64) []float32 {
		g := make([]float32, m.NumParams())
		_, err := m.Gradient(params, b, seed, g)
		require.NoError(t, err)
		return g
	}
	first := gradient(1)
	assert.NotEqual(t, first, gradient(2))
	assert.Equal(t, first, gradient(1))
}

// A call after calls with larger and smaller batches computes what it would alone, and once the
// largest has been through, none allocates.
func TestGradientAllocatesNothing(t *testing.T) {
	for name, m := range predictable(t) {
		r := rand.New(rand.NewPCG(4, 4))
		params, g := randomParams(r, m), make([]float32, m.NumParams())
		batches := map[int]Batch{}
		want := map[int][]float32{}
		for _, n := range []int{60, 300, 7} {
			batches[n] = randomBatch(r, m, n)
			_, err := predictable(t)[name].Gradient(params, batches[n], 0, g)
			require.NoError(t, err)
			want[n] = slices.Clone(g)
			_, err = m.Gradient(params, batches[n], 0, g)
			require.NoError(t, err)
			require.Equal(t, want[n], g, "%s: %d samples", name, n)
		}
		assert.Less(t, testing.AllocsPerRun(3, func() {
			for _, b := range batches {
				m.Gradient(params, b, 0, g)
			}
		}), 1.0, name)
	}
}

func TestGradientServesManyGoroutines(t *testing.T) {
	m := predictable(t)["images"]
	r := rand.New(rand.NewPCG(5, 5))
	params := randomParams(r, m)
	var all sync.WaitGroup
	for i := range 6 {
		b := randomBatch(r, m, 5+20*i)
		want := make([]float32, m.NumParams())
		wantLoss, err := m.Gradient(params, b, uint64(i), want)
		require.NoError(t, err)
		all.Go(func() {
			g := make([]float32, m.NumParams())
			for range 3 {
				loss, err := m.Gradient(params, b, uint64(i), g)
				assert.NoError(t, err)
				assert.Equal(t, wantLoss, loss)
				assert.Equal(t, want, g)
			}
		})
	}
	all.Wait()
}

func TestGradientErrors(t *testing.T) {
	m, err := Compile(Shape{3}, Dense{Out: 4}, BatchNorm{}, Dense{Out: 2})
	require.NoError(t, err)
	params := m.Init(1)
	good := Batch{N: 2, X: make([]float32, 6), Labels: make([]int32, 2)}
	for want, test := range map[string]struct {
		params *Params
		batch  Batch
		g      int
	}{
		"net: no parameters": {nil, good, m.NumParams()},
		"net: batch of 2 samples has 5 floats, want 3 a sample of 3":                           {params, Batch{N: 2, X: make([]float32, 5)}, m.NumParams()},
		"net: a gradient of 33 floats, the model has 34 parameters":                            {params, good, 33},
		"net: a batch of 1 samples, the model's normalization needs at least 2":                {params, good.Slice(0, 1), m.NumParams()},
		fmt.Sprintf("net: a gradient of 0 floats, the model has %d parameters", m.NumParams()): {params, good, 0},
	} {
		g := ref.NaNs(make([]float32, test.g))
		_, err := m.Gradient(test.params, test.batch, 0, g)
		assert.EqualError(t, err, want)
		for _, v := range g {
			require.NotEqual(t, v, v, "g was written in spite of %v", err)
		}
	}
}
