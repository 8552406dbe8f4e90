package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/checkpoint"
	"github.com/steppe-ml/steppe/net/pytorch"
)

// A model that is exported and imported again is the same file, bit for bit. The program that comes
// with it is Python.
func TestExportImport(t *testing.T) {
	meta := forDigits
	meta.Standardize = "mean 0.5 deviation 2"
	meta.ClassNames = strings.Split("abcdefghij", "")
	model := save(t, meta)
	t.Chdir(t.TempDir())
	code, stdout, stderr := steppe(t, "export", model, "--format", "pytorch", "torch.safetensors", "--script", "tiny.py")
	require.Zero(t, code, stderr)
	assert.Equal(t, "torch.safetensors has tiny of "+model+" as PyTorch has it, 1,210 parameters.\nTo run it: python3 tiny.py PICTURE...\n", stdout)
	program := string(read(t, "tiny.py"))
	assert.Contains(t, program, "nn.Linear(64, 16),\n            nn.ReLU(),\n            nn.Linear(16, 10),\n")
	assert.Contains(t, program, `CLASSES = ["a", "b", `)
	assert.Contains(t, program, "MEAN = torch.tensor([0.5])")
	if python, err := exec.LookPath("python3"); err == nil {
		out, err := exec.Command(python, "-c", "import ast, sys; ast.parse(open(sys.argv[1]).read())", "tiny.py").CombinedOutput()
		assert.NoError(t, err, string(out))
	}

	code, stdout, stderr = steppe(t, "import", "torch.safetensors", "--out", "again.safetensors")
	require.Zero(t, code, stderr)
	assert.Equal(t, "again.safetensors has tiny of torch.safetensors: 8x8x1 in 10 classes, 1,210 parameters.\n"+
		"Samples are standardized, by mean 0.5 deviation 2.\nTo test it: steppe eval again.safetensors\n", stdout)
	assert.Equal(t, read(t, model), read(t, "again.safetensors"))
	assert.ElementsMatch(t, []string{"torch.safetensors", "tiny.py", "again.safetensors"}, names(t, "."))

	_, _, stderr = steppe(t, "eval", "torch.safetensors")
	assert.Equal(t, "steppe: torch.safetensors has a model as PyTorch has it, want one of Steppe's: steppe import torch.safetensors --out FILE makes it\n", stderr)

	// Without --script, stdout is the program.
	code, stdout, stderr = steppe(t, "export", model, "--format", "pytorch", "other.safetensors")
	require.Zero(t, code, stderr)
	comments, program2, found := strings.Cut(stdout, `"""`)
	require.True(t, found)
	assert.Equal(t, "# other.safetensors has tiny of "+model+" as PyTorch has it, 1,210 parameters.\n"+
		"# Save this program as other_model.py beside it.\n", comments)
	assert.Equal(t, strings.NewReplacer("torch.safetensors", "other.safetensors", "tiny.py", "other_model.py").Replace(program), `"""`+program2)
	_, stdout, _ = steppe(t, "export", "--quiet", "--force", model, "--format", "pytorch", "other.safetensors")
	assert.Equal(t, `"""`+program2, stdout)
}

func TestExportONNX(t *testing.T) {
	model := save(t, forDigits)
	t.Chdir(t.TempDir())
	code, stdout, stderr := steppe(t, "export", model, "--format", "onnx", "tiny.onnx")
	require.Zero(t, code, stderr)
	assert.Equal(t, "tiny.onnx has tiny of "+model+` as ONNX, 1,210 parameters.

input          float [N, 1, 8, 8], pixels from 0 to 1
logits         float [N, 10]
probabilities  float [N, 10]

To run it in Python:

    session = onnxruntime.InferenceSession("tiny.onnx")
    probabilities, = session.run(["probabilities"], {"input": x})
`, stdout)
	assert.Greater(t, len(read(t, "tiny.onnx")), 4*1210)
	_, stdout, stderr = steppe(t, "export", "-q", "--force", model, "--format", "onnx", "tiny.onnx")
	assert.Empty(t, stdout+stderr)
}

// A run's folder gives the best epoch's model, or with --last that of the last step.
func TestExportFolder(t *testing.T) {
	t.Chdir(t.TempDir())
	code, _, stderr := steppe(t, "train", "--model", "tiny", "--epochs", "1", "--out", "run")
	require.Zero(t, code, stderr)
	for file, flags := range map[string][]string{"best": nil, "last": {"--last"}} {
		code, stdout, stderr := steppe(t, append([]string{"export", "run", "--format", "onnx", file + ".onnx"}, flags...)...)
		require.Zero(t, code, stderr)
		assert.Contains(t, stdout, " has tiny of "+filepath.Join("run", file+".safetensors")+" as ONNX")
	}
}

