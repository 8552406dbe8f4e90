package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/checkpoint"
	"github.com/steppe-ml/steppe/net/zoo"
	"github.com/steppe-ml/steppe/sam/train"
)

// implementation is an MPI that the command can be built with.
type implementation struct {
	name, mpirun, tags, module string
	flags                      []string

	build func() (path string, err error)
}

// implementations are those whose packages Debian has. Tests skip those that aren't installed.
var implementations = []*implementation{
	{name: "Open MPI", mpirun: "mpirun.openmpi", tags: "mpi", module: "ompi", flags: []string{"--oversubscribe", "--bind-to", "none"}},
	{name: "MPICH", mpirun: "mpirun.mpich", tags: "mpi,mpich", module: "mpich"},
}

// builtIn is the folder of the commands that tests build.
var builtIn = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "steppe-mpi-")
	afterTests = append(afterTests, func() { os.RemoveAll(dir) })
	return dir, err
})

func init() {
	for _, m := range implementations {
		m.build = sync.OnceValues(func() (string, error) {
			dir, err := builtIn()
			if err != nil {
				return "", err
			}
			path := filepath.Join(dir, strings.ReplaceAll(m.tags, ",", "-"))
			out, err := exec.Command("go", "build", "-tags", m.tags, "-o", path, ".").CombinedOutput()
			if err != nil {
				return "", &buildError{string(out), err}
			}
			return path, nil
		})
	}
}

type buildError struct {
	output string
	error
}

func (e *buildError) Error() string { return e.error.Error() + "\n" + e.output }

// withMPI runs a test with each implementation that is installed.
func withMPI(t *testing.T, test func(t *testing.T, m *implementation)) {
	for _, m := range implementations {
		t.Run(m.name, func(t *testing.T) {
			for _, program := range []string{m.mpirun, "go", "pkg-config", "cc"} {
				if _, err := exec.LookPath(program); err != nil {
					t.Skip(err)
				}
			}
			if err := exec.Command("pkg-config", "--exists", m.module).Run(); err != nil {
				t.Skip("pkg-config doesn't find ", m.module)
			}
			t.Parallel() // they wait most of the time
			_, err := m.build()
			require.NoError(t, err)
			test(t, m)
		})
	}
}

// command returns mpirun with some parts.
func (m *implementation) command(t *testing.T, parts ...part) *exec.Cmd {
	t.Helper()
	path, err := m.build()
	require.NoError(t, err)
	args := append([]string{}, m.flags...)
	for i, p := range parts {
		if i > 0 {
			args = append(args, ":")
		}
		args = append(args, "-n", strconv.Itoa(p.ranks))
		if p.shell != "" {
			args = append(args, "sh", "-c", p.shell+`; exec "$@"`, "sh")
		}
		args = append(append(args, path), p.args...)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, m.mpirun, args...)
	cmd.Env = append(os.Environ(), "OMPI_ALLOW_RUN_AS_ROOT=1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1", "GOMAXPROCS=1")
	return cmd
}

// part is some ranks with the same command line.
type part struct {
	ranks int
	shell string // a shell command that they begin with; "" for none
	args  []string
}

