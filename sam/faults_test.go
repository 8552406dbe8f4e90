package sam

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/internal/program"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/op"
	"github.com/steppe-ml/steppe/net/optim"
)

// scaledSquares is the loss 0.5*c*(y-t)^2, one term a sample.
type scaledSquares struct{ c float64 }

func (l scaledSquares) Build(b op.Builder, in op.Value) (op.Value, error) { return b.SetLoss(l, in) }
func (scaledSquares) Validate(net.Shape, net.Batch) error                 { return nil }
func (scaledSquares) Terms(b net.Batch) int                               { return b.N }
func (scaledSquares) Predict(op.Tensor)                                   {}

func (l scaledSquares) Apply(out op.Tensor, b net.Batch, scale float32, dout op.Tensor) (sum float64) {
	for i, y := range out.Data {
		d := float64(y) - float64(b.Targets[i])
		sum += 0.5 * l.c * d * d
		if dout.Wanted() {
			dout.Data[i] = float32(float64(scale) * l.c * d)
		}
	}
	return sum
}

// The perturbation has norm rho wherever a shard's gradient is finite and not 0, formed or
// factored, or the step is refused with the reason.
func TestPerturbationOfTinyAndHugeGradients(t *testing.T) {
	for _, c := range []float64{1e-44, 1e-41, 1e-36, 1e-30, 1e-23, 4e-22, 1e-18, 1e-15, 1e-12, 1, 1e12, 1e18, 1e19, 1e25, 1e30, 1e36} {
		for _, choice := range []perturbChoice{formed, factored} {
			for _, x := range []float32{2, 1e-20, 3e18, 1e19, 1e25} {
				if c*float64(x) > 1e37 {
					continue
				}
				name := fmt.Sprintf("c %v, x %v, choice %v", c, x, choice)
				m, err := net.Compile(net.Shape{1}, net.Dense{Out: 1}, scaledSquares{c})
				require.NoError(t, err)
				params := &net.Params{Values: []float32{float32(1 / max(1, float64(x))), 0}} // y is x or 1
				o, err := New(m, params, Config{Rho: 0.5, Base: optim.SGD{LR: 1e-38}, Batch: 1, force: force{perturb: choice}})
				require.NoError(t, err)
				w := float64(params.Values[0])
				y := float64(params.Values[0] * x)
				g := [2]float64{c * y * float64(x), c * y}
				norm := math.Hypot(g[0], g[1])
				if float32(c*y) == 0 {
					continue // the gradient vanishes
				}
				stats, err := o.Step(net.Batch{N: 1, X: []float32{x}, Targets: []float32{0}})
				if factor := 0.5 / norm; factor > math.MaxFloat32 || factor < 0x1p-126 {
					require.ErrorIs(t, err, ErrRefused, name)
					require.ErrorContains(t, err, "rho, 0.5, over it is beyond float32", name)
					require.Equal(t, factor > math.MaxFloat32, errors.Is(err, ErrVanishing), name)
					require.Equal(t, factor < 0x1p-126, errors.Is(err, ErrPerturbed), name)
					continue
				}
				moved := w*float64(x) + 0.5*(g[0]*float64(x)+g[1])/norm // the output at w + 0.5*g/||g||
				if c*moved*float64(x) > math.MaxFloat32 {
					require.ErrorIs(t, err, ErrRefused, name) // the gradient there overflows
					continue
				}
				require.NoError(t, err, name)
				want := 0.5*c*moved*moved - 0.5*c*y*y
				digits := 1e-5
				if float64(float32(c*y)) < 0x1p-126 {
					digits = 0.2 // a denormal gradient has few digits
				}
				assert.InEpsilon(t, want, stats.Sharpness, digits, name)
			}
		}
	}
}

