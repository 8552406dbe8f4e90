package sam

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/ref"
	"github.com/steppe-ml/steppe/internal/simdtest"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/optim"
)

// teachers are ways to make one. Noise and rho are larger than the presets', so that the divergence
// weighs as much as the loss.
var teachers = map[string]Config{
	"noise":            {Teacher: Teacher{Weight: 2, Noise: 0.2}},
	"ascent":           {Rho: 0.7, Teacher: Teacher{Weight: 3}},
	"ascent, adaptive": {Rho: 0.5, Teacher: Teacher{Weight: 1}, Ascent: Ascent{Adaptive: true}},
	"norms":            {Rho: 0.5, Teacher: Teacher{Weight: 2}, Ascent: Ascent{NormOnly: true}},
	"repeated":         {Rho: 0.5, Teacher: Teacher{Weight: 1}, Ascent: Ascent{Steps: 2}},
	"friendly":         {Rho: 0.5, Teacher: Teacher{Weight: 1}, Ascent: Ascent{Sigma: 0.5}},
}

// taughtBy returns the oracle of a step of o. less is taken off the gradients that perturb.
func taughtBy(o *Optimizer, sub subject, x [][]float64, ends []int, less []float64, loss ref.Loss) ref.Taught {
	a := oracleOf(o.cfg.Ascent, sub.model, o.cfg.Rho)
	a.Steps, a.Less = o.cfg.Ascent.Steps, less
	var noisy []float64
	if o.cfg.Teacher.Noise > 0 {
		noisy = ref.Float64s(o.noise.sum)
	}
	divergence := ref.SoftmaxDivergence
	if _, ok := sub.model.Loss().(net.NextToken); ok {
		divergence = ref.NextTokenDivergence(textVocabulary)
	}
	return sub.oracle.SADT(ref.Float64s(o.params.Values), x, ends, o.cfg.Teacher.Weight, noisy, a, loss, divergence)
}

func requireTaught(t *testing.T, want ref.Taught, o *Optimizer, stats Stats, near float64) {
	t.Helper()
	requireNear(t, want.Gradient, o.ghat, near)
	assert.InEpsilon(t, want.Loss, stats.Loss, near)
	assert.InDelta(t, want.Teacher-want.Loss, stats.Sharpness, near*(want.Teacher+want.Loss))
	assert.InDelta(t, want.Divergence, stats.Divergence, near*(1+want.Divergence))
	assert.Positive(t, stats.Divergence)
}

func TestTeachersAgainstOracle(t *testing.T) {
	const batch = 60
	simdtest.SlowEachISA(t, func(t *testing.T) {
		for _, sub := range ascentSubjects(t) {
			counts := []int{1, 7, 12}
			if sub.name == "images" { // whose oracle takes its time
				counts = []int{5}
			}
			for way, cfg := range teachers {
				if cfg.Ascent.NormOnly && !hasNorms(sub.model) {
					continue
				}
				for _, shards := range counts {
					known := map[int]ref.Taught{} // for all arithmetics
					for name, force := range arithmetics {
						if force.perturb == factored && (cfg.Ascent.forms() || cfg.needsClean()) || sub.name == "images" && name != "planned" && testing.Short() {
							continue
						}
						t.Run(fmt.Sprintf("%s/%s/%s/shards=%d", sub.name, way, name, shards), func(t *testing.T) {
							cfg := cfg
							cfg.Shards, cfg.Base, cfg.Batch, cfg.Workers, cfg.force = shards, optim.SGD{LR: 0.1}, batch, 3, force
							o, err := New(sub.model, sub.model.Init(3), cfg)
							require.NoError(t, err)
							for _, n := range []int{batch, batch - 7} {
								b := learnable(uint64(n), n)
								stats, err := o.gradient(b)
								require.NoError(t, err)
								if _, ok := known[n]; !ok {
									known[n] = taughtBy(o, sub, ref.Rows(b.X, n), ends(n, batch, shards), nil, ref.SoftmaxLoss(b.Labels))
								}
								requireTaught(t, known[n], o, stats, tolerance(sub, batch/shards))
							}
						})
					}
				}
			}
		}
	})
}

