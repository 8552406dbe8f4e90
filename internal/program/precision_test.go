package program_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/program"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/op"
)

// precisionOp copies its input, and notes the precisions that it is asked for.
type precisionOp struct {
	rounds bool
	asked  *[]blas.Precision
}

func (o precisionOp) Traits() op.Traits { return op.Traits{FreesOut: true, Rounds: o.rounds} }

func (o precisionOp) Forward(c *op.Call, _ []float32, in []op.Tensor, out op.Tensor) {
	*o.asked = append(*o.asked, c.Precision)
	copy(out.Data, in[0].Data)
}

func (o precisionOp) Backward(c *op.Call, _ []float32, _ []op.Tensor, _, dout op.Tensor, din []op.Tensor) {
	*o.asked = append(*o.asked, c.Precision)
	copy(din[0].Data, dout.Data)
}

func (precisionOp) Gradient(*op.Call, []op.Tensor, op.Tensor, op.Tensor, []float32) {}

// Only ops that say that they heed a precision are asked for one: others may hand their calls on to
// ops that do, with packs in full precision.
func TestPrecisionIsForOpsThatRound(t *testing.T) {
	for _, rounds := range []bool{false, true} {
		var asked []blas.Precision
		m, err := net.Compile(net.Shape{4}, net.Dense{Out: 3}, build(func(b op.Builder, in op.Value) (op.Value, error) {
			return b.Add(precisionOp{rounds, &asked}, b.Shape(in), in)
		}))
		require.NoError(t, err)
		p := m.Program()
		w := p.NewWorkspace(program.Size{Samples: 2, Shards: 1, Shard: 2, Backward: true}, nil)
		pass := program.Pass{
			Batch: op.Batch{N: 2, X: make([]float32, 8), Labels: []int32{0, 1}}, Shards: []program.Shard{{N: 2}}, Scale: 1,
			Params: m.Init(1).Values, Train: true, Losses: make([]float64, 1), Precision: blas.BFloat16,
		}
		w.Forward(&pass)
		w.Backward(&pass)
		want := blas.Full
		if rounds {
			want = blas.BFloat16
		}
		assert.Equal(t, []blas.Precision{want, want}, asked)
	}
}
