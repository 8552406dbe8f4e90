package sam

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/program"
	"github.com/steppe-ml/steppe/internal/ref"
	"github.com/steppe-ml/steppe/internal/simdtest"
	"github.com/steppe-ml/steppe/net/optim"
)

// roundedDense is ref.Dense with products of operands that are rounded to bfloat16: those of the
// forward and the backward pass and, unless the gradient is factored, its own.
type roundedDense struct {
	ref.Dense
	factored bool
}

func rounded(x []float64) (y []float64) {
	for _, v := range x {
		bits := math.Float32bits(float32(v))
		y = append(y, float64(math.Float32frombits((bits+0x7fff+bits>>16&1)&^0xffff)))
	}
	return y
}

func roundedRows(x [][]float64) (y [][]float64) {
	for _, row := range x {
		y = append(y, rounded(row))
	}
	return y
}

// roundedWeights returns p with rounded weights. Biases aren't factors of a product.
func (d roundedDense) roundedWeights(p []float64) []float64 {
	weights := d.In * d.Out
	return append(rounded(p[:weights]), p[weights:]...)
}

func (d roundedDense) Forward(p []float64, x [][]float64) [][]float64 {
	return d.Dense.Forward(d.roundedWeights(p), roundedRows(x))
}

func (d roundedDense) Backward(p []float64, x, y, dy [][]float64, g []float64) [][]float64 {
	unused := make([]float64, len(g))
	dx := d.Dense.Backward(d.roundedWeights(p), x, y, roundedRows(dy), unused)
	if d.factored {
		d.Dense.Backward(p, x, y, dy, g)
		return dx
	}
	whole, weights := make([]float64, len(g)), d.In*d.Out
	d.Dense.Backward(p, roundedRows(x), y, roundedRows(dy), g)
	copy(g[weights:], unused[weights:]) // set below
	d.Dense.Backward(p, x, y, dy, whole)
	copy(g[weights:], whole[weights:])
	return dx
}

// roundedNet is n with rounded Dense layers.
func roundedNet(n ref.Net, factored bool) (r ref.Net) {
	for _, layer := range n {
		if d, ok := layer.(ref.Dense); ok {
			r = append(r, roundedDense{d, factored})
		} else {
			r = append(r, layer)
		}
	}
	return r
}

// A step whose ascent is in bfloat16 is that of a plain form in float64 that rounds in the same
// places. It is nearer to it than to the step that doesn't round.
func TestRoundedAscentAgainstOracle(t *testing.T) {
	const batch, rho = 60, 0.3
	simdtest.SlowEachISA(t, func(t *testing.T) {
		for _, sub := range subjects(t)[:2] {
			for _, shards := range []int{1, 3, 7, 12} {
				for name, force := range arithmetics {
					t.Run(fmt.Sprintf("%s/%s/shards=%d", sub.name, name, shards), func(t *testing.T) {
						params := sub.model.Init(3)
						o, err := New(sub.model, params, Config{
							Rho: rho, Ascent: Ascent{Precision: blas.BFloat16}, Shards: shards, Base: optim.SGD{LR: 0.1}, Batch: batch, Workers: 3, force: force,
						})
						require.NoError(t, err)
						for _, n := range []int{batch, batch - 7} {
							b := learnable(uint64(n), n)
							_, err = o.gradient(b)
							require.NoError(t, err)
							p, x, loss := ref.Float64s(params.Values), ref.Rows(b.X, b.N), ref.SoftmaxLoss(b.Labels)
							ascent := ref.Ascent{Rho: rho}
							want, full := make([]float64, len(p)), make([]float64, len(p))
							begin := 0
							for _, end := range ends(n, batch, shards) {
								for _, of := range []struct {
									net ref.Net
									sum *[]float64
								}{{roundedNet(sub.oracle, factors(o.plan)), &want}, {sub.oracle, &full}} {
									_, _, g := of.net.GradientBy(p, x[begin:end], begin, loss)
									_, terms, g := sub.oracle.GradientBy(ascent.Perturbed(p, g), x[begin:end], begin, loss)
									*of.sum = ref.Axpy(float64(terms)/float64(n), g, *of.sum)
								}
								begin = end
							}
							distance, unrounded := ref.Distance(o.ghat, want)/ref.Norm(want), ref.Distance(o.ghat, full)/ref.Norm(full)
							// A sum that a rounding of float32 moves across a middle rounds to another bfloat16.
							assert.Less(t, distance, 1e-4)
							assert.Greater(t, unrounded, 30*distance)
						}
					})
				}
			}
		}
	})
}

