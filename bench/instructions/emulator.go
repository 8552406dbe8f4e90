package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/steppe-ml/steppe/simd"
)

// emulated is the subcommand that the emulator runs.
const emulated = "emulated"

// emulator has this program for arm64, and the plugin that counts, in a temporary folder.
type emulator struct{ folder string }

func newEmulator(ctx context.Context) (e emulator, err error) {
	for _, tool := range []string{"qemu-aarch64", "gcc"} {
		if _, err := exec.LookPath(tool); err != nil {
			return e, fmt.Errorf("%w: counting needs it", err)
		}
	}
	if e.folder, err = os.MkdirTemp("", "instructions"); err != nil {
		return e, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, e.Close())
		}
	}()
	const pkg = "github.com/steppe-ml/steppe/bench/instructions"
	list := exec.CommandContext(ctx, "go", "list", "-f", "{{.Dir}}", pkg)
	list.Stderr = os.Stderr
	dir, err := list.Output()
	if err != nil {
		return e, fmt.Errorf("the source of %s: %w", pkg, err)
	}
	source := filepath.Join(strings.TrimSpace(string(dir)), "plugin", "count.c")
	if err := run(exec.CommandContext(ctx, "gcc", "-O2", "-fPIC", "-shared", "-o", e.plugin(), source)); err != nil {
		return e, err
	}
	build := exec.CommandContext(ctx, "go", "build", "-o", e.program(), pkg)
	build.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0")
	return e, run(build)
}

func (e emulator) plugin() string  { return filepath.Join(e.folder, "count.so") }
func (e emulator) program() string { return filepath.Join(e.folder, "program") }

// Close removes the folder.
func (e emulator) Close() error { return os.RemoveAll(e.folder) }

// run runs a command, whose output is part of the error.
func run(cmd *exec.Cmd) error {
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, output)
	}
	return nil
}

// counts are executed instructions by function.
type counts map[string]int64

// ofRuntime matches functions of Go's runtime that run by the clock rather than by the work. Those
// that copy and clear memory are work.
var ofRuntime = regexp.MustCompile(`^(runtime|internal/runtime/\w+)\.`)

const memory = "runtime.mem"

// count returns what doing some work so many times executes outside of Go's runtime: what twice as
// many times execute more.
func (e emulator) count(ctx context.Context, work string, times int, isa simd.ISA) (counts, error) {
	once, err := e.execute(ctx, work, times, isa)
	if err != nil {
		return nil, err
	}
	twice, err := e.execute(ctx, work, 2*times, isa)
	if err != nil {
		return nil, err
	}
	for function, n := range once {
		twice[function] -= n
	}
	maps.DeleteFunc(twice, func(function string, _ int64) bool {
		return ofRuntime.MatchString(function) && !strings.HasPrefix(function, memory)
	})
	return twice, nil
}

// execute does some work under the emulator. There is one thread that works, and no garbage is
// collected, so that the same is executed each time.
func (e emulator) execute(ctx context.Context, work string, times int, isa simd.ISA) (counts, error) {
	out := filepath.Join(e.folder, "counts")
	cmd := exec.CommandContext(ctx, "qemu-aarch64", "-plugin", e.plugin()+",out="+out, e.program(), emulated, work, strconv.Itoa(times))
	cmd.Env = append(os.Environ(), simd.EnvVar+"="+isa.String(), "GOMAXPROCS=1", "GOGC=off", "GODEBUG=asyncpreemptoff=1")
	if err := run(cmd); err != nil {
		return nil, err
	}
	return read(out)
}

// read reads what the plugin has written: lines of a count and a function, which may repeat.
func read(path string) (counts, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	c := counts{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		number, function, _ := strings.Cut(lines.Text(), " ")
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil || function == "" {
			return nil, fmt.Errorf("%s: %q, want a count and a function", path, lines.Text())
		}
		c[function] += n
	}
	return c, lines.Err()
}

func (c counts) total() (n int64) {
	for _, executed := range c {
		n += executed
	}
	return n
}

// largest lists the functions that execute most instructions, a line each.
func (c counts) largest(functions int) string {
	names := slices.SortedFunc(maps.Keys(c), func(a, b string) int {
		return cmp.Or(cmp.Compare(c[b], c[a]), strings.Compare(a, b))
	})
	var b strings.Builder
	for _, name := range names[:min(functions, len(names))] {
		fmt.Fprintf(&b, "%16s  %4.1f%%  %s\n", humanize.Comma(c[name]), 100*float64(c[name])/float64(c.total()), name)
	}
	return b.String()
}
