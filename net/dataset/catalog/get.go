package catalog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/steppe-ml/steppe/net/dataset"
)

// Options says how Get gets a data set. The zero value downloads it to dataset.CacheDir.
type Options struct {
	Dir  string // the cache folder; "" for dataset.CacheDir()
	From string // take the files from this folder, archive or file, and download nothing

	// Progress is called often with the work that is done, on the goroutine of Get. May be nil.
	Progress func(Progress)
	// Client sends the requests; nil for one that goes through the proxies of the environment.
	Client *http.Client

	pause time.Duration // before a second try; 0 for firstPause
}

// Progress is how far Get has come.
type Progress struct {
	What        string // a package, what is unpacked, or what Get waits for
	Done, Total int64  // bytes of all packages; 0 if there is no download
	Waiting     bool   // for another process
}

const (
	partialSuffix   = ".partial"   // of the folder of an unfinished set, and of an unfinished package
	originSuffix    = ".origin"    // of the file that says where a package comes from
	unpackingSuffix = ".unpacking" // of a file that is being unpacked
	lockName        = "lock"
)

// Get puts the data set into the cache folder, unless it is there and whole, and returns its
// folder. The folder appears when all files are right; in a folder that has some, Get mends those
// that are missing or damaged. It returns "" for a set that is built in.
//
// Until then what has arrived lies in a folder beside it that ends in .partial. It stays there if
// Get fails or ctx is done, and the next Get goes on from it. If another process gets the same set,
// Get waits for it.
//
// A package is asked for from each of its URLs in turn. If none gives it, the error is a
// *FetchError.
func (s Set) Get(ctx context.Context, o Options) (dir string, err error) {
	if s.BuiltIn() {
		return "", nil
	}
	if dir, err = s.folder(o.Dir); err != nil {
		return "", fmt.Errorf("catalog: %w", err)
	}
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	g := &getter{Options: o, set: s, dir: dir, staging: dir + partialSuffix}
	if err := g.run(ctx); err != nil {
		return "", g.explain(err)
	}
	return dir, nil
}

// getter is one call of Get.
type getter struct {
	Options
	set     Set
	dir     string // where the set belongs
	staging string // where it is made
	unpack  *unpacker
}

func (g *getter) run(ctx context.Context) error {
	if whole, err := g.set.wholeFiles(ctx, g.dir); err != nil || len(whole) == len(g.set.Files) {
		return err
	}
	unlock, err := g.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	// Another process may have got it meanwhile.
	whole, err := g.set.wholeFiles(ctx, g.dir)
	if err != nil || len(whole) == len(g.set.Files) {
		return err
	}
	staged, err := g.set.wholeFiles(ctx, g.staging)
	if err != nil {
		return err
	}
	g.unpack = &unpacker{set: g.set, dir: g.staging, have: map[string]bool{}}
	for _, name := range append(whole, staged...) {
		g.unpack.have[name] = true
	}
	if g.From != "" {
		err = g.take(ctx)
	} else {
		err = g.download(ctx)
	}
	if err != nil {
		return err
	}
	if runtime.GOOS == "windows" { // it renames no folder with an open file
		unlock()
	}
	return g.install()
}

// take takes the files from what the caller has at hand.
func (g *getter) take(ctx context.Context) error {
	info, err := os.Stat(g.From)
	if err != nil {
		return fmt.Errorf("%s: %w", g.From, reason(err))
	}
	g.Progress(Progress{What: "unpacking " + g.From})
	if info.IsDir() {
		err = g.unpack.folder(ctx, g.From)
	} else {
		err = g.unpack.take(ctx, g.From, g.From)
	}
	if err != nil {
		return err
	}
	missing := g.unpack.missing()
	if len(missing) == 0 {
		return nil
	}
	var names, packages []string
	for _, f := range missing {
		names = append(names, f.Name)
	}
	for _, p := range g.set.Packages {
		packages = append(packages, p.Name)
	}
	text := fmt.Sprintf("%s: no %s of %s, looked for files of these names, gzipped or not, and in %s",
		g.From, strings.Join(names, ", "), g.set.Name, strings.Join(packages, ", "))
	for _, wrong := range g.unpack.wrong {
		text += "\n  " + wrong
	}
	return &missingError{text}
}

// missingError says what isn't there.
type missingError struct{ text string }

func (e *missingError) Error() string { return e.text }
func (e *missingError) Unwrap() error { return fs.ErrNotExist }

// download downloads the packages that hold missing files, and unpacks them.
func (g *getter) download(ctx context.Context) error {
	var packages []Package
	var total, before int64
	for _, p := range g.set.Packages {
		for _, name := range p.Holds {
			if !g.unpack.have[name] {
				packages = append(packages, p)
				total += p.Size
				break
			}
		}
	}
	for _, p := range packages {
		progress := func(have int64) {
			g.Progress(Progress{What: p.Name, Done: before + min(have, p.Size), Total: total})
		}
		d := &download{
			pkg:     p,
			partial: filepath.Join(g.staging, p.Name+partialSuffix),
			client:  g.client(), pause: g.pause,
			advance: progress,
		}
		if d.pause == 0 {
			d.pause = firstPause
		}
		d.accept = func() (string, error) { return g.accept(ctx, p, d.partial) }
		progress(fileSize(d.partial))
		if err := d.run(ctx); err != nil {
			var writing *writeError
			if ctx.Err() != nil || errors.As(err, &writing) {
				return err
			}
			return &FetchError{Set: g.set, Package: p, Kept: fileSize(d.partial), Err: err}
		}
		if err := d.discard(); err != nil {
			return err
		}
		before += p.Size
	}
	return nil
}

