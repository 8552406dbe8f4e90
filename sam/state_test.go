package sam

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/dataset"
)

// An optimizer that gets another's parameters and state goes on as that one does, bit for bit.
func TestStateGoesOn(t *testing.T) {
	model, err := net.Compile(net.Shape{6, 6, 2},
		net.Conv2D{Out: 4, Kernel: 3, NoBias: true}, net.BatchNorm{}, net.ReLU{}, net.Dropout{Rate: 0.25},
		net.Flatten{}, net.Dense{Out: 3})
	require.NoError(t, err)
	data := dataset.Synthetic(net.Shape{6, 6, 2}, 3, 64, 1)
	for name, cfg := range map[string]Config{
		"sgd":      {Base: SGD{LR: 0.05, Momentum: 0.9, Nesterov: true, WeightDecay: 1e-3}, LRSchedule: Warmup{Steps: 2, Then: Cosine{Steps: 6}}},
		"adamw":    {Base: AdamW{LR: 0.01, WeightDecay: 0.01}, Clip: 0.5},
		"msam":     {Base: SGD{LR: 0.05, Momentum: 0.9}, Rho: 0.1, Shards: 4, RhoSchedule: Linear{Steps: 6, To: 1}},
		"sam in 3": {Base: AdamW{LR: 0.01}, Rho: 0.1, Ascent: Ascent{Every: 3}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg.Batch, cfg.Seed = 16, 3
			step := func(o *Optimizer, i int) {
				_, err := o.Step(data.Range(i%4*16, 16))
				require.NoError(t, err)
			}
			params := model.Init(1)
			whole, err := New(model, params, cfg)
			require.NoError(t, err)
			for stop := range 6 {
				copied := &net.Params{Values: slices.Clone(params.Values), State: slices.Clone(params.State)}
				state := whole.State()
				assert.Equal(t, uint64(stop), state.Step)
				resumed, err := New(model, copied, cfg)
				require.NoError(t, err)
				require.NoError(t, resumed.Restore(state))
				if stop > 0 {
					before := slices.Clone(state.Vectors[0])
					state.Vectors[0][0]++ // the optimizer has a copy
					require.NotEqual(t, before, state.Vectors[0])
				}
				step(whole, stop)
				step(resumed, stop)
				require.Equal(t, params, copied, "after step %d", stop)
				require.Equal(t, whole.State(), resumed.State())
			}
		})
	}
}

func TestRestoreErrors(t *testing.T) {
	model, err := net.Compile(net.Shape{2}, net.Dense{Out: 3})
	require.NoError(t, err)
	o, err := New(model, model.Init(1), Config{Base: SGD{LR: 1}, Batch: 1})
	require.NoError(t, err)
	require.NoError(t, o.Restore(&State{Step: 4, Vectors: [][]float32{{1, 2, 3, 4, 5, 6, 7, 8, 9}}}))
	before := o.State()
	vector := func(last float32) []float32 { return []float32{0, 0, 0, 0, 0, 0, 0, 0, last} }
	for want, s := range map[string]*State{
		"sam: no state to restore":                                nil,
		"sam: state has 0 vectors, want 1 for sam.SGD":            {Step: 1},
		"sam: state has 2 vectors, want 1 for sam.SGD":            {Vectors: [][]float32{vector(0), vector(0)}},
		"sam: state vector 0 has 2 elements, want 9":              {Vectors: [][]float32{{1, 2}}},
		"sam: state vector 0 is NaN at element 8 of 0.Dense.bias": {Vectors: [][]float32{vector(float32(math.NaN()))}},
	} {
		assert.ErrorContains(t, o.Restore(s), want)
		assert.Equal(t, before, o.State(), "as it was")
	}
}

// A state may carry a momentum so large that the next update overflows: the step is refused.
func TestRestoreHugeMomentum(t *testing.T) {
	model, err := net.Compile(net.Shape{2}, net.Dense{Out: 2})
	require.NoError(t, err)
	params := model.Init(1)
	o, err := New(model, params, Config{Base: SGD{LR: 2, Momentum: 0.9}, Batch: 1})
	require.NoError(t, err)
	require.NoError(t, o.Restore(&State{Vectors: [][]float32{{3e38, 0, 0, 0, 0, 0}}}))
	_, err = o.Step(net.Batch{N: 1, X: []float32{1, 1}, Labels: []int32{0}})
	assert.ErrorContains(t, err, "the update of 0.Dense.weight is not finite")
	assert.Equal(t, model.Init(1), params)
}
