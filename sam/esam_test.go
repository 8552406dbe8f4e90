package sam

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/internal/ref"
	"github.com/steppe-ml/steppe/internal/simdtest"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/op"
	"github.com/steppe-ml/steppe/net/optim"
)

// esams are ESAM's parts, each alone and with what they go together with.
var esams = map[string]Config{
	"tensors":                     {Ascent: Ascent{Tensors: 0.6}},
	"samples":                     {Descent: Descent{Samples: 0.5}},
	"both":                        {Ascent: Ascent{Tensors: 0.6}, Descent: Descent{Samples: 0.5}},
	"few of both":                 {Ascent: Ascent{Tensors: 0.3}, Descent: Descent{Samples: 0.4}},
	"both, adaptive":              {Ascent: Ascent{Tensors: 0.6, Adaptive: true, Eta: 0.05}, Descent: Descent{Samples: 0.7}},
	"both, norm only":             {Ascent: Ascent{Tensors: 0.6, NormOnly: true}, Descent: Descent{Samples: 0.5}},
	"both, repeated":              {Ascent: Ascent{Tensors: 0.6, Steps: 2}, Descent: Descent{Samples: 0.5}},
	"samples, friendly":           {Ascent: Ascent{Sigma: 1}, Descent: Descent{Samples: 0.5}},
	"tensors, by fraction":        {Ascent: Ascent{Tensors: 0.6, Fraction: 0.5}},
	"tensors, adaptive, repeated": {Ascent: Ascent{Tensors: 0.6, Adaptive: true, Eta: 0.05, Steps: 2}},
}

// drawnOracle is the oracle of a step's ascent, with the tensors that the step has drawn.
func drawnOracle(c Config, model *net.Model, drawn *perturbed) ref.Ascent {
	a := oracleOf(c.Ascent, model, c.Rho/c.Ascent.resolved().Tensors)
	a.Steps, a.Samples = c.Ascent.Steps, c.Descent.Samples
	in := make([]bool, model.NumParams())
	for _, r := range drawn.regions {
		for i := r.From; i < r.To; i++ {
			in[i] = r.scaling != zero
		}
	}
	t := a.T
	a.T = func(i int, w float64) float64 {
		if !in[i] {
			return 0
		}
		return t(i, w)
	}
	return a
}

func TestESAMAgainstOracle(t *testing.T) {
	const batch, rho = 60, 0.3
	simdtest.SlowEachISA(t, func(t *testing.T) {
		for _, sub := range ascentSubjects(t) {
			counts := []int{1, 3, 7}
			if sub.name == "images" { // whose oracle takes its time
				counts = []int{1, 4}
			}
			for way, cfg := range esams {
				if cfg.Ascent.NormOnly && !hasNorms(sub.model) || sub.name == "images" && testing.Short() && way != "both" {
					continue
				}
				for i, shards := range counts {
					cfg := cfg
					cfg.Rho, cfg.Shards, cfg.Base, cfg.Batch, cfg.Workers = rho, shards, optim.SGD{LR: 0.1}, batch, 1+i
					cfg.Seed = uint64(17 * shards)
					fewest := min(cfg.Ascent.Samples(batch/shards), cfg.Descent.of(batch/shards))
					checkESAM(t, sub, way, cfg, tolerance(sub, fewest), func(n int) (net.Batch, [][]float64, ref.Loss) {
						b := learnable(uint64(100+n), n) // of which no rounding turns a ReLU
						return b, ref.Rows(b.X, n), ref.SoftmaxLoss(b.Labels)
					}, batch, batch-7)
				}
			}
		}
	})
}

func TestESAMOfTextAgainstOracle(t *testing.T) {
	const batch, rho = 24, 0.3
	simdtest.SlowEachISA(t, func(t *testing.T) {
		for _, sub := range textSubjects(t) {
			for _, way := range []string{"tensors", "samples", "both", "both, repeated"} {
				for i, shards := range []int{1, 3, 5} {
					cfg := esams[way]
					cfg.Rho, cfg.Shards, cfg.Base, cfg.Batch, cfg.Workers = rho, shards, optim.SGD{LR: 0.1}, batch, 1+i
					cfg.Seed = uint64(17 * shards)
					checkESAM(t, sub, way, cfg, 1e-5, func(n int) (net.Batch, [][]float64, ref.Loss) {
						b := randomText(uint64(n), n)
						x, loss := textLoss(sub.model, b)
						return b, x, loss
					}, textBatches...)
				}
			}
		}
	})
}

