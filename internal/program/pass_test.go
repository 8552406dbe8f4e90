package program_test

import (
	"fmt"
	"math"
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

// tiles are runs of shards that a pass may be asked for, of batches that begin before them and end
// behind them.
var tiles = []struct {
	first int
	sizes []int
}{
	{0, []int{24}},
	{0, []int{8, 8, 7, 7}},
	{5, []int{33}},
	{11, []int{5, 31, 4, 16, 3}},
}

// models are multi-layer perceptrons: normalized or not, and their sizes.
var models = []struct {
	norm  bool
	sizes []int
}{
	{false, []int{9, 3}},
	{false, []int{20, 33, 10}},
	{false, []int{17, 40, 24, 5}},
	{true, []int{20, 33, 10}},
	{true, []int{17, 40, 24, 5}},
}

func TestPassAgainstOracle(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		for _, model := range models {
			for _, tile := range tiles {
				t.Run(fmt.Sprintf("norm=%v/%v/from %d %v", model.norm, model.sizes, tile.first, tile.sizes), func(t *testing.T) {
					r := rand.New(rand.NewPCG(1, 1))
					m := mlp(t, model.norm, model.sizes...)
					shards := shardsFrom(tile.first, tile.sizes...)
					checkPass(t, m, randomParams(r, m.Program), randomBatch(r, m.Program, tile.first+40*len(shards)), shards)
				})
			}
		}
	})
}

// checkPass runs a tile by every kind of team, packed and not, for the sum and for the means of the
// losses.
func checkPass(t *testing.T, m twin, params *net.Params, b op.Batch, shards []program.Shard) {
	var losses []float64
	var want [][]float64
	for _, s := range shards {
		loss, g := m.gradient(ref.Float64s(params.Values), b, s)
		losses, want = append(losses, loss*m.terms(b, s)), append(want, g)
	}
	size := backwardSize(shards)
	size.Samples, size.Shard, size.Shards = size.Samples+3, size.Shard+2, size.Shards+1 // may be larger
	w := m.NewWorkspace(size, nil)
	for _, team := range []*blas.Team{nil, blas.NewTeam(3)} {
		for _, packs := range []program.Packs{nil, packed(m.Program, team, params.Values)} {
			for _, means := range []bool{true, false} {
				grads := newSink(m.Program, len(shards))
				p := &program.Pass{
					Batch: b, Shards: shards, Means: means, Scale: 0.25, Train: true,
					Team: team, Params: params.Values, Packs: packs,
					Gradients: grads, Losses: make([]float64, len(shards)),
				}
				w.Poison()
				w.Forward(p)
				w.Backward(p)
				for s, shard := range shards {
					scale := 1.0
					if !means {
						scale = 0.25 * m.terms(b, shard)
					}
					assert.InEpsilon(t, losses[s], p.Losses[s], m.bound(rowsOf(b, shard)), "loss of shard %d", s)
					ref.RequireNear(t, ref.Scaled(scale, want[s]), grads.shards[s], m.bound(rowsOf(b, shard)),
						"gradient of shard %d, workers %d, packed %v, means %v", s, team.Workers(), packs != nil, means)
				}
			}
		}
	}
}

// Gradients that are added to: twice the same is twice as much, exactly.
func TestGradientsAreAdded(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	m := mlp(t, true, 12, 20, 4)
	params, b, shards := randomParams(r, m.Program), randomBatch(r, m.Program, 20), shardsFrom(3, 6, 7)
	grads := newSink(m.Program, 2)
	p := &program.Pass{Batch: b, Shards: shards, Means: true, Train: true, Params: params.Values, Gradients: grads, Losses: make([]float64, 2)}
	w := m.NewWorkspace(backwardSize(shards), nil)
	w.Forward(p)
	w.Backward(p)
	once := ref.Float64s(grads.shards[1])

	grads.add = true
	w.Forward(p)
	w.Backward(p)
	// A product is added to what is there element by element, term by term, so it is twice the
	// gradient but for rounding.
	ref.RequireNear(t, ref.Scaled(2, once), grads.shards[1], ref.Bound(1, 7), "gradient added to itself")
}

// Without a sink, and for ops that a sink doesn't want, there are no gradients, and nothing else
// changes.
func TestGradientsNotWanted(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	m := mlp(t, false, 12, 20, 4)
	params, b, shards := randomParams(r, m.Program), randomBatch(r, m.Program, 20), shardsFrom(3, 6, 7)
	w := m.NewWorkspace(backwardSize(shards), nil)
	all, some := newSink(m.Program, 2), newSink(m.Program, 2)
	some.skip = []bool{false, true} // the last Dense
	p := &program.Pass{Batch: b, Shards: shards, Means: true, Train: true, Params: params.Values, Losses: make([]float64, 2)}
	for _, g := range []program.Gradients{nil, all, some} {
		p.Gradients = g
		w.Forward(p)
		w.Backward(p)
	}
	first := 12*20 + 20
	for s := range shards {
		assert.Equal(t, all.shards[s][:first], some.shards[s][:first], "shard %d", s)
		for _, v := range some.shards[s][first:] {
			require.NotEqual(t, v, v, "an unwanted gradient was written")
		}
	}
}

