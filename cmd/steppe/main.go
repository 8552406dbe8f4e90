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

	"github.com/steppe-ml/steppe/internal/agree"
	"github.com/steppe-ml/steppe/sam"
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
//
// With --mpi, it is run on all ranks, and rank 0 prints.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if wantsMPI(args) {
		return runMPI(ctx, args, stdout, stderr)
	}
	return runOn(ctx, nil, args, stdout, stderr)
}

// runOn is run as one of the communicator's ranks; nil for one process.
func runOn(ctx context.Context, c sam.Communicator, args []string, stdout, stderr io.Writer) int {
	defer abortOnPanic(c)
	ctx, stdout, stderr = ranked(ctx, c, stdout, stderr)
	child, end := context.WithCancelCause(ctx)
	defer end(nil)
	ctx = endable{child, ctx}
	out := &checkedWriter{w: stdout, end: end}
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(stderr)
	err := together(c, root.ExecuteContext(ctx))
	if !leads(c) {
		return 0 // rank 0 says how it has ended
	}
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
		fmt.Fprintf(stderr, "steppe: %s%v\n%s", elsewhere(err, cause), signal, hint)
		return signal.exitCode()
	default:
		fmt.Fprintln(stderr, "steppe:", err)
		return 1
	}
}

// elsewhere says which rank was interrupted, if it isn't this one; "" if it is.
func elsewhere(err, cause error) string {
	if failure := new(agree.Failure); cause == nil && errors.As(err, &failure) && failure.Rank > 0 {
		return fmt.Sprintf("rank %d: ", failure.Rank)
	}
	return ""
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
