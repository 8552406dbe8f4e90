package sam

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/ref"
	"github.com/steppe-ml/steppe/internal/simdtest"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/optim"
)

// ascents are ways to perturb, each option alone and those that go together.
var ascents = map[string]Ascent{
	"adaptive":               {Adaptive: true, Eta: 0.05},
	"norm only":              {NormOnly: true},
	"fraction":               {Fraction: 0.3},
	"adaptive, by fraction":  {Adaptive: true, Fraction: 0.3},
	"norm only, by fraction": {NormOnly: true, Fraction: 0.6},
}

// oracleOf is what an ascent's oracle does with a model's parameters.
func oracleOf(a Ascent, model *net.Model, rho float64) ref.Ascent {
	var roles []net.Role
	for _, p := range model.Params() {
		for range p.Shape.Size() {
			roles = append(roles, p.Role)
		}
	}
	eta := a.Eta
	if eta == 0 {
		eta = 0.01
	}
	return ref.Ascent{Rho: rho, Fraction: a.Fraction, T: func(i int, w float64) float64 {
		switch {
		case a.NormOnly && roles[i] != net.Norm:
			return 0
		case a.Adaptive && roles[i] == net.Weight:
			return math.Abs(w) + eta
		}
		return 1
	}}
}

// ascentSubjects are subjects, and one that normalizes without coupling samples.
func ascentSubjects(t testing.TB) []subject {
	m, err := net.Compile(net.Shape{4, 5}, net.Flatten{}, net.Dense{Out: 19}, net.LayerNorm{}, net.ReLU{}, net.Dense{Out: classes})
	require.NoError(t, err)
	return append(subjects(t), subject{"layernorm", m, ref.Net{
		ref.Dense{In: inputs, Out: 19}, ref.LayerNorm{Features: 19, Epsilon: 1e-5}, ref.ReLU{}, ref.Dense{In: 19, Out: classes},
	}})
}

// hasNorms reports whether a model has what NormOnly perturbs.
func hasNorms(m *net.Model) bool {
	for _, p := range m.Params() {
		if p.Role == net.Norm {
			return true
		}
	}
	return false
}

func TestAscentsAgainstOracle(t *testing.T) {
	const batch, rho = 60, 0.3
	simdtest.SlowEachISA(t, func(t *testing.T) {
		for _, sub := range ascentSubjects(t) {
			counts := []int{1, 3, 7, 12}
			if sub.name == "images" { // whose oracle takes its time
				counts = []int{1, 5}
			}
			for way, a := range ascents {
				if a.NormOnly && !hasNorms(sub.model) {
					continue
				}
				for _, shards := range counts {
					oracle := newOracle(sub, batch, shards, oracleOf(a, sub.model, rho))
					for name, force := range arithmetics {
						if a.forms() && force.perturb == factored || sub.name == "images" && (shards != 5 && name != "planned" || testing.Short()) {
							continue
						}
						fewest := int(math.Ceil(a.resolved().Fraction*float64(batch/shards) - 1e-9))
						if fewest < sub.model.MinShard() {
							continue
						}
						t.Run(fmt.Sprintf("%s/%s/%s/shards=%d", sub.name, way, name, shards), func(t *testing.T) {
							params := sub.model.Init(3)
							o, err := New(sub.model, params, Config{Rho: rho, Ascent: a, Shards: shards, Base: optim.SGD{LR: 0.1}, Batch: batch, Workers: 3, force: force})
							require.NoError(t, err)
							for _, n := range []int{batch, batch - 7} {
								b := learnable(uint64(n), n)
								stats, err := o.gradient(b)
								require.NoError(t, err)
								loss, want := oracle.gradient(t, params, b)
								near := tolerance(sub, fewest)
								requireNear(t, want, o.ghat, near, "n =", n)
								assert.InEpsilon(t, loss, stats.Loss, near)
								assert.Equal(t, a.Fraction != 0, stats.Sharpness == 0)
							}
						})
					}
				}
			}
		}
	})
}

// A perturbation that is scaled, or made of normalizations alone, is another one.
func TestAscentsDiffer(t *testing.T) {
	sub := subjects(t)[2]
	b := learnable(1, 40)
	var all [][]float32
	for _, a := range append([]Ascent{{}}, ascents["adaptive"], ascents["norm only"], ascents["fraction"]) {
		o, err := New(sub.model, sub.model.Init(3), Config{Rho: 0.3, Ascent: a, Base: optim.SGD{LR: 0.1}, Batch: 40})
		require.NoError(t, err)
		_, err = o.gradient(b)
		require.NoError(t, err)
		for _, other := range all {
			assert.NotEqual(t, other, o.ghat, a.String())
		}
		all = append(all, o.ghat)
	}
}

