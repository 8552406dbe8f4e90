package train

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net/checkpoint"
)

// saving calls measure in the middle of a run that has so many epochs behind it. save saves as if
// there was something new.
func saving(t testing.TB, epochs int, measure func(save func())) {
	run := small(t, normed(t))
	run.Dir = t.TempDir()
	run.Hooks = []Hook{HookFunc(func(at Moment, s *Status) error {
		if at != AfterEpoch {
			return nil
		}
		l := run.loop
		for e := l.history.Epochs[0]; e.Epoch < epochs; {
			e.Epoch++
			l.history.Epochs = append(l.history.Epochs, e)
		}
		measure(func() {
			l.saved = false
			require.NoError(t, l.save())
		})
		return Stop("measured")
	})}
	_, err := run.Start(t.Context())
	require.NoError(t, err)
}

// A save doesn't encode the epochs again that are behind the run.
func TestSavingLongRun(t *testing.T) {
	allocations := func(epochs int) (n float64) {
		saving(t, epochs, func(save func()) { n = testing.AllocsPerRun(5, save) })
		return n
	}
	assert.InDelta(t, allocations(1), allocations(3000), 50)
}

func BenchmarkSave(b *testing.B) {
	for _, epochs := range []int{1, 1000, 10_000} {
		b.Run(fmt.Sprintf("epochs=%d", epochs), func(b *testing.B) {
			saving(b, epochs, func(save func()) {
				for b.Loop() {
					save()
				}
			})
		})
	}
}

// The epochs of files of v0.1 are in the middle of the rest of the history.
func TestStateFileOfV01(t *testing.T) {
	run := small(t, linear(t))
	run.Hooks = []Hook{stopAfter(12)}
	_, err := run.Start(t.Context())
	require.NoError(t, err)
	state := run.State()
	path := filepath.Join(t.TempDir(), "last.safetensors")
	write := func(progress, history []byte) {
		require.NoError(t, checkpoint.SaveState(path, run.Model, state.Params, checkpoint.Meta{}, &checkpoint.State{
			Rule: state.Optimizer.Rule, Vectors: state.Optimizer.Vectors, Best: state.Best, Step: 12, Epoch: 2, Batch: 2,
			Progress: progress, History: history,
		}))
	}
	all, err := json.Marshal(kept{state.id, state.History, state.sums, sums{}})
	require.NoError(t, err)
	write(all, nil)
	old, err := LoadState(path, run.Model)
	require.NoError(t, err)
	assert.Equal(t, state, old)
	require.Len(t, old.History.Epochs, 2)

	write([]byte(`{"history":{}}`), []byte(`{"epoch":1}`+"\n"+`{"epoch":"two"}`+"\n"))
	_, err = LoadState(path, run.Model)
	assert.ErrorContains(t, err, "train: "+path+": history: line 2: ")
}
