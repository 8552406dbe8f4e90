package net

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/blas"
)

// Buffers that are in use at the same time have nothing in common.
func TestPlace(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		var all []*buffer
		sum := 0
		for range 1 + r.IntN(30) {
			from := r.IntN(20)
			b := &buffer{floats: 1 + r.IntN(100), from: from, to: from + r.IntN(8), kept: r.IntN(5) == 0}
			if r.IntN(10) == 0 {
				b.to = b.from - 1 // never in use
			}
			all = append(all, b)
			sum += (b.floats + 15) / 16 * 16
		}
		arena, kept := place(all, false), place(all, true)
		assert.LessOrEqual(t, arena+kept, sum)
		for i, a := range all {
			most := arena
			if a.kept {
				most = kept
			}
			if a.from <= a.to {
				require.LessOrEqual(t, a.at+a.floats, most)
			}
			for _, b := range all[:i] {
				atOnce := a.from <= b.to && b.from <= a.to || a.kept
				if a.kept == b.kept && atOnce && a.from <= a.to && b.from <= b.to {
					require.True(t, a.at+a.floats <= b.at || b.at+b.floats <= a.at, "%+v and %+v", a, b)
				}
			}
		}
	}
}

// sharingModels have all that memory depends on: values in place, in other shapes, read
// twice, made again on the way back, gradients that lie where others lay.
var sharingModels = map[string][]Layer{
	"residual": {
		Conv2D{Out: 4, Kernel: 3, Padding: 1, NoBias: true}, BatchNorm{}, ReLU{},
		Residual{Body: []Layer{
			Conv2D{Out: 4, Kernel: 3, Padding: 1, NoBias: true}, BatchNorm{}, ReLU{},
			Conv2D{Out: 4, Kernel: 3, Padding: 1, NoBias: true}, BatchNorm{},
		}}, ReLU{},
		Residual{Body: []Layer{Conv2D{Out: 4, Kernel: 3, Padding: 1, NoBias: true}, BatchNorm{}}}, // adds what it reads
		Residual{Body: []Layer{Conv2D{Out: 4, Kernel: 1}, ReLU{}}}, ReLU{},
		Residual{
			Body:     []Layer{Conv2D{Out: 6, Kernel: 3, Stride: 2, Padding: 1, NoBias: true}, BatchNorm{}, ReLU{}, Conv2D{Out: 6, Kernel: 3, Padding: 1, NoBias: true}, BatchNorm{}},
			Shortcut: []Layer{Conv2D{Out: 6, Kernel: 1, Stride: 2, NoBias: true}, BatchNorm{}},
		}, ReLU{},
		Residual{
			Body:     []Layer{Conv2D{Out: 8, Kernel: 3, Stride: 2, Padding: 1, NoBias: true}, BatchNorm{}},
			Shortcut: []Layer{Subsample{Stride: 2, Out: 8}},
		}, ReLU{},
		Residual{Body: []Layer{Conv2D{Out: 8, Kernel: 3, Padding: 1, NoBias: true}, BatchNorm{}}}, ReLU{},
		GlobalAvgPool{}, Dense{Out: 3},
	},
	"before": {
		Conv2D{Out: 4, Kernel: 3, Padding: 1, NoBias: true},
		Residual{Body: []Layer{BatchNorm{}, ReLU{}, Conv2D{Out: 4, Kernel: 3, Padding: 1}, Dropout{Rate: 0.5}}},
		Residual{Body: []Layer{LayerNorm{}, Conv2D{Out: 8, Kernel: 3, Padding: 1}}, Shortcut: []Layer{Subsample{Stride: 1, Out: 8}}},
		BatchNorm{}, ReLU{}, AvgPool{Size: 2}, Flatten{}, Dense{Out: 5}, ReLU{}, Dense{Out: 3},
	},
	"pooled": {
		Conv2D{Out: 4, Kernel: 3, Padding: 1}, ReLU{}, MaxPool{Size: 2}, Conv2D{Out: 6, Kernel: 3, Padding: SamePadding},
		MaxPool{Size: 2}, ReLU{}, Flatten{}, Dense{Out: 7}, ReLU{}, Dense{Out: 3},
	},
}

// What shares memory computes the same bits as what doesn't, on any team, and needs
// less.
func TestSharedMemoryChangesNoBit(t *testing.T) {
	for name, layers := range sharingModels {
		m, err := Compile(Shape{8, 8, 2}, layers...)
		require.NoError(t, err, name)
		r := rand.New(rand.NewPCG(1, 1))
		params, b, shards := randomParams(r, m), randomBatch(r, m, 12), shardsFrom(1, 4, 3, 4)
		run := func(size Size, workers int) (*sink, []float64, int) {
			w := m.NewWorkspace(size, nil)
			w.poison()
			grads := newSink(m, len(shards))
			p := &Pass{
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
		size.apart = false
		size.Keeps = make([]bool, len(m.nodes))
		for i, n := range m.nodes {
			_, size.Keeps[i] = n.op.(Factored)
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

// Some values of a residual network are made again rather than kept, each after what it
// is made of.
func TestRemade(t *testing.T) {
	m, err := Compile(Shape{8, 8, 2}, sharingModels["residual"]...)
	require.NoError(t, err)
	size := Size{Samples: 4, Shards: 1, Shard: 4, Backward: true}
	none := m.planChains(size, nil, 0)
	for chain := range 5 {
		plan := m.planChains(size, nil, chain)
		made := make([]bool, len(m.shapes))
		for i := len(m.nodes) - 1; i >= 0; i-- {
			for _, v := range append(plan.remakes[i].prepare, plan.remakes[i].gradient...) {
				maker := m.nodes[plan.makers[v]]
				for j, z := range maker.in {
					if maker.op.(Remaker).RemakeReads(j) && plan.remade[z] != nil {
						assert.True(t, made[z], "value %d is made of %d, which isn't there yet", v, z)
					}
				}
				made[v] = true
			}
		}
		assert.Equal(t, chain > 0, slices.Contains(made, true))
		assert.LessOrEqual(t, m.plan(size, nil).floats, plan.floats)
	}
	assert.Less(t, m.plan(size, nil).floats, none.floats)
}
