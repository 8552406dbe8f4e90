package main

import (
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progress is a live line on a terminal that shows how much of a job is done. Elsewhere it shows
// nothing.
type progress struct {
	bar  *progressbar.ProgressBar // nil if there is no terminal
	last time.Time
}

// newProgress returns a line for a job of total parts.
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

// set shows the number of parts that are done, and the text of what, but not so often that it takes
// time from the job. It draws nothing between calls.
func (p *progress) set(done int, what func() string) {
	if p.bar == nil || time.Since(p.last) < 100*time.Millisecond {
		return
	}
	p.last = time.Now()
	p.bar.Describe(what())
	p.bar.Set(min(done, p.bar.GetMax()-1)) // the last part would end the line
}

// clear removes the line, until it is set again.
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
