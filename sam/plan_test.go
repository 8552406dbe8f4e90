package sam

import (
	"errors"
	"math"
	"runtime"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/optim"
)

// NewPlan is New's plan.
func TestNewPlan(t *testing.T) {
	for _, sub := range subjects(t) {
		for _, shards := range []int{1, 4, 16} {
			cfg := Config{Rho: 0.1, Shards: shards, Base: optim.SGD{LR: 0.1}, Batch: 64, Workers: 2}
			o, err := New(sub.model, sub.model.Init(1), cfg)
			require.NoError(t, err)
			plan, err := NewPlan(sub.model, cfg)
			require.NoError(t, err)
			assert.Equal(t, o.Plan().Memory, plan.Memory)
			assert.Equal(t, o.Plan().Bytes, plan.Bytes)
			assert.Equal(t, o.Plan().String(), plan.String())
		}
	}
	_, err := NewPlan(nil, Config{})
	assert.EqualError(t, err, "sam: Model is missing")
	_, err = NewPlan(subjects(t)[0].model, Config{})
	assert.ErrorContains(t, err, "sam: Batch is 0, want at least 1")
}

// A plan of more memory than any machine has takes next to none.
func TestNewPlanTakesNoMemory(t *testing.T) {
	if strconv.IntSize == 32 {
		t.Skip("no program has so much")
	}
	model, err := net.Compile(net.Shape{1 << 16}, net.Dense{Out: 1 << 17}, net.Dense{Out: 10})
	require.NoError(t, err)
	cfg := Config{Rho: 0.1, Shards: 8, Base: optim.SGD{LR: 0.1}, Batch: 1 << 10, Workers: 2}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	plan, err := NewPlan(model, cfg)
	runtime.ReadMemStats(&after)
	require.NoError(t, err)
	assert.Greater(t, uint64(plan.Bytes), uint64(1<<35))
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(64<<20), "the sums of squares of its chunks, at most")

	cfg.MaxMemory = 1 << 30
	_, err = NewPlan(model, cfg)
	var memory *MemoryError
	require.ErrorAs(t, err, &memory)
	assert.Equal(t, 1<<30, memory.MaxMemory)
	assert.Greater(t, uint64(memory.Least), uint64(1<<35))
	cfg.MaxMemory = memory.Least
	plan, err = NewPlan(model, cfg)
	require.NoError(t, err)
	assert.Equal(t, memory.Least, plan.Bytes)
}

// Errors of one field say which.
func TestFieldErrors(t *testing.T) {
	plain, normed := subjects(t)[1].model, subjects(t)[2].model
	good := Config{Rho: 0.05, Shards: 4, Base: optim.SGD{LR: 0.1}, Batch: 32}
	for want, change := range map[string]func(*Config){
		"Rho":               func(c *Config) { c.Rho = math.NaN() },
		"Batch":             func(c *Config) { c.Batch = 0 },
		"Clip":              func(c *Config) { c.Clip = -1 },
		"Workers":           func(c *Config) { c.Workers = -1 },
		"MaxMemory":         func(c *Config) { c.MaxMemory = -1 },
		"SGD.LR":            func(c *Config) { c.Base = optim.SGD{LR: math.Inf(1)} },
		"SGD.Momentum":      func(c *Config) { c.Base = optim.SGD{LR: 1, Momentum: 1} },
		"AdamW.WeightDecay": func(c *Config) { c.Base = optim.AdamW{LR: 1, WeightDecay: -1} },
		"Ascent.Every":      func(c *Config) { c.Ascent.Every = -1 },
		"Ascent.NormOnly":   func(c *Config) { c.Ascent.NormOnly = true },
	} {
		c := good
		change(&c)
		var field *optim.FieldError
		require.ErrorAs(t, c.Validate(plain), &field)
		assert.Equal(t, want, field.Field)
		assert.EqualError(t, c.Validate(plain), "sam: "+field.Field+" "+field.Problem)
	}
	for want, c := range map[string]Config{
		"Shards":    {Rho: 0.1, Shards: 20, Base: optim.SGD{LR: 0.1}, Batch: 32},
		"ShardSize": {Rho: 0.1, ShardSize: 1, Base: optim.SGD{LR: 0.1}, Batch: 32},
	} {
		var field *optim.FieldError
		require.ErrorAs(t, c.Validate(normed), &field)
		assert.Equal(t, want, field.Field)
	}
}

// A refused step says what kind of refusal it is.
func TestKindsOfRefusal(t *testing.T) {
	model := subjects(t)[1].model
	step := func(rho float64, spoil func(*net.Params, net.Batch)) error {
		params, batch := model.Init(1), learnable(1, 32)
		o, err := New(model, params, Config{Rho: rho, Shards: 4, Base: optim.SGD{LR: 0.1}, Batch: 32})
		require.NoError(t, err)
		spoil(params, batch)
		_, err = o.Step(batch)
		require.ErrorIs(t, err, ErrRefused)
		assert.ErrorContains(t, err, "step refused: shard ")
		return err
	}
	nothing := func(*net.Params, net.Batch) {}
	for _, c := range []struct {
		err              error
		perturbed, batch bool
	}{
		{step(1e30, nothing), true, false},
		{step(3e38, nothing), true, false},
		{step(0.1, func(_ *net.Params, b net.Batch) { b.X[3] = float32(math.NaN()) }), false, true},
		{step(0.1, func(p *net.Params, _ net.Batch) {
			for i := range p.Values {
				p.Values[i] = 1e30
			}
		}), false, false},
	} {
		assert.Equal(t, c.perturbed, errors.Is(c.err, ErrPerturbed), "%v", c.err)
		assert.Equal(t, c.batch, errors.Is(c.err, ErrBatch), "%v", c.err)
	}
}
