package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/agree"
	"github.com/steppe-ml/steppe/internal/runs"
	"github.com/steppe-ml/steppe/sam"
	"github.com/steppe-ml/steppe/sam/mpi"
	"github.com/steppe-ml/steppe/simd"
)

// A command with --mpi runs in several processes at once, its ranks, which mpirun has started. All
// do the same; rank 0 alone prints, and writes files. A rank's error ends the command on all ranks,
// and rank 0 prints it.

// mpiFlag is the flag by which a command is one of several ranks.
const mpiFlag = "mpi"

// addMPIFlag adds --mpi. main looks for it before the flags are parsed, so that an error in them is
// printed once, and not by all ranks. So nobody reads the flag's value.
func addMPIFlag(flags *pflag.FlagSet, about string) {
	flags.Bool(mpiFlag, false, about)
}

// wantsMPI reports whether a command line has --mpi.
func wantsMPI(args []string) bool {
	end := slices.Index(args, "--")
	if end < 0 {
		end = len(args)
	}
	return slices.Contains(args[:end], "--"+mpiFlag)
}

// runMPI runs a command line as one of the ranks that mpirun has started.
func runMPI(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	c, err := mpi.Start()
	if err != nil {
		fmt.Fprintf(stderr, "steppe: --mpi: %v\n", err)
		return 1
	}
	code := runOn(ctx, c, args, stdout, stderr)
	if err := c.Close(); err != nil {
		c.Abort(err)
	}
	return code
}

// communicatorKey is the key of a command's communicator in its context.
type communicatorKey struct{}

// communicatorOf returns the communicator of a command's context; nil without --mpi.
func communicatorOf(ctx context.Context) sam.Communicator {
	c, _ := ctx.Value(communicatorKey{}).(sam.Communicator)
	return c
}

// leads reports whether a process prints and writes files: there are no ranks, or it is rank 0.
func leads(c sam.Communicator) bool { return c == nil || c.Rank() == 0 }

// ranked adds a communicator to a command's context and takes its outputs, unless this is rank 0.
func ranked(ctx context.Context, c sam.Communicator, stdout, stderr io.Writer) (context.Context, io.Writer, io.Writer) {
	if c == nil {
		return ctx, stdout, stderr
	}
	if !leads(c) {
		stdout, stderr = io.Discard, quietWriter{io.Discard}
	}
	return context.WithValue(ctx, communicatorKey{}, c), stdout, stderr
}

// together has all ranks end with the same error, the one that any of them has. Ranks that can't
// agree are ended.
func together(c sam.Communicator, mine error) error {
	if c == nil {
		return mine
	}
	if !agree.Known(mine) && !errors.As(mine, new(*agree.Lost)) {
		mine = agree.Error(c, mine)
	}
	if errors.As(mine, new(*agree.Lost)) {
		c.Abort(mine)
	}
	return mine
}

// abortOnPanic ends all ranks if this one panics, with its reason. It is to be deferred.
func abortOnPanic(c sam.Communicator) {
	if c == nil || c.Size() == 1 {
		return
	}
	if value := recover(); value != nil {
		c.Abort(fmt.Errorf("panic: %v\n%s", value, debug.Stack()))
	}
}

// workersOf returns how many workers a rank has if nobody says: a share of the cores that it may
// use and other ranks of the same machine may use, too.
func workersOf(c sam.Communicator) (int, error) {
	workers := blas.DefaultWorkers()
	if c == nil || c.Size() == 1 {
		return workers, nil
	}
	host, err := os.Hostname()
	mine := host + " " + affinity()
	all, err := agree.Tell(c, err, []byte(mine))
	if err != nil {
		return 0, err
	}
	sharing := 0
	for _, place := range all {
		if string(place) == mine {
			sharing++
		}
	}
	return max(1, workers/sharing), nil
}

// programFacts are what all ranks must have in common before they read anything.
func programFacts() []agree.Fact {
	return []agree.Fact{
		{Name: "the version of steppe", Value: release()},
		{Name: "the architecture", Value: runtime.GOARCH},
		{Name: "the instruction set", Value: simd.Active().Arithmetic().String()},
	}
}

// settingsFacts are the settings of a run, by their flags.
func settingsFacts(s *runs.Settings) ([]agree.Fact, error) {
	text, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	var values map[string]any
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.UseNumber()
	if err := decoder.Decode(&values); err != nil {
		return nil, err
	}
	var facts []agree.Fact
	for _, field := range reflect.VisibleFields(reflect.TypeOf(*s)) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if value, ok := values[name]; ok && name != "" && !strings.HasSuffix(name, "path") {
			facts = append(facts, agree.Fact{Name: "--" + name, Value: fmt.Sprint(value)})
		}
	}
	return facts, nil
}
