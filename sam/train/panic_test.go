package train

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/net/optim"
)

// countdown calls a function when it has been asked often enough.
type countdown struct {
	left int
	then func()
}

func (c *countdown) tick() {
	if c.left--; c.left == 0 {
		c.then()
	}
}

// fragileMetric, fragileAugmentation and fragileRule panic when their countdown ends.
type fragileMetric struct {
	Accuracy
	*countdown
}

func (f *fragileMetric) Value() float64 { f.tick(); return f.Accuracy.Value() }

type fragileAugmentation struct {
	dataset.Flip
	*countdown
}

func (f fragileAugmentation) Apply(sample []float32, shape net.Shape, random *dataset.Random) {
	f.tick()
	f.Flip.Apply(sample, shape, random)
}

// fragileRule doesn't bound its updates, so that each of them is tried before it is made.
type fragileRule struct {
	sgd optim.SGD
	*countdown
}

func (f fragileRule) Validate() error    { return f.sgd.Validate() }
func (f fragileRule) Hyper() optim.Hyper { return f.sgd.Hyper() }
func (f fragileRule) StateVectors() int  { return f.sgd.StateVectors() }

func (f fragileRule) Update(s optim.Step, w, g []float32, state [][]float32) {
	f.sgd.Update(s, w, g, state)
	f.tick()
}

// A run that panics leaves the state of its last whole step in Dir: it is resumed as if it had
// been stopped there. A panic in the middle of an update leaves what was saved before.
func TestPanicSavesTheState(t *testing.T) {
	clock := func(after int) *countdown { return &countdown{after, func() { panic("broken") }} }
	augment := func(r *Run) { r.Train.Augment = []dataset.Augmentation{dataset.Flip{}} }
	plain := func(r *Run) {}
	rule := func(n int) func(*Run) {
		return func(r *Run) { r.Optimizer.Base = fragileRule{optim.SGD{LR: 0.05, Momentum: 0.9}, clock(n)} }
	}
	atMoment := func(at Moment, n int) func(*Run) {
		return func(r *Run) {
			c := clock(n)
			r.Hooks = []Hook{HookFunc(func(now Moment, _ *Status) error {
				if now == at {
					c.tick()
				}
				return nil
			})}
		}
	}
	for name, test := range map[string]struct {
		same       func(*Run) // what all runs have
		fails      func(*Run)
		epoch      int // these are of the state in Dir
		batch      int
		steps      uint64
		unfinished bool
	}{
		"hook at the start":   {plain, atMoment(AtStart, 1), 0, 0, 0, false},
		"hook after a step":   {plain, atMoment(AfterStep, 7), 1, 2, 7, true},
		"hook after an epoch": {plain, atMoment(AfterEpoch, 2), 2, 0, 10, false},
		"hook at the end":     {plain, atMoment(AtEnd, 1), 3, 0, 15, false},
		"metric": {plain, func(r *Run) {
			r.Metrics = []Metric{&fragileMetric{countdown: clock(2)}}
		}, 1, 5, 10, true},
		"augmentation": {augment, func(r *Run) {
			r.Train.Augment = []dataset.Augmentation{fragileAugmentation{dataset.Flip{}, clock(34 + 17)}}
		}, 1, 2, 7, true},
		"rule, before the update": {rule(-1), rule(2*8 - 1), 1, 2, 7, true},
		"rule, in the update":     {rule(-1), rule(2 * 8), 1, 0, 5, false}, // the state after step 7 is lost
	} {
		t.Run(name, func(t *testing.T) {
			whole := small(t, normed(t))
			test.same(&whole)
			_, err := whole.Start(t.Context())
			require.NoError(t, err)

			broken := small(t, normed(t))
			test.same(&broken)
			test.fails(&broken)
			broken.Dir = t.TempDir()
			assert.PanicsWithValue(t, "broken", func() { _, _ = broken.Start(t.Context()) })
			state, err := LoadState(broken.last(), broken.Model)
			require.NoError(t, err)
			assert.Equal(t, []any{test.epoch, test.batch, test.steps}, []any{state.Epoch, state.Batch, state.Optimizer.Steps})
			assert.Equal(t, test.unfinished, state.History.Unfinished != nil)

			again := small(t, normed(t))
			test.same(&again)
			again.Dir = broken.Dir
			_, err = again.Resume(t.Context())
			require.NoError(t, err)
			assert.Equal(t, timeless(&whole), timeless(&again))
		})
	}
}
