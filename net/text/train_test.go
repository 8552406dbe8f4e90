package text

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What is learned is what counting all pairs anew at each step gives.
func TestTrainBPE(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	texts := smallCorpus()
	for range 40 {
		var b strings.Builder
		for range 20 {
			b.WriteByte("aabbc "[r.IntN(6)])
		}
		texts = append(texts, b.String())
	}
	tok, err := TrainBPE(slices.Values(texts), 500, []string{"<s>", "</s>"})
	require.NoError(t, err)
	want := plainMerges(tok, texts, 500)
	assert.Equal(t, want, tok.model.Merges)
	assert.Greater(t, len(want), 90)
	assert.Equal(t, "!", tok.tokens[2])
	assert.Equal(t, "Ń", tok.tokens[257], "bytes are in the order of their characters")
	assert.Equal(t, want[0][0]+want[0][1], tok.tokens[258])
	assert.Equal(t, Special{Pad: -1, Unknown: -1, Begin: 0, End: 1, Mask: -1}, tok.Special())

	slices.Reverse(texts)
	again, err := TrainBPE(slices.Values(texts), 500, []string{"<s>", "</s>"})
	require.NoError(t, err)
	assert.Equal(t, tok.tokens, again.tokens, "the order of texts makes no difference")
}

// plainMerges learns by the definition. ids of tok order pairs that are equally frequent.
func plainMerges(tok *BPE, texts []string, vocabulary int) (merges [][2]string) {
	var words [][]string
	for _, text := range texts {
		for rest := []byte(text); len(rest) > 0; {
			n := nextWord(rest)
			words = append(words, strings.Split(fromBytes(string(rest[:n])), ""))
			rest = rest[n:]
		}
	}
	tokens := 258
	for tokens < vocabulary {
		counts := map[[2]string]int{}
		for _, word := range words {
			for i := range len(word) - 1 {
				counts[[2]string{word[i], word[i+1]}]++
			}
		}
		var best [2]string
		for pair, n := range counts {
			order := cmp.Or(cmp.Compare(counts[best], n), cmp.Compare(tok.ids[pair[0]], tok.ids[best[0]]),
				cmp.Compare(tok.ids[pair[1]], tok.ids[best[1]]))
			if order < 0 {
				best = pair
			}
		}
		if counts[best] < 2 {
			return merges
		}
		token := best[0] + best[1]
		tokens++
		merges = append(merges, best)
		for w, word := range words {
			var merged []string
			for i := 0; i < len(word); i++ {
				if i+1 < len(word) && word[i] == best[0] && word[i+1] == best[1] {
					merged = append(merged, token)
					i++
				} else {
					merged = append(merged, word[i])
				}
			}
			words[w] = merged
		}
	}
	return merges
}

// A pair whose left token comes about anew, after the pair was merged, is merged again, but learned
// once.
func TestLearnerAgain(t *testing.T) {
	l := newLearner("")
	a, b, c, ab := l.token("a"), l.token("b"), l.token("c"), l.token("ab")
	for _, word := range []struct {
		count   int
		symbols []int32
	}{{5, []int32{ab, c}}, {3, []int32{a, b, c}}, {2, []int32{b, a, b}}} {
		l.begin(word.count)
		for _, symbol := range word.symbols {
			l.add(symbol)
		}
	}
	l.learn(100)
	assert.Equal(t, [][2]string{{"a", "b"}, {"ab", "c"}, {"b", "ab"}}, l.merges)

	l = newLearner("")
	a, b, c, ab = l.token("a"), l.token("b"), l.token("c"), l.token("ab")
	l.begin(9)
	l.add(ab)
	l.add(c)
	l.begin(3)
	l.add(a)
	l.add(b)
	l.add(c)
	l.learn(100)
	assert.Equal(t, [][2]string{{"ab", "c"}, {"a", "b"}}, l.merges)
	abc := l.ids["abc"]
	for _, w := range l.words {
		assert.Equal(t, []int32{abc}, l.symbols[w.begin:w.end])
	}
}

// A merge that gives a special token takes no id of its own.
func TestTrainBPESpecialInText(t *testing.T) {
	tok, err := TrainBPE(slices.Values([]string{"tha tho thu"}), 300, []string{"th"})
	require.NoError(t, err)
	assert.Equal(t, [2]string{"t", "h"}, tok.model.Merges[0])
	assert.Equal(t, []int32{0, tok.ids["e"]}, tok.Encode(nil, "the"), "the special token is looked for first")
}

