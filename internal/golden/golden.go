// Package golden compares what tests write with committed files.
package golden

import (
	"flag"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var write = flag.Bool("golden.write", false, "write the committed files anew")

// File compares got with a file, byte by byte, or writes it with -golden.write.
func File(t testing.TB, path string, got []byte) {
	t.Helper()
	if *write {
		require.NoError(t, os.WriteFile(path, got, 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, want, got)
}
