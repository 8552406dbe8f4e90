package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/runs/campaign"
	"github.com/steppe-ml/steppe/internal/study"
)

// shortStudy is a study of two parts that takes no time. Times decide none of its runs.
const shortStudy = `title: A short one
defaults: {data: digits, samples: 200, test-samples: 100, epochs: 3, batch: 32, seeds: 2, selection-seeds: 1, extend: 1,
  flatness: {samples: 40}, equal-time: false}
parts:
  - {name: first, title: Tiny on digits, model: tiny, noise: [0, 0.2], rhos: [0.05, 0.1], methods: [sgd, sam, {method: looksam, ascent: {every: 2}}]}
  - {name: second, model: tiny-norm, rhos: 0.05, shards: 4, methods: [sgd, sam, msam]}
`

func studyFile(t *testing.T, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "short.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	return path
}

// campaignOf returns the JSON of a study's results, without times.
func campaignOf(t *testing.T, text string) study.Campaign {
	t.Helper()
	var c study.Campaign
	require.NoError(t, json.Unmarshal([]byte(text), &c))
	for _, p := range c.Parts {
		if p.Summary == nil {
			continue
		}
		p.Summary.Costs, p.Summary.Jobs, p.Summary.Workers, p.Summary.EqualLoad = nil, 0, 0, false
		for _, level := range p.Summary.Levels {
			for i := range level.Rows {
				level.Rows[i].Step, level.Rows[i].Cost = 0, 0
			}
		}
	}
	c.Machine = ""
	return c
}

// A study prints its tables, and keeps its runs and a report in its folder. Once all is done it
// trains no more.
func TestStudy(t *testing.T) {
	path, dir := studyFile(t, shortStudy), filepath.Join(t.TempDir(), "out")
	code, stdout, stderr := steppe(t, "study", path, "--out", dir, "--jobs", "1", "--workers", "1")
	require.Zero(t, code, stderr)
	for _, want := range []string{
		"A short one\n", "first: tiny on digits, 200 training and 100 test samples, 3 epochs, batch 32\n",
		"Tiny on digits (first)\n", "20% of the samples relabeled at random\n", "Equal epochs: 3 each. 3 tests.\n",
		"Validation accuracy by rho, with the chosen one in brackets:\n",
		"Report: " + filepath.Join(dir, "report.html") + "\n",
	} {
		assert.Contains(t, stdout, want)
	}
	assert.Regexp(t, `(?m)^method +shards +rho +lr +accuracy +against SGD +against SAM$`, stdout)
	assert.Regexp(t, `(?m)^LookSAM \(1\) +1 +0\.\d+ +0\.05 +[\d.]+ ±[\d.]+ `, stdout)
	assert.Regexp(t, `(?m)^mSAM +4 +0\.05 `, stdout)
	assert.Regexp(t, `(?m)^method +shards +ECE +lambda_1 +sharpness +x SGD$`, stdout)
	assert.Regexp(t, `(?m)^Settings: \(1\) ascent\.every=2\.$`, stdout)
	for line := range strings.Lines(stdout) {
		if !strings.HasPrefix(line, "Report: ") {
			assert.LessOrEqual(t, utf8.RuneCountInString(line), textWidth+1, line)
		}
	}
	assert.Contains(t, stderr, "measuring the costs of steps: tiny on digits\n")
	assert.Contains(t, stderr, "tiny on digits, LookSAM, ascent.every=2, rho 0.05, lr 0.05, seed 1, noise 20%: validation accuracy ")
	for _, name := range []string{"first/runs.jsonl", "second/runs.jsonl", "report.html", "report.md", "accuracy.png"} {
		assert.FileExists(t, filepath.Join(dir, name))
	}

	code, again, stderr := steppe(t, "study", path, "--out", dir, "--json", "-", "-q")
	require.Zero(t, code, stderr)
	assert.Empty(t, stderr)
	c := campaignOf(t, again)
	assert.True(t, c.Complete())
	assert.Equal(t, "short", c.Name)
	assert.Equal(t, 3*3, c.Tests, "of two levels and a part with one")

	code, shown, stderr := steppe(t, "study", path, "--out", dir, "--report-only", "--markdown", "--parts", "second")
	require.Zero(t, code, stderr)
	assert.NotContains(t, shown, "Tiny on digits")
	assert.Contains(t, shown, "The costs of steps are ")
	assert.Contains(t, shown, "## tiny-norm on digits, 200 of 1438 training samples (second)\n")
	assert.Contains(t, shown, "| method | shards |")
}