// checkESAM compares gradients of batches of some sizes with the oracle's, by every arithmetic and
// several tiles.
func checkESAM(t *testing.T, sub subject, way string, cfg Config, near float64, draw func(n int) (net.Batch, [][]float64, ref.Loss), sizes ...int) {
	type known struct {
		loss float64
		g    []float64
	}
	oracle := map[int]known{}
	for name, f := range map[string]force{
		"planned": {}, "units": {sum: byUnits, partsPerTile: 2}, "deferred": {sum: deferred, partsPerTile: 1}, "together": {partsPerTile: 3, together: true},
	} {
		t.Run(fmt.Sprintf("%s/%s/%s/shards=%d", sub.name, way, name, cfg.Shards), func(t *testing.T) {
			cfg := cfg
			cfg.force = f
			params := sub.model.Init(3)
			o, err := New(sub.model, params, cfg)
			require.NoError(t, err)
			for _, n := range sizes {
				b, x, loss := draw(n)
				stats, err := o.gradient(b)
				require.NoError(t, err)
				if stats.Rho == 0 {
					require.Empty(t, drawnTensors(o), "a step that perturbs nothing has drawn nothing")
					continue
				}
				want, ok := oracle[n]
				if !ok {
					want.loss, want.g = sub.oracle.MSAMBy(ref.Float64s(params.Values), x, ends(n, cfg.Batch, cfg.Shards), drawnOracle(cfg, sub.model, o.run.perturbed), loss)
					oracle[n] = want
				}
				requireNear(t, want.g, o.ghat, near, "n =", n)
				assert.InEpsilon(t, want.loss, stats.Loss, near)
			}
		})
	}
}

// drawnTensors returns which tensors the next step draws.
func drawnTensors(o *Optimizer) (names []string) {
	drawn := o.draw(o.base.Steps())
	for _, v := range o.model.Params() {
		if drawn != nil && perturbs(within(drawn.regions, num.Range(v.Offset, v.Offset+v.Shape.Size()))) {
			names = append(names, v.Name)
		}
	}
	return names
}

// Of all tensors and all samples, ESAM is SAM bit for bit. Of all samples, its steps that draw no
// tensor are the base optimizer's.
func TestNeutralESAM(t *testing.T) {
	const batch, steps = 48, 4
	train := func(sub subject, cfg Config) (values []float32, all []Stats) {
		cfg.Base, cfg.Batch, cfg.Workers, cfg.Seed = optim.SGD{LR: 0.1, Momentum: 0.9}, batch, 2, 3
		params := sub.model.Init(5)
		o, err := New(sub.model, params, cfg)
		require.NoError(t, err)
		for step := range steps {
			stats, err := o.Step(learnable(uint64(step), batch-step))
			require.NoError(t, err)
			all = append(all, stats)
		}
		return append(params.Values, params.State...), all
	}
	for _, sub := range ascentSubjects(t) {
		for _, shards := range []int{1, 8} {
			want, stats := train(sub, Config{Rho: 0.1, Shards: shards})
			got, same := train(sub, Config{Rho: 0.1, Shards: shards, Ascent: Ascent{Tensors: 1}, Descent: Descent{Samples: 1}})
			require.Equal(t, want, got, "%s, %d shards", sub.name, shards)
			require.Equal(t, stats, same, "%s, %d shards", sub.name, shards)

			want, stats = train(sub, Config{Shards: shards})
			got, same = train(sub, Config{Rho: 0.1, Shards: shards, Ascent: Ascent{Tensors: 1e-9}})
			require.Equal(t, stats, same, "%s, %d shards", sub.name, shards)
			require.Equal(t, want, got, "%s, %d shards", sub.name, shards)
			got, same = train(sub, Config{Rho: 0.1, Shards: shards, Ascent: Ascent{Tensors: 1e-9}, Descent: Descent{Samples: 0.5}})
			for i := range stats { // a shard's gradient is summed in one piece
				require.InEpsilon(t, stats[i].Loss, same[i].Loss, 1e-4)
				require.Zero(t, same[i].Rho)
			}
			requireNear(t, ref.Float64s(want), got, 1e-4, sub.name, shards)
		}
	}
}

