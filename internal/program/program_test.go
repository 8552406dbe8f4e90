package program_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/ref"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/op"
)

// programs are those where values have several readers, other shapes, or memory in common. Input is
// 2x3; their classes are 6.
var programs = map[string]build{
	"residual": func(b op.Builder, in op.Value) (op.Value, error) {
		x, _ := chain(b, in, net.Flatten{}, net.Dense{Out: 6}, net.ReLU{}) // in place, and read twice
		y, _ := chain(b, x, net.Dense{Out: 5}, net.ReLU{}, net.Dense{Out: 6})
		return add(b, sumOp{}, op.Shape{6}, x, y)
	},
	"residual in place": func(b op.Builder, in op.Value) (op.Value, error) {
		x, _ := chain(b, in, net.Flatten{}, net.Dense{Out: 6}, net.ReLU{})
		y, _ := chain(b, x, net.Dense{Out: 6})
		y, _ = add(b, sumOp{inPlace: true}, op.Shape{6}, y, x)
		return chain(b, y, net.ReLU{}, net.Dense{Out: 6})
	},
	"add(x, x)": func(b op.Builder, in op.Value) (op.Value, error) {
		x, _ := chain(b, in, net.Flatten{}, net.Dense{Out: 6})
		x, _ = add(b, sumOp{}, op.Shape{6}, x, x)
		return add(b, sumOp{inPlace: true}, op.Shape{6}, x, x)
	},
	"add(x, x, x), and x again": func(b op.Builder, in op.Value) (op.Value, error) {
		x, _ := chain(b, in, net.Flatten{}, net.Dense{Out: 6})
		y, _ := add(b, sumOp{}, op.Shape{6}, x, x, x)
		return add(b, mulOp{}, op.Shape{6}, x, y)
	},
	"x and x in another shape": func(b op.Builder, in op.Value) (op.Value, error) {
		x, _ := chain(b, in, net.Flatten{}, net.Dense{Out: 6})
		y, _ := b.Reshape(x, op.Shape{3, 2})
		y, _ = add(b, sumOp{}, op.Shape{2, 3}, x, y)
		return b.Reshape(y, op.Shape{6})
	},
	"x*x": func(b op.Builder, in op.Value) (op.Value, error) {
		x, _ := chain(b, in, net.Flatten{}, net.Dense{Out: 6})
		return add(b, mulOp{}, op.Shape{6}, x, x)
	},
	"reshape between ops in place": func(b op.Builder, in op.Value) (op.Value, error) {
		x, _ := chain(b, in, net.Flatten{}, net.Dense{Out: 6})
		x, _ = b.Reshape(x, op.Shape{2, 3})
		x, _ = chain(b, x, net.ReLU{})
		return chain(b, x, net.Flatten{}, net.Dense{Out: 6})
	},
	"relu(x)*x": func(b op.Builder, in op.Value) (op.Value, error) {
		x, _ := chain(b, in, net.Flatten{}, net.Dense{Out: 6})
		y, _ := chain(b, x, net.ReLU{}) // must not write over x
		return add(b, mulOp{}, op.Shape{6}, x, y)
	},
	"relu of what its op needs": func(b op.Builder, in op.Value) (op.Value, error) {
		x, _ := chain(b, in, net.Flatten{}, net.Dense{Out: 6}, net.ReLU{}, net.ReLU{})
		return chain(b, x, net.Dense{Out: 6})
	},
	"the input read twice": func(b op.Builder, in op.Value) (op.Value, error) {
		x, _ := chain(b, in, net.Flatten{})
		y, _ := chain(b, x, net.Dense{Out: 6})
		return add(b, mulOp{}, op.Shape{6}, x, y)
	},
	"op in place on the input": func(b op.Builder, in op.Value) (op.Value, error) {
		x, _ := add(b, biasOp{6, false}, op.Shape{2, 3}, in)
		return chain(b, x, net.ReLU{}, net.Flatten{}, net.Dense{Out: 6})
	},
	"deferred, and in place": func(b op.Builder, in op.Value) (op.Value, error) {
		x, _ := chain(b, in, net.Flatten{}, net.Dense{Out: 6})
		x, _ = add(b, biasOp{6, true}, op.Shape{6}, x)
		x, _ = add(b, scaleOp{6}, op.Shape{6}, x)
		x, _ = add(b, biasOp{6, true}, op.Shape{6}, x)
		x, _ = add(b, scaleOp{6}, op.Shape{6}, x)
		return chain(b, x, net.ReLU{})
	},
	"deferred, and needs its output": func(b op.Builder, in op.Value) (op.Value, error) {
		x, _ := chain(b, in, net.Flatten{}, net.Dense{Out: 6})
		x, _ = add(b, bendOp{6}, op.Shape{6}, x)
		x, _ = add(b, scaleOp{6}, op.Shape{6}, x) // must not write over it
		x, _ = add(b, bendOp{6}, op.Shape{6}, x)
		return add(b, biasOp{6, false}, op.Shape{6}, x)
	},
	"masks": func(b op.Builder, in op.Value) (op.Value, error) {
		x, _ := chain(b, in, net.Flatten{})
		x, _ = add(b, maskOp{6}, op.Shape{6}, x)
		x, _ = chain(b, x, net.Dense{Out: 6}, net.ReLU{})
		x, _ = add(b, maskOp{6}, op.Shape{6}, x)
		return chain(b, x, net.Dense{Out: 6})
	},
}

