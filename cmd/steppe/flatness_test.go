package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/runs"
)

// trainedRuns trains tiny on halves into runs/NAME of a new working folder, with the flags of each.
func trainedRuns(t *testing.T, flags map[string]string) {
	data := halves(t, false)
	t.Chdir(t.TempDir())
	for name, more := range flags {
		args := []string{"train", "--model", "tiny", "--data", data, "--batch", "16", "--epochs", "2", "--out", "runs/" + name}
		code, _, stderr := steppe(t, append(args, strings.Fields(more)...)...)
		require.Zero(t, code, stderr)
	}
}

// numbersOf reads what --json has written.
func numbersOf(t *testing.T, text string) (report flatnessReport) {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(&report))
	return report
}

// Of one run there is a list, whose numbers are those of the JSON.
func TestFlatness(t *testing.T) {
	trainedRuns(t, map[string]string{"a": "--method msam --shards 4"})
	code, stdout, stderr := steppe(t, "flatness", "runs/a", "--plane", "--top", "3", "--plot", "a.svg", "--json", "a.json")
	require.Zero(t, code, stderr)
	assert.Empty(t, stderr)
	lines := strings.Split(stdout, "\n")
	assert.Equal(t, "tiny on halves: 58 of 58 training samples of 4x4x1", lines[0])
	assert.Equal(t, "weights of the best epoch", lines[1])
	assert.Regexp(t, ` on \d+ cores?, seed 1$`, lines[2])
	assert.Regexp(t, `^runs/a +mSAM with 4 shards, rho 0.02`, lines[4])
	report := numbersOf(t, read(t, "a.json"))
	require.Len(t, report.Runs, 1)
	r := report.Runs[0]
	for _, row := range []struct{ name, value string }{
		{"loss", figure(r.Loss)}, {"norm of the gradient", figure(r.GradientNorm)},
		{"lambda_1", figure(r.Spectrum.Eigenvalues[0])}, {"lambda_3", figure(r.Spectrum.Eigenvalues[2])},
		{"lambda_1 / lambda_3", figure(r.Spectrum.Eigenvalues[0] / r.Spectrum.Eigenvalues[2])},
		{"trace", traceLabel(r.Trace)},
		{"sharpness, worst", figure(r.Sharpness.Worst)}, {"adaptive, average", figure(r.Adaptive.Average)},
	} {
		assert.Regexp(t, `(?m)^`+row.name+` +`+strings.NewReplacer(".", `\.`, "+", `\+`).Replace(row.value)+`$`, stdout)
	}
	assert.Equal(t, []string{"runs/a", "best", "msam", "none"}, []string{r.Folder, r.Weights, r.Settings.Method, string(r.Mode)})
	assert.NotNil(t, r.Density, "--plot of one run shows it")
	assert.NotNil(t, r.Plane)
	assert.Contains(t, stdout, "The figure is in a.svg.\nAll results are in a.json.\n")
	figure := read(t, "a.svg")
	for _, text := range []string{"Flatness of tiny on halves, trained with mSAM 4, rho 0.02", "Spectral density of the Hessian", "Loss on a plane, normalized by filter"} {
		assert.Contains(t, figure, text)
	}

	// The same again, from the JSON on stdout, on more workers, and quietly.
	code, stdout, stderr = steppe(t, "flatness", "runs/a", "--top", "3", "--json", "-", "--workers", "2", "--quiet")
	require.Zero(t, code, stderr)
	assert.Empty(t, stderr)
	again := numbersOf(t, stdout).Runs[0]
	assert.Equal(t, r.Spectrum, again.Spectrum)
	assert.Equal(t, r.Adaptive, again.Adaptive)
	assert.Nil(t, again.Plane)
	assert.Nil(t, again.Random)

	code, stdout, _ = steppe(t, "flatness", "runs/a", "--top", "1", "--quiet")
	require.Zero(t, code)
	assert.True(t, strings.HasPrefix(stdout, "runs/a "), stdout)
	assert.NotContains(t, stdout, "distance")
	assert.NotContains(t, stdout, "lambda_2")
}

