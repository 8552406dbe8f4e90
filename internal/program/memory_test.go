package program_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/program"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/op"
)

// sharingModels have every way to share memory: values in place, in other shapes, read twice and
// rematerialized, and gradients in the memory of others.
var sharingModels = map[string][]op.Layer{
	"residual": {
		net.Conv2D{Out: 4, Kernel: 3, Padding: 1, NoBias: true}, net.BatchNorm{}, net.ReLU{},
		net.Residual{Body: []op.Layer{
			net.Conv2D{Out: 4, Kernel: 3, Padding: 1, NoBias: true}, net.BatchNorm{}, net.ReLU{},
			net.Conv2D{Out: 4, Kernel: 3, Padding: 1, NoBias: true}, net.BatchNorm{},
		}}, net.ReLU{},
		net.Residual{Body: []op.Layer{net.Conv2D{Out: 4, Kernel: 3, Padding: 1, NoBias: true}, net.BatchNorm{}}}, // adds what it reads
		net.Residual{Body: []op.Layer{net.Conv2D{Out: 4, Kernel: 1}, net.ReLU{}}}, net.ReLU{},
		net.Residual{
			Body:     []op.Layer{net.Conv2D{Out: 6, Kernel: 3, Stride: 2, Padding: 1, NoBias: true}, net.BatchNorm{}, net.ReLU{}, net.Conv2D{Out: 6, Kernel: 3, Padding: 1, NoBias: true}, net.BatchNorm{}},
			Shortcut: []op.Layer{net.Conv2D{Out: 6, Kernel: 1, Stride: 2, NoBias: true}, net.BatchNorm{}},
		}, net.ReLU{},
		net.Residual{
			Body:     []op.Layer{net.Conv2D{Out: 8, Kernel: 3, Stride: 2, Padding: 1, NoBias: true}, net.BatchNorm{}},
			Shortcut: []op.Layer{net.Subsample{Stride: 2, Out: 8}},
		}, net.ReLU{},
		net.Residual{Body: []op.Layer{net.Conv2D{Out: 8, Kernel: 3, Padding: 1, NoBias: true}, net.BatchNorm{}}}, net.ReLU{},
		net.GlobalAvgPool{}, net.Dense{Out: 3},
	},
	"before": {
		net.Conv2D{Out: 4, Kernel: 3, Padding: 1, NoBias: true},
		net.Residual{Body: []op.Layer{net.BatchNorm{}, net.ReLU{}, net.Conv2D{Out: 4, Kernel: 3, Padding: 1}, net.Dropout{Rate: 0.5}}},
		net.Residual{Body: []op.Layer{net.LayerNorm{}, net.Conv2D{Out: 8, Kernel: 3, Padding: 1}}, Shortcut: []op.Layer{net.Subsample{Stride: 1, Out: 8}}},
		net.BatchNorm{}, net.ReLU{}, net.AvgPool{Size: 2}, net.Flatten{}, net.Dense{Out: 5}, net.ReLU{}, net.Dense{Out: 3},
	},
	"pooled": {
		net.Conv2D{Out: 4, Kernel: 3, Padding: 1}, net.ReLU{}, net.MaxPool{Size: 2}, net.Conv2D{Out: 6, Kernel: 3, Padding: net.Same},
		net.MaxPool{Size: 2}, net.ReLU{}, net.Flatten{}, net.Dense{Out: 7}, net.ReLU{}, net.Dense{Out: 3},
	},
}

// A workspace whose buffers share memory computes the same bits as one whose buffers don't, on any
// team, and needs less memory.
func TestSharedMemoryChangesNoBit(t *testing.T) {
	for name, layers := range sharingModels {
		m, err := compile(op.Shape{8, 8, 2}, layers...)
		require.NoError(t, err, name)
		r := rand.New(rand.NewPCG(1, 1))
		params, b, shards := randomParams(r, m), randomBatch(r, m, 12), shardsFrom(1, 4, 3, 4)
		run := func(size program.Size, workers int) (*sink, []float64, int) {
			w := m.NewWorkspace(size, nil)
			w.Poison()
			grads := newSink(m, len(shards))
			p := &program.Pass{
				Batch: b, Shards: shards, Means: true, Train: true, Team: blas.NewTeam(workers), Params: params.Values,
				Gradients: grads, Losses: make([]float64, len(shards)),
			}
			for range 2 {
				w.Forward(p)
				w.Backward(p)
			}
			return grads, p.Losses, w.Bytes()
		}
		apart := backwardSize(shards)
		want, losses, most := run(apart, 1)
		size := apart
		size.Apart = false
		size.Keeps = make([]bool, len(m.Nodes()))
		for i, n := range m.Nodes() {
			_, size.Keeps[i] = n.Op.(op.Factorable)
		}
		for _, workers := range []int{1, 3} {
			for _, keeps := range [][]bool{nil, size.Keeps} {
				size.Keeps = keeps
				got, gotLosses, bytes := run(size, workers)
				assert.Equal(t, losses, gotLosses, name)
				for s := range shards {
					require.True(t, slices.Equal(want.shards[s], got.shards[s]), "%s: gradient of shard %d", name, s)
				}
				assert.Less(t, bytes, most*4/5, name)
			}
		}
	}
}

// Some values of a residual network are computed again rather than kept, each after the values that
// it is computed from.
func TestRematerialized(t *testing.T) {
	m, err := compile(op.Shape{8, 8, 2}, sharingModels["residual"]...)
	require.NoError(t, err)
	size := program.Size{Samples: 4, Shards: 1, Shard: 4, Backward: true}
	best := m.ArenaFloats(size, -1)
	for chain := range 5 {
		values, from := m.Rematerialized(size, chain)
		made := map[op.Value]bool{}
		for _, v := range values {
			for _, z := range from[v] {
				assert.True(t, made[z], "value %d is computed from %d, which isn't there yet", v, z)
			}
			made[v] = true
		}
		assert.Equal(t, chain > 0, len(made) > 0)
		assert.LessOrEqual(t, best, m.ArenaFloats(size, chain))
	}
	assert.Less(t, best, m.ArenaFloats(size, 0))
}