func TestPrograms(t *testing.T) {
	for name, program := range programs {
		t.Run(name, func(t *testing.T) { checkProgram(t, program, 1) })
	}
}

// Programs that nobody would think of.
func TestRandomPrograms(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { checkProgram(t, randomProgram(seed), seed) })
	}
}

// randomProgram makes values from values made before, of 6 floats in one shape or another. What
// nothing reads is added up at the end.
func randomProgram(seed uint64) build {
	return func(b op.Builder, in op.Value) (op.Value, error) {
		r := rand.New(rand.NewPCG(seed, 0))
		values, read := []op.Value{in}, map[op.Value]bool{}
		take := func() op.Value {
			v := values[max(r.IntN(len(values)), r.IntN(len(values)))] // rather one of the last
			read[v] = true
			return v
		}
		kinds := 10
		for range 3 + r.IntN(10) {
			shape := []op.Shape{{6}, {2, 3}, {3, 2}}[r.IntN(3)]
			var v op.Value
			var err error
			switch r.IntN(kinds) {
			case 0, 1:
				v, err = chain(b, take(), net.Flatten{}, net.Dense{Out: 6})
			case 2:
				v, err = chain(b, take(), net.ReLU{})
			case 3:
				v, err = b.Reshape(take(), shape)
			case 4:
				v, err = add(b, biasOp{6, r.IntN(2) == 0}, shape, take())
			case 5:
				v, err = add(b, scaleOp{6}, shape, take())
			case 6:
				v, err = add(b, sumOp{r.IntN(2) == 0}, shape, take(), take(), take())
			case 7:
				v, err = add(b, maskOp{6}, shape, take())
			case 8:
				v, err = add(b, bendOp{6}, shape, take())
			case 9:
				v, err = add(b, mulOp{}, shape, take(), take())
				kinds = 9 // once: products of products are too large for differences
			}
			if err != nil {
				return 0, err
			}
			values = append(values, v)
		}
		var rest []op.Value
		for _, v := range values {
			if !read[v] {
				rest = append(rest, v)
			}
		}
		return add(b, sumOp{r.IntN(2) == 0}, op.Shape{6}, rest...)
	}
}

