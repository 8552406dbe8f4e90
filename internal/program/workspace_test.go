package program_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/program"
	"github.com/steppe-ml/steppe/internal/simdtest"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/op"
)

// uncoupled are models whose samples don't see each other. The first is long enough for its
// products to be summed in several blocks.
var uncoupled = map[string][]op.Layer{
	"mlp":   {net.Flatten{}, net.Dense{Out: 70}, net.ReLU{}, net.Dense{Out: 33}, net.ReLU{}, net.Dense{Out: 10}},
	"masks": {net.Flatten{}, build(masks), net.Dense{Out: 10}},
	"images": {
		build(func(b op.Builder, in op.Value) (op.Value, error) { return b.Reshape(in, op.Shape{20, 31, 1}) }),
		net.Conv2D{Out: 5, Kernel: 3, Padding: 1, Stride: 2}, net.ReLU{}, net.MaxPool{Size: 2}, net.LayerNorm{}, net.GELU{},
		net.Residual{Body: []op.Layer{net.Conv2D{Out: 5, Kernel: 3, Padding: 1}, net.Dropout{Rate: 0.5}}}, net.AvgPool{Size: 2},
		net.Conv2D{Out: 9, Kernel: 1}, net.ReLU{}, net.GlobalAvgPool{}, net.Dense{Out: 10},
	},
	"attention": {
		net.Dense{Out: 12}, net.MultiHeadAttention{Heads: 3, Causal: true, Rotary: true}, net.LayerNorm{},
		net.Residual{Body: []op.Layer{net.MultiHeadAttention{Heads: 1}, net.Dropout{Rate: 0.5}}}, net.Flatten{}, net.Dense{Out: 10},
	},
	"residual": {net.Flatten{}, net.Dense{Out: 20}, net.ReLU{}, build(func(b op.Builder, in op.Value) (op.Value, error) {
		x, err := chain(b, in, net.Dense{Out: 20}, net.ReLU{}, net.Dense{Out: 20})
		if err != nil {
			return 0, err
		}
		return add(b, sumOp{}, op.Shape{20}, in, x)
	})},
}

func masks(b op.Builder, in op.Value) (op.Value, error) {
	x, err := chain(b, in, net.Dense{Out: 33})
	if err != nil {
		return 0, err
	}
	return add(b, maskOp{33}, op.Shape{33}, x)
}

// bits are all values and gradients of a batch that a pass leaves, by storage.
type bits struct{ values, grads [][]uint32 }

func newBits(m *program.Program) bits {
	return bits{make([][]uint32, m.NumValues()), make([][]uint32, m.NumValues())}
}

// add appends those of the workspace's tile.
func (b *bits) add(w *program.Workspace) {
	for v := range w.Values() {
		for _, x := range w.Values()[v].Data {
			b.values[v] = append(b.values[v], math.Float32bits(x))
		}
		for _, x := range w.Grads()[v].Data {
			b.grads[v] = append(b.grads[v], math.Float32bits(x))
		}
	}
}

// A sample's values and gradients have the same bits in whatever tile and shard, whoever computes
// them, and from parameters packed or not.
func TestSamplesDoNotDependOnTheTile(t *testing.T) {
	cuts := [][][]int{ // tiles of shards
		{{37}},
		{{5, 7, 25}},
		{{1, 1}, {1}, {9}, {3, 3, 3, 3}, {13}},
		{{16}, {21}},
		slices.Repeat([][]int{{1}}, 37),
	}
	models := map[string]*program.Program{}
	add := func(name string, input op.Shape, layers []op.Layer) {
		m, err := compile(input, layers...)
		require.NoError(t, err)
		models[name] = m
	}
	for name, layers := range uncoupled {
		add(name, op.Shape{20, 31}, layers)
	}
	for name, layers := range textModels {
		add("text: "+name, op.Shape{textLength}, layers)
	}
	add("text: dropout", op.Shape{textLength}, []op.Layer{
		net.Embedding{Vocabulary: 13, Width: 6}, net.Dropout{Rate: 0.5}, net.Residual{Body: []op.Layer{net.Dense{Out: 6}, net.Dropout{Rate: 0.3}}},
		net.Dense{Out: 13}, net.NextToken{},
	})
	simdtest.SlowEachISA(t, func(t *testing.T) {
		for name, m := range models {
			t.Run(name, func(t *testing.T) {
				r := rand.New(rand.NewPCG(1, 1))
				params, b := randomParams(r, m), randomBatch(r, m, 37)
				var want bits
				for _, cut := range cuts {
					for _, team := range []*blas.Team{nil, blas.NewTeam(3)} {
						for _, packs := range []program.Packs{nil, packed(m, team, params.Values)} {
							p := program.Pass{
								Batch: b, Scale: 0.1, Train: true, Team: team, Params: params.Values, Packs: packs,
								Seed: maskSeed, Step: maskStep,
							}
							got := runBits(m, p, cut, false)
							if want.values == nil {
								want = got
							}
							requireBits(t, want, got, "%v, workers %d, packed %v", cut, team.Workers(), packs != nil)
							requireBits(t, want, runBits(m, p, cut, true), "%v, workers %d, the same parameters for each shard", cut, team.Workers())
						}
					}
				}
			})
		}
	})
}