func TestTextTeachersAgainstOracle(t *testing.T) {
	const batch = 24
	for _, sub := range textSubjects(t) {
		for way, cfg := range teachers {
			if cfg.Ascent.NormOnly && !hasNorms(sub.model) {
				continue
			}
			for _, shards := range []int{1, 8} {
				known := map[int]ref.Taught{}
				for name, force := range arithmetics {
					if force.perturb == factored && (cfg.Ascent.forms() || cfg.needsClean()) {
						continue
					}
					t.Run(fmt.Sprintf("%s/%s/%s/shards=%d", sub.name, way, name, shards), func(t *testing.T) {
						cfg := cfg
						cfg.Shards, cfg.Base, cfg.Batch, cfg.Workers, cfg.force = shards, optim.SGD{LR: 0.1}, batch, 2, force
						o, err := New(sub.model, sub.model.Init(3), cfg)
						require.NoError(t, err)
						for _, n := range textBatches[1:] {
							b := randomText(uint64(n), n)
							stats, err := o.gradient(b)
							require.NoError(t, err)
							if _, ok := known[n]; !ok {
								x, loss := textLoss(sub.model, b)
								known[n] = taughtBy(o, sub, x, ends(n, batch, shards), nil, loss)
							}
							requireTaught(t, known[n], o, stats, 1e-5)
						}
					})
				}
			}
		}
	}
}

// Whole steps, with noise of their own, with what Friendly SAM keeps of former steps, and with
// steps between that have no teacher.
func TestTaughtStepsAgainstOracle(t *testing.T) {
	const batch, shards = 48, 6
	every := teachers["ascent"]
	every.Ascent.Every = 2
	for way, cfg := range map[string]Config{"noise": teachers["noise"], "every second": every, "friendly": teachers["friendly"]} {
		for _, sub := range ascentSubjects(t) {
			if sub.name == "images" {
				continue
			}
			cfg.Shards, cfg.Base, cfg.Batch, cfg.Workers = shards, optim.SGD{LR: 0.05, Momentum: 0.9}, batch, 2
			params := sub.model.Init(7)
			w, base := ref.Float64s(params.Values), &ref.SGD{LR: 0.05, Momentum: 0.9}
			o, err := New(sub.model, params, cfg)
			require.NoError(t, err)
			var average, less []float64
			for step := range 6 {
				b := learnable(uint64(step), batch)
				before := params.Clone()
				stats, err := o.Step(b)
				require.NoError(t, err)
				o.params = before // which the oracle's step begins with
				want := taughtBy(o, sub, ref.Rows(b.X, batch), ends(batch, batch, shards), less, ref.SoftmaxLoss(b.Labels))
				o.params = params
				g := want.Gradient
				if cfg.Ascent.Every > 1 && step%2 == 1 {
					g = want.Clean
					assert.Zero(t, stats.Divergence)
					assert.Zero(t, stats.Sharpness)
				} else {
					assert.InDelta(t, want.Divergence, stats.Divergence, 1e-4*(1+want.Divergence), "%s, %s", way, sub.name)
				}
				requireNear(t, g, o.ghat, 2e-5, way, sub.name, "step", step)
				base.Step(w, g)
				if cfg.Ascent.Sigma > 0 {
					average = ref.FriendlyAverage(average, want.Clean, 0.9)
					less = ref.Scaled(cfg.Ascent.Sigma, average)
				}
			}
			requireNear(t, w, params.Values, 2e-5, way, sub.name)
		}
	}
}

