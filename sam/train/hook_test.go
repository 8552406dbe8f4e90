package train

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net/dataset"
)

// Hooks are called at their moments, in order, and see where the run is.
func TestHooks(t *testing.T) {
	run := small(t, linear(t))
	run.Epochs, run.Train = 2, dataset.Loader{Set: images(20, 1), Batch: 8}
	var seen []string
	hook := func(name string) Hook {
		return HookFunc(func(at Moment, s *Status) error {
			seen = append(seen, fmt.Sprintf("%s %d: epoch %d, %d batches, %d samples, %d finished", name, at, s.Epoch, s.Batch, s.Samples, len(s.History.Epochs)))
			require.Same(t, &run, s.Run)
			require.NotNil(t, s.Plan)
			if at == AfterStep {
				assert.Equal(t, []int{8, 8, 4}[s.Batch-1], s.StepSamples)
				assert.Positive(t, s.StepTime)
				assert.Positive(t, s.Step.Loss)
			}
			return nil
		})
	}
	run.Hooks = []Hook{hook("a"), hook("b")}
	_, err := run.Start(t.Context())
	require.NoError(t, err)
	var want []string
	for _, line := range []string{
		"%s 0: epoch 1, 0 batches, 0 samples, 0 finished",
		"%s 1: epoch 1, 1 batches, 8 samples, 0 finished",
		"%s 1: epoch 1, 2 batches, 16 samples, 0 finished",
		"%s 1: epoch 1, 3 batches, 20 samples, 0 finished",
		"%s 2: epoch 1, 3 batches, 20 samples, 1 finished",
		"%s 1: epoch 2, 1 batches, 8 samples, 1 finished",
		"%s 1: epoch 2, 2 batches, 16 samples, 1 finished",
		"%s 1: epoch 2, 3 batches, 20 samples, 1 finished",
		"%s 2: epoch 2, 3 batches, 20 samples, 2 finished",
		"%s 3: epoch 2, 3 batches, 20 samples, 2 finished",
	} {
		want = append(want, fmt.Sprintf(line, "a"), fmt.Sprintf(line, "b"))
	}
	assert.Equal(t, want, seen)
}

// An error of a hook ends the run with the state saved, and Stop ends it well. An error wins
// over Stop, and the hooks behind are called all the same.
func TestHookErrors(t *testing.T) {
	failed := errors.New("failed")
	for name, test := range map[string]struct {
		returns []error
		want    error
		stopped string
	}{
		"error":          {[]error{failed, nil}, failed, ""},
		"stop":           {[]error{nil, Stop("enough")}, nil, "enough"},
		"stop, error":    {[]error{Stop("enough"), failed}, failed, ""},
		"error, stop":    {[]error{failed, Stop("enough")}, failed, ""},
		"stops":          {[]error{Stop("enough"), Stop("too much")}, nil, "enough"},
		"a wrapped stop": {[]error{fmt.Errorf("hook: %w", Stop("enough"))}, nil, "enough"},
		"a joined stop":  {[]error{errors.Join(failed, Stop("enough"))}, failed, ""},
		"joined, stop":   {[]error{errors.Join(Stop("enough"), failed), Stop("enough")}, failed, ""},
	} {
		t.Run(name, func(t *testing.T) {
			for at := AtStart; at <= AtEnd; at++ {
				run := small(t, linear(t))
				run.Dir = t.TempDir()
				calls := 0
				for _, err := range test.returns {
					run.Hooks = append(run.Hooks, HookFunc(func(now Moment, _ *Status) error {
						if now == at {
							calls++
							return err
						}
						return nil
					}))
				}
				history, err := run.Start(t.Context())
				if test.want != nil {
					assert.ErrorIs(t, err, test.want)
				} else {
					assert.NoError(t, err)
				}
				require.NotNil(t, history)
				assert.Equal(t, len(test.returns), calls)
				if at != AtEnd {
					assert.Equal(t, test.stopped, history.Stopped)
				}
				assert.Equal(t, map[Moment]uint64{AtStart: 0, AfterStep: 1, AfterEpoch: 5, AtEnd: 15}[at], run.State().Optimizer.Steps)
				state, err := LoadState(run.last(), run.Model)
				require.NoError(t, err)
				assert.Equal(t, run.State(), state)
			}
		})
	}
}

