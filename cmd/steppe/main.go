// Command steppe trains neural networks on CPUs with sharpness-aware minimization, and measures
// its cost. The command parses flags, measures times and prints; packages sam and net compute.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/steppe-ml/steppe/sam/train"
)

// Exit codes by which shells know the signals that usually end a program.
const (
	exitInterrupted = 128 + int(syscall.SIGINT)
	exitClosedPipe  = 128 + int(syscall.SIGPIPE)
)

func main() {
	os.Exit(run(withSignals(context.Background()), os.Args[1:], os.Stdout, os.Stderr))
}

// run runs a command line without the program's name, and returns the exit code. When ctx is done,
// or stdout can't be written to, commands stop after the step under way and print their results so
// far.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	child, end := context.WithCancelCause(ctx)
	defer end(nil)
	ctx = endable{child, ctx}
	out := &checkedWriter{w: stdout, end: end}
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	return reportError(err, out.err, context.Cause(ctx), stderr)
}

// reportError prints the error that ended a command, if there is one, and returns the exit code.
// output is the error of stdout, and cause why the command's context has ended.
func reportError(err, output, cause error, stderr io.Writer) int {
	var hint string
	if hinted := new(hintedError); errors.As(err, &hinted) && hinted.hint != "" {
		hint = hinted.hint + "\n"
	}
	unsaved := errors.As(err, new(*train.SaveError)) || errors.Is(err, errUnsaved)
	stopped := err == nil || errors.Is(err, context.Canceled) && !unsaved
	signal := signaled{syscall.SIGINT}
	switch {
	case output != nil && !unsaved && (stopped || errors.Is(err, output)):
		if !errors.Is(output, errClosedPipe) {
			fmt.Fprintf(stderr, "steppe: %v\n%s", output, hint)
			return 1
		}
		if hint != "" { // `steppe ... | head` is quiet else, as other commands are
			fmt.Fprintf(stderr, "steppe: %v\n%s", errClosedPipe, hint)
		}
		return exitClosedPipe
	case err == nil:
		return 0
	case stopped:
		errors.As(cause, &signal)
		fmt.Fprintf(stderr, "steppe: %v\n%s", signal, hint)
		return signal.exitCode()
	default:
		fmt.Fprintln(stderr, "steppe:", err)
		return 1
	}
}

// endable is a context that ends when its parent does, or earlier. It asks the parent itself, which
// may be of a kind that context.WithCancelCause doesn't know.
type endable struct {
	context.Context // made by context.WithCancelCause(parent)
	parent          context.Context
}

// Err implements context.Context.
func (e endable) Err() error {
	if err := e.Context.Err(); err != nil {
		return err
	}
	return e.parent.Err()
}

// errClosedPipe is the error of an output that nobody reads any more.
var errClosedPipe = errors.New("the output was closed")

// checkedWriter remembers the first error, and ends the command by it. Commands print line by line
// and ignore errors; run reports this one, such as a full disk.
type checkedWriter struct {
	w   io.Writer
	err error
	end context.CancelCauseFunc
}

func (c *checkedWriter) Write(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.w.Write(p)
	if err != nil {
		if closedPipe(err) {
			err = fmt.Errorf("%w: %w", errClosedPipe, err)
		}
		c.err = err
		c.end(err)
	}
	return n, err
}

// closedPipe reports whether err says that nobody reads a pipe any more.
func closedPipe(err error) bool {
	const brokenPipe, noData = syscall.Errno(109), syscall.Errno(232) // of Windows
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe) ||
		os.PathSeparator == '\\' && (errors.Is(err, brokenPipe) || errors.Is(err, noData))
}