// Each tensor is drawn with the probability, apart from the others, by seed and step alone.
func TestDraws(t *testing.T) {
	const steps, beta = 4000, 0.6
	model := subjects(t)[1].model
	optimizer := func(seed uint64, groups ...optim.Group) *Optimizer {
		o, err := New(model, model.Init(1), Config{Rho: 0.1, Ascent: Ascent{Tensors: beta}, Base: optim.SGD{LR: 0.1}, Batch: 8, Seed: seed, Groups: groups})
		require.NoError(t, err)
		return o
	}
	draws := func(o *Optimizer) (all [][]bool) {
		for step := range uint64(steps) {
			drawn, in := o.draw(step), make([]bool, len(o.tensors))
			for i, v := range model.Params() {
				in[i] = drawn != nil && perturbs(within(drawn.regions, num.Range(v.Offset, v.Offset+v.Shape.Size())))
			}
			require.Equal(t, slices.Contains(in, true), drawn != nil)
			all = append(all, in)
		}
		return all
	}
	all := draws(optimizer(1))
	require.Equal(t, all, draws(optimizer(1)))
	require.NotEqual(t, all, draws(optimizer(2)))
	often := func(of func(in []bool) bool) float64 {
		n := 0
		for _, in := range all {
			if of(in) {
				n++
			}
		}
		return float64(n) / steps
	}
	for i := range all[0] {
		assert.InDelta(t, beta, often(func(in []bool) bool { return in[i] }), 0.03, "tensor %d", i) // four deviations
		for j := range i {
			assert.InDelta(t, beta*beta, often(func(in []bool) bool { return in[i] && in[j] }), 0.03, "tensors %d and %d", i, j)
		}
	}

	// Tensors that groups exclude are never drawn, and change no other's draw.
	for step, in := range draws(optimizer(1, optim.Group{Match: optim.Names("3.*"), Frozen: true})) {
		require.Equal(t, append(slices.Clone(all[step][:2]), false, false, all[step][4], all[step][5]), in)
	}
}

// The samples are those whose loss rises most, of equal ones the first, as many as the fraction
// says, rounded up. Those that can stay in their place do.
func TestRank(t *testing.T) {
	p := newPicks(8, 1)
	before := []float64{1, 2, 3, 4, 5, 6, 7, 8}
	after := []float64{2, 2, 5, 4, 6, 6, 9, 9} // rises by 1, 0, 2, 0, 1, 0, 2, 1
	for _, c := range []struct {
		k                int
		order, ascending []int
	}{
		{1, []int{2}, []int{2}},
		{2, []int{2, 6}, []int{2, 6}},
		{3, []int{0, 6, 2}, []int{0, 2, 6}},
		{4, []int{0, 4, 2, 6}, []int{0, 2, 4, 6}},
		{5, []int{0, 6, 2, 7, 4}, []int{0, 2, 4, 6, 7}},
		{6, []int{0, 1, 2, 6, 4, 7}, []int{0, 1, 2, 4, 6, 7}},
		{8, []int{0, 1, 2, 3, 4, 5, 6, 7}, []int{0, 1, 2, 3, 4, 5, 6, 7}},
	} {
		p.rank(before, after, c.k, false)
		assert.Equal(t, c.order, p.ranking, "%d samples", c.k)
		p.rank(before, after, c.k, true)
		assert.Equal(t, c.ascending, p.ranking, "%d samples", c.k)
	}
	for _, c := range []struct {
		fraction float64
		n, want  int
	}{{0.5, 8, 4}, {0.5, 9, 5}, {0.1, 30, 3}, {1, 7, 7}, {0, 7, 7}, {1e-12, 5, 1}, {0.999999, 5, 5}} {
		assert.Equal(t, c.want, Descent{Samples: c.fraction}.of(c.n), "%v of %d", c.fraction, c.n)
	}
}

