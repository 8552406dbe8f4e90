package atomicfile

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAtomicFile(t *testing.T) { everyKind(t, testAtomicFile) }

func testAtomicFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "figures.json")
	require.NoError(t, os.WriteFile(path, []byte("old"), 0o600))

	file, err := Create(path)
	require.NoError(t, err)
	_, err = io.WriteString(file, "new")
	require.NoError(t, err)
	assert.Equal(t, "old", read(t, path), "before Commit")
	file.Discard()
	assert.Equal(t, "old", read(t, path))
	assert.Equal(t, []string{"figures.json"}, names(t, dir))

	file, err = Create(path)
	require.NoError(t, err)
	_, err = io.WriteString(file, "new")
	require.NoError(t, err)
	require.NoError(t, file.Commit())
	file.Discard()
	assert.Equal(t, "new", read(t, path))
	assert.Equal(t, []string{"figures.json"}, names(t, dir))
	if runtime.GOOS != "windows" {
		info, err := os.Stat(path)
		require.NoError(t, err)
		assert.Equal(t, fs.FileMode(0o600), info.Mode().Perm(), "mode as before")
	}
}

func TestAtomicFileThroughLink(t *testing.T) { everyKind(t, testThroughLink) }

func testThroughLink(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "figures.json"), filepath.Join(dir, "latest.json")
	require.NoError(t, os.WriteFile(path, []byte("old"), 0o666))
	if err := os.Symlink(path, link); err != nil {
		t.Skip(err)
	}
	file, err := Create(link)
	require.NoError(t, err)
	_, err = io.WriteString(file, "new")
	require.NoError(t, err)
	require.NoError(t, file.Commit())
	assert.Equal(t, "new", read(t, path))
	assert.Equal(t, []string{"figures.json", "latest.json"}, names(t, dir))
}

// Create refuses to replace folders and devices, even for root.
func TestAtomicFileRefuses(t *testing.T) { everyKind(t, testRefuses) }

func testRefuses(t *testing.T) {
	dir := t.TempDir()
	_, err := Create(dir)
	assert.ErrorContains(t, err, dir+" is not a regular file")
	_, err = Create(os.DevNull)
	assert.Error(t, err)

	missing := filepath.Join(dir, "missing", "figures.json")
	_, err = Create(missing)
	assert.ErrorContains(t, err, "can't write "+missing+": ")
	assert.ErrorIs(t, err, fs.ErrNotExist)
	assert.Empty(t, names(t, dir))
}

// Errors name the file that the caller asked for, not the temporary one.
func TestAtomicFileErrors(t *testing.T) { everyKind(t, testErrors) }

func testErrors(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "figures.json")
	file, err := Create(path)
	require.NoError(t, err)
	file.Discard()
	_, err = file.Write([]byte("new"))
	assert.EqualError(t, err, "can't write "+path+": file already closed")
	assert.EqualError(t, file.Commit(), "can't write "+path+": file already closed")

	// A folder has taken the place meanwhile.
	file, err = Create(path)
	require.NoError(t, err)
	require.NoError(t, os.Mkdir(path, 0o777))
	err = file.Commit()
	assert.ErrorContains(t, err, "can't write "+path+": ")
	assert.NotContains(t, err.Error(), ".figures.json")
	file.Discard()
	assert.Equal(t, []string{"figures.json"}, names(t, dir))
}

func read(t *testing.T, path string) string {
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(content)
}

func names(t *testing.T, dir string) (names []string) {
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// RemoveTemporary removes only the files that Create makes for the path.
func TestRemoveTemporary(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "figures.json")
	file := &File{path: path}
	require.NoError(t, file.createNamed())
	require.NoError(t, file.temporary.Close()) // as if its process had been killed
	others := []string{".figures.json", ".figures.json.12a", ".figures.jsonl.12", ".other.json.12", "figures.json", "figures.json.12"}
	for _, name := range others {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
	}
	require.NoError(t, os.Mkdir(filepath.Join(dir, ".figures.json.34"), 0o700))
	require.Len(t, names(t, dir), len(others)+2)
	require.NoError(t, RemoveTemporary(path))
	assert.ElementsMatch(t, append(others, ".figures.json.34"), names(t, dir))
	assert.ErrorIs(t, RemoveTemporary(filepath.Join(dir, "missing", "figures.json")), fs.ErrNotExist)
}

func TestWrite(t *testing.T) { everyKind(t, testWrite) }

func testWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "figures.json")
	require.NoError(t, Write(path, func(w io.Writer) error { _, err := io.WriteString(w, "old"); return err }))
	assert.Equal(t, "old", read(t, path))
	err := Write(path, func(w io.Writer) error {
		_, err := io.WriteString(w, "half of the n")
		require.NoError(t, err)
		return io.ErrUnexpectedEOF
	})
	assert.Equal(t, io.ErrUnexpectedEOF, err)
	assert.Equal(t, "old", read(t, path))
	assert.Equal(t, []string{"figures.json"}, names(t, dir))
	assert.Error(t, Write(filepath.Join(dir, "missing", "a"), func(io.Writer) error { panic("called") }))
}
