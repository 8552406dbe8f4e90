package pytorch

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

// torchCase is a model that goes to PyTorch and comes back.
type torchCase struct {
	Name     string `json:"name"`
	Source   string `json:"source"` // in testdata/models.py, "" for none
	Strict   bool   `json:"strict"` // the source's code takes the exported tensors as they are
	Channels int    `json:"channels"`
	Size     int    `json:"size"`
	Classes  int    `json:"classes"`
	Shape    []int  `json:"shape"` // of the samples there

	standardize bool
	model       *net.Model
	params      *net.Params
	meta        checkpoint.Meta
	x           []float32 // in our order
}

// A model has the same outputs in PyTorch: by the script that is exported with it, and by the code
// that its names come from. A model of that code has the same outputs here.
func TestPyTorchBothWays(t *testing.T) {
	python := pythonWithPyTorch(t)
	var cases []*torchCase
	for _, c := range []torchCase{
		{Name: "mlp", Source: "mlp", Strict: true, Channels: 1, Size: 28, standardize: true},
		{Name: "mlp", Source: "mlp", Strict: true, Channels: 3, Size: 9},
		{Name: "lenet", Source: "lenet", Strict: true, Channels: 1, Size: 28},
		{Name: "lenet", Source: "lenet", Strict: true, Channels: 3, Size: 13},
		{Name: "resnet20", Source: "resnet20", Strict: true, Channels: 3, Size: 32, standardize: true},
		{Name: "resnet20", Source: "resnet20", Strict: true, Channels: 1, Size: 15},
		{Name: "resnet18", Source: "resnet18", Strict: true, Channels: 3, Size: 32},
		{Name: "resnet18", Source: "resnet18", Strict: true, Channels: 3, Size: 72},
		{Name: "resnet18", Source: "kuangliu", Channels: 3, Size: 32},
		{Name: "wrn16-4", Source: "wrn16-4", Strict: true, Channels: 3, Size: 32},
	} {
		row, err := zoo.Lookup(c.Name)
		require.NoError(t, err)
		c.Classes = 7
		c.model, err = row.Compile(net.Shape{c.Size, c.Size, c.Channels}, c.Classes)
		require.NoError(t, err)
		c.meta = checkpoint.Meta{Model: row.Name, Input: c.model.InputShape(), Classes: c.Classes, ClassNames: []string{"a", "b's", "c\"", "d, e", "ä", "f", "g"}}
		cases = append(cases, &c)
	}
	every, err := net.Compile(net.Shape{9, 11, 2}, everyLayer()...)
	require.NoError(t, err)
	cases = append(cases, &torchCase{Name: "every", Channels: 2, standardize: true, model: every})
	flat, err := net.Compile(net.Shape{5}, flatLayers()...)
	require.NoError(t, err)
	cases = append(cases, &torchCase{Name: "flat", standardize: true, model: flat})

	folder := t.TempDir()
	for i, c := range cases {
		c.Name += string(rune('A' + i))
		c.prepare(t, folder)
	}
	text, err := json.Marshal(cases)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "cases.json"), text, 0o644))
	out, err := exec.Command(python, "-B", "testdata/both_ways.py", folder).CombinedOutput()
	require.NoError(t, err, string(out))
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) { c.compare(t, folder) })
	}
}

// everyLayer has every layer that has a form in PyTorch.
func everyLayer() []net.Layer {
	return []net.Layer{
		net.Conv2D{Out: 4, Kernel: 3, Padding: net.Same}, net.BatchNorm{Epsilon: 1e-3}, net.GELU{},
		net.Residual{
			Body:     []net.Layer{net.Conv2D{Out: 6, Kernel: 3, Stride: 2, Padding: 2, Dilation: 2}, net.LayerNorm{}},
			Shortcut: []net.Layer{net.Subsample{Stride: 2, Out: 6}},
		},
		net.Sequential{net.Tanh{}, net.MaxPool{Size: 2, Stride: 1, Padding: 1}, net.AvgPool{Size: 3, Stride: 2, Padding: 1}},
		net.Residual{Body: []net.Layer{net.Conv2D{Out: 6, Kernel: 1, NoBias: true}, net.BatchNorm{}, net.Sigmoid{}}},
		net.Flatten{}, net.BatchNorm{}, net.Dropout{Rate: 0.5},
		net.Residual{Body: []net.Layer{net.Dense{Out: 11}, net.ReLU{}, net.Dense{Out: 72}}},
		net.LayerNorm{Epsilon: 1e-4}, net.Dense{Out: 3}, net.MSE{},
	}
}

func flatLayers() []net.Layer {
	return []net.Layer{net.Dense{Out: 8}, net.BatchNorm{}, net.Tanh{}, net.LayerNorm{}, net.Dense{Out: 3}}
}