// accept unpacks a package that has arrived, and says what is wrong with it.
func (g *getter) accept(ctx context.Context, p Package, path string) (wrong string, err error) {
	g.unpack.wrong = nil
	if err := g.unpack.take(ctx, path, p.Name); err != nil {
		return "", err
	}
	for _, name := range p.Holds {
		if !g.unpack.have[name] {
			if len(g.unpack.wrong) > 0 {
				return strings.Join(g.unpack.wrong, "; "), nil
			}
			return fmt.Sprintf("%s has no %s", p.Name, name), nil
		}
	}
	return "", nil
}

// client returns the caller's client, or one that gives up on servers that don't answer.
func (g *getter) client() *http.Client {
	if g.Client != nil {
		return g.Client
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = 30 * time.Second
	return &http.Client{Transport: transport}
}

// install gives the files their place: all at once if there is no folder yet.
func (g *getter) install() error {
	if err := g.tidy(); err != nil {
		return err
	}
	if _, err := os.Stat(g.dir); errors.Is(err, fs.ErrNotExist) {
		if err := os.Rename(g.staging, g.dir); err != nil {
			return &writeError{g.dir, err}
		}
		return nil
	}
	for _, f := range g.set.Files {
		err := os.Rename(filepath.Join(g.staging, f.Name), filepath.Join(g.dir, f.Name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return &writeError{filepath.Join(g.dir, f.Name), err}
		}
	}
	if err := os.Remove(g.staging); err != nil {
		return &writeError{g.staging, err}
	}
	return nil
}

// tidy removes all but the data set's files: the lock, and what a killed process has left.
func (g *getter) tidy() error {
	entries, err := os.ReadDir(g.staging)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if g.unpack.have[entry.Name()] {
			continue
		}
		if err := os.RemoveAll(filepath.Join(g.staging, entry.Name())); err != nil {
			return &writeError{g.staging, err}
		}
	}
	return nil
}

// lock keeps other processes out of the staging folder. It ends with the process, however that
// ends. unlock removes the folder if there is nothing in it.
func (g *getter) lock(ctx context.Context) (unlock func(), err error) {
	path := filepath.Join(g.staging, lockName)
	for {
		if err := os.MkdirAll(g.staging, 0o755); err != nil {
			info, there := os.Lstat(g.staging)
			if errors.Is(err, fs.ErrExist) && (errors.Is(there, fs.ErrNotExist) || there == nil && info.IsDir()) && ctx.Err() == nil {
				continue // another process, which has just finished, removed it meanwhile
			}
			return nil, &writeError{g.staging, err}
		}
		lock := flock.New(path)
		locked, err := lock.TryLock()
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // the holder may just have finished
			lock.Close()
			return nil, &writeError{path, err}
		}
		if locked && sameFile(lock, path) {
			return func() {
				os.Remove(path) // before others can lock it
				lock.Close()
				os.Remove(path) // where an open file can't be removed
				os.Remove(g.staging)
			}, nil
		}
		lock.Close()
		if locked || err != nil { // the file was removed meanwhile
			continue
		}
		g.Progress(Progress{What: "waiting for another process that gets " + g.set.Name, Waiting: true})
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// sameFile reports whether the locked file is still the one at path.
func sameFile(lock *flock.Flock, path string) bool {
	held, err := lock.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(path)
	return err == nil && os.SameFile(held, there)
}

// explain adds to an error what to do about it.
func (g *getter) explain(err error) error {
	var writing *writeError
	switch {
	case errors.As(err, &writing):
		return fmt.Errorf("catalog: %w; %s takes %d MB in that folder, and %s names another one",
			err, g.set.Name, (g.set.Size()+g.set.PackageSize())/1e6, dataset.CacheEnv)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	}
	return fmt.Errorf("catalog: %w", err)
}

// FetchError says that none of its URLs gave a package, and how to get it by other means.
type FetchError struct {
	Set     Set
	Package Package
	Kept    int64 // bytes of the package that are kept for the next Get
	Err     error // of all URLs, a line each
}

// Error implements error, in several lines.
func (e *FetchError) Error() string {
	lines := []string{fmt.Sprintf("can't fetch %s of %s:", e.Package.Name, e.Set.Name)}
	for line := range strings.SplitSeq(e.Err.Error(), "\n") {
		lines = append(lines, "  "+line)
	}
	if e.Kept > 0 {
		lines = append(lines, fmt.Sprintf("%d of %d bytes are kept, and the next try goes on from there.", e.Kept, e.Package.Size))
	}
	lines = append(lines, "Or fetch these files by other means, put them into a folder, and run",
		fmt.Sprintf("steppe data get %s --from FOLDER:", e.Set.Name))
	for _, p := range e.Set.Packages {
		lines = append(lines, "  "+p.URLs[0])
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the errors of the URLs.
func (e *FetchError) Unwrap() error { return e.Err }
