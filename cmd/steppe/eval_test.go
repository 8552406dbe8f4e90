package main

import (
	"fmt"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/checkpoint"
	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/net/op"
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
		code, stdout, stderr := steppe(t, append([]string{"eval", "--load", path}, strings.Fields(flags)...)...)
		require.Zero(t, code, stderr)
		assert.Empty(t, stderr)
		lines := strings.Split(stdout, "\n")
		assert.Equal(t, "tiny of "+path+", trained on digits", lines[0])
		assert.Equal(t, "359 test samples of digits, 8x8x1 in 10 classes", lines[1])
		assert.Regexp(t, ` on \d+ cores?$`, lines[2])
		assert.Empty(t, lines[3])
		assert.Regexp(t, `^Test accuracy \d\d\.\d\d% \(\d+ of 359\), loss \d\.\d{4}\.$`, lines[4])
		assert.Regexp(t, `^[\d.]+[kM]? samples/s, \d+\.\d{3} seconds\.$`, lines[5])
		assert.Equal(t, testAccuracy.FindString(trained), testAccuracy.FindString(stdout))
	}
}

// The loss and the accuracy are those of the whole test set, although it is predicted in several
// parts.
func TestEvalParts(t *testing.T) {
	m, err := tiny.Compile(net.Shape{4}, 3)
	require.NoError(t, err)
	set := dataset.Synthetic(net.Shape{4}, 3, 2055, 1)
	e := &eval{model: m, params: m.Init(1), test: set}
	correct, loss, err := e.evaluate(t.Context(), newProgress(nil, 1))
	require.NoError(t, err)

	outputs, err := m.Outputs(e.params, set.X)
	require.NoError(t, err)
	whole := set.Range(0, set.Len())
	sum := m.Loss().Apply(op.Tensor{N: whole.N, Shape: net.Shape{3}, Data: outputs}, whole, 1, op.Tensor{})
	assert.InEpsilon(t, sum/float64(set.Len()), loss, 1e-12)
	want := 0
	for i, label := range set.Labels {
		if scores := outputs[3*i:][:3]; slices.Index(scores, slices.Max(scores)) == int(label) {
			want++
		}
	}
	assert.Equal(t, want, correct)
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
	code, stdout, stderr := steppe(t, "eval", "--load", save(t, meta))
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
		{"", "digits", "--load is missing, want a file that steppe train --save has written"},
		{filepath.Join(t.TempDir(), "none"), "", "checkpoint: "},
		{"eval_test.go", "", "checkpoint: eval_test.go: not a safetensors file"},
		{save(t, checkpoint.Meta{}), "digits", `doesn't name its model, want metadata "model", "input" and "classes"`},
		{with(func(m *checkpoint.Meta) { m.Model = "frob" }), "", `unknown model "frob", want one of mlp, `},
		{with(func(m *checkpoint.Meta) { m.Input = net.Shape{4, 4, 1} }), "", "1.Dense.weight is [64 16], want [16 16]"},
		{with(func(m *checkpoint.Meta) { m.Model = "mlp" }), "", `tensors missing: "5.Dense.weight", "5.Dense.bias"`},
		{with(func(m *checkpoint.Meta) { m.Classes = 1 }), "", "outputs for 1 class, want at least 2"},
		{digits, "frob", `"frob" is neither a known data set nor a folder`},
		{with(func(m *checkpoint.Meta) { m.Data = "frob" }), "", `was trained on can't be opened: dataset: "frob" is neither`},
		{digits, "synthetic:8x8", " takes samples of 8x8x1 in 10 classes, but synthetic:8x8 has 8x8 in 10 classes"},
		{digits, halves(t, false), " takes samples of 8x8x1 in 10 classes, but halves has 4x4x1 in 2 classes"},
		{with(func(m *checkpoint.Meta) { m.Standardize = "frob" }), "", `: metadata "standardize": dataset: expected mean and deviation such as `},
		{with(func(m *checkpoint.Meta) { m.Standardize = "mean 1,2 deviation 1,2" }), "", `: metadata "standardize": dataset: digits/test has 1 channels, but mean and deviation are given for 2`},
	} {
		code, stdout, stderr := steppe(t, "eval", "--load", test.load, "--data", test.data)
		assert.Equal(t, 1, code)
		assert.Empty(t, stdout)
		assert.True(t, strings.HasPrefix(stderr, "steppe: "), stderr)
		assert.Contains(t, stderr, test.want)
		assert.Equal(t, 1, strings.Count(stderr, "\n"), "one line: %s", stderr)
	}
}

func TestEvalInterrupted(t *testing.T) {
	code, stdout, stderr := steppeIn(t, interruptedAfter(0), "eval", "--load", save(t, forDigits))
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
		m, err := row.Compile(net.Shape{8, 8, 1}, 10)
		require.NoError(t, err)
		path := filepath.Join(t.TempDir(), "model.safetensors")
		meta := forDigits
		meta.Model = row.Name
		require.NoError(t, checkpoint.Save(path, m, m.Init(1), meta))
		e := &eval{load: path}
		require.NoError(t, e.openModel(), row.Name)
		assert.True(t, reflect.DeepEqual(m.Init(1), e.params), row.Name)
	}
}
