package text

import (
	"unicode"
	"unicode/utf8"
)

// isControl reports whether BERT's cleaning drops a character beyond ASCII.
func isControl(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co) != unicode.Is(otherControls, r)
}

// isMark reports whether stripping accents drops a character of decomposed text.
func isMark(r rune) bool {
	return unicode.Is(unicode.Mn, r) != unicode.Is(otherMarks, r)
}

// isPunctuation reports whether a character beyond ASCII is a word by itself for BERT.
func isPunctuation(r rune) bool {
	return unicode.IsPunct(r) != unicode.Is(otherPunctuation, r)
}

// isChinese reports whether BERT puts spaces around a character. The gap from 2B820 to 2B91F is
// Hugging Face's; Google's code has none.
func isChinese(r rune) bool {
	switch {
	case r < 0x3400:
		return false
	case r <= 0x4dbf, 0x4e00 <= r && r <= 0x9fff, 0xf900 <= r && r <= 0xfaff:
		return true
	}
	return 0x20000 <= r && r <= 0x2a6df || 0x2a700 <= r && r <= 0x2b81f ||
		0x2b920 <= r && r <= 0x2ceaf || 0x2f800 <= r && r <= 0x2fa1f
}

// class is what a character is to a pre-tokenizer.
type class uint8

const (
	other class = iota
	letter
	number
	space
	punctuation
)

// The classes of ASCII, for byte-level BPE and for BERT.
var byteClasses, bertClasses = func() (level, bert [utf8.RuneSelf]class) {
	for c := range level {
		r := rune(c)
		level[c] = byteClass(r)
		switch {
		case unicode.IsSpace(r):
			bert[c] = space
		case '!' <= r && r <= '/', ':' <= r && r <= '@', '[' <= r && r <= '`', '{' <= r && r <= '~':
			bert[c] = punctuation
		}
	}
	return level, bert
}()

// byteClass returns what a character is to the pre-tokenizer of GPT-2.
func byteClass(r rune) class {
	switch {
	case unicode.IsLetter(r):
		return letter
	case unicode.IsNumber(r):
		return number
	case unicode.IsSpace(r):
		return space
	}
	return other
}

// bertClass returns what a character beyond ASCII is to the pre-tokenizer of BERT.
func bertClass(r rune) class {
	switch {
	case unicode.IsSpace(r):
		return space
	case isPunctuation(r):
		return punctuation
	}
	return other
}
