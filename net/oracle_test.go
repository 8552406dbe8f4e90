package net

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/ref"
	"github.com/steppe-ml/steppe/internal/simdtest"
)

func TestMain(m *testing.M) { simdtest.Main(m) }

// twin is a model and its oracle, which have the same parameters.
type twin struct {
	*Model
	ref ref.Net
}

// mlp is a multi-layer perceptron: sizes are the features of the input, of the
// hidden layers with ReLU, normalised before it or not, and the classes.
func mlp(t testing.TB, norm bool, sizes ...int) twin {
	t.Helper()
	var layers []Layer
	var oracle ref.Net
	last := len(sizes) - 2
	for i, in := range sizes[:last+1] {
		out := sizes[i+1]
		layers, oracle = append(layers, Dense{Out: out}), append(oracle, ref.Dense{In: in, Out: out})
		if i == last {
			break
		}
		if norm {
			layers, oracle = append(layers, BatchNorm{}), append(oracle, ref.BatchNorm{Features: out, Eps: 1e-5})
		}
		layers, oracle = append(layers, ReLU{}), append(oracle, ref.ReLU{})
	}
	model, err := Compile(Shape{1, sizes[0]}, append([]Layer{Flatten{}}, layers...)...)
	require.NoError(t, err)
	require.Equal(t, oracle.Params(), model.NumParams())
	return twin{model, oracle}
}

// randomParams are initial parameters with noise on all of them, so that no
// bias is 0 and no scale 1.
func randomParams(r *rand.Rand, m *Model) *Params {
	p := m.Init(r.Uint64())
	for i := range p.Values {
		p.Values[i] += float32(r.NormFloat64() / 10)
	}
	return p
}

// randomBatch is n samples with labels.
func randomBatch(r *rand.Rand, m *Model, n int) Batch {
	b := Batch{N: n, X: normal(r, n*m.InputShape().Size()), Labels: make([]int32, n)}
	for i := range b.Labels {
		b.Labels[i] = int32(r.IntN(m.OutputShape().Size()))
	}
	return b
}

// normal returns n standard normal floats.
func normal(r *rand.Rand, n int) []float32 {
	s := make([]float32, n)
	for i := range s {
		s[i] = float32(r.NormFloat64())
	}
	return s
}

// shardsFrom returns consecutive shards of the given sizes.
func shardsFrom(first int, sizes ...int) (shards []Shard) {
	for _, n := range sizes {
		shards = append(shards, Shard{first, n})
		first += n
	}
	return shards
}

// gradient is the oracle's mean loss over a shard, and its gradient.
func (m twin) gradient(p []float64, b Batch, s Shard) (loss float64, g []float64) {
	b = b.Slice(s.First, s.N)
	return m.ref.Gradient(p, ref.Rows(b.X, b.N), b.Labels)
}

// sink keeps the gradients of each shard, flat. Those of ops that it skips
// aren't wanted.
type sink struct {
	model  *Model
	shards [][]float32
	add    bool
	skip   []bool
}

// newSink returns a sink full of NaN, which must disappear.
func newSink(m *Model, shards int) *sink {
	s := &sink{model: m}
	for range shards {
		s.shards = append(s.shards, poisoned(make([]float32, m.numParams)))
	}
	return s
}

func (s *sink) Of(op, shard int) ([]float32, bool) {
	if s.skip != nil && s.skip[op] {
		return nil, false
	}
	return s.model.nodes[op].params.of(s.shards[shard]), s.add
}

// poisoned returns x, filled with NaN.
func poisoned(x []float32) []float32 {
	fill(x, float32(math.NaN()))
	return x
}

// poison fills all that a workspace's passes write with NaN: they must read
// nothing that they haven't written.
func (w *Workspace) poison() {
	for _, s := range [][]float32{w.arena, w.kept, w.scratch, w.sum} {
		poisoned(s)
	}
	if w.late != nil {
		for i := range w.late.values {
			poisoned(w.late.values[i])
			poisoned(w.late.grads[i])
		}
	}
}

// backwardSize is a workspace's for one tile, forward and backward, all of whose values
// and gradients can be looked at.
func backwardSize(shards []Shard) Size {
	size := Size{Shards: len(shards), Backward: true, apart: true}
	for _, s := range shards {
		size.Samples += s.N
		size.Shard = max(size.Shard, s.N)
	}
	return size
}

func bothPasses(int) Passes { return Passes{Forward: true, Backward: true} }

// packed returns the model's packs, filled.
func packed(m *Model, team *blas.Team, params []float32) Packs {
	packs := m.NewPacks(bothPasses)
	m.Pack(team, params, packs)
	return packs
}

// lateOps says of each op whether it asks for a late gradient.
func lateOps(m *Model) (late []bool) {
	for _, n := range m.nodes {
		late = append(late, n.traits.Late)
	}
	return late
}

// bound is the error that float32 may have against float64, relative in norm,
// after a chain of products of at most k terms. Terms of random signs have
// partial sums that grow as sqrt(j), and each addition rounds by at most u =
// 2^-24 of its own, which comes to 0.4 sqrt(k) u of the result (Higham and
// Mary, doi 10.1137/18M1226312, prove as much, up to a constant, with high
// probability). Layers initialised as He et al. have it pass an error on
// without making it larger. The factor of 4 is for what isn't random: ReLUs
// let through only the positive half, and losses subtract.
func bound(products, k int) float64 {
	return 4 * float64(products) * math.Sqrt(float64(k)) * math.Ldexp(1, -24)
}

// bound is that of a gradient: a product a layer on the way forward, one on
// the way back, and that with the samples.
func (m twin) bound(samples int) float64 {
	products, k := products(m.ref)
	return bound(2*products+1, max(k, samples))
}

// products returns how many products a network is a chain of, at most, and the most
// terms of one.
func products(n ref.Net) (count, k int) {
	for _, l := range n {
		switch l := l.(type) {
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

// distance is that of got from want, relative in norm: NaN if any is.
func distance(got []float32, want []float64) float64 {
	diff := ref.Float64s(got)
	for i, w := range want {
		diff[i] -= w
	}
	return ref.Norm(diff) / ref.Norm(want)
}

// requireNear requires that got is within tolerance of want, relative in norm.
func requireNear(t testing.TB, want []float64, got []float32, tolerance float64, format string, args ...any) {
	t.Helper()
	require.Len(t, got, len(want), append([]any{format}, args...)...)
	if d := distance(got, want); !(d <= tolerance) {
		require.Failf(t, "too far apart", format+": distance %.3g, want at most %.3g", append(args, d, tolerance)...)
	}
}

// scaled returns c*x.
func scaled(c float64, x []float64) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = c * v
	}
	return y
}

// axpy returns y + c*x.
func axpy(c float64, x, y []float64) []float64 {
	z := scaled(c, x)
	for i, v := range y {
		z[i] += v
	}
	return z
}