// runBits runs a batch tile by tile. Formed says that each shard is given parameters of its own,
// which are those of the pass.
func runBits(m *program.Program, p program.Pass, tiles [][]int, formed bool) bits {
	all, first := newBits(m), 0
	for _, sizes := range tiles {
		p.Shards = shardsFrom(first, sizes...)
		p.Losses = make([]float64, len(sizes))
		if formed {
			p.Perturb = make([]program.Perturb, len(m.Nodes()))
			for i, n := range m.Nodes() {
				p.Perturb[i] = program.Perturb{Kind: program.Formed, Params: slices.Repeat([][]float32{n.Params.Of(p.Params)}, len(sizes))}
			}
		}
		w := m.NewWorkspace(backwardSize(p.Shards), nil)
		w.Poison()
		w.Forward(&p)
		w.Backward(&p)
		all.add(w)
		_, n := program.Run(p.Shards)
		first += n
	}
	return all
}

func requireBits(t *testing.T, want, got bits, format string, args ...any) {
	t.Helper()
	for v := range want.values {
		if !slices.Equal(want.values[v], got.values[v]) || !slices.Equal(want.grads[v], got.grads[v]) {
			require.Failf(t, "not the same bits", "value %d, or its gradient: "+format, append([]any{v}, args...)...)
		}
	}
}

// A workspace computes the same whatever it computed before, in a larger tile or a smaller one.
func TestWorkspaceKeepsNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	m := mlp(t, true, 20, 33, 24, 10)
	params, b := randomParams(r, m.Program), randomBatch(r, m.Program, 40)
	w := m.NewWorkspace(program.Size{Samples: 40, Shards: 4, Shard: 40, Backward: true}, nil)
	run := func(w *program.Workspace, shards []program.Shard) (*sink, []float64) {
		grads := newSink(m.Program, len(shards))
		p := &program.Pass{Batch: b, Shards: shards, Means: true, Train: true, Params: params.Values, Gradients: grads, Losses: make([]float64, len(shards))}
		w.Forward(p)
		w.Backward(p)
		return grads, p.Losses
	}
	for _, sizes := range [][]int{{40}, {2, 3}, {9, 9, 9, 9}, {5}, {40}} {
		shards := shardsFrom(0, sizes...)
		grads, losses := run(w, shards)
		fresh, freshLosses := run(m.NewWorkspace(backwardSize(shards), nil), shards)
		assert.Equal(t, fresh.shards, grads.shards, "%v", sizes)
		assert.Equal(t, freshLosses, losses, "%v", sizes)
	}
}

// Workspaces share the model, the parameters and the packs.
func TestWorkspacesRunAtOnce(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	m := mlp(t, false, 20, 33, 10)
	params, b := randomParams(r, m.Program), randomBatch(r, m.Program, 64)
	packs := packed(m.Program, nil, params.Values)
	deferred := m.NewDeferred(64, deferredOps(m.Program))
	alone := m.NewDeferred(64, deferredOps(m.Program))
	run := func(deferred *program.Deferred, first int) {
		w := m.NewWorkspace(program.Size{Samples: 16, Shards: 2, Shard: 8, Backward: true}, deferred)
		p := &program.Pass{Batch: b, Shards: shardsFrom(first, 8, 8), Scale: 1, Train: true, Params: params.Values, Packs: packs, Losses: make([]float64, 2)}
		w.Forward(p)
		w.Backward(p)
	}
	var all sync.WaitGroup
	for first := 0; first < 64; first += 16 {
		all.Go(func() { run(deferred, first) })
		run(alone, first)
	}
	all.Wait()
	wantValues, wantGrads := alone.Memory()
	values, grads := deferred.Memory()
	assert.Equal(t, wantValues, values)
	assert.Equal(t, wantGrads, grads)
}

// Forward alone needs no memory for gradients.
func TestForwardAlone(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	m := mlp(t, true, 20, 33, 10)
	params, b, shards := randomParams(r, m.Program), randomBatch(r, m.Program, 20), shardsFrom(1, 8, 9)
	both := backwardSize(shards)
	forward := program.Size{Samples: 17, Shards: 2, Shard: 9}
	p := &program.Pass{Batch: b, Shards: shards, Means: true, Train: true, Params: params.Values, Losses: make([]float64, 2)}
	m.NewWorkspace(both, nil).Forward(p)
	want := p.Losses
	p.Losses = make([]float64, 2)
	w := m.NewWorkspace(forward, nil)
	w.Forward(p)
	assert.Equal(t, want, p.Losses)
	const x, aux = 17 * 33, 2 * 11 * 33
	assert.Equal(t, 4*((x+15)/16*16+(aux+15)/16*16+x), w.Bytes(), "what BatchNorm reads, keeps and makes; the outputs lie where it read")
}

