package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/sam/find"
)

func TestFindLR(t *testing.T) {
	plot := filepath.Join(t.TempDir(), "lr.png")
	line := []string{"find", "lr", "--model", "tiny", "--batch", "32"}
	code, stdout, stderr := steppe(t, append(line, "--plot", plot, "--lr", "7")...)
	require.Zero(t, code, stderr)
	assert.Empty(t, stderr)
	assert.Contains(t, stdout, "tiny on digits: 1,294 training samples and 144 validation of 8x8x1\nmSAM with 8 shards, rho ")
	assert.Contains(t, stdout, ", batch 32, lr 1e-06 to 10 in 200 steps\n")
	assert.Regexp(t, `\nSuggested: --lr 0\.\d+, where the loss has made 95% of its fall\.\nThe curve is in .*lr\.png\.\n$`, stdout)
	assert.Equal(t, []string{"lr.png"}, names(t, filepath.Dir(plot)))

	code, stdout, stderr = steppe(t, append(line, "--json")...)
	require.Zero(t, code, stderr)
	var r find.LRResult
	require.NoError(t, json.Unmarshal([]byte(stdout), &r))
	assert.NotZero(t, r.Suggestion)
	assert.NotEmpty(t, r.Points)

	code, stdout, _ = steppe(t, append(line, "--quiet", "--max", "1e-4")...)
	require.Zero(t, code)
	assert.Equal(t, 1, strings.Count(stdout, "\n"), "the result alone")
	assert.Contains(t, stdout, "No suggestion: ")

	code, stdout, stderr = steppeIn(t, interruptedAfter(30), append(line, "--plot", filepath.Join(t.TempDir(), "none.png"))...)
	assert.Equal(t, exitInterrupted, code)
	assert.Contains(t, stderr, "interrupt")
	assert.Contains(t, stdout, "No suggestion: the test was ended from outside.")
}

// A path that can't be written to is an error before the runs, and an interrupted command leaves an
// old chart as it was.
func TestFindPlot(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lr.png")
	require.NoError(t, os.WriteFile(path, []byte("old"), 0o666))
	code, _, _ := steppeIn(t, interruptedAfter(30), "find", "lr", "--model", "tiny", "--plot", path)
	assert.Equal(t, exitInterrupted, code)
	assert.Equal(t, "old", read(t, path))
	assert.Equal(t, []string{"lr.png"}, names(t, filepath.Dir(path)), "nothing stray")
}

func TestFindRho(t *testing.T) {
	dir := t.TempDir()
	line := []string{
		"find", "rho", "--model", "tiny", "--batch", "64", "--epochs", "2", "--shards", "1,8", "--rhos", "0.02,1000", "--seeds", "2",
		"--out", filepath.Join(dir, "runs"), "--plot", filepath.Join(dir, "rho.png"),
	}
	code, stdout, stderr := steppe(t, line...)
	require.Zero(t, code, stderr)
	assert.Empty(t, stderr)
	assert.Contains(t, stdout, "\nmSAM, 2 epochs, batch 64, lr 0.05 cosine, momentum 0.9, decay 0.0001\n")
	assert.Regexp(t, `\n8 +8 +0\.02 +\d\.\d{4} ±\d\.\d{4}  [+-]\d\.\d{4} ±\d\.\d{4} +\d+\.\d\d% +\*\n`, stdout)
	assert.Regexp(t, `1000 .*(collapsed|refused)\n`, stdout)
	assert.Regexp(t, `\nBest: --shards [18] --rho 0\.02, `, stdout)
	assert.Equal(t, []string{"rho.png", "runs"}, names(t, dir))

	code, stdout, stderr = steppe(t, append(line, "--json")...)
	require.Zero(t, code, stderr)
	var r find.RhoResult
	require.NoError(t, json.Unmarshal([]byte(stdout), &r))
	assert.Equal(t, []uint64{1, 2}, r.Seeds)
	assert.Len(t, r.Rows, 2)
	assert.Equal(t, 11, strings.Count(read(t, filepath.Join(dir, "runs", "rho.jsonl")), "\n"), "nothing was trained again")

	code, _, stderr = steppe(t, append(line, "--epochs", "3")...)
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "rho.jsonl, line 1: trials of another run: epochs 2 there, and 3 here")
	code, _, stderr = steppeIn(t, interruptedAfter(2), append(line, "--seeds", "9")...)
	assert.Equal(t, exitInterrupted, code)
	assert.Contains(t, stderr, "the same command goes on from here")

	code, stdout, stderr = steppe(t, "find", "rho", "--model", "tiny", "--rhos", "1e30", "--seeds", "1", "--epochs", "1", "--shards", "1", "--plot", filepath.Join(dir, "none.png"))
	require.Zero(t, code, stderr)
	assert.Contains(t, stdout, "No rho is left: ")
	assert.Contains(t, stderr, "nothing is left to draw into")
	assert.Equal(t, []string{"rho.png", "runs"}, names(t, dir))
}

