// Package atomicfile writes files that are there whole or not at all.
package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// File is a file that appears under its name when it is whole, or never: until
// then it is a temporary one beside it.
type File struct {
	*os.File
	path string
}

// Create begins the file of a path. An existing file stays as it is until
// Commit.
func Create(path string) (*File, error) {
	// What a link points to is written, as by any other program.
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	info, err := os.Stat(path)
	mode := fs.FileMode(0o644)
	switch {
	case err == nil && !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", path) // and must not be replaced by one
	case err == nil:
		mode = info.Mode().Perm()
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		var in *fs.PathError // of a name that nobody has asked for
		if errors.As(err, &in) {
			err = in.Err
		}
		return nil, fmt.Errorf("can't write %s: %w", path, err)
	}
	f := &File{file, path}
	if err := file.Chmod(mode); err != nil {
		f.Discard()
		return nil, err
	}
	return f, nil
}

// Commit puts the file in its place.
func (f *File) Commit() error {
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), f.path)
}

// Discard removes the file, unless it has been put in its place.
func (f *File) Discard() {
	f.Close()
	os.Remove(f.Name())
}
