package text

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A tokenizer that is written and read is the same one, and is written in the same bytes.
func TestMarshal(t *testing.T) {
	for name, tok := range map[string]Tokenizer{
		"WordPiece":     smallWordPiece(t),
		"cased":         must(NewWordPiece([]string{"[UNK]", "a", "", "##b", "\u2028\"<&>"}, WordPieceOptions{Cased: true})),
		"BPE":           smallBPE(t),
		"Bytes":         must(NewBytes(nil)),
		"Bytes, no end": must(NewBytes([]string{"<s>", "and"})),
		"bare Bytes":    must(NewBytes([]string{})),
	} {
		t.Run(name, func(t *testing.T) {
			content, err := Marshal(tok)
			require.NoError(t, err)
			again, err := Parse(content)
			require.NoError(t, err)
			assert.True(t, assert.ObjectsAreEqual(tok, again))
			assert.IsType(t, tok, again)
			twice, err := Marshal(again)
			require.NoError(t, err)
			assert.Equal(t, string(content), string(twice))

			path := filepath.Join(t.TempDir(), "tokenizer.json")
			require.NoError(t, os.WriteFile(path, []byte("old"), 0o600))
			require.NoError(t, Save(path, tok))
			opened, err := Open(path)
			require.NoError(t, err)
			assert.True(t, assert.ObjectsAreEqual(tok, opened))
			opened, err = Open(filepath.Dir(path))
			require.NoError(t, err)
			assert.True(t, assert.ObjectsAreEqual(tok, opened), "from the folder")
		})
	}
}

// words is a tokenizer of somebody else.
type words struct{ special Special }

func (w words) Encode(dst []int32, s string) []int32 {
	for range strings.Fields(s) {
		dst = append(dst, 7)
	}
	return dst
}
func (w words) Decode(ids []int32) string { return strings.Repeat("word ", len(ids)) }
func (w words) Vocabulary() int           { return 10 }
func (w words) Special() Special          { return w.special }

type writtenWords struct{ words }

func (writtenWords) MarshalJSON() ([]byte, error) { return json.Marshal("words") }

func TestMarshalOthers(t *testing.T) {
	_, err := Marshal(words{})
	assert.EqualError(t, err, "a tokenizer of type text.words can't be written: it has no MarshalJSON")
	path := filepath.Join(t.TempDir(), "tokenizer.json")
	require.Error(t, Save(path, words{}))
	assert.NoFileExists(t, path)
	content, err := Marshal(writtenWords{})
	require.NoError(t, err)
	assert.Equal(t, `"words"`, string(content))
}

