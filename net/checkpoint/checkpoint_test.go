package checkpoint

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/zoo"
)

// compile makes a model that is known to be one.
func compile(t testing.TB, input net.Shape, layers ...net.Layer) *net.Model {
	t.Helper()
	m, err := net.Compile(input, layers...)
	require.NoError(t, err)
	return m
}

// everyKind has a layer of every kind.
func everyKind(t testing.TB) *net.Model {
	return compile(t, net.Shape{8, 8, 3},
		net.Conv2D{Out: 4, Kernel: 3, Padding: net.Same}, net.BatchNorm{}, net.ReLU{}, net.MaxPool{Size: 2},
		net.Residual{
			Body: []net.Layer{
				net.Conv2D{Out: 6, Kernel: 3, Stride: 2, Padding: 1, NoBias: true}, net.BatchNorm{},
				net.Residual{Body: []net.Layer{net.LayerNorm{}}},
			},
			Shortcut: []net.Layer{net.Conv2D{Out: 6, Kernel: 1, Stride: 2, NoBias: true}, net.BatchNorm{}},
		},
		net.Residual{
			Body:     []net.Layer{net.Conv2D{Out: 8, Kernel: 1}},
			Shortcut: []net.Layer{net.Subsample{Stride: 1, Out: 8}},
		},
		net.Sequential{net.Conv2D{Out: 5, Kernel: 1}, net.ReLU{}}, net.AvgPool{Size: 2}, net.GlobalAvgPool{},
		net.Dropout{Rate: 0.5}, net.Flatten{}, net.Dense{Out: 7}, net.BatchNorm{}, net.Dense{Out: 3})
}

// small has two tensors, and a file of 200 bytes and some.
func small(t testing.TB) *net.Model { return compile(t, net.Shape{2}, net.Dense{Out: 3}) }

// anyParams returns parameters of all finite bits.
func anyParams(m *net.Model, seed uint64) *net.Params {
	r := rand.New(rand.NewPCG(seed, 0))
	p := m.Init(seed)
	for _, values := range [][]float32{p.Values, p.State} {
		for i := range values {
			for values[i] = float32(math.NaN()); values[i]-values[i] != 0; {
				values[i] = math.Float32frombits(r.Uint32())
			}
		}
	}
	for i, v := range []float32{float32(math.Copysign(0, -1)), math.SmallestNonzeroFloat32, math.MaxFloat32, -math.MaxFloat32} {
		p.Values[i] = v
	}
	return p
}

// equal compares bits.
func equal(t *testing.T, want, got *net.Params) {
	t.Helper()
	for _, values := range [][2][]float32{{want.Values, got.Values}, {want.State, got.State}} {
		require.Len(t, values[1], len(values[0]))
		for i := range values[0] {
			require.Equal(t, math.Float32bits(values[0][i]), math.Float32bits(values[1][i]), "value %d", i)
		}
	}
}

var someMeta = Meta{
	Model: "tiny", Input: net.Shape{8, 8, 1}, Classes: 3, ClassNames: []string{"a", "<b>", "ü"}, Data: "digits",
	Standardize: "0.3 0.2", Preprocess: json.RawMessage(`{"width":8}`),
	More: map[string]string{"epochs": "20", "ünicode": "\"quoted\"\n<&>"},
}

func TestRoundTrip(t *testing.T) {
	resnet, err := zoo.CIFARResNet(20)(net.Shape{32, 32, 3}, 10)
	require.NoError(t, err)
	mlp, err := zoo.MLP(net.Shape{8, 8, 1}, 10, 32, 16)
	require.NoError(t, err)
	for name, m := range map[string]*net.Model{"every kind": everyKind(t), "mlp": mlp, "resnet20": resnet, "small": small(t)} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "model.safetensors")
			for seed := range uint64(2) { // the second over the first
				want := anyParams(m, seed)
				require.NoError(t, Save(path, m, want, someMeta))
				got, err := Load(path, m)
				require.NoError(t, err)
				equal(t, want, got)
				meta, err := ReadMeta(path)
				require.NoError(t, err)
				assert.Equal(t, someMeta, meta)
			}
		})
	}
}

