package onnx

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/checkpoint"
	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/net/zoo"
)

// onnxCase is a model that goes to a runtime.
type onnxCase struct {
	Name    string   `json:"name"`
	Shape   []int    `json:"shape"` // of a sample there
	Outputs []string `json:"outputs"`

	model  *net.Model
	params *net.Params
	meta   checkpoint.Meta
	x      []float32 // 4 samples, in our order
}

// cases returns every model of the zoo, and models of all layers.
func cases(t *testing.T) (list []*onnxCase) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, row := range zoo.Models {
		if row.Text != nil || row.Name == "vit-tiny" {
			continue // transformers can't be exported
		}
		list = append(list, newCase(t, r, row.Name, row.Input, row.Compile))
	}
	resnet, err := zoo.Lookup("resnet18")
	require.NoError(t, err)
	list = append(list,
		newCase(t, r, "large", net.Shape{65, 70, 3}, resnet.Compile),
		newCase(t, r, "lenet-odd", net.Shape{13, 9, 3}, zoo.LeNet),
		newCase(t, r, "every", net.Shape{9, 11, 2}, layers(
			net.Conv2D{Out: 4, Kernel: 4, Stride: 3, Padding: net.Same}, net.BatchNorm{Epsilon: 1e-3}, net.GELU{},
			net.Residual{Body: []net.Layer{net.Conv2D{Out: 6, Kernel: 3, Padding: 2, Dilation: 2}, net.LayerNorm{}}, Shortcut: []net.Layer{net.Subsample{Stride: 1, Out: 6}}},
			net.Sequential{net.Tanh{}, net.MaxPool{Size: 2, Stride: 1, Padding: net.Same}, net.AvgPool{Size: 2, Stride: 2, Padding: 1}},
			net.Residual{Body: []net.Layer{net.Conv2D{Out: 6, Kernel: 1, NoBias: true}, net.Sigmoid{}}},
			net.Residual{Body: []net.Layer{net.Conv2D{Out: 6, Kernel: 1, Stride: 2}}, Shortcut: []net.Layer{net.Subsample{Stride: 2}}},
			net.Dropout{Rate: 0.5}, net.Flatten{}, net.Dropout{Rate: 0.5}, net.BatchNorm{},
			net.Residual{Body: []net.Layer{net.Dense{Out: 11}, net.ReLU{}, net.Dense{Out: 12}}},
			net.LayerNorm{Epsilon: 1e-4}, net.Dense{Out: 3})),
		newCase(t, r, "regression", net.Shape{5}, layers(net.Dense{Out: 8}, net.BatchNorm{}, net.Tanh{}, net.Dense{Out: 1}, net.MSE{})),
		newCase(t, r, "images", net.Shape{5, 4, 3}, layers(net.Conv2D{Out: 2, Kernel: 3}, net.MSE{})),
		newCase(t, r, "series", net.Shape{5, 4}, layers(net.BatchNorm{}, net.LayerNorm{}, net.ReLU{}, net.Flatten{}, net.Dense{Out: 2})),
		newCase(t, r, "nothing", net.Shape{4}, layers(net.MSE{})),
	)
	for _, c := range list[1:] {
		if c.Name != "resnet20" && c.Name != "nothing" {
			by := dataset.MeanStd{}
			for range c.x[:c.model.InputShape()[len(c.model.InputShape())-1]] {
				by.Mean, by.Std = append(by.Mean, r.Float64()), append(by.Std, 0.1+r.Float64())
			}
			by.Std[0] = 0 // which doesn't divide
			c.meta.Standardize = by.String()
		}
	}
	return list
}

func layers(list ...net.Layer) func(net.Shape, int) (*net.Model, error) {
	return func(input net.Shape, _ int) (*net.Model, error) { return net.Compile(input, list...) }
}

func newCase(t *testing.T, r *rand.Rand, name string, input net.Shape, compile func(net.Shape, int) (*net.Model, error)) *onnxCase {
	m, err := compile(input, 7)
	require.NoError(t, err)
	c := &onnxCase{
		Name: name, Shape: inGraph(input), Outputs: []string{"logits", "probabilities"}, model: m, params: m.Init(1),
		meta: checkpoint.Meta{Model: name, Input: input, Classes: 7, ClassNames: []string{"a", "b", "c", "d", "e", "f", "g"}},
		x:    make([]float32, 4*input.Size()),
	}
	if _, ok := m.Loss().(net.MSE); ok {
		c.Outputs = []string{"output"}
	}
	for _, v := range m.Params() {
		if v.Role != net.Weight {
			for i := range v.Of(c.params.Values) {
				v.Of(c.params.Values)[i] += r.Float32() - 0.5
			}
		}
	}
	for i := range c.params.State {
		c.params.State[i] += r.Float32() - 0.5 // means are 0 in the beginning, variances 1
	}
	for i := range c.x {
		c.x[i] = r.Float32()
	}
	return c
}

// save writes a case's model to a folder.
func (c *onnxCase) save(t *testing.T, folder string) (path string) {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, Write(&b, c.model, c.params, c.meta))
	path = filepath.Join(folder, c.Name+".onnx")
	require.NoError(t, os.WriteFile(path, b.Bytes(), 0o644))
	return path
}

