package program_test

import (
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

// againModels are models whose backward passes overwrite what they read, or compute it again.
func againModels(t *testing.T) map[string]*program.Program {
	models := map[string]*program.Program{}
	add := func(name string, input op.Shape, layers []op.Layer) {
		m, err := compile(input, layers...)
		require.NoError(t, err)
		models[name] = m
	}
	for name, layers := range sharingModels {
		add(name, op.Shape{8, 8, 2}, layers)
	}
	for name, layers := range images {
		add("images: "+name, op.Shape{9, 8, 3}, layers)
	}
	for name, layers := range uncoupled {
		add("uncoupled: "+name, op.Shape{20, 31}, layers)
	}
	for name, layers := range textModels {
		add("text: "+name, op.Shape{textLength}, layers)
	}
	// The outputs themselves can be computed again.
	add("normalized", op.Shape{8, 8, 2}, []op.Layer{net.Conv2D{Out: 4, Kernel: 8, NoBias: true}, net.BatchNorm{}, net.Flatten{}})
	return models
}

// A second backward pass behind one forward pass has the same bits as one behind its own, with
// another loss and other gradients than the first, and with memory of the batch or without.
func TestAgain(t *testing.T) {
	simdtest.SlowEachISA(t, func(t *testing.T) {
		for name, m := range againModels(t) {
			for _, batch := range []bool{false, true} {
				r := rand.New(rand.NewPCG(1, 1))
				params, b, shards := randomParams(r, m), randomBatch(r, m, 12), shardsFrom(1, 4, 3, 4)
				size := backwardSize(shards)
				size.Apart = false
				pass := func() *program.Pass {
					return &program.Pass{
						Batch: b, Shards: shards, Scale: 0.25, Train: true, Seed: maskSeed, Step: maskStep, Params: params.Values,
						Gradients: newSink(m, len(shards)), Losses: make([]float64, len(shards)), Divergences: make([]float64, len(shards)),
						Teacher: teacherOf(m, r, b, shards), Weight: 1.5,
					}
				}
				workspace := func(size program.Size) *program.Workspace {
					var deferred *program.Deferred
					if batch {
						deferred = m.NewDeferred(b.N, deferredOps(m))
					}
					w := m.NewWorkspace(size, deferred)
					w.Poison()
					return w
				}
				want := pass()
				once := workspace(size)
				once.Forward(want)
				once.Backward(want)

				size.Again = true
				size.Keeps = make([]bool, len(m.Nodes()))
				for i, n := range m.Nodes() {
					_, size.Keeps[i] = n.Op.(op.Factorable)
				}
				got := pass()
				got.Teacher = want.Teacher
				w := workspace(size)
				for range 2 {
					first := *got
					first.Means, first.Teacher, first.Divergences = true, op.Tensor{}, nil
					first.Gradients = newSink(m, len(shards))
					w.Forward(&first)
					w.Backward(&first)
					w.Again(got)
					w.Backward(got)
					assert.Equal(t, want.Losses, got.Losses, name)
					assert.Equal(t, want.Divergences, got.Divergences, name)
					for s := range shards {
						require.True(t, slices.Equal(want.Gradients.(*sink).shards[s], got.Gradients.(*sink).shards[s]), "%s: gradient of shard %d", name, s)
						require.False(t, slices.Equal(first.Gradients.(*sink).shards[s], got.Gradients.(*sink).shards[s]), "%s: the first gradient of shard %d", name, s)
					}
				}
			}
		}
	})
}

// teacherOf returns random outputs for a tile.
func teacherOf(m *program.Program, r *rand.Rand, b op.Batch, shards []program.Shard) op.Tensor {
	first, n := program.Run(shards)
	_, floats := m.OutputOf(b, first, n)
	t := op.Tensor{N: n, Shape: m.OutputShape(), Data: ref.Normal(r, floats)}
	if m.OutputSequence() {
		t.Starts = b.Starts[first:][:n+1]
	}
	return t
}
