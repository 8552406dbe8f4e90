package find

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/net/optim"
	"github.com/steppe-ml/steppe/sam"
	"github.com/steppe-ml/steppe/sam/train"
)

// digits returns a run with mSAM on a part of the digits that trains in no time.
func digits(t *testing.T) train.Run {
	all, _, err := dataset.Open("digits")
	require.NoError(t, err)
	all, err = all.Subset(400, 1)
	require.NoError(t, err)
	rest, held, err := all.Split(100, 1)
	require.NoError(t, err)
	model, err := net.Compile(rest.Shape, net.Flatten{}, net.Dense{Out: 16}, net.ReLU{}, net.Dense{Out: 10})
	require.NoError(t, err)
	return train.Run{
		Model: model, Seed: 1, Epochs: 6, Train: dataset.Loader{Set: rest, Batch: 50}, Valid: held,
		Optimizer: sam.Config{Rho: 0.02, Shards: 5, Base: optim.SGD{LR: 0.1, Momentum: 0.9}, Workers: 1},
	}
}

func TestLR(t *testing.T) {
	run := digits(t)
	run.Params = run.Model.Init(3)
	before := run.Params.Clone()
	run.Optimizer.LRSchedule, run.Optimizer.RhoSchedule = optim.Cosine{Steps: 1}, optim.Cosine{Steps: 1}
	run.Hooks = []train.Hook{train.HookFunc(func(train.Moment, *train.Status) error { return errors.New("called") })}
	run.Dir = t.TempDir()
	steps := 0
	r, err := LR(t.Context(), run, LROptions{Max: 100, Report: func(step int) { steps++; assert.Equal(t, steps, step) }})
	require.NoError(t, err)
	assert.Equal(t, before, run.Params, "the run's parameters are as they were")
	assert.Equal(t, Diverged, r.End)
	assert.Len(t, r.Points, steps)
	assert.Less(t, steps, 200)
	for i, p := range r.Points {
		assert.InEpsilon(t, 1e-6*math.Pow(1e8, float64(i)/199), p.LR, 1e-9)
	}
	// The first loss is that of the first batch, at the initial parameters.
	for batch := range run.Loader().Epoch(0) {
		loss, err := run.Model.Gradient(before, batch, 0, make([]float32, run.Model.NumParams()))
		require.NoError(t, err)
		assert.InDelta(t, loss, r.Points[0].Loss, 1e-5)
		break
	}
	assert.Empty(t, r.None)
	assert.Less(t, r.Suggestion, r.Lowest)
	assert.Less(t, r.Steepest, r.Lowest)
	assert.Equal(t, round(r.Suggestion), r.Suggestion)
	// This network learns the digits in a few epochs with 0.01 to 0.3.
	assert.Greater(t, r.Suggestion, 0.01)
	assert.Less(t, r.Suggestion, 0.3)

	run.Optimizer.Workers = 3
	again, err := LR(t.Context(), run, LROptions{Max: 100})
	require.NoError(t, err)
	assert.Equal(t, r, again, "on any number of workers")
	run.Optimizer.Rho, run.Optimizer.RhoSchedule = 0, nil
	sgd, err := LR(t.Context(), run, LROptions{})
	require.NoError(t, err)
	assert.NotEqual(t, r.Points[5].Loss, sgd.Points[5].Loss, "the steps are the method's")
	run.Optimizer.Base = optim.SGD{LR: 7, Momentum: 0.9}
	other, err := LR(t.Context(), run, LROptions{})
	require.NoError(t, err)
	assert.InDelta(t, sgd.Suggestion, other.Suggestion, 1e-9, "the run's own learning rate doesn't matter")
	run.Optimizer.Base = optim.AdamW{LR: 1}
	adam, err := LR(t.Context(), run, LROptions{})
	require.NoError(t, err)
	assert.Less(t, adam.Suggestion, sgd.Suggestion)
}

// Where there is nothing to suggest, LR says why.
func TestLRNone(t *testing.T) {
	run := digits(t)
	r, err := LR(t.Context(), run, LROptions{Max: 0.01})
	require.NoError(t, err)
	assert.Equal(t, Finished, r.End)
	assert.Len(t, r.Points, 200)
	assert.Zero(t, r.Suggestion)
	assert.Equal(t, "the loss still falls at the largest learning rate, 0.01", r.None)

	r, err = LR(t.Context(), run, LROptions{Min: 50, Max: 1e4})
	require.NoError(t, err)
	assert.Contains(t, []string{Diverged, Refused}, r.End)
	assert.Zero(t, r.Suggestion)
	assert.NotEmpty(t, r.None)

	r, err = LR(t.Context(), run, LROptions{Min: 1e37, Max: 1e38, Diverged: math.MaxFloat64})
	require.NoError(t, err)
	assert.Equal(t, Refused, r.End)
	assert.Contains(t, r.Error, "step refused")
	assert.Regexp(t, `^only \d steps were made`, r.None)

	blank := *run.Train.Set
	blank.X = make([]float32, len(blank.X))
	for i := range blank.Labels {
		blank.Labels[i] = int32(i % 10)
	}
	run.Train.Set = &blank
	r, err = LR(t.Context(), run, LROptions{Max: 0.1})
	require.NoError(t, err)
	assert.Zero(t, r.Suggestion)
	assert.Equal(t, "no learning rate up to 0.1 makes the loss fall below its first 2.303 by more than noise does", r.None)
}

