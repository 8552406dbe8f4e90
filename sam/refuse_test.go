package sam

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/optim"
)

func TestConfigErrors(t *testing.T) {
	plain, normed := subjects(t)[1].model, subjects(t)[2].model
	good := Config{Rho: 0.05, Shards: 4, Base: optim.SGD{LR: 0.1}, Batch: 32}
	for want, change := range map[string]func(*Config){
		"sam: Rho is -1, want a finite number that isn't negative":                                  func(c *Config) { c.Rho = -1 },
		"sam: Rho is NaN, want a finite number that isn't negative":                                 func(c *Config) { c.Rho = math.NaN() },
		"sam: Rho is +Inf, want a finite number that isn't negative":                                func(c *Config) { c.Rho = math.Inf(1) },
		"sam: Batch is 0, want at least 1 and at most ":                                             func(c *Config) { c.Batch = 0 },
		"sam: Shards is -2, want at least 1":                                                        func(c *Config) { c.Shards = -2 },
		"sam: ShardSize is -1, want at least 1":                                                     func(c *Config) { c.Shards, c.ShardSize = 0, -1 },
		"sam: both Shards (4) and ShardSize (8) are given, want one of them":                        func(c *Config) { c.ShardSize = 8 },
		"sam: 33 shards of a batch of 32 samples, want at least a sample each":                      func(c *Config) { c.Shards = 33 },
		"sam: Base is missing, such as optim.SGD{LR: 0.1}":                                          func(c *Config) { c.Base = nil },
		"sam: SGD.LR is 0, want a positive float32":                                                 func(c *Config) { c.Base = optim.SGD{} },
		"sam: SGD.LR is NaN, want a positive float32":                                               func(c *Config) { c.Base = optim.SGD{LR: math.NaN()} },
		"sam: SGD.Momentum is 1,":                                                                   func(c *Config) { c.Base = optim.SGD{LR: 1, Momentum: 1} },
		"sam: SGD.WeightDecay is -1, want 0 or a positive float32":                                  func(c *Config) { c.Base = optim.SGD{LR: 1, WeightDecay: -1} },
		"sam: SGD.Nesterov is true and SGD.Momentum is 0, want Momentum > 0":                        func(c *Config) { c.Base = optim.SGD{LR: 1, Nesterov: true} },
		"sam: SGD.LR is 1e+39, want a positive float32":                                             func(c *Config) { c.Base = optim.SGD{LR: 1e39} },
		"sam: SGD.Momentum is NaN, want at least 0 and less than 1":                                 func(c *Config) { c.Base = optim.SGD{LR: 1, Momentum: math.NaN()} },
		"sam: SGD.WeightDecay is NaN, want 0 or a positive float32":                                 func(c *Config) { c.Base = optim.SGD{LR: 1, WeightDecay: math.NaN()} },
		"sam: AdamW.LR is 0, want a positive float32":                                               func(c *Config) { c.Base = optim.AdamW{} },
		"sam: AdamW.LR is NaN, want a positive float32":                                             func(c *Config) { c.Base = optim.AdamW{LR: math.NaN()} },
		"sam: AdamW.LR is -1, want a positive float32":                                              func(c *Config) { c.Base = optim.AdamW{LR: -1} },
		"sam: AdamW.Beta1 is 1, want more than 0 and less than 1":                                   func(c *Config) { c.Base = optim.AdamW{LR: 1, Beta1: 1} },
		"sam: AdamW.Beta1 is NaN, want more than 0 and less than 1":                                 func(c *Config) { c.Base = optim.AdamW{LR: 1, Beta1: math.NaN()} },
		"sam: AdamW.Beta2 is -0.5, want more than 0 and less than 1":                                func(c *Config) { c.Base = optim.AdamW{LR: 1, Beta2: -0.5} },
		"sam: AdamW.Beta2 is 0.99999999, which is 1 as a float32, want more than 0 and less than 1": func(c *Config) { c.Base = optim.AdamW{LR: 1, Beta2: 0.99999999} },
		"sam: AdamW.Epsilon is -1e-08, want a positive float32":                                     func(c *Config) { c.Base = optim.AdamW{LR: 1, Epsilon: -1e-8} },
		"sam: AdamW.Epsilon is 1e-50, want a positive float32":                                      func(c *Config) { c.Base = optim.AdamW{LR: 1, Epsilon: 1e-50} },
		"sam: AdamW.WeightDecay is +Inf, want 0 or a positive float32":                              func(c *Config) { c.Base = optim.AdamW{LR: 1, WeightDecay: math.Inf(1)} },
		"sam: Clip is -1, want a finite number that isn't negative, 0 for no limit":                 func(c *Config) { c.Clip = -1 },
		"sam: Clip is NaN, want a finite number that isn't negative, 0 for no limit":                func(c *Config) { c.Clip = math.NaN() },
		"sam: Clip is +Inf, want a finite number that isn't negative, 0 for no limit":               func(c *Config) { c.Clip = math.Inf(1) },
		"sam: Workers is -1, want at least 1, or 0 for the default":                                 func(c *Config) { c.Workers = -1 },
	} {
		c := good
		change(&c)
		_, err := New(plain, plain.Init(1), c)
		assert.ErrorContains(t, err, want)
	}

	c := good
	c.Shards = 20
	_, err := New(normed, normed.Init(1), c)
	assert.EqualError(t, err, "sam: Shards is 20, which leaves 1 of a batch's 32 samples to a shard, and the model's normalization needs 2")

	_, err = New(plain, &net.Params{Values: make([]float32, 3)}, good)
	assert.ErrorContains(t, err, "3 parameters, the model has")
}

