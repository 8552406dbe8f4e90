package study

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A disk that fills up ends a study with a clear error. Its folder keeps the results so far, whole,
// and the study goes on from them once there is room.
func TestDiskFull(t *testing.T) {
	disk := t.TempDir()
	if err := unix.Mount("tmpfs", disk, "tmpfs", 0, "size=64k"); err != nil {
		t.Skip("can't mount a small disk: ", err)
	}
	t.Cleanup(func() { assert.NoError(t, unix.Unmount(disk, unix.MNT_DETACH)) })
	s := small(t)
	dir := filepath.Join(disk, "study")
	store, err := OpenStore(dir, s.Recipe)
	require.NoError(t, err)
	filler, err := os.Create(filepath.Join(disk, "filler"))
	require.NoError(t, err)
	for block := make([]byte, 4096); err == nil; {
		_, err = filler.Write(block)
	}
	require.ErrorIs(t, err, unix.ENOSPC)
	require.NoError(t, filler.Close())

	// What is left of the file's own block takes some results.
	err = s.Execute(t.Context(), store, 2, 1, func(Progress) {})
	require.ErrorIs(t, err, unix.ENOSPC)
	assert.ErrorContains(t, err, filepath.Join(dir, storeName))
	assert.ErrorContains(t, err, "; the results before are kept, and the same command goes on from them")
	require.NoError(t, store.Close())
	text, err := os.ReadFile(filepath.Join(dir, storeName))
	require.NoError(t, err)
	assert.Equal(t, byte('\n'), text[len(text)-1], "no torn line")

	require.NoError(t, os.Remove(filler.Name()))
	store, err = OpenStore(dir, s.Recipe)
	require.NoError(t, err)
	kept := len(store.done)
	assert.Positive(t, kept)
	whole := NewStore()
	all := execute(t, s, whole, 1, 1)
	assert.Equal(t, all-kept, execute(t, s, store, 1, 1))
	assert.Equal(t, timeless(whole), timeless(store))
	require.NoError(t, errors.Join(store.Close()))
}
