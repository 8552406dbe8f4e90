//go:build linux || darwin

package checkpoint

import (
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A write that fails half way, because files may grow no further, leaves the old file as it was and
// nothing beside it.
func TestFailingWrite(t *testing.T) {
	m := everyKind(t)
	path := filepath.Join(t.TempDir(), "model.safetensors")
	require.NoError(t, Save(path, m, m.Init(1), Meta{}))
	old, err := os.ReadFile(path)
	require.NoError(t, err)

	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit))
	low := limit
	low.Cur = uint64(len(old)) - 100
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &low))
	err = Save(path, m, m.Init(2), Meta{})
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit))

	assert.ErrorIs(t, err, syscall.EFBIG)
	assert.ErrorContains(t, err, "checkpoint: can't write "+path+": ")
	now, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, old, now)
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	assert.Len(t, entries, 1)
}
