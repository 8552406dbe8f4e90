package program_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/program"
	"github.com/steppe-ml/steppe/internal/ref"
	"github.com/steppe-ml/steppe/internal/simdtest"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/op"
)

// gradientOf runs a pass over all samples of its batch, and returns the loss and the gradient.
func gradientOf(m *program.Program, p program.Pass) (loss float64, g []float32) {
	p.Shards, p.Scale, p.Losses = shardsFrom(0, p.Batch.N), 1/float64(p.Batch.N), make([]float64, 1)
	s := newSink(m, 1)
	p.Gradients = s
	w := m.NewWorkspace(backwardSize(p.Shards), nil)
	w.Forward(&p)
	w.Backward(&p)
	return p.Losses[0] / float64(p.Batch.N), s.shards[0]
}

// Where samples are in the pieces that were found, computing within them changes nothing.
func TestWithinItsOwnPieces(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		for name, layers := range images {
			fused, err := compile(op.Shape{9, 8, 3}, layers...)
			require.NoError(t, err)
			m, err := fused.Unfused()
			require.NoError(t, err)
			require.Equal(t, fused.NumParams(), m.NumParams())
			r := rand.New(rand.NewPCG(1, 1))
			params, b := randomParams(r, m), randomBatch(r, m, 7)
			pass := program.Pass{Batch: b, Params: params.Values, Train: true}
			wantLoss, want := gradientOf(m, pass)

			pass.Pieces = m.NewPieces(b.N)
			for _, p := range pass.Pieces {
				ref.NaNs(p)
			}
			loss, g := gradientOf(m, pass)
			assert.Equal(t, wantLoss, loss, "%s: while pieces are found", name)
			require.Equal(t, want, g, "%s: while pieces are found", name)
			pass.Within = true
			loss, g = gradientOf(m, pass)
			assert.Equal(t, wantLoss, loss, name)
			for i, v := range want {
				require.True(t, v == g[i], "%s: element %d is %v, want %v", name, i, g[i], v) // 0 equals -0
			}
		}
	})
}

// Within pieces a ReLU keeps the sign that it has seen, and a pooling the place, whatever comes; so
// do their gradients.
func TestWithinOtherPieces(t *testing.T) {
	m, err := compilePlain(op.Shape{3, 3, 1}, net.ReLU{}, net.MaxPool{Size: 2, Stride: 1, Padding: 1}, net.Flatten{}, net.Dense{Out: 2})
	require.NoError(t, err)
	params := initial(m, 1)
	run := func(p program.Pass, x ...float32) []float32 {
		p.Batch = op.Batch{N: 1, X: x, Labels: []int32{0}}
		p.Shards, p.Losses, p.Params, p.Train = shardsFrom(0, 1), make([]float64, 1), params.Values, true
		w := m.NewWorkspace(backwardSize(p.Shards), nil)
		w.Forward(&p)
		in, _ := w.Operands(len(m.Ops()) - 1)
		return in.Data
	}
	pieces := m.NewPieces(1)
	found := run(program.Pass{Pieces: pieces},
		1, -1, 0,
		2, 3, -2,
		0, 0, 5)
	assert.Equal(t, []float32{1, 1, 0, 0, 2, 3, 3, 0, 2, 3, 5, 5, 0, 0, 5, 5}, found)
	within := run(program.Pass{Pieces: pieces, Within: true},
		-1, 7, 7,
		-2, -3, 7,
		7, 7, -5)
	assert.Equal(t, []float32{-1, -1, 0, 0, -2, -3, -3, 0, -2, -3, -5, -5, 0, 0, -5, -5}, within)
}

// A pass that trains can normalize by the running state: its gradient is that of the model as it
// predicts, fused or not.
func TestGradientByRunningState(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		for name, layers := range images {
			for _, plain := range []bool{false, true} {
				compile := compile
				if plain {
					compile = compilePlain
				}
				m, err := compile(op.Shape{9, 8, 3}, append(layers[:len(layers):len(layers)], net.Dropout{Rate: 0.5})...)
				require.NoError(t, err)
				oracle, _ := reference(op.Shape{9, 8, 3}, layers...)
				r := rand.New(rand.NewPCG(1, 1))
				params, b := randomParams(r, m), randomBatch(r, m, 7)
				for i := range params.State {
					params.State[i] = float32(0.5 + r.Float64())
				}
				oracle = oracle.Running(ref.Float64s(params.State))
				wantLoss, want := oracle.Gradient(ref.Float64s(params.Values), ref.Rows(b.X, b.N), b.Labels)
				loss, g := gradientOf(m, program.Pass{Batch: b, Params: params.Values, State: params.State, Train: true, Running: true, Still: true})
				bound := twin{m, oracle}.bound(b.N * 9 * 8)
				assert.InEpsilon(t, wantLoss, loss, bound, name)
				ref.RequireNear(t, want, g, bound, "%s, plain %v", name, plain)
			}
		}
	})
}