// factors reports whether a plan has factored ops.
func factors(p *plan) bool {
	for _, kind := range p.perturb {
		if kind == program.Factored {
			return true
		}
	}
	return false
}

// displaced returns where the one shard of a step has ascended to.
func displaced(o *Optimizer) (w []float32) {
	worker := o.workers[0]
	if o.plan.passByPass {
		return worker.formed
	}
	for i, kind := range o.plan.perturb {
		if kind == program.Formed {
			w = append(w, worker.perturb[i].Params[0]...)
		}
	}
	return w
}

// An ascent in bfloat16 goes nearly where one in float32 goes, also when the model has learned, and
// its bits don't depend on the workers.
func TestRoundedAscentIsNear(t *testing.T) {
	simdtest.SlowEachISA(t, func(t *testing.T) {
		for _, sub := range subjects(t) {
			const batch = 48
			b := learnable(1, batch)
			params := sub.model.Init(1)
			cfg := Config{Rho: 0.1, Shards: 1, Base: optim.SGD{LR: 0.05}, Batch: batch, Workers: 1, force: force{perturb: formed}}
			for _, steps := range []int{0, 10} {
				train, err := New(sub.model, params, cfg)
				require.NoError(t, err)
				for range steps {
					_, err := train.Step(b)
					require.NoError(t, err)
				}
				full, err := New(sub.model, params, cfg)
				require.NoError(t, err)
				_, err = full.gradient(b)
				require.NoError(t, err)
				w, want := ref.Float64s(params.Values), ref.Float64s(displaced(full))
				var bits []float32
				for workers := 1; workers <= 3; workers++ {
					rounding := cfg
					rounding.Ascent.Precision, rounding.Workers = blas.BFloat16, workers
					o, err := New(sub.model, params, rounding)
					require.NoError(t, err)
					_, err = o.gradient(b)
					require.NoError(t, err)
					eps, of := ref.Axpy(-1, w, ref.Float64s(displaced(o))), ref.Axpy(-1, w, want)
					assert.Greater(t, ref.Dot(eps, of)/ref.Norm(eps)/ref.Norm(of), 0.99, "%s after %d steps", sub.name, steps)
					assert.NotEqual(t, displaced(full), displaced(o), sub.name)
					if workers > 1 {
						assert.Equal(t, bits, o.ghat, "%s, %d workers", sub.name, workers)
					}
					bits = o.ghat
				}
			}
		}
	})
}

// Steps that choose samples or tensors go nearly where they go in float32, and so does each further
// ascent. None of them takes values of the rounded pass for the descent.
func TestRoundedMethodsAreNear(t *testing.T) {
	sub := subjects(t)[1]
	b := learnable(1, 48)
	for name, cfg := range map[string]Config{
		"samples":  {Descent: Descent{Samples: 0.5}},
		"tensors":  {Ascent: Ascent{Tensors: 0.5}},
		"both":     {Ascent: Ascent{Tensors: 0.5}, Descent: Descent{Samples: 0.5}},
		"fraction": {Ascent: Ascent{Fraction: 0.25}},
		"adaptive": {Ascent: Ascent{Adaptive: true}},
		"steps":    {Ascent: Ascent{Steps: 3}},
	} {
		for _, shards := range []int{1, 4} {
			gradient := func(precision blas.Precision) []float64 {
				cfg := cfg
				cfg.Rho, cfg.Shards, cfg.Base, cfg.Batch, cfg.Ascent.Precision = 0.1, shards, optim.SGD{LR: 0.05}, 48, precision
				o, err := New(sub.model, sub.model.Init(1), cfg)
				require.NoError(t, err, name)
				_, err = o.gradient(b)
				require.NoError(t, err, name)
				return ref.Float64s(o.ghat)
			}
			full, rounded := gradient(blas.Full), gradient(blas.BFloat16)
			assert.NotEqual(t, full, rounded, name)
			most := 0.03
			if cfg.Descent.Samples > 0 {
				most = 0.25 // another sample may be the last to be chosen
			}
			apart := ref.Norm(ref.Axpy(-1, full, rounded)) / ref.Norm(full)
			assert.Less(t, apart, most, "%s, %d shards", name, shards)
		}
	}
}

