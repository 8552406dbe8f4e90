package text

import (
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// normalizer is what is done to text before it is cut into words: steps, in order.
type normalizer []step

// step is one step of a normalizer. It appends the normalized text to dst.
type step interface {
	apply(dst, text []byte, s *scratch) []byte
	file() any // for tokenizer.json
}

// apply returns the normalized text, which is text itself if there are no steps, or in s.
func (n normalizer) apply(text []byte, s *scratch) []byte {
	for _, step := range n {
		s.text, s.other = step.apply(s.other[:0], text, s), s.text
		text = s.text
	}
	return text
}

// normalForm is one of Unicode's normal forms.
type normalForm norm.Form

func (f normalForm) apply(dst, text []byte, s *scratch) []byte {
	n := norm.Form(f).QuickSpan(text)
	dst, text = append(dst, text[:n]...), text[n:]
	if len(text) > 0 {
		for s.form.Init(norm.Form(f), text); !s.form.Done(); {
			dst = append(dst, s.form.Next()...)
		}
	}
	return dst
}

// lowercase turns letters into small ones, each by itself.
type lowercase struct{}

func (lowercase) apply(dst, text []byte, _ *scratch) []byte {
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		if r == utf8.RuneError && n == 1 {
			dst = append(dst, text[0]) // no UTF-8, which stays
		} else {
			dst = appendLower(dst, r)
		}
		text = text[n:]
	}
	return dst
}

// appendLower appends the small letter of r.
func appendLower(dst []byte, r rune) []byte {
	if r == 'İ' { // the one letter whose small form is two characters
		return append(dst, "i̇"...)
	}
	return utf8.AppendRune(dst, unicode.ToLower(r))
}

// bertNormalizer is that of BERT: BasicTokenizer of Google's tokenization.py, as Hugging Face has
// it.
type bertNormalizer struct {
	clean        bool // drops control characters and U+FFFD; white space becomes a space
	separate     bool // puts spaces around Chinese characters
	stripAccents bool
	lowercase    bool

	ascii [utf8.RuneSelf]uint8 // what becomes of ASCII; dropped below
}

// dropped stands in bertNormalizer.ascii for nothing.
const dropped = 0xff

func newBertNormalizer(clean, separate, stripAccents, lowercase bool) *bertNormalizer {
	b := &bertNormalizer{clean: clean, separate: separate, stripAccents: stripAccents, lowercase: lowercase}
	for c := range b.ascii {
		r := rune(c)
		switch {
		case clean && (r == '\t' || r == '\n' || r == '\r'):
			r = ' '
		case clean && unicode.IsControl(r):
			r = dropped
		case lowercase:
			r = unicode.ToLower(r)
		}
		b.ascii[c] = uint8(r)
	}
	return b
}

func (b *bertNormalizer) apply(dst, text []byte, s *scratch) []byte {
	begin, ascii := len(dst), true
	for i := 0; i < len(text); {
		if c := text[i]; c < utf8.RuneSelf {
			if c = b.ascii[c]; c != dropped {
				dst = append(dst, c)
			}
			i++
			continue
		}
		r, n := utf8.DecodeRune(text[i:])
		i += n
		switch {
		case b.clean && (r == utf8.RuneError || isControl(r)):
		case b.clean && unicode.IsSpace(r):
			dst = append(dst, ' ')
		case b.separate && isChinese(r):
			dst = append(utf8.AppendRune(append(dst, ' '), r), ' ')
			ascii = false
		default:
			dst = utf8.AppendRune(dst, r)
			ascii = false
		}
	}
	if ascii || !b.stripAccents && !b.lowercase {
		return dst
	}
	// Accents go in a second sweep, since what was dropped may have stood before one.
	s.clean = append(s.clean[:0], dst[begin:]...)
	return b.fold(dst[:begin], s.clean, s)
}

// fold appends cleaned text without accents and in small letters, as the settings say.
func (b *bertNormalizer) fold(dst, text []byte, s *scratch) []byte {
	if !b.stripAccents {
		return lowercase{}.apply(dst, text, s)
	}
	for at := 0; at < len(text); {
		if c := text[at]; c < utf8.RuneSelf {
			dst = append(dst, c) // in its final form since the first sweep
			at++
			continue
		}
		run := at
		for at < len(text) && text[at] >= utf8.RuneSelf {
			at++
		}
		for s.form.Init(norm.NFD, text[run:at]); !s.form.Done(); {
			dst = b.foldDecomposed(dst, s.form.Next())
		}
	}
	return dst
}

// foldDecomposed does the same for decomposed characters.
func (b *bertNormalizer) foldDecomposed(dst, text []byte) []byte {
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		text = text[n:]
		switch {
		case isMark(r):
		case b.lowercase:
			dst = appendLower(dst, r)
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return dst
}
