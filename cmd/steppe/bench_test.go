package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/runs"
	"github.com/steppe-ml/steppe/internal/stats"
	"github.com/steppe-ml/steppe/simd"
)

// quick returns the arguments of a bench on a tiny model for two rounds.
func quick(flags ...string) []string {
	return append([]string{"bench", "--model", "tiny", "--rounds", "2"}, flags...)
}

func TestBench(t *testing.T) {
	code, stdout, stderr := steppe(t, quick("--shards", "4,1,2,4", "--data", "digits", "--rho", "0.1")...)
	require.Zero(t, code, stderr)
	assert.Empty(t, stderr)

	lines := strings.Split(stdout, "\n")
	assert.Equal(t, []string{"", "tiny on digits, batch 32, rho 0.1", ""}, lines[1:4])
	assert.Contains(t, lines[0], fmt.Sprintf("%v, %s on ", simd.Active(), plural(blas.DefaultWorkers(), "worker")))
	assert.Regexp(t, `FMA ceiling [\d.]+ GFLOP/s a core$`, lines[0])
	for _, line := range lines {
		assert.LessOrEqual(t, utf8.RuneCountInString(line), 100, line)
		assert.Equal(t, strings.TrimRight(line, " "), line)
	}
	assert.Equal(t, []string{"SGD", "SAM", "mSAM 4", "mSAM 2"}, rowsOf(stdout), "in the order asked for, and each once")
	number := `[\d.]+`
	row := strings.ReplaceAll(`(?m)^mSAM 4 +N \[ *N-N\] +N +N +N[kM]? +N \( *N%\) +N [KM]iB$`, "N", number)
	assert.Regexp(t, row, stdout)
	assert.Regexp(t, `\nMedians of 2 rounds\. mSAM took at most [\d.]+ of SAM's time in all 2 cells: too few rounds to say\s+how\s+sure that is\.\n$`, stdout)
}

// rowsOf returns the first column of a table.
func rowsOf(table string) (rows []string) {
	for line := range strings.SplitSeq(table, "\n") {
		if strings.HasSuffix(line, "iB") {
			name, _, _ := strings.Cut(line, "  ")
			rows = append(rows, name)
		}
	}
	return rows
}

func TestBenchReferencesAlone(t *testing.T) {
	code, stdout, stderr := steppe(t, quick("--shards", "1", "--data", halves(t, false))...)
	require.Zero(t, code, stderr)
	assert.Contains(t, stdout, "\nSGD ")
	assert.Contains(t, stdout, "\nSAM ")
	assert.NotContains(t, stdout, "mSAM")
}

// Without --data, a model other than mlp alone gets noise of its usual shape, and without --batch
// each model gets its usual batch, and 32.
func TestBenchUsualData(t *testing.T) {
	for _, c := range []struct {
		models string
		want   []string
	}{
		{"mlp", []string{"mlp on digits, batch 256", "mlp on digits, batch 32"}},
		{"tiny", []string{"tiny on synthetic:4x4x1, batch 32"}},
		{"tiny,mlp,tiny", []string{"tiny on synthetic:4x4x1, batch 32", "mlp on synthetic:28x28x1, batch 256", "mlp on synthetic:28x28x1, batch 32"}},
	} {
		code, stdout, stderr := steppe(t, "bench", "--model", c.models, "--rounds", "1", "--shards", "8")
		require.Zero(t, code, stderr)
		assert.Equal(t, c.want, regexp.MustCompile(`(?m)^\S+ on \S+, batch \d+$`).FindAllString(stdout, -1))
		assert.Equal(t, len(c.want), strings.Count(stdout, "\nMedians of 1 round. mSAM took at most "))
		assert.Equal(t, 1, strings.Count(stdout, "FMA ceiling"))
	}
}