// Training that is stopped and resumed goes on bit for bit: draws depend on the step's number.
func TestESAMResumes(t *testing.T) {
	const batch = 40
	for _, sub := range ascentSubjects(t) {
		for _, shards := range []int{1, 5} {
			cfg := Config{Rho: 0.1, Shards: shards, Ascent: Ascent{Tensors: 0.6}, Descent: Descent{Samples: 0.5}, Base: optim.SGD{LR: 0.1, Momentum: 0.9}, Batch: batch, Seed: 9}
			params := sub.model.Init(1)
			o, err := New(sub.model, params, cfg)
			require.NoError(t, err)
			var half *net.Params
			var state optim.State
			for step := range 8 {
				if step == 3 {
					half, state = params.Clone(), o.State()
				}
				_, err := o.Step(learnable(uint64(step), batch-step))
				require.NoError(t, err)
			}
			again, err := New(sub.model, half, cfg)
			require.NoError(t, err)
			require.NoError(t, again.Restore(state))
			for step := 3; step < 8; step++ {
				_, err := again.Step(learnable(uint64(step), batch-step))
				require.NoError(t, err)
			}
			require.Equal(t, params, half, "%s, %d shards", sub.name, shards)
		}
	}
}

// The memory is what was planned, and a bound on it changes no bit.
func TestESAMMemory(t *testing.T) {
	const batch = 48
	for _, sub := range append(ascentSubjects(t), textSubjects(t)...) {
		for _, shards := range []int{1, 4, 12} {
			train := func(limit, workers int) (*Optimizer, []float32, error) {
				params := sub.model.Init(5)
				o, err := New(sub.model, params, Config{
					Rho: 0.1, Shards: shards, Ascent: Ascent{Tensors: 0.6}, Descent: Descent{Samples: 0.5},
					Base: optim.SGD{LR: 0.1}, Batch: batch, Workers: workers, MaxMemory: limit,
				})
				if err != nil {
					return nil, nil, err
				}
				for step := range 3 {
					b := learnable(uint64(step), batch-9*step)
					if sub.model.Vocabulary() > 0 {
						b = randomText(uint64(step), batch-9*step)
					}
					_, err := o.Step(b)
					require.NoError(t, err)
				}
				return o, params.Values, nil
			}
			free, want, err := train(0, 1)
			require.NoError(t, err)
			require.Equal(t, free.plan.memory, taken(free), "%s, %d shards", sub.name, shards)
			require.Positive(t, free.plan.memory.Selected)
			_, _, err = train(1, 2)
			var memory *MemoryError
			require.ErrorAs(t, err, &memory)
			bounded, got, err := train(memory.Least, 2)
			require.NoError(t, err)
			require.Equal(t, memory.Least, bounded.plan.bytes)
			require.Equal(t, want, got, "%s, %d shards", sub.name, shards)
		}
	}
}

