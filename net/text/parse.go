package text

import (
	"encoding/json"
	"fmt"

	"golang.org/x/text/unicode/norm"
)

// tokenizer makes a tokenizer of a file that was read.
func (f *file) tokenizer() (Tokenizer, error) {
	var n normalizer
	steps, err := parts(f.Normalizer, "normalizer", "normalizers")
	for _, step := range steps {
		if n, err = n.parse(step); err != nil {
			return nil, fmt.Errorf("normalizer: %w", err)
		}
	}
	if err != nil {
		return nil, err
	}
	model, _ := f.Model.(json.RawMessage)
	kind, err := modelType(model)
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	if kind == "WordPiece" {
		return f.wordPiece(n, model)
	}
	return f.bpe(n, model)
}

// modelType returns WordPiece or BPE. Old files don't say it.
func modelType(model json.RawMessage) (string, error) {
	var m struct {
		Type    string           `json:"type"`
		Merges  *json.RawMessage `json:"merges"`
		Longest *json.RawMessage `json:"max_input_chars_per_word"`
	}
	if len(model) == 0 {
		return "", fmt.Errorf("there is none, want WordPiece or BPE")
	}
	if err := json.Unmarshal(model, &m); err != nil {
		return "", plainError(err)
	}
	switch {
	case m.Type == "WordPiece", m.Type == "" && m.Longest != nil:
		return "WordPiece", nil
	case m.Type == "BPE", m.Type == "" && m.Merges != nil:
		return "BPE", nil
	}
	return "", unsupported(m.Type, "WordPiece or BPE")
}

// wordPiece makes a WordPiece.
func (f *file) wordPiece(n normalizer, model json.RawMessage) (Tokenizer, error) {
	var ids map[string]int32
	m := wordPieceFile{Unknown: "[UNK]", Prefix: "##", Longest: 100, Vocab: &ids}
	if err := strict(model, &m); err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	v, err := vocabularyOf(ids)
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	pre, err := part1(f.PreTokenizer, "pre_tokenizer", "pretokenizers", "BertPreTokenizer")
	if err != nil {
		return nil, err
	}
	if err := strict(pre, &typed{}); err != nil {
		return nil, fmt.Errorf("pre_tokenizer: %w", err)
	}
	decoder := wordPieceDecoder{Prefix: m.Prefix, Cleanup: true}
	if !missing(f.Decoder) {
		raw, err := part1(f.Decoder, "decoder", "decoders", "WordPiece")
		if err != nil {
			return nil, err
		}
		if err := strict(raw, &decoder); err != nil {
			return nil, fmt.Errorf("decoder: %w", err)
		}
	}
	if decoder.Prefix != m.Prefix {
		return nil, fmt.Errorf("decoder: prefix is %q, but the model's continuing_subword_prefix %q", decoder.Prefix, m.Prefix)
	}
	t, err := f.template(v)
	if err != nil {
		return nil, err
	}
	return orError(newWordPiece(v, f.AddedTokens, n, t, wordPieceModel{m.Unknown, m.Prefix, m.Longest}, decoder.Cleanup))
}

// bpe makes a BPE, or a Bytes of what Bytes wrote.
func (f *file) bpe(n normalizer, model json.RawMessage) (Tokenizer, error) {
	var ids map[string]int32
	var merges []json.RawMessage
	read := bpeFile{Vocab: &ids, Merges: &merges}
	if err := strict(model, &read); err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	m, err := read.model(merges)
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	v, err := vocabularyOf(ids)
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	pre, err := part1(f.PreTokenizer, "pre_tokenizer", "pretokenizers", "ByteLevel")
	if err != nil {
		return nil, err
	}
	level := byteLevelFile{UseRegex: true}
	if err := strict(pre, &level); err != nil {
		return nil, fmt.Errorf("pre_tokenizer: %w", err)
	}
	if !missing(f.Decoder) {
		raw, err := part1(f.Decoder, "decoder", "decoders", "ByteLevel")
		if err != nil {
			return nil, err
		}
		if err := strict(raw, &byteLevelFile{}); err != nil {
			return nil, fmt.Errorf("decoder: %w", err)
		}
	}
	t, err := f.template(v)
	if err != nil {
		return nil, err
	}
	plain := !level.AddPrefixSpace && !level.UseRegex && len(n) == 0 && len(m.Merges) == 0 && m.Unknown == "" && !m.WholeWords
	if plain && isBytes(v) && !f.words(v) {
		return orError(newBytes(v, f.AddedTokens, t))
	}
	return orError(newBPE(v, f.AddedTokens, n, t, m, byteLevel{level.AddPrefixSpace, level.UseRegex}))
}

