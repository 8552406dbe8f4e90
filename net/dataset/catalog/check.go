package catalog

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Damage is a file of a data set in the cache that isn't right.
type Damage struct {
	Path string
	Err  error // what is wrong; a kind of fs.ErrNotExist if the file is missing
}

// Error implements error.
func (d Damage) Error() string { return fmt.Sprintf("%s: %v", d.Path, d.Err) }

// Unwrap returns Err.
func (d Damage) Unwrap() error { return d.Err }

// Here reports whether the set has a folder in the cache, whole or not, or is built in. cache is ""
// for dataset.CacheDir().
func (s Set) Here(cache string) bool {
	dir, err := s.folder(cache)
	if s.BuiltIn() || err != nil {
		return s.BuiltIn()
	}
	info, err := os.Stat(dir)
	return err == nil && info.IsDir()
}

// Check reads all files of the set in the cache and returns those that are missing or damaged, none
// if the set is whole or built in. cache is "" for dataset.CacheDir(). A set that has no folder
// there is an error, a kind of fs.ErrNotExist.
func (s Set) Check(ctx context.Context, cache string) ([]Damage, error) {
	if s.BuiltIn() {
		return nil, nil
	}
	dir, err := s.folder(cache)
	if err != nil {
		return nil, fmt.Errorf("catalog: %w", err)
	}
	if !s.Here(cache) {
		return nil, &missingError{fmt.Sprintf("catalog: %s isn't in %s: steppe data get %s fetches it",
			s.Name, filepath.Dir(dir), s.Name)}
	}
	var damages []Damage
	for _, f := range s.Files {
		path := filepath.Join(dir, f.Name)
		if err := f.check(ctx, path); err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			damages = append(damages, Damage{path, err})
		}
	}
	return damages, nil
}

// wholeFiles returns the names of the files in dir that are right. The error is that of ctx.
func (s Set) wholeFiles(ctx context.Context, dir string) (names []string, err error) {
	for _, f := range s.Files {
		if f.check(ctx, filepath.Join(dir, f.Name)) == nil {
			names = append(names, f.Name)
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	return names, nil
}

// check returns an error unless the file at path has the size and the sum of f.
func (f File) check(ctx context.Context, path string) error {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("missing: %w", fs.ErrNotExist)
	}
	if err != nil {
		return reason(err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return reason(err)
	}
	if !info.Mode().IsRegular() {
		return errors.New("not a regular file")
	}
	if info.Size() != f.Size {
		return fmt.Errorf("%d bytes, want %d", info.Size(), f.Size)
	}
	hash := sha256.New()
	if _, err := io.Copy(hash, canceling{ctx, file}); err != nil {
		return reason(err)
	}
	if sum := hex.EncodeToString(hash.Sum(nil)); sum != f.SHA256 {
		return fmt.Errorf("damaged: %s", wrongSum(sum, f))
	}
	return nil
}
