//go:build unix

package main

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/checkpoint"
	"github.com/steppe-ml/steppe/sam/train"
)

// envKills is an environment variable: how often TestTerminate ends a process, if not 5 times.
const envKills = "STEPPE_TEST_KILLS"

// A run that SIGTERM ends at random moments, over and over, always goes on, and ends with the files
// of a run that was never stopped.
func TestTerminate(t *testing.T) {
	kills := 5
	if text := os.Getenv(envKills); text != "" {
		var err error
		kills, err = strconv.Atoi(text)
		require.NoError(t, err)
	}
	parent := t.TempDir()
	dir, random := filepath.Join(parent, "run"), rand.New(rand.NewPCG(2, uint64(kills)))
	data := halves(t, false)
	settings := func(dir string, epochs int) []string {
		return []string{"train", "--model", "tiny", "--data", data, "--batch", "16", "--schedule", "constant", "--augment", "flip",
			"--save-every", "3", "--log-every", "2", "--out", dir, "--epochs", strconv.Itoa(epochs)}
	}
	line := settings(dir, 1e6)
	for range kills {
		w, _ := watch(t, child(t, line...))
		time.Sleep(time.Duration(random.Int64N(int64(50 * time.Millisecond))))
		require.NoError(t, w.Process.Signal(syscall.SIGTERM))
		code, _ := w.end(t)
		require.Equal(t, 143, code, w.stderr.String())
		assertWhole(t, dir)
		line = []string{"train", "--resume", dir}
	}
	state := func(dir string) (*net.Params, *checkpoint.State) {
		model, err := tiny.Compile(net.Shape{4, 4, 1}, 2)
		require.NoError(t, err)
		params, state, err := checkpoint.LoadState(filepath.Join(dir, "last.safetensors"), model)
		require.NoError(t, err)
		state.Progress, state.History = nil, nil // they have times
		return params, state
	}
	rows := func(dir string) []train.Row {
		rows, err := train.ReadLog(filepath.Join(dir, "metrics.jsonl"))
		require.NoError(t, err)
		for i := range rows {
			rows[i].Seconds, rows[i].ExamplesPerSecond = 0, 0
		}
		return rows
	}
	_, last := state(dir)
	t.Logf("ended %d times in %d steps", kills, last.Step)
	epochs := last.Epoch + 2
	code, _, stderr := steppe(t, "train", "--resume", dir, "--epochs", strconv.Itoa(epochs))
	require.Zero(t, code, stderr)
	whole := filepath.Join(parent, "whole")
	code, _, stderr = steppe(t, settings(whole, epochs)...)
	require.Zero(t, code, stderr)

	for _, name := range []string{".config.json.12", ".report.html.34"} { // as of a process that was killed
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
	}
	code, _, stderr = steppe(t, "train", "--resume", dir)
	require.Zero(t, code, stderr)

	params, last := state(dir)
	wantParams, want := state(whole)
	assert.Equal(t, wantParams, params)
	assert.Equal(t, want, last)
	assert.Equal(t, rows(whole), rows(dir))
	assert.Equal(t, names(t, whole), names(t, dir))
	assert.Equal(t, read(t, filepath.Join(whole, "best.safetensors")), read(t, filepath.Join(dir, "best.safetensors")))
	assert.Equal(t, read(t, filepath.Join(whole, "result.json")), read(t, filepath.Join(dir, "result.json")))
}
