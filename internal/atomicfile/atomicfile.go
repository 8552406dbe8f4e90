// Package atomicfile writes files that appear whole or not at all.
package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// system makes files without names, and names them. Tests replace its functions.
var system = struct {
	create func(dir string) *os.File
	link   func(file *os.File, name string) error
}{createUnnamed, linkUnnamed}

// File is a file that is being written. Where the system can do that, it has no name until Commit,
// so that a process that is killed leaves nothing of it. Elsewhere it has a temporary name in the
// same folder, which RemoveTemporary knows.
type File struct {
	temporary *os.File
	name      string // the temporary one; "" if there is none
	path      string
}

// Write writes a file by calling write. After an error, an existing file of that path is as it was.
func Write(path string, write func(io.Writer) error) error {
	file, err := Create(path)
	if err != nil {
		return err
	}
	defer file.Discard()
	if err := write(file); err != nil {
		return err
	}
	return file.Commit()
}

// Create creates a file. An existing file of that path stays as it is until Commit. A path that
// can't be written is an error.
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
	f := &File{path: path}
	if f.temporary = system.create(filepath.Dir(path)); f.temporary == nil {
		if err := f.createNamed(); err != nil {
			return nil, f.named(err)
		}
	}
	if err := f.temporary.Chmod(mode); err != nil {
		f.Discard()
		return nil, f.named(err)
	}
	return f, nil
}

// createNamed creates the file with a temporary name.
func (f *File) createNamed() (err error) {
	if f.temporary, err = os.CreateTemp(filepath.Dir(f.path), f.prefix()+"*"); err == nil {
		f.name = f.temporary.Name()
	}
	return err
}

// prefix is how temporary names begin. A number follows.
func (f *File) prefix() string { return "." + filepath.Base(f.path) + "." }

// Write implements io.Writer.
func (f *File) Write(p []byte) (int, error) {
	n, err := f.temporary.Write(p)
	return n, f.named(err)
}

// Commit gives the file its name when its bytes have reached the disk, and waits until the name has
// reached it, too. After an error, an existing file of that path is as it was, unless it's the disk
// that failed at the end.
func (f *File) Commit() error {
	if err := f.temporary.Sync(); err != nil {
		return f.named(err)
	}
	if f.name == "" && f.link() != nil { // which some sandboxes forbid
		if err := f.copyNamed(); err != nil {
			return f.named(err)
		}
	}
	err := f.temporary.Close()
	if err == nil && f.name != f.path {
		err = os.Rename(f.name, f.path)
	}
	if err == nil {
		f.name = ""
		err = syncDir(filepath.Dir(f.path))
	}
	return f.named(err)
}

// link gives a file without a name the path, or a temporary name if there is a file of that path,
// which only a rename can replace.
func (f *File) link() error {
	err := system.link(f.temporary, f.path)
	if err == nil {
		f.name = f.path
	}
	for errors.Is(err, fs.ErrExist) {
		name := filepath.Join(filepath.Dir(f.path), f.prefix()+strconv.FormatUint(uint64(rand.Uint32()), 10))
		if err = system.link(f.temporary, name); err == nil {
			f.name = name
		}
	}
	return err
}

// copyNamed copies a file without a name to one with a temporary name, and takes that instead.
func (f *File) copyNamed() error {
	unnamed := f.temporary
	defer unnamed.Close()
	info, err := unnamed.Stat()
	if err != nil {
		return err
	}
	if err := f.createNamed(); err != nil {
		f.temporary = unnamed
		return err
	}
	if err := f.temporary.Chmod(info.Mode().Perm()); err != nil {
		return err
	}
	if _, err := io.Copy(f.temporary, io.NewSectionReader(unnamed, 0, info.Size())); err != nil {
		return err
	}
	return f.temporary.Sync()
}

// Discard removes the file, unless Commit has succeeded.
func (f *File) Discard() {
	f.temporary.Close()
	if f.name != "" {
		os.Remove(f.name)
	}
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