// A regression has losses, and no accuracies.
func TestFindRegression(t *testing.T) {
	table := filepath.Join(t.TempDir(), "line.csv")
	rows := "x,y\n"
	for i := range 80 {
		rows += fmt.Sprintf("%d,%d\n", i*37%80, 3*(i*37%80)+i%2)
	}
	require.NoError(t, os.WriteFile(table, []byte(rows), 0o666))
	line := []string{"--model", "mlp", "--data", table, "--label", "y", "--batch", "16", "--max-memory", "1GB"}
	code, stdout, stderr := steppe(t, append([]string{"find", "lr"}, line...)...)
	require.Zero(t, code, stderr)
	assert.Contains(t, stdout, "\nSuggested: --lr ")
	code, stdout, stderr = steppe(t, append([]string{"find", "rho", "--lr", "0.001", "--shards", "2", "--seeds", "2", "--rhos", "0.01,0.02"}, line...)...)
	require.Zero(t, code, stderr)
	assert.Regexp(t, `\nshards  samples each   rho +valid loss +against rho 0 *\n`, stdout)
	assert.Regexp(t, `\nBest: --shards 2 --rho 0\.0[12]`, stdout)
}

// A table with fewer rows than a batch is no reason for advice about shards that nobody asked for.
func TestFindOnFewRows(t *testing.T) {
	table := filepath.Join(t.TempDir(), "few.csv")
	require.NoError(t, os.WriteFile(table, []byte("x,kind\n1,a\n2,b\n3,a\n4,b\n5,a\n6,b\n7,a\n8,b\n"), 0o666))
	line := []string{"--data", table, "--label", "kind"}
	code, stdout, stderr := steppe(t, append([]string{"find", "lr"}, line...)...)
	assert.Zero(t, code, stderr)
	assert.Contains(t, stdout, "mSAM with 5 shards, rho 0.015, batch 5, ")
	code, stdout, stderr = steppe(t, append([]string{"find", "rho", "--epochs", "1", "--seeds", "1", "--rhos", "0.01"}, line...)...)
	assert.Zero(t, code, stderr)
	assert.Regexp(t, `(?m)^4 +2 +0\.01 `, stdout)
	assert.NotRegexp(t, `(?m)^8 +`, stdout)
	code, _, stderr = steppe(t, append([]string{"find", "rho", "--epochs", "1", "--shards", "8"}, line...)...)
	assert.Equal(t, 1, code)
	assert.Equal(t, "steppe: --shards has 8, want 1 to 5, the samples of a batch\n", stderr)
}

func TestFindErrors(t *testing.T) {
	for line, want := range map[string]string{
		"find x":                           `unknown command "x", want steppe find lr or rho`,
		"find lr x":                        `steppe find lr takes flags only, got "x"`,
		"find lr --min 0":                  "--min is 0, want a positive number",
		"find lr --min 1 --max 1":          "--max is 1, want more than --min 1",
		"find lr --max NaN":                "--max is NaN, want more than --min 1e-06",
		"find lr --steps 9":                "--steps is 9, want at least 10",
		"find lr --diverged 1":             "--diverged is 1, want more than 1",
		"find lr --workers 0":              "--workers is 0, want at least 1",
		"find lr --plot x.gif":             `--plot: a chart in "x.gif": the name must end in one of .png, .svg`,
		"find lr --plot=":                  "--plot is empty, want a path",
		"find lr --model x":                `unknown model "x"`,
		"find rho --method sgd":            "--method sgd has no rho to find",
		"find rho --valid 0":               "--valid 0 leaves no samples to compare by",
		"find rho --rho 0.1":               "unknown flag: --rho",
		"find rho --rhos 0.1,0":            "--rhos has 0, want positive numbers; rho 0 is always tried",
		"find rho --rhos x":                `"x" is not a number`,
		"find rho --shards 4,65":           "--shards has 65, want 1 to 64, the samples of a batch",
		"find rho --shards 0":              "--shards has 0, want 1 to 64",
		"find rho --method sam --shards 4": "--shards 4 with --method sam, which has 1 shard",
		"find rho --seeds 0":               "--seeds is 0, want at least 1",
		"find rho --workers 2 --jobs 3":    "--jobs is 3, want 1 to 2, the workers",
		"find lr --max-memory 1kB":         "and --max-memory is 1000 B: raise it",
		"find rho --max-memory 1kB":        "and --max-memory is 1000 B: raise it",
		"sweep --out=/dev/null/x --vary lr=1 --max-memory x": "want a size such as 4GiB",
		"find rho --out=": "--out is empty, want a path",
	} {
		code, stdout, stderr := steppe(t, strings.Fields(line)...)
		assert.Equal(t, 1, code, line)
		assert.Empty(t, stdout, line)
		assert.Contains(t, stderr, want, line)
	}
}
