package main

import (
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progress is a live line that shows how much of a job is done. It shows nothing if the writer is
// not a terminal.
type progress struct {
	bar  *progressbar.ProgressBar // nil if there is no terminal
	last time.Time
}

// newProgress returns a line for a job of the given number of parts.
func newProgress(w io.Writer, total int) *progress {
	p := &progress{}
	if isTerminal(w) {
		p.bar = progressbar.NewOptions(total,
			progressbar.OptionSetWriter(w),
			progressbar.OptionSetWidth(24),
			progressbar.OptionUseANSICodes(true),
			progressbar.OptionSetTheme(progressbar.Theme{
				Saucer: "━", SaucerHead: "━", SaucerPadding: "─", BarStart: " ", BarEnd: " ",
			}))
	}
	return p
}

// set shows the number of parts that are done, and a text. It returns at once if the line has been
// drawn in the last 100 ms, so that it costs the job no time.
func (p *progress) set(done int, text func() string) {
	if p.bar == nil || time.Since(p.last) < 100*time.Millisecond {
		return
	}
	p.last = time.Now()
	p.bar.Describe(text())
	p.bar.Set(min(done, p.bar.GetMax()-1)) // the last part would end the line
}

// clear removes the line until the next call of set.
func (p *progress) clear() {
	if p.bar != nil {
		p.bar.Clear()
		p.last = time.Time{}
	}
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