// curve returns the result of losses at learning rates from 1e-6 to 1, smoothed.
func curve(losses ...float64) *LRResult {
	r := &LRResult{End: Diverged}
	for i, loss := range losses {
		r.Points = append(r.Points, LRPoint{LR: math.Pow(10, 6*float64(i)/float64(len(losses)-1)-6), Loss: loss})
	}
	r.smooth(2, 4)
	r.suggest(2, 1)
	return r
}

// A curve that falls from 2 to 0.5 around 1e-3, stays there up to 1e-1, and rises.
func valley(noise func(i int) float64) (losses []float64) {
	for i := range 121 {
		x := float64(i)/20 - 6 // logarithm of the learning rate
		fall := 1.5 / (1 + math.Exp(-6*(x+3)))
		rise := math.Exp(8 * (x + 0.7))
		losses = append(losses, 2-fall+rise+noise(i))
	}
	return losses
}

func TestSuggest(t *testing.T) {
	for name, noise := range map[string]func(i int) float64{
		"smooth":          func(int) float64 { return 0 },
		"noisy":           func(i int) float64 { return 0.05 * math.Sin(float64(i*i)) },
		"lowest far away": func(i int) float64 { return map[bool]float64{true: -0.02}[i == 98] },
	} {
		r := curve(valley(noise)...)
		assert.InDelta(t, -3+math.Log(19)/6, math.Log10(r.Suggestion), 0.12, name) // where 95% have fallen
		assert.InDelta(t, -3, math.Log10(r.Steepest), 0.2, name)
		assert.Greater(t, r.Lowest, r.Suggestion, name)
	}
	// The last loss is near infinity, and hides nothing.
	losses := valley(func(int) float64 { return 0 })
	losses[len(losses)-1] = 1e30
	assert.InDelta(t, -3+math.Log(19)/6, math.Log10(curve(losses...).Suggestion), 0.12)

	for name, losses := range map[string][]float64{
		"flat":   slices.Repeat([]float64{2}, 100),
		"noise":  valley(func(i int) float64 { return 1000 * math.Sin(float64(i*i)) }),
		"rising": func() (up []float64) { return append(up, valley(func(int) float64 { return 0 })[80:]...) }(),
	} {
		r := curve(losses...)
		assert.Zero(t, r.Suggestion, name)
		assert.Contains(t, r.None, "by more than noise does; a smaller smallest learning rate may", name)
	}
}

func TestLRErrors(t *testing.T) {
	for want, o := range map[string]LROptions{
		"find: Min is -1, want a positive float32":          {Min: -1},
		"find: Min is 1e-60, want a positive float32":       {Min: 1e-60},
		"find: Max is 1, want a float32 above Min, 1":       {Min: 1, Max: 1},
		"find: Max is 1e+40, want a float32 above Min, 1":   {Min: 1, Max: 1e40},
		"find: Max is NaN, want a float32 above Min, 1e-06": {Max: math.NaN()},
		"find: Steps is 9, want at least 10":                {Steps: 9},
		"find: Diverged is 1, want more than 1":             {Diverged: 1},
		"find: Diverged is NaN, want more than 1":           {Diverged: math.NaN()},
	} {
		_, err := LR(t.Context(), digits(t), o)
		assert.EqualError(t, err, want)
	}
	run := digits(t)
	run.Optimizer.Shards = 51
	_, err := LR(t.Context(), run, LROptions{})
	assert.ErrorContains(t, err, "51 shards of a batch of 50")
	run.Optimizer.Base = nil
	run.Optimizer.Shards = 1
	_, err = LR(t.Context(), run, LROptions{})
	assert.ErrorContains(t, err, "Base is missing")
	_, err = LR(t.Context(), train.Run{}, LROptions{})
	assert.ErrorContains(t, err, "Model is missing")
}

func TestLRCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r, err := LR(ctx, digits(t), LROptions{Report: func(step int) {
		if step == 60 {
			cancel()
		}
	}})
	require.ErrorIs(t, err, context.Canceled)
	assert.Len(t, r.Points, 60)
	assert.Equal(t, Canceled, r.End)
	assert.Zero(t, r.Suggestion)
	assert.NotZero(t, r.Points[59].Smoothed)
	assert.Equal(t, "the test was ended from outside", r.None)
}
