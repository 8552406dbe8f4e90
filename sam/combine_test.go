package sam

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/ref"
	"github.com/steppe-ml/steppe/internal/simdtest"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/optim"
)

// combinations are methods that take more than one perturbation and one gradient, each alone and
// those that go together.
var combinations = map[string]Config{
	"orthogonal":              {Descent: Descent{Orthogonal: 0.4}},
	"orthogonal, adaptive":    {Ascent: Ascent{Adaptive: true, Eta: 0.05}, Descent: Descent{Orthogonal: 2}},
	"orthogonal, norm only":   {Ascent: Ascent{NormOnly: true}, Descent: Descent{Orthogonal: 0.4}},
	"orthogonal, one in two":  {Ascent: Ascent{Every: 2}, Descent: Descent{Orthogonal: 0.4}},
	"orthogonal, rho with lr": {RhoWithLR: true, RhoMin: 0.1, LRSchedule: optim.Linear{Steps: 5, From: 1, To: 0.2}, Descent: Descent{Orthogonal: 0.4}},
	"weighted":                {Descent: Descent{Weight: 0.8}},
	"weighted lightly":        {Descent: Descent{Weight: 0.2}},
	"weighted, decoupled":     {Descent: Descent{Weight: 0.9, Decoupled: true}},
	"weighted as SAM, beside": {Descent: Descent{Weight: 0.5, Decoupled: true}},
	"look":                    {Ascent: Ascent{Every: 3}, Descent: Descent{Look: 0.7}},
	"look, adaptive":          {Ascent: Ascent{Every: 2, Adaptive: true, Eta: 0.05}, Descent: Descent{Look: 0.3}},
	"friendly":                {Ascent: Ascent{Sigma: 1, Lambda: 0.6}},
	"friendly, one in two":    {Ascent: Ascent{Sigma: 0.7, Every: 2}},
	"friendly, adaptive":      {Ascent: Ascent{Sigma: 1, Adaptive: true, Eta: 0.05}},
	"friendly, orthogonal":    {Ascent: Ascent{Sigma: 0.5}, Descent: Descent{Orthogonal: 0.4}},
	"repeated":                {Ascent: Ascent{Steps: 3}},
	"repeated, adaptive":      {Ascent: Ascent{Steps: 2, Adaptive: true, Eta: 0.05}},
	"repeated, by fraction":   {Ascent: Ascent{Steps: 2, Fraction: 0.6}},
	"repeated, norm only":     {Ascent: Ascent{Steps: 2, NormOnly: true}},
	"repeated, friendly":      {Ascent: Ascent{Steps: 2, Sigma: 0.5, Every: 2}},
	"repeated, look":          {Ascent: Ascent{Steps: 2, Every: 2}, Descent: Descent{Look: 0.7}},
	"momentum":                {Ascent: Ascent{Momentum: true}},
	"momentum, adaptive":      {Ascent: Ascent{Momentum: true, Adaptive: true, Eta: 0.05, Every: 2}},
}

// methodOracle takes steps of a combination in float64, from the parameters that the step has.
type methodOracle struct {
	sub     subject
	cfg     Config // with its defaults filled in
	average []float64
	looked  []float64 // what LookSAM keeps
}

