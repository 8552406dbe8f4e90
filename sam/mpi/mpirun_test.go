package mpi

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// programVariable names the program that a rank runs: see programs_test.go.
const programVariable = "STEPPE_TEST_MPI_PROGRAM"

// implementations are the MPI libraries that ranks are run with, where they are installed.
var implementations = []struct {
	name      string
	tags      string
	pkgConfig string
	mpirun    []string // its names: Debian has suffixes, for several may be installed
	says      string   // by mpirun --version
	own       string   // variable with the number of ranks
	env       []string
	args      []string
}{
	{
		name: "Open MPI", tags: "mpi", pkgConfig: "ompi", mpirun: []string{"mpirun.openmpi", "mpirun"}, says: "Open MPI", own: "OMPI_COMM_WORLD_SIZE",
		// Containers often have no other user than root.
		env:  []string{"OMPI_ALLOW_RUN_AS_ROOT=1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1"},
		args: []string{"--oversubscribe"},
	},
	{name: "MPICH", tags: "mpi,mpich", pkgConfig: "mpich", mpirun: []string{"mpirun.mpich", "mpirun"}, says: "HYDRA", own: "PMI_SIZE"},
}

// job starts programs on several ranks.
type job struct {
	mpirun string
	args   []string
	env    []string
	binary string
	own    string // the variable in which mpirun says how many ranks there are
}

// eachMPI runs test with each MPI that is here, and skips the others.
func eachMPI(t *testing.T, test func(t *testing.T, j job)) {
	if testing.Short() {
		t.Skip("building and starting programs takes seconds")
	}
	for _, m := range implementations {
		t.Run(m.name, func(t *testing.T) {
			j := job{args: m.args, env: m.env, own: m.own}
			for _, name := range m.mpirun {
				out, err := exec.Command(name, "--version").CombinedOutput()
				if err == nil && j.mpirun == "" && strings.Contains(string(out), m.says) {
					j.mpirun = name
				}
			}
			if j.mpirun == "" {
				t.Skipf("%s has no %s here", m.name, strings.Join(m.mpirun, " or "))
			}
			if out, err := exec.Command("pkg-config", "--cflags", m.pkgConfig).CombinedOutput(); err != nil {
				t.Skipf("pkg-config %s: %v: %s", m.pkgConfig, err, out)
			}
			if enabled, err := exec.Command("go", "env", "CGO_ENABLED").Output(); err != nil || strings.TrimSpace(string(enabled)) != "1" {
				t.Skipf("there is no go command here, or cgo is off (%v)", err)
			}
			j.binary = filepath.Join(t.TempDir(), "program")
			out, err := exec.Command("go", "test", "-c", "-tags", m.tags, "-o", j.binary, ".").CombinedOutput()
			require.NoError(t, err, "%s", out)
			test(t, j)
		})
	}
}

// command is mpirun with n ranks of a program.
func (j job) command(t *testing.T, n int, program string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute) // rather than forever
	t.Cleanup(cancel)
	command := exec.CommandContext(ctx, j.mpirun, append(j.args, "-n", fmt.Sprint(n), j.binary)...)
	command.Env = append(append(os.Environ(), j.env...), programVariable+"="+program)
	return command
}

// run returns what the ranks and mpirun print.
func (j job) run(t *testing.T, n int, program string) (string, error) {
	out, err := j.command(t, n, program).CombinedOutput()
	return string(out), err
}

// works runs a program that must end well on all ranks.
func (j job) works(t *testing.T, n int, program string) {
	t.Helper()
	out, err := j.run(t, n, program)
	require.NoError(t, err, "%s on %d ranks: %s", program, n, out)
	for r := range n {
		require.Contains(t, out, fmt.Sprintf("rank %d of %d is done\n", r, n))
	}
}

