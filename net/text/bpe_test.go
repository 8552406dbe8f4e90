package text

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The table of GPT-2's encoder.py.
func TestByteChars(t *testing.T) {
	assert.Equal(t, "ĠĊĉĀ!~¡ÿ\u0143", fromBytes(" \n\t\x00!~\xa1\xff\xad"))
	for c := range 256 {
		text, ok := toBytes(fromBytes(string([]byte{byte(c)})))
		assert.True(t, ok)
		assert.Equal(t, string([]byte{byte(c)}), text)
	}
	text, ok := toBytes("Ġ中")
	assert.False(t, ok)
	assert.Equal(t, "Ġ中", text, "a token with another character stands for itself")
}

func TestNextWord(t *testing.T) {
	for text, want := range map[string][]string{
		"Hello world":          {"Hello", " world"},
		"it's I'LL he'll 'tis": {"it", "'s", " I", "'", "LL", " he", "'ll", " '", "tis"},
		"they're'd'x'":         {"they", "'re", "'d", "'", "x", "'"},
		"a  b":                 {"a", " ", " b"},
		"a   b":                {"a", "  ", " b"},
		"a \n b":               {"a", " \n", " b"},
		"a\nb":                 {"a", "\n", "b"},
		"a\n\nb":               {"a", "\n", "\n", "b"},
		"a  ":                  {"a", "  "},
		" ":                    {" "},
		" !? x":                {" !?", " x"},
		"x1234y":               {"x", "1234", "y"},
		"½² Ⅷ":                 {"½²", " Ⅷ"},
		"\u00a0\u3000中":        {"\u00a0", "\u3000", "中"},
		"e\u0301":              {"e", "\u0301"},
		"😀👩‍👧":                 {"😀👩‍👧"},
		"a\xff\xfe!b\xe4":      {"a", "\xff\xfe!", "b", "\xe4"},
		"a \xff":               {"a", " \xff"},
		"\x00\x01 \x00":        {"\x00\x01", " \x00"},
	} {
		var got []string
		for rest := []byte(text); len(rest) > 0; {
			n := nextWord(rest)
			got = append(got, string(rest[:n]))
			rest = rest[n:]
		}
		assert.Equal(t, want, got, "%q", text)
	}
}

// The quick ways to merge give what the definition does: of all pairs the one of the lowest rank,
// and of its places the leftmost, until there is none.
func TestMerge(t *testing.T) {
	tok := smallBPE(t)
	r := rand.New(rand.NewPCG(5, 6))
	corpus := strings.Join(smallCorpus(), " ")
	s := new(scratch)
	for range 3000 {
		n := 1 + r.IntN(2*shortWord)
		at := r.IntN(len(corpus) - n)
		text := corpus[at : at+n]
		if r.IntN(3) == 0 { // few letters: many pairs of one rank
			b := []byte(text)
			for i := range b {
				b[i] = "ab"[r.IntN(2)]
			}
			text = string(b)
		}
		var ids []int32
		for _, c := range []byte(text) {
			ids = append(ids, tok.symbols[c])
		}
		want := plainMerge(&tok.pairs, ids)
		if len(ids) <= shortWord {
			require.Equal(t, want, tok.pairs.mergeShort(append([]int32{}, ids...)), "%q", text)
		}
		require.Equal(t, append([]int32{9}, want...), tok.pairs.mergeLong([]int32{9}, ids, s), "%q", text)
	}
}

func plainMerge(table *pairTable, ids []int32) []int32 {
	ids = append([]int32{}, ids...)
	for {
		best, at := pairPlace{rank: noRank}, 0
		for i := range len(ids) - 1 {
			if p := *table.place(pairOf(ids[i], ids[i+1])); p.rank < best.rank {
				best, at = p, i
			}
		}
		if best.rank == noRank {
			return ids
		}
		ids = append(append(ids[:at:at], best.token), ids[at+2:]...)
	}
}

func TestBPE(t *testing.T) {
	tok := smallBPE(t)
	assert.Equal(t, Special{Pad: 0, Unknown: -1, Begin: 1, End: 2, Mask: 3}, tok.Special())
	name := func(ids []int32) (names []string) {
		for _, id := range ids {
			names = append(names, tok.tokens[id])
		}
		return names
	}
	for _, c := range []struct {
		text string
		want []string
	}{
		{"", nil},
		{"the cat sat", []string{"the", "Ġcat", "Ġsat"}},
		{"abababab", []string{"abab", "abab"}},
		{"the<|end|>cat", []string{"the", "<|end|>", "c", "at"}},
		{"<|end", []string{"<", "|", "en", "d"}},
		{"\xff\x00", []string{"ÿ", "Ā"}},
		{"😀", []string{"ðŁĺĢ"}},
	} {
		ids := tok.Encode([]int32{}, c.text)
		assert.Equal(t, c.want, name(ids), "%q", c.text)
		assert.Equal(t, c.text, tok.Decode(ids))
	}
	assert.Equal(t, "the", tok.Decode([]int32{-1, tok.ids["the"], int32(tok.Vocabulary()), 1 << 30}), "ids that there aren't")
	assert.Equal(t, "\xf0\x9f", tok.Decode(tok.Encode(nil, "\xf0\x9f")), "within a character")
}

// A word of a million letters takes n log n.
func TestLongWord(t *testing.T) {
	tok := smallBPE(t)
	text := strings.Repeat("ab", 1<<19)
	ids := tok.Encode(nil, text)
	assert.Equal(t, text, tok.Decode(ids))
	assert.Less(t, len(ids), len(text)/3)
}

func TestBytes(t *testing.T) {
	tok, err := NewBytes(nil)
	require.NoError(t, err)
	assert.Equal(t, 260, tok.Vocabulary())
	assert.Equal(t, Special{Pad: 256, Unknown: -1, Begin: 257, End: 258, Mask: 259}, tok.Special())
	ids := tok.Encode(nil, "é\xff\x00a<|mask|>b")
	assert.Equal(t, []int32{0xc3, 0xa9, 0xff, 0, 'a', 259, 'b'}, ids)
	assert.Equal(t, "é\xff\x00a<|mask|>b", tok.Decode(ids))
	assert.Empty(t, tok.Encode(nil, ""))

	none, err := NewBytes([]string{})
	require.NoError(t, err)
	assert.Equal(t, 256, none.Vocabulary())
	assert.Equal(t, Special{-1, -1, -1, -1, -1}, none.Special())
	assert.False(t, none.Special().Has(-1))
	assert.True(t, tok.Special().Has(257))
	assert.False(t, tok.Special().Has('a'))

	_, err = NewBytes([]string{"a"})
	assert.EqualError(t, err, `the special token "a" is a token already`)
	_, err = NewBytes([]string{"<s>", "<s>"})
	assert.EqualError(t, err, `the special token "<s>" is a token already`)
	_, err = NewBytes([]string{""})
	assert.EqualError(t, err, "a special token has no name")
}