// prepare makes parameters and samples, and exports them.
func (c *torchCase) prepare(t *testing.T, folder string) {
	r := rand.New(rand.NewPCG(uint64(len(c.Name)), uint64(c.Name[len(c.Name)-1])))
	c.params = anyParams(c.model, r)
	shape := c.model.InputShape()
	c.Shape = []int{3, shape[0]}
	if len(shape) == 3 {
		c.Shape = []int{3, shape[2], shape[0], shape[1]}
	}
	c.x = make([]float32, 3*shape.Size())
	for i := range c.x {
		c.x[i] = r.Float32()
	}
	if c.standardize {
		by := dataset.MeanStd{}
		for range channels(shape) {
			by.Mean, by.Std = append(by.Mean, r.Float64()), append(by.Std, 0.1+r.Float64())
		}
		by.Std[0] *= float64(channels(shape) % 2) // a deviation of 0 doesn't divide
		c.meta.Standardize = by.String()
	}
	var file, script bytes.Buffer
	require.NoError(t, Write(&file, c.model, c.params, c.meta))
	require.NoError(t, WriteScript(&script, c.model, c.meta, "x/"+c.Name+".safetensors", "y/"+c.Name+".py"))
	for end, content := range map[string][]byte{".safetensors": file.Bytes(), ".py": script.Bytes(), ".x": bytesOf(toCHW(c.x, shape))} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, c.Name+end), content, 0o644))
	}
}

// anyParams returns initial parameters, and other numbers than initial ones in normalizations.
func anyParams(model *net.Model, r *rand.Rand) *net.Params {
	params := model.Init(r.Uint64())
	for _, v := range model.Params() {
		if v.Role != net.Weight {
			for i := range v.Of(params.Values) {
				v.Of(params.Values)[i] += r.Float32() - 0.5
			}
		}
	}
	for i := range params.State {
		params.State[i] += r.Float32() - 0.5 // means are 0 in the beginning, variances 1
	}
	return params
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

// compare compares PyTorch's outputs with those of package net.
func (c *torchCase) compare(t *testing.T, folder string) {
	path := func(end string) string { return filepath.Join(folder, c.Name+end) }
	samples := standardized(t, c)
	want, err := c.model.Outputs(c.params, samples)
	require.NoError(t, err)
	assertClose(t, want, path(".exported.y"))

	again, meta := load(t, path(".again.safetensors"), c.model)
	assert.True(t, equal(c.params, again), "there and back")
	assert.Equal(t, c.meta, meta)

	if _, err := os.Stat(path(".missing")); err == nil {
		t.Skip("the source of this model isn't on this machine")
	}
	if c.Source == "" {
		return
	}
	if c.Strict {
		assertClose(t, want, path(".strict.y"))
	}
	other, _ := load(t, path(".other.safetensors"), c.model)
	want, err = c.model.Outputs(other, samples)
	require.NoError(t, err)
	assertClose(t, want, path(".other.y"))
}

// standardized returns the samples as the model takes them.
func standardized(t *testing.T, c *torchCase) []float32 {
	if c.meta.Standardize == "" {
		return c.x
	}
	by, err := dataset.ParseMeanStd(c.meta.Standardize)
	require.NoError(t, err)
	set := &dataset.Set{Name: "x", X: c.x, Labels: make([]int32, 3), Shape: c.model.InputShape(), Classes: 1}
	set, err = set.Standardize(by)
	require.NoError(t, err)
	return set.X
}

func load(t *testing.T, path string, model *net.Model) (*net.Params, checkpoint.Meta) {
	t.Helper()
	f, err := Open(path)
	require.NoError(t, err)
	defer f.Close()
	params, err := f.Params(model)
	require.NoError(t, err)
	meta, err := f.Meta()
	require.NoError(t, err)
	return params, meta
}

// assertClose compares outputs with those in a file, to 1e-5 of the largest.
func assertClose(t *testing.T, want []float32, path string) {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Len(t, content, 4*len(want))
	largest, distance := 0.0, 0.0
	for i, w := range want {
		got := math.Float32frombits(binary.NativeEndian.Uint32(content[4*i:]))
		largest = max(largest, math.Abs(float64(w)))
		distance = max(distance, math.Abs(float64(w)-float64(got)))
	}
	t.Logf("%s: %.2g of the largest output, %.3g", filepath.Base(path), distance/largest, largest)
	assert.Less(t, distance, 1e-5*largest, filepath.Base(path))
	assert.Greater(t, largest, 1e-3)
}

func bytesOf(x []float32) []byte {
	data, err := binary.Append(nil, binary.NativeEndian, x)
	if err != nil {
		panic(err)
	}
	return data
}

// pythonWithPyTorch returns a Python that has PyTorch, and skips the test where there is none.
func pythonWithPyTorch(t *testing.T) string {
	if testing.Short() {
		t.Skip("takes long")
	}
	for _, python := range []string{"python3", "/usr/bin/python3"} {
		if hasPackage(python, "torch") {
			return python
		}
	}
	t.Skip("no python3 with PyTorch is on this machine")
	return ""
}

// hasPackage reports whether a Python finds a package. It doesn't load it, which takes seconds.
func hasPackage(python, name string) bool {
	const find = "import importlib.util, sys; sys.exit(importlib.util.find_spec(sys.argv[1]) is None)"
	return exec.Command(python, "-c", find, name).Run() == nil
}