// given returns what the base optimizer is given in a step, and what is subtracted from the
// parameters apart from it for a learning rate of 1. The momentum is the base optimizer's.
func (m *methodOracle) given(step int, w, momentum []float64, x [][]float64, loss ref.Loss) (given, apart []float64) {
	c := m.cfg
	a := oracleOf(c.Ascent, m.sub.model, c.Rho)
	a.Steps = c.Ascent.Steps
	if c.RhoWithLR {
		a.Rho = c.RhoMin + (c.Rho-c.RhoMin)*c.LRSchedule.Factor(uint64(step))
	}
	if step%c.Ascent.Every != 0 {
		_, _, g := m.sub.oracle.GradientOfShards(w, x, ends(len(x), c.Batch, c.Shards), loss)
		if c.Ascent.Sigma > 0 {
			m.average = ref.FriendlyAverage(m.average, g, c.Ascent.Lambda)
		}
		if c.Descent.Look > 0 {
			return ref.LookSAM(g, m.looked, c.Descent.Look), nil
		}
		return g, nil
	}
	if c.Ascent.Momentum {
		ahead := a.Perturbed(w, ref.Scaled(-1, momentum))
		_, _, g := m.sub.oracle.GradientOfShards(ahead, x, ends(len(x), c.Batch, c.Shards), loss)
		return g, nil
	}
	if m.average != nil {
		a.Less = ref.Scaled(c.Ascent.Sigma, m.average)
	}
	_, g, ghat := m.sub.oracle.MSAMGradients(w, x, ends(len(x), c.Batch, c.Shards), a, loss)
	if c.Ascent.Sigma > 0 {
		m.average = ref.FriendlyAverage(m.average, g, c.Ascent.Lambda)
	}
	switch d := c.Descent; {
	case d.Orthogonal > 0:
		return ref.GSAM(g, ghat, d.Orthogonal), nil
	case d.Decoupled:
		_, apart := ref.WSAM(g, ghat, d.Weight)
		return g, apart
	case d.Weight > 0:
		given, _ := ref.WSAM(g, ghat, d.Weight)
		return given, nil
	}
	m.looked = ref.Orthogonal(ghat, g)
	return ghat, nil
}

// spy is SGD that keeps what it was given.
type spy struct {
	optim.SGD
	given []float32
}

func (s *spy) Update(at optim.Step, w, g []float32, state [][]float32) {
	if len(s.given) == 0 {
		s.given = make([]float32, 0, 1<<16)
	}
	s.given = append(s.given, g...)
	s.SGD.Update(at, w, g, state)
}

func TestCombinationsAgainstOracle(t *testing.T) {
	const batch, rho = 60, 0.3
	simdtest.SlowEachISA(t, func(t *testing.T) {
		for _, sub := range ascentSubjects(t) {
			counts := []int{1, 7, 20}
			if testing.Short() {
				counts = []int{1, 7}
			}
			if sub.name == "images" { // whose oracle takes its time
				if testing.Short() {
					continue
				}
				counts = []int{1, 5}
			}
			for way, cfg := range combinations {
				if cfg.Ascent.NormOnly && !hasNorms(sub.model) || sub.name == "images" && strings.Contains(way, ",") {
					continue
				}
				for _, shards := range counts {
					if fewest := cfg.Ascent.Samples(batch / shards); fewest < max(4, sub.model.MinShard()) && hasNorms(sub.model) {
						continue
					}
					for name, force := range arithmetics {
						if force.perturb == factored && cfg.Ascent.forms() || name != "planned" && (shards != 7 || sub.name != "mlp" && sub.name != "layernorm" || testing.Short()) {
							continue
						}
						t.Run(fmt.Sprintf("%s/%s/%s/shards=%d", sub.name, way, name, shards), func(t *testing.T) {
							base := &spy{SGD: optim.SGD{LR: 0.1, Momentum: 0.9, WeightDecay: 0.01}}
							cfg := cfg
							cfg.Rho, cfg.Shards, cfg.Base, cfg.Batch, cfg.Workers, cfg.force = rho, shards, base, batch, 1+shards%3, force
							checkCombination(t, sub, cfg, base, func(seed uint64, n int) (net.Batch, [][]float64, ref.Loss) {
								b := learnable(seed, n)
								return b, ref.Rows(b.X, n), ref.SoftmaxLoss(b.Labels)
							})
						})
					}
				}
			}
		}
	})
}

// So do those of text, whose shards weigh by their terms, and whose tables are tied or not.
func TestTextCombinationsAgainstOracle(t *testing.T) {
	simdtest.SlowEachISA(t, func(t *testing.T) {
		for _, sub := range textSubjects(t) {
			for _, way := range []string{"orthogonal", "weighted, decoupled", "look", "friendly", "repeated", "momentum"} {
				for _, shards := range []int{1, 6} {
					t.Run(fmt.Sprintf("%s/%s/shards=%d", sub.name, way, shards), func(t *testing.T) {
						base := &spy{SGD: optim.SGD{LR: 0.1, Momentum: 0.9, WeightDecay: 0.01}}
						cfg := combinations[way]
						cfg.Rho, cfg.Shards, cfg.Base, cfg.Batch, cfg.Workers = 0.3, shards, base, 24, 2
						checkCombination(t, sub, cfg, base, func(seed uint64, n int) (net.Batch, [][]float64, ref.Loss) {
							b := randomText(seed, n)
							x, loss := textLoss(sub.model, b)
							return b, x, loss
						})
					})
				}
			}
		}
	})
}

