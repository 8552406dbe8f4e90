package train

import (
	"bufio"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/simdtest"
)

// envKills is an environment variable: how often TestKill kills a process, if not 10 times.
const envKills = "STEPPE_TEST_KILLS"

// victim is a run that hardly does anything but log and save.
func victim(t *testing.T, dir string, epochs int) *Run {
	r := small(t, normed(t))
	r.Dir, r.Epochs, r.LogEvery, r.SaveEvery = dir, epochs, 1, 2
	r.Optimizer.Rho, r.Optimizer.Shards = 0.1, 2
	return &r
}

// A run that is killed at random moments, over and over, always goes on, and ends with the bits and
// the log of a run that was never stopped. Nothing of the killed processes stays.
func TestKill(t *testing.T) {
	const variable = "TRAIN_TEST_VICTIM_DIR"
	if dir := os.Getenv(variable); dir != "" {
		r := victim(t, dir, 1e6)
		r.PrepareDir = func() error { _, err := os.Stdout.WriteString("begins\n"); return err }
		_, err := r.Resume(t.Context())
		t.Fatal("the process wasn't killed: ", err)
	}
	kills := 10
	if text := os.Getenv(envKills); text != "" {
		var err error
		kills, err = strconv.Atoi(text)
		require.NoError(t, err)
	}
	dir := t.TempDir()
	random := rand.New(rand.NewPCG(1, uint64(kills)))
	model := normed(t)
	stray, steps, saved := 0, uint64(0), false
	for i := range kills {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKill$")
		cmd.Env = append(os.Environ(), variable+"="+dir)
		output, err := cmd.StdoutPipe()
		require.NoError(t, err)
		err = cmd.Start()
		simdtest.SkipIfEmulated(t, err)
		require.NoError(t, err)
		lines := bufio.NewScanner(output)
		require.True(t, lines.Scan(), "the process ended by itself: kill %d", i)
		require.Equal(t, "begins", lines.Text(), "kill %d", i)
		u := random.Float64()
		time.Sleep(time.Duration(u * u * float64(200*time.Millisecond)))
		require.NoError(t, cmd.Process.Kill())
		for lines.Scan() {
			require.NotContains(t, lines.Text(), "wasn't killed")
		}
		require.Error(t, cmd.Wait())

		left := names(t, dir)
		if len(left) > 0 && left[0][0] == '.' { // in the moment between a link and its rename
			stray++
			require.LessOrEqual(t, len(left), 4)
		}
		state, err := LoadState(filepath.Join(dir, "last.safetensors"), model)
		if errors.Is(err, os.ErrNotExist) && !saved { // before the first save
			require.Empty(t, left)
			continue
		}
		require.NoError(t, err, "kill %d", i)
		require.GreaterOrEqual(t, state.Optimizer.Steps, steps)
		saved, steps = true, state.Optimizer.Steps
	}
	t.Logf("%d kills in %d steps, %d of them between the names of a file", kills, steps, stray)

	epochs := int(steps)/5 + 2
	again := victim(t, dir, epochs)
	_, err := again.Resume(t.Context())
	require.NoError(t, err)
	whole := victim(t, t.TempDir(), epochs)
	whole.SaveEvery = 0
	_, err = whole.Start(t.Context())
	require.NoError(t, err)
	assert.Equal(t, timeless(whole), timeless(again))
	assert.Equal(t, logged(t, whole.Dir), logged(t, dir))
	assert.Equal(t, []string{"best.safetensors", "last.safetensors", "metrics.jsonl"}, names(t, dir), "nothing else remains")
}
