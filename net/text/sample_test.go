package text

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSample(t *testing.T) {
	tok := must(NewBytes([]string{"<s>", "</s>"})) // 256, 257
	for _, c := range []struct {
		a, b     string
		most     int
		ids      []int32
		segments []uint8
		cut      int
	}{
		{"ab", "", math.MaxInt, []int32{256, 'a', 'b', 257}, []uint8{0, 0, 0, 0}, 0},
		{"", "", 2, []int32{256, 257}, []uint8{0, 0}, 0},
		{"abc", "", 4, []int32{256, 'a', 'b', 257}, []uint8{0, 0, 0, 0}, 1},
		{"abc", "", 2, []int32{256, 257}, []uint8{0, 0}, 3},
		{"a", "bc", 6, []int32{256, 'a', 257, 'b', 'c', 257}, []uint8{0, 0, 0, 1, 1, 1}, 0},
		{"", "b", 9, []int32{256, 257, 'b', 257}, []uint8{0, 0, 1, 1}, 0},
		{"a", "bcde", 6, []int32{256, 'a', 257, 'b', 'c', 257}, []uint8{0, 0, 0, 1, 1, 1}, 2},
		{"abcd", "e", 6, []int32{256, 'a', 'b', 257, 'e', 257}, []uint8{0, 0, 0, 0, 1, 1}, 2},
		{"abcd", "efgh", 7, []int32{256, 'a', 'b', 257, 'e', 'f', 257}, []uint8{0, 0, 0, 0, 1, 1, 1}, 4},
		{"abcd", "efgh", 6, []int32{256, 'a', 257, 'e', 'f', 257}, []uint8{0, 0, 0, 1, 1, 1}, 5},
		{"abcde", "fgh", 6, []int32{256, 'a', 'b', 257, 'f', 257}, []uint8{0, 0, 0, 0, 1, 1}, 5},
		{"ab", "c", 3, []int32{256, 257, 257}, []uint8{0, 0, 1}, 3},
	} {
		ids, segments, cut, err := Sample(tok, []int32{9}, []uint8{8}, c.a, c.b, c.most)
		require.NoError(t, err)
		assert.Equal(t, append([]int32{9}, c.ids...), ids, "%q, %q, %d", c.a, c.b, c.most)
		assert.Equal(t, append([]uint8{8}, c.segments...), segments, "%q, %q, %d", c.a, c.b, c.most)
		assert.Equal(t, c.cut, cut, "%q, %q, %d", c.a, c.b, c.most)
	}
	assert.Equal(t, 2, Overhead(tok, false))
	assert.Equal(t, 3, Overhead(tok, true))

	ids, segments, cut, err := SamplePair(tok, nil, nil, "ab", "", 9)
	require.NoError(t, err)
	assert.Equal(t, []int32{256, 'a', 'b', 257, 257}, ids, "an empty second text")
	assert.Equal(t, []uint8{0, 0, 0, 0, 1}, segments)
	assert.Zero(t, cut)

	ids, segments, cut, err = Sample(tok, []int32{9}, nil, "a", "", 1)
	assert.EqualError(t, err, "a sample of at most 1 tokens has no room for the 2 special tokens around a text")
	assert.Equal(t, []int32{9}, ids)
	assert.Empty(t, segments)
	assert.Zero(t, cut)
	_, _, _, err = Sample(tok, nil, nil, "a", "b", 2)
	assert.EqualError(t, err, "a sample of at most 2 tokens has no room for the 3 special tokens around two texts")
}

// A tokenizer without special tokens, or of somebody else, has samples as well.
func TestSampleOfOthers(t *testing.T) {
	bare := must(NewBytes([]string{}))
	ids, segments, cut, err := Sample(bare, nil, nil, "ab", "cd", 3)
	require.NoError(t, err)
	assert.Equal(t, []int32{'a', 'c', 'd'}, ids)
	assert.Equal(t, []uint8{0, 1, 1}, segments)
	assert.Equal(t, 1, cut)
	assert.Zero(t, Overhead(bare, true))

	tok := words{Special{Pad: -1, Unknown: -1, Begin: 1, End: -1, Mask: -1}}
	ids, segments, _, err = Sample(tok, nil, nil, "two words", "one", 9)
	require.NoError(t, err)
	assert.Equal(t, []int32{1, 7, 7, 7}, ids)
	assert.Equal(t, []uint8{0, 0, 0, 1}, segments)
}

// GPT-2's file puts nothing around texts: samples begin and end with its one special token.
func TestSampleOfGPT2(t *testing.T) {
	content, err := Marshal(must(NewBytes([]string{"<|endoftext|>"})))
	require.NoError(t, err)
	tok, err := Parse(content)
	require.NoError(t, err)
	assert.Equal(t, Special{Pad: -1, Unknown: -1, Begin: 256, End: 256, Mask: -1}, tok.Special())
	ids, _, _, err := Sample(tok, nil, nil, "a", "", 9)
	require.NoError(t, err)
	assert.Equal(t, []int32{256, 'a', 256}, ids)
}
