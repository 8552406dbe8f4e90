package sam

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/conv"
	"github.com/steppe-ml/steppe/internal/ref"
	"github.com/steppe-ml/steppe/internal/simdtest"
	"github.com/steppe-ml/steppe/net"
)

func TestMain(m *testing.M) { simdtest.Main(m) }

// subject is a model in both forms: ours, and the oracle's.
type subject struct {
	name   string
	model  *net.Model
	oracle ref.Net
}

const inputs, classes = 20, 5

func subjects(t testing.TB) []subject {
	t.Helper()
	compile := func(layers ...net.Layer) *net.Model {
		m, err := net.Compile(net.Shape{4, 5}, append([]net.Layer{net.Flatten{}}, layers...)...)
		require.NoError(t, err)
		return m
	}
	conv3 := func(out int) net.Layer { return net.Conv2D{Out: out, Kernel: 3, Padding: 1, NoBias: true} }
	images, err := net.Compile(net.Shape{4, 5, 1},
		conv3(4), net.BatchNorm{}, net.ReLU{},
		net.Residual{Body: []net.Layer{conv3(4), net.BatchNorm{}, net.ReLU{}, conv3(4), net.BatchNorm{}}}, net.ReLU{},
		net.Conv2D{Out: 5, Kernel: 2}, net.ReLU{}, net.MaxPool{Size: 2}, net.Flatten{}, net.Dense{Out: classes})
	require.NoError(t, err)
	geometry := func(in, out int) ref.Conv2D {
		return ref.Conv2D{Geometry: conv.Geometry{
			Batch: 1, InH: 4, InW: 5, InC: in, OutC: out, KernelH: 3, KernelW: 3, PadTop: 1, PadBottom: 1, PadLeft: 1, PadRight: 1,
		}}
	}
	norm := ref.BatchNorm{Features: 4, Epsilon: 1e-5}
	return []subject{
		{
			"linear", compile(net.Dense{Out: classes}),
			ref.Net{ref.Dense{In: inputs, Out: classes}},
		},
		{
			"mlp", compile(net.Dense{Out: 37}, net.ReLU{}, net.Dense{Out: 26}, net.ReLU{}, net.Dense{Out: classes}),
			ref.Net{ref.Dense{In: inputs, Out: 37}, ref.ReLU{}, ref.Dense{In: 37, Out: 26}, ref.ReLU{}, ref.Dense{In: 26, Out: classes}},
		},
		{
			"batchnorm", compile(net.Dense{Out: 19}, net.BatchNorm{}, net.ReLU{}, net.Dense{Out: 33}, net.BatchNorm{}, net.ReLU{}, net.Dense{Out: classes}),
			ref.Net{
				ref.Dense{In: inputs, Out: 19}, ref.BatchNorm{Features: 19, Epsilon: 1e-5}, ref.ReLU{},
				ref.Dense{In: 19, Out: 33}, ref.BatchNorm{Features: 33, Epsilon: 1e-5}, ref.ReLU{}, ref.Dense{In: 33, Out: classes},
			},
		},
		{
			"images", images,
			ref.Net{
				geometry(1, 4), norm, ref.ReLU{},
				ref.Residual{Body: ref.Net{geometry(4, 4), norm, ref.ReLU{}, geometry(4, 4), norm}}, ref.ReLU{},
				ref.Conv2D{Geometry: conv.Geometry{Batch: 1, InH: 4, InW: 5, InC: 4, OutC: 5, KernelH: 2, KernelW: 2}, Bias: true}, ref.ReLU{},
				ref.MaxPool{Window: conv.Geometry{Batch: 1, InH: 3, InW: 4, InC: 5, OutC: 5, KernelH: 2, KernelW: 2, StrideH: 2, StrideW: 2}},
				ref.Dense{In: 10, Out: classes},
			},
		},
	}
}

// oracle computes the gradients of a subject in float64 at some parameters. It computes each once,
// for all arithmetics that are compared with it.
type oracle struct {
	sub           subject
	batch, shards int // of a full step
	ascent        ref.Ascent
	values        []float32               // the parameters
	known         map[int]lossAndGradient // by the size of the batch
}

type lossAndGradient struct {
	loss     float64
	gradient []float64
}

func newOracle(sub subject, batch, shards int, ascent ref.Ascent) *oracle {
	return &oracle{sub: sub, batch: batch, shards: shards, ascent: ascent, known: map[int]lossAndGradient{}}
}

// gradient returns the loss and the gradient of b. Of batches of one size, there must be one alone,
// and the parameters must be the same at every call.
func (o *oracle) gradient(t testing.TB, params *net.Params, b net.Batch) (loss float64, g []float64) {
	t.Helper()
	if o.values == nil {
		o.values = slices.Clone(params.Values)
	}
	require.Equal(t, o.values, params.Values, "the oracle knows gradients at other parameters")
	known, ok := o.known[b.N]
	if !ok {
		known.loss, known.gradient = o.sub.oracle.MSAM(ref.Float64s(params.Values), ref.Rows(b.X, b.N), b.Labels, ends(b.N, o.batch, o.shards), o.ascent)
		o.known[b.N] = known
	}
	return known.loss, known.gradient
}

// learnable returns n random samples whose labels a linear model can learn.
func learnable(seed uint64, n int) net.Batch {
	r := rand.New(rand.NewPCG(seed, 0))
	b := net.Batch{N: n}
	for range n {
		best, label := math.Inf(-1), 0
		for j := range inputs {
			v := r.NormFloat64()
			b.X = append(b.X, float32(v))
			if j < classes && v > best {
				best, label = v, j
			}
		}
		b.Labels = append(b.Labels, int32(label))
	}
	return b
}

// ends returns where the shards of n samples end, by the definition: a short
// batch has as many as the shard size of a full one makes; sizes differ by at
// most one.
func ends(n, batch, shards int) (ends []int) {
	m := shards
	if n < batch {
		size := (batch + shards - 1) / shards
		m = (n + size - 1) / size
	}
	for i := 1; i <= m; i++ {
		ends = append(ends, n*i/m)
	}
	return ends
}

// requireNear requires got to be within a relative distance of want, in norm.
func requireNear(t testing.TB, want []float64, got []float32, relative float64, msg ...any) {
	t.Helper()
	require.Len(t, got, len(want), msg...)
	diff := make([]float64, len(want))
	for i := range want {
		diff[i] = float64(got[i]) - want[i]
	}
	if distance := ref.Norm(diff) / ref.Norm(want); !(distance <= relative) {
		require.Failf(t, "too far from the oracle", "%v: relative distance %g, want at most %g", msg, distance, relative)
	}
}
