package text

import "fmt"

// Bytes is the tokenizer that needs no vocabulary: a byte's id is its value, and special tokens
// have the ids from 256.
type Bytes struct {
	common
	texts []string
}

// NewBytes returns a tokenizer with the special tokens of the given names; nil stands for
// [DefaultSpecial], an empty slice for none. [Special] has those of known names.
func NewBytes(special []string) (*Bytes, error) {
	special = names(special)
	tokens := make([]string, 256, 256+len(special))
	for c := range tokens {
		tokens[c] = string(byteChars[c])
	}
	v, added, err := withSpecial(tokens, special)
	if err != nil {
		return nil, err
	}
	return newBytes(v, added, bracket(v.first(beginNames), v.first(endNames)))
}

func newBytes(v vocabulary, added []addedToken, t template) (*Bytes, error) {
	c, err := newCommon(v, added, nil, "", t)
	if err != nil {
		return nil, err
	}
	b := &Bytes{common: c, texts: make([]string, len(c.tokens))}
	for id, token := range c.tokens {
		if b.texts[id] = token; id < 256 {
			b.texts[id] = string([]byte{byte(id)})
		}
	}
	return b, nil
}

// Encode implements [Tokenizer].
func (b *Bytes) Encode(dst []int32, s string) []int32 {
	sc := newScratch(s)
	defer sc.release()
	return b.encode(dst, b, sc)
}

func (b *Bytes) segment(dst []int32, text []byte, _ *scratch) []int32 {
	for _, c := range text {
		dst = append(dst, int32(c))
	}
	return dst
}

// Decode implements [Tokenizer].
func (b *Bytes) Decode(ids []int32) string { return decode(b.texts, ids) }

// isBytes reports whether a vocabulary begins with the 256 bytes.
func isBytes(v vocabulary) bool {
	if len(v.tokens) < 256 {
		return false
	}
	for c := range 256 {
		if v.tokens[c] != string(byteChars[c]) {
			return false
		}
	}
	return true
}

// withSpecial makes a vocabulary of tokens and special ones behind them.
func withSpecial(tokens, special []string) (vocabulary, []addedToken, error) {
	for _, name := range special {
		if err := checkSpecial(name, tokens); err != nil {
			return vocabulary{}, nil, err
		}
		tokens = append(tokens, name)
	}
	v, err := newVocabulary(tokens)
	return v, specialTokens(v, special), err
}

// checkSpecial looks for what a special token can't be called.
func checkSpecial(name string, tokens []string) error {
	if name == "" {
		return fmt.Errorf("a special token has no name")
	}
	for _, token := range tokens {
		if token == name {
			return fmt.Errorf("the special token %q is a token already", name)
		}
	}
	return nil
}
