package train

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/simdtest"
	"github.com/steppe-ml/steppe/net/optim"
)

// A second run can't use the folder while a first one does, neither from this process nor from
// another. The folder is free again when the first has ended.
func TestDirIsLocked(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no lock")
	}
	const variable = "TRAIN_TEST_LOCKED_DIR"
	if dir := os.Getenv(variable); dir != "" {
		r := small(t, linear(t))
		r.Dir = dir
		_, err := r.Resume(t.Context())
		assert.EqualError(t, err, "train: "+dir+" is in use: another run trains there")
		return
	}
	first := small(t, linear(t))
	first.Dir = t.TempDir()
	first.Hooks = []Hook{HookFunc(func(at Moment, s *Status) error {
		if at != AfterStep || s.Epoch != 2 || s.Batch != 2 {
			return nil
		}
		before := contents(t, first.Dir)
		second := small(t, linear(t))
		second.Dir, second.Overwrite = first.Dir, true
		second.PrepareDir = func() error { return errors.New("the folder isn't free") }
		_, err := second.Start(t.Context())
		assert.EqualError(t, err, "train: "+first.Dir+" is in use: another run trains there")
		_, err = second.Resume(t.Context())
		assert.EqualError(t, err, "train: "+first.Dir+" is in use: another run trains there")

		cmd := exec.Command(os.Args[0], "-test.run=^TestDirIsLocked$")
		cmd.Env = append(os.Environ(), variable+"="+first.Dir)
		output, err := cmd.CombinedOutput()
		assert.Equal(t, before, contents(t, first.Dir))
		simdtest.SkipIfEmulated(t, err)
		assert.NoError(t, err, string(output))
		return nil
	})}
	_, err := first.Start(t.Context())
	require.NoError(t, err)
	again := small(t, linear(t))
	again.Dir = first.Dir
	history, err := again.Resume(t.Context())
	require.NoError(t, err)
	assert.Len(t, history.Epochs, 3)
}

// The caller puts its own files in the folder before the run writes any, and only where the run may
// write. What goes wrong then or before leaves no folder behind.
func TestPrepareDir(t *testing.T) {
	run := small(t, linear(t))
	run.Dir = filepath.Join(t.TempDir(), "run")
	prepared := 0
	run.PrepareDir = func() error {
		prepared++
		return os.WriteFile(filepath.Join(run.Dir, "config.json"), nil, 0o644)
	}
	run.Optimizer.Base = optim.SGD{LR: -1}
	_, err := run.Start(t.Context())
	assert.ErrorContains(t, err, "LR")
	assert.Zero(t, prepared)
	assert.NoDirExists(t, run.Dir)

	failed := run
	failed.Optimizer.Base = optim.SGD{LR: 0.1}
	failed.PrepareDir = func() error {
		assert.Empty(t, names(t, run.Dir))
		return errors.New("no config")
	}
	_, err = failed.Start(t.Context())
	assert.EqualError(t, err, "no config")
	assert.NoDirExists(t, run.Dir)

	run.Optimizer.Base = optim.SGD{LR: 0.1}
	_, err = run.Start(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 1, prepared)
	assert.Equal(t, []string{"best.safetensors", "config.json", "last.safetensors", "metrics.jsonl"}, names(t, run.Dir))
	_, err = run.Start(t.Context())
	assert.ErrorContains(t, err, "is of another run")
	assert.Equal(t, 1, prepared)
	_, err = run.Resume(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 2, prepared)
}

// Of another run that may be replaced, nothing is left when the caller's files come: a run that is
// killed then can't go on later with the other's state.
func TestOverwriteRemovesFirst(t *testing.T) {
	run := small(t, linear(t))
	run.Dir = t.TempDir()
	_, err := run.Start(t.Context())
	require.NoError(t, err)
	assert.ErrorAs(t, Vacant(run.Dir), new(*DirError))
	run.Overwrite = true
	run.PrepareDir = func() error {
		assert.Empty(t, names(t, run.Dir))
		assert.NoError(t, Vacant(run.Dir))
		return errors.New("killed")
	}
	_, err = run.Start(t.Context())
	assert.EqualError(t, err, "killed")
	run.PrepareDir = nil
	history, err := run.Resume(t.Context())
	require.NoError(t, err)
	assert.Len(t, history.Epochs, 3)
}

// Finish is called when the run's files are written and the folder is still the run's, and it decides
// on the error. It isn't called for a run that never began.
func TestFinish(t *testing.T) {
	run := small(t, linear(t))
	run.Dir = t.TempDir()
	refused := errors.New("refused")
	finished := 0
	run.Finish = func(h *History, ended error) error {
		finished++
		assert.Len(t, h.Epochs, 3)
		assert.NoError(t, ended)
		assert.FileExists(t, LastFile(run.Dir))
		other := small(t, linear(t))
		other.Dir, other.Overwrite = run.Dir, true
		_, err := other.Start(t.Context())
		assert.ErrorContains(t, err, "is in use")
		return refused
	}
	_, err := run.Start(t.Context())
	assert.Equal(t, refused, err)
	assert.Equal(t, 1, finished)
	_, err = run.Start(t.Context())
	assert.ErrorAs(t, err, new(*DirError))
	assert.Equal(t, 1, finished)

	run.Finish = func(_ *History, ended error) error { return errors.Join(refused, ended) }
	run.Overwrite, run.Hooks = true, []Hook{HookFunc(func(at Moment, _ *Status) error {
		if at == AfterStep {
			return errors.New("a hook's")
		}
		return nil
	})}
	_, err = run.Start(t.Context())
	assert.EqualError(t, err, "refused\na hook's")
}
