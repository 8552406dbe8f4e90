package program_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/program"
	"github.com/steppe-ml/steppe/internal/ref"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/op"
)

// tiedBias adds the bias of another op: of the last one of a type.
type tiedBias struct {
	biasOp
	traits op.Traits
	to     op.Op
}

func (o tiedBias) Traits() op.Traits { return o.traits }

func (o tiedBias) TiedTo(other op.Op) bool { return other.Traits().InPlace == o.to.Traits().InPlace }

// tiedFactorable is one that is Factorable.
type tiedFactorable struct {
	tiedBias
	op.Factorable
}

func (o tiedFactorable) Traits() op.Traits                                              { return o.tiedBias.Traits() }
func (o tiedFactorable) Forward(c *op.Call, p []float32, in []op.Tensor, out op.Tensor) {}
func (o tiedFactorable) Backward(c *op.Call, p []float32, in []op.Tensor, out, dout op.Tensor, din []op.Tensor) {
}
func (o tiedFactorable) Gradient(c *op.Call, in []op.Tensor, out, dout op.Tensor, g []float32) {}

func addOp(o op.Op) build {
	return func(b op.Builder, in op.Value) (op.Value, error) { return b.Add(o, b.Shape(in), in) }
}

func TestTiedErrors(t *testing.T) {
	bias, deferred := biasOp{3, false}, biasOp{3, true}
	params := bias.Traits().Params
	const wrong = "net: layer 1, build: input 3: op program_test.%s is tied to the parameters of program_test.%s: it can have none of its own, and neither op may be Deferred or Factorable"
	for _, test := range []struct {
		tied   op.Op
		before op.Op
		want   []any // types; nil for none that fits
	}{
		{tiedBias{to: bias, traits: op.Traits{Params: params}}, bias, []any{"tiedBias", "biasOp"}},
		{tiedBias{to: bias, traits: op.Traits{Deferred: true}}, bias, []any{"tiedBias", "biasOp"}},
		{tiedBias{to: bias}, deferred, []any{"tiedBias", "biasOp"}},
		{tiedBias{to: sumOp{}}, factorable{}, []any{"tiedBias", "factorable"}},
		{tiedFactorable{tiedBias: tiedBias{to: bias}}, bias, []any{"tiedFactorable", "biasOp"}},
		{tiedBias{to: bias}, sumOp{}, nil},
	} {
		_, err := net.Compile(op.Shape{3}, addOp(test.before), addOp(test.tied))
		if test.want == nil {
			assert.EqualError(t, err, "net: layer 1, build: input 3: op program_test.tiedBias is tied to an op before it, and there is none that fits")
		} else {
			assert.EqualError(t, err, fmt.Sprintf(wrong, test.want...))
		}
	}
}

// An op that is tied to a tied one has the parameters of the first, perturbed as those are, and the
// gradient is the sum of all.
func TestTiedToTied(t *testing.T) {
	first, second := biasOp{3, false}, tiedBias{biasOp: biasOp{3, false}, to: biasOp{}}
	third := tiedBias{biasOp: biasOp{3, false}, to: sumOp{}} // tied to the second, which isn't said to work in place
	m, err := compile(op.Shape{3}, addOp(first), addOp(second), addOp(third))
	require.NoError(t, err)
	require.Equal(t, 3, m.NumParams())
	for _, o := range m.Ops() {
		assert.Zero(t, o.Owner)
	}
	params := []float32{0.5, -1, 0.25}
	b := op.Batch{N: 3, X: []float32{1, 2, 3, -1, 0, 1, 0, 0, 2}, Labels: []int32{0, 1, 2}}
	shards := shardsFrom(0, 2, 1)
	own := [][]float32{{1, 2, 3}, {-1, 0, 1}}
	perturb := make([]program.Perturb, 3)
	perturb[0] = program.Perturb{Kind: program.Formed, Params: own}
	for _, formed := range [][]program.Perturb{nil, perturb} {
		grads := newSink(m, 2)
		p := &program.Pass{Batch: b, Shards: shards, Scale: 1, Train: true, Params: params, Perturb: formed, Gradients: grads, Losses: make([]float64, 2)}
		w := m.NewWorkspace(backwardSize(shards), nil)
		w.Poison()
		w.Forward(p)
		out := append([]float32(nil), w.Output().Data...)
		w.Backward(p)
		for s, shard := range shards {
			bias := params
			if formed != nil {
				bias = own[s]
			}
			want := make([]float64, 3)
			for i := shard.First; i < shard.First+shard.N; i++ {
				for j := range 3 {
					require.Equal(t, b.X[3*i+j]+3*bias[j], out[3*i+j])
				}
				_, _, d := ref.SoftmaxLoss(b.Labels)([][]float64{ref.Float64s(out[3*i:][:3])}, i)
				want = ref.Axpy(3, d[0], want)
			}
			assert.InDeltaSlice(t, want, ref.Float64s(grads.shards[s]), 1e-6)
		}
	}
}
