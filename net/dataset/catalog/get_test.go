package catalog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	wholePair     = []string{"pair/", "pair/a-idx3-ubyte 300000", "pair/b-idx1-ubyte 1000"}
	wholeArchived = []string{"archived/", "archived/test.bin 1000", "archived/train.bin 300000"}
)

// get gets s into cache, with short pauses.
func get(t *testing.T, s Set, cache string, o Options) error {
	t.Helper()
	o.Dir, o.pause = cache, time.Millisecond
	dir, err := s.Get(t.Context(), o)
	if err == nil {
		assert.Equal(t, filepath.Join(cache, s.Name), dir)
		damages, err := s.Check(t.Context(), cache)
		assert.NoError(t, err)
		assert.Empty(t, damages)
	} else {
		assert.Empty(t, dir)
	}
	return err
}

func TestGet(t *testing.T) {
	server := serve(t, ranges)
	cache := filepath.Join(t.TempDir(), "new", "cache")
	var last Progress
	o := Options{Progress: func(p Progress) {
		assert.GreaterOrEqual(t, p.Done, last.Done)
		assert.LessOrEqual(t, p.Done, p.Total)
		last = p
	}}
	s := pair(server.url())
	require.NoError(t, get(t, s, cache, o))
	assert.Equal(t, wholePair, tree(t, cache))
	assert.Equal(t, Progress{What: "b-idx1-ubyte.gz", Done: s.PackageSize(), Total: s.PackageSize()}, last)

	require.NoError(t, get(t, archived(server.url()), cache, Options{}))
	assert.Equal(t, append(append([]string(nil), wholeArchived...), wholePair...), tree(t, cache))

	// What is there is not fetched again.
	asked := server.asked()
	require.NoError(t, get(t, s, cache, Options{}))
	assert.Equal(t, asked, server.asked())
}

func TestGetBuiltIn(t *testing.T) {
	cache := t.TempDir()
	dir, err := Set{Name: "digits"}.Get(t.Context(), Options{Dir: cache})
	assert.NoError(t, err)
	assert.Empty(t, dir)
	assert.Empty(t, tree(t, cache))
}

// The transfer breaks off twice, and goes on where it was each time.
func TestGetResumesBrokenTransfer(t *testing.T) {
	server := serve(t, breaking(2, 100_000))
	cache := t.TempDir()
	require.NoError(t, get(t, archived(server.url()), cache, Options{}))
	assert.Equal(t, wholeArchived, tree(t, cache))
	assert.Equal(t, []string{"a.tar.gz", "a.tar.gz bytes=100000-", "a.tar.gz bytes=200000-"}, server.asked())
}

// A server that breaks off without a byte more is left after some tries; what it gave is kept for
// the next Get.
func TestGetKeepsPartial(t *testing.T) {
	broken := serve(t, func(w http.ResponseWriter, r *http.Request, name string, content []byte) {
		if r.Header.Get("Range") != "" {
			panic(http.ErrAbortHandler)
		}
		ranges(&breaker{w, 100_000}, r, name, content)
	})
	s := archived(broken.url())
	cache := t.TempDir()
	err := get(t, s, cache, Options{})
	var fetch *FetchError
	require.ErrorAs(t, err, &fetch)
	assert.EqualValues(t, 100_000, fetch.Kept)
	assert.ErrorContains(t, err, fmt.Sprintf("100000 of %d bytes are kept, and the next try goes on from there.", s.Packages[0].Size))
	assert.Len(t, broken.asked(), tries)
	kept := tree(t, cache)
	require.Len(t, kept, 3)
	assert.Equal(t, []string{"archived.partial/", "archived.partial/a.tar.gz.partial 100000"}, kept[:2])

	// Another server takes over.
	server := serve(t, ranges)
	require.NoError(t, get(t, archived(server.url()), cache, Options{}))
	assert.Equal(t, []string{"a.tar.gz bytes=100000-"}, server.asked())
	assert.Equal(t, wholeArchived, tree(t, cache))
}