// One report has the rows of all models.
func TestBenchSeveralModels(t *testing.T) {
	code, stdout, stderr := steppe(t, "bench", "--model", "tiny,mlp", "--data", halves(t, false), "--batch", "8",
		"--rounds", "6", "--shards", "1,3", "--json", "-")
	require.Zero(t, code, stderr)
	var r Report
	require.NoError(t, json.Unmarshal([]byte(stdout), &r))
	var rows, controls []string
	for _, row := range r.Rows {
		rows = append(rows, fmt.Sprint(row.Model, " ", row.Data, " ", row.Batch, " ", row.Method, " ", row.Shards))
	}
	for _, k := range r.Controls {
		controls = append(controls, k.Model)
	}
	assert.Equal(t, []string{
		"tiny halves 8 sgd 1", "tiny halves 8 sam 1", "tiny halves 8 msam 3",
		"mlp halves 8 sgd 1", "mlp halves 8 sam 1", "mlp halves 8 msam 3",
	}, rows)
	assert.Equal(t, []string{"tiny", "mlp"}, controls)
}

// Each method has a row. A column of ratios is there only if its method is measured.
func TestBenchMethods(t *testing.T) {
	for _, c := range []struct {
		methods   string
		rows      []string
		sgd, sam  bool // columns of ratios to
		reference string
	}{
		{"sgd,sam,msam", []string{"SGD", "SAM", "mSAM 4"}, true, true, "SAM"},
		{"msam,sgd,sgd", []string{"mSAM 4", "SGD"}, true, false, "SGD"},
		{"msam,sam", []string{"mSAM 4", "SAM"}, false, true, "SAM"},
		{"msam", []string{"mSAM 4"}, false, false, "mSAM with 4 shards"},
		{"sgd", []string{"SGD"}, true, false, "SGD"},
	} {
		code, stdout, stderr := steppe(t, quick("--methods", c.methods, "--shards", "4", "--rounds", "6")...)
		require.Zero(t, code, stderr)
		assert.Equal(t, c.rows, rowsOf(stdout), c.methods)
		assert.Equal(t, c.sgd, strings.Contains(stdout, "x SGD"), c.methods)
		assert.Equal(t, c.sam, strings.Contains(stdout, "x SAM"), c.methods)
		assert.Contains(t, stdout, "\nControl: "+c.reference+", timed once more", c.methods)
	}

	// Ratios to a method that isn't measured are null, not 0.
	code, stdout, stderr := steppe(t, quick("--methods", "msam,sgd", "--json", "-")...)
	require.Zero(t, code, stderr)
	assert.Contains(t, stdout, `"vs_sam": null`)
	assert.NotContains(t, stdout, `"vs_sgd": null`)
}

// Shards of different sizes, on one worker and on two.
func TestBenchRagged(t *testing.T) {
	for _, workers := range []string{"1", "2"} {
		code, stdout, stderr := steppe(t, quick("--batch", "250", "--shards", "3,7,13", "--workers", workers)...)
		require.Zero(t, code, stderr)
		for _, row := range []string{"\nmSAM 3 ", "\nmSAM 7 ", "\nmSAM 13 "} {
			assert.Contains(t, stdout, row)
		}
	}
}

func TestBenchMarkdown(t *testing.T) {
	code, stdout, stderr := steppe(t, quick("--shards", "2", "--markdown", "--explain", "--rounds", "6")...)
	require.Zero(t, code, stderr)
	assert.Contains(t, stdout, "\n**tiny on synthetic:4x4x1, batch 32**\n\n```\nSGD\nstep: ")
	assert.Contains(t, stdout, "\n| method,<br/>shards | ms a step<br/>[min-max] | x SGD | x SAM, 95%<br/>interval | examples<br/>a second |")
	assert.Regexp(t, `(?m)^\| mSAM 2 \| .* ±\d.*iB \|$`, stdout)
	assert.Equal(t, 6, strings.Count(stdout, "```"))
}

// Without --shards, bench leaves out the numbers of shards that are too large for the batch, says so,
// and adds the most that fit.
func TestBenchSmallBatch(t *testing.T) {
	code, stdout, stderr := steppe(t, quick("--batch", "5", "--data", halves(t, false))...)
	require.Zero(t, code, stderr)
	assert.Equal(t, []string{"SGD", "SAM", "mSAM 2", "mSAM 4", "mSAM 5"}, rowsOf(stdout))
	assert.Contains(t, stdout, "\ntiny on halves, batch 5\n")
	assert.Contains(t, stdout, "\nLeft out: 8, 16 and 32 shards, which a batch of 5 can't have with at least 1 sample a shard.\n")
	assert.NotContains(t, stdout, "by batch and shards", "one batch is no matrix")
}