// A gradient that isn't finite refuses the step on every route.
func TestGradientNotFinite(t *testing.T) {
	const n = 48
	m, err := net.Compile(net.Shape{2}, net.Dense{Out: 4}, net.Dense{Out: 1}, scaledSquares{1e38})
	require.NoError(t, err)
	batch := net.Batch{N: n, X: make([]float32, 2*n), Targets: make([]float32, n)}
	batch.Targets[20] = 1e3 // the loss is finite in float64, its gradient is not in float32
	for name, f := range arithmetics {
		for _, cfg := range []Config{{}, {Rho: 0.1}, {Rho: 0.1, Shards: 3}, {Rho: 0.1, Shards: 6}} {
			cfg.Base, cfg.Batch, cfg.Workers, cfg.force = optim.SGD{LR: 0.1, Momentum: 0.9}, n, 2, f
			params := m.Init(1)
			before := params.Clone()
			o, err := New(m, params, cfg)
			require.NoError(t, err)
			state := o.State()
			_, err = o.Step(batch)
			require.ErrorIs(t, err, ErrRefused, "%s, rho %v, %d shards", name, cfg.Rho, cfg.Shards)
			require.ErrorContains(t, err, "gradient of", "%s, rho %v, %d shards", name, cfg.Rho, cfg.Shards)
			require.Equal(t, before, params)
			require.Equal(t, state, o.State())
		}
	}
}

// An update whose result isn't finite is refused, and leaves everything as it was.
func TestUpdateNeverLeavesNaN(t *testing.T) {
	m, err := net.Compile(net.Shape{6}, net.Dense{Out: 4}, net.ReLU{}, net.Dense{Out: 3})
	require.NoError(t, err)
	batch := net.Batch{N: 6, X: make([]float32, 36), Labels: make([]int32, 6)}
	for name, rule := range map[string]optim.Rule{
		"SGD":   optim.SGD{LR: 1, WeightDecay: 3},
		"AdamW": optim.AdamW{LR: 1, WeightDecay: 3},
	} {
		params := m.Init(1)
		o, err := New(m, params, Config{Base: rule, Batch: 6})
		require.NoError(t, err)
		refused := false
		for range 127 {
			before := params.Clone()
			if _, err = o.Step(batch); err != nil {
				require.ErrorIs(t, err, ErrRefused, name)
				require.Equal(t, before, params, name)
				refused = true
			}
			require.Negative(t, num.FirstNonFinite(params.Values), name)
		}
		assert.True(t, refused, name)
	}
}

// Parameters and running state that aren't finite are refused by name, unless they are
// frozen: a frozen bias of -Inf masks an output.
func TestParametersNotFinite(t *testing.T) {
	m, err := net.Compile(net.Shape{2}, net.BatchNorm{}, net.Dense{Out: 3})
	require.NoError(t, err)
	base := Config{Rho: 0.05, Shards: 2, Base: optim.SGD{LR: 0.1}, Batch: 8}

	params := m.Init(1)
	params.State[2] = float32(math.NaN())
	_, err = New(m, params, base)
	assert.EqualError(t, err, "sam: the running state of 0.BatchNorm.variance has the value NaN, want a finite number")

	m, err = net.Compile(net.Shape{2}, net.Dense{Out: 3})
	require.NoError(t, err)
	params = m.Init(1)
	params.Values[8] = float32(math.Inf(-1))
	_, err = New(m, params, base)
	assert.ErrorContains(t, err, "element 2 of 0.Dense.bias is -Inf, want a finite number")

	masked := base
	masked.Groups = []optim.Group{{Match: optim.Names("0.Dense.bias"), Frozen: true}}
	for _, choice := range []perturbChoice{autoPerturb, formed} {
		masked.force.perturb = choice
		params := m.Init(1)
		params.Values[8] = float32(math.Inf(-1))
		before := params.Clone()
		o, err := New(m, params, masked)
		require.NoError(t, err)
		_, err = o.Step(net.Batch{N: 8, X: make([]float32, 16), Labels: []int32{0, 1, 0, 1, 0, 1, 1, 1}})
		require.NoError(t, err)
		assert.Equal(t, before.Values[6:], params.Values[6:], "a frozen bias stays")
	}
}

// A model without parameters can be stepped: it has a loss, and nothing to perturb.
func TestModelWithoutParameters(t *testing.T) {
	m, err := net.Compile(net.Shape{3}, net.ReLU{})
	require.NoError(t, err)
	for _, rho := range []float64{0, 0.05} {
		o, err := New(m, m.Init(1), Config{Rho: rho, Shards: 2, Base: optim.SGD{LR: 0.1}, Batch: 4})
		require.NoError(t, err)
		stats, err := o.Step(net.Batch{N: 4, X: make([]float32, 12), Labels: make([]int32, 4)})
		require.NoError(t, err)
		assert.Equal(t, Stats{Loss: math.Log(3), LearningRate: 0.1}, stats)
	}
}