// Other settings of flatness leave the accuracies where they are. What was measured with others
// isn't shown, and --report-only says what is missing.
func TestStudyOfOtherFlatness(t *testing.T) {
	const text = `defaults: {data: digits, samples: 200, test-samples: 100, epochs: 2, batch: 32, seeds: 2, equal-time: false}
parts: [{name: first, model: tiny, rhos: 0.05, methods: [sgd, sam], flatness: FLATNESS}]
`
	path, dir := studyFile(t, text), filepath.Join(t.TempDir(), "out")
	study := func(flatness string, args ...string) string {
		t.Helper()
		require.NoError(t, os.WriteFile(path, []byte(strings.Replace(text, "FLATNESS", flatness, 1)), 0o644))
		code, stdout, stderr := steppe(t, append([]string{"study", path, "--out", dir, "-q"}, args...)...)
		require.Zero(t, code, stderr)
		return stdout
	}
	accuracies := func(text string) string {
		_, behind, _ := strings.Cut(text, "Equal epochs: ")
		return strings.Split(behind, "\n\n")[1]
	}
	first := study("{samples: 30, rho: 0.05}")
	assert.NotContains(t, first, "is missing")
	assert.Regexp(t, `lambda_1 +sharpness`, first)

	other := study("{samples: 30, rho: 0.2}", "--report-only")
	assert.Equal(t, accuracies(first), accuracies(other))
	assert.NotRegexp(t, `lambda_1 +sharpness`, other)
	assert.Contains(t, other, "The flatness of 4 of 4 models is missing: it wasn't measured with 30 samples, rho 0.2 and the\ntrained labels.")
	assert.Contains(t, other, "0 of 4 runs have all that the study asks for.\n")
	assert.FileExists(t, filepath.Join(dir, "report.html"))

	none := study("false")
	assert.Equal(t, accuracies(first), accuracies(none))
	assert.NotContains(t, none, "lambda_1")
	assert.NotContains(t, none, "missing")
	assert.Equal(t, first, study("{samples: 30, rho: 0.05}", "--report-only"))
}

// --costs measures costs again, says what that changes, and trains nothing.
func TestStudyCosts(t *testing.T) {
	path := studyFile(t, "title: Costs\nparts:\n  - {name: one, data: digits, samples: 200, test-samples: 100, model: tiny, epochs: 4, batch: 32, seeds: 1, "+
		"rhos: 0.05, methods: [sgd, sam]}\n")
	dir := filepath.Join(t.TempDir(), "out")
	runs := filepath.Join(dir, "one", "runs.jsonl")
	code, stdout, stderr := steppe(t, "study", path, "--out", dir, "--costs", "--workers", "1")
	require.Zero(t, code, stderr)
	assert.Contains(t, stdout, "tiny on digits, 200 of 1438 training samples (one)\n\nmethod  step ms  x SAM  good to  equal time\n")
	assert.Regexp(t, `(?m)^SAM +[\d.]+ +1\.00 +[\d.]+% +4 epochs$`, stdout)
	assert.Contains(t, stdout, "No run of equal time changes.\n")
	header, _, _ := strings.Cut(string(read(t, runs)), "\n")

	old := `{"costs":[{"name":"SGD","method":"sgd","shards":1,"step_seconds":0.001,"vs_sam":0.04,"equal_epochs":100},` +
		`{"name":"SAM","method":"sam","shards":1,"step_seconds":0.025,"vs_sam":1,"equal_epochs":4}],"workers":1}`
	require.NoError(t, os.WriteFile(runs, []byte(header+"\n"+old+"\n"), 0o644))
	code, stdout, stderr = steppe(t, "study", path, "--out", dir, "--costs", "--workers", "1")
	require.Zero(t, code, stderr)
	assert.Regexp(t, `(?m)^SGD now has \d+ epochs at equal time, not 100: 0 finished runs no longer count\.\nThe same command without --costs trains the new ones\.$`, stdout)
	lines := strings.Split(strings.TrimSpace(string(read(t, runs))), "\n")
	assert.Len(t, lines, 3)
	assert.Equal(t, old, lines[1])
	assert.Contains(t, lines[2], `"clock":`)

	code, _, stderr = steppe(t, "study", path, "--costs", "--report-only")
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "costs report-only")
}

