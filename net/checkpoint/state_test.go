package checkpoint

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net"
)

// someState is a state of a model with n vectors.
func someState(m *net.Model, n int) *State {
	s := &State{Rule: "optim.AdamW", Best: anyParams(m, 7), Step: math.MaxUint64, Epoch: 3, Batch: 12, Progress: json.RawMessage(`{"loss":0.1,"names":["a\"b"]}`), History: []byte("any\x00bytes\xff")}
	for i := range n {
		s.Vectors = append(s.Vectors, anyParams(m, uint64(20+i)).Values)
	}
	return s
}

func TestStateRoundTrip(t *testing.T) {
	m := everyKind(t)
	for name, state := range map[string]*State{
		"all":             someState(m, 2),
		"many vectors":    someState(m, 12),
		"nothing":         {},
		"other lengths":   {Vectors: [][]float32{{1, 2, 3}, {}, {4}}, Step: 1},
		"no best":         {Epoch: 1, Progress: json.RawMessage(`[]`)},
		"empty history":   {History: []byte{}},
		"best, no vector": {Best: anyParams(m, 8)},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "last.safetensors")
			params := anyParams(m, 1)
			require.NoError(t, SaveState(path, m, params, someMeta, state))
			got, gotState, err := LoadState(path, m)
			require.NoError(t, err)
			equal(t, params, got)
			require.Len(t, gotState.Vectors, len(state.Vectors))
			for i, want := range state.Vectors {
				equal(t, &net.Params{Values: want}, &net.Params{Values: gotState.Vectors[i]})
			}
			require.Equal(t, state.Best == nil, gotState.Best == nil)
			if state.Best != nil {
				equal(t, state.Best, gotState.Best)
			}
			assert.Equal(t, []any{state.Rule, state.Step, state.Epoch, state.Batch, string(state.Progress), state.History},
				[]any{gotState.Rule, gotState.Step, gotState.Epoch, gotState.Batch, string(gotState.Progress), gotState.History})

			model, err := Load(path, m)
			require.NoError(t, err)
			equal(t, params, model)
			meta, err := ReadMeta(path)
			require.NoError(t, err)
			assert.Equal(t, someMeta, meta, "the state is no metadata of the model")

			var again bytes.Buffer
			require.NoError(t, WriteState(&again, m, params, someMeta, state))
			content, err := os.ReadFile(path)
			require.NoError(t, err)
			assert.Equal(t, content, again.Bytes())
		})
	}
}

func TestSaveStateErrors(t *testing.T) {
	m := small(t)
	nan := float32(math.NaN())
	bad := m.Init(1)
	bad.Values[2] = nan
	for want, state := range map[string]*State{
		"no state to save": nil,
		"optimizer.1: element 2 of 3 is NaN, want finite values": {Vectors: [][]float32{{1}, {1, 2, nan}}},
		"best.0.Dense.weight: element 2 of 6 is NaN":             {Best: bad},
		"net: 0 parameters, the model has 9":                     {Best: &net.Params{}},
		"State.Epoch is -1 and Batch 0, want 0 or more":          {Epoch: -1},
		"State.Epoch is 0 and Batch -2, want 0 or more":          {Batch: -2},
		"State.Progress: ": {Progress: json.RawMessage("{")},
	} {
		path := writeBytes(t, []byte("old"))
		assert.ErrorContains(t, SaveState(path, m, m.Init(1), Meta{}, state), "checkpoint: "+want)
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, "old", string(content))
	}
}

func TestLoadStateErrors(t *testing.T) {
	m := small(t)
	const model = `"0.Dense.bias":{"dtype":"F32","shape":[3],"data_offsets":[0,12]},"0.Dense.weight":{"dtype":"F32","shape":[2,3],"data_offsets":[12,36]}`
	training := func(text string) string {
		quoted, err := json.Marshal(text)
		require.NoError(t, err)
		return `{"__metadata__":{"training":` + string(quoted) + `},` + model
	}
	vector := func(name, shape string) string {
		return `,"` + name + `":{"dtype":"F32","shape":` + shape + `,"data_offsets":[36,44]}}`
	}
	values := make([]float32, 11)
	for _, test := range []struct {
		header string
		values []float32
		want   string
	}{
		{`{` + model + `}`, values[:9], `no training state: it has no metadata "training", as a model alone`},
		{training(`frob`) + `}`, values[:9], `metadata "training": invalid character`},
		{training(`{"epoch":-1}`) + `}`, values[:9], `metadata "training" has epoch -1, batch 0 and 0 vectors, want 0 or more`},
		{training(`{"step":-1}`) + `}`, values[:9], `metadata "training": json: `},
		{training(`{"vectors":1}`) + `}`, values[:9], `0 tensors of the optimizer, want 1`},
		{training(`{"vectors":1000000000000}`) + vector("optimizer.0", "[2]"), values, `1 tensors of the optimizer, want 1000000000000`},
		{training(`{"vectors":1}`) + vector("optimizer.1", "[2]"), values, `tensors missing: "optimizer.0"`},
		{training(`{"vectors":1}`) + vector("optimizer.0", "[1,2]"), values, `optimizer.0 is [1 2], want one dimension`},
		{training(`{"vectors":1}`) + strings.Replace(vector("optimizer.0", "[2]"), "F32", "I32", 1), values, `optimizer.0 is I32, want F32`},
		{training(`{"vectors":1}`) + vector("optimizer.0", "[2]"), append(values[:10:10], float32(math.Inf(1))), `optimizer.0: element 1 of 2 is +Inf, want finite values`},
		{training(`{"history":true}`) + `}`, values[:9], `tensors missing: "history"`},
		{training(`{"history":true}`) + vector("history", "[2]"), values, `history is F32 [2], want U8 in one dimension`},
		{training(`{"history":true}`) + strings.Replace(vector("history", "[4,2]"), "F32", "U8", 1), values, `history is U8 [4 2], want U8 in one dimension`},
		{training(`{"best":true}`) + `}`, values[:9], `tensors missing: "best.0.Dense.weight", "best.0.Dense.bias"`},
	} {
		path := write(t, test.header, test.values...)
		params, state, err := LoadState(path, m)
		assert.Nil(t, params)
		assert.Nil(t, state)
		assert.ErrorContains(t, err, "checkpoint: "+path+": "+test.want)
	}
}
