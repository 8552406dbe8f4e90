package checkpoint

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net"
)

// read is Load and ReadMeta, of bytes.
func read(content []byte, m *net.Model) (*net.Params, Meta, error) {
	f, err := parse(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		return nil, Meta{}, err
	}
	meta, err := parseMeta(f.meta)
	if err != nil {
		return nil, Meta{}, err
	}
	params, err := f.params("", m)
	return params, meta, err
}

func smallFile(t testing.TB) []byte {
	var b bytes.Buffer
	m := small(t)
	require.NoError(t, Write(&b, m, m.Init(1), Meta{Model: "small", Input: net.Shape{2}, Classes: 3}))
	return b.Bytes()
}

// A file cut off anywhere is an error.
func TestTruncated(t *testing.T) {
	whole, m := smallFile(t), small(t)
	_, _, err := read(whole, m)
	require.NoError(t, err)
	for n := range whole {
		_, _, err := read(whole[:n], m)
		assert.Error(t, err, "%d bytes of %d", n, len(whole))
	}
}

// Any bit may flip: what comes of it is an error, or a file that says something else.
func TestFlippedBits(t *testing.T) {
	whole, m := smallFile(t), small(t)
	errors := 0
	for bit := range 8 * len(whole) {
		damaged := bytes.Clone(whole)
		damaged[bit/8] ^= 1 << (bit % 8)
		params, _, err := read(damaged, m)
		if err != nil {
			errors++
			continue
		}
		require.NoError(t, m.ValidateParams(params))
	}
	assert.Greater(t, errors, 8*len(whole)/2)
}

func FuzzLoad(f *testing.F) {
	whole, m := smallFile(f), small(f)
	f.Add(whole)
	for _, n := range []int{0, 8, 9, 40, len(whole) - 36, len(whole) - 1} {
		f.Add(whole[:n])
	}
	for _, header := range []string{
		`{}`, `null`, `{"a":null}`, `{"__metadata__":null}`, `{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}`,
		`{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"b":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}`,
		`{"a":{"dtype":"U64","shape":[2305843009213693952],"data_offsets":[0,18446744073709551615]}}`,
		`{"a":{"dtype":"F32","shape":[1],"data_offsets":[18446744073709551612,0]}}`,
		`{"a":{"dtype":"F32","shape":[1e1],"data_offsets":[0,40]}}`,
		`{"__metadata__":{"input":"1x2x3","classes":"4"}}`,
	} {
		content := append([]byte{byte(len(header)), 0, 0, 0, 0, 0, 0, 0}, header...)
		f.Add(content)
		f.Add(append(content, whole[len(whole)-36:]...))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		params, meta, err := read(content, m)
		if err != nil {
			return
		}
		// What can be read can be written, and is the same then.
		var again bytes.Buffer
		require.NoError(t, Write(&again, m, params, meta))
		params2, meta2, err := read(again.Bytes(), m)
		require.NoError(t, err)
		equal(t, params, params2)
		assert.Equal(t, meta, meta2)
	})
}
