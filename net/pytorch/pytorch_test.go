package pytorch

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/checkpoint"
	"github.com/steppe-ml/steppe/net/op"
	"github.com/steppe-ml/steppe/net/zoo"
)

// compile returns a model of the zoo, for its usual samples in 10 classes.
func compile(t *testing.T, name string) *net.Model {
	t.Helper()
	row, err := zoo.Lookup(name)
	require.NoError(t, err)
	m, err := row.Compile(row.Input, 10)
	require.NoError(t, err)
	return m
}

// write writes a file with Write.
func write(t testing.TB, model *net.Model, params *net.Params, meta checkpoint.Meta) (path string) {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, Write(&b, model, params, meta))
	path = filepath.Join(t.TempDir(), "model.safetensors")
	require.NoError(t, os.WriteFile(path, b.Bytes(), 0o644))
	return path
}

func zeros(m *net.Model) *net.Params {
	return &net.Params{Values: make([]float32, m.NumParams()), State: make([]float32, m.NumState())}
}

// equal is what assert.Equal is of millions of numbers in reasonable time.
func equal(a, b *net.Params) bool {
	return slices.Equal(a.Values, b.Values) && slices.Equal(a.State, b.State)
}

// open opens a file, and closes it with the test.
func open(t testing.TB, path string) *File {
	t.Helper()
	f, err := Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

// Every bit of every model comes back.
func TestRoundTrip(t *testing.T) {
	models := map[string]*net.Model{}
	for _, row := range zoo.Models {
		if row.Text != nil || row.Name == "vit-tiny" {
			continue // bert_test.go has those of text; a vision transformer can't be exported
		}
		models[row.Name] = compile(t, row.Name)
	}
	var err error
	models["every"], err = net.Compile(net.Shape{9, 11, 2}, everyLayer()...)
	require.NoError(t, err)
	for name, m := range models {
		t.Run(name, func(t *testing.T) {
			params := anyParams(m, rand.New(rand.NewPCG(1, 2)))
			meta := checkpoint.Meta{Model: name, Input: m.InputShape(), Standardize: "mean 1 deviation 2", More: map[string]string{"who": "me"}}
			f := open(t, write(t, m, params, meta))
			got, err := f.Params(m)
			require.NoError(t, err)
			assert.True(t, equal(params, got))
			gotMeta, err := f.Meta()
			require.NoError(t, err)
			assert.Equal(t, meta, gotMeta)
			assert.Equal(t, "pt", f.tensors.Metadata()["format"])
		})
	}
}

// The tensors have the names and shapes of the code that the package documents.
func TestNames(t *testing.T) {
	for _, c := range []struct {
		model   string
		tensors int // with num_batches_tracked
		names   map[string]net.Shape
	}{
		{"mlp", 6, map[string]net.Shape{"1.weight": {512, 784}, "1.bias": {512}, "5.weight": {10, 512}}},
		{"lenet", 8, map[string]net.Shape{"0.weight": {32, 1, 3, 3}, "3.bias": {64}, "7.weight": {128, 3136}, "9.weight": {10, 128}}},
		{"resnet20", 116, map[string]net.Shape{
			"conv1.weight": {16, 3, 3, 3}, "bn1.running_mean": {16}, "bn1.num_batches_tracked": {},
			"layer1.0.conv1.weight": {16, 16, 3, 3}, "layer2.0.bn2.running_var": {32}, "layer3.2.conv2.weight": {64, 64, 3, 3},
			"linear.weight": {10, 64}, "linear.bias": {10},
		}},
		// len(torchvision.models.resnet18().state_dict())
		{"resnet18", 122, map[string]net.Shape{
			"conv1.weight": {64, 3, 3, 3}, "layer1.1.bn1.bias": {64}, "layer2.0.downsample.0.weight": {128, 64, 1, 1},
			"layer4.0.downsample.1.num_batches_tracked": {}, "layer4.1.bn2.weight": {512}, "fc.weight": {10, 512},
		}},
		{"wrn16-4", 83, map[string]net.Shape{
			"conv1.weight": {16, 3, 3, 3}, "block1.layer.0.bn1.weight": {16}, "block1.layer.0.convShortcut.weight": {64, 16, 1, 1},
			"block3.layer.1.bn2.running_var": {256}, "block3.layer.1.conv2.weight": {256, 256, 3, 3}, "bn1.bias": {256}, "fc.bias": {10},
		}},
	} {
		m := compile(t, c.model)
		f := open(t, write(t, m, zeros(m), checkpoint.Meta{}))
		assert.Len(t, f.tensors.Names(), c.tensors, c.model)
		for name, want := range c.names {
			shape, ok := f.tensors.Shape(name)
			assert.True(t, ok, "%s: %s", c.model, name)
			assert.Equal(t, want, shape, "%s: %s", c.model, name)
		}
	}
}

// A residual network that is like a known one, but not quite, keeps the names of nn.Sequential:
// the known one's code would compute something else.
func TestNamesOfOthers(t *testing.T) {
	conv := net.Conv2D{Out: 4, Kernel: 3, Padding: 1, NoBias: true}
	body := []net.Layer{conv, net.BatchNorm{}, net.ReLU{}, conv, net.BatchNorm{}}
	end := []net.Layer{net.ReLU{}, net.GlobalAvgPool{}, net.Dense{Out: 3}}
	for name, layers := range map[string][]net.Layer{
		"known":                    {conv, net.BatchNorm{}, net.ReLU{}, net.Residual{Body: body}},
		"another epsilon":          {conv, net.BatchNorm{Epsilon: 1e-3}, net.ReLU{}, net.Residual{Body: body}},
		"another activation":       {conv, net.BatchNorm{}, net.GELU{}, net.Residual{Body: body}},
		"a bias":                   {net.Conv2D{Out: 4, Kernel: 3, Padding: 1}, net.BatchNorm{}, net.ReLU{}, net.Residual{Body: body}},
		"projection without need":  {conv, net.BatchNorm{}, net.ReLU{}, net.Residual{Body: body, Shortcut: []net.Layer{net.Conv2D{Out: 4, Kernel: 1, NoBias: true}, net.BatchNorm{}}}},
		"one convolution":          {conv, net.BatchNorm{}, net.ReLU{}, net.Residual{Body: body[:2]}},
		"pooling behind a 3x3":     {conv, net.BatchNorm{}, net.ReLU{}, net.MaxPool{Size: 3, Stride: 2, Padding: 1}, net.Residual{Body: body}},
		"no residual":              {conv, net.BatchNorm{}, net.ReLU{}},
		"an odd number of zeros":   {conv, net.BatchNorm{}, net.ReLU{}, net.Residual{Body: []net.Layer{net.Conv2D{Out: 7, Kernel: 3, Padding: 1, NoBias: true}, net.BatchNorm{}, net.ReLU{}, net.Conv2D{Out: 7, Kernel: 3, Padding: 1, NoBias: true}, net.BatchNorm{}}, Shortcut: []net.Layer{net.Subsample{Stride: 1, Out: 7}}}},
		"another dilation":         {net.Conv2D{Out: 4, Kernel: 3, Padding: 1, Dilation: 2, NoBias: true}, net.BatchNorm{}, net.ReLU{}, net.Residual{Body: body}},
		"a normalization too many": {conv, net.BatchNorm{}, net.ReLU{}, net.Residual{Body: append(body[:5:5], net.BatchNorm{})}},
	} {
		m, err := net.Compile(net.Shape{9, 9, 2}, append(layers, end...)...)
		require.NoError(t, err, name)
		l, err := newLayout(m)
		require.NoError(t, err, name)
		want := "0.weight"
		if name == "known" {
			want = "conv1.weight"
		}
		assert.Equal(t, want, l.tensors[0].name, name)
		if want == "0.weight" {
			assert.Equal(t, fmt.Sprintf("%d.weight", len(layers)+2), l.tensors[len(l.tensors)-2].name, name)
		}
	}
}

// rename writes a file with other names than Write's.
func rename(t *testing.T, from *File, to func(string) string) (path string) {
	t.Helper()
	tensors := map[string]checkpoint.Tensor{}
	for _, name := range from.tensors.Names() {
		shape, _ := from.tensors.Shape(name)
		if values, err := from.tensors.Floats(name); err == nil && to(name) != "" {
			tensors[to(name)] = checkpoint.Tensor{Shape: shape, Floats: func() []float32 { return values }}
		}
	}
	var b bytes.Buffer
	require.NoError(t, checkpoint.WriteTensors(&b, tensors, nil))
	path = filepath.Join(t.TempDir(), "renamed.safetensors")
	require.NoError(t, os.WriteFile(path, b.Bytes(), 0o644))
	return path
}

// Names of other code, and of wrappers, are understood. num_batches_tracked may be missing.
func TestOtherNames(t *testing.T) {
	for _, c := range []struct{ model, from, to, prefix string }{
		{"resnet18", ".downsample.", ".shortcut.", ""},
		{"resnet18", "fc.", "linear.", "module."},
		{"resnet20", "linear.", "fc.", "_orig_mod.module."},
		{"wrn16-4", "", "", "module."},
		{"lenet", "", "", "module._orig_mod."},
	} {
		m := compile(t, c.model)
		params := anyParams(m, rand.New(rand.NewPCG(3, 4)))
		path := rename(t, open(t, write(t, m, params, checkpoint.Meta{})), func(name string) string {
			return c.prefix + strings.Replace(name, c.from, c.to, 1)
		})
		got, err := open(t, path).Params(m)
		require.NoError(t, err)
		assert.True(t, equal(params, got), c.model)
	}
}

func TestReadErrors(t *testing.T) {
	m := compile(t, "resnet20")
	file := open(t, write(t, m, m.Init(1), checkpoint.Meta{}))
	changed := func(old, new string) string {
		return rename(t, file, func(name string) string { return strings.Replace(name, old, new, 1) })
	}
	lenet := compile(t, "lenet")
	other, err := zoo.CIFARResNet(20)(net.Shape{32, 32, 1}, 7)
	require.NoError(t, err)
	negative := m.Init(1)
	negative.State[16] = -1
	for _, c := range []struct {
		path  string
		model *net.Model
		want  string
	}{
		{changed("layer2.0.conv1", "layer2.0.conv3"), m, `tensors missing: "layer2.0.conv1.weight" [32 16 3 3]; tensors that the model hasn't: "layer2.0.conv3.weight" [32 16 3 3]`},
		{changed("bn", "norm"), m, `tensors missing: "bn1.weight" [16], "bn1.bias" [16], "bn1.running_mean" [16], "bn1.running_var" [16] and 72 more; tensors that the model hasn't: "layer1.0.norm1.bias" [16], `},
		{file.path, lenet, `tensors missing: "0.weight" [32 1 3 3], "0.bias" [32], "3.weight" [64 32 3 3], "3.bias" [64] and 4 more; tensors that the model hasn't: "bn1.bias" [16]`},
		{file.path, other, "conv1.weight is [16 3 3 3], want [16 1 3 3], linear.weight is [10 64], want [7 64], linear.bias is [10], want [7]"},
		{write(t, m, negative, checkpoint.Meta{}), m, "bn1.running_var is a variance, and has -1, want 0 or more"},
	} {
		params, err := open(t, c.path).Params(c.model)
		assert.Nil(t, params)
		assert.ErrorContains(t, err, "pytorch: "+c.path+": "+c.want)
	}
	own, err := net.Compile(net.Shape{4}, doubling{}, net.Dense{Out: 2})
	require.NoError(t, err)
	_, err = file.Params(own)
	assert.EqualError(t, err, "pytorch: layer 0.doubling: a layer of type pytorch.doubling can't be exported")
}

// doubling is a layer that the package doesn't know.
type doubling struct{ net.Sequential }

func (doubling) Build(b op.Builder, in op.Value) (op.Value, error) { return b.Chain(in, net.Tanh{}) }

func TestOpenErrors(t *testing.T) {
	for start, want := range map[string]string{
		"PK\x03\x04rest of it": `model.pt is a file of torch.save, which only Python can read: convert it there with safetensors.torch.save_file(torch.load("`,
		"\x80\x02\x8a\nrest":   `model.pt is a file of torch.save, which only`,
		"frob":                 "model.pt: not a safetensors file: it has 4 bytes",
		"frobfrobfrob":         `model.pt: not a safetensors file: its header begins with "f", want '{'`,
	} {
		path := filepath.Join(t.TempDir(), "model.pt")
		require.NoError(t, os.WriteFile(path, []byte(start), 0o644))
		_, err := Open(path)
		assert.ErrorContains(t, err, want)
	}
	_, err := Open(t.TempDir())
	assert.ErrorContains(t, err, "is not a regular file")
	_, err = Open(filepath.Join(t.TempDir(), "none"))
	assert.ErrorIs(t, err, os.ErrNotExist)
}

func TestInfer(t *testing.T) {
	for _, c := range []struct {
		model   string
		input   net.Shape
		classes int
		want    net.Shape // nil for an error
		err     string
	}{
		{"mlp", net.Shape{28, 28, 1}, 7, net.Shape{28, 28, 1}, ""},
		{"mlp", net.Shape{32, 32, 3}, 10, net.Shape{32, 32, 3}, ""},
		{"mlp", net.Shape{10, 10, 1}, 10, nil, "the model reads 100 values a sample, and their shape is not in the file"},
		{"lenet", net.Shape{28, 28, 3}, 3, net.Shape{28, 28, 3}, ""},
		{"lenet", net.Shape{32, 32, 3}, 3, net.Shape{32, 32, 3}, ""},
		{"lenet", net.Shape{8, 8, 1}, 3, nil, "no usual size of images fits the tensors; for samples of 28x28x1 in 3 classes: 7.weight is [128 256], want [128 3136]"},
		{"resnet20", net.Shape{40, 40, 1}, 100, net.Shape{32, 32, 1}, ""},
		{"resnet18", net.Shape{32, 32, 3}, 1000, net.Shape{32, 32, 3}, ""},
		{"resnet18", net.Shape{80, 80, 4}, 1000, net.Shape{64, 64, 4}, ""},
		{"wrn16-4", net.Shape{32, 32, 3}, 2, net.Shape{32, 32, 3}, ""},
	} {
		row, err := zoo.Lookup(c.model)
		require.NoError(t, err)
		m, err := row.Compile(c.input, c.classes)
		require.NoError(t, err)
		f := open(t, write(t, m, zeros(m), checkpoint.Meta{}))
		shape, classes, err := f.Infer(row.Compile, row.Input)
		if c.want == nil {
			assert.ErrorContains(t, err, c.err)
			continue
		}
		require.NoError(t, err)
		assert.Equal(t, c.want, shape, c.model)
		assert.Equal(t, c.classes, classes, c.model)
		classes, err = f.Classes(row.Compile, c.input)
		require.NoError(t, err)
		assert.Equal(t, c.classes, classes, c.model)
	}
	m := compile(t, "mlp")
	f := open(t, write(t, m, zeros(m), checkpoint.Meta{}))
	row, err := zoo.Lookup("resnet18")
	require.NoError(t, err)
	_, _, err = f.Infer(row.Compile, row.Input)
	assert.ErrorContains(t, err, `tensors missing: "conv1.weight" [64 3 3 3], `)
}

func TestWriteErrors(t *testing.T) {
	m := compile(t, "lenet")
	nan := m.Init(1)
	nan.Values[3] = float32(math.NaN())
	own, err := net.Compile(net.Shape{4}, doubling{}, net.Dense{Out: 2})
	require.NoError(t, err)
	rows, err := net.Compile(net.Shape{5, 4}, net.Dense{Out: 3}, net.Flatten{}, net.Dense{Out: 2})
	require.NoError(t, err)
	vit := compile(t, "vit-tiny")
	images, err := net.Compile(net.Shape{4, 4, 3}, net.Conv2D{Out: 2, Kernel: 1}, net.Flatten{}, net.MSE{})
	require.NoError(t, err)
	for _, c := range []struct {
		model  *net.Model
		params *net.Params
		meta   checkpoint.Meta
		want   string
	}{
		{m, nil, checkpoint.Meta{}, "pytorch: net: no parameters"},
		{m, nan, checkpoint.Meta{}, "pytorch: 0.Conv2D.weight: element 3 of 288 is NaN, want finite values"},
		{m, m.Init(1), checkpoint.Meta{Classes: -1}, "pytorch: checkpoint: Meta.Classes is -1"},
		{own, own.Init(1), checkpoint.Meta{}, "pytorch: layer 0.doubling: a layer of type pytorch.doubling can't be exported"},
		{rows, rows.Init(1), checkpoint.Meta{}, "pytorch: layer 0.Dense: a Dense layer on rows 5x4 can't be exported, want flat samples"},
		{vit, vit.Init(1), checkpoint.Meta{}, "pytorch: layer 1.PixelRows: a layer of type net.PixelRows can't be exported"},
		{images, images.Init(1), checkpoint.Meta{}, "pytorch: PyTorch would have the outputs in another order: end the model in a Dense"},
	} {
		var b bytes.Buffer
		assert.ErrorContains(t, Write(&b, c.model, c.params, c.meta), c.want)
		assert.Zero(t, b.Len())
	}
}

func TestPythonList(t *testing.T) {
	assert.Equal(t, `["a", "b, c", "d\"e", "ä"]`, pythonList([]string{"a", "b, c", `d"e`, "ä"}))
	assert.Equal(t, "[0.5, 1e-300]", pythonList([]float64{0.5, 1e-300}))
	name := strings.Repeat("x", 50)
	assert.Equal(t, "[\n    \""+name+"\",\n    \""+name+"\"]", pythonList([]string{name, name}))
}

func TestWriteScriptErrors(t *testing.T) {
	lenet := compile(t, "lenet")
	uneven, err := net.Compile(net.Shape{4, 4, 1}, net.Conv2D{Out: 2, Kernel: 2, Padding: net.Same}, net.Flatten{}, net.Dense{Out: 2})
	require.NoError(t, err)
	for _, c := range []struct {
		model *net.Model
		meta  checkpoint.Meta
		path  string
		want  string
	}{
		{uneven, checkpoint.Meta{}, "m", "pytorch: layer 0.Conv2D: its padding differs between the sides, which PyTorch's layers can't have"},
		{lenet, checkpoint.Meta{Standardize: "frob"}, "m", `pytorch: metadata "standardize": dataset: expected mean and deviation`},
		{lenet, checkpoint.Meta{Standardize: "mean 1,2 deviation 1,2"}, "m", `pytorch: metadata "standardize" is of 2 channels, and the model's samples of 28x28x1 have 1`},
		{lenet, checkpoint.Meta{}, `a"b`, `pytorch: the name "a\"b" can't stand in a Python program`},
	} {
		var b bytes.Buffer
		assert.ErrorContains(t, WriteScript(&b, c.model, c.meta, c.path, "s.py"), c.want)
		assert.Zero(t, b.Len())
	}
}

// Whatever the file, opening it and reading a model returns an error or parameters that can be
// written, and come back the same.
func FuzzRead(f *testing.F) {
	small := func(input net.Shape, classes int) (*net.Model, error) {
		conv := net.Conv2D{Out: 2, Kernel: 3, Padding: 1, NoBias: true}
		wider := net.Conv2D{Out: 4, Kernel: 3, Stride: 2, Padding: 1, NoBias: true}
		same := net.Conv2D{Out: 4, Kernel: 3, Padding: 1, NoBias: true}
		return net.Compile(input, conv, net.BatchNorm{}, net.ReLU{}, net.Residual{
			Body:     []net.Layer{wider, net.BatchNorm{}, net.ReLU{}, same, net.BatchNorm{}},
			Shortcut: []net.Layer{net.Subsample{Stride: 2, Out: 4}},
		}, net.ReLU{}, net.GlobalAvgPool{}, net.Dense{Out: classes})
	}
	m, err := small(net.Shape{5, 5, 1}, 3)
	require.NoError(f, err)
	var b bytes.Buffer
	require.NoError(f, Write(&b, m, m.Init(1), checkpoint.Meta{Input: net.Shape{5, 5, 1}, Classes: 3}))
	f.Add(b.Bytes())
	f.Add(b.Bytes()[:100])
	f.Add(bytes.Replace(b.Bytes(), []byte("linear"), []byte("fc____"), 2))
	f.Add(bytes.Replace(b.Bytes(), []byte("[3,4]"), []byte("[4,3]"), 1))
	f.Add(bytes.Replace(b.Bytes(), []byte("[2,1,3,3]"), []byte("[2,9,1,1]"), 1))
	f.Add([]byte("PK\x03\x04"))
	f.Fuzz(func(t *testing.T, content []byte) {
		path := filepath.Join(t.TempDir(), "x")
		require.NoError(t, os.WriteFile(path, content, 0o644))
		file, err := Open(path)
		if err != nil {
			return
		}
		defer file.Close()
		meta, metaErr := file.Meta()
		shape, classes, err := file.Infer(small, net.Shape{5, 5, 1})
		if err != nil {
			return
		}
		m, err := small(shape, classes)
		require.NoError(t, err, "Infer has compiled it")
		params, err := file.Params(m)
		if err != nil || metaErr != nil {
			return
		}
		again := open(t, write(t, m, params, meta))
		got, err := again.Params(m)
		require.NoError(t, err)
		assert.Equal(t, params, got)
	})
}