// checkCombination takes some steps, of full batches and a short one, and compares each with the
// oracle's.
func checkCombination(t *testing.T, sub subject, cfg Config, base *spy, batch func(seed uint64, n int) (net.Batch, [][]float64, ref.Loss)) {
	params := sub.model.Init(3)
	o, err := New(sub.model, params, cfg)
	require.NoError(t, err)
	oracle := &methodOracle{sub: sub, cfg: o.Config()}
	for step, n := range []int{cfg.Batch, cfg.Batch - 7, cfg.Batch, cfg.Batch} {
		b, x, loss := batch(uint64(step), n)
		w, momentum := ref.Float64s(params.Values), ref.Float64s(o.State().Vectors[0])
		want, apart := oracle.given(step, w, momentum, x, loss)
		base.given = base.given[:0]
		stats, err := o.Step(b)
		require.NoError(t, err)
		requireNear(t, want, base.given, 1e-4, "step", step)
		assert.InEpsilon(t, ref.Norm(want), stats.GradNorm, 1e-4)

		// What is apart from the base optimizer's update is what it hasn't done.
		alone, state := slices.Clone(toFloat32(w)), [][]float32{toFloat32(momentum)}
		base.SGD.Update(optim.Step{Number: uint64(step), LearningRate: stats.LearningRate, WeightDecay: 0.01, GradScale: 1}, alone, base.given, state)
		got := make([]float64, len(w))
		for i := range got {
			got[i] = (float64(alone[i]) - float64(params.Values[i])) / stats.LearningRate
		}
		if apart == nil {
			require.Zero(t, ref.Norm(got), "step %d", step)
		} else {
			require.InDelta(t, 0, ref.Norm(ref.Axpy(-1, apart, got)), 1e-4*ref.Norm(apart)+1e-5, "step %d", step)
		}
	}
}

func toFloat32(x []float64) []float32 {
	y := make([]float32, len(x))
	for i, v := range x {
		y[i] = float32(v)
	}
	return y
}

// At its neutral setting a method is SAM, mSAM or the base optimizer, bit for bit. An alpha or a
// sigma that is all but 0 takes the method's whole way.
func TestNeutralSettings(t *testing.T) {
	const batch, least = 48, 1e-44
	base := optim.SGD{LR: 0.1, Momentum: 0.9}
	train := func(sub subject, cfg Config) []float32 {
		cfg.Base, cfg.Batch, cfg.Workers, cfg.force = base, batch, 2, force{perturb: formed}
		params := sub.model.Init(7)
		o, err := New(sub.model, params, cfg)
		require.NoError(t, err)
		for step := range 4 {
			_, err := o.Step(learnable(uint64(step), batch-5*(step%2)))
			require.NoError(t, err)
		}
		return append(params.Values, params.State...)
	}
	for _, shards := range []int{1, 6} {
		msam, third := Config{Rho: 0.2, Shards: shards}, Config{Rho: 0.2, Shards: shards, Ascent: Ascent{Every: 3}}
		for name, c := range map[string]struct{ method, neutral Config }{
			"GSAM":           {Config{Rho: 0.2, Shards: shards, Descent: Descent{Orthogonal: least}}, msam},
			"rho with lr":    {Config{Rho: 0.2, Shards: shards, RhoWithLR: true, RhoMin: 0.2, LRSchedule: given{1, 1, 1, 1}}, msam},
			"WSAM":           {Config{Rho: 0.2, Shards: shards, Descent: Descent{Weight: 0.5}}, msam},
			"LookSAM":        {Config{Rho: 0.2, Shards: shards, Ascent: third.Ascent, Descent: Descent{Look: least}}, third},
			"one ascent":     {Config{Rho: 0.2, Shards: shards, Ascent: Ascent{Steps: 1}}, msam},
			"Friendly SAM":   {Config{Rho: 0.2, Shards: shards, Ascent: Ascent{Sigma: least}}, msam},
			"Momentum-SAM":   {Config{Rho: 0.2, Shards: shards, Ascent: Ascent{Momentum: true}, RhoSchedule: given{0, 0, 0, 0}}, Config{Shards: shards}},
			"LookSAM, rho 0": {Config{Rho: 0.2, RhoSchedule: given{1, 0, 0, 0}, Shards: shards, Ascent: Ascent{Every: 2}, Descent: Descent{Look: 0.7}}, Config{Rho: 0.2, RhoSchedule: given{1, 0, 0, 0}, Shards: shards}},
		} {
			for _, sub := range ascentSubjects(t) {
				if sub.name == "images" {
					continue
				}
				assert.Equal(t, train(sub, c.neutral), train(sub, c.method), "%s, %s, %d shards", name, sub.name, shards)
			}
		}
	}
}