func TestRoundedAscentErrors(t *testing.T) {
	sub := subjects(t)[1]
	for want, change := range map[string]func(c *Config){
		"sam: Ascent.Precision is 2, want blas.Full or blas.BFloat16":             func(c *Config) { c.Ascent.Precision = 2 },
		"sam: Ascent.Precision is bfloat16, and Rho is 0, which perturbs nothing": func(c *Config) { c.Rho = 0 },
		"sam: Ascent.Precision is bfloat16, and Descent.Weight is 0.8, which moves the weights by the gradient at w, too": func(c *Config) {
			c.Descent.Weight = 0.8
		},
		"sam: Ascent.Precision is bfloat16, and Teacher.Weight is 1, which has a pass at w move the weights": func(c *Config) {
			c.Teacher.Weight = 1
		},
		"sam: Ascent.Momentum is true, which takes no gradient to perturb, and Ascent.Precision is bfloat16": func(c *Config) {
			c.Ascent.Momentum = true
		},
	} {
		c := Config{Rho: 0.1, Ascent: Ascent{Precision: blas.BFloat16}, Base: optim.SGD{LR: 0.1, Momentum: 0.9}, Batch: 8}
		change(&c)
		assert.EqualError(t, c.Validate(sub.model), want)
	}
}

// The plan says what rounds. Of images, convolutions don't.
func TestPlanOfRoundedAscent(t *testing.T) {
	for i, want := range map[int]string{1: "3 layers of the clean pass, with 100% of its operations, ", 3: "1 layer of the clean pass, with "} {
		sub := subjects(t)[i]
		plan, err := NewPlan(sub.model, Config{Rho: 0.1, Ascent: Ascent{Precision: blas.BFloat16}, Base: optim.SGD{LR: 0.1}, Batch: 60})
		require.NoError(t, err)
		assert.Contains(t, plan.String(), "perturbed: with products in bfloat16\n")
		assert.Contains(t, plan.String(), "bfloat16: "+want)
	}
}

// Tiles and workers, and with them which parameters are packed for a step, change no bit: no step
// reads packs of another.
func TestRoundedSchedulesChangeNoBit(t *testing.T) {
	sub := subjects(t)[1]
	for name, cfg := range map[string]Config{
		"sam":     {},
		"tensors": {Ascent: Ascent{Tensors: 0.5}},
		"every":   {Ascent: Ascent{Every: 2}},
		"steps":   {Ascent: Ascent{Steps: 2}},
	} {
		for _, perturb := range []perturbChoice{autoPerturb, formed} {
			for _, shards := range []int{1, 12} {
				var want []float32
				for _, schedule := range []struct{ workers, perTile int }{{1, 60}, {1, 1}, {3, 1}, {2, 3}} {
					cfg := cfg
					cfg.Rho, cfg.Shards, cfg.Base, cfg.Batch, cfg.Workers = 0.1, shards, optim.SGD{LR: 0.05}, 60, schedule.workers
					cfg.Ascent.Precision, cfg.force = blas.BFloat16, force{perturb: perturb, partsPerTile: schedule.perTile}
					params := sub.model.Init(1)
					o, err := New(sub.model, params, cfg)
					require.NoError(t, err, name)
					for step := range 6 {
						_, err := o.Step(learnable(uint64(step), 60))
						require.NoError(t, err, name)
					}
					if want == nil {
						want = params.Values
					}
					require.Equal(t, want, params.Values, "%s, %d shards, %+v", name, shards, schedule)
				}
			}
		}
	}
}
