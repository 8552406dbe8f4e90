package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMemoryCheck(t *testing.T) {
	const gib = 1 << 30
	parts := []memoryPart{{"step", 28 * gib, false}, {"data", 3 * gib, true}}
	assert.EqualError(t, memoryLimit(20*gib).check(parts...),
		"this run needs 31.0 GiB (step 28.0 GiB, data 3.0 GiB), and --max-memory is 20.0 GiB: raise it, or take a smaller --batch or --model")
	assert.NoError(t, memoryLimit(31*gib).check(parts...))
	assert.ErrorContains(t, memoryLimit(0).check(memoryPart{"step", 1 << 60, false}), "this run needs 1.0 EiB (step 1.0 EiB), and ")
}

func TestMaxMemoryFlag(t *testing.T) {
	var m memoryLimit
	require.NoError(t, m.Set("4GiB"))
	assert.Equal(t, memoryLimit(4<<30), m)
	require.NoError(t, m.Set("500 MB"))
	assert.Equal(t, memoryLimit(500e6), m)
	for _, wrong := range []string{"", "0", "-4GiB", "many", "16EiB", "NaN"} {
		assert.EqualError(t, m.Set(wrong), "want a size such as 4GiB or 500MB", wrong)
	}
}

// What needs more memory than --max-memory ends in one line before it is taken.
func TestMaxMemory(t *testing.T) {
	for _, line := range []string{
		"bench --model tiny --rounds 1 --max-memory 100kB",
		"train --model tiny --data digits --max-memory 100kB",
		"compare --model tiny --data digits --max-memory 100kB",
	} {
		code, _, stderr := steppe(t, strings.Fields(line)...)
		assert.Equal(t, 1, code, line)
		assert.Contains(t, stderr, "this run needs ", line)
		assert.Contains(t, stderr, "--max-memory is 97.7 KiB: raise it", line)
		assert.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
	}
}