// checkProgram checks a tile's gradients against differences in float64: those of the parameters,
// and of others for each shard, formed and factored.
func checkProgram(t *testing.T, program build, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	model, err := compile(op.Shape{2, 3}, program)
	require.NoError(t, err)
	m := twin{Program: model}
	params, b := randomParams(r, model), randomBatch(r, model, 12)
	for i := range params.Values {
		params.Values[i] = float32(r.NormFloat64() / 2)
	}
	shards := shardsFrom(2, 3, 4, 1)
	// Some ten layers of products of six, and the factor by which squares and products of
	// values enlarge a relative error.
	tolerance := 4 * ref.Bound(10, 6)

	a := newAscent(m, params, b, shards, nil, nil)
	p := ref.Float64s(params.Values)
	for s, shard := range shards {
		loss := loss64(model, p, b, shard) * float64(shard.N)
		assert.InDelta(t, loss, a.pass.Losses[s], tolerance*(1+loss), "loss of shard %d", s)
		requireSlope(t, gradient64(model, p, b, shard), a.grads.shards[s], tolerance, "gradient of shard %d", s)
	}

	c := []float64{0.5, -0.25, 0.125}
	formed := a.formed(c)
	for kind, got := range map[string]descent{"formed": a.descend(formed), "factored": a.descend(a.factored(c))} {
		deferred := make([]float64, len(p))
		for s, shard := range shards {
			for i, n := range model.Nodes() {
				if n.Params.Len() > 0 {
					copy(p[n.Params.From:], ref.Float64s(formed[i].Params[s]))
				}
			}
			want := gradient64(model, p, b, shard)
			deferred = ref.Axpy(float64(shard.N)/8, want, deferred)
			requireSlope(t, want, got.shards[s], tolerance, "%s: gradient of shard %d", kind, s)
		}
		for _, n := range model.Nodes() {
			if !n.Traits.Deferred {
				clear(deferred[n.Params.From:n.Params.To])
			}
		}
		requireSlope(t, deferred, got.deferred, tolerance, "%s: deferred gradient", kind)
	}
}

// requireSlope is requireNear for a gradient by differences, whose own error is absolute.
func requireSlope(t testing.TB, want []float64, got []float32, tolerance float64, format string, args ...any) {
	t.Helper()
	norm := ref.Norm(want)
	distance := ref.Norm(ref.Axpy(-1, ref.Float64s(got), want))
	if most := tolerance*norm + 1e-6; !(distance <= most) {
		require.Failf(t, "wrong slope", format+": %.3g from %.3g, want at most %.3g", append(args, distance, norm, most)...)
	}
}

// Which values share memory: only where nothing else needs what was there.
func TestShare(t *testing.T) {
	for name, test := range map[string]struct {
		layer op.Layer
		want  []op.Value // the storage of each value
	}{
		"after Dense": {build(func(b op.Builder, in op.Value) (op.Value, error) {
			return chain(b, in, net.Dense{Out: 6}, net.Dropout{Rate: 0.5})
		}), []op.Value{0, 1, 1}},
		"not the input": {build(func(b op.Builder, in op.Value) (op.Value, error) {
			return chain(b, in, net.ReLU{}, net.ReLU{})
		}), []op.Value{0, 1, 2}}, // nor the output of ReLU, which it needs
		"in another shape": {build(func(b op.Builder, in op.Value) (op.Value, error) {
			x, _ := chain(b, in, net.Dense{Out: 6})
			x, _ = b.Reshape(x, op.Shape{2, 3})
			return chain(b, x, net.ReLU{}, net.Flatten{})
		}), []op.Value{0, 1, 1, 1, 1}},
		"not with two readers": {build(func(b op.Builder, in op.Value) (op.Value, error) {
			x, _ := chain(b, in, net.Dense{Out: 6})
			y, _ := chain(b, x, net.ReLU{})
			return add(b, sumOp{inPlace: true}, op.Shape{6}, y, x)
		}), []op.Value{0, 1, 2, 3}},
		"not in place if deferred": {build(func(b op.Builder, in op.Value) (op.Value, error) {
			x, _ := chain(b, in, net.Dense{Out: 6})
			return add(b, biasOp{6, true}, op.Shape{6}, x)
		}), []op.Value{0, 1, 2}},
		"a chain": {build(func(b op.Builder, in op.Value) (op.Value, error) {
			x, _ := chain(b, in, net.Dense{Out: 6})
			x, _ = add(b, biasOp{6, false}, op.Shape{6}, x)
			x, _ = add(b, scaleOp{6}, op.Shape{6}, x)
			return chain(b, x, net.ReLU{})
		}), []op.Value{0, 1, 1, 1, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			model, err := compile(op.Shape{6}, test.layer)
			require.NoError(t, err)
			assert.Equal(t, test.want, model.Storage())
		})
	}
}
