// Command steppe trains neural networks on CPUs with sharpness-aware minimization, and measures
// its cost. The command parses flags, measures times and prints; packages sam and net compute.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
)

// exitInterrupted is the usual exit code of programs that Ctrl-C ended.
const exitInterrupted = 130

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop) // so that a second Ctrl-C ends the program at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run runs a command line without the program's name, and returns the exit code. When ctx is done,
// commands stop after the step under way and print their results so far.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	out := &checkedWriter{w: stdout}
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		err = out.err
	}
	switch {
	case err == nil:
		return 0
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(stderr, "steppe: interrupted")
		return exitInterrupted
	default:
		fmt.Fprintln(stderr, "steppe:", err)
		return 1
	}
}

// checkedWriter remembers the first error. Commands print line by line and ignore errors; run
// reports this one, such as a full disk.
type checkedWriter struct {
	w   io.Writer
	err error
}

func (c *checkedWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	if c.err == nil {
		c.err = err
	}
	return n, err
}
