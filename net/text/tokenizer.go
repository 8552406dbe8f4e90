package text

import (
	"slices"
	"strings"
)

// Tokenizer turns text into token ids and back. Its methods may be called from many goroutines at
// once. [WordPiece], [BPE] and [Bytes] are tokenizers.
type Tokenizer interface {
	// Encode appends the ids of a text to dst, without special tokens around them, and returns the
	// longer slice. In steady state nothing is allocated but for dst.
	Encode(dst []int32, s string) []int32
	// Decode returns the text of some ids. Special tokens appear by their names, and ids that
	// the vocabulary doesn't have are left out.
	Decode(ids []int32) string
	// Vocabulary returns the number of ids: they are 0 to Vocabulary()-1.
	Vocabulary() int
	// Special returns the ids of the special tokens.
	Special() Special
}

// Special has the ids of special tokens by what they are for; -1 stands for a token that a
// tokenizer doesn't have.
type Special struct {
	Pad     int32 // fills samples up in other programs: [PAD], <pad>
	Unknown int32 // stands for words outside the vocabulary: [UNK], <unk>
	Begin   int32 // begins a sample: [CLS], <s>
	End     int32 // ends a text: [SEP], </s>
	Mask    int32 // stands for a token that is to be guessed: [MASK], <mask>
}

// Has reports whether an id is that of a special token.
func (s Special) Has(id int32) bool {
	return id >= 0 && (id == s.Pad || id == s.Unknown || id == s.Begin || id == s.End || id == s.Mask)
}

// Names by which published vocabularies, and ours, have their special tokens; earlier names win.
var (
	padNames     = []string{"[PAD]", "<pad>", "<|pad|>", "<|padding|>"}
	unknownNames = []string{"[UNK]", "<unk>", "<|unk|>"}
	beginNames   = []string{"[CLS]", "<s>", "<|begin|>", "<|startoftext|>", "<|begin_of_text|>", "<|endoftext|>"}
	endNames     = []string{"[SEP]", "</s>", "<|end|>", "<|endoftext|>", "<|end_of_text|>"}
	maskNames    = []string{"[MASK]", "<mask>", "<|mask|>"}
)

// DefaultSpecial returns the names of the special tokens that [TrainBPE] and [NewBytes] give a
// vocabulary unless told otherwise. They hardly occur in text, unlike <s>, which is a tag of HTML.
func DefaultSpecial() []string { return []string{"<|pad|>", "<|begin|>", "<|end|>", "<|mask|>"} }

// bertSpecial are the special tokens of BERT.
var bertSpecial = []string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}

// common is what all tokenizers have.
type common struct {
	tokens     []string         // by id; "" where an id has no token
	ids        map[string]int32 // of the tokens
	added      []addedToken     // tokens that are looked for in the text before all else
	outside    map[int32]bool   // those of them that the model doesn't know
	raw        matcher          // finds those that stand for themselves
	normalized matcher          // finds those that are compared with normalized text
	normalizer normalizer
	special    Special
	template   template // how the file puts special tokens around texts; zero if it doesn't
}

// Vocabulary implements [Tokenizer].
func (c *common) Vocabulary() int { return len(c.tokens) }

// Special implements [Tokenizer].
func (c *common) Special() Special { return c.special }

// newCommon makes the part that all tokenizers have, of tokens by id, those of them that are added
// tokens, and the template. unknown is the model's token for what it doesn't know, "" for none.
func newCommon(v vocabulary, added []addedToken, n normalizer, unknown string, t template) (common, error) {
	outside, err := v.add(added)
	if err != nil {
		return common{}, err
	}
	if len(added) == 0 {
		added = nil
	}
	if t.empty() {
		t = template{}
	}
	c := common{tokens: v.tokens, ids: v.ids, added: added, outside: outside, normalizer: n, template: t}
	if c.raw, err = newMatcher(added, false, nil); err != nil {
		return common{}, err
	}
	if c.normalized, err = newMatcher(added, true, n); err != nil {
		return common{}, err
	}
	c.special = Special{
		Pad:     v.first(padNames),
		Unknown: v.first(append([]string{unknown}, unknownNames...)),
		Begin:   v.first(beginNames),
		End:     v.first(endNames),
		Mask:    v.first(maskNames),
	}
	if begin := t.begin(); begin >= 0 {
		c.special.Begin = begin
	}
	if end := t.end(); end >= 0 {
		c.special.End = end
	}
	return c, nil
}

// specialTokens returns added tokens of the given names, which the vocabulary has.
func specialTokens(v vocabulary, names []string) []addedToken {
	var added []addedToken
	for _, name := range names {
		if id, ok := v.ids[name]; ok {
			added = append(added, addedToken{ID: id, Content: name, Special: true})
		}
	}
	return added
}

// segmenter is the part of a tokenizer that follows normalization: it appends the ids of a piece
// of text without added tokens.
type segmenter interface {
	segment(dst []int32, piece []byte, s *scratch) []int32
}

// encode appends the ids of the text in s.raw: added tokens are taken out, what is between them is
// normalized, and given to the model.
func (c *common) encode(dst []int32, model segmenter, s *scratch) []int32 {
	text := s.raw
	for at := 0; ; {
		m := c.raw.next(text, at)
		if m.start > at {
			dst = c.encodePiece(dst, text[at:m.start], model, s)
		}
		if m.id < 0 {
			return dst
		}
		dst, at = append(dst, m.id), m.stop
	}
}

// encodePiece appends the ids of a piece between two added tokens.
func (c *common) encodePiece(dst []int32, piece []byte, model segmenter, s *scratch) []int32 {
	piece = c.normalizer.apply(piece, s)
	for at := 0; ; {
		m := c.normalized.next(piece, at)
		if m.start > at {
			dst = model.segment(dst, piece[at:m.start], s)
		}
		if m.id < 0 {
			return dst
		}
		dst, at = append(dst, m.id), m.stop
	}
}

// decode returns the texts of some ids behind one another.
func decode(texts []string, ids []int32) string {
	var b strings.Builder
	n := 0
	for _, id := range ids {
		if id >= 0 && int(id) < len(texts) {
			n += len(texts[id])
		}
	}
	b.Grow(n)
	for _, id := range ids {
		if id >= 0 && int(id) < len(texts) {
			b.WriteString(texts[id])
		}
	}
	return b.String()
}

// names returns the names of special tokens, or the default ones for nil.
func names(special []string) []string {
	if special == nil {
		return DefaultSpecial()
	}
	return slices.Clone(special)
}
