package program_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/program"
	"github.com/steppe-ml/steppe/internal/simdtest"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/op"
)

// eachLayered calls f for models of all layers, over images and over text.
func eachLayered(t *testing.T, f func(name string, m *program.Program)) {
	models := map[string][]op.Layer{
		"mlp": {net.Flatten{}, net.Dense{Out: 20}, net.ReLU{}, net.Dropout{Rate: 0.3}, net.Dense{Out: 11}, net.ReLU{}, net.Dense{Out: 4}},
		"pooled": {
			net.Conv2D{Out: 6, Kernel: 3, Padding: net.Same}, net.ReLU{}, net.MaxPool{Size: 2},
			net.Conv2D{Out: 8, Kernel: 3, Padding: net.Same}, net.ReLU{}, net.MaxPool{Size: 2}, net.Flatten{}, net.Dense{Out: 4},
		},
	}
	for name, layers := range sharingModels {
		models[name] = layers
	}
	for name, layers := range textModels {
		models["text: "+name] = layers
	}
	for name, layers := range models {
		input := op.Shape{8, 8, 2}
		if strings.HasPrefix(name, "text: ") {
			input = op.Shape{textLength}
		}
		m, err := compile(input, layers...)
		require.NoError(t, err, name)
		f(name, m)
	}
}

// passOnce takes a tile forward and backward, and returns its losses and gradients.
func passOnce(m *program.Program, w *program.Workspace, p program.Pass) (losses []float64, g [][]float32) {
	sink := newSink(m, len(p.Shards))
	for s := range sink.shards {
		clear(sink.shards[s])
	}
	p.Gradients, p.Losses = sink, make([]float64, len(p.Shards))
	w.Forward(&p)
	w.Backward(&p)
	return p.Losses, sink.shards
}

// Chunks of samples change no bit, in arenas and with parameters of each shard.
func TestChunksChangeNoBit(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		chunked := 0
		eachLayered(t, func(name string, m *program.Program) {
			r := rand.New(rand.NewPCG(4, 4))
			params, b, shards := randomParams(r, m), randomBatch(r, m, 60), shardsFrom(3, 21, 17, 4)
			for _, perturb := range [][]program.Perturb{nil, oneForEach(m, params, len(shards))} {
				for _, team := range []*blas.Team{nil, blas.NewTeam(2)} {
					p := program.Pass{
						Batch: b, Shards: shards, Scale: 0.25, Train: true, Team: team, Params: params.Values,
						Seed: maskSeed, Step: maskStep, Perturb: perturb,
					}
					size := backwardSize(shards)
					size.Apart = false
					wantLosses, want := passOnce(m, m.NewWorkspace(size, nil), p)
					size.Chunk = 1 // and so the fewest samples
					w := m.NewWorkspace(size, nil)
					w.Poison()
					losses, got := passOnce(m, w, p)
					require.Equal(t, wantLosses, losses, name)
					require.Equal(t, want, got, name)
					chunked += w.Chunked()
				}
			}
		})
		assert.Greater(t, chunked, 40, "ops that chunks go through")
	})
}

// A pass that resumes behind the ops whose parameters are as they were has the bits of a whole
// one.
func TestResumedPass(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		resumed := 0
		eachLayered(t, func(name string, m *program.Program) {
			r := rand.New(rand.NewPCG(5, 5))
			params, b, shards := randomParams(r, m), randomBatch(r, m, 16), shardsFrom(1, 5, 7)
			nodes, ops := m.Nodes(), m.Ops()
			for first := range nodes {
				if ops[first].Params == 0 {
					continue
				}
				moves := make([]bool, len(nodes))
				moved := &net.Params{Values: slices.Clone(params.Values)}
				for i := first; i < len(nodes); i++ {
					moves[i] = i == first || ops[i].Params > 0 && r.IntN(2) == 0
					if moves[i] {
						for j := range nodes[i].Params.Of(moved.Values) {
							nodes[i].Params.Of(moved.Values)[j] += float32(r.NormFloat64() / 20)
						}
					}
				}
				size := backwardSize(shards)
				size.Apart = false
				p := program.Pass{
					Batch: b, Shards: shards, Scale: 0.25, Train: true, Params: params.Values, Seed: maskSeed, Step: maskStep,
				}
				w := m.NewWorkspace(size, nil)
				w.Poison()
				clean := p
				clean.Needs = m.Needs(moves)
				passOnce(m, w, clean)

				p.Params = moved.Values
				wantLosses, want := passOnce(m, m.NewWorkspace(size, nil), p)
				p.From = w.ResumeAt(clean.Needs)
				losses, got := passOnce(m, w, p)
				require.Equal(t, wantLosses, losses, "%s, from op %d", name, p.From)
				require.Equal(t, want, got, "%s, from op %d", name, p.From)
				require.LessOrEqual(t, p.From, first)
				resumed += p.From
			}
		})
		assert.Greater(t, resumed, 20, "ops that passes leave out")
	})
}
