package main

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// bench --mpi has a row for each method with exact and with fast sums. Weak scaling gives each rank
// the batch and the shards that the flags name.
func TestBenchOnRanks(t *testing.T) {
	for _, test := range []struct {
		scaling       string
		batch, shards int
	}{{"strong", 32, 4}, {"weak", 64, 8}} {
		path := filepath.Join(t.TempDir(), "bench.json")
		code, stdout, stderr := steppeOn(t, 2, nil, "bench", "--model", "tiny", "--data", "synthetic:4x4x1", "--methods", "sgd,msam",
			"--batch", "32", "--shards", "4", "--rounds", "2", "--workers", "1", "--scaling", test.scaling, "--json", path)
		require.Zero(t, code, stderr)
		assert.Contains(t, stdout, "\n2 ranks, "+test.scaling+" scaling\n")
		var report RanksReport
		require.NoError(t, json.Unmarshal([]byte(read(t, path)), &report))
		assert.Equal(t, 2, report.Ranks)
		require.Len(t, report.Rows, 4)
		for i, row := range report.Rows {
			assert.Equal(t, []string{"exact", "fast"}[i%2], row.Sums)
			assert.Equal(t, []string{"sgd", "msam"}[i/2], row.Method)
			assert.Equal(t, test.batch, row.Batch)
			if row.Method == "msam" {
				assert.Equal(t, test.shards, row.Shards)
			}
			assert.Equal(t, 2, row.Rounds)
			assert.Equal(t, row.Sums == "exact", row.VsFast != nil)
			if assert.NotNil(t, row.Overlap) {
				assert.Positive(t, *row.Overlap)
			}
			assert.Positive(t, row.Calls)
			assert.Positive(t, row.Compute)
			assert.Positive(t, row.Exchange)
			assert.GreaterOrEqual(t, row.Bytes, 4*tinyParams, "each parameter's gradient is sent")
		}
	}
}

// tinyParams are the parameters of tiny with 10 classes, less what the ranks have of it themselves.
const tinyParams = (4*4*16 + 16 + 16*10 + 10) / 2

func TestBenchOnRanksErrors(t *testing.T) {
	line := []string{"bench", "--model", "tiny", "--data", "synthetic:4x4x1", "--batch", "32", "--rounds", "1"}
	for _, test := range []struct {
		rank int // -1 for all
		more []string
		want string
	}{
		{-1, []string{"--scaling", "middling"}, `steppe: --scaling is "middling", want strong or weak`},
		{-1, []string{"--plot", "a.png"}, "steppe: --plot with --mpi: "},
		{1, []string{"--methods", "sam"}, "steppe: the ranks differ in what is measured: rank 1 has "},
		{-1, []string{"--shards", "64"}, "steppe: 64 shards are more than --batch 32 has samples"},
	} {
		change := func(rank int, args []string) []string {
			if test.rank < 0 || rank == test.rank {
				return append(args, test.more...)
			}
			return args
		}
		code, stdout, stderr := steppeOn(t, 2, change, line...)
		assert.Equal(t, 1, code)
		assert.Empty(t, stdout)
		assert.Contains(t, stderr, test.want)
	}
	code, _, stderr := steppe(t, append(line, "--scaling", "weak")...)
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "steppe: --scaling without --mpi: there is one process")
}
