package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/runs"
)

// sweepLine returns a line of sweep on a small data set: three epochs of four steps.
func sweepLine(t *testing.T, out string, more ...string) []string {
	return append([]string{"sweep", "--out", out, "--model", "tiny", "--data", halves(t, false), "--batch", "16", "--epochs", "3"}, more...)
}

func TestSweep(t *testing.T) {
	out := filepath.Join(t.TempDir(), "sweeps", "a")
	line := sweepLine(t, out, "--vary", "lr=0.1", "--vary", "rho=1e38,0.02")
	code, stdout, stderr := steppe(t, line...)
	require.Zero(t, code, stderr)
	assert.Empty(t, stderr)
	assert.Contains(t, stdout, "2 runs in "+out+"\n")
	assert.Contains(t, stdout, "\n1/2  lr=0.1,rho=1e38: refused in epoch 1, batch 1: ")
	rows := strings.Split(stdout[strings.Index(stdout, "\nlr "):], "\n")
	assert.Regexp(t, `^lr +rho  valid_loss  best epoch  test accuracy +folder$`, rows[1])
	assert.Regexp(t, `^0\.1 +0\.02 +\d\.\d{4} +\d of 3 +100\.00% +lr=0\.1,rho=0\.02$`, rows[3], "the best")
	assert.Regexp(t, `^0\.1 +1e38 +refused +lr=0\.1,rho=1e38$`, rows[4])
	assert.Equal(t, []string{"lr=0.1,rho=0.02", "lr=0.1,rho=1e38"}, names(t, out))

	// Finished runs are kept, and more values add runs.
	page := filepath.Join(out, "lr=0.1,rho=0.02", "report.html")
	before := read(t, page)
	line[len(line)-1] = "rho=0.02,0.05"
	code, stdout, stderr = steppe(t, append(line, "--json")...)
	require.Zero(t, code, stderr)
	var report sweepReport
	require.NoError(t, json.Unmarshal([]byte(stdout), &report))
	assert.Equal(t, "valid_loss", report.Monitor)
	require.Len(t, report.Runs, 2)
	for _, r := range report.Runs {
		assert.Equal(t, finished, r.State)
		assert.Equal(t, 3, r.Epochs)
		assert.Equal(t, "0.1", r.Values["lr"])
		require.NotNil(t, r.Score)
	}
	assert.LessOrEqual(t, *report.Runs[0].Score, *report.Runs[1].Score)
	assert.Equal(t, before, read(t, page))

	// Other settings need another folder.
	code, stdout, stderr = steppe(t, append(line, "--seed", "2")...)
	assert.Equal(t, 1, code)
	assert.Empty(t, stdout)
	assert.Contains(t, stderr, "is a run with --seed 1, and not 2; take another folder, or the same flags")
}

// A sweep that is interrupted goes on with the same bits, which are those of train.
func TestSweepInterrupted(t *testing.T) {
	dir := t.TempDir()
	out, alone := filepath.Join(dir, "sweep"), filepath.Join(dir, "alone")
	line := sweepLine(t, out, "--vary", "lr=0.1,0.05")
	code, _, stderr := steppe(t, append([]string{"train", "--lr", "0.1", "--out", alone}, line[3:11]...)...)
	require.Zero(t, code, stderr)

	code, stdout, stderr := steppeIn(t, interruptedAfter(6), line...)
	assert.Equal(t, exitInterrupted, code)
	assert.Contains(t, stderr, "the same command goes on from here")
	assert.NotContains(t, stderr, "--resume", "the run's own advice isn't the sweep's")
	assert.Regexp(t, `\n0\.1 +stopped +lr=0\.1\n0\.05 +not begun +lr=0\.05\n$`, stdout)

	code, stdout, stderr = steppe(t, line...)
	require.Zero(t, code, stderr)
	assert.Contains(t, stdout, "\n2/2  lr=0.05: ")
	assert.Equal(t, read(t, filepath.Join(alone, "best.safetensors")), read(t, filepath.Join(out, "lr=0.1", "best.safetensors")))
	assert.Equal(t, names(t, alone), names(t, filepath.Join(out, "lr=0.1")))

	code, stdout, stderr = steppe(t, line...)
	require.Zero(t, code, stderr)
	assert.Contains(t, stdout, "2 runs in "+out+", 2 of them finished before\n")
	assert.NotContains(t, stdout, "2/2")
}

