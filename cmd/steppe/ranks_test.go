package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/ranks"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/checkpoint"
	"github.com/steppe-ml/steppe/sam/mpi"
)

// steppeOn runs a command line on n ranks, which are goroutines of this process, and returns what
// rank 0 prints. change gives some of them other arguments; it may be nil.
func steppeOn(t *testing.T, n int, change func(rank int, args []string) []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	outs, errs, codes := make([]bytes.Buffer, n), make([]bytes.Buffer, n), make([]int, n)
	require.NoError(t, ranks.Run(n, func(r *ranks.Rank) error {
		own := append([]string{}, args...)
		if change != nil {
			own = change(r.Rank(), own)
		}
		codes[r.Rank()] = runOn(context.Background(), r, own, &outs[r.Rank()], &errs[r.Rank()])
		return nil
	}))
	for rank := 1; rank < n; rank++ {
		assert.Empty(t, outs[rank].String(), "rank %d prints nothing", rank)
		assert.Empty(t, errs[rank].String(), "rank %d prints nothing", rank)
		assert.Zero(t, codes[rank])
	}
	return codes[0], outs[0].String(), errs[0].String()
}

// onlyRank gives one rank more arguments.
func onlyRank(rank int, more ...string) func(int, []string) []string {
	return func(r int, args []string) []string {
		if r == rank {
			return append(args, more...)
		}
		return args
	}
}

// stateIn returns what last.safetensors of a run of tiny has, without times.
func stateIn(t *testing.T, dir string) (*net.Params, *checkpoint.State) {
	t.Helper()
	model, err := tiny.Compile(net.Shape{4, 4, 1}, 2)
	require.NoError(t, err)
	params, state, err := checkpoint.LoadState(filepath.Join(dir, "last.safetensors"), model)
	require.NoError(t, err)
	state.Progress, state.History = nil, nil
	return params, state
}

// assertSameRun asserts that two folders have the same run.
func assertSameRun(t *testing.T, want, got string) {
	t.Helper()
	wantParams, wantState := stateIn(t, want)
	params, state := stateIn(t, got)
	assert.Equal(t, wantParams, params)
	assert.Equal(t, wantState, state)
	assert.Equal(t, names(t, want), names(t, got))
	for _, file := range []string{"best.safetensors", "result.json"} {
		assert.Equal(t, read(t, filepath.Join(want, file)), read(t, filepath.Join(got, file)), file)
	}
}

// A run has the same files on 1, 2 and 3 ranks, and alone with --ranks exact. It goes on with any
// other number, and alone.
func TestTrainOnRanks(t *testing.T) {
	parent, data := t.TempDir(), halves(t, false)
	dir := func(name string) string { return filepath.Join(parent, name) }
	line := func(name string, epochs string) []string {
		return []string{"train", "--model", "tiny", "--data", data, "--batch", "16", "--schedule", "constant", "--augment", "flip",
			"--save-every", "3", "--log-every", "2", "--out", dir(name), "--epochs", epochs}
	}
	code, stdout, stderr := steppe(t, append(line("alone", "6"), "--ranks", "exact")...)
	require.Zero(t, code, stderr)
	assert.Contains(t, stdout, "\nexact sums of ranks\n")
	for n, name := range []string{1: "one", 2: "two", 3: "three"} {
		if n == 0 {
			continue
		}
		code, stdout, stderr := steppeOn(t, n, nil, line(name, "6")...)
		require.Zero(t, code, stderr)
		assert.Empty(t, stderr)
		assert.Contains(t, stdout, "\n"+plural(n, "rank")+", exact sums\n")
		assert.Contains(t, stdout, "\nTest accuracy ")
		assertSameRun(t, dir("alone"), dir(name))
	}
	code, _, stderr = steppeOn(t, 2, nil, line("parts", "2")...)
	require.Zero(t, code, stderr)
	code, stdout, stderr = steppeOn(t, 3, nil, "train", "--resume", dir("parts"), "--epochs", "3")
	require.Zero(t, code, stderr)
	assert.Contains(t, stdout, "\ngoing on after 2 epochs\n")
	code, _, stderr = steppe(t, "train", "--resume", dir("parts"), "--epochs", "5")
	require.Zero(t, code, stderr)
	code, _, stderr = steppeOn(t, 2, nil, "train", "--resume", dir("parts"), "--epochs", "6")
	require.Zero(t, code, stderr)
	assertSameRun(t, dir("alone"), dir("parts"))

	code, _, stderr = steppeOn(t, 2, nil, append(line("overlapped", "6"), "--overlap")...)
	require.Zero(t, code, stderr)
	assertSameRun(t, dir("alone"), dir("overlapped"))
	code, _, stderr = steppe(t, append(line("one process", "6"), "--overlap")...)
	assert.Equal(t, 1, code)
	assert.Equal(t, "steppe: --overlap without --mpi: there is one process\n", stderr)

	code, stdout, stderr = steppeOn(t, 2, nil, append(line("fast", "6"), "--ranks", "fast")...)
	require.Zero(t, code, stderr)
	assert.Contains(t, stdout, "\n2 ranks, fast sums\n")
}