// The vocabulary has the size that was asked for, or all that occurs twice.
func TestTrainBPESizes(t *testing.T) {
	for _, size := range []int{260, 261, 300} {
		tok, err := TrainBPE(slices.Values(smallCorpus()), size, nil)
		require.NoError(t, err)
		assert.Equal(t, size, tok.Vocabulary())
	}
	tok, err := TrainBPE(slices.Values([]string{"abc", "\xff\xff \xff\xff", ""}), 1000, nil)
	require.NoError(t, err)
	assert.Equal(t, [][2]string{{"ÿ", "ÿ"}}, tok.model.Merges, "only one pair occurs twice")
	assert.Equal(t, 261, tok.Vocabulary())

	empty, err := TrainBPE(slices.Values([]string{}), 1000, []string{})
	require.NoError(t, err)
	assert.Equal(t, 256, empty.Vocabulary())
	assert.Equal(t, "any", empty.Decode(empty.Encode(nil, "any")))
}

func TestTrainRefuses(t *testing.T) {
	texts := slices.Values([]string{"abc"})
	_, err := TrainBPE(texts, 259, nil)
	assert.EqualError(t, err, "a BPE vocabulary of 259 tokens: want 260 (256 bytes and 4 special tokens) to 1048576")
	_, err = TrainBPE(texts, mostTokens+1, nil)
	assert.EqualError(t, err, "a BPE vocabulary of 1048577 tokens: want 260 (256 bytes and 4 special tokens) to 1048576")
	_, err = TrainBPE(texts, 300, []string{"<s>", "<s>"})
	assert.EqualError(t, err, `the special token "<s>" is a token already`)
	_, err = TrainBPE(texts, 300, []string{"!"})
	assert.EqualError(t, err, `the special token "!" is a token already`)
	_, err = TrainWordPiece(texts, 4, WordPieceOptions{})
	assert.EqualError(t, err, "a WordPiece vocabulary of 4 tokens: want 5 special tokens, characters and pieces, at most 1048576")
	_, err = TrainWordPiece(texts, 9, WordPieceOptions{})
	assert.EqualError(t, err, "a WordPiece vocabulary of 9 tokens: the texts have 3 characters, which take 10 with the special tokens")
}

func TestTrainWordPiece(t *testing.T) {
	texts := []string{"Hug hug hugs pug pun bun hugs", "HÚG 中!"}
	tok, err := TrainWordPiece(slices.Values(texts), 30, WordPieceOptions{})
	require.NoError(t, err)
	assert.Equal(t, []string{
		"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "!", "b", "g", "h", "n", "p", "s", "u", "中", "##g", "##n", "##s", "##u",
		"##ug", "hug", "##un", "hugs",
	}, tok.tokens)
	assert.Equal(t, "hugs pun [UNK]", tok.Decode(tok.Encode(nil, "Hugs PUN xylophone")))

	cased, err := TrainWordPiece(slices.Values(texts), 40, WordPieceOptions{Cased: true})
	require.NoError(t, err)
	assert.Contains(t, cased.tokens, "H")
	assert.Contains(t, cased.tokens, "##Ú")
	empty, err := TrainWordPiece(slices.Values([]string{}), 40, WordPieceOptions{})
	require.NoError(t, err)
	assert.Equal(t, bertSpecial, empty.tokens)
}

// Rare characters beyond the limit are left out, and words that have one.
func TestTrainWordPieceAlphabet(t *testing.T) {
	var texts []string
	for i := range mostCharacters + 10 {
		r := string(rune('가' + i))
		texts = append(texts, r+" "+r, fmt.Sprintf("%s%s", r, r))
	}
	texts = append(texts, "각각") // one of the first ten more often than the others
	tok, err := TrainWordPiece(slices.Values(texts), 10000, WordPieceOptions{Cased: true})
	require.NoError(t, err)
	assert.Contains(t, tok.ids, string(rune('가')))
	assert.NotContains(t, tok.ids, string(rune('가'+mostCharacters)), "equally frequent, and later")
	assert.NotContains(t, tok.ids, "##"+string(rune('가'+mostCharacters)))
}
