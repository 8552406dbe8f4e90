package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	tries       = 4                // of one URL that breaks off, without a byte more
	firstPause  = time.Second      // before the second try, doubled before each further one
	idleTimeout = 60 * time.Second // without a byte
)

// download brings a package to path.partial, from the first of its URLs that gives a file which
// accept takes. It goes on from what path.partial has, by whichever server: if what comes of it is
// wrong, it begins anew once.
//
// The error is a *writeError, that of ctx, or a list of what each URL came to. After it the partial
// file stays, to go on from, unless its content was wrong.
type download struct {
	pkg     Package
	partial string // path
	client  *http.Client
	pause   time.Duration
	accept  func() (wrong string, err error) // looks at the whole file; wrong says what isn't right
	advance func(have int64)                 // told of the bytes of the partial file
}

func (d *download) run(ctx context.Context) error {
	var failures []error
	if fileSize(d.partial) == d.pkg.Size { // it had arrived when the last Get ended
		if wrong, err := d.accept(); wrong == "" || err != nil {
			return err
		}
		if err := d.discard(); err != nil {
			return err
		}
	}
	for _, from := range d.pkg.URLs {
		err := d.from(ctx, from)
		var writing *writeError
		if err == nil || ctx.Err() != nil || errors.As(err, &writing) {
			return err
		}
		failures = append(failures, fmt.Errorf("%s: %w", from, err))
	}
	return errors.Join(failures...)
}

// from brings the package from one URL, and tries again if the transfer breaks off.
func (d *download) from(ctx context.Context, from string) error {
	pause, most := d.pause, fileSize(d.partial)
	for try := 1; ; try++ {
		before := fileSize(d.partial)
		err := d.transfer(ctx, from)
		if err == nil {
			wrong, err := d.accept()
			if wrong == "" || err != nil {
				return err
			}
			if err := d.discard(); err != nil {
				return err
			}
			if before > 0 { // the two ends don't fit, or the first was wrong
				most = 0
				continue
			}
			return errors.New(wrong)
		}
		if size := fileSize(d.partial); size > most {
			most, try, pause = size, 1, d.pause
		}
		var broken *brokenOff
		if !errors.As(err, &broken) || try >= tries {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
			pause *= 2
		}
	}
}

// brokenOff is an error after which the same URL may do better.
type brokenOff struct{ err error }

func (b *brokenOff) Error() string { return b.err.Error() }
func (b *brokenOff) Unwrap() error { return b.err }

// transfer makes one request, for the bytes that the partial file lacks, and appends them.
func (d *download) transfer(ctx context.Context, from string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	idle := time.AfterFunc(idleTimeout, func() {
		cancel(&brokenOff{fmt.Errorf("no data for %v", idleTimeout)})
	})
	defer idle.Stop()

	have := fileSize(d.partial)
	response, err := d.request(ctx, from, have)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	switch response.StatusCode {
	case http.StatusOK: // the whole file, whatever was asked for
		have = 0
	case http.StatusPartialContent:
		if first, ok := contentRange(response); !ok || first != have {
			return errors.Join(fmt.Errorf("the server sent another part than was asked for"), d.discard())
		}
	case http.StatusRequestedRangeNotSatisfiable:
		if d.complete(response, have) {
			return nil
		}
		if err := d.discard(); err != nil {
			return err
		}
		return &brokenOff{errors.New(response.Status)}
	default:
		err := errors.New(response.Status)
		if response.StatusCode >= 500 || response.StatusCode == http.StatusTooManyRequests {
			return &brokenOff{err}
		}
		return err
	}
	if err := d.writeOrigin(from, response); err != nil {
		return err
	}
	err = d.append(canceling{ctx, response.Body}, have, idle)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return cause
	}
	return err
}

