package text

import "unicode/utf8"

// Byte-level tokenizers write each byte as one printable character, so that vocabularies are
// readable text: printable bytes of Latin-1 as themselves, the others as U+0100 and up, as GPT-2's
// encoder.py has it. A space is Ġ.
var byteChars, charBytes = func() (chars [256]rune, bytes map[rune]byte) {
	bytes = make(map[rune]byte, 256)
	next := rune(256)
	for b := range chars {
		r := rune(b)
		if !('!' <= r && r <= '~' || 0xa1 <= r && r <= 0xac || 0xae <= r) {
			r, next = next, next+1
		}
		chars[b], bytes[r] = r, byte(b)
	}
	return chars, bytes
}()

// toBytes returns the bytes that the characters of a token stand for; a token that has another
// character stands for itself.
func toBytes(token string) (text string, ok bool) {
	b := make([]byte, 0, len(token))
	for _, r := range token {
		c, ok := charBytes[r]
		if !ok {
			return token, false
		}
		b = append(b, c)
	}
	return string(b), true
}

// fromBytes returns the characters that stand for the bytes of text.
func fromBytes(text string) string {
	b := make([]byte, 0, 2*len(text))
	for i := range len(text) {
		b = utf8.AppendRune(b, byteChars[text[i]])
	}
	return string(b)
}

// nextWord returns the length of the first word of text, which isn't empty, by the expression of
// GPT-2:
//
//	's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
//
// A byte that isn't UTF-8 counts as neither space, letter nor number.
func nextWord(text []byte) int {
	if text[0] == '\'' {
		if n := contraction(text[1:]); n > 0 {
			return 1 + n
		}
	}
	kind, n := classAt(text, 0)
	at := n
	if text[0] == ' ' && len(text) > 1 {
		if kind, n = classAt(text, 1); kind != space {
			at += n
		}
	}
	if kind != space {
		for at < len(text) {
			next, n := classAt(text, at)
			if next != kind {
				break
			}
			at += n
		}
		return at
	}
	last := 0 // where the last of several spaces begins
	for at < len(text) {
		next, n := classAt(text, at)
		if next != space {
			break
		}
		last = at
		at += n
	}
	if at < len(text) && last > 0 {
		return last // it goes with the word behind it
	}
	return at
}

// classAt returns the class of the character at text[at], and its length.
func classAt(text []byte, at int) (class, int) {
	if c := text[at]; c < utf8.RuneSelf {
		return byteClasses[c], 1
	}
	r, n := utf8.DecodeRune(text[at:])
	return byteClass(r), n
}

// contraction returns the length of s, t, re, ve, m, ll or d at the beginning of text, 0 if there
// is none.
func contraction(text []byte) int {
	if len(text) == 0 {
		return 0
	}
	switch text[0] {
	case 's', 't', 'm', 'd':
		return 1
	}
	if len(text) < 2 {
		return 0
	}
	switch [2]byte(text[:2]) {
	case [2]byte{'r', 'e'}, [2]byte{'v', 'e'}, [2]byte{'l', 'l'}:
		return 2
	}
	return 0
}