// The state counts: predictions are the same, too.
func TestRoundTripPredicts(t *testing.T) {
	m := compile(t, net.Shape{6}, net.BatchNorm{}, net.Dense{Out: 4}, net.ReLU{}, net.BatchNorm{}, net.Dense{Out: 3})
	params := m.Init(1)
	r := rand.New(rand.NewPCG(1, 1))
	for i := range params.State {
		params.State[i] = 0.5 + r.Float32() // means and variances
	}
	path := filepath.Join(t.TempDir(), "model.safetensors")
	require.NoError(t, Save(path, m, params, Meta{}))
	loaded, err := Load(path, m)
	require.NoError(t, err)
	x := make([]float32, 3*m.InputShape().Size())
	for i := range x {
		x[i] = r.Float32()
	}
	want, err := m.Predict(params, x)
	require.NoError(t, err)
	got, err := m.Predict(loaded, x)
	require.NoError(t, err)
	assert.Equal(t, want, got)
}

// What the format lays down, read without the library: other readers rely on it.
func TestFormat(t *testing.T) {
	m := everyKind(t)
	params := anyParams(m, 1)
	var b bytes.Buffer
	require.NoError(t, Write(&b, m, params, someMeta))
	file := b.Bytes()

	length := binary.LittleEndian.Uint64(file)
	assert.Zero(t, length%8, "so that elements are aligned")
	header, data := file[8:8+length], file[8+length:]
	assert.Equal(t, byte('{'), header[0])
	var entries map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(header, &entries))
	var meta map[string]string
	require.NoError(t, json.Unmarshal(entries["__metadata__"], &meta))
	assert.Equal(t, map[string]string{
		"model": "tiny", "input": "8x8x1", "classes": "3", "class_names": `["a","\u003cb\u003e","ü"]`, "data": "digits", "standardize": "0.3 0.2",
		"preprocess": `{"width":8}`, "epochs": "20", "ünicode": "\"quoted\"\n<&>",
	}, meta)
	delete(entries, "__metadata__")

	read := 0
	for view, values := range tensors(m, params) {
		var info struct {
			DType   string `json:"dtype"`
			Shape   []int
			Offsets [2]int `json:"data_offsets"`
		}
		decoder := json.NewDecoder(bytes.NewReader(entries[view.Name]))
		decoder.DisallowUnknownFields()
		require.NoError(t, decoder.Decode(&info), view.Name)
		assert.Equal(t, "F32", info.DType)
		assert.Equal(t, []int(view.Shape), info.Shape)
		require.Equal(t, 4*len(values), info.Offsets[1]-info.Offsets[0])
		for i, v := range values {
			require.Equal(t, math.Float32bits(v), binary.LittleEndian.Uint32(data[info.Offsets[0]+4*i:]), "%s, element %d", view.Name, i)
		}
		read += 4 * len(values)
		delete(entries, view.Name)
	}
	assert.Empty(t, entries)
	assert.Len(t, data, read, "no gaps")
}

// The names that the package's doc shows.
func TestNames(t *testing.T) {
	var names []string
	m := everyKind(t)
	for view := range tensors(m, m.Init(1)) {
		names = append(names, view.Name)
	}
	for _, want := range []string{
		"0.Conv2D.weight", "0.Conv2D.bias",
		"1.BatchNorm.scale", "1.BatchNorm.shift", "1.BatchNorm.mean", "1.BatchNorm.variance",
		"4.Residual.body.0.Conv2D.weight", "4.Residual.shortcut.0.Conv2D.weight",
		"4.Residual.body.2.Residual.body.0.LayerNorm.scale",
		"6.Sequential.0.Conv2D.bias", "11.Dense.weight", "11.Dense.bias",
	} {
		assert.Contains(t, names, want)
	}
}

func TestSameBytes(t *testing.T) {
	m := everyKind(t)
	var first, second bytes.Buffer
	require.NoError(t, Write(&first, m, m.Init(1), someMeta))
	require.NoError(t, Write(&second, m, m.Init(1), someMeta))
	assert.Equal(t, first.Bytes(), second.Bytes())
}

// A file as Python's safetensors writes it: metadata first, and tensors in an order of its own.
func TestLoadForeignFile(t *testing.T) {
	path := write(t, `{"__metadata__":{"format":"pt"},`+
		`"0.Dense.bias":{"dtype":"F32","shape":[3],"data_offsets":[24,36]},`+
		`"0.Dense.weight":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}  `,
		0, 1, 2, 3, 4, 5, 6, 7, 8)
	params, err := Load(path, small(t))
	require.NoError(t, err)
	assert.Equal(t, []float32{0, 1, 2, 3, 4, 5, 6, 7, 8}, params.Values)
	meta, err := ReadMeta(path)
	require.NoError(t, err)
	assert.Equal(t, Meta{More: map[string]string{"format": "pt"}}, meta)
}

