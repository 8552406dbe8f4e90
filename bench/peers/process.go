package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/steppe-ml/steppe/bench/peers/protocol"
	"github.com/steppe-ml/steppe/simd"
)

// process is a running peer.
type process struct {
	peer
	protocol.Hello
	command *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
}

// startAll builds the peers in dir and starts them. It leaves out a peer that can't be built or
// started, and says so on stderr; with opt.strict, or if the peer is ours, that is an error.
func startAll(ctx context.Context, opt options, dir string, stderr io.Writer) (all []*process, leftOut []string, err error) {
	for _, p := range opt.peers {
		fmt.Fprintf(stderr, "starting %s\n", p.name)
		child, err := start(ctx, p, opt, dir, stderr)
		switch {
		case err == nil:
			all = append(all, child)
		case ctx.Err() != nil || opt.strict || slices.Contains(mustBe(opt.kind), p.name):
			for _, started := range all {
				started.close()
			}
			return nil, nil, fmt.Errorf("%s: %w", p.name, err)
		default:
			fmt.Fprintf(stderr, "without %s: %v\n", p.name, err)
			leftOut = append(leftOut, p.name)
		}
	}
	return all, leftOut, nil
}

// start starts a peer. OpenBLAS takes a processor that is newer than itself for a Prescott of 2004,
// and computes at a fourth of the speed. A peer that says so is started again, with
// OPENBLAS_CORETYPE set.
func start(ctx context.Context, p peer, opt options, dir string, stderr io.Writer) (*process, error) {
	child, err := launch(ctx, p, opt, dir, stderr)
	core := openBLASCore(simd.Supported())
	if err != nil || core == "" || !strings.Contains(child.Version, "Prescott kernels") {
		return child, err
	}
	child.close()
	p.env = append(slices.Clone(p.env), "OPENBLAS_CORETYPE="+core)
	return launch(ctx, p, opt, dir, stderr)
}

// openBLASCore returns OpenBLAS's name for the best kernels that a processor has the instructions
// for; "" for none better than a Prescott's.
func openBLASCore(supported []simd.ISA) string {
	switch {
	case slices.Contains(supported, simd.AVX512):
		return "SkylakeX"
	case slices.Contains(supported, simd.AVX2):
		return "Haswell"
	}
	return ""
}

func launch(ctx context.Context, p peer, opt options, dir string, stderr io.Writer) (*process, error) {
	command, err := commandOf(ctx, p, dir)
	if err != nil {
		return nil, err
	}
	child := &process{peer: p, command: exec.CommandContext(ctx, command[0], command[1:]...)}
	child.command.Env = environment(os.Environ(), p, opt)
	child.command.Stderr = stderr
	if child.in, err = child.command.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := child.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	child.out = bufio.NewReader(out)
	if err := child.command.Start(); err != nil {
		return nil, err
	}
	err = protocol.Read(child.out, &child.Hello)
	if err == nil {
		err = checkLoaded(child.Loaded, p.library)
	}
	if err != nil {
		child.close()
		return nil, err
	}
	return child, nil
}

// commandOf returns the command that runs a peer.
func commandOf(ctx context.Context, p peer, dir string) ([]string, error) {
	if p.python != nil {
		python, err := interpreter(ctx)
		return append([]string{python, "-B"}, p.python...), err // without files beside ours
	}
	program, err := build(ctx, p.program, dir)
	return []string{program}, err
}

// interpreter returns the first Python that has PyTorch. Debian's PyTorch belongs to
// /usr/bin/python3, which isn't always the first in the path.
func interpreter(ctx context.Context) (string, error) {
	var errs []error
	for _, python := range []string{"python3", "/usr/bin/python3"} {
		said, err := exec.CommandContext(ctx, python, "-c", "import torch").CombinedOutput()
		if err == nil {
			return python, nil
		}
		last := strings.TrimSpace(string(said))
		errs = append(errs, fmt.Errorf("%s: %w: %s", python, err, last[strings.LastIndexByte(last, '\n')+1:]))
	}
	return "", errors.Join(errs...)
}

// build returns the file of a program. It builds each program once, so that peers that share one
// run the same code even if its source changes in between.
func build(ctx context.Context, program, dir string) (file string, err error) {
	file = filepath.Join(dir, program)
	if _, err := os.Stat(file); err == nil {
		return file, nil
	}
	command := exec.CommandContext(ctx, "go", "build", "-o", file, "./child/"+program)
	command.Env = append(os.Environ(), "CGO_ENABLED=1")
	if said, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, said)
	}
	return file, nil
}

// settings matches the environment variables that a library, Go's runtime or a child reads.
var settings = regexp.MustCompile(`^(OPENBLAS|GOTO|OMP|GOMP|BLIS|DNNL|ONEDNN|MKL|KMP|TORCH|PYTORCH|ATEN|LD_PRELOAD|GOMAXPROCS|GOGC|GOMEMLIMIT|GODEBUG|STEPPE|PEERS)`)

// environment returns the environment of a peer's process. It drops settings from the inherited
// variables, and adds the number of threads (for libraries that start threads early), our entry,
// and the peer's own variables.
func environment(inherited []string, p peer, opt options) (env []string) {
	for _, v := range inherited {
		if !settings.MatchString(v) {
			env = append(env, v)
		}
	}
	workers := opt.workers
	if p.workers != 0 {
		workers = p.workers
	}
	for _, v := range []string{"OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "BLIS_NUM_THREADS"} {
		env = append(env, v+"="+strconv.Itoa(workers))
	}
	env = append(env, protocol.EntryVar+"="+opt.entry)
	return append(env, p.env...)
}

// checkLoaded returns an error unless a process has loaded the library that its peer is meant to
// measure, and no other. A system without /proc/self/maps can't tell, so it returns nil there.
func checkLoaded(files []string, library string) error {
	if _, err := os.Stat("/proc/self/maps"); err != nil {
		return nil
	}
	switch {
	case library == anyLibrary || library == "" && len(files) == 0:
		return nil
	case library != "" && len(files) == 1 && strings.Contains(filepath.Base(files[0]), library):
		return nil
	case library == "":
		library = "no library"
	}
	return fmt.Errorf("%v is loaded, want %s alone", files, library)
}

// ask sends a job and waits for the reply.
func (p *process) ask(job protocol.Job) (reply protocol.Reply, err error) {
	if p.workers != 0 {
		job.Workers = p.workers
	}
	if err = protocol.Write(p.in, job); err == nil {
		err = protocol.Read(p.out, &reply)
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		err = fmt.Errorf("%s at %v: %w", p.name, job.Work, err)
	}
	return reply, err
}

// close ends the child by the end of its input.
func (p *process) close() {
	p.in.Close()
	_ = p.command.Wait() // the child reports its errors on stderr
}
