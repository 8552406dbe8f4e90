package main

import (
	"encoding/json"
	"fmt"
	"image/png"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/runs"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/checkpoint"
	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/net/zoo"
	"github.com/steppe-ml/steppe/sam/train"
)

// save writes a tiny model for samples of 8x8x1 with initial parameters, and meta.
func save(t *testing.T, meta checkpoint.Meta) (path string) {
	m, err := tiny.Compile(net.Shape{8, 8, 1}, 10)
	require.NoError(t, err)
	path = filepath.Join(t.TempDir(), "model.safetensors")
	require.NoError(t, checkpoint.Save(path, m, m.Init(1), meta))
	return path
}

// forDigits describes the model of save.
var forDigits = checkpoint.Meta{Model: "tiny", Input: net.Shape{8, 8, 1}, Classes: 10, Data: "digits"}

var testAccuracy = regexp.MustCompile(`Test accuracy [\d.]+% \(\d+ of \d+\)`)

// eval finds the accuracy that train has found, with and without --data.
func TestEval(t *testing.T) {
	path := filepath.Join(t.TempDir(), "digits.safetensors")
	code, trained, stderr := steppe(t, "train", "--model", "tiny", "--epochs", "1", "--save", path)
	require.Zero(t, code, stderr)
	for _, flags := range []string{"", "--data digits"} {
		code, stdout, stderr := steppe(t, append([]string{"eval", path}, strings.Fields(flags)...)...)
		require.Zero(t, code, stderr)
		assert.Empty(t, stderr)
		lines := strings.Split(stdout, "\n")
		assert.Equal(t, "tiny of "+path+", trained on digits", lines[0])
		assert.Equal(t, "359 test samples of digits, 8x8x1 in 10 classes", lines[1])
		assert.Regexp(t, ` on \d+ cores?$`, lines[2])
		assert.Empty(t, lines[3])
		assert.Equal(t, "class  samples  precision  recall", lines[4])
		assert.Regexp(t, `^9 +36 +\S+ +\d+\.\d\d%$`, lines[15])
		assert.Regexp(t, `^Test accuracy \d\d\.\d\d% \(\d+ of 359\), loss \d\.\d{4}, top-5 accuracy \d+\.\d\d%\.$`, lines[17])
		assert.Regexp(t, `^[\d.]+[kM]? samples/s, \d+\.\d{3} seconds\.$`, lines[18])
		assert.Equal(t, testAccuracy.FindString(trained), testAccuracy.FindString(stdout))
	}
}

// correct returns how many samples of a set a model with initial parameters classifies correctly.
func correct(t *testing.T, m *net.Model, set *dataset.Set) int {
	accuracy := &train.Accuracy{}
	_, err := train.Evaluate(m, m.Init(1), set, accuracy)
	require.NoError(t, err)
	return accuracy.Correct
}

// eval standardizes the test samples by the mean and deviation in the file.
func TestEvalStandardizes(t *testing.T) {
	set, test, err := dataset.Digits()
	require.NoError(t, err)
	moments, err := set.MeanStd()
	require.NoError(t, err)
	meta := forDigits
	meta.Standardize = moments.String()
	code, stdout, stderr := steppe(t, "eval", save(t, meta))
	require.Zero(t, code, stderr)
	assert.Contains(t, stdout, "in 10 classes, standardized\n")

	standard, err := test.Standardize(moments)
	require.NoError(t, err)
	m, err := tiny.Compile(test.Shape, test.Classes)
	require.NoError(t, err)
	want := correct(t, m, standard)
	assert.Contains(t, stdout, fmt.Sprintf("(%d of 359)", want))
	require.NotEqual(t, correct(t, m, test), want, "otherwise the test could not fail")
}