// A model that normalizes one pixel needs two samples a shard.
func TestBenchSmallestShard(t *testing.T) {
	b := &bench{workload: workload{workers: 1, source: sourceOf("synthetic:4x4x3")}, methods: defaultMethods, ascents: []string{"f32"}, models: []string{"resnet20"},
		given: func(flag string) bool { return flag == "data" }}
	trial, err := b.newTrial("resnet20", 24, true)
	require.NoError(t, err)
	var shards []int
	for _, c := range trial.contenders[2:] {
		shards = append(shards, c.shards)
	}
	assert.Equal(t, []int{2, 4, 8, 12}, shards)
	assert.Equal(t, []int{16, 32}, trial.leftOut)
	assert.Equal(t, "Left out: 16 and 32 shards, which a batch of 24 can't have with at least 2 samples a shard.\n", trial.omission(trial.leftOut))
}

// Several batches leave out the shards that don't fit, each for itself, and end in a matrix.
func TestBenchMatrix(t *testing.T) {
	line := quick("--batch", "8,4,8,16", "--shards", "3,16,8", "--data", halves(t, false), "--rounds", "6")
	code, stdout, stderr := steppe(t, line...)
	require.Zero(t, code, stderr)
	assert.Equal(t, []string{
		"SGD", "SAM", "mSAM 3", "mSAM 8",
		"SGD", "SAM", "mSAM 3",
		"SGD", "SAM", "mSAM 3", "mSAM 16", "mSAM 8",
	}, rowsOf(stdout))
	assert.Contains(t, stdout, "\nLeft out: 16 shards, which a batch of 8 can't have with at least 1 sample a shard.\n")
	assert.Contains(t, stdout, "\nLeft out: 16 and 8 shards, which a batch of 4 can't have with at least 1 sample a shard.\n")
	_, summary, found := strings.Cut(stdout, "\ntiny on halves, mSAM: time of a step over SAM's, by batch and shards\n\n")
	require.True(t, found)
	assert.Regexp(t, `^batch  3 +8 +16\n─+\n    4  [\d.*]+ +- +-\n    8  [\d.*]+ +[\d.*]+ +-\n   16  [\d.*]+ +[\d.*]+ +[\d.*]+\n\nmSAM costs `, summary)
	for line := range strings.Lines(stdout) {
		assert.LessOrEqual(t, utf8.RuneCountInString(line), 101, line)
		assert.Equal(t, strings.TrimRight(line, " \n")+"\n", line)
	}

	code, stdout, stderr = steppe(t, append(line, "--markdown", "--json", filepath.Join(t.TempDir(), "bench.json"))...)
	require.Zero(t, code, stderr)
	assert.Contains(t, stdout, "\n**tiny on halves, mSAM: time of a step over SAM's, by batch and shards**\n\n| batch | 3 | 8 | 16 |\n")
	assert.Regexp(t, `(?m)^\| 4 \| [\d.]+\*? \| - \| - \|$`, stdout)
}

// What was asked for and is measured nowhere is an error before anything is measured.
func TestBenchFitsNowhere(t *testing.T) {
	data := halves(t, false)
	for _, c := range []struct{ flags, want string }{
		{"--batch 8 --shards 16", "16 shards are more than --batch 8 has samples"},
		{"--batch 8,4 --shards 2,16", "--shards has 16, which fits none of the batches of tiny"},
		{"--batch 8,4 --shards 2,0", "--shards has 0, want at least 1"},
		{"--batch 8,4 --shards 8 --methods msam", "--shards 8: none fits --batch 4 of tiny"},
		{"--batch 8,0", "--batch is 0, want at least 1"},
		{"--batch 8,65", "--batch 65 is more than the 64 training samples of halves"},
	} {
		code, stdout, stderr := steppe(t, quick(append(strings.Fields(c.flags), "--data", data)...)...)
		assert.Equal(t, 1, code, c.flags)
		assert.Empty(t, stdout, c.flags)
		assert.Equal(t, "steppe: "+c.want+"\n", stderr, c.flags)
	}
}

