package atomicfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// everyKind runs a test with files that have no names until Commit, where the system has them, with
// files that can't get a name, and with named ones.
func everyKind(t *testing.T, test func(t *testing.T)) {
	former := system
	defer func() { system = former }()
	t.Run("as the system has it", test)
	system.link = func(*os.File, string) error { return errors.New("forbidden") }
	t.Run("names are forbidden", test)
	system.create = func(string) *os.File { return nil }
	t.Run("named", test)
}

// A file that is being written is no name in its folder. So nothing is left of it if the process is
// killed.
func TestUnnamed(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("files have names here")
	}
	dir := t.TempDir()
	if file := system.create(dir); file == nil {
		t.Skip("files have names in ", dir)
	} else {
		require.NoError(t, file.Close())
	}
	path := filepath.Join(dir, "figures.json")
	for _, there := range [][]string{nil, {"figures.json"}} {
		file, err := Create(path)
		require.NoError(t, err)
		_, err = io.WriteString(file, "new")
		require.NoError(t, err)
		assert.Equal(t, there, names(t, dir))
		require.NoError(t, file.Commit())
		assert.Equal(t, []string{"figures.json"}, names(t, dir))
	}
}