// Of several runs there is a row each, in the order of the command line.
func TestFlatnessCompares(t *testing.T) {
	trainedRuns(t, map[string]string{"sgd": "--method sgd", "sam": "--method sam --rho 0.1", "msam": "--shards 8"})
	code, stdout, stderr := steppe(t, "flatness", "runs/sgd", "runs/sam", "runs/msam", "--samples", "30", "--weights", "last", "--plane", "--plot", "c.svg", "--json", "c.json")
	require.Zero(t, code, stderr)
	assert.Empty(t, stderr, "the samples are the same")
	assert.Contains(t, stdout, "tiny on halves: 30 of 58 training samples of 4x4x1\nweights of the last step\n")
	number := `[\d.e+-]+`
	assert.Regexp(t, `(?m)^runs/sgd +SGD +`+strings.Repeat(number+" +", 5)+number+` ±`+number+`$`, stdout)
	assert.Regexp(t, `(?m)^runs/sam +SAM +0\.1 +`+strings.Repeat(number+" +", 5)+number+` ±`+number+`\nruns/msam +mSAM 8 +0\.018`, stdout)
	assert.Regexp(t, `(?m)^runs/msam( +`+number+`){4}$`, stdout)
	for line := range strings.SplitSeq(stdout, "\n") {
		assert.LessOrEqual(t, len([]rune(line)), textWidth)
	}
	report := numbersOf(t, read(t, "c.json"))
	require.Len(t, report.Runs, 3)
	for i, name := range []string{"sgd", "sam", "msam"} {
		r := report.Runs[i]
		assert.Equal(t, []any{"runs/" + name, "last", name, 30, 58}, []any{r.Folder, r.Weights, r.Settings.Method, r.Samples, r.Of})
		assert.Equal(t, report.Runs[0].Sum, r.Sum)
		assert.Nil(t, r.Density)
	}
	assert.Empty(t, report.Notes)
	picture := read(t, "c.svg")
	for _, text := range []string{">Flatness of tiny on halves<", ">SGD<", ">SAM, rho 0.1<", ">mSAM 8, rho 0.018<", ">Sharpness, average<", "30 training samples; weights of the last step."} {
		assert.Contains(t, picture, text)
	}
}

// Runs of one method are told apart, and so are runs whose folders end alike.
func TestFlatnessNames(t *testing.T) {
	result := func(folder, method string) *runs.Flatness {
		r := &runs.Flatness{Folder: folder}
		r.Settings.Method, r.Settings.Shards, r.Settings.Rho = method, 8, 0.02
		return r
	}
	results := []*runs.Flatness{result("runs/1", "msam"), result("runs/msam", "msam")}
	names := runNames(results)
	assert.Equal(t, []string{"1", "msam"}, names)
	assert.Equal(t, "1: mSAM 8, rho 0.02", legendName(results[0], names[0]))
	assert.Equal(t, "mSAM 8, rho 0.02", legendName(results[1], names[1]))
	assert.Equal(t, []string{"a/x", "b/x"}, runNames([]*runs.Flatness{result("a/x", "sam"), result("b/x", "sam")}))
}

// A note says that runs were measured on different samples, and how they come to them.
func TestFlatnessOfDifferentSamples(t *testing.T) {
	trainedRuns(t, map[string]string{"a": "--method sgd", "b": "--method sgd --seed 2", "c": "--method sgd --model tiny-norm"})
	code, stdout, stderr := steppe(t, "flatness", "runs/a", "runs/b", "--json", "-", "--quiet")
	require.Zero(t, code)
	note := "runs/a and runs/b were measured on different samples (--seed 1 and 2): their numbers can't be compared strictly"
	assert.Equal(t, "steppe: "+note+"\n", stderr)
	assert.Equal(t, []string{note}, numbersOf(t, stdout).Notes)

	// Statistics of BatchNorms make a difference, and are named.
	of := func(mode string) (float64, string) {
		code, stdout, stderr := steppe(t, "flatness", "runs/c", "--mode", mode, "--json", "-")
		require.Zero(t, code, stderr)
		return numbersOf(t, stdout).Runs[0].Spectrum.Eigenvalues[0], stderr
	}
	running, header := of("running")
	assert.Contains(t, header, "weights of the best epoch, BatchNorms by their running statistics\n")
	batch, header := of("batch")
	assert.Contains(t, header, "weights of the best epoch, BatchNorms by the statistics of batches of 16\n")
	assert.NotEqual(t, running, batch)
}

