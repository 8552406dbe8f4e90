package sam

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/simdtest"
	"github.com/steppe-ml/steppe/net/optim"
)

// Schedules change no bit: of one arithmetic, any number of workers, any tiles,
// together or apart, on any number of processors, makes the same weights.
func TestSchedulesChangeNoBit(t *testing.T) {
	const batch = 70
	schedules := 20
	if testing.Short() {
		schedules = 7
	}
	simdtest.SlowEachISA(t, func(t *testing.T) {
		for _, sub := range subjects(t) {
			for name, force := range arithmetics {
				for _, shards := range []int{1, 5, 20} {
					if testing.Short() && sub.name == "images" && shards != 5 {
						continue
					}
					t.Run(fmt.Sprintf("%s/%s/shards=%d", sub.name, name, shards), func(t *testing.T) {
						var want []float32
						var from string
						for schedule := range schedules {
							f := force
							f.partsPerTile = schedule % 7
							f.together = schedule%3 == 2
							workers := []int{1, 2, 3, 7}[schedule%4]
							procs := []int{1, 2, 7}[schedule%3]
							defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
							what := fmt.Sprintf("%d workers, %d processors, %+v", workers, procs, f)

							params := sub.model.Init(11)
							o, err := New(sub.model, params, Config{Rho: 0.1, Shards: shards, Base: optim.SGD{LR: 0.1, Momentum: 0.9}, Batch: batch, Workers: workers, force: f})
							require.NoError(t, err)
							for step := range 3 {
								_, err := o.Step(learnable(uint64(step), batch-5*step))
								require.NoError(t, err)
							}
							got := append(params.Values, params.State...)
							if want == nil {
								want, from = got, what
							}
							require.Equal(t, want, got, "%s, and %s", from, what)
						}
					})
				}
			}
		}
	})
}

// A short batch, whose shards fall into units otherwise, has other tasks than a full one.
func TestShortBatchWithOtherTasks(t *testing.T) {
	const batch = 62
	sub := subjects(t)[1]
	o, err := New(sub.model, sub.model.Init(1), Config{
		Rho: 0.1, Shards: 31, Base: optim.SGD{LR: 0.1}, Batch: batch, Workers: 7, force: force{sum: byUnits, partsPerTile: 2},
	})
	require.NoError(t, err)
	short, err := o.planOf(32)
	require.NoError(t, err)
	require.NotEqual(t, len(short.rounds[0].tasks), len(o.plan.rounds[0].tasks))
	for step := range 20 {
		_, err := o.Step(learnable(uint64(step), batch-step%2*30))
		require.NoError(t, err)
	}
}

func TestStepAllocatesNothing(t *testing.T) {
	if testing.Short() { // as they are where allocations are others, and steps slow
		t.Skip()
	}
	const batch = 64
	for _, sub := range subjects(t) {
		for name, force := range arithmetics {
			for _, shards := range []int{1, 3, 16} {
				for _, rho := range []float64{0, 0.1} {
					o, err := New(sub.model, sub.model.Init(1), Config{Rho: rho, Shards: shards, Base: optim.SGD{LR: 0.01, Momentum: 0.9}, Batch: batch, Workers: 2, force: force})
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
					require.Less(t, testing.AllocsPerRun(10, step), 0.5, "%s, %s, %d shards, rho %v", sub.name, name, shards, rho)
				}
			}
		}
	}
}