// If-Range has the server send the whole file if it is another one now. What the partial file had
// is forgotten.
func TestGetOfChangedFile(t *testing.T) {
	for _, test := range []struct {
		name   string
		handle func(w http.ResponseWriter, r *http.Request, name string, content []byte)
		asked  []string
	}{
		{"ETag", ranges, []string{"a.tar.gz bytes=5-"}},
		{"no ranges", noRanges, []string{"a.tar.gz bytes=5-"}},
		// Without a version the server sends the rest. The sum doesn't fit then.
		{"no version", func(w http.ResponseWriter, r *http.Request, name string, content []byte) {
			r.Header.Del("If-Range")
			ranges(w, r, name, content)
		}, []string{"a.tar.gz bytes=5-", "a.tar.gz"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := serve(t, test.handle)
			cache := write(t,
				entry{"archived.partial/a.tar.gz.partial", []byte("older")},
				entry{"archived.partial/a.tar.gz.partial.origin", []byte(`{"url":"` + server.url() + `a.tar.gz","validator":"\"old\""}`)})
			require.NoError(t, get(t, archived(server.url()), cache, Options{}))
			assert.Equal(t, test.asked, server.asked())
			assert.Equal(t, wholeArchived, tree(t, cache))
		})
	}
}

// A package that had arrived when its process was killed is not asked for again. If it is wrong, it
// is.
func TestGetAfterKill(t *testing.T) {
	server := serve(t, ranges)
	cache := write(t,
		entry{"archived.partial/a.tar.gz.partial", archive()},
		entry{"archived.partial/train.bin.unpacking", []byte("half")},
		entry{"archived.partial/lock", nil})
	require.NoError(t, get(t, archived(server.url()), cache, Options{}))
	assert.Empty(t, server.asked())
	assert.Equal(t, wholeArchived, tree(t, cache))

	cache = write(t, entry{"archived.partial/a.tar.gz.partial", make([]byte, len(archive()))})
	require.NoError(t, get(t, archived(server.url()), cache, Options{}))
	assert.Equal(t, []string{"a.tar.gz"}, server.asked())

	// More bytes than there are.
	cache = write(t, entry{"archived.partial/a.tar.gz.partial", make([]byte, len(archive())+1)})
	require.NoError(t, get(t, archived(server.url()), cache, Options{}))
	assert.Equal(t, wholeArchived, tree(t, cache))
}

// One server after another is asked; what each came to is in the error.
func TestGetMirrors(t *testing.T) {
	status := func(code int) *server {
		return serve(t, func(w http.ResponseWriter, r *http.Request, name string, content []byte) { w.WriteHeader(code) })
	}
	missing, busy := status(http.StatusNotFound), status(http.StatusServiceUnavailable)
	page := serve(t, func(w http.ResponseWriter, r *http.Request, name string, content []byte) {
		fmt.Fprint(w, "<html>log in</html>")
	})
	other := serve(t, func(w http.ResponseWriter, r *http.Request, name string, content []byte) {
		ranges(w, r, name, zipped(noise(len(large), 3)))
	})
	cut := serve(t, func(w http.ResponseWriter, r *http.Request, name string, content []byte) { // no Content-Length
		w.(http.Flusher).Flush()
		w.Write(content[:len(content)/2])
	})
	endless := serve(t, func(w http.ResponseWriter, r *http.Request, name string, content []byte) {
		for {
			if _, err := w.Write(large); err != nil {
				return
			}
		}
	})
	closed := serve(t, ranges)
	closed.Close()
	bad := []string{missing.url(), busy.url(), page.url(), other.url(), cut.url(), endless.url(), closed.url()}

	cache := t.TempDir()
	s := pair(bad...)
	err := get(t, s, cache, Options{})
	var fetch *FetchError
	require.ErrorAs(t, err, &fetch)
	assert.Equal(t, "a-idx3-ubyte.gz", fetch.Package.Name)
	for _, want := range []string{
		"catalog: can't fetch a-idx3-ubyte.gz of pair:\n  " + missing.url() + "a-idx3-ubyte.gz: 404 Not Found\n",
		"\n  " + busy.url() + "a-idx3-ubyte.gz: 503 Service Unavailable\n",
		"\n  " + page.url() + "a-idx3-ubyte.gz: a-idx3-ubyte.gz: 19 bytes, want 300000\n",
		"\n  " + other.url() + "a-idx3-ubyte.gz: a-idx3-ubyte.gz: SHA-256 " + sumOf(noise(len(large), 3)) + ", want " + sumOf(large) + "\n",
		"\n  " + cut.url() + "a-idx3-ubyte.gz: a-idx3-ubyte.gz: unexpected EOF\n",
		"\n  " + endless.url() + "a-idx3-ubyte.gz: more than ",
		"\n  " + closed.url() + "a-idx3-ubyte.gz: dial tcp ",
		"\nsteppe data get pair --from FOLDER:\n  " + missing.url() + "a-idx3-ubyte.gz\n  " + missing.url() + "b-idx1-ubyte.gz",
	} {
		assert.ErrorContains(t, err, want)
	}
	assert.Len(t, busy.asked(), tries)
	assert.Empty(t, tree(t, cache), "nothing to go on from")

	require.NoError(t, get(t, pair(append(bad, serve(t, ranges).url())...), cache, Options{}))
	assert.Equal(t, wholePair, tree(t, cache))
}