// Frozen and unperturbed parameters are the teacher's as they are the student's, and frozen ones
// stay.
func TestTeachersGroups(t *testing.T) {
	const batch, lr, decay = 48, 0.1, 0.01
	sub := subjects(t)[1]
	for name, groups := range groupCases {
		ranges, err := optim.Resolve(sub.model.Params(), optim.SGD{LR: lr, WeightDecay: decay}, groups)
		require.NoError(t, err, name)
		excluded := make([]bool, sub.model.NumParams())
		each(ranges, func(r optim.Range, i int) { excluded[i] = r.Frozen || r.Unperturbed })
		for _, way := range []string{"noise", "ascent"} {
			for _, shards := range []int{1, 3, 16} { // pass by pass, and tile by tile
				for force, f := range arithmetics {
					what := fmt.Sprintf("%s, %s, %d shards, %s", name, way, shards, force)
					cfg := teachers[way]
					cfg.Shards, cfg.Base, cfg.Groups, cfg.Batch, cfg.Workers, cfg.force = shards, optim.SGD{LR: lr, WeightDecay: decay}, groups, batch, 2, f
					params, b := sub.model.Init(3), learnable(4, batch)
					w := ref.Float64s(params.Values)
					o, err := New(sub.model, params, cfg)
					require.NoError(t, err, what)
					_, err = o.Step(b)
					require.NoError(t, err, what)
					ascent := ref.Ascent{Rho: cfg.Rho, T: func(i int, _ float64) float64 {
						if excluded[i] {
							return 0
						}
						return 1
					}}
					var noisy []float64
					if way == "noise" {
						noisy = ref.Float64s(o.noise.sum)
						for i := range noisy {
							require.False(t, excluded[i] && noisy[i] != w[i], what)
						}
					}
					taught := sub.oracle.SADT(w, ref.Rows(b.X, batch), ends(batch, batch, shards), cfg.Teacher.Weight, noisy, ascent, ref.SoftmaxLoss(b.Labels), ref.SoftmaxDivergence)
					want := slices.Clone(w)
					each(ranges, func(r optim.Range, i int) {
						if !r.Frozen {
							want[i] -= lr * r.LRFactor * (taught.Gradient[i] + r.WeightDecay*w[i])
						}
					})
					requireNear(t, want, params.Values, 1e-5, what)
				}
			}
		}
	}
}

// Without a weight there is no teacher, and without a radius neither.
func TestTeachersNeutralSettings(t *testing.T) {
	const batch = 48
	for _, shards := range []int{1, 6} {
		for name, cfg := range map[string]Config{
			"weight 0": {Teacher: Teacher{Noise: 0.1}},
			"rho 0":    {Teacher: Teacher{Weight: 2}, Rho: 0.1, RhoSchedule: given{0, 0, 0, 0}},
		} {
			for _, sub := range ascentSubjects(t) {
				if sub.name == "images" && testing.Short() {
					continue
				}
				var got [2]*net.Params
				for i, cfg := range []Config{cfg, {}} {
					cfg.Base, cfg.Batch, cfg.Shards, cfg.Workers = optim.SGD{LR: 0.1, Momentum: 0.9}, batch, shards, 2
					cfg.force.perturb = formed // for the same parts
					got[i] = sub.model.Init(7)
					o, err := New(sub.model, got[i], cfg)
					require.NoError(t, err)
					for step := range 4 {
						stats, err := o.Step(learnable(uint64(step), batch-5*(step%2)))
						require.NoError(t, err)
						assert.Zero(t, stats.Divergence)
						assert.Zero(t, stats.Sharpness)
					}
				}
				assert.Equal(t, got[1], got[0], "%s, %s, %d shards", name, sub.name, shards)
			}
		}
	}
}