// The ranks other than 0 don't need to see the run's folder, its tokenizer included.
func TestResumeOnRanksWithoutTheFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	hidden, texts := filepath.Join(filepath.Dir(dir), "hidden"), filepath.Join(filepath.Dir(dir), "stories.txt")
	require.NoError(t, os.WriteFile(texts, []byte(strings.Repeat("The sun rose over the hills. The birds sang.\n\n", 40)), 0o644))
	code, _, stderr := steppeOn(t, 2, nil, "train", "--data", texts, "--model", "gpt-tiny", "--length", "16", "--batch", "8", "--epochs", "1", "--out", dir)
	require.Zero(t, code, stderr)
	code, _, stderr = steppeOn(t, 2, func(rank int, args []string) []string {
		if rank == 1 {
			args[2] = hidden
		}
		return args
	}, "train", "--resume", dir, "--epochs", "2")
	require.Zero(t, code, stderr)
	assert.NoDirExists(t, hidden)
}

// With --json, rank 0 alone prints.
func TestTrainJSONOnRanks(t *testing.T) {
	code, stdout, stderr := steppeOn(t, 2, nil, "train", "--model", "tiny", "--data", halves(t, false), "--batch", "16", "--epochs", "2", "--json")
	require.Zero(t, code, stderr)
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	assert.Len(t, lines, 3)
	for _, line := range lines {
		assert.True(t, json.Valid([]byte(line)), line)
	}
}

// Ranks that differ, or of which one fails, end with one message that says which.
func TestRanksThatFail(t *testing.T) {
	data, other := halves(t, false), halves(t, true)
	line := []string{"train", "--model", "tiny", "--data", data, "--batch", "16", "--epochs", "2"}
	for name, test := range map[string]struct {
		change []string // what rank 1 gets besides
		want   string
	}{
		"overlap":       {[]string{"--overlap"}, "steppe: the ranks differ in --overlap: rank 1 has true, and rank 0 false\n"},
		"batch":         {[]string{"--batch", "8"}, "steppe: the ranks differ in --batch: rank 1 has 8, and rank 0 16\n"},
		"rho":           {[]string{"--rho", "0.5"}, "steppe: the ranks differ in --rho: rank 1 has 0.5, and rank 0 "},
		"augment":       {[]string{"--augment", "flip"}, "steppe: rank 1 has [flip] for --augment, and rank 0 nothing\n"},
		"data":          {[]string{"--data", other}, "steppe: the ranks differ in --data: rank 1 has " + other},
		"unknown flag":  {[]string{"--warp", "9"}, "steppe: rank 1: unknown flag: --warp (steppe train --help lists the flags)\n"},
		"another value": {[]string{"--epochs", "0"}, "steppe: rank 1: --epochs is 0, want at least 1\n"},
		"no such data":  {[]string{"--data", "nowhere"}, "steppe: the ranks differ in --data: rank 1 has nowhere"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "run")
			code, stdout, stderr := steppeOn(t, 2, onlyRank(1, test.change...), append(line, "--out", dir)...)
			assert.Equal(t, 1, code)
			assert.Empty(t, stdout)
			assert.True(t, strings.HasPrefix(stderr, test.want), stderr)
			assert.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
			assert.NoDirExists(t, dir)
		})
	}
	code, _, stderr := steppeOn(t, 2, nil, append(line, "--bad")...)
	assert.Equal(t, 1, code)
	assert.Equal(t, "steppe: unknown flag: --bad (steppe train --help lists the flags)\n", stderr, "an error that all have is no rank's")
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "last.safetensors"), nil, 0o644))
	code, _, stderr = steppeOn(t, 2, nil, append(line, "--out", dir)...)
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "steppe: rank 0: --out "+dir+": ")
}

