package checkpoint

import (
	"bytes"
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/golden"
	"github.com/steppe-ml/steppe/net"
)

// machinesFile was written on amd64, and -golden.write writes it anew.
const machinesFile = "testdata/amd64.safetensors"

// edgeParams has values of which each byte counts, and those at the ends of the range. The first
// of them is i.
func edgeParams(m *net.Model, i int) *net.Params {
	p := m.Init(1)
	copy(p.Values, []float32{
		float32(i), float32(math.Copysign(0, -1)), math.SmallestNonzeroFloat32, -math.MaxFloat32,
		math.Float32frombits(0x00800000), math.Float32frombits(0x01020304), math.Float32frombits(0xC1B2A394),
		math.Float32frombits(0x3F800001), math.Float32frombits(0x80000001),
	})
	return p
}

// A file is the same bytes on every machine, whatever the order of bytes in its memory, and each
// reads it with the same bits.
func TestFilesOfOtherMachines(t *testing.T) {
	m := small(t)
	params, best := edgeParams(m, 1), edgeParams(m, 2)
	state := &State{
		Rule: "optim.AdamW", Vectors: [][]float32{edgeParams(m, 3).Values, {4}}, Best: best,
		Step: math.MaxUint64 - 1, Epoch: 1 << 20, Batch: 258, Progress: json.RawMessage(`{"loss":0.1}`), History: []byte("any\x00bytes\xff"),
	}
	var here bytes.Buffer
	require.NoError(t, WriteState(&here, m, params, someMeta, state))
	golden.File(t, machinesFile, here.Bytes())

	got, gotState, err := LoadState(machinesFile, m)
	require.NoError(t, err)
	equal(t, params, got)
	equal(t, best, gotState.Best)
	require.Len(t, gotState.Vectors, 2)
	for i, want := range state.Vectors {
		equal(t, &net.Params{Values: want}, &net.Params{Values: gotState.Vectors[i]})
	}
	gotState.Vectors, gotState.Best = state.Vectors, state.Best
	assert.Equal(t, state, gotState)
	meta, err := ReadMeta(machinesFile)
	require.NoError(t, err)
	assert.Equal(t, someMeta, meta)
}
