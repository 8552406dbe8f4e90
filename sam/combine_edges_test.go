package sam

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/ref"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/optim"
)

// Parameter groups hold for what is combined: frozen parameters have no part in norms and products
// and stay as they are, unperturbed ones have their gradient, and learning-rate factors count in
// what is apart from the base optimizer.
func TestCombinationsWithGroups(t *testing.T) {
	const batch, rho, lr = 48, 0.3, 0.1
	sub := subjects(t)[1]
	for name, groups := range groupCases {
		ranges, err := optim.Resolve(sub.model.Params(), optim.SGD{LR: lr}, groups)
		require.NoError(t, err)
		for _, shards := range []int{1, 3, 16} {
			for way, force := range arithmetics {
				for _, d := range []Descent{{Orthogonal: 0.4}, {Weight: 0.8}, {Weight: 0.9, Decoupled: true}} {
					base := &spy{SGD: optim.SGD{LR: lr}}
					params := sub.model.Init(3)
					o, err := New(sub.model, params, Config{Rho: rho, Shards: shards, Base: base, Groups: groups, Batch: batch, Workers: 2, Descent: d, force: force})
					require.NoError(t, err)
					w, b := ref.Float64s(params.Values), learnable(4, batch)
					clean, ghat := gradientsOfGroups(sub, w, b, ends(batch, batch, shards), rho, ranges)
					want, apart := clean, make([]float64, len(w))
					switch {
					case d.Orthogonal > 0:
						want = ref.GSAM(clean, ghat, d.Orthogonal)
					case d.Decoupled:
						_, apart = ref.WSAM(clean, ghat, d.Weight)
					default:
						want, _ = ref.WSAM(clean, ghat, d.Weight)
					}
					_, err = o.Step(b)
					require.NoError(t, err)
					var given []float64 // the base optimizer isn't given those of frozen parameters
					after := ref.Scaled(1, w)
					each(ranges, func(r optim.Range, i int) {
						if !r.Frozen {
							given = append(given, want[i])
							after[i] -= lr * r.LRFactor * (want[i] + apart[i] + r.WeightDecay*w[i])
						}
					})
					requireNear(t, given, base.given, 1e-4, name, shards, way, d)
					requireNear(t, after, params.Values, 1e-5, name, shards, way, d)
				}
			}
		}
	}
}

// gradientsOfGroups returns the batch's gradients at w and at each shard's w + eps, which leaves out
// frozen and unperturbed parameters. Gradients of frozen ones are 0.
func gradientsOfGroups(sub subject, w []float64, b net.Batch, ends []int, rho float64, ranges []optim.Range) (clean, ghat []float64) {
	clean, ghat = make([]float64, len(w)), make([]float64, len(w))
	start := 0
	for _, end := range ends {
		part := b.Slice(start, end-start)
		rows, share := ref.Rows(part.X, part.N), float64(part.N)/float64(b.N)
		_, g := sub.oracle.Gradient(w, rows, part.Labels)
		clean = ref.Axpy(share, g, clean)
		each(ranges, func(r optim.Range, i int) {
			if r.Frozen || r.Unperturbed {
				g[i] = 0
			}
		})
		_, g = sub.oracle.Gradient(ref.Axpy(rho/ref.Norm(g), g, w), rows, part.Labels)
		ghat = ref.Axpy(share, g, ghat)
		start = end
	}
	each(ranges, func(r optim.Range, i int) {
		if r.Frozen {
			clean[i], ghat[i] = 0, 0
		}
	})
	return clean, ghat
}

// With more shards than sums, the shards of a sum are one worker's, whatever the tiles are.
func TestManyShardsAreCombinedAlike(t *testing.T) {
	sub := subjects(t)[1]
	for _, shards := range []int{20, 33} {
		for _, perturb := range []perturbChoice{formed, factored} {
			var want []float32
			for i, workers := range []int{1, 2, 3, 5} {
				params := sub.model.Init(1)
				o, err := New(sub.model, params, Config{Rho: 0.1, Shards: shards, Base: optim.SGD{LR: 0.1}, Batch: 96, Workers: workers,
					force: force{perturb: perturb, partsPerTile: i % 3}, Descent: Descent{Orthogonal: 0.4}})
				require.NoError(t, err)
				for step := range 3 {
					_, err := o.Step(learnable(uint64(step), 96))
					require.NoError(t, err)
				}
				if want == nil {
					want = params.Values
				}
				require.Equal(t, want, params.Values, "%d shards, %d workers", shards, workers)
			}
		}
	}
}

// line is a model of one weight and one bias, whose loss is c times the squared error.
func line(t *testing.T, c float64) *net.Model {
	m, err := net.Compile(net.Shape{1}, net.Dense{Out: 1}, scaledSquares{c})
	require.NoError(t, err)
	return m
}