// The format's own checker finds nothing wrong, and infers the shapes that the file says.
func TestChecker(t *testing.T) {
	python := pythonWithONNX(t)
	folder := t.TempDir()
	args := []string{"-B", "testdata/check.py"}
	for _, c := range cases(t) {
		args = append(args, c.save(t, folder))
	}
	out, err := exec.Command(python, args...).CombinedOutput()
	require.NoError(t, err, string(out))
	assert.Contains(t, string(out), `lenet.onnx ['N', 7, 'N', 7] {'class_names': '["a","b","c","d","e","f","g"]', 'classes': '7', 'input': '28x28x1', 'model': 'lenet', 'standardize': 'mean `)
	assert.Contains(t, string(out), "images.onnx ['N', 2, 3, 2] ")
}

// A runtime computes the same outputs.
func TestRuntime(t *testing.T) {
	if testing.Short() {
		t.Skip("takes long")
	}
	runtime := onnxRuntime(t)
	folder := t.TempDir()
	list := cases(t)
	for _, c := range list {
		c.save(t, folder)
		data, err := binary.Append(nil, binary.LittleEndian, toCHW(c.x, c.model.InputShape()))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(folder, c.Name+".x"), data, 0o644))
	}
	text, err := json.Marshal(list)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "cases.json"), text, 0o644))
	out, err := exec.Command("node", "testdata/run.js", runtime, folder).CombinedOutput()
	require.NoError(t, err, string(out))
	for _, c := range list {
		x := standardized(t, c)
		outputs, err := c.model.Outputs(c.params, x)
		require.NoError(t, err)
		outputs = toCHW(outputs, c.model.OutputShape())
		assertClose(t, outputs, filepath.Join(folder, c.Name+"."+c.Outputs[0]+".y"))
		if len(c.Outputs) > 1 {
			probabilities, err := c.model.Predict(c.params, x)
			require.NoError(t, err)
			// A probability is as exact as the difference of logits of that size allows.
			assertWithin(t, probabilities, filepath.Join(folder, c.Name+"."+c.Outputs[1]+".y"), 1e-5*float64(max(1, largest(outputs))))
		}
	}
}

// standardized returns the samples as the model takes them.
func standardized(t *testing.T, c *onnxCase) []float32 {
	if c.meta.Standardize == "" {
		return c.x
	}
	by, err := dataset.ParseMeanStd(c.meta.Standardize)
	require.NoError(t, err)
	set := &dataset.Set{Name: "x", X: c.x, Labels: make([]int32, 4), Shape: c.model.InputShape(), Classes: 1}
	set, err = set.Standardize(by)
	require.NoError(t, err)
	return set.X
}

// toCHW returns images [N, H, W, C] as [N, C, H, W].
func toCHW(x []float32, shape net.Shape) []float32 {
	if len(shape) != 3 {
		return x
	}
	y := make([]float32, 0, len(x))
	for i := 0; i < len(x); i += shape.Size() {
		for c := range shape[2] {
			for pixel := range shape[0] * shape[1] {
				y = append(y, x[i+pixel*shape[2]+c])
			}
		}
	}
	return y
}

func largest(x []float32) (most float32) {
	for _, v := range x {
		most = max(most, float32(math.Abs(float64(v))))
	}
	return most
}

// assertClose compares outputs with those in a file, to 1e-5 of the largest.
func assertClose(t *testing.T, want []float32, path string) {
	t.Helper()
	assert.Greater(t, largest(want), float32(1e-3))
	assertWithin(t, want, path, 1e-5*float64(largest(want)))
}

func assertWithin(t *testing.T, want []float32, path string, limit float64) {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Len(t, content, 4*len(want))
	distance := 0.0
	for i, w := range want {
		got := math.Float32frombits(binary.LittleEndian.Uint32(content[4*i:]))
		distance = max(distance, math.Abs(float64(w)-float64(got)))
	}
	t.Logf("%s: %.2g of the limit", filepath.Base(path), distance/limit)
	assert.Less(t, distance, limit, filepath.Base(path))
}

// onnxRuntime returns the path of npm's package onnxruntime-web or onnxruntime-node, which
// STEPPE_ONNXRUNTIME names or Node finds, and skips the test where there is none.
func onnxRuntime(t *testing.T) string {
	for _, name := range []string{os.Getenv("STEPPE_ONNXRUNTIME"), "onnxruntime-node", "onnxruntime-web"} {
		if name != "" && exec.Command("node", "-e", "require(process.argv[1])", name).Run() == nil {
			return name
		}
	}
	t.Skip("no ONNX Runtime: npm install onnxruntime-web somewhere, and set STEPPE_ONNXRUNTIME to its node_modules/onnxruntime-web")
	return ""
}

// pythonWithONNX returns a Python that has the package onnx, and skips the test where there is
// none.
func pythonWithONNX(t *testing.T) string {
	if testing.Short() {
		t.Skip("takes long")
	}
	for _, python := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(python, "-c", "import onnx").Run() == nil {
			return python
		}
	}
	t.Skip("no python3 with the package onnx is on this machine")
	return ""
}