// scripted is a metric with given values.
type scripted struct {
	Accuracy
	values []float64
	lower  bool
}

func (*scripted) Name() string { return "scripted" }

func (s *scripted) Value() float64 {
	v := s.values[0]
	s.values = s.values[1:]
	return v
}

func (s *scripted) Better(a, b float64) bool { return a != b && a < b == s.lower }

func TestEarlyStoppingAndBest(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for name, test := range map[string]struct {
		values   []float64
		lower    bool
		patience int
		minDelta float64
		epochs   int // that are trained
		best     int
	}{
		"always better":         {[]float64{1, 2, 3, 4, 5, 6}, false, 1, 0, 6, 6},
		"never better":          {[]float64{3, 3, 3, 3, 3, 3}, false, 2, 0, 3, 1},
		"worse":                 {[]float64{3, 2, 1, 0, 0, 0}, false, 1, 0, 2, 1},
		"lower is better":       {[]float64{3, 2, 1, 2, 1, 1}, true, 2, 0, 5, 3},
		"better late":           {[]float64{3, 1, 1, 4, 1, 1}, false, 3, 0, 6, 4},
		"too little":            {[]float64{1, 1.05, 1.1, 1.15, 2, 2}, false, 3, 0.2, 4, 4},
		"little by little":      {[]float64{1, 1.05, 1.1, 1.15, 1.25, 1}, false, 4, 0.2, 6, 5},
		"NaN is never better":   {[]float64{1, nan, nan, 0, 0, 0}, true, 2, 0, 3, 1},
		"anything beats NaN":    {[]float64{nan, 5, 4, 4, 4, 4}, true, 2, 0, 5, 3},
		"infinite, then finite": {[]float64{inf, inf, 3, 3, 3, 3}, true, 2, 0.5, 5, 3},
	} {
		t.Run(name, func(t *testing.T) {
			run := small(t, linear(t))
			run.Epochs, run.Monitor = 6, "scripted"
			run.Metrics = []Metric{&scripted{values: test.values, lower: test.lower}}
			run.Hooks = []Hook{EarlyStopping{Patience: test.patience, MinDelta: test.minDelta}}
			var best []float32
			run.Hooks = append(run.Hooks, HookFunc(func(at Moment, s *Status) error {
				if at == AfterEpoch && s.Epoch == test.best {
					best = append(best, s.Params.Values...)
				}
				return nil
			}))
			history, err := run.Start(t.Context())
			require.NoError(t, err)
			assert.Len(t, history.Epochs, test.epochs)
			assert.Equal(t, test.best, history.BestEpoch)
			assert.Equal(t, best, history.Best.Values)
			assert.Equal(t, test.epochs < 6, history.Stopped != "")
		})
	}
}

// Without a validation set, the training loss is what counts.
func TestNoValidation(t *testing.T) {
	run := small(t, linear(t))
	run.Valid, run.Metrics = nil, nil
	history, err := run.Start(t.Context())
	require.NoError(t, err)
	best := 0
	for i, e := range history.Epochs {
		assert.Nil(t, e.Valid)
		if e.Loss < history.Epochs[best].Loss {
			best = i
		}
	}
	assert.Equal(t, best+1, history.BestEpoch)
}

func TestProgress(t *testing.T) {
	run := small(t, linear(t))
	var b strings.Builder
	run.Hooks = []Hook{stopAfter(12), Progress(&b)}
	_, err := run.Start(t.Context())
	require.NoError(t, err)
	run.Hooks = []Hook{Progress(&b)}
	_, err = run.ResumeFrom(t.Context(), run.State())
	require.NoError(t, err)
	epoch := ` of 3: loss \d\.\d{4}, valid accuracy 0\.\d{4}, valid loss \d\.\d{4}, \S+ s\n`
	assert.Regexp(t, `^epoch 1`+epoch+`epoch 2`+epoch+`stopped: for a while\ngoing on in epoch 3 after 2 batches\nepoch 3`+epoch+`$`, b.String())

	read, write := io.Pipe()
	require.NoError(t, read.Close())
	run.Hooks = []Hook{Progress(write)}
	history, err := run.Start(t.Context())
	assert.ErrorIs(t, err, io.ErrClosedPipe)
	assert.Len(t, history.Epochs, 1)
}