// request asks for the bytes from have on. With If-Range the server sends the whole file if it is
// not the one that the partial file began with.
func (d *download) request(ctx context.Context, from string, have int64) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept-Encoding", "identity") // or ranges would be of something else
	request.Header.Set("User-Agent", "steppe")
	if have > 0 {
		request.Header.Set("Range", fmt.Sprintf("bytes=%d-", have))
		if o := d.readOrigin(); o.URL == from && o.Validator != "" {
			request.Header.Set("If-Range", o.Validator)
		}
	}
	response, err := d.client.Do(request)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return nil, cause
	}
	if in := new(url.Error); errors.As(err, &in) { // it would repeat the URL
		err = in.Err
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) {
		err = &brokenOff{err}
	}
	return response, err
}

// append writes what the server sends behind the first have bytes of the partial file.
func (d *download) append(body io.Reader, have int64, idle *time.Timer) error {
	out, err := os.OpenFile(d.partial, os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return &writeError{d.partial, err}
	}
	defer out.Close()
	if fileSize(d.partial) != have {
		if err := out.Truncate(have); err != nil {
			return &writeError{d.partial, err}
		}
	}
	if _, err := out.Seek(have, io.SeekStart); err != nil {
		return &writeError{d.partial, err}
	}
	limit := d.limit()
	in := &counted{r: io.LimitReader(body, limit+1-have), count: have, advance: func(n int64) {
		idle.Reset(idleTimeout)
		d.advance(n)
	}}
	_, err = io.Copy(failing{d.partial, out}, in)
	var writing *writeError
	switch {
	case errors.As(err, &writing):
		return err
	case err != nil:
		return &brokenOff{fmt.Errorf("after %d bytes: %w", in.count, err)}
	case in.count > limit:
		return errors.Join(fmt.Errorf("more than %d bytes, want %d", limit, d.pkg.Size), d.discard())
	}
	if err := out.Close(); err != nil {
		return &writeError{d.partial, err}
	}
	return nil
}

// limit is the most bytes to take: packings differ, and an unpacked file is welcome too, but not
// one that fills the disk.
func (d *download) limit() int64 { return 8*d.pkg.Size + 1<<20 }

// complete reports whether the server says that the file has just the bytes that are here.
func (d *download) complete(response *http.Response, have int64) bool {
	var size int64
	n, _ := fmt.Sscanf(response.Header.Get("Content-Range"), "bytes */%d", &size)
	return n == 1 && size == have
}

func contentRange(response *http.Response) (first int64, ok bool) {
	n, _ := fmt.Sscanf(response.Header.Get("Content-Range"), "bytes %d-", &first)
	return first, n == 1
}

// origin says where a partial file comes from. It lies beside it.
type origin struct {
	URL       string `json:"url"`
	Validator string `json:"validator"` // for If-Range: an ETag or a date
}

func (d *download) readOrigin() (o origin) {
	if text, err := os.ReadFile(d.partial + originSuffix); err == nil {
		json.Unmarshal(text, &o) // a damaged one says nothing, which is safe: sums decide
	}
	return o
}

func (d *download) writeOrigin(from string, response *http.Response) error {
	validator := response.Header.Get("ETag")
	if validator == "" || strings.HasPrefix(validator, "W/") { // a weak one doesn't serve
		validator = response.Header.Get("Last-Modified")
	}
	text, err := json.Marshal(origin{from, validator})
	if err == nil {
		err = os.WriteFile(d.partial+originSuffix, text, 0o644)
	}
	if err != nil {
		return &writeError{filepath.Dir(d.partial), err}
	}
	return nil
}

// discard removes the partial file and its origin.
func (d *download) discard() error {
	for _, path := range []string{d.partial, d.partial + originSuffix} {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return &writeError{path, err}
		}
	}
	return nil
}

func fileSize(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// counted is a reader that tells how many bytes it has read, from count on.
type counted struct {
	r       io.Reader
	count   int64
	advance func(count int64)
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if n > 0 {
		c.count += int64(n)
		c.advance(c.count)
	}
	return n, err
}
