package onnx

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/checkpoint"
	"github.com/steppe-ml/steppe/net/op"
	"github.com/steppe-ml/steppe/net/zoo"
)

// fields returns the values of a message's fields, by number.
func fields(t *testing.T, m []byte) map[protowire.Number][]string {
	t.Helper()
	all := map[protowire.Number][]string{}
	for len(m) > 0 {
		number, kind, n := protowire.ConsumeTag(m)
		require.NoError(t, protowire.ParseError(n))
		m = m[n:]
		size := protowire.ConsumeFieldValue(number, kind, m)
		require.NoError(t, protowire.ParseError(size))
		value := m[:size]
		if kind == protowire.BytesType {
			value, _ = protowire.ConsumeBytes(m)
		}
		all[number] = append(all[number], string(value))
		m = m[size:]
	}
	return all
}

// written returns a model's file, and the fields of its graph.
func written(t *testing.T, model *net.Model, meta checkpoint.Meta) (file, graph map[protowire.Number][]string) {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, Write(&b, model, model.Init(1), meta))
	file = fields(t, b.Bytes())
	require.Len(t, file[7], 1)
	return file, fields(t, []byte(file[7][0]))
}

// ops returns the operators of a graph, after checking that each value is computed once, before it
// is read.
func ops(t *testing.T, graph map[protowire.Number][]string) string {
	t.Helper()
	known := map[string]bool{}
	define := func(name string) {
		assert.False(t, known[name], "%s is there twice", name)
		known[name] = true
	}
	for _, number := range []protowire.Number{5, 11} { // tensors, inputs
		for _, m := range graph[number] {
			define(fields(t, []byte(m))[map[protowire.Number]protowire.Number{5: 8, 11: 1}[number]][0])
		}
	}
	var list []string
	for _, m := range graph[1] {
		n := fields(t, []byte(m))
		for _, in := range n[1] {
			assert.True(t, known[in], "%s is read before it's there", in)
		}
		define(n[2][0])
		list = append(list, n[4][0])
	}
	for _, m := range graph[12] {
		assert.True(t, known[fields(t, []byte(m))[1][0]])
	}
	return strings.Join(list, " ")
}

func TestGraph(t *testing.T) {
	lenet, err := zoo.LeNet(net.Shape{8, 8, 1}, 3)
	require.NoError(t, err)
	file, graph := written(t, lenet, checkpoint.Meta{Model: "lenet", ClassNames: []string{"a", "b", "c"}, Classes: 3, Standardize: "mean 0.5 deviation 2"})
	assert.Equal(t, []string{"\x07"}, file[1], "the version of the format")
	assert.Equal(t, []string{"steppe"}, file[2])
	assert.Equal(t, map[protowire.Number][]string{1: {""}, 2: {"\x0d"}}, fields(t, []byte(file[8][0])), "opset 13")
	properties := map[string]string{}
	for _, m := range file[14] {
		properties[fields(t, []byte(m))[1][0]] = fields(t, []byte(m))[2][0]
	}
	assert.Equal(t, map[string]string{"model": "lenet", "classes": "3", "class_names": `["a","b","c"]`, "standardize": "mean 0.5 deviation 2"}, properties)
	assert.Equal(t, "Sub Div Conv Relu MaxPool Conv Relu MaxPool Flatten Gemm Relu Gemm Softmax", ops(t, graph), "no Transpose")
	assert.Equal(t, []string{"lenet"}, graph[2])
	assert.Equal(t, "input", fields(t, []byte(graph[11][0]))[1][0])
	assert.Equal(t, "logits", fields(t, []byte(graph[12][0]))[1][0])
	assert.Equal(t, "probabilities", fields(t, []byte(graph[12][1]))[1][0])
}