// An interrupted run prints the matrix of the rounds so far.
func TestBenchMatrixInterrupted(t *testing.T) {
	line := quick("--batch", "8,4", "--shards", "2", "--data", halves(t, false), "--rounds", "1000")
	code, stdout, _ := steppeIn(t, interruptedAfter(4*1002+4*4), line...)
	assert.Equal(t, 130, code)
	assert.Equal(t, 2, strings.Count(stdout, "\nMedians of "))
	assert.Equal(t, 1, strings.Count(stdout, "by batch and shards"))
}

func TestBenchExplain(t *testing.T) {
	code, stdout, stderr := steppe(t, quick("--shards", "8", "--explain", "--model", "mlp", "--batch", "32", "--rounds", "1")...)
	require.Zero(t, code, stderr)
	for _, title := range []string{"SGD", "SAM", "mSAM with 8 shards"} {
		assert.Contains(t, stdout, "\n"+title+"\nstep: 32 samples in ")
	}
	assert.Regexp(t, `(?m)^ +3\.Dense\S* .* factored +deferred$`, stdout)
	assert.Contains(t, stdout, "Medians of 1 round.")
}

// contract has every key of the JSON: those of the first version, and those added later.
const contract = `{
	"version": 1,
	"machine": {"cpu": "", "isa": "", "cores": 0, "l1d_bytes": 0, "l2_bytes": 0, "l3_bytes": 0, "ceiling_gflops_per_core": 0},
	"rows": [{
		"model": "", "data": "", "method": "", "shards": 0, "batch": 0, "workers": 0, "rounds": 0,
		"seconds": {"min": 0, "median": 0, "max": 0}, "vs_sgd": 0, "vs_sam": 0,
		"vs_sgd_interval": {"low": 0, "high": 0}, "vs_sam_interval": {"low": 0, "high": 0},
		"examples_per_second": 0, "gflops": 0, "ceiling_fraction": 0, "workspace_bytes": 0, "plan": ""
	}],
	"controls": [{"model": "", "batch": 0, "method": "", "vs_itself": 0, "vs_itself_interval": {"low": 0, "high": 0}, "noise": 0, "noisy": false}]
}`

// shape reduces decoded JSON to its keys and types, and lists to one element.
func shape(t *testing.T, v any) any {
	switch v := v.(type) {
	case map[string]any:
		keys := map[string]any{}
		for key, value := range v {
			keys[key] = shape(t, value)
		}
		return keys
	case []any:
		require.NotEmpty(t, v)
		for _, element := range v[1:] {
			assert.Equal(t, shape(t, v[0]), shape(t, element))
		}
		return []any{shape(t, v[0])}
	}
	return fmt.Sprintf("%T", v)
}

func TestBenchJSON(t *testing.T) {
	code, stdout, stderr := steppe(t, quick("--shards", "2,8", "--workers", "1", "--rounds", "6", "--json", "-")...)
	require.Zero(t, code, stderr)
	assert.Contains(t, stderr, "Medians of 6 rounds.", "the table goes to stderr")

	var want, got any
	require.NoError(t, json.Unmarshal([]byte(contract), &want))
	require.NoError(t, json.Unmarshal([]byte(stdout), &got))
	assert.Equal(t, shape(t, want), shape(t, got))

	decoder := json.NewDecoder(strings.NewReader(stdout))
	decoder.DisallowUnknownFields()
	var r Report
	require.NoError(t, decoder.Decode(&r))
	assert.False(t, decoder.More())
	cpu := simd.Processor()
	assert.Equal(t, 1, r.Version)
	assert.Equal(t, Machine{
		CPU: oneLine(cpu.Name), ISA: simd.Active().String(), Cores: cpu.PhysicalCores,
		L1D: cpu.L1D, L2: cpu.L2, L3: cpu.L3, Ceiling: r.Machine.Ceiling,
	}, r.Machine)
	assert.Positive(t, r.Machine.Ceiling)

	var methods []string
	for _, row := range r.Rows {
		methods = append(methods, fmt.Sprint(row.Method, " ", row.Shards))
		assert.Equal(t, []any{"tiny", "synthetic:4x4x1", 32, 1, 6}, []any{row.Model, row.Data, row.Batch, row.Workers, row.Rounds})
		assert.Positive(t, row.Seconds.Min)
		assert.LessOrEqual(t, row.Seconds.Min, row.Seconds.Median)
		assert.LessOrEqual(t, row.Seconds.Median, row.Seconds.Max)
		assert.InEpsilon(t, 32, row.ExamplesPerSecond*row.Seconds.Median, 1e-9)
		assert.InEpsilon(t, row.GFLOPS, row.CeilingFraction*r.Machine.Ceiling, 1e-9)
		assert.Positive(t, row.WorkspaceBytes)
		assert.Contains(t, row.Plan, "on 1 worker")
	}
	assert.Equal(t, []string{"sgd 1", "sam 1", "msam 2", "msam 8"}, methods)
	assert.Equal(t, 1.0, *r.Rows[0].VsSGD)
	assert.Equal(t, 1.0, *r.Rows[1].VsSAM)
	require.Len(t, r.Controls, 1)
	assert.Equal(t, "sam", r.Controls[0].Method)
}

