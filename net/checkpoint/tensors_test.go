package checkpoint

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net"
)

// What WriteTensors writes, OpenTensors reads.
func TestTensors(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, WriteTensors(&b, map[string]Tensor{
		"a.weight": {Shape: net.Shape{2, 1}, Floats: func() []float32 { return []float32{1, -2} }},
		"a.count":  {Ints: []int64{7}},
	}, map[string]string{"format": "pt", "model": "mlp", "classes": "3"}))
	f, err := OpenTensors(writeBytes(t, b.Bytes()))
	require.NoError(t, err)
	defer f.Close()
	assert.Equal(t, []string{"a.count", "a.weight"}, f.Names())
	shape, ok := f.Shape("a.weight")
	assert.True(t, ok)
	assert.Equal(t, net.Shape{2, 1}, shape)
	shape, ok = f.Shape("a.count")
	assert.True(t, ok)
	assert.Empty(t, shape, "a scalar")
	_, ok = f.Shape("b")
	assert.False(t, ok)
	values, err := f.Floats("a.weight")
	require.NoError(t, err)
	assert.Equal(t, []float32{1, -2}, values)
	assert.Equal(t, map[string]string{"format": "pt", "model": "mlp", "classes": "3"}, f.Metadata())
	meta, err := f.Meta()
	require.NoError(t, err)
	assert.Equal(t, Meta{Model: "mlp", Classes: 3, More: map[string]string{"format": "pt"}}, meta)
	strings, err := meta.Strings()
	require.NoError(t, err)
	assert.Equal(t, f.Metadata(), strings)

	_, err = f.Floats("b")
	assert.ErrorContains(t, err, `it has no tensor "b"`)
	_, err = f.Floats("a.count")
	assert.ErrorContains(t, err, "a.count is I64, want F32, F64, F16 or BF16")
}

// Elements of other float types become the nearest F32.
func TestTensorsOfOtherTypes(t *testing.T) {
	half := func(bits ...uint16) any { return bits }
	inf := math.Inf(1)
	for _, c := range []struct {
		dtype string
		data  any
		want  []float32
	}{
		{"F64", []float64{1, -0.1, 1e-300, math.MaxFloat32}, []float32{1, -0.1, 0, math.MaxFloat32}},
		{"F64", []float64{1e300}, nil},
		{"F16", half(0x3c00, 0xc000, 0x7bff, 0x0400, 0x03ff, 0x8001, 0x3555), []float32{1, -2, 65504, 0x1p-14, 1023 * 0x1p-24, -0x1p-24, 0.333251953125}},
		{"F16", half(0x7c00), nil},
		{"F16", half(0x7e00), nil},
		{"BF16", half(0x3f80, 0xc000, 0x7f7f), []float32{1, -2, 0x1.fep127}},
		{"BF16", half(0x7f80), nil},
		{"F32", []float32{float32(inf)}, nil},
	} {
		header := fmt.Sprintf(`{"x":{"dtype":%q,"shape":[%d],"data_offsets":[0,%d]}}`, c.dtype, binary.Size(c.data)/sizes[c.dtype], binary.Size(c.data))
		content := append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header...)
		content, err := binary.Append(content, binary.LittleEndian, c.data)
		require.NoError(t, err)
		f, err := OpenTensors(writeBytes(t, content))
		require.NoError(t, err)
		got, err := f.Floats("x")
		f.Close()
		if c.want == nil {
			assert.ErrorContains(t, err, "x: element 0 of 1 is ", c.dtype)
			continue
		}
		require.NoError(t, err)
		assert.Equal(t, c.want, got, c.dtype)
	}
}

var sizes = map[string]int{"F64": 8, "F32": 4, "F16": 2, "BF16": 2}