func TestReadVocab(t *testing.T) {
	dir := t.TempDir()
	write := func(content string) string {
		path := filepath.Join(dir, "vocab.txt")
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	tok, err := ReadVocab(write("[PAD]\n[unused1]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nrun\n##s\n"))
	require.NoError(t, err)
	assert.Equal(t, 8, tok.Vocabulary())
	assert.Equal(t, []int32{6, 7}, tok.Encode(nil, "RUNS"))
	assert.Equal(t, Special{Pad: 0, Unknown: 2, Begin: 3, End: 4, Mask: 5}, tok.Special())
	opened, err := Open(dir)
	require.NoError(t, err)
	assert.True(t, assert.ObjectsAreEqual(tok, opened), "from the folder")

	cased, err := ReadVocab(write("[UNK]\nrun\nRun\n"))
	require.NoError(t, err)
	assert.Equal(t, []int32{2, 1, 0}, cased.Encode(nil, "Run run RUN"), "a capital letter makes it cased")

	odd, err := ReadVocab(write("\ufeff[UNK]\r\nrun \r\n\r\nrun\r\n##s"))
	require.NoError(t, err)
	assert.Equal(t, []int32{3, 4}, odd.Encode(nil, "runs"), "the last line of a token counts")
	assert.Equal(t, 5, odd.Vocabulary())
	assert.Equal(t, "run", odd.Decode([]int32{1}), "and the other can be decoded")

	for content, want := range map[string]string{
		"":               "the vocabulary of 0 tokens has no [UNK], which stands for unknown words; want a BERT vocabulary with a token a line",
		"run\nruns\n":    "the vocabulary of 2 tokens has no [UNK], which stands for unknown words; want a BERT vocabulary with a token a line",
		"[UNK]\na\n\xff": "line 3 is not UTF-8, want a BERT vocabulary with a token a line",
	} {
		path := write(content)
		_, err := ReadVocab(path)
		assert.EqualError(t, err, path+": "+want)
		_, err = Open(path)
		assert.EqualError(t, err, path+": "+want)
	}
	_, err = ReadVocab(filepath.Join(dir, "none"))
	assert.ErrorIs(t, err, os.ErrNotExist)
	_, err = Open(filepath.Join(dir, "none"))
	assert.ErrorIs(t, err, os.ErrNotExist)
	empty := t.TempDir()
	_, err = Open(empty)
	assert.EqualError(t, err, empty+" has neither a tokenizer.json nor a vocab.txt")
}

// A file that asks for what we lack, or is damaged, is refused by name.
func TestParseRefuses(t *testing.T) {
	bpe, err := Marshal(must(TrainBPE(func(yield func(string) bool) { yield("the the") }, 262, nil)))
	require.NoError(t, err)
	wordPiece, err := Marshal(must(NewWordPiece(bertTokens, WordPieceOptions{})))
	require.NoError(t, err)
	for _, c := range []struct {
		file     []byte
		old, new string
		want     string
	}{
		{bpe, `"version":"1.0"`, `"version":"2.0"`, `the tokenizer.json is of version "2.0", want 1.0`},
		{bpe, `"version":"1.0"`, `"version":1`, `want a tokenizer.json: version is a number, want a string`},
		{bpe, `{"version"`, `[{"version"`, `want a tokenizer.json: unexpected EOF`},
		{bpe, `{"version"`, `{"x":1,"version"`, `want a tokenizer.json: unknown field "x"`},
		{bpe, `"type":"BPE"`, `"type":"Unigram"`, `model: the type "Unigram" is not supported, want WordPiece or BPE`},
		{bpe, `"type":"BPE"`, `"type":"BPE","merges2":[]`, `model: unknown field "merges2"`},
		{bpe, `"dropout":null`, `"dropout":0.1`, `model: dropout is 0.1, want none`},
		{bpe, `"continuing_subword_prefix":null`, `"continuing_subword_prefix":"##"`, `model: continuing_subword_prefix is "##", want none`},
		{bpe, `"end_of_word_suffix":null`, `"end_of_word_suffix":"</w>"`, `model: end_of_word_suffix is "</w>", want none`},
		{bpe, `"byte_fallback":false`, `"byte_fallback":true`, `model: byte_fallback is true, want false`},
		{bpe, `"unk_token":null`, `"unk_token":"<unk>"`, `the vocabulary lacks the unknown token "<unk>"`},
		{bpe, `"merges":["`, `"merges":["a b c","`, `model: merge 1: the merge "a b c" isn't two tokens with a space between them`},
		{bpe, `"merges":["`, `"merges":["ab","`, `model: merge 1: the merge "ab" isn't two tokens with a space between them`},
		{bpe, `"merges":["`, `"merges":[["a"],"`, `model: merge 1: ["a"] isn't two tokens`},
		{bpe, `"merges":["`, `"merges":[["x","y"],"`, `merge 1 of "x" and "y": the vocabulary lacks "xy"`},
		{bpe, `"merges":["`, `"merges":["Ù中 x","`, `merge 1 of "Ù中" and "x": the vocabulary lacks "Ù中"`},
		{bpe, `"!":4`, `"!":5`, `model: the tokens "!" and "\"" have the same id 5`},
		{bpe, `"!":4`, `"!":-1`, `model: the token "!" has id -1, want 0 to 1048575`},
		{bpe, `"!":4`, `"!":1048576`, `model: the token "!" has id 1048576, want 0 to 1048575`},
		{bpe, `"!":4`, `"!":"4"`, `model: vocab is a string, want a whole number`},
		{bpe, `"pre_tokenizer":{"type":"ByteLevel"`, `"pre_tokenizer":{"type":"Metaspace"`, `pre_tokenizer: the type "Metaspace" is not supported, want ByteLevel`},
		{bpe, `"pre_tokenizer":{`, `"pre_tokenizer":{"behavior":"x",`, `pre_tokenizer: unknown field "behavior"`},
		{bpe, `"pre_tokenizer":{`, `"pre_tokenizer":null,"decoder":{`, `pre_tokenizer: there are 0, want one of type ByteLevel`},
		{bpe, `"pre_tokenizer":{`, `"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Split"},{"type":"ByteLevel"}]},"decoder":{`, `pre_tokenizer: the type "Split" is not supported, want ByteLevel`},
		{bpe, `"pre_tokenizer":{`, `"pre_tokenizer":{"type":"Sequence","normalizers":[]},"decoder":{`, `pre_tokenizer: a Sequence wants pretokenizers and nothing else`},
		{bpe, `"pre_tokenizer":{`, `"pre_tokenizer":7,"decoder":{`, `pre_tokenizer: 7 has no type`},
		{bpe, `"decoder":{"type":"ByteLevel"`, `"decoder":{"type":"WordPiece"`, `decoder: the type "WordPiece" is not supported, want ByteLevel`},
		{bpe, `"normalizer":null`, `"normalizer":{"type":"Nmt"}`, `normalizer: the type "Nmt" is not supported, want BertNormalizer, Lowercase, NFC, NFD, NFKC or NFKD`},
		{bpe, `"normalizer":null`, `"normalizer":{"type":"NFC","x":1}`, `normalizer: unknown field "x"`},
		{bpe, `"type":"TemplateProcessing"`, `"type":"Template"`, `post_processor: the type "Template" is not supported, want TemplateProcessing, BertProcessing, RobertaProcessing or ByteLevel`},
		{bpe, `"post_processor":{`, `"post_processor":{"type":"BertProcessing","sep":["x",9999],"cls":["y",1]},"decoder":{`, `post_processor: the vocabulary has no token 9999`},
		{bpe, `"post_processor":{`, `"post_processor":{"type":"BertProcessing","sep":["x"],"cls":["y",1]},"decoder":{`, `post_processor: ["x"] is not a token and its id`},
		{bpe, `"type_id":1`, `"type_id":2`, `post_processor: pair: part 4 has type_id 2, want 0 or 1`},
		{bpe, `{"Sequence":{"id":"A"`, `{"Sequence":{"id":"B"`, `post_processor: single: there is no sequence "B"`},
		{bpe, `{"Sequence":{"id":"B","type_id":1}},`, ``, `post_processor: pair: want each text once`},
		{bpe, `{"SpecialToken":{"id":"<|end|>"`, `{"SpecialToken":{"id":"<|x|>"`, `post_processor: single: special_tokens has no "<|x|>"`},
		{bpe, `{"Sequence":{"id":"A","type_id":0}}`, `{}`, `post_processor: single: part 2 is neither a SpecialToken nor a Sequence`},
		{bpe, `"added_tokens":[{"id":0`, `"added_tokens":[{"id":300`, `the added token "<|pad|>" has id 300, but 0 in the vocabulary`},
		{bpe, `"content":"<|pad|>"`, `"content":""`, `added token 0 is empty`},
		{bpe, `"added_tokens":[`, `"added_tokens":[{"id":0,"content":"<|pad|>"},`, `"<|pad|>" is an added token twice`},
		{bpe, `"content":"<|pad|>"`, `"content":"new"`, `the tokens "<|pad|>" and "new" have the same id 0`},
		{bpe, `"content":"<|pad|>"`, `"content":["x"]`, `want a tokenizer.json: added_tokens.content is an array, want a string`},
		{wordPiece, `"unk_token":"[UNK]"`, `"unk_token":"<unk>"`, `the vocabulary of 32 tokens has no <unk>, which stands for unknown words`},
		{wordPiece, `"max_input_chars_per_word":100`, `"max_input_chars_per_word":0`, `words have at most 0 characters, want at least 1`},
		{wordPiece, `"pre_tokenizer":{"type":"BertPreTokenizer"}`, `"pre_tokenizer":{"type":"Whitespace"}`, `pre_tokenizer: the type "Whitespace" is not supported, want BertPreTokenizer`},
		{wordPiece, `"prefix":"##"`, `"prefix":"@@"`, `decoder: prefix is "@@", but the model's continuing_subword_prefix "##"`},
		{wordPiece, `"clean_text":true`, `"clean_text":"yes"`, `normalizer: clean_text is a string, want true or false`},
		{wordPiece, `"content":"[PAD]","single_word":false,"lstrip":false,"rstrip":false,"normalized":false`,
			`"content":"\u0301","single_word":false,"lstrip":false,"rstrip":false,"normalized":true`, `the tokens "[PAD]" and "` + "\u0301" + `" have the same id 0`},
		{wordPiece, `"added_tokens":[`, `"added_tokens":[{"id":99,"content":"\u0301","normalized":true},`, `nothing is left of the added token "` + "\u0301" + `" when it is normalized`},
	} {
		content := string(c.file)
		require.Contains(t, content, c.old)
		_, err := Parse([]byte(strings.Replace(content, c.old, c.new, 1)))
		assert.EqualError(t, err, c.want, "%s instead of %s", c.new, c.old)
	}
	for content, want := range map[string]string{
		"":                       "want a tokenizer.json: it is empty",
		"{}":                     `the tokenizer.json is of version "", want 1.0`,
		"null":                   `the tokenizer.json is of version "", want 1.0`,
		"[]":                     "want a tokenizer.json: it is an array, want an object",
		`{"version":"1.0"}`:      "model: there is none, want WordPiece or BPE",
		"{\"version\":\"\xff\"}": "the tokenizer is not UTF-8, want a tokenizer.json",
		`{"version":"1.0","model":{"type":"BPE","vocab":{},"merges":[]}}`: "model: the vocabulary is empty",
		string(bpe) + "{}": "want a tokenizer.json: something follows its end",
	} {
		_, err := Parse([]byte(content))
		assert.EqualError(t, err, want, "%.60s", content)
	}
}
