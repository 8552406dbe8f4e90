package onnx

import (
	"bytes"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/golden"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/checkpoint"
)

// machinesFile was written on amd64, and -golden.write writes it anew.
const machinesFile = "testdata/amd64.onnx"

// A file is the same bytes on every machine, whatever the order of bytes in its memory.
func TestFileOfAnotherMachine(t *testing.T) {
	m, err := net.Compile(net.Shape{4, 4, 1}, net.Conv2D{Out: 2, Kernel: 3}, net.BatchNorm{}, net.ReLU{}, net.Flatten{}, net.Dense{Out: 2})
	require.NoError(t, err)
	params := m.Init(1)
	for i := range params.Values { // no byte of them is like another
		params.Values[i] = math.Float32frombits(0x3D010203 + uint32(i)*0x00030507)
	}
	var here bytes.Buffer
	require.NoError(t, Write(&here, m, params, checkpoint.Meta{Model: "tiny", Classes: 2, ClassNames: []string{"a", "ü"}, Standardize: "mean 0.5 deviation 2"}))
	golden.File(t, machinesFile, here.Bytes())
}