// run runs ranks to their end.
func (m *implementation) run(t *testing.T, parts ...part) (code int, stdout, stderr string) {
	t.Helper()
	cmd := m.command(t, parts...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	_ = cmd.Run() // which also returns the exit code
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// mpiLine is the command line of a short run, or of one without end.
func mpiLine(data, dir string, epochs int) []string {
	return []string{"train", "--mpi", "--model", "mlp", "--data", data, "--batch", "16", "--schedule", "constant", "--augment", "flip",
		"--save-every", "1", "--workers", "1", "--out", dir, "--epochs", strconv.Itoa(epochs)}
}

// loads asserts that a run's folder has a whole state, and returns it without times.
func loads(t *testing.T, dir string) (*net.Params, *checkpoint.State) {
	t.Helper()
	row, err := zoo.Lookup("mlp")
	require.NoError(t, err)
	model, err := row.Compile(net.Shape{4, 4, 1}, 2)
	require.NoError(t, err)
	params, state, err := checkpoint.LoadState(train.LastFile(dir), model)
	require.NoError(t, err)
	state.Progress, state.History = nil, nil
	return params, state
}

// The files of a run are the same with 1, 2 and 3 processes, and if it goes on with others.
func TestMPIRunHasTheSameBits(t *testing.T) {
	withMPI(t, func(t *testing.T, m *implementation) {
		data, parent := halves(t, false), t.TempDir()
		dir := func(n int) string { return filepath.Join(parent, strconv.Itoa(n)) }
		for n := 1; n <= 3; n++ {
			code, stdout, stderr := m.run(t, part{ranks: n, args: mpiLine(data, dir(n), 3)})
			require.Zero(t, code, stderr)
			assert.Equal(t, 1, strings.Count(stdout, "Test accuracy "), stdout)
		}
		for _, n := range []int{2, 3, 1} {
			line := mpiLine(data, dir(4), 1)
			if n != 2 {
				line = []string{"train", "--mpi", "--workers", "1", "--resume", dir(4), "--epochs", map[int]string{3: "2", 1: "3"}[n]}
			}
			code, _, stderr := m.run(t, part{ranks: n, args: line})
			require.Zero(t, code, stderr)
		}
		wantParams, want := loads(t, dir(1))
		for _, n := range []int{2, 3, 4} {
			params, state := loads(t, dir(n))
			assert.Equal(t, wantParams, params, "%d ranks", n)
			assert.Equal(t, want, state, "%d ranks", n)
			for _, file := range []string{"best.safetensors", "result.json"} {
				assert.Equal(t, read(t, filepath.Join(dir(1), file)), read(t, filepath.Join(dir(n), file)), "%s of %d ranks", file, n)
			}
		}
	})
}

// A rank that differs, or that can't begin, ends the job with one message that names it.
func TestMPIRanksDiffer(t *testing.T) {
	withMPI(t, func(t *testing.T, m *implementation) {
		data, dir := halves(t, false), filepath.Join(t.TempDir(), "run")
		for _, test := range []struct {
			shell string
			more  []string
			want  string
		}{
			{"", []string{"--lr", "0.5"}, "steppe: the ranks differ in --lr: rank 1 has 0.5, and rank 0 0.05\n"},
			{"", []string{"--epochs", "0"}, "steppe: rank 1: --epochs is 0, want at least 1\n"},
			{"export STEPPE_SIMD=generic", nil, "steppe: the ranks differ in the instruction set: rank 1 has generic, and rank 0 "},
		} {
			line := mpiLine(data, dir, 3)
			code, stdout, stderr := m.run(t, part{ranks: 1, args: line}, part{ranks: 1, shell: test.shell, args: append(line, test.more...)})
			assert.NotZero(t, code)
			assert.Empty(t, stdout)
			assert.Contains(t, stderr, test.want)
			assert.Equal(t, 1, strings.Count(stderr, "steppe: "), stderr)
			assert.NoDirExists(t, dir)
		}
	})
}

// A rank that is killed takes the others with it. The last state is whole, and the run goes on.
func TestMPIRankIsKilled(t *testing.T) {
	withMPI(t, func(t *testing.T, m *implementation) {
		dir, w, pid := m.endlessRun(t)
		require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
		code, _ := w.end(t)
		assert.NotZero(t, code)
		m.goesOn(t, dir)
	})
}

// A signal to one rank ends all after the same step; one to mpirun ends them, too.
func TestMPISignals(t *testing.T) {
	withMPI(t, func(t *testing.T, m *implementation) {
		dir, w, pid := m.endlessRun(t)
		require.NoError(t, syscall.Kill(pid, syscall.SIGTERM))
		code, _ := w.end(t)
		assert.NotZero(t, code)
		assert.Contains(t, w.stderr.String(), "steppe: rank 1: interrupted\n`steppe train --resume "+dir+"` goes on from here\n")
		m.goesOn(t, dir)

		dir, w, _ = m.endlessRun(t)
		require.NoError(t, w.Process.Signal(syscall.SIGINT))
		w.end(t) // with a code of mpirun's own
		m.goesOn(t, dir)
	})
}

// A disk that is full at rank 0 ends the job with that error. The last state that was saved is
// whole.
func TestMPIDiskIsFull(t *testing.T) {
	withMPI(t, func(t *testing.T, m *implementation) {
		disk := t.TempDir()
		if err := unix.Mount("tmpfs", disk, "tmpfs", 0, "size=24m"); err != nil {
			t.Skip("can't mount a small disk: ", err)
		}
		t.Cleanup(func() { assert.NoError(t, unix.Unmount(disk, unix.MNT_DETACH)) })
		dir, w, _ := m.endlessRunIn(t, filepath.Join(disk, "run"))
		filler := filepath.Join(disk, "filler")
		file, err := os.Create(filler)
		require.NoError(t, err)
		for err == nil {
			_, err = file.Write(make([]byte, 4096))
		}
		require.ErrorIs(t, err, unix.ENOSPC)
		require.NoError(t, file.Close())
		code, _ := w.end(t)
		assert.NotZero(t, code)
		assert.Equal(t, 1, strings.Count(w.stderr.String(), "no space left on device"), w.stderr.String())
		assert.Contains(t, w.stderr.String(), "`steppe train --resume "+dir+"` goes on from ")
		require.NoError(t, os.Remove(filler))
		m.goesOn(t, dir)
	})
}

// endlessRun starts a run on 2 ranks, and returns its folder and the process of rank 1 once the
// first epoch is printed.
func (m *implementation) endlessRun(t *testing.T) (dir string, w *watched, pid int) {
	return m.endlessRunIn(t, filepath.Join(t.TempDir(), "run"))
}

func (m *implementation) endlessRunIn(t *testing.T, folder string) (dir string, w *watched, pid int) {
	t.Helper()
	number := filepath.Join(t.TempDir(), "pid")
	line := mpiLine(halves(t, false), folder, 1e6)
	w, _ = watch(t, m.command(t, part{ranks: 1, args: line}, part{ranks: 1, shell: "echo $$ > " + number, args: line}))
	for !strings.HasPrefix(w.lines.Text(), "    1 ") {
		require.True(t, w.lines.Scan(), "the first epoch")
	}
	pid, err := strconv.Atoi(strings.TrimSpace(read(t, number)))
	require.NoError(t, err)
	return folder, w, pid
}

// goesOn asserts that the state in a folder is whole, and that the run goes on from it.
func (m *implementation) goesOn(t *testing.T, dir string) {
	t.Helper()
	_, state := loads(t, dir)
	code, stdout, stderr := m.run(t, part{ranks: 3, args: []string{"train", "--mpi", "--workers", "1", "--resume", dir, "--epochs", strconv.Itoa(state.Epoch + 1)}})
	require.Zero(t, code, stderr)
	assert.Contains(t, stdout, "\ngoing on ")
}