// One schedule or another, with little memory or much, a step's bits are the same, and memory is
// what was planned.
func TestTeachersRepeat(t *testing.T) {
	const batch = 70
	for way, cfg := range teachers {
		for _, sub := range ascentSubjects(t) {
			if cfg.Ascent.NormOnly && !hasNorms(sub.model) || sub.name == "images" && testing.Short() {
				continue
			}
			for _, shards := range []int{1, 5, 20} {
				cfg := cfg
				cfg.Base, cfg.Batch, cfg.Shards = optim.SGD{LR: 0.1, Momentum: 0.9}, batch, shards
				var want []float32
				for i, force := range []force{{}, {partsPerTile: 1}, {partsPerTile: 3}, {together: true}, {together: true, partsPerTile: 2}, {}} {
					cfg.Workers, cfg.force, cfg.MaxMemory = 1+i%3, force, 0
					if i == 5 {
						cfg.MaxMemory = 1
						_, err := NewPlan(sub.model, cfg)
						var memory *MemoryError
						require.ErrorAs(t, err, &memory)
						cfg.MaxMemory = memory.Least
					}
					what := fmt.Sprintf("%s, %s, %d shards, %d workers, %d bytes, %+v", way, sub.name, shards, cfg.Workers, cfg.MaxMemory, force)
					params := sub.model.Init(11)
					o, err := New(sub.model, params, cfg)
					require.NoError(t, err)
					assert.Equal(t, o.plan.bytes, o.plan.memory.total(), what)
					if cfg.Ascent.Sigma == 0 && cfg.Ascent.Steps == 0 {
						assert.Equal(t, o.plan.memory, taken(o), what)
					}
					for step := range 4 {
						_, err := o.Step(learnable(uint64(step), batch-5*step))
						require.NoError(t, err)
					}
					got := append(params.Values, params.State...)
					if want == nil {
						want = got
					}
					require.Equal(t, want, got, what)
				}
			}
		}
	}
}

// A run that is saved and goes on in another optimizer ends with the same bits.
func TestTeachersResume(t *testing.T) {
	const batch = 40
	for way, cfg := range teachers {
		sub := ascentSubjects(t)[2] // batchnorm
		cfg.Shards, cfg.Batch, cfg.Workers, cfg.Base = 4, batch, 2, optim.AdamW{LR: 0.01}
		step := func(o *Optimizer, from, to int) {
			for step := from; step < to; step++ {
				_, err := o.Step(learnable(uint64(step), batch-step))
				require.NoError(t, err)
			}
		}
		params := sub.model.Init(5)
		o, err := New(sub.model, params, cfg)
		require.NoError(t, err)
		step(o, 0, 3)
		again, state := params.Clone(), o.State()
		step(o, 3, 6)
		other, err := New(sub.model, again, cfg)
		require.NoError(t, err)
		require.NoError(t, other.Restore(state))
		step(other, 3, 6)
		require.Equal(t, params, again, way)
	}
}

// A teacher that isn't finite refuses the step, names the shard, and leaves everything alone. Where
// the student isn't, it is not the teacher's fault.
func TestTeachersRefuse(t *testing.T) {
	const batch = 48
	for _, c := range []struct {
		name   string
		cfg    Config
		spoil  func(*net.Params)
		want   string
		blames bool
	}{
		{"noise", Config{Teacher: Teacher{Weight: 1, Noise: 1e30}}, nil, `sam: step refused: shard [0-5] \(samples \d+ to \d+\): its (teacher's loss|divergence from its teacher) is`, true},
		{"noise beyond float32", Config{Teacher: Teacher{Weight: 1, Noise: 3e38}}, nil, `its (teacher's loss|divergence from its teacher) is`, true},
		{"ascent", Config{Rho: 1e30, Teacher: Teacher{Weight: 1}}, nil, `its (teacher's loss|divergence from its teacher) is`, true},
		{"no ascent", Config{Rho: 1e39, Teacher: Teacher{Weight: 1}}, nil, `and rho, 1e.39, over it is beyond float32|its (teacher's loss|divergence from its teacher) is`, true},
		{"the student", Config{Teacher: Teacher{Weight: 1, Noise: 1}}, func(p *net.Params) {
			for i := range p.Values {
				p.Values[i] = 2e38
			}
		}, `its loss is`, false},
	} {
		for _, shards := range []int{1, 3, 6} {
			for name, force := range arithmetics {
				what := fmt.Sprintf("%s, %d shards, %s", c.name, shards, name)
				cfg := c.cfg
				cfg.Shards, cfg.Batch, cfg.Workers, cfg.Base, cfg.force = shards, batch, 2, optim.SGD{LR: 0.1, Momentum: 0.9}, force
				model := subjects(t)[1].model
				params := model.Init(13)
				o, err := New(model, params, cfg)
				require.NoError(t, err)
				if c.spoil != nil {
					c.spoil(params)
				}
				before, state := params.Clone(), o.State()
				_, err = o.Step(learnable(1, batch))
				require.ErrorIs(t, err, ErrRefused, what)
				assert.Equal(t, c.blames, errors.Is(err, ErrPerturbed), "%s: %v", what, err)
				assert.Regexp(t, c.want, err.Error(), what)
				assert.Regexp(t, `shard \d \(samples`, err.Error(), what)
				assert.Equal(t, before, params, what)
				assert.Equal(t, state, o.State(), what)
			}
		}
	}
}

