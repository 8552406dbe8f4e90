package sam

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/ref"
	"github.com/steppe-ml/steppe/internal/simdtest"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/optim"
)

// arithmetics are all the ways to compute a step's gradient.
var arithmetics = map[string]force{
	"planned":           {},
	"formed deferred":   {perturb: formed, sum: deferred},
	"formed units":      {perturb: formed, sum: byUnits},
	"factored deferred": {perturb: factored, sum: deferred},
	"factored units":    {perturb: factored, sum: byUnits},
}

// tolerance is the relative distance from the oracle that a step in float32 may
// have. These networks are some ten roundings deep and sum at most a hundred
// terms at a time, so it stays some tens of units of 2^-24; 1e-5 leaves room
// for that. Normalizing over two or three samples leaves little of the gradient
// (over two, none but for Epsilon): what is left has lost the digits that canceled.
func tolerance(sub subject, samplesOfShard int) float64 {
	if sub.name == "batchnorm" && samplesOfShard < 5 {
		return 5e-4
	}
	return 1e-5
}

func TestGradientAgainstOracle(t *testing.T) {
	const batch = 60
	simdtest.SlowEachISA(t, func(t *testing.T) {
		for _, sub := range subjects(t) {
			counts := []int{1, 2, 7, 12, 16, 23}
			if sub.name == "images" { // whose oracle takes its time
				counts = []int{1, 7}
				if testing.Short() {
					counts = []int{7}
				}
			}
			for _, shards := range counts {
				for _, rho := range []float64{0, 0.05, 0.5} {
					oracle := newOracle(sub, batch, shards, ref.Ascent{Rho: rho})
					for name, force := range arithmetics {
						t.Run(fmt.Sprintf("%s/%s/shards=%d/rho=%v", sub.name, name, shards, rho), func(t *testing.T) {
							params := sub.model.Init(3)
							o, err := New(sub.model, params, Config{Rho: rho, Shards: shards, Base: optim.SGD{LR: 0.1}, Batch: batch, Workers: 3, force: force})
							require.NoError(t, err)
							for _, n := range []int{batch, batch - 7, batch/2 + 1} {
								b := learnable(uint64(n), n)
								stats, err := o.gradient(b)
								require.NoError(t, err)
								loss, want := oracle.gradient(t, params, b)
								near := tolerance(sub, batch/shards)
								requireNear(t, want, o.ghat, near, "n =", n)
								assert.InEpsilon(t, loss, stats.Loss, near)
								assert.InEpsilon(t, ref.Norm(want), ref.Norm(ref.Float64s(o.ghat)), near)
								assert.Equal(t, rho == 0, stats.Sharpness == 0)
								assert.GreaterOrEqual(t, stats.Sharpness, 0.0)
							}
						})
					}
				}
			}
		}
	})
}

// The factored step equals the formed one on trained models too. Trained on
// fresh samples, they agree within 1e-5. On a batch learned by heart, whose
// gradient has shrunk by a factor of 10,000, each is as far from the float64
// oracle as float32 makes it.
func TestFactoredEqualsFormed(t *testing.T) {
	const batch = 64
	steps := 201
	if testing.Short() {
		steps = 51
	}
	simdtest.SlowEachISA(t, func(t *testing.T) {
		for _, sub := range subjects(t) {
			if sub.name == "images" { // has many ReLUs and windows: rounding decides one of them sooner or later
				continue
			}
			for _, shards := range []int{1, 4, 12} {
				for name, data := range map[string]func(step int) net.Batch{
					"fresh":    func(step int) net.Batch { return learnable(uint64(step), batch) },
					"by heart": func(int) net.Batch { return learnable(9, batch) },
				} {
					params := sub.model.Init(5)
					config := func(p perturbChoice) Config {
						return Config{Rho: 0.05, Shards: shards, Base: optim.SGD{LR: 0.2, Momentum: 0.9}, Batch: batch, force: force{perturb: p}}
					}
					factored, err := New(sub.model, params, config(factored))
					require.NoError(t, err)
					formed, err := New(sub.model, params, config(formed))
					require.NoError(t, err)
					for step := range steps {
						b := data(step)
						if step%50 == 0 {
							_, err := formed.gradient(b)
							require.NoError(t, err)
							_, err = factored.gradient(b)
							require.NoError(t, err)
							if name == "fresh" {
								requireNear(t, ref.Float64s(formed.ghat), factored.ghat, 1e-5, sub.name, "shards", shards, "step", step)
							} else {
								_, want := sub.oracle.MSAM(ref.Float64s(params.Values), ref.Rows(b.X, batch), b.Labels, ends(batch, batch, shards), ref.Ascent{Rho: 0.05})
								requireNear(t, want, formed.ghat, 2e-5, sub.name, "formed, shards", shards, "step", step)
								requireNear(t, want, factored.ghat, 2e-5, sub.name, "factored, shards", shards, "step", step)
							}
						}
						_, err := factored.Step(b)
						require.NoError(t, err)
					}
				}
			}
		}
	})
}