// What later versions may keep beside the model is no reason not to load it.
func TestLoadPassesOverOptimizer(t *testing.T) {
	path := write(t, `{"0.Dense.weight":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},`+
		`"0.Dense.bias":{"dtype":"F32","shape":[3],"data_offsets":[24,36]},`+
		`"optimizer.0":{"dtype":"F64","shape":[1],"data_offsets":[36,44]}}`,
		0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
	params, err := Load(path, small(t))
	require.NoError(t, err)
	assert.Equal(t, []float32{0, 1, 2, 3, 4, 5, 6, 7, 8}, params.Values)
	meta, err := ReadMeta(path)
	require.NoError(t, err)
	assert.Equal(t, Meta{}, meta, "none")
}

// write makes a file of a header and floats.
func write(t *testing.T, header string, values ...float32) string {
	content := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	content = append(content, header...)
	content = append(content, tensor{values: values}.Data()...)
	return writeBytes(t, content)
}

func writeBytes(t *testing.T, content []byte) string {
	path := filepath.Join(t.TempDir(), "model.safetensors")
	require.NoError(t, os.WriteFile(path, content, 0o666))
	return path
}

func TestLoadErrors(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(-1))
	const (
		weight = `"0.Dense.weight":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}`
		bias   = `"0.Dense.bias":{"dtype":"F32","shape":[3],"data_offsets":[24,36]}`
	)
	nine := []float32{0, 1, 2, 3, 4, 5, 6, 7, 8}
	for _, test := range []struct {
		header string
		values []float32
		want   string
	}{
		{`{` + weight + `}`, nine[:6], `tensors missing: "0.Dense.bias"`},
		{`{}`, nil, `tensors missing: "0.Dense.weight", "0.Dense.bias"`},
		{`{` + weight + `,` + bias + `,"1.Dense.bias":{"dtype":"F32","shape":[],"data_offsets":[36,40]}}`, append(slices.Clone(nine), 9), `tensors that the model hasn't: "1.Dense.bias"`},
		{`{"fc.bias":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, nine[:1], `tensors missing: "0.Dense.weight", "0.Dense.bias"; tensors that the model hasn't: "fc.bias"`},
		{`{"0.Dense.weight":{"dtype":"F32","shape":[3,2],"data_offsets":[0,24]},` + bias + `}`, nine, "0.Dense.weight is [3 2], want [2 3]"},
		{`{"0.Dense.weight":{"dtype":"F32","shape":[6],"data_offsets":[0,24]},` + bias + `}`, nine, "0.Dense.weight is [6], want [2 3]"},
		{`{"0.Dense.weight":{"dtype":"I32","shape":[2,3],"data_offsets":[0,24]},` + bias + `}`, nine, "0.Dense.weight is I32, want F32"},
		{`{"0.Dense.weight":{"dtype":"F99","shape":[2,3],"data_offsets":[0,24]},` + bias + `}`, nine, `damaged header: failed to JSON-decode tensor "0.Dense.weight": invalid DType string value "F99"`},
		{`{` + weight + `,` + bias + `}`, []float32{0, 1, 2, 3, nan, 5, 6, 7, 8}, "0.Dense.weight: element 4 of 6 is NaN, want finite values"},
		{`{` + weight + `,` + bias + `}`, []float32{0, 1, 2, 3, 4, 5, 6, 7, inf}, "0.Dense.bias: element 2 of 3 is -Inf, want finite values"},
		{`{` + weight + `,` + bias + `}`, nine[:8], "truncated: it has 32 bytes of tensors, want 36"},
		{`{` + weight + `,` + bias + `}`, append(slices.Clone(nine), 9), "it has 40 bytes of tensors, want 36"},
		{`{` + weight + `,"0.Dense.bias":{"dtype":"F32","shape":[3],"data_offsets":[28,40]}}`, append(slices.Clone(nine), 9), `damaged header: "0.Dense.bias" begins at byte 28 of the data, want 24`},
		{`{` + weight + `,"0.Dense.bias":{"dtype":"F32","shape":[3],"data_offsets":[0,12]}}`, nine[:6], `damaged header: "0.Dense.weight" begins at byte 0 of the data, want 12`},
		{`{` + weight + `,"0.Dense.bias":{"dtype":"F32","shape":[3],"data_offsets":[24,32]}}`, nine, `damaged header: "0.Dense.bias" of F32[3] lies in bytes 24 to 32 of the data`},
		{`{` + weight + `,"0.Dense.bias":{"dtype":"F32","shape":[3],"data_offsets":[36,24]}}`, nine, `damaged header: "0.Dense.bias" of F32[3] lies in bytes 36 to 24 of the data`},
		{`{"0.Dense.weight":{"dtype":"F32","shape":[4294967296,1073741824],"data_offsets":[0,0]}}`, nil, `damaged header: "0.Dense.weight" of F32[4294967296 1073741824] lies in bytes 0 to 0 of the data`},
		{`{"0.Dense.weight":{"dtype":"F32","shape":[-1],"data_offsets":[0,0]}}`, nil, `damaged header: failed to JSON-decode tensor "0.Dense.weight": invalid "shape" value`},
		{`{` + weight, nine[:6], "damaged header: unexpected end of JSON input"},
		{`{"0.Dense.weight":{"dtype":"F32","shape":[2,3],"data_offsets":[12,36]},` + weight + `,` + bias + `}`, nine, `damaged header: duplicate name "0.Dense.weight"`},
		{`{"0.Dense.weight":{"dtype":"F32","shape":[6],"shape":[2,3],"data_offsets":[0,24]},` + bias + `}`, nine, `damaged header: duplicate name "shape" in "0.Dense.weight"`},
		{`{` + weight + `,"0.Dense.bias":{"dtype":"F32","shape":[3],"data_offsets":[24,36],"dtype":"F32"}}`, nine, `damaged header: duplicate name "dtype" in "0.Dense.bias"`},
		{`{"__metadata__":{"data":"a","data":"b"},` + weight + `,` + bias + `}`, nine, `damaged header: duplicate name "data" in "__metadata__"`},
		{`{"__metadata__":{"data":"a"},` + weight + `,` + bias + `,"__metadata__":{"data":"a"}}`, nine, `damaged header: duplicate name "__metadata__"`},
		{`{` + weight + `,` + bias + `,"0.Dense.b\u0069as":{"dtype":"F32","shape":[3],"data_offsets":[24,36]}}`, nine, `damaged header: duplicate name "0.Dense.bias"`},
		{`[]`, nil, `not a safetensors file: its header begins with "[", want '{'`},
		{`{"__metadata__":{"epochs":20}}`, nil, `damaged header: __metadata__ "epochs" has value "20": expected string type`},
	} {
		path := write(t, test.header, test.values...)
		_, err := Load(path, small(t))
		if assert.Error(t, err, test.want) {
			assert.Contains(t, err.Error(), "checkpoint: "+path+": "+test.want)
		}
	}
}

// A model of other sizes, and one of other layers.
func TestLoadIntoOtherModel(t *testing.T) {
	path := filepath.Join(t.TempDir(), "model.safetensors")
	m := compile(t, net.Shape{8, 8, 16}, net.ReLU{}, net.Conv2D{Out: 32, Kernel: 3}, net.GlobalAvgPool{})
	require.NoError(t, Save(path, m, m.Init(1), Meta{}))
	_, err := Load(path, compile(t, net.Shape{8, 8, 16}, net.ReLU{}, net.Conv2D{Out: 16, Kernel: 3}, net.GlobalAvgPool{}))
	assert.EqualError(t, err, "checkpoint: "+path+": 1.Conv2D.weight is [3 3 16 32], want [3 3 16 16]")
	_, err = Load(path, compile(t, net.Shape{8}, net.BatchNorm{}, net.Dense{Out: 2}))
	assert.EqualError(t, err, "checkpoint: "+path+`: tensors missing: "0.BatchNorm.scale", "0.BatchNorm.shift", "1.Dense.weight" and 3 more; `+
		`tensors that the model hasn't: "1.Conv2D.bias", "1.Conv2D.weight"`)
}

func TestNotACheckpoint(t *testing.T) {
	for content, want := range map[string]string{
		"":                                 "not a safetensors file: it has 0 bytes",
		"\x02\x00\x00\x00\x00\x00\x00\x00": "not a safetensors file: it has 8 bytes",
		"PK\x03\x04 and so on, in a zip":   `not a safetensors file: its header begins with " ", want '{'`,
		"\x00\x01\x00\x00\x00\x00\x00\x00{\"0.Dense": "its header has 256 bytes, but only 9 follow: the file is truncated or damaged",
		"\xff\xff\xff\xff\xff\xff\xff\xff{}":         "its header has 18446744073709551615 bytes, but only 2 follow: the file is truncated or damaged",
	} {
		path := writeBytes(t, []byte(content))
		_, err := Load(path, small(t))
		assert.ErrorContains(t, err, "checkpoint: "+path+": "+want)
		_, err = ReadMeta(path)
		assert.ErrorContains(t, err, "checkpoint: "+path+": "+want)
	}

	missing := filepath.Join(t.TempDir(), "missing.safetensors")
	_, err := Load(missing, small(t))
	assert.ErrorIs(t, err, os.ErrNotExist)
	assert.ErrorContains(t, err, missing)
	_, err = ReadMeta(t.TempDir())
	assert.ErrorContains(t, err, "is not a regular file")
}

// zeros is a file of zeros, but for how it begins.
type zeros struct{ start []byte }

func (z zeros) ReadAt(p []byte, at int64) (int, error) {
	clear(p)
	copy(p, z.start[min(at, int64(len(z.start))):])
	return len(p), nil
}

// A header may be as large as others read it, and is not read if it is larger.
func TestLargestHeader(t *testing.T) {
	start := append(binary.LittleEndian.AppendUint64(nil, maxHeader+1), '{')
	_, err := parse(zeros{start}, 1<<40)
	assert.EqualError(t, err, "its header has 100000001 bytes, want at most 100000000")
}

func TestSaveErrors(t *testing.T) {
	m := everyKind(t)
	params := m.Init(1)
	bad := m.Init(1)
	bad.State[1] = float32(math.NaN())
	for _, test := range []struct {
		params *net.Params
		meta   Meta
		want   string
	}{
		{nil, Meta{}, "net: no parameters"},
		{&net.Params{Values: params.Values}, Meta{}, "net: 0 floats of running state, the model has "},
		{bad, Meta{}, "1.BatchNorm.mean: element 1 of 4 is NaN, want finite values"},
		{params, Meta{Input: net.Shape{8, 0}}, "Meta.Input is [8 0]: want positive dimensions such as 28x28x1"},
		{params, Meta{Input: net.Shape{}}, "Meta.Input is []: want positive dimensions such as 28x28x1"},
		{params, Meta{Classes: -1}, "Meta.Classes is -1, want a positive number, or 0 for none"},
		{params, Meta{More: map[string]string{"data": "x"}}, `Meta.More has the key "data", which is reserved`},
		{params, Meta{More: map[string]string{"training": "{}"}}, `Meta.More has the key "training", which is reserved`},
		{params, Meta{Classes: 2, ClassNames: []string{"a"}}, "Meta has 1 ClassNames, want one for each of 2 classes"},
		{params, Meta{Preprocess: json.RawMessage("{")}, `Meta.Preprocess is "{", want JSON`},
		{params, Meta{Data: "\xff"}, `metadata "data" is "\xff", want UTF-8`},
	} {
		path := writeBytes(t, []byte("old"))
		assert.ErrorContains(t, Save(path, m, test.params, test.meta), "checkpoint: "+test.want)
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, "old", string(content))
		entries, err := os.ReadDir(filepath.Dir(path))
		require.NoError(t, err)
		assert.Len(t, entries, 1, "nothing is left beside it")
	}
	missing := filepath.Join(t.TempDir(), "missing", "model.safetensors")
	assert.ErrorContains(t, Save(missing, m, params, Meta{}), "checkpoint: can't write "+missing+": ")
}