// A run that is saved and goes on in another optimizer ends with the same bits. A state that isn't
// the method's is refused, and changes nothing.
func TestCombinationsResume(t *testing.T) {
	const batch = 40
	for way, cfg := range combinations {
		sub := ascentSubjects(t)[2] // batchnorm
		cfg.Rho, cfg.Shards, cfg.Batch, cfg.Workers = 0.2, 4, batch, 2
		cfg.Base = optim.AdamW{LR: 0.01}
		for stop := 1; stop <= 4; stop++ {
			params := sub.model.Init(5)
			o, err := New(sub.model, params, cfg)
			require.NoError(t, err)
			again := params.Clone()
			for step := range 6 {
				if step == stop {
					again = params.Clone()
					other, err := New(sub.model, again, cfg)
					require.NoError(t, err)
					require.NoError(t, other.Restore(o.State()))
					for step := stop; step < 6; step++ {
						_, err := other.Step(learnable(uint64(step), batch-step))
						require.NoError(t, err)
					}
				}
				_, err := o.Step(learnable(uint64(step), batch-step))
				require.NoError(t, err)
			}
			require.Equal(t, params, again, "%s, stopped after %d", way, stop)
		}
	}
	sub := subjects(t)[1]
	o, err := New(sub.model, sub.model.Init(1), Config{Rho: 0.1, Ascent: Ascent{Sigma: 1}, Base: optim.SGD{LR: 0.1}, Batch: 8})
	require.NoError(t, err)
	_, err = o.Step(learnable(1, 8))
	require.NoError(t, err)
	before := o.State()
	for want, change := range map[string]func(*optim.State){
		"sam: state of 1 vectors, want 2: 1 of the base optimizer, and 1 of the method":          func(s *optim.State) { s.Vectors = s.Vectors[:1] },
		"sam: state vector 1 has 3 values, want 1900, one a parameter":                           func(s *optim.State) { s.Vectors[1] = s.Vectors[1][:3] },
		"sam: state vector 1 is NaN at 1.Dense.weight, want a finite number":                     func(s *optim.State) { s.Vectors[1][2] = float32(math.NaN()) },
		`optim: State.Rule is "optim.AdamW", want "optim.SGD", the type of the Optimizer's rule`: func(s *optim.State) { s.Rule = "optim.AdamW" },
	} {
		s := o.State()
		change(&s)
		assert.EqualError(t, o.Restore(s), want)
		assert.Equal(t, before, o.State())
	}
}

