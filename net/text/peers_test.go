package text

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// all reports whether tests are to compare everything with the reference, which takes minutes.
func all() bool { return os.Getenv("STEPPE_TEXT") == "all" }

// everyNth returns a part of a list: all, or one of n.
func everyNth[T any](list []T, n int) (some []T) {
	if all() {
		return list
	}
	for i := 0; i < len(list); i += n {
		some = append(some, list[i])
	}
	return some
}

// sameIDs compares the ids of texts, and what they decode to, with what Hugging Face's tokenizers
// make of them.
func sameIDs(t *testing.T, tok Tokenizer, texts []string, want answer) {
	t.Helper()
	require.Len(t, want.IDs, len(texts))
	wrong := 0
	for i, s := range texts {
		got := tok.Encode([]int32{}, s)
		decoded := tok.Decode(got)
		if slices.Equal(got, want.IDs[i]) && strings.ToValidUTF8(decoded, "\ufffd") == want.Texts[i] {
			continue
		}
		if wrong++; wrong <= 5 {
			assert.Equal(t, want.IDs[i], got, "%q", s)
			assert.Equal(t, want.Texts[i], decoded, "%q decoded", s)
		}
	}
	assert.Zero(t, wrong, "of %d texts", len(texts))
}

// The sentences of Brown have the ids that Hugging Face's tokenizers give them: with our
// vocabularies, which they read, and with theirs, which we read. STEPPE_TEXT=all takes all
// sentences.
func TestBrown(t *testing.T) {
	sentences := brown(t)
	some := everyNth(sentences, 40)
	sentences = everyNth(sentences, 8) // to learn from
	dir := t.TempDir()
	bpe, err := TrainBPE(slices.Values(sentences), 8000, nil)
	require.NoError(t, err)
	uncased, err := TrainWordPiece(slices.Values(sentences), 8000, WordPieceOptions{})
	require.NoError(t, err)
	cased, err := TrainWordPiece(slices.Values(sentences), 8000, WordPieceOptions{Cased: true})
	require.NoError(t, err)
	plain, err := NewBytes(nil)
	require.NoError(t, err)
	for name, tok := range map[string]Tokenizer{"BPE": bpe, "WordPiece": uncased, "WordPiece cased": cased, "Bytes": plain} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(dir, name+".json")
			require.NoError(t, Save(file, tok))
			sameIDs(t, tok, some, ask(t, request{Do: "encode", File: file, Texts: some, Decode: true})[0])
			again, err := Open(file)
			require.NoError(t, err)
			assert.True(t, assert.ObjectsAreEqual(tok, again), "what was saved is what is read")
		})
	}
	corpus := filepath.Join(dir, "brown.txt")
	require.NoError(t, os.WriteFile(corpus, []byte(strings.Join(some, "\n")), 0o600))
	for _, model := range []string{"BPE", "WordPiece"} {
		t.Run("their "+model, func(t *testing.T) {
			file := filepath.Join(dir, "their "+model+".json")
			want := ask(t, request{Do: "train", Model: model, File: corpus, Out: file},
				request{Do: "encode", File: file, Texts: some, Decode: true})
			tok, err := Open(file)
			require.NoError(t, err)
			sameIDs(t, tok, some, want[1])
			if theirs, ok := tok.(*BPE); ok {
				ours, err := TrainBPE(slices.Values(some), 30000, []string{})
				require.NoError(t, err)
				require.Greater(t, len(ours.model.Merges), 1000)
				same := theirs.model.Merges[:len(ours.model.Merges)] // it goes on with pairs that occur once
				assert.True(t, slices.Equal(same, ours.model.Merges), "what is learned is the same")
			}
		})
	}
}