func TestSweepErrors(t *testing.T) {
	for line, want := range map[string]string{
		"":                                  "--out is needed",
		"--out=a":                           "--vary is needed: a flag with its values, such as lr=0.01,0.1",
		"--out=a --vary lr":                 "--vary lr: want a flag with its values, such as lr=0.01,0.1",
		"--out=a --vary x=1":                "--vary x=1: --x is no flag that decides the result of steppe train",
		"--out=a --vary out=1":              "--vary out=1: --out is no flag that decides the result of steppe train",
		"--out=a --vary lr=1,x":             `--vary lr=x: "x" is no value of --lr`,
		"--out=a --vary lr=1,1":             "--vary lr=1,1 has 1 twice",
		`--out=a --vary lr=1,"`:             `--vary lr=1,": want values separated by commas`,
		"--out=a --vary lr=1 --lr 2":        "--vary lr=1, and --lr too: want one of them",
		"--out=a --vary lr=1 --vary --lr=2": "--vary has lr twice",
		"--out=a --vary model=mlp,x":        `the run model=x: unknown model "x"`,
		"--out=a --vary lr=1,-1":            "the run lr=-1: --lr is -1, want a positive number",
		"--out=a --vary data=a/b,a:b":       "two runs would have the folder a/data=a_b",
		"--out=a --vary lr=1 --workers 0":   "--workers is 0, want at least 1",
		"--out=a x":                         `steppe sweep takes flags only, got "x"`,
	} {
		code, stdout, stderr := steppe(t, append([]string{"sweep"}, strings.Fields(line)...)...)
		assert.Equal(t, 1, code, line)
		assert.Empty(t, stdout, line)
		assert.Contains(t, stderr, want, line)
	}
	out := t.TempDir()
	code, _, stderr := steppe(t, "sweep", "--out", out, "--vary", "batch=5000")
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "the run batch=5000: --batch 5000 is more than the 1294 training samples")
	code, _, stderr = steppe(t, "sweep", "--out", out, "--vary", "batch=50", "--max-memory", "1kB")
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "the run batch=50: this run needs ")
	assert.Empty(t, names(t, out))
}

func TestParseAxis(t *testing.T) {
	a, err := parseAxis(` --augment = "flip,crop", flip,`)
	require.NoError(t, err)
	assert.Equal(t, axis{"augment", []string{"flip,crop", "flip", ""}}, a)
	assert.Equal(t, [][]string{{"1", "3"}, {"1", "4"}, {"2", "3"}, {"2", "4"}},
		combinations([]axis{{"a", []string{"1", "2"}}, {"b", []string{"3", "4"}}}))
}

// A sweep goes on with runs of its own settings alone, also where one of the two has none.
func TestSweepDifferences(t *testing.T) {
	of := func(change func(*runs.Settings)) runs.Settings {
		s := runs.Defaults()
		change(&s)
		return s
	}
	plain := of(func(*runs.Settings) {})
	assert.Empty(t, differences(plain, plain))
	begun := of(func(s *runs.Settings) { s.Init = "runs/a" })
	assert.Equal(t, `--init "runs/a", and not none`, differences(begun, plain))
	assert.Equal(t, `--init none, and not "runs/a"`, differences(plain, begun))
	pair := of(func(s *runs.Settings) { s.Text, s.Text2 = "a", "b" })
	assert.Equal(t, `--text2 "b", and not none`, differences(pair, of(func(s *runs.Settings) { s.Text = "a" })))

	// What a run fills in of itself is no difference.
	filled := of(func(s *runs.Settings) {
		s.Init, s.Tokenizer, s.TokenizerPath, s.Path = "runs/a", "runs/a", "/home/runs/a", "/home/a.tsv"
	})
	assert.Empty(t, differences(filled, begun))
	other := of(func(s *runs.Settings) { s.Init, s.Tokenizer = "runs/a", "vocab.txt" })
	assert.Equal(t, `--tokenizer "runs/a", and not "vocab.txt"`, differences(filled, other))
	old := of(func(s *runs.Settings) { s.TokenizerKind = "" })
	assert.Empty(t, differences(old, plain), "from before there was text")
}
