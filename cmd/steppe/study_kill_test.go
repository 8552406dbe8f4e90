//go:build unix

package main

import (
	"math/rand/v2"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A study that is killed at random moments goes on each time, and comes to the results of one that
// ran in one piece.
func TestKillStudy(t *testing.T) {
	path, parent, random := studyFile(t, shortStudy), t.TempDir(), rand.New(rand.NewPCG(3, 1))
	whole, dir := filepath.Join(parent, "whole"), filepath.Join(parent, "killed")
	code, want, stderr := steppe(t, "study", path, "--out", whole, "--json", "-", "-q")
	require.Zero(t, code, stderr)
	for range 4 {
		w, _ := watch(t, child(t, "study", path, "--out", dir))
		time.Sleep(time.Duration(random.Int64N(int64(100 * time.Millisecond))))
		require.NoError(t, w.Process.Signal(syscall.SIGKILL))
		w.end(t)
	}
	code, got, stderr := steppe(t, "study", path, "--out", dir, "--json", "-", "-q")
	require.Zero(t, code, stderr)
	assert.Equal(t, campaignOf(t, want), campaignOf(t, got))
}