func TestShardSize(t *testing.T) {
	model := subjects(t)[1].model
	for _, c := range []struct{ batch, size, shards int }{{32, 8, 4}, {33, 8, 5}, {32, 32, 1}, {32, 100, 1}, {5, 1, 5}} {
		o, err := New(model, model.Init(1), Config{Rho: 0.1, ShardSize: c.size, Base: optim.SGD{LR: 0.1}, Batch: c.batch})
		require.NoError(t, err)
		assert.Len(t, o.plan.shards, c.shards)
		for _, s := range o.plan.shards {
			assert.LessOrEqual(t, s.N, c.size)
		}
	}
}

func TestBatchErrors(t *testing.T) {
	model := subjects(t)[2].model
	o, err := New(model, model.Init(1), Config{Rho: 0.1, Shards: 4, Base: optim.SGD{LR: 0.1}, Batch: 32})
	require.NoError(t, err)
	step := func(b net.Batch) error { _, err := o.Step(b); return err }

	assert.EqualError(t, step(learnable(1, 33)), "sam: batch of 33 samples, and Config.Batch is 32")
	assert.ErrorContains(t, step(net.Batch{}), "batch of 0 samples")
	assert.EqualError(t, step(learnable(1, 1)), "sam: a batch of 1 samples leaves 1 to a shard, and the model's normalization needs 2: leave such a batch out")
	b := learnable(1, 32)
	b.Labels[7] = classes
	assert.EqualError(t, step(b), "net: sample 7 has label 5, want 0 to 4")
	assert.NoError(t, step(learnable(1, 32)))
}

