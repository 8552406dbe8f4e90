package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/stats"
	"github.com/steppe-ml/steppe/simd"
)

// quick is a bench on digits that takes no time.
func quick(flags ...string) []string {
	return append([]string{"bench", "--model", "tiny", "--rounds", "2", "--batch", "32"}, flags...)
}

func TestBench(t *testing.T) {
	code, stdout, stderr := steppe(t, quick("--shards", "4,1,2,4")...)
	require.Zero(t, code, stderr)
	assert.Empty(t, stderr)

	lines := strings.Split(stdout, "\n")
	assert.Equal(t, "tiny on digits, batch 32, rho 0.05", lines[0])
	assert.Contains(t, lines[1], fmt.Sprintf("%v, %s on ", simd.Active(), plural(blas.DefaultWorkers(), "worker")))
	assert.Regexp(t, `FMA ceiling [\d.]+ GFLOP/s a core$`, lines[1])
	var rows []string
	for _, line := range lines {
		assert.LessOrEqual(t, utf8.RuneCountInString(line), 100, line)
		assert.Equal(t, strings.TrimRight(line, " "), line)
		if strings.HasSuffix(line, "iB") {
			rows = append(rows, strings.Join(strings.Fields(line)[:2], " "))
		}
	}
	assert.Equal(t, []string{"SGD 1", "SAM 1", "mSAM 4", "mSAM 2"}, rows, "as asked for, and each once")
	number := `[\d.]+`
	row := strings.ReplaceAll(`(?m)^mSAM +4 +N \[ *N-N\] +N +N +N[kM]? +N \( *N%\) +N [KM]iB$`, "N", number)
	assert.Regexp(t, row, stdout)
	assert.Regexp(t, `\nMedians of 2 rounds\. mSAM with 4 shards costs [\d.]+ of SAM here\.\n$`, stdout)
}

func TestBenchReferencesAlone(t *testing.T) {
	code, stdout, stderr := steppe(t, quick("--shards", "1", "--data", halves(t, false))...)
	require.Zero(t, code, stderr)
	assert.Contains(t, stdout, "\nSGD ")
	assert.Contains(t, stdout, "\nSAM ")
	assert.NotContains(t, stdout, "mSAM")
}

// The numbers of shards that nobody asked for and that don't fit are left out.
func TestBenchSmallBatch(t *testing.T) {
	code, stdout, stderr := steppe(t, quick("--batch", "5", "--data", halves(t, false))...)
	require.Zero(t, code, stderr)
	assert.Regexp(t, `(?m)^mSAM +4 `, stdout)
	assert.NotRegexp(t, `(?m)^mSAM +8 `, stdout)
	assert.Contains(t, stdout, "tiny on halves, batch 5")
}

func TestBenchExplain(t *testing.T) {
	code, stdout, stderr := steppe(t, quick("--shards", "8", "--explain", "--model", "mlp", "--rounds", "1")...)
	require.Zero(t, code, stderr)
	for _, title := range []string{"SGD", "SAM", "mSAM with 8 shards"} {
		assert.Contains(t, stdout, "\n"+title+"\nstep: 32 samples in ")
	}
	assert.Regexp(t, `(?m)^ +3\.Dense\S* .* factored +late$`, stdout)
	assert.Contains(t, stdout, "Medians of 1 round.")
}

