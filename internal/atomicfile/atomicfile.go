// Package atomicfile writes files that appear whole or not at all.
package atomicfile

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// File is a file that is being written. Until Commit it has a temporary name in the same folder.
type File struct {
	temporary *os.File
	path      string
}

// Create creates a file. An existing file of that path stays as it is until Commit.
func Create(path string) (*File, error) {
	// Write to the target of a link, as any other program does.
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	info, err := os.Stat(path)
	mode := fs.FileMode(0o644)
	switch {
	case err == nil && !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", path) // replacing it would destroy it
	case err == nil:
		mode = info.Mode().Perm()
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	f := &File{file, path}
	if err == nil {
		if err = file.Chmod(mode); err != nil {
			f.Discard()
		}
	}
	if err != nil {
		return nil, f.named(err)
	}
	return f, nil
}

// Write implements io.Writer.
func (f *File) Write(p []byte) (int, error) {
	n, err := f.temporary.Write(p)
	return n, f.named(err)
}

// Commit syncs the file to the disk and gives it its name.
func (f *File) Commit() error {
	err := cmp.Or(f.temporary.Sync(), f.temporary.Close())
	if err == nil {
		err = os.Rename(f.temporary.Name(), f.path)
	}
	return f.named(err)
}

// Discard removes the file, unless Commit has succeeded.
func (f *File) Discard() {
	f.temporary.Close()
	os.Remove(f.temporary.Name())
}

// named replaces the temporary path in err by the file's path, which users know.
func (f *File) named(err error) error {
	if err == nil {
		return nil
	}
	if in := new(fs.PathError); errors.As(err, &in) {
		err = in.Err
	}
	if in := new(os.LinkError); errors.As(err, &in) {
		err = in.Err
	}
	return fmt.Errorf("can't write %s: %w", f.path, err)
}

// RemoveTemporary removes the temporary files that killed processes have left for a path. No
// process may be writing a file of that path.
func RemoveTemporary(path string) error {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return err
	}
	for _, entry := range entries {
		number, found := strings.CutPrefix(entry.Name(), "."+filepath.Base(path)+".")
		if !found || !entry.Type().IsRegular() || strings.Trim(number, "0123456789") != "" {
			continue
		}
		if err := os.Remove(filepath.Join(filepath.Dir(path), entry.Name())); err != nil {
			return err
		}
	}
	return nil
}
