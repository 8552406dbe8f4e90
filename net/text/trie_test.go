package text

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The longest string is found, as by trying all of them.
func TestTrie(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	word := func(most int) string {
		b := make([]byte, 1+r.IntN(most))
		for i := range b {
			b[i] = "ab\x00\xff"[r.IntN(4)]
		}
		return string(b)
	}
	tree := newTrie(2)
	var strs [3]map[string]int32
	for root := uint32(1); root <= 2; root++ {
		strs[root] = map[string]int32{}
		for i := range int32(300) {
			s := word(8)
			require.NoError(t, tree.insert(root, s, i))
			strs[root][s] = i
		}
	}
	for range 2000 {
		text := word(12)
		for root := uint32(1); root <= 2; root++ {
			want, length := int32(-1), 0
			for s, value := range strs[root] {
				if strings.HasPrefix(text, s) && len(s) > length {
					want, length = value, len(s)
				}
			}
			got, n := tree.longest(root, []byte(text))
			require.Equal(t, length, n, "%q", text)
			require.Equal(t, want, got, "%q", text)
		}
	}
	_, n := tree.longest(1, nil)
	assert.Zero(t, n)
}

// A trie that is full says so.
func TestTrieFull(t *testing.T) {
	tree := newTrie(1)
	tree.values = make([]int32, mostNodes)
	assert.EqualError(t, tree.insert(1, "a", 0), "the tokens are too long in all: want at most 16777216 bytes that none share")
}