func TestRanks(t *testing.T) {
	eachMPI(t, func(t *testing.T, j job) {
		for _, n := range []int{2, 3, 4} {
			j.works(t, n, "conformance")
		}
		j.works(t, 3, "pieces")
		j.works(t, 2, "signals")
		j.works(t, 1, "once")
		if os.Getenv("STEPPE_TEST_LARGE") != "" {
			j.works(t, 2, "large")
		} else {
			t.Log("no large messages: STEPPE_TEST_LARGE isn't set")
		}

		// A program that no mpirun has started is alone, which is also a test with one rank.
		alone := exec.Command(j.binary)
		alone.Env = append(append(os.Environ(), j.env...), programVariable+"=conformance")
		out, err := alone.CombinedOutput()
		require.NoError(t, err, "%s", out)
		assert.Contains(t, string(out), "rank 0 of 1 is done\n")
	})
}

// A rank that fails ends the job, and its reason is printed once.
func TestRanksThatFail(t *testing.T) {
	eachMPI(t, func(t *testing.T, j job) {
		for _, test := range []struct {
			program string
			n       int
			reason  string
			by      []string // who says it, any of them
		}{
			{"one aborts", 3, "the reason of the test", []string{"rank 2: "}},
			{"all abort", 3, "the reason of the test", []string{"rank 0: ", "rank 1: ", "rank 2: "}},
			{"zero aborts", 2, "the reason of the test", []string{"rank 0: "}},
			{"busy zero", 2, "the reason of the test", []string{"rank 1: "}},
			{"lengths", 2, "mpi: Exchange: rank 0 sent 5 floats to rank 1, which expected 7", []string{"rank 1: "}},
			{"too long", 2, "mpi: Exchange: receiving 5 floats from rank 0: ", []string{"rank 1: "}},
			{"long reason", 2, strings.Repeat("long ", 700), []string{"rank 1: "}},
			{"closed", 1, "the reason of the test", []string{"rank 0: "}},
			{"panics", 2, "panic: the panic of the test", []string{""}},
		} {
			out, err := j.run(t, test.n, test.program)
			assert.Error(t, err, "%s: %s", test.program, out)
			assert.Equal(t, 1, strings.Count(out, test.reason), "%s: %s", test.program, out)
			said := false
			for _, who := range test.by {
				said = said || strings.Contains(out, who+test.reason)
			}
			assert.True(t, said, "%s: %s", test.program, out)
			assert.NotContains(t, out, "is done", "%s", test.program)
		}

		// What a rank that is killed can't say, mpirun does.
		out, err := j.run(t, 2, "killed")
		assert.Error(t, err)
		assert.Contains(t, out, "signal 9")
		assert.NotContains(t, out, "is done")
	})
}

// Ctrl-C reaches the ranks as a signal on which a run saves.
func TestInterruptedRanks(t *testing.T) {
	eachMPI(t, func(t *testing.T, j job) {
		for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
			command := j.command(t, 2, "interrupted")
			var out bytes.Buffer
			stdout, err := command.StdoutPipe()
			require.NoError(t, err)
			command.Stderr = command.Stdout
			require.NoError(t, command.Start())
			buffer := make([]byte, 1000)
			for strings.Count(out.String(), "is ready") < 2 {
				n, err := stdout.Read(buffer)
				out.Write(buffer[:n])
				require.NoError(t, err, out.String())
			}
			require.NoError(t, command.Process.Signal(s))
			for err = nil; err == nil; {
				var n int
				n, err = stdout.Read(buffer)
				out.Write(buffer[:n])
			}
			_ = command.Wait() // Open MPI's mpirun fails after a signal, MPICH's doesn't
			assert.Contains(t, out.String(), "rank 0 saves\n", "%v", s)
			assert.Contains(t, out.String(), "rank 1 saves\n", "%v", s)
		}
	})
}

// A program of one MPI under the mpirun of another is many programs of one rank, which would all
// write to the same files.
func TestForeignLauncher(t *testing.T) {
	eachMPI(t, func(t *testing.T, j job) {
		for _, variable := range []string{"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"} {
			if variable == j.own {
				continue
			}
			foreign := exec.Command(j.binary)
			foreign.Env = append(append(os.Environ(), j.env...), programVariable+"=once", variable+"=2")
			out, err := foreign.CombinedOutput()
			assert.Error(t, err)
			assert.Contains(t, string(out), "has started 2 processes, but they don't find each other: this program was built for")
		}
	})
}