func TestCombinationErrors(t *testing.T) {
	sub := subjects(t)[1]
	for want, change := range map[string]func(*Config){
		"sam: Descent.Orthogonal is -1, want 0 or a positive float32":                                                                          func(c *Config) { c.Descent.Orthogonal = -1 },
		"sam: Descent.Look is NaN, want 0 or a positive float32":                                                                               func(c *Config) { c.Descent.Look = math.NaN() },
		"sam: Descent.Look is 0.7, and Ascent.Every is 0: no step looks back":                                                                  func(c *Config) { c.Descent.Look = 0.7 },
		"sam: Descent.Weight is 1, want at least 0 and less than 1":                                                                            func(c *Config) { c.Descent.Weight = 1 },
		"sam: Descent.Decoupled is true without Descent.Weight":                                                                                func(c *Config) { c.Descent.Decoupled = true },
		"sam: both Descent.Orthogonal is 0.4 and Descent.Weight is 0.9, want one of them":                                                      func(c *Config) { c.Descent = Descent{Orthogonal: 0.4, Weight: 0.9} },
		"sam: Descent.Orthogonal is 0.4, and Rho is 0, which perturbs nothing":                                                                 func(c *Config) { c.Rho, c.Descent.Orthogonal = 0, 0.4 },
		"sam: Descent.Weight is 0.9, which needs the gradient of the batch at w, and Ascent.Fraction is 0.5":                                   func(c *Config) { c.Ascent.Fraction, c.Descent.Weight = 0.5, 0.9 },
		"sam: Ascent.Sigma is 1, which needs the gradient of the batch at w, and Ascent.Fraction is 0.5":                                       func(c *Config) { c.Ascent = Ascent{Fraction: 0.5, Sigma: 1} },
		"sam: both Descent.Look is 0.7 and Ascent.Sigma is 1, want one of them: a step that looks back has no gradient for the moving average": func(c *Config) { c.Ascent, c.Descent.Look = Ascent{Sigma: 1, Every: 2}, 0.7 },
		"sam: Ascent.Sigma is -1, want 0 or a positive float32":                                                                                func(c *Config) { c.Ascent.Sigma = -1 },
		"sam: Ascent.Lambda is 1, want between 0 and 1":                                                                                        func(c *Config) { c.Ascent = Ascent{Sigma: 1, Lambda: 1} },
		"sam: Ascent.Lambda is 0.5 without Ascent.Sigma":                                                                                       func(c *Config) { c.Ascent.Lambda = 0.5 },
		"sam: Ascent.Sigma is 1, and Rho is 0, which perturbs nothing":                                                                         func(c *Config) { c.Rho, c.Ascent.Sigma = 0, 1 },
		"sam: Ascent.Steps is -1, want at least 1":                                                                                             func(c *Config) { c.Ascent.Steps = -1 },
		"sam: Ascent.Momentum is true, and the base optimizer, optim.SGD, keeps no momentum: want SGD with Momentum, or AdamW":                 func(c *Config) { c.Ascent.Momentum = true },
		"sam: Ascent.Momentum is true, which takes no gradient to perturb, and Ascent.Steps is 2":                                              func(c *Config) { c.Ascent = Ascent{Momentum: true, Steps: 2} },
		"sam: Descent.Orthogonal is 0.4, which needs two gradients, and Ascent.Momentum takes one":                                             func(c *Config) { c.Base, c.Ascent.Momentum, c.Descent.Orthogonal = optim.AdamW{LR: 0.1}, true, 0.4 },
		"sam: RhoMin is 0.1 without RhoWithLR":                                                                                                 func(c *Config) { c.RhoMin = 0.1 },
		"sam: RhoMin is 0.2, want at least 0 and at most Rho, 0.05":                                                                            func(c *Config) { c.RhoWithLR, c.RhoMin = true, 0.2 },
		"sam: RhoWithLR is true, and Rho is 0, which perturbs nothing":                                                                         func(c *Config) { c.Rho, c.RhoWithLR = 0, true },
		"sam: both RhoWithLR and RhoSchedule are set, want one of them":                                                                        func(c *Config) { c.RhoWithLR, c.RhoSchedule = true, given{1} },
		"sam: Ascent.Steps is 2, which needs formed gradients, and the test forces factored ones":                                              func(c *Config) { c.Ascent.Steps, c.force.perturb = 2, factored },
	} {
		c := Config{Rho: 0.05, Shards: 4, Base: optim.SGD{LR: 0.1}, Batch: 32}
		change(&c)
		_, err := New(sub.model, sub.model.Init(1), c)
		assert.EqualError(t, err, want)
	}
}
