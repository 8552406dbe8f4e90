package sam

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/ref"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/op"
	"github.com/steppe-ml/steppe/net/optim"
)

// groupCases are parameter groups of the model "mlp" of subjects.
var groupCases = map[string][]optim.Group{
	"none":                {},
	"first layer frozen":  {{Match: optim.Names("1.*"), Frozen: true}},
	"middle layer frozen": {{Match: optim.Names("3.*"), Frozen: true}},
	"all but the last":    {{Match: optim.Names("1.*", "3.*"), Frozen: true}},
	"biases frozen":       {{Match: optim.Roles(net.Bias), Frozen: true}},
	"biases unperturbed":  {{Match: optim.Roles(net.Bias), Unperturbed: true}},
	"a layer unperturbed": {{Match: optim.Names("3.*"), Unperturbed: true}},
	"slower":              {{Match: optim.Names("5.*"), LRFactor: 0.25}},
	"no decay":            {optim.NoDecay(net.Bias)},
	"several":             {optim.NoDecay(net.Bias), {Match: optim.Names("1.*"), Frozen: true}, {Match: optim.Names("5.*"), Unperturbed: true, WeightDecay: new(0.1)}},
}

// Groups mean what they say: a step equals one that is made of whole gradients, in which
// the parameters outside the perturbation have no part, and frozen ones stay as they are.
func TestGroups(t *testing.T) {
	const batch, rho, lr, decay = 48, 0.1, 0.1, 0.01
	sub := subjects(t)[1]
	views := sub.model.Params()
	for name, groups := range groupCases {
		ranges, err := optim.Resolve(views, optim.SGD{LR: lr, WeightDecay: decay}, groups)
		require.NoError(t, err, name)
		for _, shards := range []int{1, 3, 16} { // pass by pass, and tile by tile
			for force, f := range arithmetics {
				what := fmt.Sprintf("%s, %d shards, %s", name, shards, force)
				params := sub.model.Init(3)
				w := ref.Float64s(params.Values)
				b := learnable(4, batch)

				ghat := make([]float64, len(w))
				start := 0
				for _, end := range ends(batch, batch, shards) {
					part := b.Slice(start, end-start)
					rows := ref.Rows(part.X, part.N)
					_, g := sub.oracle.Gradient(w, rows, part.Labels)
					each(ranges, func(r optim.Range, i int) {
						if r.Frozen || r.Unperturbed {
							g[i] = 0
						}
					})
					_, g = sub.oracle.Gradient(ref.Axpy(rho/ref.Norm(g), g, w), rows, part.Labels)
					ghat = ref.Axpy(float64(part.N)/batch, g, ghat)
					start = end
				}
				want, squares := append([]float64(nil), w...), 0.0
				each(ranges, func(r optim.Range, i int) {
					if !r.Frozen {
						want[i] -= lr * r.LRFactor * (ghat[i] + r.WeightDecay*w[i])
						squares += ghat[i] * ghat[i]
					}
				})

				before := params.Clone()
				o, err := New(sub.model, params, Config{
					Rho: rho, Shards: shards, Base: optim.SGD{LR: lr, WeightDecay: decay}, Groups: groups, Batch: batch, Workers: 2, force: f,
				})
				require.NoError(t, err, what)
				stats, err := o.Step(b)
				require.NoError(t, err, what)
				requireNear(t, want, params.Values, tolerance(sub, batch/shards), what)
				assert.InEpsilon(t, math.Sqrt(squares), stats.GradNorm, 1e-4, what)
				each(ranges, func(r optim.Range, i int) {
					if r.Frozen {
						require.Equal(t, before.Values[i], params.Values[i], "%s: element %d", what, i)
					}
				})
			}
		}
	}
}

// each visits the parameters with their ranges.
func each(ranges []optim.Range, visit func(r optim.Range, i int)) {
	for _, r := range ranges {
		for i := r.From; i < r.To; i++ {
			visit(r, i)
		}
	}
}