// Files from before the key had its American spelling are read, too.
func TestReadMetaBritish(t *testing.T) {
	meta, err := ReadMeta(write(t, `{"__metadata__":{"standardise":"mean 1 deviation 2","epochs":"3"}}`))
	require.NoError(t, err)
	assert.Equal(t, Meta{Standardize: "mean 1 deviation 2", More: map[string]string{"epochs": "3"}}, meta)
}

func TestReadMetaErrors(t *testing.T) {
	for meta, want := range map[string]string{
		`"input":"8x8x"`:                      `metadata "input" is "8x8x": want positive dimensions such as 28x28x1`,
		`"input":"8x-8"`:                      `metadata "input" is "8x-8": want positive dimensions such as 28x28x1`,
		`"input":""`:                          `metadata "input" is "": want positive dimensions such as 28x28x1`,
		`"input":"65536x65536x65536x65536"`:   `metadata "input" is "65536x65536x65536x65536": want at most 2147483647 floats a sample`,
		`"classes":"ten"`:                     `metadata "classes" is "ten", want a positive number`,
		`"classes":"2","class_names":"[1,2]"`: `metadata "class_names" is "[1,2]", want a list of 2 names`,
		`"class_names":"[\"a\"]"`:             `metadata "class_names" is "[\"a\"]", want a list of 0 names`,
		`"preprocess":"{"`:                    `metadata "preprocess" is "{", want JSON`,
		`"classes":"0"`:                       `metadata "classes" is "0", want a positive number`,
	} {
		path := write(t, `{"__metadata__":{`+meta+`}}`)
		_, err := ReadMeta(path)
		assert.EqualError(t, err, "checkpoint: "+path+": "+want)
	}
}