// Samples are those of Hugging Face's tokenizers, cut as theirs.
func TestSampleAgrees(t *testing.T) {
	npm(t, "@anush008/tokenizers")
	texts := strangeTexts(60)
	second := slices.Clone(texts)
	slices.Reverse(second)
	bpe := smallBPE(t)
	wordPiece := smallWordPiece(t)
	dir := t.TempDir()
	roberta := filepath.Join(dir, "roberta.json")
	edit(t, bpe, roberta, func(file map[string]any) {
		file["post_processor"] = map[string]any{
			"type": "RobertaProcessing", "sep": []any{"<|end|>", 2}, "cls": []any{"<|begin|>", 1},
			"trim_offsets": true, "add_prefix_space": true,
		}
	})
	bert := filepath.Join(dir, "bert.json")
	edit(t, wordPiece, bert, func(file map[string]any) {
		file["post_processor"] = map[string]any{
			"type": "BertProcessing", "sep": []any{"[SEP]", 3}, "cls": []any{"[CLS]", 2},
		}
	})
	ours, theirs := filepath.Join(dir, "bpe.json"), filepath.Join(dir, "wordpiece.json")
	require.NoError(t, Save(ours, bpe))
	require.NoError(t, Save(theirs, wordPiece))
	for _, file := range []string{ours, theirs, roberta, bert} {
		tok, err := Open(file)
		require.NoError(t, err)
		lengths := []int{5, 6, 9, 16, 1000}
		var requests []request
		for _, most := range lengths {
			r := request{Do: "encode", File: file, Texts: texts, Special: true, Most: most}
			requests = append(requests, r)
			r.Pairs = second
			requests = append(requests, r)
		}
		want := ask(t, requests...)
		for k, most := range lengths {
			single, pairs := want[2*k], want[2*k+1]
			for i, a := range texts {
				ids, segments, cut, err := Sample(tok, nil, nil, a, "", most)
				require.NoError(t, err)
				assert.Equal(t, single.IDs[i], ids, "%s, %d tokens: %q", file, most, a)
				assert.Equal(t, single.Segments[i], segments)
				assert.Equal(t, len(tok.Encode(nil, a))+Overhead(tok, false)-len(ids), cut)

				b := second[i]
				ids, segments, cut, err = SamplePair(tok, nil, nil, a, b, most)
				require.NoError(t, err)
				assert.Equal(t, pairs.IDs[i], ids, "%s, %d tokens: %q, %q", file, most, a, b)
				assert.Equal(t, pairs.Segments[i], segments)
				assert.Equal(t, len(tok.Encode(nil, a))+len(tok.Encode(nil, b))+Overhead(tok, true)-len(ids), cut)
			}
		}
	}
}