func TestExportErrors(t *testing.T) {
	model := save(t, forDigits)
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(model, link))
	unnamed := save(t, checkpoint.Meta{})
	t.Chdir(t.TempDir())
	require.NoError(t, os.WriteFile("there", []byte("precious"), 0o644))
	for _, c := range []struct{ line, want string }{
		{"export", "steppe export: want a run's folder or a model file, and a file to write, got 0 arguments"},
		{"export " + model + " --format onnx", "got 1 argument"},
		{"export " + model + " new", "--format is missing, want pytorch or onnx"},
		{"export " + model + " new --format frob", `--format is "frob", want pytorch or onnx`},
		{"export " + model + " new --format onnx --script s.py", "--script goes with --format pytorch, not onnx"},
		{"export " + model + " new --format pytorch --script torch.py", "--script is torch.py: a program of that name would hide the package that it imports"},
		{"export " + model + " new --format pytorch --script ./new", "--script is ./new, which gets the model: want another file"},
		{"export " + model + " there --format onnx", "there exists; --force replaces it"},
		{"export " + model + " new --format pytorch --script there", "there exists; --force replaces it"},
		{"export " + model + " " + link + " --format onnx --force", link + " is the model itself, want another file to write"},
		{"export " + model + " none/new --format onnx", "none/new: no such file or directory"},
		{"export none new --format onnx", "none: no such file or directory"},
		{"export " + unnamed + " new --format onnx", "doesn't name its model"},
		{"export . new --format onnx", ". is not the folder of a run"},
	} {
		code, stdout, stderr := steppe(t, strings.Fields(c.line)...)
		assert.Equal(t, 1, code, c.line)
		assert.Empty(t, stdout, c.line)
		assert.Contains(t, stderr, c.want, c.line)
		assert.Equal(t, []string{"there"}, names(t, "."), c.line)
	}
	assert.Equal(t, "precious", string(read(t, "there")))
}

// torch writes a file as PyTorch's users do, without Steppe's metadata.
func torch(t *testing.T, tensors map[string]net.Shape) (path string) {
	all := map[string]checkpoint.Tensor{}
	for name, shape := range tensors {
		all[name] = checkpoint.Tensor{Shape: shape, Floats: func() []float32 { return make([]float32, shape.Size()) }}
	}
	path = filepath.Join(t.TempDir(), "torch.safetensors")
	require.NoError(t, writeTensors(path, all))
	return path
}

func writeTensors(path string, tensors map[string]checkpoint.Tensor) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	return checkpoint.WriteTensors(file, tensors, nil)
}

var tinyTensors = map[string]net.Shape{"1.weight": {16, 64}, "1.bias": {16}, "3.weight": {10, 16}, "3.bias": {10}}

// A file of PyTorch's says little; flags and the data say the rest.
func TestImportForeign(t *testing.T) {
	path := torch(t, tinyTensors)
	t.Chdir(t.TempDir())
	for _, c := range []struct {
		flags string
		want  checkpoint.Meta
		notes string
	}{
		{"--input 8x8x1", checkpoint.Meta{Model: "tiny", Input: net.Shape{8, 8, 1}, Classes: 10},
			"Samples go in as they are. --mean and --std say how they were normalized in PyTorch.\nTo test it: steppe eval out --data NAME\n"},
		{"--input 4x4x4 --classes 10 --mean 1,2,3,4 --std .5,1,1,1", checkpoint.Meta{Model: "tiny", Input: net.Shape{4, 4, 4}, Classes: 10, Standardize: "mean 1,2,3,4 deviation 0.5,1,1,1"},
			"Samples are standardized, by mean 1,2,3,4 deviation 0.5,1,1,1.\n"},
		{"--data digits", checkpoint.Meta{Model: "tiny", Input: net.Shape{8, 8, 1}, Classes: 10, Data: "digits"},
			"To test it: steppe eval out\n"},
	} {
		code, stdout, stderr := steppe(t, append([]string{"import", path, "--model", "tiny", "--out", "out", "--force"}, strings.Fields(c.flags)...)...)
		require.Zero(t, code, stderr)
		assert.Contains(t, stdout, c.notes)
		meta, err := checkpoint.ReadMeta("out")
		require.NoError(t, err)
		meta.More, meta.ClassNames, meta.Preprocess = nil, nil, nil
		assert.Equal(t, c.want, meta)
	}
	code, _, stderr := steppe(t, "eval", "out")
	assert.Zero(t, code, stderr)

	path = torch(t, map[string]net.Shape{"module.1.weight": {16, 16}, "module.1.bias": {16}, "module.3.weight": {7, 16}, "module.3.bias": {7}})
	code, stdout, stderr := steppe(t, "import", path, "--model", "tiny", "--out", "guessed")
	require.Zero(t, code, stderr)
	assert.Contains(t, stdout, ": 4x4x1 in 7 classes, 391 parameters.\nSamples of 4x4x1 fit the tensors; others may, too. --input and --data say which they are.\n")
}

