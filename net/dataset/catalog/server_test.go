package catalog

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// noise returns n bytes that don't compress, the same for the same seed.
func noise(n int, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 0))
	content := make([]byte, n)
	for i := range content {
		content[i] = byte(r.Uint32())
	}
	return content
}

// Two files of the data sets of the tests.
var (
	large = noise(300_000, 1)
	small = noise(1_000, 2)
)

func fileOf(name string, content []byte) File {
	return File{name, int64(len(content)), sumOf(content)}
}

func sumOf(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

func zipped(content []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(content)
	w.Close()
	return b.Bytes()
}

// entry is a file of an archive.
type entry struct {
	name    string
	content []byte
}

func tarOf(entries ...entry) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		w.WriteHeader(&tar.Header{Name: e.name, Mode: 0o644, Size: int64(len(e.content))})
		w.Write(e.content)
	}
	w.Close()
	return b.Bytes()
}

func zipOf(entries ...entry) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, e := range entries {
		f, _ := w.Create(e.name)
		f.Write(e.content)
	}
	w.Close()
	return b.Bytes()
}

// pair is a data set of two packages with a file each, as MNIST has four.
func pair(servers ...string) Set {
	s := Set{Name: "pair", Files: []File{fileOf("a-idx3-ubyte", large), fileOf("b-idx1-ubyte", small)}}
	for i, content := range [][]byte{large, small} {
		packed := zipped(content)
		s.Packages = append(s.Packages, gzipped(s.Files[i].Name, int64(len(packed)), sumOf(packed), servers...))
	}
	return s
}

// archived is a data set of one archive, as CIFAR is.
func archived(servers ...string) Set {
	packed := archive()
	s := Set{Name: "archived", Files: []File{fileOf("train.bin", large), fileOf("test.bin", small)}}
	p := Package{Name: "a.tar.gz", Size: int64(len(packed)), SHA256: sumOf(packed), Holds: []string{"train.bin", "test.bin"}}
	for _, server := range servers {
		p.URLs = append(p.URLs, server+p.Name)
	}
	s.Packages = []Package{p}
	return s
}

func archive() []byte {
	return zipped(tarOf(entry{"a/readme.html", []byte("<p>")}, entry{"a/train.bin", large}, entry{"a/test.bin", small}))
}

// published is what a server of the tests has.
var published = map[string][]byte{
	"a-idx3-ubyte.gz": zipped(large), "b-idx1-ubyte.gz": zipped(small), "a.tar.gz": archive(),
}

// server serves the published files in some way, and remembers the requests.
type server struct {
	*httptest.Server
	mutex    sync.Mutex
	requests []string // path and range, as in "a.tar.gz bytes=100-"
}

// serve starts a server. handle gets the name and the content of what is asked for, nil if it
// isn't published.
func serve(t *testing.T, handle func(w http.ResponseWriter, r *http.Request, name string, content []byte)) *server {
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, "/")
		s.mutex.Lock()
		s.requests = append(s.requests, strings.TrimSpace(name+" "+r.Header.Get("Range")))
		s.mutex.Unlock()
		handle(w, r, name, published[name])
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *server) url() string { return s.URL + "/" }

// asked returns the requests so far.
func (s *server) asked() []string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return append([]string(nil), s.requests...)
}

// ranges serves with ranges and an ETag, as most servers do.
func ranges(w http.ResponseWriter, r *http.Request, name string, content []byte) {
	if content == nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("ETag", strconv.Quote(sumOf(content)[:8]))
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(content))
}

// noRanges serves whole files only, without a word about their version.
func noRanges(w http.ResponseWriter, r *http.Request, name string, content []byte) {
	w.Header().Set("Content-Length", strconv.Itoa(len(content)))
	w.Write(content)
}

// breaking serves by ranges, but ends the first n answers after the given number of bytes.
func breaking(n, after int) func(http.ResponseWriter, *http.Request, string, []byte) {
	var mutex sync.Mutex
	return func(w http.ResponseWriter, r *http.Request, name string, content []byte) {
		mutex.Lock()
		breaks := n > 0
		n--
		mutex.Unlock()
		if breaks {
			w = &breaker{w, after}
		}
		ranges(w, r, name, content)
	}
}

type breaker struct {
	http.ResponseWriter
	left int
}

func (b *breaker) Write(p []byte) (int, error) {
	n, _ := b.ResponseWriter.Write(p[:min(len(p), b.left)])
	if b.left -= n; b.left == 0 {
		b.ResponseWriter.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	return n, nil
}

// write writes files below a new folder.
func write(t *testing.T, entries ...entry) string {
	dir := t.TempDir()
	for _, e := range entries {
		path := filepath.Join(dir, e.name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o777))
		require.NoError(t, os.WriteFile(path, e.content, 0o666))
	}
	return dir
}

// tree lists the files below dir with their sizes.
func tree(t *testing.T, dir string) (files []string) {
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && path != dir {
			relative, _ := filepath.Rel(dir, path)
			if d.IsDir() {
				files = append(files, filepath.ToSlash(relative)+"/")
			} else if info, err := d.Info(); err == nil {
				files = append(files, fmt.Sprintf("%s %d", filepath.ToSlash(relative), info.Size()))
			}
		}
		return err
	}))
	return files
}