// A shard, or a batch, that fits its targets has gradients of 0. What is combined then is what is
// left, and finite.
func TestCombinationsOfZeroGradients(t *testing.T) {
	for way, cfg := range combinations {
		if cfg.Ascent.NormOnly {
			continue
		}
		for name, targets := range map[string][]float32{"one shard": {1, 1, 3, 4}, "all": {1, 1, 2, 2}} {
			for _, perturb := range []perturbChoice{formed, factored} {
				if cfg.Ascent.forms() && perturb == factored {
					continue
				}
				cfg.Rho, cfg.Shards, cfg.Base, cfg.Batch, cfg.force = 0.1, 2, optim.SGD{LR: 0.01, Momentum: 0.9}, 4, force{perturb: perturb}
				params := &net.Params{Values: []float32{1, 0}}
				o, err := New(line(t, 1), params, cfg)
				require.NoError(t, err)
				for range 4 {
					_, err := o.Step(net.Batch{N: 4, X: []float32{1, 1, 2, 2}, Targets: targets})
					require.NoError(t, err, "%s, %s", way, name)
				}
				if name == "all" {
					assert.Equal(t, []float32{1, 0}, params.Values, way)
				} else {
					assert.NotEqual(t, []float32{1, 0}, params.Values, way)
				}
			}
		}
	}
}

// A step that is refused behind the gradients leaves what the method keeps alone, and its error
// says why.
func TestCombinationsRefuse(t *testing.T) {
	b := net.Batch{N: 2, X: []float32{1, 2}, Targets: []float32{0, 3}}
	sgd := func(lr float64) optim.Rule { return optim.SGD{LR: lr, Momentum: 0.9} }
	for _, c := range []struct {
		name  string
		scale float64 // of the loss
		cfg   Config
		kind  error
		words string
	}{
		{"base optimizer, average kept", 1, Config{Base: sgd(3e38), Ascent: Ascent{Sigma: 1}}, ErrRefused, "the update makes"},
		{"base optimizer, LookSAM", 1, Config{Base: sgd(3e38), Ascent: Ascent{Every: 2}, Descent: Descent{Look: 0.7}}, ErrRefused, "the update makes"},
		{"apart from the base optimizer", 1, Config{Base: sgd(1e30), Descent: Descent{Weight: 0.9, Decoupled: true}}, ErrPerturbed, "the update apart from the base optimizer's has norm"},
		{"too long to combine", 3e37, Config{Base: sgd(1e-38), Descent: Descent{Weight: 0.9}}, ErrRefused, "beyond float32"},
	} {
		c.cfg.Rho, c.cfg.Batch = 0.01, 2
		params := &net.Params{Values: []float32{0.5, 0}}
		o, err := New(line(t, c.scale), params, c.cfg)
		require.NoError(t, err)
		before, state := params.Clone(), o.State()
		_, err = o.Step(b)
		require.ErrorIs(t, err, ErrRefused, c.name)
		require.ErrorIs(t, err, c.kind, c.name)
		assert.NotErrorIs(t, err, ErrVanishing, c.name)
		assert.ErrorContains(t, err, c.words, c.name)
		assert.Equal(t, before, params, c.name)
		assert.Equal(t, state, o.State(), c.name)
	}
}

// A gradient that isn't finite between two of LookSAM's steps is told as the base optimizer's is.
func TestLookBackRefuses(t *testing.T) {
	o, err := New(line(t, 1), &net.Params{Values: []float32{0.5, 0}}, Config{
		Rho: 0.01, Batch: 1, Base: optim.SGD{LR: 0.01}, Ascent: Ascent{Every: 2}, Descent: Descent{Look: 0.7},
	})
	require.NoError(t, err)
	_, err = o.Step(net.Batch{N: 1, X: []float32{1}, Targets: []float32{1}})
	require.NoError(t, err)
	_, err = o.Step(net.Batch{N: 1, X: []float32{3e38}, Targets: []float32{-1e5}})
	require.ErrorIs(t, err, ErrRefused)
	assert.NotErrorIs(t, err, ErrVanishing)
}

// Momentum-SAM refuses a loss at w + eps that isn't finite as SAM does, and a momentum that rho over
// its length leaves float32. Its first step, without a momentum, perturbs nothing.
func TestMomentumAhead(t *testing.T) {
	b := net.Batch{N: 1, X: []float32{3}, Targets: []float32{0}}
	o, err := New(line(t, 1), &net.Params{Values: []float32{0.5, 0}}, Config{Rho: 3e38, Batch: 1, Base: optim.SGD{LR: 0.01, Momentum: 0.9}, Ascent: Ascent{Momentum: true}})
	require.NoError(t, err)
	stats, err := o.Step(b)
	require.NoError(t, err)
	assert.Zero(t, stats.Rho)
	_, err = o.Step(b) // w + eps is finite, and its output is not
	require.ErrorIs(t, err, ErrPerturbed)
	assert.ErrorContains(t, err, "loss at the perturbed parameters")

	require.NoError(t, o.Restore(optim.State{Rule: "optim.SGD", Steps: 1, Vectors: [][]float32{{1e-30, 0}}}))
	_, err = o.Step(b)
	require.ErrorIs(t, err, ErrVanishing)
	assert.ErrorContains(t, err, "the momentum has norm 1e-30, and rho, 3e+38, over it is beyond float32")
}