// A model that predicts numbers has no classes.
func TestImportRegressor(t *testing.T) {
	m, err := tiny.Regressor(net.Shape{5}, 2)
	require.NoError(t, err)
	meta := checkpoint.Meta{Model: "tiny", Input: net.Shape{5}}
	t.Chdir(t.TempDir())
	require.NoError(t, checkpoint.Save("model", m, m.Init(1), meta))
	file, err := os.Create("torch")
	require.NoError(t, err)
	require.NoError(t, pytorch.Write(file, m, m.Init(1), meta))
	require.NoError(t, file.Close())
	code, stdout, stderr := steppe(t, "import", "torch", "--out", "again")
	require.Zero(t, code, stderr)
	assert.Equal(t, "again has tiny of torch: 5 to 2 numbers, 130 parameters.\nTo test it: steppe eval again --data NAME\n", stdout)
	assert.Equal(t, read(t, "model"), read(t, "again"))
	_, _, stderr = steppe(t, "import", "torch", "--out", "third", "--classes", "2")
	assert.Contains(t, stderr, "--classes is 2, but the model predicts numbers")
}

func TestImportErrors(t *testing.T) {
	path := torch(t, tinyTensors)
	t.Chdir(t.TempDir())
	require.NoError(t, os.WriteFile("there", []byte("precious"), 0o644))
	require.NoError(t, os.WriteFile("pickle.pt", []byte("PK\x03\x04 and so on"), 0o644))
	const some = " --model tiny --input 8x8x1 --out new"
	for _, c := range []struct{ line, want string }{
		{"import", "steppe import: want one file, got 0 arguments"},
		{"import " + path, "--out is missing, want a file to write"},
		{"import " + path + " --out new", "--model is missing, and " + path + " doesn't say what model it is"},
		{"import " + path + " --out new --model frob", `unknown model "frob", want one of mlp, `},
		{"import " + path + " --format onnx" + some, `--format is "onnx", want pytorch`},
		{"import " + path + " --out new --model tiny", "the model reads 64 values a sample, and their shape is not in the file; --input says the shape of a sample"},
		{"import " + path + some + " --input 9x9x1", "1.weight is [16 64], want [16 81]"},
		{"import " + path + some + " --input frob", `--input is "frob", want positive dimensions such as 28x28x1`},
		{"import " + path + some + " --classes 9", "3.weight is [10 16], want [9 16], 3.bias is [10], want [9]"},
		{"import " + path + some + " --classes -1", "--classes is -1, want at least 2"},
		{"import " + path + some + " --model lenet --input 28x28x1", `tensors missing: "0.weight" [32 1 3 3], "0.bias" [32], "7.weight" [128 3136], "7.bias" [128] and 2 more; tensors that the model hasn't: "1.bias" [16], `},
		{"import " + path + some + " --mean 1", "--mean and --std go together, want both or none"},
		{"import " + path + some + " --mean 1,2 --std 1,2", "--mean has 2 numbers and --std 2, want one for each of 1 channel"},
		{"import " + path + some + " --mean 1 --std 0", "--std has 0, want positive numbers"},
		{"import " + path + some + " --mean NaN --std 1", `--mean has "NaN", want numbers such as 0.49,0.48,0.45`},
		{"import " + path + some + " --data frob", `"frob" is neither`},
		{"import " + path + " --model tiny --input 8x8x1 --out there", "--out there: the file exists; --force replaces it"},
		{"import " + path + " --model tiny --input 8x8x1 --force --out " + path, "the file to read: want another"},
		{"import none" + some, "none: no such file or directory"},
		{"import there" + some, "there: not a safetensors file: it has 8 bytes"},
		{"import pickle.pt" + some, "pickle.pt is a file of torch.save, which only Python can read: convert it there with "},
	} {
		code, stdout, stderr := steppe(t, strings.Fields(c.line)...)
		assert.Equal(t, 1, code, c.line)
		assert.Empty(t, stdout, c.line)
		assert.Contains(t, stderr, c.want, c.line)
		assert.ElementsMatch(t, []string{"there", "pickle.pt"}, names(t, "."), c.line)
	}
	assert.Equal(t, "precious", string(read(t, "there")))
}

// The graph of a table's model says how a row becomes its input: the scaling isn't part of it.
func TestExportTableONNX(t *testing.T) {
	t.Chdir(t.TempDir())
	var rows strings.Builder
	for i := range 60 {
		fmt.Fprintf(&rows, "%d,%s,%v\n", i%7, []string{"red", "white"}[i%2], float64(i)/7)
	}
	require.NoError(t, os.WriteFile("wine.csv", []byte("acid,color,price\n"+rows.String()), 0o644))
	code, _, stderr := steppe(t, "train", "--data", "wine.csv", "--label", "price", "--model", "mlp", "--epochs", "1", "--out", "run")
	require.Zero(t, code, stderr)
	code, stdout, stderr := steppe(t, "export", "run", "--format", "onnx", "wine.onnx")
	require.Zero(t, code, stderr)
	notes := stdout + stderr
	assert.Regexp(t, `\n    acid: \(x - \d\.\d+\) / \d\.\d+\n    color: a value for each of \["red" "white"\], 1 for the word`, notes)
	assert.Regexp(t, `\nThe output times \d\.\d+, plus \d\.\d+, is price\.\n`, notes)
}
