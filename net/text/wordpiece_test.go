package text

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// bertTokens is a vocabulary in which ids are easily read.
var bertTokens = []string{
	"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", // 0 to 4
	"un", "##want", "##ed", "##aff", "##able", "want", "wa", "##nt", "run", "##ning", // 5 to 14
	",", ".", "!", "'", "t", "don", "i", "中", "文", "ecole", "²", // 15 to 25
	"\U0001f600", "##\u0301", "cafe", "caf", "##e", "é", // 26 to 31
}

func TestWordPiece(t *testing.T) {
	tok, err := NewWordPiece(bertTokens, WordPieceOptions{})
	require.NoError(t, err)
	assert.Equal(t, len(bertTokens), tok.Vocabulary())
	assert.Equal(t, Special{Pad: 0, Unknown: 1, Begin: 2, End: 3, Mask: 4}, tok.Special())
	for _, c := range []struct {
		name, text string
		want       []int32
		decoded    string
	}{
		{"empty", "", nil, ""},
		{"only spaces", " \t\n\u00a0\u3000", nil, ""},
		{"the longest piece first", "unwanted", []int32{5, 6, 7}, "unwanted"},
		{"from Google's test", "UNwant\u00E9d,running", []int32{5, 6, 7, 15, 13, 14}, "unwanted, running"},
		{"a word that ends in nothing known", "unwantedx", []int32{1}, "[UNK]"},
		{"a piece doesn't begin a word", "able", []int32{1}, "[UNK]"},
		{"nor does ## in the text", "un##able", []int32{5, 1, 1, 1}, "un [UNK] [UNK] [UNK]"},
		{"punctuation", "don't!", []int32{20, 18, 19, 17}, "don ' t!"},
		{"Chinese", "i中文i", []int32{21, 22, 23, 21}, "i 中 文 i"},
		{"accents", "École", []int32{24}, "ecole"},
		{"accents apart", "E\u0301cole \u0301", []int32{24}, "ecole"},
		{"what isn't an accent stays", "²", []int32{25}, "²"},
		{"an emoji", "\U0001f600.", []int32{26, 16}, "\U0001f600."},
		{"control characters", "r\x00u\x07n\u200b\u00ad\ufeff", []int32{13}, "run"},
		{"U+FFFD", "r\ufffdun", []int32{13}, "run"},
		{"no UTF-8", "r\xffu\xe4\xb8n", []int32{13}, "run"},
		{"no UTF-8 alone", "\xff\xc3", nil, ""},
		{"special tokens", "[MASK] run[SEP][mask]", []int32{4, 13, 3, 1, 1, 1}, "[MASK] run [SEP] [UNK] [UNK] [UNK]"},
		{"100 characters", "un" + strings.Repeat("\u00e9", 97) + "e", append([]int32{5}, repeat(30, 98)...), "un" + strings.Repeat("e", 98)},
		{"101 characters", "un" + strings.Repeat("e", 99), []int32{1}, "[UNK]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ids := tok.Encode([]int32{77}, c.text)
			assert.Equal(t, append([]int32{77}, c.want...), ids)
			assert.Equal(t, c.decoded, tok.Decode(ids[1:]))
		})
	}
	assert.Equal(t, "wanted.", tok.Decode([]int32{-1, 99, 10, 7, 1000, 16}), "ids that there aren't")
}

func TestWordPieceCased(t *testing.T) {
	tok, err := NewWordPiece(append([]string{"Run"}, bertTokens...), WordPieceOptions{Cased: true})
	require.NoError(t, err)
	assert.Equal(t, []int32{0, 14, 2, 32, 2}, tok.Encode(nil, "Run run RUN é É"))
	assert.Equal(t, []int32{29, 28}, tok.Encode(nil, "cafe\u0301")[:2], "accents apart stay apart")
}

// Bytes that aren't UTF-8 become U+FFFD where the text isn't cleaned.
func TestInvalidUncleaned(t *testing.T) {
	content, err := Marshal(must(NewWordPiece(append(bertTokens[:5:5], "a", "##\ufffd"), WordPieceOptions{})))
	require.NoError(t, err)
	tok, err := Parse([]byte(strings.Replace(string(content), `"clean_text":true`, `"clean_text":false`, 1)))
	require.NoError(t, err)
	assert.Equal(t, []int32{5, 6, 6}, tok.Encode(nil, "a\xe4\xb8"), "one for each byte")
}

func TestWordPieceRefuses(t *testing.T) {
	_, err := NewWordPiece([]string{"a", "b"}, WordPieceOptions{})
	assert.EqualError(t, err, "the vocabulary of 2 tokens has no [UNK], which stands for unknown words")
	_, err = NewWordPiece(make([]string, mostTokens+1), WordPieceOptions{})
	assert.EqualError(t, err, "the vocabulary has 1048577 tokens, want at most 1048576")
}

func repeat(id int32, n int) []int32 {
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = id
	}
	return ids
}

// must returns a tokenizer that there is no reason for not to be there.
func must[T Tokenizer](tok T, err error) T {
	if err != nil {
		panic(err)
	}
	return tok
}