// An interruption says what is known, and writes no file.
func TestFlatnessInterrupted(t *testing.T) {
	trainedRuns(t, map[string]string{"a": "--method sgd", "b": "--method sam"})
	number := `[\d.e+-]*\d`
	known := []string{ // one after the other
		`(?m)^runs/a +SGD( +` + number + `){2}( +-){4}$`, // the loss and the gradient
		`(?m)^runs/a +SGD( +` + number + `){5} +-$`,      // and eigenvalues
		`(?m)^runs/a +SGD( +` + number + `){6} ±` + number + `$`,
	}
	for steps := 5; len(known) > 0; steps += 15 {
		code, stdout, stderr := steppeIn(t, interruptedAfter(steps), "flatness", "runs/a", "runs/b", "--json", "a.json", "--plot", "a.png")
		require.Equal(t, 130, code, "measured to the end, after %d steps", steps)
		assert.Equal(t, "steppe: interrupted\n", stderr)
		assert.NotContains(t, stdout, "a.json")
		if regexp.MustCompile(known[0]).MatchString(stdout) {
			known = known[1:]
		}
	}
	assert.Equal(t, []string{"runs"}, names(t, "."))
}

func TestFlatnessErrors(t *testing.T) {
	trainedRuns(t, map[string]string{"a": "--method sgd", "b": "--method sgd"})
	require.NoError(t, os.Mkdir("empty", 0o755))
	config := filepath.Join("runs", "b", runs.ConfigFile)
	text := strings.Replace(read(t, config), `"settings": {`, `"settings": {"warp": 9,`, 1)
	require.NoError(t, os.WriteFile(config, []byte(text), 0o644))
	for _, test := range []struct{ line, want string }{
		{"", "steppe flatness: want the folder of a run, or several, as in `steppe flatness runs/first`"},
		{"none", "none isn't there, want the folder of a run (steppe train --out)"},
		{"empty", "empty is not the folder of a run: it has no config.json"},
		{"runs/a/best.safetensors", "runs/a/best.safetensors is a file, want the folder of a run"},
		{"runs/a runs/b", `runs/b/config.json: unknown field "warp": the run is of steppe `},
		{"runs/a runs/a/", "runs/a/ is given twice"},
		{"runs/a --samples 59", "runs/a: --samples 59 is more than the 58 training samples of halves (--valid 0.1 holds back 6)"},
		{"runs/a --samples 0", "--samples is 0, want at least 1"},
		{"runs/a --top 0", "--top is 0, want at least 1"},
		{"runs/a --top 9999", "--top is 9999, and the model of runs/a has 306 parameters"},
		{"runs/a --rho 0", "--rho is 0, want a positive number"},
		{"runs/a --rho nan", "--rho is NaN, want a positive number"},
		{"runs/a --rho 1e38", "--rho is 1e+38, want a positive number"},
		{"runs/a --weights first", `--weights is "first", want best or last`},
		{"runs/a --mode eval", `--mode is "eval", want running or batch`},
		{"runs/a --plane", "--plane without --plot or --json, which would show it"},
		{"runs/a --density --line", "--line without --plot or --json, which would show it"},
		{"runs/a --plot=", "--plot is empty, want a path"},
		{"runs/a --json=", "--json is empty, want a path, or - for stdout"},
		{"runs/a --plot a.gif", `"a.gif": the name must end in one of .png, .svg`},
		{"runs/a --json none/a.json", "none"},
		{"runs/a --workers 0", "--workers is 0, want at least 1"},
		{"runs/a --max-memory 1kB", "raise it, or take fewer --workers or --samples"},
		{"runs/a --seed -1", `invalid argument "-1" for "--seed" flag`},
	} {
		code, stdout, stderr := steppe(t, append([]string{"flatness"}, strings.Fields(test.line)...)...)
		assert.Equal(t, 1, code, test.line)
		assert.Empty(t, stdout, test.line)
		assert.True(t, strings.HasPrefix(stderr, "steppe: "), stderr)
		assert.Contains(t, stderr, test.want)
		assert.Equal(t, 1, strings.Count(stderr, "\n"), "one line: %s", stderr)
	}
	assert.Equal(t, []string{"empty", "runs"}, names(t, "."), "no file is left behind")
}

// Numbers have three digits, whatever their size.
func TestFigure(t *testing.T) {
	for want, x := range map[string]float64{
		"0": 0, "1.00": 1, "0.0123": 0.01234, "0.000123": 1.23e-4, "1.00e-07": 1e-7, "-3.21": -3.21, "1235": 1234.6, "1.23e+09": 1.23e9,
	} {
		assert.Equal(t, want, figure(x))
	}
}