// Dropout has the same mask for teacher and student: where the noise is rounded away, they agree in
// all.
func TestTeacherHasTheStudentsMask(t *testing.T) {
	model, err := net.Compile(net.Shape{inputs}, net.Dense{Out: 30}, net.Dropout{Rate: 0.5}, net.ReLU{}, net.Dense{Out: classes})
	require.NoError(t, err)
	for _, noise := range []float64{1e-40, 1e-3} {
		o, err := New(model, model.Init(1), Config{Teacher: Teacher{Weight: 1, Noise: noise}, Base: optim.SGD{LR: 0.1}, Batch: 30})
		require.NoError(t, err)
		for step := range 3 {
			stats, err := o.Step(learnable(uint64(step), 30))
			require.NoError(t, err)
			assert.Equal(t, noise < 1e-20, stats.Divergence == 0)
			assert.Less(t, stats.Divergence, 1e-4)
		}
	}
}

// The running statistics are the student's: those of a step of SGD.
func TestTeachersRunningStatistics(t *testing.T) {
	const batch = 48
	for _, sub := range subjects(t)[2:] { // those with batch normalization
		for _, shards := range []int{1, 4} {
			state := func(cfg Config) []float32 {
				cfg.Shards, cfg.Batch, cfg.Base = shards, batch, optim.SGD{LR: 0.1}
				params := sub.model.Init(3)
				o, err := New(sub.model, params, cfg)
				require.NoError(t, err)
				_, err = o.Step(learnable(2, batch))
				require.NoError(t, err)
				return params.State
			}
			want := state(Config{})
			for way, cfg := range teachers {
				assert.Equal(t, want, state(cfg), "%s, %s", way, sub.name)
			}
		}
	}
}