// contract has every key of the JSON that issue 2 lays down.
const contract = `{
	"version": 1,
	"machine": {"cpu": "", "isa": "", "cores": 0, "l1d_bytes": 0, "l2_bytes": 0, "l3_bytes": 0, "ceiling_gflops_per_core": 0},
	"rows": [{
		"model": "", "data": "", "method": "", "shards": 0, "batch": 0, "workers": 0, "rounds": 0,
		"seconds": {"min": 0, "median": 0, "max": 0}, "vs_sgd": 0, "vs_sam": 0,
		"examples_per_second": 0, "gflops": 0, "ceiling_fraction": 0, "workspace_bytes": 0, "plan": ""
	}]
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
	code, stdout, stderr := steppe(t, quick("--shards", "2,8", "--workers", "1", "--json", "-")...)
	require.Zero(t, code, stderr)
	assert.Contains(t, stderr, "Medians of 2 rounds.", "the table makes room")

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
		assert.Equal(t, []any{"tiny", "digits", 32, 1, 2}, []any{row.Model, row.Data, row.Batch, row.Workers, row.Rounds})
		assert.Positive(t, row.Seconds.Min)
		assert.LessOrEqual(t, row.Seconds.Min, row.Seconds.Median)
		assert.LessOrEqual(t, row.Seconds.Median, row.Seconds.Max)
		assert.InEpsilon(t, 32, row.ExamplesPerSecond*row.Seconds.Median, 1e-9)
		assert.InEpsilon(t, row.GFLOPS, row.CeilingFraction*r.Machine.Ceiling, 1e-9)
		assert.Positive(t, row.WorkspaceBytes)
		assert.Contains(t, row.Plan, "on 1 worker")
	}
	assert.Equal(t, []string{"sgd 1", "sam 1", "msam 2", "msam 8"}, methods)
	assert.Equal(t, 1.0, r.Rows[0].VsSGD)
	assert.Equal(t, 1.0, r.Rows[1].VsSAM)
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

	// An error once the file is begun: shards that move so far that the loss is no number.
	code, _, stderr := steppe(t, quick("--data", data, "--rho", "1e38", "--json", path)...)
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "steppe: SAM: sam: step refused")
	assert.Empty(t, names(t, dir))

	require.NoError(t, os.WriteFile(path, []byte("old"), 0o666))
	code, _, _ = steppeIn(t, interruptedAfter(100), quick("--data", data, "--rounds", "1000", "--json", path)...)
	assert.Equal(t, 130, code)
	assert.Equal(t, []string{"bench.json"}, names(t, dir))
	assert.Equal(t, "old", read(t, path), "figures of a whole run aren't replaced by those of a part")

	code, _, stderr = steppe(t, quick("--json", filepath.Join(dir, "none", "bench.json"))...)
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "none")
}

// Three methods take a step each a round, after two rounds that don't count.
func TestBenchInterrupted(t *testing.T) {
	line := quick("--data", halves(t, false), "--shards", "2", "--rounds", "1000")
	for _, test := range []struct {
		steps int
		want  string
	}{
		{3 * 4, "\nMedians of 2 rounds. "},
		{3*4 + 2, "\nMedians of 2 rounds. "}, // of the third, that isn't whole, nothing is counted
		{3 * 3, "\nMedians of 1 round. "},
	} {
		code, stdout, stderr := steppeIn(t, interruptedAfter(test.steps), line...)
		assert.Equal(t, 130, code)
		assert.Contains(t, stdout, test.want)
		assert.Equal(t, "steppe: interrupted\n", stderr)
	}
	for _, steps := range []int{0, 1, 3 * 2} {
		code, stdout, stderr := steppeIn(t, interruptedAfter(steps), line...)
		assert.Equal(t, 130, code)
		assert.NotContains(t, stdout, "Medians", "no round is whole")
		assert.Equal(t, "steppe: interrupted\n", stderr)
	}
}

func TestEnough(t *testing.T) {
	b := &bench{contenders: make([]*contender, 4)}
	assert.Less(t, b.enough(minRounds-1, time.Hour), 1.0)
	assert.Less(t, b.enough(1000, 4*timePerMethod-1), 1.0)
	assert.Equal(t, 1.0, b.enough(minRounds, 4*timePerMethod))

	b.rounds = 5
	assert.Less(t, b.enough(4, time.Hour), 1.0)
	assert.Equal(t, 1.0, b.enough(5, 0))
}

func TestMedian(t *testing.T) {
	x := []float64{5, 1, 3}
	assert.Equal(t, 3.0, stats.Median(x))
	assert.Equal(t, []float64{5, 1, 3}, x)
	assert.Equal(t, 2.5, stats.Median([]float64{4, 1, 2, 3}))
	assert.Equal(t, 2.0, stats.Median(stats.Ratios([]float64{2, 9, 4}, []float64{1, 1, 4})), "of the ratios 2, 9 and 1")
}

// Rounds see one full batch after the other, and then those of the next epoch.
func TestFullBatches(t *testing.T) {
	w := workload{modelName: "tiny", dataSpec: halves(t, false)}
	require.NoError(t, w.open())
	var firsts []string
	for batch := range fullBatches(w.train, 24, 1) {
		assert.Equal(t, 24, batch.N)
		firsts = append(firsts, fmt.Sprint(batch.Labels))
		if len(firsts) == 4 {
			break
		}
	}
	assert.NotEqual(t, firsts[0], firsts[1])
	assert.NotEqual(t, firsts[0], firsts[2], "another epoch, another order")
}
