package text

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Any string is what its ids decode to, by BPE and by Bytes.
func FuzzRoundTrip(f *testing.F) {
	for _, s := range strangeTexts(20) {
		f.Add(s)
	}
	f.Add("\xff\x00'\xe4\xb8 's  \xff")
	bpe, bytes, wordPiece := smallBPE(f), must(NewBytes(nil)), smallWordPiece(f)
	f.Fuzz(func(t *testing.T, s string) {
		for _, tok := range []Tokenizer{bpe, bytes} {
			ids := tok.Encode(nil, s)
			require.Equal(t, s, tok.Decode(ids), "%T", tok)
			checkIDs(t, tok, ids)
		}
		// WordPiece loses spaces and case, but what it gives can be encoded.
		ids := wordPiece.Encode(nil, s)
		checkIDs(t, wordPiece, ids)
		wordPiece.Encode(nil, wordPiece.Decode(ids))
	})
}

// checkIDs checks that ids are in the vocabulary.
func checkIDs(t *testing.T, tok Tokenizer, ids []int32) {
	t.Helper()
	for _, id := range ids {
		require.GreaterOrEqual(t, id, int32(0))
		require.Less(t, int(id), tok.Vocabulary())
	}
}

// No file makes Parse panic, and what it accepts can be used, and written again.
func FuzzParse(f *testing.F) {
	for _, tok := range []Tokenizer{smallBPE(f), smallWordPiece(f), must(NewBytes(nil))} {
		content, err := Marshal(tok)
		require.NoError(f, err)
		f.Add(content)
	}
	f.Add([]byte(`{"version":"1.0","added_tokens":[{"id":3,"content":" x","normalized":true,"lstrip":true,"rstrip":true,` +
		`"single_word":true}],"normalizer":{"type":"Sequence","normalizers":[{"type":"NFKC"},{"type":"BertNormalizer"}]},` +
		`"pre_tokenizer":{"type":"ByteLevel"},"post_processor":{"type":"RobertaProcessing","sep":["x",3],"cls":["a",0]},` +
		`"decoder":null,"model":{"merges":[["a","b"]],"vocab":{"a":0,"b":1,"ab":2},"unk_token":"a","fuse_unk":true,"ignore_merges":true}}`))
	f.Add([]byte(`{"version":"1.0","added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"BertPreTokenizer"},` +
		`"post_processor":{"type":"BertProcessing","sep":["u",0],"cls":["u",0]},"decoder":{"type":"WordPiece"},` +
		`"model":{"type":"WordPiece","unk_token":"u","continuing_subword_prefix":"","max_input_chars_per_word":3,"vocab":{"u":0,"é":9}}}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		tok, err := Parse(content)
		if err != nil {
			return
		}
		written, err := Marshal(tok)
		require.NoError(t, err)
		again, err := Parse(written)
		require.NoError(t, err, "%s", written)
		for _, s := range []string{"", "The cat é\u0301 x 中 [UNK] \xff ab abab", string(content[:min(len(content), 300)])} {
			ids := tok.Encode(nil, s)
			checkIDs(t, tok, ids)
			assert.Equal(t, ids, again.Encode(nil, s))
			assert.Equal(t, tok.Decode(ids), again.Decode(ids))
			if _, _, _, err := Sample(tok, nil, nil, s, "b", 9); err != nil {
				assert.Greater(t, Overhead(tok, true), 9)
			}
		}
	})
}