// Without Train, a pass tells the losses of the predictions.
func TestForwardEvaluates(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 6))
	m := mlp(t, true, 20, 33, 10)
	params, b, shards := randomParams(r, m.Program), randomBatch(r, m.Program, 20), shardsFrom(0, 1, 12, 7)
	for i := range params.State {
		params.State[i] = float32(0.5 + r.Float64())
	}
	outputs := outputs(m.Program, params, b.X)
	p := &program.Pass{Batch: b, Shards: shards, Scale: 1, Params: params.Values, State: params.State, Losses: make([]float64, len(shards))}
	m.NewWorkspace(program.Size{Samples: 20, Shards: 3, Shard: 12}, nil).Forward(p)
	for s, shard := range shards {
		out := op.Tensor{N: 20, Shape: m.OutputShape(), Data: outputs}.Slice(shard.First, shard.N)
		want := net.SoftmaxCrossEntropy{}.Apply(out, b.Slice(shard.First, shard.N), 1, op.Tensor{})
		assert.Equal(t, want, p.Losses[s], "shard %d", s)
	}
}

// In steady state, a step allocates nothing.
func TestPassAllocatesNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	residual, err := compile(op.Shape{2, 3}, programs["residual"])
	require.NoError(t, err)
	attention, err := compile(op.Shape{20, 16}, net.MultiHeadAttention{Heads: 2, Rotary: true}, net.Flatten{}, net.Dense{Out: 10})
	require.NoError(t, err)
	for name, m := range map[string]twin{
		"attention":  {Program: attention},
		"mlp":        mlp(t, false, 100, 120, 10),
		"normalized": mlp(t, true, 100, 120, 10),
		"residual":   {Program: residual},
	} {
		team := blas.NewTeam(2)
		params, b, shards := randomParams(r, m.Program), randomBatch(r, m.Program, 64), shardsFrom(0, 21, 21, 22)
		packs := packed(m.Program, team, params.Values)
		a := newAscent(m, params, b, shards, team, packs)
		deferred, grads := m.NewDeferred(64, deferredOps(m.Program)), newSink(m.Program, len(shards))
		g := make([]float32, m.NumParams())
		w := m.NewWorkspace(backwardSize(shards), deferred)
		stats := [][]float32{make([]float32, m.NumState()), make([]float32, m.NumState()), make([]float32, m.NumState())}
		c := []float64{0.1, 0.1, 0.1}
		nodes := m.Nodes()
		for kind, perturb := range map[string][]program.Perturb{"same": nil, "formed": a.formed(c), "factored": a.factored(c)} {
			p := a.pass
			p.Perturb, p.Gradients, p.Stats = perturb, grads, stats
			step := func() {
				m.Pack(team, params.Values, packs)
				w.Forward(&p)
				w.Backward(&p)
				for i, n := range nodes {
					if _, ok := n.Op.(op.Factorable); ok {
						w.GradNormSq(&p, i, a.kept[i], a.sq[i])
					}
				}
				deferred.Gradients(team, b, program.Shard{N: b.N}, nil, nil, blas.Full, g)
				m.Commit(params.State, stats[0])
			}
			step()
			// Pools grow to what was ever in use at once, which first happens in some later
			// step on a machine whose workers seldom overlap.
			allocs := math.Inf(1)
			for range 20 {
				if allocs = testing.AllocsPerRun(10, step); allocs < 1 {
					break
				}
			}
			assert.Less(t, allocs, 1.0, fmt.Sprintf("%s, %s", name, kind))
		}
	}
}

// Allocate takes as many bytes as were planned.
func TestBytesBeforeAllocation(t *testing.T) {
	m := mlp(t, true, 30, 41, 24, 10)
	deferred := m.PlanDeferred(20, deferredOps(m.Program))
	size := program.Size{Samples: 12, Shards: 2, Shard: 6, Backward: true, Keeps: make([]bool, len(m.Nodes()))}
	size.Keeps[0] = true
	before := m.PlanWorkspace(size, nil)
	size.Keeps, size.Before = nil, before
	w := m.PlanWorkspace(size, deferred)
	planned, plannedDeferred := w.Bytes(), deferred.Bytes()
	require.Empty(t, w.Memory()[0])

	deferred.Allocate()
	w.Allocate()
	taken := 0
	for _, s := range slices.Concat(w.Memory(), before.Memory()[1:2], before.Memory()[3:]) { // arena and scratch are both workspaces'
		taken += 4 * len(s)
	}
	assert.Equal(t, planned, taken)
	assert.Same(t, &w.Memory()[0][0], &before.Memory()[0][0])
	assert.Same(t, &w.Memory()[2][0], &before.Memory()[2][0])
	taken = 0
	values, grads := deferred.Memory()
	for _, s := range slices.Concat(values, grads) {
		taken += 4 * len(s)
	}
	assert.Equal(t, plannedDeferred, taken)
}