// A study goes on from a folder whatever state it was left in, and --report-only shows that without
// changing it.
func TestStudyGoesOn(t *testing.T) {
	path, parent := studyFile(t, shortStudy), t.TempDir()
	whole, dir := filepath.Join(parent, "whole"), filepath.Join(parent, "cut")
	code, want, stderr := steppe(t, "study", path, "--out", whole, "--json", "-", "-q")
	require.Zero(t, code, stderr)
	text := read(t, filepath.Join(whole, "first", "runs.jsonl"))
	runs := filepath.Join(dir, "first", "runs.jsonl")
	require.NoError(t, os.MkdirAll(filepath.Dir(runs), 0o755))
	lines := strings.SplitAfter(string(text), "\n")
	cut := strings.Join(lines[:len(lines)-6], "") + lines[len(lines)-6][:20]
	require.NoError(t, os.WriteFile(runs, []byte(cut), 0o644))

	code, shown, stderr := steppe(t, "study", path, "--out", dir, "--report-only", "--json", "-", "-q")
	require.Zero(t, code, stderr)
	c := campaignOf(t, shown)
	assert.False(t, c.Complete())
	assert.NotNil(t, c.Parts[0].Summary)
	assert.Nil(t, c.Parts[1].Summary)
	assert.Equal(t, cut, string(read(t, runs)))
	assert.NoDirExists(t, filepath.Join(dir, "second"))

	code, got, stderr := steppe(t, "study", path, "--out", dir, "--json", "-", "-q", "--jobs", "1", "--workers", "1")
	require.Zero(t, code, stderr)
	assert.Equal(t, campaignOf(t, want), campaignOf(t, got))
}

func TestStudyPresets(t *testing.T) {
	code, stdout, stderr := steppe(t, "study", "--list")
	require.Zero(t, code, stderr)
	assert.Regexp(t, `(?m)^digits +SAM and mSAM on handwritten digits$`, stdout)
	code, stdout, stderr = steppe(t, "study", "--print", "digits")
	require.Zero(t, code, stderr)
	_, err := campaign.Parse("digits.yaml", []byte(stdout))
	assert.NoError(t, err)
}

func TestStudyErrors(t *testing.T) {
	bad := studyFile(t, "parts:\n  - {data: digits, model: tiny, methods: [frob]}\n  - {data: digits, model: none}\n")
	good := studyFile(t, shortStudy)
	t.Chdir(t.TempDir())
	for line, want := range map[string]string{
		"":                                 "steppe study needs a preset (digits, paper",
		"frob":                             `unknown preset "frob", want one of digits`,
		"none.yaml":                        "none.yaml: no such file",
		"--print frob":                     `unknown preset "frob"`,
		"digits mine.yaml":                 `takes one preset or file, got "mine.yaml"`,
		bad:                                bad + ":1",
		good + " --parts first,third":      `--parts has "third", want some of first, second`,
		good + " --workers 1 --jobs 2":     "--jobs is 2, want 1 to 1, the workers",
		good + " --max-memory 1kB --out x": "--max-memory is ",
	} {
		if line == bad {
			want = bad + " has 2 problems:\n" + bad + `:2: method is "frob", want one of `
		}
		code, stdout, stderr := steppe(t, append([]string{"study"}, strings.Fields(line)...)...)
		assert.Equal(t, 1, code, line)
		assert.Empty(t, stdout, line)
		assert.Contains(t, stderr, want, line)
	}
	entries, err := os.ReadDir(".")
	require.NoError(t, err)
	assert.Empty(t, entries, "nothing was made")

	// A folder with another study's results is refused, and stays as it is.
	require.NoError(t, os.MkdirAll("out/first", 0o755))
	require.NoError(t, os.WriteFile("out/first/runs.jsonl", []byte(`{"version":1,"recipe":{"epochs":9}}`+"\n"), 0o644))
	code, _, stderr := steppe(t, "study", good, "--out", "out")
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "out/first/runs.jsonl, line 1: results of another study: ")
	assert.Contains(t, stderr, "epochs is 9 there, and 3 here")
}