// The deferred ops' gradients over a batch that went through in tiles are the sum of its shards'.
func TestDeferredGradients(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		for _, model := range models {
			t.Run(fmt.Sprintf("norm=%v/%v", model.norm, model.sizes), func(t *testing.T) {
				r := rand.New(rand.NewPCG(4, 4))
				m := mlp(t, model.norm, model.sizes...)
				params, b := randomParams(r, m.Program), randomBatch(r, m.Program, 50)
				tiles := [][]program.Shard{shardsFrom(0, 9, 8, 8), shardsFrom(25, 8), shardsFrom(33, 9, 8)}

				want := make([]float64, m.NumParams())
				for _, tile := range tiles {
					for _, s := range tile {
						_, g := m.gradient(ref.Float64s(params.Values), b, s)
						want = ref.Axpy(float64(s.N)/float64(b.N), g, want)
					}
				}
				checkDeferred(t, m, params, b, tiles, nil, want)
				checkDeferred(t, m, params, b, tiles, blas.NewTeam(3), want)
			})
		}
	})
}

// checkDeferred runs the tiles in one workspace, last tile first.
func checkDeferred(t *testing.T, m twin, params *net.Params, b op.Batch, tiles [][]program.Shard, team *blas.Team, want []float64) {
	deferred := m.NewDeferred(b.N+7, deferredOps(m.Program)) // may be larger
	w := m.NewWorkspace(program.Size{Samples: 25, Shards: 3, Shard: 9, Backward: true}, deferred)
	w.Poison()
	grads := newSink(m.Program, 3)
	grads.skip, grads.add = deferredOps(m.Program), true
	for s := range grads.shards {
		clear(grads.shards[s])
	}
	for i := len(tiles) - 1; i >= 0; i-- {
		p := &program.Pass{
			Batch: b, Shards: tiles[i], Scale: 1 / m.terms(b, program.Shard{N: b.N}), Train: true,
			Team: team, Params: params.Values, Gradients: grads, Losses: make([]float64, len(tiles[i])),
		}
		w.Forward(p)
		w.Backward(p)
	}
	got := make([]float32, m.NumParams())
	for _, g := range grads.shards { // what isn't deferred
		for i, v := range g {
			got[i] += v
		}
	}
	for _, n := range m.Nodes() {
		if n.Traits.Deferred {
			ref.NaNs(n.Params.Of(got))
		}
	}
	deferred.Gradients(team, b, program.Shard{N: b.N}, nil, nil, blas.Full, got)
	ref.RequireNear(t, want, got, m.bound(rowsOf(b, program.Shard{N: b.N})), "gradient of the batch")
}

// A deferred gradient's bits don't depend on how the batch was cut into tiles, nor on the team.
func TestDeferredGradientsDoNotDependOnTiles(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(5, 5))
		m := mlp(t, false, 30, 40, 7)
		params, b := randomParams(r, m.Program), randomBatch(r, m.Program, 64)
		var want []float32
		for _, perTile := range []int{64, 1, 7, 32} {
			for _, team := range []*blas.Team{nil, blas.NewTeam(3)} {
				deferred := m.NewDeferred(b.N, deferredOps(m.Program))
				w := m.NewWorkspace(program.Size{Samples: perTile, Shards: 1, Shard: perTile, Backward: true}, deferred)
				for first := 0; first < b.N; first += perTile {
					p := &program.Pass{
						Batch: b, Shards: shardsFrom(first, min(perTile, b.N-first)), Scale: 1 / float64(b.N), Train: true,
						Team: team, Params: params.Values, Losses: make([]float64, 1),
					}
					w.Forward(p)
					w.Backward(p)
				}
				got := ref.NaNs(make([]float32, m.NumParams()))
				deferred.Gradients(team, b, program.Shard{N: b.N}, nil, nil, blas.Full, got)
				if want == nil {
					want = got
				}
				require.Equal(t, want, got, "tiles of %d, workers %d", perTile, team.Workers())
			}
		}
	})
}

// A layer whose operands are kept for the whole batch needs no memory for them in the workspace.
func TestDeferredMemory(t *testing.T) {
	m := mlp(t, false, 30, 40, 7) // inputs 30, 40 (in place of Dense's output), gradients 40, 7
	deferred := m.NewDeferred(100, deferredOps(m.Program))
	assert.Equal(t, 4*100*(40+40+7), deferred.Bytes())
	size := program.Size{Samples: 10, Shards: 1, Shard: 10, Backward: true}
	assert.Equal(t, 4*(2*10*40+80+70+2*10*10), m.NewWorkspace(size, nil).Bytes(), "values, gradients and scratch, in whole cache lines")
	assert.Equal(t, 4*(10*7+2*10*10), m.NewWorkspace(size, deferred).Bytes(), "the outputs and scratch are left")
	size.Factored = []bool{true, false, false}
	assert.Equal(t, 4*(10*7+10*10), m.NewWorkspace(size, deferred).Bytes(), "the first layer's products are kept apart")
	size.Factored[0] = false
	assert.Equal(t, 4*10*7, m.NewWorkspace(size, deferred).Bytes(), "nothing is corrected")
}

// A NaN among the samples makes the loss of its shard NaN.
func TestLossOfNaN(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	m := mlp(t, false, 6, 8, 3)
	params, b := randomParams(r, m.Program), randomBatch(r, m.Program, 10)
	b.X[4*6] = float32(math.NaN()) // sample 4, in the second shard
	p := &program.Pass{Batch: b, Shards: shardsFrom(0, 4, 3, 3), Means: true, Train: true, Params: params.Values, Losses: make([]float64, 3)}
	m.NewWorkspace(backwardSize(p.Shards), nil).Forward(p)
	for s, loss := range p.Losses {
		assert.Equal(t, s == 1, math.IsNaN(loss), "shard %d: %v", s, loss)
	}
}