func TestBenchJSONFile(t *testing.T) {
	dir, data := t.TempDir(), halves(t, false)
	path := filepath.Join(dir, "bench.json")
	code, stdout, stderr := steppe(t, quick("--data", data, "--json", path)...)
	require.Zero(t, code, stderr)
	assert.Contains(t, stdout, "Medians of 2 rounds.")
	assert.Equal(t, []string{"bench.json"}, names(t, dir))
	var r Report
	require.NoError(t, json.Unmarshal([]byte(read(t, path)), &r))
	assert.Equal(t, "halves", r.Rows[0].Data)
}

func TestBenchJSONFileNotOnError(t *testing.T) {
	dir, data := t.TempDir(), halves(t, false)
	path := filepath.Join(dir, "bench.json")

	code, _, _ := steppe(t, quick("--data", data, "--shards", "33", "--json", path)...)
	assert.Equal(t, 1, code)
	assert.Empty(t, names(t, dir))

	// An error after the file was created: a perturbation so large that the loss isn't finite.
	code, _, stderr := steppe(t, quick("--data", data, "--rho", "1e38", "--json", path)...)
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "steppe: tiny, SAM: sam: step refused")
	assert.Empty(t, names(t, dir))

	require.NoError(t, os.WriteFile(path, []byte("old"), 0o666))
	code, _, _ = steppeIn(t, interruptedAfter(100), quick("--data", data, "--rounds", "1000", "--json", path)...)
	assert.Equal(t, 130, code)
	assert.Equal(t, []string{"bench.json"}, names(t, dir))
	assert.Equal(t, "old", read(t, path), "an interrupted run doesn't replace the results of a whole one")

	code, _, stderr = steppe(t, quick("--json", filepath.Join(dir, "none", "bench.json"))...)
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "none")
}

// Three methods and the control check the context once each per round, and the first two rounds
// don't count.
func TestBenchInterrupted(t *testing.T) {
	line := quick("--data", halves(t, false), "--shards", "2", "--rounds", "1000")
	for _, test := range []struct {
		steps int
		want  string
	}{
		{4 * 4, "\nMedians of 2 rounds. "},
		{4*4 + 3, "\nMedians of 2 rounds. "}, // the third round is not whole and doesn't count
		{4 * 3, "\nMedians of 1 round. "},
	} {
		code, stdout, stderr := steppeIn(t, interruptedAfter(test.steps), line...)
		assert.Equal(t, 130, code)
		assert.Contains(t, stdout, test.want)
		assert.Equal(t, "steppe: interrupted\n", stderr)
	}
	for _, steps := range []int{0, 1, 4 * 2} {
		code, stdout, stderr := steppeIn(t, interruptedAfter(steps), line...)
		assert.Equal(t, 130, code)
		assert.NotContains(t, stdout, "Medians", "no round is whole")
		assert.Equal(t, "steppe: interrupted\n", stderr)
	}
}