// words reports whether the vocabulary has tokens that are neither bytes nor added tokens.
func (f *file) words(v vocabulary) bool {
	added := map[string]bool{}
	for _, t := range f.AddedTokens {
		added[t.Content] = true
	}
	for _, token := range v.tokens[256:] {
		if !added[token] {
			return true
		}
	}
	return false
}

// model returns what the file says of the model, if it is what we have.
func (b *bpeFile) model(merges []json.RawMessage) (bpeModel, error) {
	m := bpeModel{FuseUnknown: b.FuseUnknown, WholeWords: b.IgnoreMerges}
	switch {
	case b.Dropout != nil && *b.Dropout != 0:
		return m, fmt.Errorf("dropout is %v, want none", *b.Dropout)
	case b.Prefix != nil && *b.Prefix != "":
		return m, fmt.Errorf("continuing_subword_prefix is %q, want none", *b.Prefix)
	case b.Suffix != nil && *b.Suffix != "":
		return m, fmt.Errorf("end_of_word_suffix is %q, want none", *b.Suffix)
	case b.ByteFallback:
		return m, fmt.Errorf("byte_fallback is true, want false")
	case b.Unknown != nil:
		m.Unknown = *b.Unknown
	}
	for i, raw := range merges {
		var pair [2]string
		var one string
		var two []string
		var err error
		if json.Unmarshal(raw, &one) == nil {
			pair, err = splitMerge(one)
		} else if json.Unmarshal(raw, &two) == nil && len(two) == 2 {
			pair = [2]string(two)
		} else {
			err = fmt.Errorf("%.40s isn't two tokens", raw)
		}
		if err != nil {
			return m, fmt.Errorf("merge %d: %w", i+1, err)
		}
		m.Merges = append(m.Merges, pair)
	}
	return m, nil
}

// parse appends the step that a part of a file describes.
func (n normalizer) parse(raw json.RawMessage) (normalizer, error) {
	kind, err := typeOf(raw)
	if err != nil {
		return nil, err
	}
	switch kind {
	case "BertNormalizer":
		b := bertNormalizerFile{CleanText: true, Chinese: true, Lowercase: true}
		if err := strict(raw, &b); err != nil {
			return nil, err
		}
		strip := b.Lowercase
		if b.StripAccents != nil {
			strip = *b.StripAccents
		}
		return append(n, newBertNormalizer(b.CleanText, b.Chinese, strip, b.Lowercase)), nil
	case "Lowercase":
		return append(n, lowercase{}), strict(raw, &typed{})
	}
	for _, form := range []norm.Form{norm.NFC, norm.NFD, norm.NFKC, norm.NFKD} {
		if kind == formNames[form] {
			return append(n, normalForm(form)), strict(raw, &typed{})
		}
	}
	return nil, unsupported(kind, "BertNormalizer, Lowercase, NFC, NFD, NFKC or NFKD")
}

// missing reports whether a part of a file is not there, or null.
func missing(v any) bool {
	raw, _ := v.(json.RawMessage)
	return len(raw) == 0 || string(raw) == "null"
}

// parts returns the elements of a part of a file that may be a Sequence of others, whose field is
// called inner; none for null.
func parts(v any, name, inner string) ([]json.RawMessage, error) {
	if missing(v) {
		return nil, nil
	}
	raw, _ := v.(json.RawMessage)
	kind, err := typeOf(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if kind != "Sequence" {
		return []json.RawMessage{raw}, nil
	}
	var fields map[string]json.RawMessage
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(fields) != 2 || json.Unmarshal(fields[inner], &list) != nil {
		return nil, fmt.Errorf("%s: a Sequence wants %s and nothing else", name, inner)
	}
	return list, nil
}

// part1 returns a part of a file of which there must be one, of the given type.
func part1(v any, name, inner, want string) (json.RawMessage, error) {
	list, err := parts(v, name, inner)
	if err != nil {
		return nil, err
	}
	for _, raw := range list {
		kind, err := typeOf(raw)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if kind != want {
			return nil, fmt.Errorf("%s: %w", name, unsupported(kind, want))
		}
	}
	if len(list) != 1 {
		return nil, fmt.Errorf("%s: there are %d, want one of type %s", name, len(list), want)
	}
	return list[0], nil
}

// typeOf returns the type of a part.
func typeOf(raw json.RawMessage) (string, error) {
	var t typed
	if err := json.Unmarshal(raw, &t); err != nil {
		return "", fmt.Errorf("%.40s has no type", raw)
	}
	return t.Type, nil
}

// unsupported is the error of a type that we lack.
func unsupported(kind, want string) error {
	return fmt.Errorf("the type %q is not supported, want %s", kind, want)
}

// orError returns a tokenizer of one type as a Tokenizer, or nil with the error.
func orError[T Tokenizer](tok T, err error) (Tokenizer, error) {
	if err != nil {
		return nil, err
	}
	return tok, nil
}
