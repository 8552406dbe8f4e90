package dataset

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// CacheEnv is the environment variable that names the folder of [CacheDir].
const CacheEnv = "STEPPE_DATA"

// CacheDir returns the folder that keeps the data sets which have names: $STEPPE_DATA as an
// absolute path, or else the folder steppe in the user's cache ([os.UserCacheDir]). It is "" if the
// system says of neither where it is. The folder may not exist yet.
func CacheDir() string {
	if dir := os.Getenv(CacheEnv); dir != "" {
		if absolute, err := filepath.Abs(dir); err == nil {
			return absolute
		}
		return dir
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "steppe")
}

// fromCache returns the Open of a Source that lies in CacheDir()/name, once package
// net/dataset/catalog has put it there. If it isn't there, a folder of that name in the working
// directory is opened.
func fromCache(name string, classNames []string, read func(o Options, dir string) (train, test *Set, err error)) func(string, Options) (train, test *Set, err error) {
	return openCached(name, []string{"Stream"}, func(o Options, dir string) (train, test *Set, err error) {
		if train, test, err = read(o, dir); err == nil && train.Classes != len(classNames) {
			err = fmt.Errorf("dataset: %s has %d classes, want %d", name, train.Classes, len(classNames))
		}
		if err != nil {
			return nil, nil, damaged(name, err)
		}
		train.ClassNames, test.ClassNames = classNames, classNames
		return train, test, nil
	})
}

// textsFromCache is fromCache for texts. load reads the archive in the folder, and read makes sets
// of what is in it.
func textsFromCache[T any](name, archive string, load func(archive string) (T, error), read func(o Options, from T) (train, test *Set, err error)) func(string, Options) (train, test *Set, err error) {
	return openCached(name, append(slices.Clone(textOptions), "Test"), func(o Options, dir string) (train, test *Set, err error) {
		from, err := load(filepath.Join(dir, archive))
		if err != nil {
			return nil, nil, damaged(name, fmt.Errorf("dataset: %w", err))
		}
		if train, test, err = read(o, from); err != nil {
			return nil, nil, fmt.Errorf("dataset: %w", err)
		}
		return train, test, nil
	})
}

// openCached returns the Open of a Source that lies in CacheDir()/name and takes some options.
func openCached(name string, taken []string, read func(o Options, dir string) (train, test *Set, err error)) func(string, Options) (train, test *Set, err error) {
	return func(_ string, o Options) (train, test *Set, err error) {
		dir, err := cached(name)
		if errors.Is(err, fs.ErrNotExist) && isDir(name) {
			return o.Folder(name)
		}
		if err == nil {
			err = o.only(name, taken...)
		}
		if err != nil {
			return nil, nil, err
		}
		return read(o, dir)
	}
}

// damaged adds to an error of files in the cache what to do about it.
func damaged(name string, err error) error {
	return fmt.Errorf("%w (steppe data check %s says what is damaged, steppe data get %s mends it)", err, name, name)
}

// cached returns the folder of a named data set. The error says how to get it.
func cached(name string) (dir string, err error) {
	cache := CacheDir()
	if cache == "" {
		return "", fmt.Errorf("dataset: no folder to keep %s in: %s isn't set, and the system names no cache folder: %w",
			name, CacheEnv, fs.ErrNotExist)
	}
	if dir = filepath.Join(cache, name); !isDir(dir) {
		return "", notCached{name, cache}
	}
	return dir, nil
}

// notCached is the error for a data set that nobody has put into the cache yet.
type notCached struct{ name, cache string }

func (e notCached) Error() string {
	return fmt.Sprintf("dataset: %s isn't in %s: steppe data get %s fetches it", e.name, e.cache, e.name)
}

// Unwrap makes it a kind of fs.ErrNotExist.
func (notCached) Unwrap() error { return fs.ErrNotExist }

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
