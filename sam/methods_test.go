package sam

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net/optim"
)

func TestMethods(t *testing.T) {
	seen := map[string]bool{}
	for _, m := range Methods {
		assert.False(t, seen[m.Name], m.Name)
		seen[m.Name] = true
		assert.NotEmpty(t, m.Title)
		assert.NotEmpty(t, m.About)
		found, err := Lookup(m.Name)
		require.NoError(t, err)
		assert.Equal(t, m, found)
	}
	assert.True(t, seen["sgd"] && seen["sam"], "the command's bench compares with them")
	_, err := Lookup("frob")
	assert.ErrorContains(t, err, `unknown method "frob", want one of sgd, sam, msam`)
}

func TestMethodWith(t *testing.T) {
	sgd, _ := Lookup("sgd")
	noise, _ := Lookup("sadt-noise")
	assert.True(t, sgd.Plain())
	assert.False(t, noise.Plain() || noise.Perturbs())
	msam, _ := Lookup("msam")
	assert.Equal(t, "SGD", sgd.With(1))
	assert.Equal(t, "mSAM with 1 shard", msam.With(1))
	assert.Equal(t, "mSAM with 8 shards", msam.With(8))
}

// methodSubjects calls f for every method, base and model that go together, with the
// method's preset as its configuration.
func methodSubjects(t *testing.T, f func(t *testing.T, sub subject, cfg Config)) {
	for _, m := range Methods {
		for name, b := range bases {
			if (testing.Short() || m.Preset.Descent != (Descent{}) || m.Preset.Ascent != (Ascent{})) && name != "momentum" && name != "AdamW" {
				continue
			}
			if rule, ok := b.base.(optim.MomentumRule); m.Preset.Ascent.Momentum && (!ok || rule.MomentumVector() < 0) {
				continue
			}
			for _, sub := range ascentSubjects(t) {
				if m.Preset.Ascent.NormOnly && !hasNorms(sub.model) || testing.Short() && sub.name == "images" {
					continue
				}
				cfg := m.Preset
				cfg.Base = b.base
				t.Run(m.Name+"/"+name+"/"+sub.name, func(t *testing.T) { f(t, sub, cfg) })
			}
		}
	}
}

// One schedule or another, a method's weights are the same, bit for bit.
func TestMethodsRepeat(t *testing.T) {
	const batch = 70
	methodSubjects(t, func(t *testing.T, sub subject, cfg Config) {
		var want []float32
		for i, force := range []force{{}, {partsPerTile: 1}, {partsPerTile: 3}, {together: true}, {together: true, partsPerTile: 2}} {
			cfg.Batch, cfg.Workers, cfg.force, cfg.Clip = batch, 1+i%3, force, 0.5
			params := sub.model.Init(11)
			o, err := New(sub.model, params, cfg)
			require.NoError(t, err)
			for step := range 6 {
				_, err := o.Step(learnable(uint64(step), batch-5*step))
				require.NoError(t, err)
			}
			got := append(params.Values, params.State...)
			if want == nil {
				want = got
			}
			require.Equal(t, want, got, "%d workers, %+v", cfg.Workers, force)
		}
	})
}

// What isn't finite refuses a step of any method and base, perturbed or not, and
// leaves everything as it was.
func TestMethodsRefuse(t *testing.T) {
	const batch = 48
	methodSubjects(t, func(t *testing.T, sub subject, cfg Config) {
		cfg.Batch = batch
		params := sub.model.Init(13)
		o, err := New(sub.model, params, cfg)
		require.NoError(t, err)
		for step := range 3 {
			for _, bad := range []float32{float32(math.NaN()), float32(math.Inf(-1)), 3e38} {
				b := learnable(1, batch)
				for i := range inputs {
					b.X[40*inputs+i] = bad // which the samples that perturb may not include
				}
				before, state := params.Clone(), o.State()
				_, err := o.Step(b)
				require.ErrorIs(t, err, ErrRefused, "step %d, %v", step, bad)
				require.Equal(t, before, params, "step %d, %v", step, bad)
				require.Equal(t, state, o.State(), "step %d, %v", step, bad)
			}
			_, err = o.Step(learnable(uint64(step), batch))
			require.NoError(t, err)
		}
	})
}

func TestMethodsAllocateNothing(t *testing.T) {
	if testing.Short() { // as they are where allocations are others, and steps slow
		t.Skip()
	}
	const batch = 64
	methodSubjects(t, func(t *testing.T, sub subject, cfg Config) {
		cfg.Batch, cfg.Workers = batch, 2
		o, err := New(sub.model, sub.model.Init(1), cfg)
		require.NoError(t, err)
		full, short := learnable(1, batch), learnable(2, batch-3)
		step := func() {
			_, err := o.Step(full)
			require.NoError(t, err)
			_, err = o.Step(short)
			require.NoError(t, err)
		}
		for range 5 { // jobs of several workers grow to their size
			step()
		}
		require.Less(t, testing.AllocsPerRun(10, step), 0.5)
	})
}
