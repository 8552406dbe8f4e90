package sam

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/optim"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// given is a user's own schedule.
type given []float64

func (g given) Factor(step uint64) float64 { return g[step] }

// A user's own schedule that goes wrong stops the run, and changes nothing.
func TestScheduleOfOnesOwn(t *testing.T) {
	m, err := net.Compile(net.Shape{2}, net.Dense{Out: 2})
	require.NoError(t, err)
	batch := net.Batch{N: 2, X: []float32{1, 2, -1, 3}, Labels: []int32{0, 1}}
	for _, bad := range []float64{-1, math.NaN(), math.Inf(1)} {
		p := m.Init(1)
		opt, err := New(m, p, Config{Batch: 2, Base: optim.SGD{LR: 1}, LRSchedule: given{0.5, bad}})
		require.NoError(t, err)
		_, err = opt.Step(batch)
		require.NoError(t, err)
		before := slices.Clone(p.Values)
		_, err = opt.Step(batch)
		assert.EqualError(t, err, fmt.Sprintf("sam: LRSchedule: the schedule's factor of step 1 is %v, want a finite number that isn't negative", bad))
		assert.Equal(t, before, p.Values)
	}
}

// A step's learning rate is the base's times the factor; a step that is refused takes
// none.
func TestScheduleMovesTheLearningRate(t *testing.T) {
	m, err := net.Compile(net.Shape{2}, net.Dense{Out: 2})
	require.NoError(t, err)
	batch := net.Batch{N: 2, X: []float32{1, 2, -1, 3}, Labels: []int32{0, 1}}
	run := func(lrs []float64, s optim.Schedule) []float32 {
		p := m.Init(1)
		var opt *Optimizer
		for i, lr := range lrs {
			if i == 0 || s == nil { // without momentum, an optimizer may be a new one
				var err error
				opt, err = New(m, p, Config{Batch: 2, Base: optim.SGD{LR: lr}, LRSchedule: s})
				require.NoError(t, err)
			}
			_, err := opt.Step(batch)
			require.NoError(t, err)
		}
		return p.Values
	}
	want := run([]float64{0.5, 0.25, 0.125}, nil)
	got := run([]float64{0.5, 0.5, 0.5}, optim.MultiStep{Milestones: []int{1, 2}, Gamma: 0.5})
	assert.Equal(t, want, got)
}