func TestEnough(t *testing.T) {
	assert.Less(t, enough(minRounds-1, 0, 4, time.Hour), 1.0)
	assert.Less(t, enough(1000, 0, 4, 4*timePerMethod-1), 1.0)
	assert.Equal(t, 1.0, enough(minRounds, 0, 4, 4*timePerMethod))

	assert.Less(t, enough(4, 5, 4, time.Hour), 1.0)
	assert.Equal(t, 1.0, enough(5, 5, 4, 0))
}

func TestMedian(t *testing.T) {
	x := []float64{5, 1, 3}
	assert.Equal(t, 3.0, stats.Median(x))
	assert.Equal(t, []float64{5, 1, 3}, x)
	assert.Equal(t, 2.5, stats.Median([]float64{4, 1, 2, 3}))
	assert.Equal(t, 2.0, stats.Median(stats.Ratios([]float64{2, 9, 4}, []float64{1, 1, 4})), "median of the ratios 2, 9 and 1")
}

// Full batches of an epoch come one after the other, and then those of the next epoch.
func TestFullBatches(t *testing.T) {
	w := workload{modelName: "tiny", source: sourceOf(halves(t, false))}
	require.NoError(t, w.open())
	var firsts []string
	for batch, err := range fullBatches(w.train, 24, 1) {
		require.NoError(t, err)
		assert.Equal(t, 24, batch.N)
		firsts = append(firsts, fmt.Sprint(batch.Labels))
		if len(firsts) == 4 {
			break
		}
	}
	assert.NotEqual(t, firsts[0], firsts[1])
	assert.NotEqual(t, firsts[0], firsts[2], "another epoch, another order")
}

// sourceOf returns the source of a value of --data.
func sourceOf(data string) runs.Source {
	s := runs.Defaults().Source
	s.Data = data
	return s
}

// With both precisions of the ascent, each method that perturbs has a row for each.
func TestBenchAscents(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bench.json")
	line := []string{"bench", "--model", "tiny", "--data", halves(t, false), "--batch", "8", "--shards", "2", "--rounds", "6", "--workers", "1"}
	code, stdout, stderr := steppe(t, append(line, "--ascent", "f32,bf16", "--explain", "--json", path)...)
	require.Zero(t, code, stderr)
	assert.Equal(t, []string{"SGD", "SAM", "SAM in bf16", "mSAM 2", "mSAM 2 in bf16"}, rowsOf(stdout))
	assert.Contains(t, stdout, "\nperturbed: with products in bfloat16\n")
	var report Report
	require.NoError(t, json.Unmarshal([]byte(read(t, path)), &report))
	var ascents []string
	for _, row := range report.Rows {
		ascents = append(ascents, row.Ascent)
	}
	assert.Equal(t, []string{"", "", "bf16", "", "bf16"}, ascents)
	assert.Len(t, claims(report.Rows), 2, "one for each precision")

	code, stdout, stderr = steppe(t, append(line, "--ascent", "bf16,f32,bf16")...)
	require.Zero(t, code, stderr)
	assert.Equal(t, []string{"SGD", "SAM", "SAM in bf16", "mSAM 2", "mSAM 2 in bf16"}, rowsOf(stdout), "float32 is first")
	code, stdout, stderr = steppe(t, append(line, "--ascent", "bf16")...)
	require.Zero(t, code, stderr)
	assert.Equal(t, []string{"SGD", "SAM in bf16", "mSAM 2 in bf16"}, rowsOf(stdout))
	assert.Contains(t, stdout, "x SGD")
	code, _, stderr = steppe(t, append(line, "--ascent=")...)
	assert.Equal(t, 1, code)
	assert.Equal(t, "steppe: --ascent is empty, want f32, bf16, or both\n", stderr)

	for _, args := range [][]string{append(line, "--ascent", "fp8"), {"train", "--epochs", "1", "--ascent", "fp8"}} {
		code, _, stderr = steppe(t, args...)
		assert.Equal(t, 1, code)
		assert.Contains(t, stderr, `unknown precision of the ascent "fp8", want one of f32, bf16`)
	}
	code, _, stderr = steppe(t, "train", "--epochs", "1", "--method", "gsam", "--ascent", "bf16")
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "steppe: --ascent is bfloat16, and Descent.Orthogonal is 0.4, which moves the weights by the gradient at w, too")
}