// A value that isn't finite, wherever it comes up, refuses the step and leaves
// everything as it was, bit for bit.
func TestRefusedStepChangesNothing(t *testing.T) {
	const batch = 48
	spoiled := func(sample int, v float32) net.Batch {
		b := learnable(1, batch)
		b.X[sample*inputs+3] = v
		return b
	}
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	cases := []struct {
		name   string
		rho    float64
		shards int
		lr     float64
		batch  net.Batch
		want   string
	}{
		{"NaN in the data, SGD", 0, 1, 0.1, spoiled(20, nan), `sam: step refused: shard 0 \(samples 0 to 47\): its loss is NaN; element 3 of sample 20 of the batch is NaN`},
		{"NaN in the data, SAM", 0.1, 1, 0.1, spoiled(20, nan), `sam: step refused: shard 0 \(samples 0 to 47\): its loss is NaN; element 3 of sample 20 of the batch is NaN`},
		{"NaN in the data, mSAM", 0.1, 6, 0.1, spoiled(20, nan), `sam: step refused: shard 2 \(samples 16 to 23\): its loss is NaN; element 3 of sample 20 of the batch is NaN`},
		{"Inf in the data, mSAM", 0.1, 6, 0.1, spoiled(47, inf), `sam: step refused: shard 5 \(samples 40 to 47\): its loss is NaN; element 3 of sample 47 of the batch is \+Inf`},
		{"NaN in the data, mSAM pass by pass", 0.1, 3, 0.1, spoiled(20, nan), `sam: step refused: shard 1 \(samples 16 to 31\): its loss is NaN; element 3 of sample 20 of the batch is NaN`},
		{"overflow at w + eps, pass by pass", 1e39, 3, 0.1, learnable(1, batch), "its loss at the perturbed parameters is|and rho, 1e.39, over it is beyond float32"},
		{"overflow at w + eps", 1e39, 6, 0.1, learnable(1, batch), "its loss at the perturbed parameters is|and rho, 1e.39, over it is beyond float32"},
		{"the update overflows", 0.01, 6, 3e38, spoiled(3, 1e18), "the update makes"},
	}
	for _, c := range cases {
		for _, sub := range subjects(t) {
			for force, f := range arithmetics {
				if c.name == "the update overflows" && sub.model.NumState() > 0 {
					continue // which normalizes the large input away
				}
				params := sub.model.Init(13)
				o, err := New(sub.model, params, Config{Rho: c.rho, Shards: c.shards, Base: optim.SGD{LR: c.lr, Momentum: 0.9}, Batch: batch, Workers: 2, force: f})
				require.NoError(t, err)
				if c.lr < 1 && c.rho < 1 {
					_, err = o.Step(learnable(2, batch))
					require.NoError(t, err)
				}
				values, state, before := slices.Clone(params.Values), slices.Clone(params.State), o.State()
				_, err = o.Step(c.batch)
				require.ErrorIs(t, err, ErrRefused, "%s, %s, %s", c.name, sub.name, force)
				require.Regexp(t, c.want, err.Error(), "%s, %s, %s", c.name, sub.name, force)
				require.Equal(t, values, params.Values, c.name)
				require.Equal(t, state, params.State, c.name)
				require.Equal(t, before, o.State(), c.name)

				if c.lr < 1 && c.rho < 1 { // and the next step is none the worse
					_, err = o.Step(learnable(3, batch))
					require.NoError(t, err)
				}
			}
		}
	}
}

// A step on a value near the largest float32 is either refused, and changes nothing, or
// leaves nothing behind that isn't finite.
func TestHugeInputLeavesFiniteValues(t *testing.T) {
	const batch = 48
	b := learnable(1, batch)
	b.X[3*inputs+3] = 3e38
	for _, shards := range []int{3, 6} { // pass by pass, and tile by tile
		for _, sub := range subjects(t) {
			for force, f := range arithmetics {
				what := fmt.Sprintf("%s, %s, %d shards", sub.name, force, shards)
				params := sub.model.Init(13)
				o, err := New(sub.model, params, Config{Rho: 0.1, Shards: shards, Base: optim.SGD{LR: 0.1, Momentum: 0.9}, Batch: batch, Workers: 2, force: f})
				require.NoError(t, err)
				before, state := params.Clone(), o.State()
				_, err = o.Step(b)
				if sub.model.NumState() > 0 {
					require.ErrorContains(t, err, "variance is not finite", what)
				}
				if err != nil {
					require.ErrorIs(t, err, ErrRefused, what)
					require.Equal(t, before, params, what)
					require.Equal(t, state, o.State(), what)
				}
				for _, values := range append(o.State().Vectors, params.Values, params.State) {
					require.Negative(t, num.FirstNonFinite(values), what)
				}
			}
		}
	}
}
