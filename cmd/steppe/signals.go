package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// signaled is the cause of a context that a signal has ended.
type signaled struct{ syscall.Signal }

// Error implements error.
func (s signaled) Error() string {
	switch s.Signal {
	case syscall.SIGINT:
		return "interrupted"
	case syscall.SIGHUP:
		return "the terminal has closed"
	}
	return s.Signal.String()
}

// exitCode returns the exit code by which a shell knows the signal.
func (s signaled) exitCode() int { return 128 + int(s.Signal) }

// oneEnd is how long signals count as the first one. A terminal that closes sends SIGHUP twice: the
// system does, and the shell does. So does timeout(1) with SIGTERM, and systemd sends SIGHUP right
// after it.
const oneEnd = 500 * time.Millisecond

// withSignals returns a context that SIGINT, SIGTERM and SIGHUP end, so that commands stop after
// the step under way. A later signal ends the process at once. A signal that is ignored when the
// process starts, as SIGHUP is under nohup, stays ignored. Writing to a closed pipe is an error of
// the write and no longer ends the process.
func withSignals(ctx context.Context) context.Context {
	signal.Ignore(syscall.SIGPIPE)
	var ends []os.Signal
	for _, s := range []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		if !signal.Ignored(s) {
			ends = append(ends, s)
		}
	}
	if len(ends) == 0 { // for which Notify would take all signals
		return ctx
	}
	ctx, end := context.WithCancelCause(ctx)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, ends...)
	go func() {
		first := <-signals
		end(signaled{first.(syscall.Signal)})
		time.Sleep(oneEnd)
		signal.Stop(signals)
	}()
	return ctx
}