func TestEvalErrors(t *testing.T) {
	with := func(change func(*checkpoint.Meta)) string {
		meta := forDigits
		change(&meta)
		return save(t, meta)
	}
	digits := save(t, forDigits)
	for _, test := range []struct{ load, data, want string }{
		{filepath.Join(t.TempDir(), "none"), "", "checkpoint: "},
		{t.TempDir(), "", "is not the folder of a run: it has neither best.safetensors nor last.safetensors"},
		{"eval_test.go", "", "checkpoint: eval_test.go: not a safetensors file"},
		{save(t, checkpoint.Meta{}), "digits", `doesn't name its model, want metadata "model", "input" and "classes" as steppe train writes them`},
		{with(func(m *checkpoint.Meta) { m.Model = "frob" }), "", `unknown model "frob", want one of mlp, `},
		{with(func(m *checkpoint.Meta) { m.Input = net.Shape{4, 4, 1} }), "", "1.Dense.weight is [64 16], want [16 16]"},
		{with(func(m *checkpoint.Meta) { m.Model = "mlp" }), "", `tensors missing: "5.Dense.weight", "5.Dense.bias"`},
		{with(func(m *checkpoint.Meta) { m.Classes = 1 }), "", "outputs for 1 class, want at least 2"},
		{digits, "frob", `"frob" is neither a known data set nor a folder`},
		{with(func(m *checkpoint.Meta) { m.Data = "frob" }), "", `the data that the model was trained on can't be opened, --data names others: dataset: "frob" is neither`},
		{digits, "synthetic:8x8", " takes samples of 8x8x1 in 10 classes, but synthetic:8x8 has 8x8 in 10 classes"},
		{digits, halves(t, false), " takes samples of 8x8x1 in 10 classes, but halves has 4x4x1 in 2 classes"},
		{with(func(m *checkpoint.Meta) { m.Standardize = "frob" }), "", `: metadata "standardize": dataset: expected mean and deviation such as `},
		{with(func(m *checkpoint.Meta) { m.Standardize = "mean 1,2 deviation 1,2" }), "", "dataset: digits/test has 1 channels, but mean and deviation are given for 2"},
	} {
		code, stdout, stderr := steppe(t, "eval", test.load, "--data", test.data)
		assert.Equal(t, 1, code)
		assert.Empty(t, stdout)
		assert.True(t, strings.HasPrefix(stderr, "steppe: "), stderr)
		assert.Contains(t, stderr, test.want)
		assert.Equal(t, 1, strings.Count(stderr, "\n"), "one line: %s", stderr)
	}
}

func TestEvalInterrupted(t *testing.T) {
	code, stdout, stderr := steppeIn(t, interruptedAfter(0), "eval", save(t, forDigits))
	assert.Equal(t, 130, code)
	assert.Equal(t, "steppe: interrupted\n", stderr)
	assert.NotContains(t, stdout, "Test accuracy")
}

// eval loads every model of the zoo.
func TestEvalZoo(t *testing.T) {
	if testing.Short() {
		t.Skip("takes long")
	}
	for _, row := range zoo.Models {
		if row.Text != nil {
			continue
		}
		m, err := row.Compile(net.Shape{8, 8, 1}, 10)
		require.NoError(t, err)
		path := filepath.Join(t.TempDir(), "model.safetensors")
		meta := forDigits
		meta.Model = row.Name
		require.NoError(t, checkpoint.Save(path, m, m.Init(1), meta))
		trained, err := runs.Open(path, false)
		require.NoError(t, err, row.Name)
		assert.True(t, reflect.DeepEqual(m.Init(1), trained.Params), row.Name)
	}
}

// The confusion matrix is drawn, and JSON has the same numbers.
func TestEvalOutputs(t *testing.T) {
	t.Chdir(t.TempDir())
	path := save(t, forDigits)
	code, stdout, stderr := steppe(t, "eval", path, "--confusion", "c.png", "--json")
	require.Zero(t, code, stderr)
	var got struct {
		Samples   int
		Scores    map[string]float64
		Confusion [][]int
	}
	require.NoError(t, json.Unmarshal([]byte(stdout), &got))
	assert.Equal(t, 359, got.Samples)
	assert.InDelta(t, got.Scores["accuracy"], float64(trace(got.Confusion))/359, 1e-12)
	file, err := os.Open("c.png")
	require.NoError(t, err)
	defer file.Close()
	_, err = png.DecodeConfig(file)
	assert.NoError(t, err)

	code, _, stderr = steppe(t, "eval", path, "--confusion", "c.gif")
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, `"c.gif": the name must end in one of .png, .svg`)
}

// A confusion of numbers is refused before the model is tested on the data.
func TestEvalConfusionOfNumbers(t *testing.T) {
	t.Chdir(t.TempDir())
	rows := "x,y\n"
	for i := range 40 {
		rows += fmt.Sprintf("%d,%d.5\n", i, 3*i)
	}
	require.NoError(t, os.WriteFile("line.csv", []byte(rows), 0o644))
	code, _, stderr := steppe(t, "train", "--data", "line.csv", "--label", "y", "--epochs", "1", "--save", "line.safetensors")
	require.Zero(t, code, stderr)
	code, stdout, stderr := steppe(t, "eval", "line.safetensors", "--confusion", "c.png")
	assert.Equal(t, 1, code)
	assert.Empty(t, stdout)
	assert.Equal(t, "steppe: --confusion c.png: the model predicts numbers, not classes\n", stderr)
	assert.NoFileExists(t, "c.png")
}