// bases are base optimizers, ours and the oracle's.
var bases = map[string]struct {
	base   optim.Rule
	oracle func() ref.Base
}{
	"SGD":      {optim.SGD{LR: 0.05}, func() ref.Base { return &ref.SGD{LR: 0.05} }},
	"momentum": {optim.SGD{LR: 0.05, Momentum: 0.9, WeightDecay: 0.01}, func() ref.Base { return &ref.SGD{LR: 0.05, Momentum: 0.9, WeightDecay: 0.01} }},
	"Nesterov": {optim.SGD{LR: 0.05, Momentum: 0.8, WeightDecay: 0.001, Nesterov: true}, func() ref.Base {
		return &ref.SGD{LR: 0.05, Momentum: 0.8, WeightDecay: 0.001, Nesterov: true}
	}},
	// With a small Epsilon, AdamW takes whole steps by gradients that are nothing but rounding.
	"AdamW": {optim.AdamW{LR: 0.01, Epsilon: 1e-3, WeightDecay: 0.1}, func() ref.Base {
		return &ref.AdamW{LR: 0.01, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-3, WeightDecay: 0.1}
	}},
	"AdamW, other betas": {optim.AdamW{LR: 0.01, Beta1: 0.5, Beta2: 0.9, Epsilon: 0.01}, func() ref.Base {
		return &ref.AdamW{LR: 0.01, Beta1: 0.5, Beta2: 0.9, Epsilon: 0.01}
	}},
}

// Whole steps follow the definition: bases, learning rates that change, clipping.
func TestStepsAgainstOracle(t *testing.T) {
	const batch, shards, rho, steps = 48, 6, 0.1, 8
	for name, b := range bases {
		for _, clip := range []float64{0, 0.3} {
			for _, sub := range subjects(t) {
				if sub.name == "images" && (name != "AdamW" || clip == 0) {
					continue // whose oracle takes its time
				}
				params := sub.model.Init(7)
				w := ref.Float64s(params.Values)
				o, err := New(sub.model, params, Config{Rho: rho, Shards: shards, Base: b.base, Clip: clip, Batch: batch})
				require.NoError(t, err)
				oracle := b.oracle()
				clipped := 0
				for step := range steps {
					b := learnable(uint64(step), batch)
					stats, err := o.Step(b)
					require.NoError(t, err)
					_, g := sub.oracle.MSAM(w, ref.Rows(b.X, batch), b.Labels, ends(batch, batch, shards), ref.Ascent{Rho: rho})
					assert.InEpsilon(t, ref.Norm(g), stats.GradNorm, 1e-4, "before clipping")
					if clip > 0 && ref.Norm(g) > clip {
						ref.Clip(g, clip)
						clipped++
					}
					oracle.Step(w, g)
				}
				assert.Equal(t, clip > 0, clipped > 0)
				requireNear(t, w, params.Values, 1e-5, sub.name, name, "clip", clip)
			}
		}
	}
}

// The running statistics move once a step, by the shards' own statistics of
// the clean pass, weighted with their samples.
func TestRunningStatistics(t *testing.T) {
	const batch, shards = 50, 4
	model, err := net.Compile(net.Shape{inputs}, net.BatchNorm{Momentum: 0.25}, net.Dense{Out: classes})
	require.NoError(t, err)
	for _, rho := range []float64{0, 0.3} {
		params := model.Init(1)
		o, err := New(model, params, Config{Rho: rho, Shards: shards, Base: optim.SGD{LR: 0.1}, Batch: batch})
		require.NoError(t, err)
		b := learnable(4, batch)
		_, err = o.Step(b)
		require.NoError(t, err)

		x := ref.Rows(b.X, batch)
		want := make([]float64, 2*inputs)
		for j := range inputs {
			want[inputs+j] = 1 // the initial variance
			mean, variance, begin := 0.0, 0.0, 0
			for _, end := range ends(batch, batch, shards) {
				n := float64(end - begin)
				m, biased := ref.BatchNorm{Features: inputs}.Moments(x[begin:end], j)
				mean += n / batch * m
				variance += n / batch * biased * n / (n - 1)
				begin = end
			}
			want[j] += 0.25 * (mean - want[j])
			want[inputs+j] += 0.25 * (variance - want[inputs+j])
		}
		requireNear(t, want, params.State, 1e-6, "rho", rho)
	}
}

// Without a gradient there is no direction to climb in: eps is 0.
func TestZeroGradient(t *testing.T) {
	model, err := net.Compile(net.Shape{3}, net.Dense{Out: 2})
	require.NoError(t, err)
	for name, force := range arithmetics {
		params := &net.Params{Values: make([]float32, model.NumParams())}
		o, err := New(model, params, Config{Rho: 0.1, Shards: 2, Base: optim.SGD{LR: 1}, Batch: 4, force: force})
		require.NoError(t, err)
		stats, err := o.Step(net.Batch{N: 4, X: make([]float32, 12), Labels: []int32{0, 1, 1, 0}})
		require.NoError(t, err, name)
		assert.Zero(t, stats.GradNorm, name)
		assert.Zero(t, stats.Sharpness, name)
		assert.Equal(t, make([]float32, model.NumParams()), params.Values, name)
	}
}
