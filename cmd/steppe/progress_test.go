package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fakeTerminal is a terminal of some columns, which counts what is drawn on it.
type fakeTerminal struct {
	bytes.Buffer
	columns int
}

func (f *fakeTerminal) screen() screen {
	return screen{w: f, kind: liveScreen, width: func() int { return f.columns }}
}

// take returns what has been written since the last call.
func (f *fakeTerminal) take() string {
	s := f.String()
	f.Reset()
	return s
}

// fakeProgress returns the progress of a job that begins now.
func fakeProgress(s screen, total int) *progress {
	return &progress{screen: s, total: total, begin: time.Now()}
}

const (
	erased = toLineStart + eraseLine + " " + eraseBelow + toLineStart
	anew   = toLineStart + wrapOff + eraseLine // begins each drawing
	end    = eraseBelow + wrapOn + toLineStart
)

func TestProgressOnTerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		term := &fakeTerminal{columns: 80}
		p := fakeProgress(term.screen(), 100)
		for done := range 20 { // a second each
			p.set(done, func() string { return "epoch 1" })
			time.Sleep(time.Second)
		}
		lines := strings.Split(term.take(), anew)[1:]
		assert.Equal(t, " ────────────────────────   1%  epoch 1, 1m39s left"+end, lines[0], "a long job shows itself early")
		assert.Equal(t, " ━━━━━───────────────────  19%  epoch 1, 1m21s left"+end, lines[len(lines)-1])
		assert.Len(t, lines, 19)

		p.clear()
		assert.Equal(t, erased, term.take())
		p.clear()
		assert.Empty(t, term.take(), "the line is gone already")
		p.set(50, func() string { return "" })
		assert.Equal(t, anew+" ━━━━━━━━━━━━────────────  50%  20s left"+end, term.take(), "at once after clear")
		p.set(51, func() string { return "" })
		assert.Empty(t, term.take(), "not more than ten times a second")
	})
}

// A job that is done within two seconds shows nothing.
func TestProgressOfShortJobs(t *testing.T) {
	for _, kind := range []screenKind{noScreen, plainScreen, liveScreen} {
		synctest.Test(t, func(t *testing.T) {
			term := &fakeTerminal{columns: 80}
			s := term.screen()
			s.kind = kind
			p := fakeProgress(s, 200)
			for done := range 200 {
				p.set(done, func() string { return "epoch 1" })
				time.Sleep(10 * time.Millisecond)
			}
			p.clear()
			assert.Empty(t, term.take())
		})
	}
}

// A run that goes on from its middle judges the time left by its own work.
func TestTimeLeftAfterResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		term := &fakeTerminal{columns: 80}
		p := fakeProgress(term.screen(), 1000)
		time.Sleep(10 * time.Second) // reading data doesn't count
		p.set(900, func() string { return "" })
		assert.Contains(t, term.take(), "90%  "+end, "nobody knows yet")
		time.Sleep(10 * time.Second)
		p.set(910, func() string { return "" })
		assert.Contains(t, term.take(), "91%  1m30s left"+end)
	})
}

// No line reaches the last column, whatever the width, and the time left stays longest.
func TestProgressOnNarrowTerminals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		term := &fakeTerminal{}
		p := fakeProgress(term.screen(), 100)
		p.set(0, nil)
		time.Sleep(10 * time.Second)
		for _, ascii := range []bool{false, true} {
			p.ascii = ascii
			for term.columns = range 200 {
				p.last = time.Time{}
				p.set(40, func() string { return "epoch 3, loss 0.1234, 模型" })
				line := strings.TrimSuffix(strings.TrimPrefix(term.take(), anew), end)
				assert.LessOrEqual(t, text.StringWidth(line), max(0, term.columns-1), "%d columns: %q", term.columns, line)
				if term.columns > 16 {
					assert.Contains(t, line, "40%", "%d columns", term.columns)
					assert.Contains(t, line, "15s left", "%d columns", term.columns)
				}
				if term.columns >= 80 {
					assert.Contains(t, line, "epoch 3, loss 0.1234, 模型, 15s left", "%d columns", term.columns)
					assert.Equal(t, barWidth, strings.Count(line, "━")+strings.Count(line, "─")+strings.Count(line, "#")+strings.Count(line[:30], "."))
				}
				if ascii {
					assert.NotContains(t, line, "━")
				}
			}
		}
	})
}

func TestProgressOfUnknownLength(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		term := &fakeTerminal{columns: 60}
		p := fakeProgress(term.screen(), 0)
		p.set(0, nil)
		time.Sleep(3 * time.Second)
		p.set(7, func() string { return "7 pictures" })
		assert.Equal(t, anew+" /  7 pictures, 3s"+end, term.take())
		time.Sleep(time.Minute)
		p.set(8, func() string { return "8 pictures" })
		assert.Equal(t, anew+" -  8 pictures, 1m03s"+end, term.take())
	})
}

func TestProgressInBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		term := &fakeTerminal{columns: 100}
		p := fakeProgress(term.screen(), 40e6)
		p.setBytes(0, "cifar10")
		time.Sleep(4 * time.Second)
		p.setBytes(10e6, "cifar10")
		assert.Equal(t, anew+" ━━━━━━──────────────────  25%  cifar10, 10 MB of 40 MB, 2.5 MB/s, 12s left"+end, term.take())
		p = fakeProgress(term.screen(), 0)
		p.setBytes(0, "")
		time.Sleep(4 * time.Second)
		p.setBytes(10e6, "")
		assert.Equal(t, anew+" /  10 MB, 2.5 MB/s, 4s"+end, term.take())
	})
}

// A pipe gets whole lines without escape codes, and ever fewer of them.
func TestProgressInPipes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var pipe bytes.Buffer
		const hour = 3600
		p := newProgress(&pipe, hour)
		for second := range hour {
			p.set(second, func() string { return "epoch\x1b 1" })
			time.Sleep(time.Second)
		}
		p.clear()
		lines := strings.Split(strings.TrimSuffix(pipe.String(), "\n"), "\n")
		assert.Equal(t, "0%, epoch? 1, 59m30s left", lines[0])
		assert.Equal(t, "2%, epoch? 1, 58m30s left", lines[1])
		assert.Len(t, lines, 9)
		assert.NotContains(t, pipe.String(), "\r")
	})
}

func TestQuietShowsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, w := range []io.Writer{nil, quietWriter{new(bytes.Buffer)}} {
			p := newProgress(w, 100)
			for done := range 100 {
				p.set(done, func() string { require.Fail(t, "nobody asked"); return "" })
				time.Sleep(time.Minute)
			}
			p.clear()
			assert.NoError(t, waiting(w, "reading", func() error { time.Sleep(time.Hour); return nil }))
			if q, ok := w.(quietWriter); ok {
				assert.Empty(t, q.Writer.(*bytes.Buffer).String())
			}
		}
	})
}

func TestWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failed := fmt.Errorf("no such folder")
		for _, c := range []struct {
			takes       time.Duration
			live, plain string
		}{
			{900 * time.Millisecond, "", ""},
			{2500 * time.Millisecond, anew + " reading mnist ... 1s" + end + anew + " reading mnist ... 2s" + end + erased, ""},
			{5500 * time.Millisecond, "5s" + end + erased, "reading mnist ...\n"},
			{time.Hour - time.Millisecond, "59m59s" + end + erased, "reading mnist ...\n"},
		} {
			term, pipe := &fakeTerminal{columns: 80}, &fakeTerminal{}
			work := func() error { time.Sleep(c.takes); return failed }
			assert.Equal(t, failed, newWait(term.screen(), "reading mnist").during(work))
			assert.True(t, strings.HasSuffix(term.String(), c.live), "%v: %q", c.takes, term.String())
			assert.Equal(t, c.live == "", term.String() == "")
			assert.Equal(t, failed, newWait(screenOf(pipe), "reading mnist").during(work))
			assert.Equal(t, c.plain, pipe.String())
		}
		term := &fakeTerminal{columns: 80}
		assert.PanicsWithValue(t, "oh", func() {
			newWait(term.screen(), "compiling").during(func() error { time.Sleep(5 * time.Second); panic("oh") })
		})
		assert.True(t, strings.HasSuffix(term.String(), erased), "the line is gone before the panic is printed")
	})
}

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", time.Millisecond: "1s", 59 * time.Second: "59s", 59*time.Second + 1: "1m00s", 80 * time.Second: "1m20s",
		time.Hour: "1h00m", 2*time.Hour + 5*time.Minute + 3*time.Second: "2h05m", 76 * time.Hour: "3d04h",
	} {
		assert.Equal(t, want, duration(d))
	}
}

func TestLocale(t *testing.T) {
	for _, c := range []struct {
		all, ctype, lang string
		want             bool
	}{
		{"", "", "en_US.UTF-8", true}, {"", "", "C.utf8", true}, {"C", "", "en_US.UTF-8", false},
		{"", "de_DE.ISO-8859-1", "en_US.UTF-8", false}, {"", "", "POSIX", false},
	} {
		t.Setenv("LC_ALL", c.all)
		t.Setenv("LC_CTYPE", c.ctype)
		t.Setenv("LANG", c.lang)
		assert.Equal(t, c.want, utf8Locale(), "%+v", c)
	}
}

// With --quiet, bench and compare print their tables, and with --json - nothing but the JSON.
func TestQuiet(t *testing.T) {
	for _, line := range []string{
		"bench --model tiny --rounds 1 --quiet",
		"compare --model tiny --data " + halves(t, false) + " --epochs 1 --seeds 1 --methods sgd -q",
	} {
		code, stdout, stderr := steppe(t, strings.Fields(line)...)
		assert.Zero(t, code)
		assert.Empty(t, stderr)
		assert.Contains(t, stdout, "SGD")
		for _, header := range []string{"workers on", "worker on", "Medians of", "at once\n\n"} {
			assert.NotContains(t, stdout, header, line)
		}
		code, stdout, stderr = steppe(t, strings.Fields(line+" --json -")...)
		assert.Zero(t, code)
		assert.Empty(t, stderr)
		assert.True(t, strings.HasPrefix(stdout, "{"), stdout)
	}
}