func TestTeacherErrors(t *testing.T) {
	sub := subjects(t)[1]
	for want, change := range map[string]func(*Config){
		"sam: Teacher.Weight is -1, want a positive float32, or 0 for none":                                                     func(c *Config) { c.Teacher.Weight = -1 },
		"sam: Teacher.Weight is NaN, want a positive float32, or 0 for none":                                                    func(c *Config) { c.Teacher.Weight = math.NaN() },
		"sam: Teacher.Noise is +Inf, want a positive float32, or 0 for none":                                                    func(c *Config) { c.Teacher.Noise = math.Inf(1) },
		"sam: Teacher.Noise is 1e-50, want a positive float32, or 0 for none":                                                   func(c *Config) { c.Teacher.Noise = 1e-50 },
		"sam: both Teacher.Noise (0.1) and Rho (0.05) are given, want one of them: noise makes the teacher, or the ascent does": func(c *Config) { c.Teacher = Teacher{Weight: 1, Noise: 0.1} },
		"sam: Teacher.Weight is 1, and both Teacher.Noise and Rho are 0, which leave the teacher at w":                          func(c *Config) { c.Rho, c.Teacher.Weight = 0, 1 },
		"sam: Ascent.Fraction is 0.5 with Teacher.Weight 1, whose clean pass is over all samples":                               func(c *Config) { c.Teacher.Weight, c.Ascent.Fraction = 1, 0.5 },
		"sam: Descent.Weight is 0.9, and Teacher.Weight is 1, whose step has one gradient, at w":                                func(c *Config) { c.Teacher.Weight, c.Descent.Weight = 1, 0.9 },
		"sam: Descent.Samples is 0.5 with Teacher.Weight 1, whose step is on all samples":                                       func(c *Config) { c.Teacher.Weight, c.Descent.Samples = 1, 0.5 },
		"sam: Ascent.Tensors is 0.5 with Teacher.Weight 1, whose teacher all tensors make":                                      func(c *Config) { c.Teacher.Weight, c.Ascent.Tensors = 1, 0.5 },
		"sam: Ascent.Momentum is true with Teacher.Weight 1, whose teacher the shards' gradients make, or noise":                func(c *Config) { c.Base, c.Teacher.Weight, c.Ascent.Momentum = optim.AdamW{LR: 0.1}, 1, true },
		"sam: Ascent.Every is 2, and Rho is 0, which perturbs nothing":                                                          func(c *Config) { c.Rho, c.Teacher, c.Ascent.Every = 0, Teacher{Weight: 1, Noise: 0.1}, 2 },
		"sam: Teacher.Noise is 0.1, and the model and the groups leave no tensor of two dimensions or more for it": func(c *Config) {
			c.Rho, c.Teacher, c.Groups = 0, Teacher{Weight: 1, Noise: 0.1}, []optim.Group{{Match: optim.Names("*.weight"), Frozen: true}}
		},
	} {
		c := Config{Rho: 0.05, Shards: 4, Base: optim.SGD{LR: 0.1}, Batch: 32}
		change(&c)
		_, err := New(sub.model, sub.model.Init(1), c)
		assert.EqualError(t, err, want)
		assert.EqualError(t, c.Validate(sub.model), want)
	}
	regression, err := net.Compile(net.Shape{3}, net.Dense{Out: 1}, net.MSE{})
	require.NoError(t, err)
	_, err = New(regression, regression.Init(1), Config{Rho: 0.1, Teacher: Teacher{Weight: 1}, Base: optim.SGD{LR: 0.1}, Batch: 4})
	assert.EqualError(t, err, "sam: Teacher.Weight is 1, and the model's loss, net.MSE, has no probabilities to compare with a teacher's: want a softmax cross-entropy")
	_, err = New(regression, regression.Init(1), Config{Teacher: Teacher{Noise: 1}, Base: optim.SGD{LR: 0.1}, Batch: 4})
	assert.NoError(t, err, "no teacher")
}

// The plan says what a teacher is and costs.
func TestTeachersPlans(t *testing.T) {
	model := subjects(t)[1].model
	plan := func(cfg Config) Plan {
		cfg.Base, cfg.Batch, cfg.Workers = optim.SGD{LR: 0.1}, 256, 1
		plan, err := NewPlan(model, cfg)
		require.NoError(t, err)
		return plan
	}
	sgd := plan(Config{})
	noise := plan(Config{Teacher: Teacher{Weight: 2, Noise: 0.1}})
	assert.Contains(t, noise.String(), "teacher: of weight 2, by noise of 0.1\n")
	assert.Contains(t, noise.String(), "descent: the teacher's forward pass at w with noise, then the gradient at w.")
	assert.Equal(t, Teacher{Weight: 2, Noise: 0.1}, noise.Teacher)
	forward := int64(0)
	for _, op := range model.Program().Ops() {
		forward += 256 * op.Traits.Flops.Forward
	}
	assert.Equal(t, sgd.Flops+forward, noise.Flops)
	assert.Equal(t, 4*model.NumParams(), noise.Memory.Perturbed)
	assert.Greater(t, noise.Memory.Workspaces, sgd.Memory.Workspaces)

	for _, shards := range []int{1, 32} {
		sam := plan(Config{Rho: 0.1, Shards: shards, force: force{perturb: formed}})
		ascent := plan(Config{Rho: 0.1, Shards: shards, Teacher: Teacher{Weight: 1}, force: force{perturb: formed}})
		assert.Contains(t, ascent.String(), "teacher: of weight 1, by the ascent\n")
		if shards == 1 { // pass by pass, with the student's forward pass twice
			assert.Equal(t, sam.Flops+forward, ascent.Flops)
			assert.Contains(t, ascent.String(), "the student's forward pass is computed twice")
		} else {
			assert.Equal(t, sam.Flops, ascent.Flops)
			assert.Contains(t, ascent.String(), "the clean pass's values stay")
		}
	}
}