// A run that began without --mpi has other sums, and doesn't go on with it.
func TestResumeWithoutRanksOnRanks(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	code, _, stderr := steppe(t, "train", "--model", "tiny", "--data", halves(t, false), "--batch", "16", "--epochs", "1", "--out", dir)
	require.Zero(t, code, stderr)
	code, _, stderr = steppeOn(t, 2, nil, "train", "--resume", dir, "--epochs", "2")
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "steppe: --mpi with --resume "+dir+": the run began without, ")
	code, _, stderr = steppe(t, "train", "--resume", dir, "--epochs", "2", "--ranks", "exact")
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "--ranks with --resume: a run that goes on keeps its settings")
	code, _, stderr = steppe(t, "train", "--ranks", "slow")
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, `unknown sum of ranks "slow", want one of exact, fast`)
}

// A batch has room for as many ranks as units, and --units asks for more.
func TestUnitsOfRanks(t *testing.T) {
	line := []string{"train", "--model", "tiny", "--data", halves(t, false), "--batch", "32", "--shards", "32", "--epochs", "1"}
	code, _, stderr := steppeOn(t, 17, nil, line...)
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "steppe: --mpi has 17 ranks, want at most 16")
	code, _, stderr = steppeOn(t, 17, nil, append(line, "--units", "32")...)
	assert.Zero(t, code, stderr)
	code, _, stderr = steppe(t, append(line, "--units", "32")...)
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "steppe: --units 32 without --ranks or --mpi")
}

// Without MPI in the program, --mpi says how to build it.
func TestMPINotBuilt(t *testing.T) {
	if name := mpi.BuiltFor(); name != "" {
		t.Skip("built for ", name)
	}
	for _, command := range []string{"train", "bench", "compare", "study"} {
		code, stdout, stderr := steppe(t, command, "--mpi")
		assert.Equal(t, 1, code)
		assert.Empty(t, stdout)
		assert.Contains(t, stderr, "steppe: --mpi: this program was built without MPI.")
		assert.Contains(t, stderr, "-tags mpi")
	}
}

// A panic of one rank ends all, with its reason.
func TestPanicOnRanks(t *testing.T) {
	err := ranks.Run(2, func(r *ranks.Rank) error {
		defer abortOnPanic(r)
		if r.Rank() == 1 {
			panic("out of luck")
		}
		return r.Barrier()
	})
	assert.ErrorContains(t, err, "rank 1: panic: out of luck\n")
	assert.ErrorContains(t, err, "ranks_test.go", "the stack")
}

// Ranks that lose each other are ended, with the error that came first.
func TestLostRank(t *testing.T) {
	err := ranks.Run(2, func(r *ranks.Rank) error {
		if r.Rank() == 1 {
			return nil // as a process that is gone
		}
		var out, errs bytes.Buffer
		runOn(context.Background(), r, []string{"train", "--epochs", "0"}, &out, &errs)
		return nil
	})
	assert.ErrorContains(t, err, "rank 1 has ended")
}
