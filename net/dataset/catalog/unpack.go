package catalog

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// unpacker takes the files of a data set out of whatever they are packed in, and keeps those whose
// content is right. It writes to names of the data set only, and no more than a file's size, so an
// archive can neither write elsewhere nor fill the disk.
type unpacker struct {
	set   Set
	dir   string          // for the files
	have  map[string]bool // names of files that are whole
	wrong []string        // what bore the name of a file and isn't it, or couldn't be read
}

func (u *unpacker) missing() (files []File) {
	for _, f := range u.set.Files {
		if !u.have[f.Name] {
			files = append(files, f)
		}
	}
	return files
}

// take takes what it can from a file at path: a package that stays packed, a file of the data set,
// gzipped or not, or a zip or tar archive with some of them, the latter gzipped or not. name is
// what to call the file. The error is about the disk or the context: what the file lacks is told by
// missing and wrong.
func (u *unpacker) take(ctx context.Context, path, name string) error {
	file, err := os.Open(path)
	if err != nil {
		u.note("%s: %v", name, reason(err))
		return nil
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil {
		if f, ok := u.set.packed(name, info.Size()); ok {
			return u.file(canceling{ctx, file}, f.Name, name)
		}
	}
	content := bufio.NewReaderSize(canceling{ctx, file}, 1<<16)
	if _, err := content.Peek(1); err != nil && err != io.EOF {
		return u.unreadable(err, name)
	}
	if start, _ := content.Peek(4); string(start) == "PK\x03\x04" {
		return u.zip(ctx, file, name)
	}
	unpacked, err := uncompressed(content)
	if err != nil {
		u.note("%s: %v", name, err)
		return nil
	}
	if start, _ := unpacked.Peek(262); len(start) == 262 && string(start[257:]) == "ustar" {
		return u.tar(unpacked, name)
	}
	return u.file(unpacked, name, name)
}

// tar goes through an archive. It reads no more than twice what the data set takes, and some for
// what may lie beside it.
func (u *unpacker) tar(r io.Reader, name string) error {
	limited := &io.LimitedReader{R: r, N: 2*u.set.Size() + 8<<20}
	archive := tar.NewReader(limited)
	for len(u.missing()) > 0 {
		header, err := archive.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) { // paths are not used
			if limited.N <= 0 {
				err = fmt.Errorf("unpacks to more than %d bytes, which is not %s", 2*u.set.Size()+8<<20, u.set.Name)
			}
			return u.unreadable(err, name)
		}
		if header.Typeflag == tar.TypeReg {
			if err := u.entry(archive, header.Name, name); err != nil {
				return err
			}
		}
	}
	return nil
}

func (u *unpacker) zip(ctx context.Context, file *os.File, name string) error {
	info, err := file.Stat()
	if err != nil {
		return u.unreadable(err, name)
	}
	archive, err := zip.NewReader(file, info.Size())
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) { // nor here
		return u.unreadable(err, name)
	}
	for _, f := range archive.File {
		if _, ok := u.set.file(f.Name); !ok || !f.Mode().IsRegular() {
			continue
		}
		r, err := f.Open()
		if err != nil {
			u.note("%s in %s: %v", f.Name, name, err)
			continue
		}
		err = u.entry(canceling{ctx, r}, f.Name, name)
		r.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// entry takes an entry of an archive, which may be gzipped in its turn.
func (u *unpacker) entry(r io.Reader, entry, archive string) error {
	if _, ok := u.set.file(entry); !ok {
		return nil
	}
	content, err := uncompressed(bufio.NewReaderSize(r, 1<<16))
	if err != nil {
		return u.unreadable(err, entry+" in "+archive)
	}
	return u.file(content, entry, entry+" in "+archive)
}

// file takes one file, unpacked, whose name says which it may be.
func (u *unpacker) file(r io.Reader, name, what string) error {
	f, ok := u.set.file(name)
	if !ok || u.have[f.Name] {
		return nil
	}
	path := filepath.Join(u.dir, f.Name)
	temporary := path + unpackingSuffix
	defer os.Remove(temporary)
	sum, size, err := u.write(temporary, io.LimitReader(r, f.Size+1))
	var writing *writeError
	switch {
	case errors.As(err, &writing):
		return err
	case err != nil:
		return u.unreadable(err, what)
	case size != f.Size:
		u.note("%s: %s", what, wrongSize(size, f))
	case sum != f.SHA256:
		u.note("%s: %s", what, wrongSum(sum, f))
	default:
		if err := os.Rename(temporary, path); err != nil {
			return &writeError{path, err}
		}
		u.have[f.Name] = true
	}
	return nil
}

// write writes what r holds to a file, and returns its SHA-256 and size.
func (u *unpacker) write(path string, r io.Reader) (sum string, size int64, err error) {
	out, err := os.Create(path)
	if err != nil {
		return "", 0, &writeError{path, err}
	}
	defer out.Close()
	hash := sha256.New()
	size, err = io.Copy(io.MultiWriter(hash, failing{path, out}), r)
	if err != nil {
		return "", 0, err
	}
	if err := errors.Join(out.Sync(), out.Close()); err != nil {
		return "", 0, &writeError{path, err}
	}
	return hex.EncodeToString(hash.Sum(nil)), size, nil
}

// unreadable notes that something can't be read, unless the reason is that the context is done.
func (u *unpacker) unreadable(err error, what string) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	u.note("%s: %v", what, reason(err))
	return nil
}

