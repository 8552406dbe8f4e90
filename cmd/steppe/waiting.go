package main

import (
	"io"
	"time"
)

const (
	longWait      = time.Second     // on a terminal; shorter waits show nothing
	longPlainWait = 5 * time.Second // elsewhere
)

// waiting calls work, whose progress nobody knows, such as reading data or compiling a model. If it
// takes long, it says on a command's stderr what is going on. work prints nothing.
func waiting(stderr io.Writer, what string, work func() error) error {
	return newWait(screenOf(stderr), what).during(work)
}

// wait is a line that is shown while something works.
type wait struct {
	screen
	what string
}

func newWait(s screen, what string) *wait { return &wait{s, what} }

func (w *wait) during(work func() error) error {
	if w.kind == noScreen {
		return work()
	}
	ended, shown := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(shown)
		w.show(ended)
	}()
	defer func() { // also if work panics
		close(ended)
		<-shown
		w.clear()
	}()
	return work()
}

// show shows the line until ended is closed.
func (w *wait) show(ended <-chan struct{}) {
	begin, first := time.Now(), longWait
	if w.kind == plainScreen {
		first = longPlainWait
	}
	timer := time.NewTimer(first)
	defer timer.Stop()
	for {
		select {
		case <-ended:
			return
		case <-timer.C:
		}
		if w.kind == plainScreen {
			w.print(w.what + " ...")
			return
		}
		w.draw(" " + w.what + " ... " + duration(time.Since(begin).Truncate(time.Second)))
		timer.Reset(time.Second)
	}
}
