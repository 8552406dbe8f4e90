package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A comparison and a study spread their runs over ranks, and find out the same. Rank 0 has the
// files, and one process goes on from them.
func TestStudyOnRanks(t *testing.T) {
	path, parent := studyFile(t, shortStudy), t.TempDir()
	line := func(dir string) []string {
		return []string{"study", path, "--out", filepath.Join(parent, dir), "--jobs", "1", "--workers", "1", "--json", "-"}
	}
	code, want, stderr := steppe(t, line("alone")...)
	require.Zero(t, code, stderr)
	code, got, stderr := steppeOn(t, 3, func(rank int, args []string) []string {
		if rank > 0 {
			args[3] = filepath.Join(parent, "not", "here")
		}
		return args
	}, line("ranks")...)
	require.Zero(t, code, stderr)
	assert.Equal(t, campaignOf(t, want), campaignOf(t, got))
	assert.NoDirExists(t, filepath.Join(parent, "not"))
	code, again, stderr := steppe(t, line("ranks")...)
	require.Zero(t, code, stderr)
	assert.Equal(t, campaignOf(t, want), campaignOf(t, again))
	assert.NotContains(t, stderr, ", seed 1: ", "no run is made again")
}

func TestCompareOnRanks(t *testing.T) {
	dir, json := filepath.Join(t.TempDir(), "out"), filepath.Join(t.TempDir(), "a.json")
	line := short("--methods", "sgd,sam", "--subset", "320", "--out", dir, "--json", json)
	code, stdout, stderr := steppeOn(t, 2, nil, line...)
	require.Zero(t, code, stderr)
	assert.Contains(t, stdout, "\nSAM ")
	assert.FileExists(t, json)
	require.NoError(t, os.Remove(json))
	code, again, stderr := steppe(t, line...)
	require.Zero(t, code, stderr)
	assert.Equal(t, stdout, again, "all runs are there")

	code, _, stderr = steppeOn(t, 2, onlyRank(1, "--epochs", "2"), line...)
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "steppe: the ranks differ in the recipe of part 1: rank 1 has {")
	code, _, stderr = steppeOn(t, 2, nil, "study", "digits", "--mpi", "--costs")
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "[costs mpi] are set none of the others can be")
}