func (u *unpacker) note(format string, args ...any) {
	u.wrong = append(u.wrong, fmt.Sprintf(format, args...))
}

// folder takes what it can from a folder and those in it: files of the data set and the packages
// that hold them. It looks at names alone before it reads anything, three folders deep.
func (u *unpacker) folder(ctx context.Context, dir string) error {
	root := filepath.Clean(dir)
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		relative, _ := filepath.Rel(root, path)
		switch {
		case err != nil && path == root:
			return err
		case err != nil:
			u.note("%s: %v", path, reason(err))
			return nil
		case entry.IsDir() && strings.Count(relative, string(filepath.Separator)) >= 3:
			return fs.SkipDir
		case entry.IsDir() || len(u.missing()) == 0:
			return nil
		}
		_, isFile := u.set.file(path)
		isPackage := slices.ContainsFunc(u.set.Packages, func(p Package) bool { return p.Name == entry.Name() })
		info, err := os.Stat(path)
		if err != nil || !info.Mode().IsRegular() {
			return nil
		}
		if _, isPacked := u.set.packed(path, info.Size()); !isFile && !isPackage && !isPacked {
			return nil
		}
		return u.take(ctx, path, path)
	})
}

func wrongSize(size int64, f File) string {
	if size > f.Size {
		return fmt.Sprintf("more than the %d bytes of %s", f.Size, f.Name)
	}
	return fmt.Sprintf("%d bytes, want %d", size, f.Size)
}

func wrongSum(sum string, f File) string {
	return fmt.Sprintf("SHA-256 %s, want %s", sum, f.SHA256)
}

// uncompressed returns what r holds, gunzipped if it starts as gzip does.
func uncompressed(r *bufio.Reader) (*bufio.Reader, error) {
	if start, _ := r.Peek(2); string(start) != "\x1f\x8b" {
		return r, nil
	}
	unzipped, err := gzip.NewReader(r)
	if err != nil {
		return nil, fmt.Errorf("damaged gzip: %w", err)
	}
	return bufio.NewReaderSize(unzipped, 1<<16), nil
}

// canceling is a reader that fails when its context is done.
type canceling struct {
	ctx context.Context
	r   io.Reader
}

func (c canceling) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// writeError is an error of the cache folder's disk, for which no other server is a remedy.
type writeError struct {
	path string
	err  error
}

func (e *writeError) Error() string { return fmt.Sprintf("can't write %s: %v", e.path, reason(e.err)) }
func (e *writeError) Unwrap() error { return e.err }

// failing is a writer whose errors are writeErrors.
type failing struct {
	path string
	w    io.Writer
}

func (f failing) Write(p []byte) (int, error) {
	n, err := f.w.Write(p)
	if err != nil {
		err = &writeError{f.path, err}
	}
	return n, err
}

// reason returns what a PathError or LinkError wraps: the path is told otherwise.
func reason(err error) error {
	if in := new(fs.PathError); errors.As(err, &in) {
		return in.Err
	}
	if in := new(os.LinkError); errors.As(err, &in) {
		return in.Err
	}
	return err
}