// Frozen layers cost no gradients: their ops aren't asked for any, no layer before the
// first that trains takes part in the backward pass, and the plan counts neither.
func TestFrozenCostsNothing(t *testing.T) {
	calls := &counts{}
	model, err := net.Compile(net.Shape{6},
		counting{calls}, net.Dense{Out: 5}, counting{calls}, net.Dense{Out: 4}, net.Dense{Out: 3})
	require.NoError(t, err)
	b := net.Batch{N: 8, X: make([]float32, 48), Labels: make([]int32, 8)}
	step := func(groups ...optim.Group) (Plan, counts) {
		*calls = counts{}
		o, err := New(model, model.Init(1), Config{Rho: 0.1, Shards: 2, Base: optim.SGD{LR: 0.1}, Groups: groups, Batch: 8, Workers: 1})
		require.NoError(t, err)
		_, err = o.Step(b)
		require.NoError(t, err)
		return o.Plan(), *calls
	}
	all, free := step()
	assert.Equal(t, 2*2*2, free.gradients, "two ops, two shards, both passes")
	assert.Positive(t, free.backwards)
	frozen, none := step(optim.Group{Match: optim.Names("0.*", "1.*", "2.*"), Frozen: true})
	assert.Zero(t, none.gradients)
	assert.Zero(t, none.backwards)
	assert.Less(t, frozen.Flops, all.Flops)

	// Layers that aren't perturbed take no part in the ascent's backward pass, also pass by
	// pass: the descent's alone is left.
	for _, c := range []Config{{Batch: 8, Shards: 2}, {Batch: 256, Shards: 1}} {
		big := net.Batch{N: c.Batch, X: make([]float32, 6*c.Batch), Labels: make([]int32, c.Batch)}
		c.Rho, c.Base, c.Workers = 0.1, optim.SGD{LR: 0.1}, 1
		calls := func(groups ...optim.Group) (backwards int, plan *plan) {
			*calls = counts{}
			c.Groups = groups
			o, err := New(model, model.Init(1), c)
			require.NoError(t, err)
			_, err = o.Step(big)
			require.NoError(t, err)
			return calls.backwards, o.plan
		}
		both, _ := calls()
		one, plan := calls(optim.Group{Match: optim.Names("0.*", "1.*", "2.*"), Unperturbed: true})
		assert.Equal(t, c.Shards == 1, plan.passByPass)
		assert.Equal(t, len(plan.tiles), one, "batch %d", c.Batch)
		assert.Greater(t, both, one)
	}

	_, err = New(model, model.Init(1), Config{Rho: 0.1, Base: optim.SGD{LR: 0.1}, Batch: 8, Groups: []optim.Group{{Match: optim.Names("*"), Unperturbed: true}}})
	assert.EqualError(t, err, "sam: Rho is 0.1, and the groups leave no parameter to perturb")
}

// counts are calls of the ops of counting.
type counts struct{ backwards, gradients int }

// counting is a layer that multiplies by parameters, which begin at 1, and counts calls.
type counting struct{ *counts }

func (l counting) Build(b op.Builder, in op.Value) (op.Value, error) {
	return b.Add(countingOp{l.counts, b.Shape(in).Size()}, b.Shape(in), in)
}

type countingOp struct {
	*counts
	features int
}

func (o countingOp) Traits() op.Traits {
	return op.Traits{Params: []op.Param{{Name: "gain", Shape: op.Shape{o.features}, Role: op.Weight}}}
}

func (o countingOp) Forward(_ *op.Call, p []float32, in []op.Tensor, out op.Tensor) {
	for i, x := range in[0].Data {
		out.Data[i] = x + p[i%o.features]
	}
}

func (o countingOp) Backward(_ *op.Call, _ []float32, _ []op.Tensor, _, dout op.Tensor, din []op.Tensor) {
	o.backwards++
	copy(din[0].Data, dout.Data)
}

func (o countingOp) Gradient(c *op.Call, _ []op.Tensor, _, dout op.Tensor, g []float32) {
	o.gradients++
	if !c.Accumulate {
		clear(g)
	}
	for i, d := range dout.Data {
		g[i%o.features] += d
	}
}