func TestESAMErrors(t *testing.T) {
	plain, normed := subjects(t)[1].model, subjects(t)[2].model
	coupled, err := net.Compile(net.Shape{inputs}, coupling{}, net.Dense{Out: classes})
	require.NoError(t, err)
	nan := math.NaN()
	for _, c := range []struct {
		want   string
		model  *net.Model
		change func(*Config)
	}{
		{"sam: Ascent.Tensors is -0.5, want 0 < Tensors <= 1, or 0 for 1", plain, func(c *Config) { c.Ascent.Tensors = -0.5 }},
		{"sam: Ascent.Tensors is NaN, want 0 < Tensors <= 1, or 0 for 1", plain, func(c *Config) { c.Ascent.Tensors = nan }},
		{"sam: Ascent.Tensors is 0.6, and Rho is 0, which perturbs nothing", plain, func(c *Config) { c.Rho, c.Ascent.Tensors = 0, 0.6 }},
		{"sam: Ascent.Tensors is 0.6, which leaves out gradients at w, and Descent.Orthogonal is 0.4, which needs all of them", plain, func(c *Config) { c.Ascent.Tensors, c.Descent.Orthogonal = 0.6, 0.4 }},
		{"sam: Ascent.Tensors is 0.6, which leaves out gradients at w, and Ascent.Sigma is 1, which needs all of them", plain, func(c *Config) { c.Ascent.Tensors, c.Ascent.Sigma = 0.6, 1 }},
		{"sam: Ascent.Momentum is true, which takes no gradient to perturb, and Ascent.Tensors is 0.6", plain, func(c *Config) { c.Ascent.Tensors, c.Ascent.Momentum = 0.6, true }},
		{"sam: Ascent.Tensors is 0.6, which needs formed gradients, and the test forces factored ones", plain, func(c *Config) { c.Ascent.Tensors, c.force.perturb = 0.6, factored }},
		{"sam: Descent.Samples is 1.5, want 0 < Samples <= 1, or 0 for all", plain, func(c *Config) { c.Descent.Samples = 1.5 }},
		{"sam: Descent.Samples is NaN, want 0 < Samples <= 1, or 0 for all", plain, func(c *Config) { c.Descent.Samples = nan }},
		{"sam: Descent.Samples is 0.5, and Rho is 0, which perturbs nothing", plain, func(c *Config) { c.Rho, c.Descent.Samples = 0, 0.5 }},
		{"sam: Descent.Samples is 0.5, which compares the losses of all samples at w and at w + eps, and Ascent.Fraction is 0.25, which leaves some out at w", plain, func(c *Config) { c.Ascent.Fraction, c.Descent.Samples = 0.25, 0.5 }},
		{"sam: Descent.Samples is 0.5, which compares losses at w and at w + eps, and Ascent.Momentum takes none at w", plain, func(c *Config) { c.Descent.Samples, c.Ascent.Momentum = 0.5, true }},
		{"sam: Descent.Samples is 0.5, and Descent.Weight is 0.9, which combines two gradients of the same samples", plain, func(c *Config) { c.Descent = Descent{Samples: 0.5, Weight: 0.9} }},
		{"sam: Descent.Samples is 0.5, which needs formed perturbations, and the test forces factored ones", plain, func(c *Config) { c.Descent.Samples, c.force.perturb = 0.5, factored }},
		{"sam: Descent.Samples is 0.1, which leaves 1 of a shard's 8 samples, and the model's normalization needs 2", normed, func(c *Config) { c.Descent.Samples = 0.1 }},
		{"sam: Descent.Samples is 0.5, and layer 0.coupling couples samples: its gradient can't be taken over some of them (op.Traits.Selects)", coupled, func(c *Config) { c.Descent.Samples = 0.5 }},
	} {
		cfg := Config{Rho: 0.05, Shards: 4, Base: optim.SGD{LR: 0.1, Momentum: 0.9}, Batch: 32}
		c.change(&cfg)
		_, err := New(c.model, c.model.Init(1), cfg)
		assert.EqualError(t, err, c.want)
	}
	o, err := New(normed, normed.Init(1), Config{Rho: 0.05, Descent: Descent{Samples: 0.25}, Shards: 4, Base: optim.SGD{LR: 0.1}, Batch: 32})
	require.NoError(t, err)
	_, err = o.Step(learnable(1, 4))
	assert.EqualError(t, err, "sam: a batch of 4 samples leaves 1 to a shard, and the model's normalization needs 2: leave such a batch out")
}

// coupling is a layer that couples samples, and doesn't say that it can go backward over some.
type coupling struct{}

func (l coupling) Build(b op.Builder, in op.Value) (op.Value, error) {
	return b.Add(l, b.Shape(in), in)
}
func (coupling) Traits() op.Traits { return op.Traits{Couples: true} }
func (coupling) Forward(_ *op.Call, _ []float32, in []op.Tensor, out op.Tensor) {
	copy(out.Data, in[0].Data)
}
func (coupling) Backward(_ *op.Call, _ []float32, _ []op.Tensor, _, dout op.Tensor, din []op.Tensor) {
	copy(din[0].Data, dout.Data)
}
func (coupling) Gradient(*op.Call, []op.Tensor, op.Tensor, op.Tensor, []float32) {}

// A user's own loss, a sum of its samples' terms, works: here a squared distance.
func TestESAMOfAUsersLoss(t *testing.T) {
	m, err := net.Compile(net.Shape{1}, net.Dense{Out: 1}, scaledSquares{1})
	require.NoError(t, err)
	params := &net.Params{Values: []float32{1, 0}}
	o, err := New(m, params, Config{Rho: 0.5, Descent: Descent{Samples: 0.5}, Base: optim.SGD{LR: 0.1}, Batch: 4})
	require.NoError(t, err)
	// The outputs at w are 1, 2, 3, 4, and the targets 0. All errors rise, the largest most.
	_, err = o.gradient(net.Batch{N: 4, X: []float32{1, 2, 3, 4}, Targets: make([]float32, 4)})
	require.NoError(t, err)
	g := []float64{30. / 4, 10. / 4}
	norm := math.Hypot(g[0], g[1])
	w, b := 1+0.5*g[0]/norm, 0.5*g[1]/norm
	third, fourth := 3*w+b, 4*w+b
	requireNear(t, []float64{(3*third + 4*fourth) / 2, (third + fourth) / 2}, o.ghat, 1e-6)
}