// With Every, and where a schedule makes rho 0, a step is the base's. Steps that
// are refused don't count.
func TestStepsThatDoNotPerturb(t *testing.T) {
	const batch, shards, rho = 48, 4, 0.2
	bad := learnable(1, batch)
	bad.X[5] = float32(math.NaN())
	for _, c := range []struct {
		name     string
		ascent   Ascent
		schedule optim.Schedule
		rhos     []float64
	}{
		{"every third", Ascent{Every: 3}, nil, []float64{rho, 0, 0, rho, 0, 0, rho}},
		{"every second, adaptive", Ascent{Every: 2, Adaptive: true}, nil, []float64{rho, 0, rho, 0}},
		{"every second, by fraction", Ascent{Every: 2, Fraction: 0.5}, nil, []float64{rho, 0, rho, 0}},
		{"scheduled", Ascent{}, optim.Linear{Steps: 2, From: 0, To: 1}, []float64{0, rho / 2, rho, rho}},
		{"scheduled and every second", Ascent{Every: 2}, given{1, 0.5, 2, 1, 0}, []float64{rho, 0, 2 * rho, 0, 0}},
	} {
		for _, sub := range ascentSubjects(t) {
			if sub.name == "images" {
				continue
			}
			for name, force := range arithmetics {
				if c.ascent.forms() && force.perturb == factored {
					continue
				}
				params := sub.model.Init(3)
				o, err := New(sub.model, params, Config{Rho: rho, RhoSchedule: c.schedule, Ascent: c.ascent, Shards: shards, Base: optim.SGD{LR: 0.1}, Batch: batch, Workers: 2, force: force})
				require.NoError(t, err)
				for step, rho := range c.rhos {
					_, err := o.Step(bad)
					require.Error(t, err)
					b := learnable(uint64(step), batch)
					loss, want := sub.oracle.MSAM(ref.Float64s(params.Values), ref.Rows(b.X, batch), b.Labels, ends(batch, batch, shards), oracleOf(c.ascent, sub.model, rho))
					stats, err := o.Step(b)
					require.NoError(t, err)
					requireNear(t, want, o.ghat, 1e-5, c.name, sub.name, name, "step", step)
					assert.InEpsilon(t, loss, stats.Loss, 1e-5, "%s, %s, %s, step %d", c.name, sub.name, name, step)
					assert.Equal(t, rho == 0 || c.ascent.part(), stats.Sharpness == 0, "%s, %s, %s, step %d", c.name, sub.name, name, step)
				}
			}
		}
	}
}

// With a fraction, the running statistics move by those of the samples that perturb,
// and without a perturbation by those of all.
func TestRunningStatisticsOfAFraction(t *testing.T) {
	const batch = 40
	model, err := net.Compile(net.Shape{inputs}, net.BatchNorm{Momentum: 1}, net.Dense{Out: classes})
	require.NoError(t, err)
	params := model.Init(1)
	o, err := New(model, params, Config{Rho: 0.1, Ascent: Ascent{Fraction: 0.25, Every: 2}, Shards: 2, Base: optim.SGD{LR: 0.1}, Batch: batch})
	require.NoError(t, err)
	for _, n := range []int{5, 20} {
		b := learnable(uint64(n), batch)
		_, err = o.Step(b)
		require.NoError(t, err)
		x := ref.Rows(b.X, batch)
		want := make([]float64, 2*inputs)
		for j := range inputs {
			for _, first := range []int{0, 20} {
				mean, biased := ref.BatchNorm{Features: inputs}.Moments(x[first:first+n], j)
				want[j] += mean / 2
				want[inputs+j] += biased * float64(n) / float64(n-1) / 2
			}
		}
		requireNear(t, want, params.State, 1e-6, "of", n, "samples of a shard")
	}
}

