package program_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/program"
	"github.com/steppe-ml/steppe/internal/ref"
	"github.com/steppe-ml/steppe/internal/simdtest"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/op"
)

func TestMain(m *testing.M) { simdtest.Main(m) }

// twin is a model and its oracle, which have the same parameters.
type twin struct {
	*program.Program
	ref ref.Net
}

// mlp is a multi-layer perceptron: sizes are the features of the input, of the hidden layers with
// ReLU, normalized before it or not, and the classes.
func mlp(t testing.TB, norm bool, sizes ...int) twin {
	t.Helper()
	var layers []op.Layer
	var oracle ref.Net
	last := len(sizes) - 2
	for i, in := range sizes[:last+1] {
		out := sizes[i+1]
		layers, oracle = append(layers, net.Dense{Out: out}), append(oracle, ref.Dense{In: in, Out: out})
		if i == last {
			break
		}
		if norm {
			layers, oracle = append(layers, net.BatchNorm{}), append(oracle, ref.BatchNorm{Features: out, Epsilon: 1e-5})
		}
		layers, oracle = append(layers, net.ReLU{}), append(oracle, ref.ReLU{})
	}
	model, err := compile(op.Shape{1, sizes[0]}, append([]op.Layer{net.Flatten{}}, layers...)...)
	require.NoError(t, err)
	require.Equal(t, oracle.Params(), model.NumParams())
	return twin{model, oracle}
}

// compile makes a program that ends in cross-entropy unless the layers say otherwise.
func compile(input op.Shape, layers ...op.Layer) (*program.Program, error) {
	return program.Compile(input, net.SoftmaxCrossEntropy{}, layers...)
}

// compilePlain is compile without fusion.
func compilePlain(input op.Shape, layers ...op.Layer) (*program.Program, error) {
	return program.CompilePlain(input, net.SoftmaxCrossEntropy{}, layers...)
}

// initial returns initial parameters.
func initial(m *program.Program, seed uint64) *net.Params {
	p := &net.Params{Values: make([]float32, m.NumParams()), State: make([]float32, m.NumState())}
	m.Init(seed, p.Values, p.State)
	return p
}

// outputs returns the outputs for samples x in prediction.
func outputs(m *program.Program, params *net.Params, x []float32) []float32 {
	n := len(x) / m.InputShape().Size()
	w := m.NewWorkspace(program.Size{Samples: n, Shards: 1, Shard: n}, nil)
	w.Infer(&program.Pass{Batch: op.Batch{N: n, X: x}, Shards: shardsFrom(0, n), Params: params.Values, State: params.State})
	return w.Output().Data
}

// randomParams are initial parameters with noise on all of them, so that no bias is 0 and no scale
// 1.
func randomParams(r *rand.Rand, m *program.Program) *net.Params {
	p := initial(m, r.Uint64())
	for i := range p.Values {
		p.Values[i] += float32(r.NormFloat64() / 10)
	}
	return p
}

// randomBatch is n samples with labels.
func randomBatch(r *rand.Rand, m *program.Program, n int) op.Batch {
	b := op.Batch{N: n, Labels: make([]int32, n)}
	if m.Vocabulary() > 0 {
		b.Tokens, b.Segments, b.Starts = randomText(r, m, n)
	} else {
		b.X = ref.Normal(r, n*m.InputShape().Size())
	}
	for i := range b.Labels {
		b.Labels[i] = int32(r.IntN(m.OutputShape().Size()))
	}
	return b
}

// shardsFrom returns consecutive shards of the given sizes.
func shardsFrom(first int, sizes ...int) (shards []program.Shard) {
	for _, n := range sizes {
		shards = append(shards, program.Shard{First: first, N: n})
		first += n
	}
	return shards
}

// gradient is the oracle's mean loss over a shard, and its gradient.
func (m twin) gradient(p []float64, b op.Batch, s program.Shard) (loss float64, g []float64) {
	b = b.Slice(s.First, s.N)
	if m.Vocabulary() == 0 {
		return m.ref.Gradient(p, ref.Rows(b.X, b.N), b.Labels)
	}
	x := ref.Text(b.Tokens, b.Starts, b.Segments, m.Vocabulary())
	compared := ref.SoftmaxLoss(b.Labels)
	if m.OutputSequence() {
		compared = ref.NextTokenLoss(x, m.Vocabulary())
	}
	loss, _, g = m.ref.GradientBy(p, x, 0, compared)
	return loss, g
}

// terms is the number of the loss's terms of a shard.
func (m twin) terms(b op.Batch, s program.Shard) float64 {
	return float64(m.Loss().Terms(b.Slice(s.First, s.N)))
}

// sink keeps the gradients of each shard, flat. Those of ops that it skips aren't wanted.
type sink struct {
	nodes  []program.Node
	shards [][]float32
	add    bool
	skip   []bool
}

// newSink returns a sink full of NaN, which must disappear.
func newSink(m *program.Program, shards int) *sink {
	s := &sink{nodes: m.Nodes()}
	for range shards {
		s.shards = append(s.shards, ref.NaNs(make([]float32, m.NumParams())))
	}
	return s
}

func (s *sink) Of(i, shard int) ([]float32, bool) {
	if s.skip != nil && s.skip[i] {
		return nil, false
	}
	return s.nodes[i].Params.Of(s.shards[shard]), s.add
}

// backwardSize is a workspace's for one tile, forward and backward, all of whose values and
// gradients can be looked at.
func backwardSize(shards []program.Shard) program.Size {
	size := program.Size{Shards: len(shards), Backward: true, Apart: true}
	for _, s := range shards {
		size.Samples += s.N
		size.Shard = max(size.Shard, s.N)
	}
	return size
}

func bothDirections(int) op.Directions { return op.Directions{Forward: true, Backward: true} }

// packed returns the model's packs, filled.
func packed(m *program.Program, team *blas.Team, params []float32) program.Packs {
	packs := m.NewPacks(bothDirections)
	m.Pack(team, params, packs)
	return packs
}

// deferredOps says of each op whether it asks for a deferred gradient.
func deferredOps(m *program.Program) (deferred []bool) {
	for _, n := range m.Nodes() {
		deferred = append(deferred, n.Traits.Deferred)
	}
	return deferred
}

// bound bounds the error of a gradient: a product a layer in the forward pass, one in the backward
// pass, and the product with the samples.
func (m twin) bound(samples int) float64 {
	products, k := products(m.ref)
	return ref.Bound(2*products+1, max(k, samples))
}

// products returns how many products a network is a chain of, at most, and the most terms of one.
func products(n ref.Net) (count, k int) {
	for _, l := range n {
		if rows, ok := l.(ref.ByRow); ok {
			l = rows.Layer
		}
		switch l := l.(type) {
		case ref.Tied:
			inner, terms := products(l.Body)
			count, k = count+inner+1, max(k, terms, l.Embedding.Width, l.Embedding.Vocabulary)
		case ref.Attention:
			count, k = count+2, max(k, l.Width)
		case ref.Dense:
			count++
			k = max(k, l.In, l.Out)
		case ref.Conv2D:
			count++
			k = max(k, l.KernelH*l.KernelW*max(l.InC, l.OutC), l.OutH()*l.OutW()*4)
		case ref.Residual:
			inner, terms := products(l.Body)
			count, k = count+inner+1, max(k, terms)
		}
	}
	return count, k
}
