package program_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/program"
	"github.com/steppe-ml/steppe/internal/ref"
	"github.com/steppe-ml/steppe/internal/simdtest"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/op"
)

// transformers are models with attention, over rows of features.
var transformers = map[string][]op.Layer{
	"bare": {net.MultiHeadAttention{Heads: 2, Causal: true}, net.MultiHeadAttention{Heads: 1, Rotary: true}},
	"pre-norm": {
		net.Residual{Body: []op.Layer{net.LayerNorm{}, net.MultiHeadAttention{Heads: 3, Causal: true, Rotary: true}}},
		net.Residual{Body: []op.Layer{net.LayerNorm{}, net.Dense{Out: 20}, net.GELU{}, net.Dense{Out: 12}}},
	},
	"post-norm": {
		net.Residual{Body: []op.Layer{net.MultiHeadAttention{Heads: 3}}}, net.LayerNorm{},
		net.Residual{Body: []op.Layer{net.Dense{Out: 20}, net.GELU{}, net.Dense{Out: 12}}}, net.LayerNorm{},
	},
}

// Losses and gradients of models with attention against float64, in memory that is full of NaN
// wherever the ops' traits say that nobody reads it.
func TestTransformersAgainstOracle(t *testing.T) {
	input := op.Shape{7, 12}
	simdtest.EachISA(t, func(t *testing.T) {
		for name, layers := range transformers {
			t.Run(name, func(t *testing.T) {
				layers = append(layers[:len(layers):len(layers)], net.Flatten{}, net.Dense{Out: 4})
				m, err := compile(input, layers...)
				require.NoError(t, err)
				oracle, _ := reference(input, layers...)
				require.Equal(t, oracle.Params(), m.NumParams())
				r := rand.New(rand.NewPCG(1, 1))
				checkPass(t, twin{m, oracle}, randomParams(r, m), randomBatch(r, m, 14), shardsFrom(1, 4, 3, 5))
			})
		}
	})
}

// The same over text, whose samples have different lengths: in one tile of several shards they are
// what the oracle makes of each sample alone, wherever buffers lie.
func TestTextTransformersAgainstOracle(t *testing.T) {
	words := table{vocabulary: 9, width: 12}
	batch := op.Batch{N: 9, Starts: []int{3}, Labels: make([]int32, 9)}
	r := rand.New(rand.NewPCG(2, 2))
	for i, n := range []int{2, 7, 1, 1, 5, 7, 3, 1, 6} {
		batch.Starts = append(batch.Starts, batch.Starts[i]+n)
		batch.Labels[i] = int32(r.IntN(4))
		for range n {
			batch.Tokens = append(batch.Tokens, int32(r.IntN(words.vocabulary)))
		}
	}
	shards := shardsFrom(1, 1, 3, 4)
	for name, layers := range transformers {
		t.Run(name, func(t *testing.T) {
			all := append(append([]op.Layer{words}, layers...), first{}, net.Dense{Out: 4})
			m, err := compile(op.Shape{7}, all...)
			require.NoError(t, err)
			oracle, _ := reference(op.Shape{7, words.width}, layers...)
			oracle = append(oracle, firstRow{words.width}, ref.Dense{In: words.width, Out: 4})
			tables := words.vocabulary * words.width
			require.Equal(t, oracle.Params(), m.NumParams()-tables)
			params := randomParams(r, m)
			for i := range tables {
				params.Values[i] = float32(r.NormFloat64())
			}
			apart := backwardSize(shards)
			shared := apart
			shared.Apart = false
			for _, size := range []program.Size{apart, shared} {
				w := m.NewWorkspace(size, nil)
				for _, team := range []*blas.Team{nil, blas.NewTeam(3)} {
					grads := newSink(m, len(shards))
					p := &program.Pass{Batch: batch, Shards: shards, Means: true, Train: true, Team: team, Params: params.Values, Gradients: grads, Losses: make([]float64, len(shards))}
					w.Poison()
					w.Forward(p)
					w.Backward(p)
					for s, shard := range shards {
						b := batch.Slice(shard.First, shard.N)
						loss, want := oracle.Gradient(ref.Float64s(params.Values[tables:]), embedded(words, params, b), b.Labels)
						tolerance := ref.Bound(16, 40)
						assert.InEpsilon(t, loss*float64(shard.N), p.Losses[s], tolerance, "loss of shard %d", s)
						ref.RequireNear(t, want, grads.shards[s][tables:], tolerance, "gradient of shard %d", s)
					}
				}
			}
		})
	}
}

// embedded returns the rows of the table that a batch's tokens have.
func embedded(words table, params *net.Params, b op.Batch) (x [][]float64) {
	for i := range b.N {
		var rows []float64
		for _, id := range b.Slice(i, 1).Tokens {
			rows = append(rows, ref.Float64s(params.Values[int(id)*words.width:][:words.width])...)
		}
		x = append(x, rows)
	}
	return x
}

// firstRow is the oracle of first.
type firstRow struct{ width int }

func (firstRow) Params() int { return 0 }

func (l firstRow) Forward(_ []float64, x [][]float64) (y [][]float64) {
	for _, sample := range x {
		y = append(y, sample[:l.width])
	}
	return y
}

func (l firstRow) Backward(_ []float64, x, _, dy [][]float64, _ []float64) (dx [][]float64) {
	for s, sample := range x {
		dx = append(dx, append(append([]float64(nil), dy[s]...), make([]float64, len(sample)-l.width)...))
	}
	return dx
}