func TestGetRedirects(t *testing.T) {
	last := serve(t, breaking(1, 100_000))
	first := serve(t, func(w http.ResponseWriter, r *http.Request, name string, content []byte) {
		http.Redirect(w, r, last.url()+name, http.StatusFound)
	})
	cache := t.TempDir()
	require.NoError(t, get(t, archived(first.url()), cache, Options{}))
	assert.Equal(t, []string{"a.tar.gz", "a.tar.gz bytes=100000-"}, last.asked())
	assert.Equal(t, last.asked(), first.asked())

	round := serve(t, func(w http.ResponseWriter, r *http.Request, name string, content []byte) {
		http.Redirect(w, r, r.URL.Path, http.StatusFound)
	})
	assert.ErrorContains(t, get(t, archived(round.url()), t.TempDir(), Options{}), "stopped after 10 redirects")
}

// However a package is packed, its content decides.
func TestGetPackings(t *testing.T) {
	for name, packed := range map[string][]byte{
		"unpacked tar": tarOf(entry{"train.bin", large}, entry{"test.bin", small}),
		"zip":          zipOf(entry{"deep/er/train.bin", large}, entry{"test.bin.gz", zipped(small)}),
		"paths out":    zipped(tarOf(entry{"../../train.bin", large}, entry{"/test.bin", small})),
		"zip out":      zipOf(entry{"../../train.bin", large}, entry{"/test.bin", small}),
		"a wrong one first": zipped(tarOf(entry{"old/train.bin", noise(len(large), 4)}, entry{"train.bin", large},
			entry{"test.bin", small})),
	} {
		t.Run(name, func(t *testing.T) {
			server := serve(t, func(w http.ResponseWriter, r *http.Request, _ string, _ []byte) { ranges(w, r, "", packed) })
			top := t.TempDir()
			cache := filepath.Join(top, "below", "cache")
			require.NoError(t, get(t, archived(server.url()), cache, Options{}))
			assert.Equal(t, wholeArchived, tree(t, cache))
			assert.Len(t, tree(t, top), 2+len(wholeArchived), "nothing beside it")
		})
	}
}

// An archive that unpacks to more than any data set ends early.
func TestGetBomb(t *testing.T) {
	s := archived()
	bomb := zipped(tarOf(entry{"zeros", make([]byte, 2*s.Size()+9<<20)}, entry{"train.bin", large}))
	cache := t.TempDir()
	err := get(t, s, cache, Options{From: filepath.Join(write(t, entry{"bomb.tar.gz", bomb}), "bomb.tar.gz")})
	assert.ErrorContains(t, err, "unpacks to more than 8990608 bytes")
	assert.Empty(t, tree(t, cache))

	err = get(t, s, cache, Options{From: write(t, entry{"train.bin.gz", zipped(make([]byte, 4<<20))})})
	assert.ErrorContains(t, err, "more than the 300000 bytes of train.bin")
	assert.Empty(t, tree(t, cache))
}

// What has arrived stays when the context is done, and nothing else.
func TestGetCanceled(t *testing.T) {
	server := serve(t, ranges)
	cache := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	s := archived(server.url())
	_, err := s.Get(ctx, Options{Dir: cache, Progress: func(p Progress) {
		if p.Done > 100_000 {
			cancel()
		}
	}})
	assert.Equal(t, context.Canceled, err)
	files := tree(t, cache)
	require.Len(t, files, 3)
	assert.Equal(t, "archived.partial/", files[0])
	assert.Regexp(t, `^archived\.partial/a\.tar\.gz\.partial [12]\d{5}$`, files[1])
	assert.Regexp(t, `^archived\.partial/a\.tar\.gz\.partial\.origin `, files[2])

	require.NoError(t, get(t, s, cache, Options{}))
	asked := server.asked()
	require.Len(t, asked, 2)
	assert.Regexp(t, `^a\.tar\.gz bytes=[12]\d{5}-$`, asked[1])
	assert.Equal(t, wholeArchived, tree(t, cache))

	// Before anything has arrived, nothing stays.
	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	empty := t.TempDir()
	_, err = s.Get(ctx, Options{Dir: empty})
	assert.Equal(t, context.Canceled, err)
	assert.Empty(t, tree(t, empty))
}

