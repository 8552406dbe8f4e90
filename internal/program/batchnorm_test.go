package program_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/program"
	"github.com/steppe-ml/steppe/internal/ref"
	"github.com/steppe-ml/steppe/internal/simdtest"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/op"
)

// normalized is a model that begins with a normalization, so that its statistics are those of the
// samples.
func normalized(t *testing.T, l net.BatchNorm, features int) *program.Program {
	t.Helper()
	m, err := compile(op.Shape{features}, l, net.Dense{Out: 3})
	require.NoError(t, err)
	return m
}

// offCenter is a batch whose features have other means than 0, and variances of 4.
func offCenter(r *rand.Rand, m *program.Program, n int) op.Batch {
	b := randomBatch(r, m, n)
	for i := range b.X {
		b.X[i] = 2*b.X[i] + float32(i%m.InputShape().Size()) - 1
	}
	return b
}

func TestBatchNormStatistics(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		const features = 5
		m := normalized(t, net.BatchNorm{}, features)
		r := rand.New(rand.NewPCG(1, 1))
		params, b := randomParams(r, m), offCenter(r, m, 40)
		shards := shardsFrom(3, 2, 30, 5)
		p := &program.Pass{Batch: b, Shards: shards, Means: true, Train: true, Params: params.Values, Losses: make([]float64, len(shards))}
		for range shards {
			p.Stats = append(p.Stats, ref.NaNs(make([]float32, m.NumState())))
		}
		m.NewWorkspace(backwardSize(shards), nil).Forward(p)
		oracle := ref.BatchNorm{Features: features}
		for s, shard := range shards {
			x := ref.Rows(b.Slice(shard.First, shard.N).X, shard.N)
			for j := range features {
				mean, variance := oracle.Moments(x, j)
				n := float64(shard.N)
				// They are computed in float64, and rounded once.
				assert.InEpsilon(t, mean, p.Stats[s][j], 1e-7, "mean %d of shard %d", j, s)
				assert.InEpsilon(t, variance*n/(n-1), p.Stats[s][features+j], 1e-7, "variance %d of shard %d", j, s)
			}
		}
	})
}

// As the first layer, it has parameters' gradients and no input's.
func TestBatchNormOfTheInput(t *testing.T) {
	m := twin{normalized(t, net.BatchNorm{}, 5), ref.Net{ref.BatchNorm{Features: 5, Epsilon: 1e-5}, ref.Dense{In: 5, Out: 3}}}
	r := rand.New(rand.NewPCG(3, 3))
	checkPass(t, m, randomParams(r, m.Program), offCenter(r, m.Program, 30), shardsFrom(4, 9, 8))
}

// Two samples are normalized to 1 and -1 but for Epsilon, and what little of their gradient is left
// is Epsilon's share: so that one is large here.
func TestBatchNormOfTwoSamples(t *testing.T) {
	m, err := compile(op.Shape{5}, net.Dense{Out: 4}, net.BatchNorm{Epsilon: 0.5}, net.Dense{Out: 3})
	require.NoError(t, err)
	oracle := ref.Net{ref.Dense{In: 5, Out: 4}, ref.BatchNorm{Features: 4, Epsilon: 0.5}, ref.Dense{In: 4, Out: 3}}
	r := rand.New(rand.NewPCG(4, 4))
	checkPass(t, twin{m, oracle}, randomParams(r, m), randomBatch(r, m, 9), shardsFrom(1, 2, 3, 2))
}

// A mean far larger than the deviations costs no digits of the variance.
func TestBatchNormStatisticsOfSmallDeviations(t *testing.T) {
	m := normalized(t, net.BatchNorm{}, 1)
	b := op.Batch{N: 4, X: []float32{10000, 10001, 10002, 10003}, Labels: make([]int32, 4)}
	p := &program.Pass{
		Batch: b, Shards: shardsFrom(0, 4), Means: true, Train: true, Params: initial(m, 1).Values,
		Losses: make([]float64, 1), Stats: [][]float32{make([]float32, 2)},
	}
	w := m.NewWorkspace(backwardSize(p.Shards), nil)
	w.Forward(p)
	assert.Equal(t, []float32{10001.5, 5.0 / 3}, p.Stats[0])
	assert.InDeltaSlice(t, []float32{-1.3416355, -0.4472118, 0.4472118, 1.3416355}, w.Values()[1].Data, 1e-6) // (i - 1.5) / sqrt(1.25 + 1e-5)
}

func TestCommitMovesTheRunningState(t *testing.T) {
	for _, test := range []struct {
		momentum float64
		want     []float32
	}{
		{0, []float32{0.2, -0.3, 1.4, 0.95}}, // the default, 0.1
		{0.5, []float32{1, -1.5, 3, 0.75}},
		{1, []float32{2, -3, 5, 0.5}},
	} {
		m := normalized(t, net.BatchNorm{Momentum: test.momentum}, 2)
		state := initial(m, 1).State
		assert.Equal(t, []float32{0, 0, 1, 1}, state, "means, then variances")
		m.Commit(state, []float32{2, -3, 5, 0.5})
		assert.InDeltaSlice(t, test.want, state, 1e-6, "momentum %v", test.momentum)
	}
}

// The states of several normalizations lie one behind the other, each moved by its own momentum.
func TestCommitOfSeveral(t *testing.T) {
	m, err := compile(op.Shape{1}, net.BatchNorm{Momentum: 1}, net.Dense{Out: 2}, net.BatchNorm{Momentum: 0.5}, net.Dense{Out: 2})
	require.NoError(t, err)
	state := initial(m, 1).State
	m.Commit(state, []float32{7, 8, 1, 2, 3, 4})
	assert.Equal(t, []float32{7, 8, 0.5, 1, 2, 2.5}, state)
}

// In prediction, samples are normalized by the running state.
func TestBatchNormPredictsByRunningState(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		const features, eps = 4, 1e-3
		m := normalized(t, net.BatchNorm{Epsilon: eps}, features)
		r := rand.New(rand.NewPCG(2, 2))
		params := randomParams(r, m)
		for j := range features {
			params.State[j], params.State[features+j] = float32(r.NormFloat64()), float32(0.5+r.Float64())
		}
		x := ref.Normal(r, 3*features)

		var rows [][]float64
		p := ref.Float64s(params.Values)
		for _, row := range ref.Rows(x, 3) {
			for j, v := range row {
				mean, variance := float64(params.State[j]), float64(params.State[features+j])
				row[j] = p[j]*(v-mean)/math.Sqrt(variance+eps) + p[features+j]
			}
			rows = append(rows, row)
		}
		want := slices.Concat(ref.Dense{In: features, Out: 3}.Forward(p[2*features:], rows)...)
		got := outputs(m, params, x)
		ref.RequireNear(t, want, got, ref.Bound(2, features), "outputs")
	})
}

func TestMinShard(t *testing.T) {
	m := normalized(t, net.BatchNorm{}, 4)
	assert.Equal(t, 2, m.MinShard(), "a single sample has no deviation")
	assert.Equal(t, 1, mlp(t, false, 4, 3).MinShard())
}
