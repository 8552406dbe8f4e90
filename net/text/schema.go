package text

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// file is the content of a tokenizer.json. Parts whose shape depends on their type are
// json.RawMessage when they are read.
type file struct {
	Version       string          `json:"version"`
	Truncation    json.RawMessage `json:"truncation"`
	Padding       json.RawMessage `json:"padding"`
	AddedTokens   []addedToken    `json:"added_tokens"`
	Normalizer    any             `json:"normalizer"`
	PreTokenizer  any             `json:"pre_tokenizer"`
	PostProcessor any             `json:"post_processor"`
	Decoder       any             `json:"decoder"`
	Model         any             `json:"model"`
}

// UnmarshalJSON reads the file, with the parts left as they are.
func (f *file) UnmarshalJSON(content []byte) error {
	type plain file
	var normalizer, pre, post, decoder, model json.RawMessage
	p := plain{Normalizer: &normalizer, PreTokenizer: &pre, PostProcessor: &post, Decoder: &decoder, Model: &model}
	if err := strict(content, &p); err != nil {
		return err
	}
	*f = file(p)
	f.Normalizer, f.PreTokenizer, f.PostProcessor, f.Decoder, f.Model = normalizer, pre, post, decoder, model
	return nil
}

// typed is a part of a file of which only the type matters.
type typed struct {
	Type string `json:"type"`
}

// The models.
type (
	wordPieceModel struct {
		Unknown, Prefix string
		Longest         int
	}
	wordPieceFile struct {
		Type    string `json:"type"`
		Unknown string `json:"unk_token"`
		Prefix  string `json:"continuing_subword_prefix"`
		Longest int    `json:"max_input_chars_per_word"`
		Vocab   any    `json:"vocab"`
	}
	bpeModel struct {
		Unknown     string
		FuseUnknown bool
		WholeWords  bool // a word that is a token isn't made by merges
		Merges      [][2]string
	}
	bpeFile struct {
		Type         string   `json:"type"`
		Dropout      *float64 `json:"dropout"`
		Unknown      *string  `json:"unk_token"`
		Prefix       *string  `json:"continuing_subword_prefix"`
		Suffix       *string  `json:"end_of_word_suffix"`
		FuseUnknown  bool     `json:"fuse_unk"`
		ByteFallback bool     `json:"byte_fallback"`
		IgnoreMerges bool     `json:"ignore_merges"`
		Vocab        any      `json:"vocab"`
		Merges       any      `json:"merges"`
	}
)

// The other parts.
type (
	bertNormalizerFile struct {
		Type         string `json:"type"`
		CleanText    bool   `json:"clean_text"`
		Chinese      bool   `json:"handle_chinese_chars"`
		StripAccents *bool  `json:"strip_accents"` // as Lowercase if it isn't given
		Lowercase    bool   `json:"lowercase"`
	}
	byteLevelFile struct {
		Type           string `json:"type"`
		AddPrefixSpace bool   `json:"add_prefix_space"`
		TrimOffsets    bool   `json:"trim_offsets"` // of offsets, which we don't have
		UseRegex       bool   `json:"use_regex"`
	}
	wordPieceDecoder struct {
		Type    string `json:"type"`
		Prefix  string `json:"prefix"`
		Cleanup bool   `json:"cleanup"`
	}
)

// strict reads a JSON value, and nothing that v has no field for.
func strict(content []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(content))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if err == nil {
		if _, more := d.Token(); more != io.EOF {
			err = errors.New("something follows its end")
		}
	}
	return plainError(err)
}

// plainError returns an error of the JSON decoder in the words of the file.
func plainError(err error) error {
	var wrong *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.EOF):
		return errors.New("it is empty")
	case errors.As(err, &wrong):
		kinds := map[reflect.Kind]string{
			reflect.String: "a string", reflect.Bool: "true or false", reflect.Slice: "an array", reflect.Array: "an array",
			reflect.Map: "an object", reflect.Struct: "an object", reflect.Int: "a whole number", reflect.Int32: "a whole number",
			reflect.Float64: "a number",
		}
		field := wrong.Field
		if field == "" {
			field = "it"
		}
		article := "a"
		if strings.HasPrefix(wrong.Value, "array") || strings.HasPrefix(wrong.Value, "object") {
			article = "an"
		}
		return fmt.Errorf("%s is %s %s, want %s", field, article, wrong.Value, kinds[wrong.Type.Kind()])
	}
	return errors.New(strings.TrimPrefix(err.Error(), "json: "))
}

// marshal writes a value without escaping <, > and &, which tokens are full of.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSpace(b.Bytes()), err
}

// orderedVocab writes the tokens that a model has as an object, in the order of their ids.
type orderedVocab struct{ c common }

// MarshalJSON writes the object.
func (o orderedVocab) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	first := true
	for id, token := range o.c.tokens {
		if now, ok := o.c.ids[token]; !ok || int(now) != id || o.c.outside[now] {
			continue // no token, a repeated one, or an added one
		}
		if !first {
			b.WriteByte(',')
		}
		first = false
		name, err := marshal(token)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "%s:%d", name, id)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// file returns the parts of a file that all tokenizers have.
func (c *common) file() file {
	f := file{Version: "1.0", AddedTokens: slices.Clone(c.added)}
	if f.AddedTokens == nil {
		f.AddedTokens = []addedToken{}
	}
	// Hugging Face's library gives ids to added tokens in the order in which it reads them.
	slices.SortFunc(f.AddedTokens, func(a, b addedToken) int { return cmp.Compare(a.ID, b.ID) })
	switch steps := c.normalizer.file(); len(steps) {
	case 0:
	case 1:
		f.Normalizer = steps[0]
	default:
		f.Normalizer = map[string]any{"type": "Sequence", "normalizers": steps}
	}
	if !c.template.empty() {
		f.PostProcessor = c.template.file(c.tokens)
	}
	return f
}

// marshalByteLevel writes a byte-level tokenizer.
func marshalByteLevel(c *common, m bpeModel, split byteLevel) ([]byte, error) {
	f := c.file()
	level := byteLevelFile{"ByteLevel", split.Prefix, true, split.Words}
	f.PreTokenizer, f.Decoder = level, level
	merges := make([]string, len(m.Merges))
	for i, pair := range m.Merges {
		merges[i] = pair[0] + " " + pair[1]
	}
	model := bpeFile{
		Type: "BPE", FuseUnknown: m.FuseUnknown, IgnoreMerges: m.WholeWords, Vocab: orderedVocab{*c}, Merges: merges,
	}
	if m.Unknown != "" {
		model.Unknown = &m.Unknown
	}
	f.Model = model
	return marshal(f)
}

// file returns the steps as they are in a file.
func (n normalizer) file() []any {
	steps := make([]any, len(n))
	for i, step := range n {
		steps[i] = step.file()
	}
	return steps
}

func (f normalForm) file() any { return typed{formNames[norm.Form(f)]} }

func (lowercase) file() any { return typed{"Lowercase"} }

func (b *bertNormalizer) file() any {
	return bertNormalizerFile{"BertNormalizer", b.clean, b.separate, &b.stripAccents, b.lowercase}
}

// formNames are the names of Unicode's normal forms.
var formNames = map[norm.Form]string{norm.NFC: "NFC", norm.NFD: "NFD", norm.NFKC: "NFKC", norm.NFKD: "NFKD"}