// Of gets at once, one fetches and the others wait for it.
func TestGetAtOnce(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there the lock is given up just before the end")
	}
	begun, goOn := make(chan bool), make(chan bool)
	var once sync.Once
	server := serve(t, func(w http.ResponseWriter, r *http.Request, name string, content []byte) {
		once.Do(func() { close(begun); <-goOn })
		ranges(w, r, name, content)
	})
	cache := t.TempDir()
	s := archived(server.url())
	errs := make(chan error)
	var waiting sync.WaitGroup
	run := func(o Options) {
		o.Dir = cache
		_, err := s.Get(t.Context(), o)
		errs <- err
	}
	go run(Options{})
	<-begun
	const others = 4
	waiting.Add(others)
	for range others {
		var first sync.Once
		go run(Options{Progress: func(p Progress) {
			if p.Waiting {
				first.Do(waiting.Done)
			}
		}})
	}
	waiting.Wait()
	close(goOn)
	for range 1 + others {
		assert.NoError(t, <-errs)
	}
	assert.Equal(t, []string{"a.tar.gz"}, server.asked())
	assert.Equal(t, wholeArchived, tree(t, cache))
}

// Get mends a folder that has some of the files.
func TestGetMends(t *testing.T) {
	server := serve(t, ranges)
	cache := t.TempDir()
	s := pair(server.url())
	require.NoError(t, get(t, s, cache, Options{}))
	path := filepath.Join(cache, "pair", "b-idx1-ubyte")
	require.NoError(t, os.WriteFile(path, make([]byte, len(small)), 0o666))
	require.NoError(t, get(t, s, cache, Options{}))
	assert.Equal(t, []string{"a-idx3-ubyte.gz", "b-idx1-ubyte.gz", "b-idx1-ubyte.gz"}, server.asked())
	assert.Equal(t, wholePair, tree(t, cache))

	require.NoError(t, os.Remove(path))
	require.NoError(t, get(t, s, cache, Options{}))
	assert.Equal(t, wholePair, tree(t, cache))
}

// A full disk is no reason to ask another server.
func TestGetDiskFull(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip(err)
	}
	server := serve(t, ranges)
	for _, name := range []string{"a.tar.gz.partial", "train.bin.unpacking"} {
		cache := t.TempDir()
		require.NoError(t, os.MkdirAll(filepath.Join(cache, "archived.partial"), 0o777))
		require.NoError(t, os.Symlink("/dev/full", filepath.Join(cache, "archived.partial", name)))
		err := get(t, archived(server.url(), server.url()), cache, Options{})
		assert.ErrorIs(t, err, syscall.ENOSPC)
		assert.ErrorContains(t, err, "catalog: can't write "+filepath.Join(cache, "archived.partial", name)+": no space left on device; archived takes 0 MB in that folder, and STEPPE_DATA names another one")
	}
	assert.Len(t, server.asked(), 2)
}

func TestGetCantWrite(t *testing.T) {
	file := filepath.Join(write(t, entry{"file", nil}), "file")
	err := get(t, pair(), file, Options{})
	assert.ErrorContains(t, err, "catalog: can't write "+filepath.Join(file, "pair.partial")+": ")
	assert.ErrorContains(t, err, "STEPPE_DATA names another one")
}

// Get goes through the proxy that the environment names.
func TestGetProxy(t *testing.T) {
	transport := (&getter{}).client().Transport.(*http.Transport)
	require.NotNil(t, transport.Proxy)
	assert.Positive(t, transport.ResponseHeaderTimeout)

	var asked string
	proxy := serve(t, func(w http.ResponseWriter, r *http.Request, name string, content []byte) {
		asked = r.URL.Host
		ranges(w, r, name, content)
	})
	client := &http.Client{Transport: &http.Transport{Proxy: func(*http.Request) (*url.URL, error) { return url.Parse(proxy.URL) }}}
	require.NoError(t, get(t, archived("http://data.invalid/"), t.TempDir(), Options{Client: client}))
	assert.Equal(t, "data.invalid", asked)
}

func TestFetchErrorUnwraps(t *testing.T) {
	cause := errors.New("cause")
	assert.ErrorIs(t, &FetchError{Err: cause}, cause)
	assert.ErrorIs(t, &missingError{}, fs.ErrNotExist)
}
