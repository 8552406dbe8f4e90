package text

import (
	"fmt"
	"unicode"
	"unicode/utf8"
)

// addedToken is a token that is looked for in the text before it is cut into words, as Hugging
// Face's AddedToken is. Its fields are those of tokenizer.json.
type addedToken struct {
	ID         int32  `json:"id"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"` // only where no letter or digit is beside it
	LStrip     bool   `json:"lstrip"`      // takes white space before it
	RStrip     bool   `json:"rstrip"`      // takes white space behind it
	Normalized bool   `json:"normalized"`  // is compared with normalized text
	Special    bool   `json:"special"`
}

// matcher finds added tokens. The zero value finds none.
type matcher struct {
	tokens  []addedToken
	strings *trie     // the value is an index of tokens
	begins  [256]bool // the bytes that a token begins with
}

// match is an added token at text[start:stop], or none (id -1) up to the end of the text.
type match struct {
	start, stop int
	id          int32
}

// newMatcher makes a matcher of those of the added tokens that are compared with normalized text,
// or of the others.
func newMatcher(added []addedToken, normalized bool, n normalizer) (matcher, error) {
	var m matcher
	for _, t := range added {
		if t.Normalized != normalized {
			continue
		}
		content := t.Content
		if normalized {
			content = string(n.apply([]byte(content), new(scratch)))
		}
		if content == "" {
			return matcher{}, fmt.Errorf("nothing is left of the added token %q when it is normalized", t.Content)
		}
		if m.strings == nil {
			m.strings = newTrie(1)
		}
		if err := m.strings.insert(1, content, int32(len(m.tokens))); err != nil {
			return matcher{}, err
		}
		m.tokens = append(m.tokens, t)
		m.begins[content[0]] = true
	}
	return m, nil
}

// next returns the first added token at or behind text[at]; of those that begin at the same byte,
// the longest.
func (m *matcher) next(text []byte, at int) match {
	if m.strings == nil {
		return match{len(text), len(text), -1}
	}
	for i := at; i < len(text); i++ {
		if !m.begins[text[i]] {
			continue
		}
		which, length := m.strings.longest(1, text[i:])
		if length == 0 {
			continue
		}
		t := m.tokens[which]
		start, stop := i, i+length
		if t.SingleWord && (endsWithWord(text[:start]) || beginsWithWord(text[stop:])) {
			i = stop - 1
			continue
		}
		for t.LStrip && start > at {
			r, n := utf8.DecodeLastRune(text[at:start])
			if !unicode.IsSpace(r) {
				break
			}
			start -= n
		}
		for t.RStrip && stop < len(text) {
			r, n := utf8.DecodeRune(text[stop:])
			if !unicode.IsSpace(r) {
				break
			}
			stop += n
		}
		return match{start, stop, t.ID}
	}
	return match{len(text), len(text), -1}
}

func endsWithWord(text []byte) bool {
	r, n := utf8.DecodeLastRune(text)
	return n > 0 && isWord(r)
}

func beginsWithWord(text []byte) bool {
	r, n := utf8.DecodeRune(text)
	return n > 0 && isWord(r)
}

// isWord reports whether r is \w of a regular expression in Unicode.
func isWord(r rune) bool {
	return unicode.IsLetter(r) || unicode.In(r, unicode.M, unicode.Nd, unicode.Nl, unicode.Pc,
		unicode.Other_Alphabetic, unicode.Join_Control)
}