func TestBatchTooLarge(t *testing.T) {
	m, err := net.Compile(net.Shape{3}, net.Dense{Out: 2})
	require.NoError(t, err)
	for _, batch := range []int{math.MaxInt, math.MaxInt / 2} {
		_, err = New(m, m.Init(1), Config{Base: optim.SGD{LR: 0.1}, Batch: batch})
		assert.ErrorContains(t, err, fmt.Sprintf("sam: Batch is %d, want at least 1 and at most ", batch))
	}
}

// A call from a second goroutine panics, and says why.
func TestStepFromTwoGoroutines(t *testing.T) {
	inside, leave := make(chan bool), make(chan bool)
	m, err := net.Compile(net.Shape{2}, waiting{inside, leave}, net.Dense{Out: 2})
	require.NoError(t, err)
	o, err := New(m, m.Init(1), Config{Base: optim.SGD{LR: 0.1}, Batch: 1})
	require.NoError(t, err)
	batch := net.Batch{N: 1, X: []float32{1, 2}, Labels: []int32{0}}
	done := make(chan error)
	go func() {
		_, err := o.Step(batch)
		done <- err
	}()
	<-inside
	assert.PanicsWithValue(t, "sam: Optimizer is in use by another goroutine", func() { o.Step(batch) })
	leave <- true
	require.NoError(t, <-done)
}

// waiting is a layer that copies its input, once it is told to.
type waiting struct{ inside, leave chan bool }

func (l waiting) Build(b op.Builder, in op.Value) (op.Value, error) {
	return b.Add(l, b.Shape(in), in)
}
func (waiting) Traits() op.Traits { return op.Traits{FreesIn: true} }
func (l waiting) Forward(_ *op.Call, _ []float32, in []op.Tensor, out op.Tensor) {
	l.inside <- true
	<-l.leave
	copy(out.Data, in[0].Data)
}
func (waiting) Backward(*op.Call, []float32, []op.Tensor, op.Tensor, op.Tensor, []op.Tensor) {}
func (waiting) Gradient(*op.Call, []op.Tensor, op.Tensor, op.Tensor, []float32)              {}

var _ program.Gradients = (*worker)(nil)

// A panic in a layer reaches the goroutine that called Step, with the stack of where it
// came from, on any number of workers. The optimizer is usable after.
func TestPanicInALayer(t *testing.T) {
	const batch = 16
	for _, workers := range []int{1, 2, 3} {
		for _, shards := range []int{1, 4} {
			trap := &trap{}
			m, err := net.Compile(net.Shape{inputs}, net.Dense{Out: 6}, trap, net.Dense{Out: classes})
			require.NoError(t, err)
			params := m.Init(1)
			o, err := New(m, params, Config{Rho: 0.1, Shards: shards, Base: optim.SGD{LR: 0.1}, Batch: batch, Workers: workers, force: force{perturb: factored}})
			require.NoError(t, err)
			before := params.Clone()
			trap.set = true
			func() {
				defer func() {
					assert.Contains(t, fmt.Sprint(recover()), "the layer panics", "%d workers, %d shards", workers, shards)
				}()
				o.Step(learnable(1, batch))
				assert.Fail(t, "no panic")
			}()
			trap.set = false
			assert.Equal(t, before, params)
			_, err = o.Step(learnable(1, batch))
			require.NoError(t, err)

			fresh := before
			again, err := New(m, fresh, Config{Rho: 0.1, Shards: shards, Base: optim.SGD{LR: 0.1}, Batch: batch, Workers: 1, force: force{perturb: factored}})
			require.NoError(t, err)
			_, err = again.Step(learnable(1, batch))
			require.NoError(t, err)
			assert.Equal(t, fresh, params, "the panic has left nothing behind")
		}
	}
}

// trap is a layer that copies its input, or panics.
type trap struct{ set bool }

func (l *trap) Build(b op.Builder, in op.Value) (op.Value, error) { return b.Add(l, b.Shape(in), in) }
func (*trap) Traits() op.Traits                                   { return op.Traits{FreesIn: true} }
func (l *trap) Forward(_ *op.Call, _ []float32, in []op.Tensor, out op.Tensor) {
	if l.set {
		panic("the layer panics")
	}
	copy(out.Data, in[0].Data)
}
func (*trap) Backward(_ *op.Call, _ []float32, _ []op.Tensor, _, dout op.Tensor, din []op.Tensor) {
	copy(din[0].Data, dout.Data)
}
func (*trap) Gradient(*op.Call, []op.Tensor, op.Tensor, op.Tensor, []float32) {}