// What is rare in a corpus agrees, too: strange texts, and every setting of a tokenizer.json that
// we read.
func TestStrangeTexts(t *testing.T) {
	npm(t, "@anush008/tokenizers")
	texts := strangeTexts(600)
	part := func(kind string) map[string]any { return map[string]any{"type": kind} }
	added := func(tok *common, id int, content, flag string, normalized bool) map[string]any {
		if known, ok := tok.ids[content]; ok {
			id = int(known)
		}
		a := map[string]any{
			"id": id, "content": content, "special": !normalized, "normalized": normalized,
			"single_word": false, "lstrip": false, "rstrip": false,
		}
		if flag != "" {
			a[flag] = true
		}
		return a
	}
	add := func(file map[string]any, tokens ...map[string]any) {
		for _, a := range tokens {
			file["added_tokens"] = append(file["added_tokens"].([]any), a)
		}
	}
	bpe, wordPiece := smallBPE(t), smallWordPiece(t)
	settings := []struct {
		name string
		tok  Tokenizer
		edit func(file map[string]any)
	}{
		{"BPE", bpe, nil},
		{"prefix", bpe, func(f map[string]any) { f["pre_tokenizer"].(map[string]any)["add_prefix_space"] = true }},
		{"one word", bpe, func(f map[string]any) { f["pre_tokenizer"].(map[string]any)["use_regex"] = false }},
		{"whole words", bpe, func(f map[string]any) {
			model := f["model"].(map[string]any)
			model["ignore_merges"] = true
			model["merges"] = model["merges"].([]any)[:40]
		}},
		{"unknown", bpe, func(f map[string]any) {
			model := f["model"].(map[string]any)
			model["unk_token"] = "Q"
			model["merges"] = []any{}
			delete(model["vocab"].(map[string]any), "Ã")
			delete(model["vocab"].(map[string]any), "a")
		}},
		{"unknown fused", bpe, func(f map[string]any) {
			model := f["model"].(map[string]any)
			model["unk_token"] = "Q"
			model["fuse_unk"] = true
			model["merges"] = []any{}
			delete(model["vocab"].(map[string]any), "a")
			delete(model["vocab"].(map[string]any), "b")
		}},
		{"unknown left out", bpe, func(f map[string]any) {
			model := f["model"].(map[string]any)
			model["merges"] = []any{}
			delete(model["vocab"].(map[string]any), "a")
		}},
		{"NFC", bpe, func(f map[string]any) { f["normalizer"] = part("NFC") }},
		{"NFD", bpe, func(f map[string]any) { f["normalizer"] = part("NFD") }},
		{"NFKC lower", bpe, func(f map[string]any) {
			f["normalizer"] = map[string]any{"type": "Sequence", "normalizers": []any{part("NFKC"), part("Lowercase")}}
		}},
		{"NFKD", bpe, func(f map[string]any) { f["normalizer"] = part("NFKD") }},
		{"added to BPE", bpe, func(f map[string]any) {
			c, n := &bpe.common, bpe.Vocabulary()
			add(f, added(c, n, "<x>", "lstrip", false), added(c, n+1, "<y>", "rstrip", false),
				added(c, n+2, "the", "single_word", true), added(c, n+2, "the cat", "", true))
		}},
		{"WordPiece", wordPiece, nil},
		{"cased", wordPiece, func(f map[string]any) {
			n := f["normalizer"].(map[string]any)
			n["lowercase"], n["strip_accents"] = false, nil
		}},
		{"lower with accents", wordPiece, func(f map[string]any) { f["normalizer"].(map[string]any)["strip_accents"] = false }},
		{"not cleaned", wordPiece, func(f map[string]any) { f["normalizer"].(map[string]any)["clean_text"] = false }},
		{"Chinese together", wordPiece, func(f map[string]any) {
			f["normalizer"].(map[string]any)["handle_chinese_chars"] = false
		}},
		{"not normalized", wordPiece, func(f map[string]any) { f["normalizer"] = nil }},
		{"short words", wordPiece, func(f map[string]any) { f["model"].(map[string]any)["max_input_chars_per_word"] = 3 }},
		{"no clean-up", wordPiece, func(f map[string]any) { f["decoder"].(map[string]any)["cleanup"] = false }},
		{"added to WordPiece", wordPiece, func(f map[string]any) {
			c, n := &wordPiece.common, wordPiece.Vocabulary()
			add(f, added(c, n, "THE", "single_word", true), added(c, n+1, "Éa", "", true), added(c, n+2, "<y>", "lstrip", false))
		}},
		{"normalized twice", wordPiece, func(f map[string]any) {
			f["normalizer"] = map[string]any{"type": "Sequence", "normalizers": []any{part("NFKC"), f["normalizer"]}}
		}},
	}
	dir := t.TempDir()
	var requests []request
	for _, c := range settings {
		file := filepath.Join(dir, c.name+".json")
		edit(t, c.tok, file, c.edit)
		requests = append(requests, request{Do: "encode", File: file, Texts: texts, Decode: true})
	}
	want := ask(t, requests...)
	for i, c := range settings {
		t.Run(c.name, func(t *testing.T) {
			tok, err := Open(requests[i].File)
			require.NoError(t, err)
			sameIDs(t, tok, texts, want[i])

			content, err := Marshal(tok)
			require.NoError(t, err)
			again, err := Parse(content)
			require.NoError(t, err)
			for _, s := range texts {
				assert.Equal(t, tok.Encode(nil, s), again.Encode(nil, s), "%q, after writing and reading", s)
			}
		})
	}
}

// edit writes a tokenizer.json of tok with a change.
func edit(t *testing.T, tok Tokenizer, path string, change func(file map[string]any)) {
	t.Helper()
	content, err := Marshal(tok)
	require.NoError(t, err)
	var file map[string]any
	require.NoError(t, json.Unmarshal(content, &file))
	if change != nil {
		change(file)
	}
	content, err = json.Marshal(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, content, 0o600))
}

