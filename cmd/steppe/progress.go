package main

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/text"
)

// progress shows how much of a job is done, and how long the rest will take. A job that is done
// within two seconds shows nothing. It serves one goroutine at a time.
type progress struct {
	screen
	total int // parts of the job; 0 if nobody knows

	begin time.Time // of the job
	from  time.Time // of the first call of set, before which the job got ready
	first int       // parts that were done then
	last  time.Time // when the line was drawn, or a plain line was printed
	pause time.Duration
	lines int // drawn
}

const (
	shortJob   = 2 * time.Second // a job that takes no longer shows nothing
	redraw     = 100 * time.Millisecond
	firstPlain = 30 * time.Second // plain lines come ever more slowly
	mostPlain  = 10 * time.Minute
)

// newProgress returns the progress of a job of the given number of parts, 0 if it isn't known, on a
// command's stderr.
func newProgress(stderr io.Writer, total int) *progress {
	return &progress{screen: screenOf(stderr), total: total, begin: time.Now()}
}

// set shows the number of parts that are done, and a text. Most calls return at once: a live line
// is drawn ten times a second at most. The first call says how much was done before: the time left
// is judged by the work since then.
func (p *progress) set(done int, text func() string) {
	if p.kind == noScreen {
		return
	}
	now := time.Now()
	if p.from.IsZero() {
		p.from, p.first = now, done
	}
	if !p.due(now, done) {
		return
	}
	p.last = now
	if p.kind == plainScreen {
		p.pause = min(2*p.pause, mostPlain)
		p.print(p.plain(now, done, text()))
		return
	}
	p.lines++
	p.draw(p.line(now, done, text(), p.width()-1))
}

// due reports whether it is time to show something.
func (p *progress) due(now time.Time, done int) bool {
	if p.kind == plainScreen {
		if p.last.IsZero() {
			p.last, p.pause = p.begin, firstPlain
		}
		return now.Sub(p.last) >= p.pause
	}
	if p.lines > 0 {
		return now.Sub(p.last) >= redraw
	}
	return now.Sub(p.begin) > shortJob || now.Sub(p.begin) > shortJob/4 && p.left(now, done) > 2*shortJob
}

// clear removes the live line until the next call of set.
func (p *progress) clear() {
	p.screen.clear()
	if p.kind == liveScreen {
		p.last = time.Time{}
	}
}

// left returns how long the rest will take, if it goes on as it has since the first call of set; 0
// if nobody knows.
func (p *progress) left(now time.Time, done int) time.Duration {
	if done <= p.first || p.total <= done {
		return 0
	}
	return time.Duration(float64(now.Sub(p.from)) * float64(p.total-done) / float64(done-p.first))
}

// barWidth is the columns of a whole bar, and leastBar of the shortest that says anything.
const (
	barWidth = 24
	leastBar = 8
)

// line returns the live line in at most the given number of columns. The bar shrinks first, then
// the text is cut: the time left is what most people look for.
func (p *progress) line(now time.Time, done int, what string, columns int) string {
	head, tail := p.percent(done), p.tail(now, done)
	if p.total <= 0 {
		head = string(`|/-\`[p.lines%4])
	}
	room := columns - len(head) - len("   ") - len(tail)
	switch bar := min(barWidth, room-text.StringWidth(what)-len(" , ")); {
	case p.total > 0 && bar >= leastBar:
		head = p.bar(done, bar) + " " + head
	case room < leastBar && tail != "":
		return " " + strings.TrimSpace(head) + "  " + tail
	default:
		what = text.Trim(what, max(0, room-len(", ")))
	}
	return " " + head + "  " + join(what, tail)
}

// plain returns a line for a pipe.
func (p *progress) plain(now time.Time, done int, what string) string {
	if p.total <= 0 {
		return join(what, p.tail(now, done))
	}
	return join(strings.TrimSpace(p.percent(done)), join(what, p.tail(now, done)))
}

// tail returns the time left, or, if nobody knows it, the time taken.
func (p *progress) tail(now time.Time, done int) string {
	if p.total <= 0 {
		return duration(now.Sub(p.begin))
	}
	if left := p.left(now, done); left > 0 {
		return duration(left) + " left"
	}
	return ""
}

// percent returns how much is done; 100% is only for the whole job.
func (p *progress) percent(done int) string {
	return fmt.Sprintf("%3d%%", int(100*p.part(done)))
}

func (p *progress) part(done int) float64 {
	return max(0, min(1, float64(done)/float64(max(1, p.total))))
}

func (p *progress) bar(done, columns int) string {
	full := int(math.Round(p.part(done) * float64(columns)))
	if p.ascii {
		return strings.Repeat("#", full) + strings.Repeat(".", columns-full)
	}
	return strings.Repeat("━", full) + strings.Repeat("─", columns-full)
}

// join joins two texts by a comma, unless one is empty.
func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + ", " + b
}

// setBytes is set for a job that is counted in bytes, such as a download. It shows the sizes and
// the rate behind a text.
func (p *progress) setBytes(done int, what string) {
	p.set(done, func() string {
		size := humanize.Bytes(uint64(max(0, done)))
		if p.total > 0 {
			size += " of " + humanize.Bytes(uint64(p.total))
		}
		if seconds := time.Since(p.from).Seconds(); seconds > 0 && done > p.first {
			size += ", " + humanize.Bytes(uint64(float64(done-p.first)/seconds)) + "/s"
		}
		return join(what, size)
	})
}

// duration formats a time as people say it, with two units at most: 45s, 1m20s, 2h05m, 3d04h.
func duration(d time.Duration) string {
	s := int64(math.Ceil(d.Seconds()))
	switch {
	case s < 60:
		return fmt.Sprintf("%ds", s)
	case s < 60*60:
		return fmt.Sprintf("%dm%02ds", s/60, s%60)
	case s < 24*60*60:
		return fmt.Sprintf("%dh%02dm", s/60/60, s/60%60)
	}
	return fmt.Sprintf("%dd%02dh", s/60/60/24, s/60/60%24)
}