// Each model of the zoo, and one whose layers share their names' beginnings, makes a graph in which
// every value has one name.
func TestGraphs(t *testing.T) {
	for _, row := range zoo.Models {
		if row.Text != nil || row.Name == "vit-tiny" {
			continue // transformers can't be exported
		}
		m, err := row.Compile(row.Input, 10)
		require.NoError(t, err)
		_, graph := written(t, m, checkpoint.Meta{})
		assert.True(t, strings.HasSuffix(ops(t, graph), " Gemm Softmax"), row.Name)
	}
	m, err := net.Compile(net.Shape{4, 4, 3}, net.Flatten{}, net.Tanh{}, net.LayerNorm{}, net.LayerNorm{}, net.GELU{}, net.GELU{}, net.MSE{})
	require.NoError(t, err)
	_, graph := written(t, m, checkpoint.Meta{})
	assert.True(t, strings.HasPrefix(ops(t, graph), "Transpose Flatten Tanh ReduceMean Sub "))
	assert.Len(t, graph[12], 1)
}

func zooModel(t *testing.T, name string) *net.Model {
	t.Helper()
	row, err := zoo.Lookup(name)
	require.NoError(t, err)
	var m *net.Model
	if row.Text != nil {
		m, err = row.CompileText(20, 8, 3)
	} else {
		m, err = row.Compile(row.Input, 3)
	}
	require.NoError(t, err)
	return m
}

// doubling is a layer that the package doesn't know.
type doubling struct{ net.Sequential }

func (doubling) Build(b op.Builder, in op.Value) (op.Value, error) { return b.Chain(in, net.Tanh{}) }

func TestWriteErrors(t *testing.T) {
	m, err := zoo.LeNet(net.Shape{8, 8, 1}, 3)
	require.NoError(t, err)
	nan := m.Init(1)
	nan.Values[3] = float32(math.NaN())
	rows, err := net.Compile(net.Shape{5, 4}, net.Dense{Out: 3}, net.Flatten{}, net.Dense{Out: 2})
	require.NoError(t, err)
	vit, text := zooModel(t, "vit-tiny"), zooModel(t, "text-tiny")
	own, err := net.Compile(net.Shape{4}, net.Residual{Body: []net.Layer{doubling{}}}, net.Dense{Out: 2})
	require.NoError(t, err)
	for _, c := range []struct {
		model  *net.Model
		params *net.Params
		meta   checkpoint.Meta
		want   string
	}{
		{m, nil, checkpoint.Meta{}, "onnx: net: no parameters"},
		{m, nan, checkpoint.Meta{}, "onnx: 0.Conv2D.weight: element 3 of 288 is NaN, want finite values"},
		{m, m.Init(1), checkpoint.Meta{Classes: -1}, "onnx: checkpoint: Meta.Classes is -1"},
		{m, m.Init(1), checkpoint.Meta{Standardize: "frob"}, `onnx: metadata "standardize": dataset: expected mean and deviation`},
		{m, m.Init(1), checkpoint.Meta{Standardize: "mean 1,2 deviation 1,2"}, `onnx: metadata "standardize" is of 2 channels, and the model's samples of 8x8x1 have 1`},
		{m, m.Init(1), checkpoint.Meta{Standardize: "mean 1e300 deviation 1"}, `onnx: metadata "standardize" has numbers beyond float32`},
		{m, m.Init(1), checkpoint.Meta{Standardize: "mean 1 deviation 1e-300"}, `onnx: metadata "standardize" has numbers beyond float32`},
		{own, own.Init(1), checkpoint.Meta{}, "onnx: layer 0.Residual: layer 0.Residual.body.0.doubling: a layer of type onnx.doubling can't be exported"},
		{rows, rows.Init(1), checkpoint.Meta{}, "onnx: layer 0.Dense: a Dense layer on rows 5x4 can't be exported, want flat samples"},
		{vit, vit.Init(1), checkpoint.Meta{}, "onnx: layer 1.PixelRows: a layer of type net.PixelRows can't be exported"},
		{text, text.Init(1), checkpoint.Meta{}, "onnx: layer 0.Embedding: a layer of type net.Embedding can't be exported"},
	} {
		var b bytes.Buffer
		assert.ErrorContains(t, Write(&b, c.model, c.params, c.meta), c.want)
		assert.Zero(t, b.Len())
	}
}