// Every character up to Unicode 15 is cleaned, folded and classed as by Hugging Face's tokenizers.
// STEPPE_TEXT=all takes all of them.
func TestCharacters(t *testing.T) {
	var runes []rune
	for r := rune(0); r <= unicode.MaxRune; r++ {
		known := unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.P, unicode.S, unicode.Z, unicode.Cc, unicode.Cf, unicode.Co)
		if r == 0x11938 {
			continue // whose decomposition came with Unicode 13, after that library
		}
		if known && (all() || r < 0x3400 || r%101 == 0 || inTables(r)) {
			runes = append(runes, r)
		}
	}
	options := []bertOptions{
		{true, true, true, true}, {Clean: true}, {Separate: true}, {Strip: true}, {Lower: true},
	}
	for part := range slices.Chunk(runes, 1<<14) {
		var b strings.Builder
		for _, r := range part {
			b.WriteString("1" + string(r) + "1a" + string(r) + "a.")
		}
		text := b.String()
		want := ask(t, request{Do: "pieces", Texts: []string{text}, Options: options})[0]
		for i, o := range options {
			n := newBertNormalizer(o.Clean, o.Separate, o.Strip, o.Lower)
			got := string(n.apply(nil, []byte(text), new(scratch)))
			sameParts(t, strings.Split(want.Normalized[i], "."), strings.Split(got, "."))
		}
		var bert, level []string
		for rest := []byte(text); len(rest) > 0; {
			n, chars := bertWord(rest)
			if chars > 0 {
				bert = append(bert, string(rest[:n]))
			}
			rest = rest[n:]
		}
		for rest := []byte(text); len(rest) > 0; {
			n := nextWord(rest)
			level = append(level, fromBytes(string(rest[:n])))
			rest = rest[n:]
		}
		sameParts(t, want.BERT, bert)
		sameParts(t, want.Bytes, level)
	}
}

// inTables reports whether a character is in the tables of exceptions.
func inTables(r rune) bool { return unicode.In(r, otherControls, otherMarks, otherPunctuation) }

// sameParts compares lists, and shows the first difference only.
func sameParts(t *testing.T, want, got []string) {
	t.Helper()
	for i := range min(len(want), len(got)) {
		if want[i] != got[i] {
			assert.Equal(t, want[i], got[i], "part %d, after %q", i, got[max(0, i-2):i])
			return
		}
	}
	assert.Len(t, got, len(want))
}

// strangeTexts returns texts made of pieces that are treated in ways of their own, the same ones
// each time.
func strangeTexts(n int) []string {
	pieces := []string{
		"the", "The", "THE", "cat", " ", "  ", "\t", "\n", "\r\n", "\v", "\u00a0", "\u2028", "\u3000", "\x00", "\u007f",
		"\u0085", "\u200b", "\ufeff", "\ufffd", "'s", "'ll", "'LL", "n't", "'", "don't", " ' ", ".", "..", "!?", "$1,234.56",
		"42", "½", "²", "Ⅷ", "é", "e\u0301", "E\u0323\u0301", "\u0301", "Å", "ﬁ", "İ", "ı", "ẞ", "Σ", "ς", "Ⱥ", "ǆ",
		"中", "中文", "日本語", "한국어", "각", "\U00020000", "\U0002b900", "豈", "😀", "👩‍👩‍👧‍👦", "🇩🇪", "❤️", "नमस्ते", "مرحبا", "ไทย", "\U0001d165\U0001d16d",
		"[MASK]", "[UNK]", "[mask]", "<|end|>", "<|end", "<x>", "<y>", "the cat", "##ing", "##", "_", "a_b", "x^2", "`", "|", "\\",
		"ab", "ba", "a", "b", "Q", "\ue000", "\U0010ffff", strings.Repeat("a", 101), strings.Repeat("é", 100), strings.Repeat("ab", 40),
	}
	texts := append([]string{""}, pieces...)
	r := rand.New(rand.NewPCG(1, 2))
	for range n {
		var b strings.Builder
		for range 1 + r.IntN(8) {
			b.WriteString(pieces[r.IntN(len(pieces))])
		}
		texts = append(texts, b.String())
	}
	return texts
}

// smallCorpus has words for small vocabularies.
func smallCorpus() []string {
	return []string{
		"The cat sat on the mat. The cat can't sit on the other mat; the cat's mat isn't there.",
		"Don't you think the thing is singing? I'd think they'll be singing, and we've been thinking.",
		"Sentences of 12 or 123 words, 中文 and é, naïve café, 😀😀 and ababab baba abab.",
		"the other cats sat there, and there, and there the cats sat: abababab", "aaaa aaaa aaaaaaaa bbb bb",
	}
}

func smallBPE(t testing.TB) *BPE {
	t.Helper()
	tok, err := TrainBPE(slices.Values(smallCorpus()), 400, nil)
	require.NoError(t, err)
	return tok
}

func smallWordPiece(t testing.TB) *WordPiece {
	t.Helper()
	tok, err := TrainWordPiece(slices.Values(smallCorpus()), 150, WordPieceOptions{})
	require.NoError(t, err)
	return tok
}
