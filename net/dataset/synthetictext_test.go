package dataset

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSyntheticText(t *testing.T) {
	s := SyntheticText(50, 3, 7, 4, 300, 1)
	require.NoError(t, s.Validate())
	assert.Equal(t, "made-up text of 3 to 7 tokens", s.Name)
	lengths, labels, tokens := map[int]int{}, map[int32]int{}, map[int32]int{}
	for i := range s.Len() {
		lengths[s.length(i)]++
		labels[s.Labels[i]]++
	}
	for _, token := range s.Tokens {
		tokens[token]++
	}
	assert.Len(t, lengths, 5)
	assert.Len(t, labels, 4)
	assert.Len(t, tokens, 50)
	assert.Equal(t, s, SyntheticText(50, 3, 7, 4, 300, 1))
	assert.NotEqual(t, s.Tokens, SyntheticText(50, 3, 7, 4, 300, 2).Tokens)

	same := SyntheticText(50, 8, 8, 0, 5, 1)
	require.NoError(t, same.Validate())
	assert.Equal(t, "made-up text of 8 tokens", same.Name)
	assert.Len(t, same.Tokens, 40)
	assert.Nil(t, same.Labels)

	assert.Panics(t, func() { SyntheticText(50, 8, 7, 0, 5, 1) })
	assert.Panics(t, func() { SyntheticText(50, 0, 7, 0, 5, 1) })
	assert.Panics(t, func() { SyntheticText(0, 1, 7, 0, 5, 1) })
}