func TestAscentErrors(t *testing.T) {
	plain, normed := subjects(t)[1].model, subjects(t)[2].model
	nan := math.NaN()
	for want, change := range map[string]func(*Config){
		"sam: Ascent.Eta is -1, want a positive float32":                     func(c *Config) { c.Ascent = Ascent{Adaptive: true, Eta: -1} },
		"sam: Ascent.Eta is NaN, want a positive float32":                    func(c *Config) { c.Ascent = Ascent{Adaptive: true, Eta: nan} },
		"sam: Ascent.Eta is 0.5 without Ascent.Adaptive":                     func(c *Config) { c.Ascent.Eta = 0.5 },
		"sam: Ascent.Fraction is -0.5, want 0 < Fraction <= 1, or 0 for all": func(c *Config) { c.Ascent.Fraction = -0.5 },
		"sam: Ascent.Fraction is NaN, want 0 < Fraction <= 1, or 0 for all":  func(c *Config) { c.Ascent.Fraction = nan },
		"sam: Ascent.Fraction is 1.5, want 0 < Fraction <= 1, or 0 for all":  func(c *Config) { c.Ascent.Fraction = 1.5 },
		"sam: Ascent.Every is -1, want at least 1":                           func(c *Config) { c.Ascent.Every = -1 },
		"sam: Ascent.NormOnly is true, and the model has no normalization":   func(c *Config) { c.Ascent.NormOnly = true },
		"sam: Ascent.Adaptive is true, and Rho is 0, which perturbs nothing": func(c *Config) { c.Rho, c.Ascent.Adaptive = 0, true },
		"sam: Ascent.Fraction is 0.25, and Rho is 0, which perturbs nothing": func(c *Config) { c.Rho, c.Ascent.Fraction = 0, 0.25 },
		"sam: Ascent.Every is 2, and Rho is 0, which perturbs nothing":       func(c *Config) { c.Rho, c.Ascent.Every = 0, 2 },
		"sam: RhoSchedule is set, and Rho is 0, which perturbs nothing":      func(c *Config) { c.Rho, c.RhoSchedule = 0, optim.Linear{Steps: 1} },
		"sam: RhoSchedule: Linear.Steps is 0, want at least 1":               func(c *Config) { c.RhoSchedule = optim.Linear{} },
		"sam: Ascent.Adaptive is true, which needs formed gradients, and the test forces factored ones": func(c *Config) {
			c.Ascent.Adaptive, c.force.perturb = true, factored
		},
		"sam: Ascent.Fraction is 0.5, which needs formed gradients, and the test forces factored ones": func(c *Config) {
			c.Ascent.Fraction, c.force.perturb = 0.5, factored
		},
	} {
		c := Config{Rho: 0.05, Shards: 4, Base: optim.SGD{LR: 0.1}, Batch: 32}
		change(&c)
		_, err := New(plain, plain.Init(1), c)
		assert.EqualError(t, err, want)
	}
	for want, a := range map[string]Ascent{
		"sam: both Ascent.Adaptive and Ascent.NormOnly are true, want one of them: Adaptive doesn't scale the parameters of normalizations": {Adaptive: true, NormOnly: true},
		"sam: Ascent.Fraction is 0.1, which leaves 1 of a shard's 8 samples, and the model's normalization needs 2":                         {Fraction: 0.1},
	} {
		_, err := New(normed, normed.Init(1), Config{Rho: 0.05, Ascent: a, Shards: 4, Base: optim.SGD{LR: 0.1}, Batch: 32})
		assert.EqualError(t, err, want)
	}

	o, err := New(normed, normed.Init(1), Config{Rho: 0.05, Ascent: Ascent{Fraction: 0.25}, Shards: 4, Base: optim.SGD{LR: 0.1}, Batch: 32})
	require.NoError(t, err)
	_, err = o.Step(learnable(1, 4))
	assert.EqualError(t, err, "sam: a batch of 4 samples leaves 1 to a shard, and the model's normalization needs 2: leave such a batch out")

	o, err = New(plain, plain.Init(1), Config{Rho: 0.05, RhoSchedule: given{math.Inf(1)}, Base: optim.SGD{LR: 0.1}, Batch: 32})
	require.NoError(t, err)
	_, err = o.Step(learnable(1, 32))
	assert.EqualError(t, err, "sam: RhoSchedule: the schedule's factor of step 0 is +Inf, want a finite number that isn't negative")
}

// A fraction is of samples, rounded up, but not by what float64 makes of it.
func TestFractionOfSamples(t *testing.T) {
	for _, c := range []struct {
		fraction float64
		n, want  int
	}{{0.25, 8, 2}, {0.25, 9, 3}, {0.1, 30, 3}, {0.3, 10, 3}, {1, 7, 7}, {1e-12, 5, 1}, {0.999999, 5, 5}} {
		assert.Equal(t, c.want, Ascent{Fraction: c.fraction}.Samples(c.n), "%v of %d", c.fraction, c.n)
	}
}
