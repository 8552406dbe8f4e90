// Package catalog fetches published data sets by name and checks them. [Sets] lists them. [Set.Get]
// puts one into the cache folder, where dataset.Open finds it by its name; [Set.Check] says whether
// it is still whole there.
//
// A file is right if its content has the SHA-256 that the table says. How it was packed, and who
// sent it, doesn't matter.
package catalog

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/steppe-ml/steppe/internal/lookup"
	"github.com/steppe-ml/steppe/net/dataset"
)

// Set is a published data set.
type Set struct {
	Name     string // what dataset.Open takes, and the name of its folder in the cache
	About    string // one line
	License  string
	Citation string
	Homepage string    // for people
	Files    []File    // in the cache, unpacked; none if the set is built in
	Packages []Package // that hold the files
}

// File is a file of a data set, unpacked.
type File struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`   // in bytes
	SHA256 string `json:"sha256"` // in hexadecimal
}

// Package is a file as it is published: one file that is gzipped, or an archive.
type Package struct {
	Name   string   `json:"name"`
	Size   int64    `json:"size"`   // in bytes
	SHA256 string   `json:"sha256"` // of the package itself, for those who fetch it by hand
	URLs   []string `json:"urls"`
	Holds  []string `json:"holds"` // names of files; its own name if it stays packed
}

// Lookup returns the row of Sets with that name. The error lists the names.
func Lookup(name string) (Set, error) {
	return lookup.Row("data set", Sets, func(s Set) string { return s.Name }, name)
}

// BuiltIn reports whether the set needs no files.
func (s Set) BuiltIn() bool { return len(s.Files) == 0 }

// PackageSize returns the bytes to download for the whole set.
func (s Set) PackageSize() (size int64) {
	for _, p := range s.Packages {
		size += p.Size
	}
	return size
}

// Size returns the bytes that the set takes in the cache.
func (s Set) Size() (size int64) {
	for _, f := range s.Files {
		size += f.Size
	}
	return size
}

// packed returns the file of s that is a package itself, and stays packed, if something of that
// name or size is to be it. The size alone is enough, since others call the same package by other
// names.
func (s Set) packed(name string, size int64) (File, bool) {
	for _, f := range s.Files {
		stays := slices.ContainsFunc(s.Packages, func(p Package) bool { return p.Name == f.Name })
		if stays && (f.Size == size || f.Name == filepath.Base(filepath.ToSlash(name))) {
			return f, true
		}
	}
	return File{}, false
}

// file returns the file that something called name is, by its name: in any folder, gzipped or not,
// and with a dot or a hyphen before "idx", since both are in use for MNIST's files.
func (s Set) file(name string) (File, bool) {
	base := filepath.Base(filepath.ToSlash(name))
	other := strings.Replace(strings.TrimSuffix(base, ".gz"), ".idx", "-idx", 1)
	i := slices.IndexFunc(s.Files, func(f File) bool { return f.Name == base || f.Name == other })
	if i < 0 {
		return File{}, false
	}
	return s.Files[i], true
}

// folder returns the folder of s in a cache folder, "" for that of dataset.CacheDir.
func (s Set) folder(cache string) (string, error) {
	if cache == "" {
		cache = dataset.CacheDir()
	}
	if cache == "" {
		return "", fmt.Errorf("no folder to keep %s in: set %s to one", s.Name, dataset.CacheEnv)
	}
	return filepath.Join(cache, s.Name), nil
}
