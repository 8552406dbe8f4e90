package net

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/conv"
)

// Tree has every layer, nested as written, and the names of tensors begin with those of the layers.
func TestTree(t *testing.T) {
	m, err := Compile(Shape{4, 4, 1},
		&Conv2D{Out: 2, Kernel: 3, Padding: Same},
		Residual{Body: []Layer{Conv2D{Out: 4, Kernel: 3, Stride: 2, Padding: 1}, BatchNorm{}}, Shortcut: []Layer{Subsample{Stride: 2, Out: 4}}},
		Residual{Body: []Layer{ReLU{}}},
		Sequential{Flatten{}, Dense{Out: 3}})
	require.NoError(t, err)
	var lines []string
	var list func(nodes []Node)
	names := map[string]Layer{}
	list = func(nodes []Node) {
		for _, n := range nodes {
			lines = append(lines, n.Name+" "+n.In.String()+" "+n.Out.String())
			names[n.Name] = n.Layer
			list(n.Inner)
		}
	}
	list(m.Tree())
	assert.Equal(t, []string{
		"0.Conv2D 4x4x1 4x4x2",
		"1.Residual 4x4x2 2x2x4",
		"1.Residual.shortcut 4x4x2 2x2x4",
		"1.Residual.shortcut.0.Subsample 4x4x2 2x2x4",
		"1.Residual.body 4x4x2 2x2x4",
		"1.Residual.body.0.Conv2D 4x4x2 2x2x4",
		"1.Residual.body.1.BatchNorm 2x2x4 2x2x4",
		"2.Residual 2x2x4 2x2x4",
		"2.Residual.shortcut 2x2x4 2x2x4",
		"2.Residual.body 2x2x4 2x2x4",
		"2.Residual.body.0.ReLU 2x2x4 2x2x4",
		"3.Sequential 2x2x4 3",
		"3.Sequential.0.Flatten 2x2x4 16",
		"3.Sequential.1.Dense 16 3",
		"4.SoftmaxCrossEntropy 3 3",
	}, lines)
	assert.Equal(t, 2, names["0.Conv2D"].(Conv2D).Out, "the value behind the pointer")
	for _, view := range append(m.Params(), m.State()...) {
		layer := view.Name[:strings.LastIndexByte(view.Name, '.')]
		assert.Contains(t, names, layer)
	}
}

// Layers with a window say what they take of an image.
func TestWindows(t *testing.T) {
	g, err := Conv2D{Out: 2, Kernel: 3, Stride: 2, Padding: Same}.Geometry(Shape{4, 5, 1})
	require.NoError(t, err)
	assert.Equal(t, []int{0, 1, 1, 1, 2, 3}, []int{g.PadTop, g.PadBottom, g.PadLeft, g.PadRight, g.OutH(), g.OutW()})
	for _, window := range []func(Shape) (conv.Window, error){MaxPool{Size: 3, Stride: 2, Padding: 1}.Window, AvgPool{Size: 3, Stride: 2, Padding: 1}.Window} {
		w, err := window(Shape{4, 5, 7})
		require.NoError(t, err)
		assert.Equal(t, []int{3, 2, 1, 1, 2, 3, 7}, []int{w.SizeH, w.StrideW, w.PadTop, w.PadRight, w.OutH(), w.OutW(), w.C})
		_, err = window(Shape{4})
		assert.EqualError(t, err, "samples must be images, height x width x channels")
	}
	_, err = Conv2D{Kernel: 3}.Geometry(Shape{4, 4, 1})
	assert.EqualError(t, err, "Out is 0, want at least 1")
}
