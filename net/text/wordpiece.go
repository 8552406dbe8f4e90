package text

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// WordPiece is the tokenizer of BERT: text is cleaned and cut into words and punctuation, and a
// word into the longest pieces that the vocabulary has, from left to right. Pieces that continue a
// word begin with ## in the vocabulary. A word that can't be made of pieces, or is longer than 100
// characters, becomes the unknown token.
//
// It follows BasicTokenizer and WordpieceTokenizer of Google's BERT (arXiv 1810.04805) as Hugging
// Face has them.
type WordPiece struct {
	common
	unknown int32
	prefix  string // of pieces that continue a word
	longest int    // characters of a word
	cleanup bool   // Decode leaves out spaces before punctuation
	pieces  *trie  // two roots: beginOfWord, restOfWord
	opening []string
	further []string // what tokens are in a decoded text: the first, and those behind it
}

// The roots of WordPiece.pieces.
const (
	beginOfWord = 1
	restOfWord  = 2
)

// WordPieceOptions says how text is read.
type WordPieceOptions struct {
	// Cased keeps capital letters and accents. The zero value drops both, as BERT's uncased
	// models do.
	Cased bool
}

// NewWordPiece returns a tokenizer of BERT's with the tokens of ids 0, 1, 2 and so on. [UNK] must
// be among them; those of [PAD], [CLS], [SEP] and [MASK] that are serve as special tokens.
func NewWordPiece(tokens []string, options WordPieceOptions) (*WordPiece, error) {
	v, err := newVocabulary(tokens)
	if err != nil {
		return nil, err
	}
	fold := !options.Cased
	n := normalizer{newBertNormalizer(true, true, fold, fold)}
	t := bracket(v.first([]string{"[CLS]"}), v.first([]string{"[SEP]"}))
	return newWordPiece(v, specialTokens(v, bertSpecial), n, t, wordPieceModel{
		Unknown: "[UNK]", Prefix: "##", Longest: 100,
	}, true)
}

// newWordPiece makes a tokenizer of its parts.
func newWordPiece(v vocabulary, added []addedToken, n normalizer, t template, m wordPieceModel, cleanup bool) (*WordPiece, error) {
	unknown, ok := v.ids[m.Unknown]
	if !ok {
		return nil, fmt.Errorf("the vocabulary of %d tokens has no %s, which stands for unknown words", len(v.ids), m.Unknown)
	}
	if m.Longest < 1 {
		return nil, fmt.Errorf("words have at most %d characters, want at least 1", m.Longest)
	}
	w := &WordPiece{unknown: unknown, prefix: m.Prefix, longest: m.Longest, cleanup: cleanup, pieces: newTrie(2)}
	for i, token := range v.tokens {
		id, ok := v.ids[token]
		if !ok || int(id) != i {
			continue // no token, or one that is there again
		}
		err := w.pieces.insert(beginOfWord, token, id)
		if rest, ok := strings.CutPrefix(token, m.Prefix); ok && rest != "" {
			err = errors.Join(err, w.pieces.insert(restOfWord, rest, id))
		}
		if err != nil {
			return nil, err
		}
	}
	var err error
	if w.common, err = newCommon(v, added, n, m.Unknown, t); err != nil {
		return nil, err
	}
	w.prepareDecode()
	return w, nil
}

// Encode implements [Tokenizer].
func (w *WordPiece) Encode(dst []int32, s string) []int32 {
	sc := newScratch(s)
	defer sc.release()
	if !utf8.Valid(sc.raw) {
		sc.raw = sc.raw[:0]
		for _, r := range s { // U+FFFD for each byte that isn't UTF-8
			sc.raw = utf8.AppendRune(sc.raw, r)
		}
	}
	return w.encode(dst, w, sc)
}

// segment cuts normalized text into words.
func (w *WordPiece) segment(dst []int32, text []byte, _ *scratch) []int32 {
	for len(text) > 0 {
		n, chars := bertWord(text)
		if chars > 0 {
			dst = w.word(dst, text[:n], chars)
		}
		text = text[n:]
	}
	return dst
}

// bertWord returns the length of the word or the punctuation mark that text begins with, and its
// number of characters; 0 characters if it begins with white space. text isn't empty.
func bertWord(text []byte) (n, chars int) {
	for n < len(text) {
		kind, length := bertClasses[text[n]&(utf8.RuneSelf-1)], 1
		if text[n] >= utf8.RuneSelf {
			var r rune
			r, length = utf8.DecodeRune(text[n:])
			kind = bertClass(r)
		}
		switch {
		case kind == other:
			n, chars = n+length, chars+1
		case n > 0:
			return n, chars
		case kind == space:
			return length, 0
		default:
			return length, 1
		}
	}
	return n, chars
}

// word appends the pieces of a word.
func (w *WordPiece) word(dst []int32, word []byte, chars int) []int32 {
	if chars > w.longest {
		return append(dst, w.unknown)
	}
	before := len(dst)
	for root := uint32(beginOfWord); len(word) > 0; root = restOfWord {
		id, n := w.pieces.longest(root, word)
		if n == 0 {
			return append(dst[:before], w.unknown)
		}
		dst, word = append(dst, id), word[n:]
	}
	return dst
}

// Decode implements [Tokenizer]. Words are put behind one another with spaces between them, and
// without a space before punctuation; the case and the spaces of the original are lost.
func (w *WordPiece) Decode(ids []int32) string {
	for i, id := range ids {
		if id >= 0 && int(id) < len(w.tokens) && w.tokens[id] != "" {
			return w.opening[id] + decode(w.further, ids[i+1:])
		}
	}
	return ""
}

// prepareDecode makes the forms of all tokens in a decoded text.
func (w *WordPiece) prepareDecode() {
	w.opening, w.further = make([]string, len(w.tokens)), make([]string, len(w.tokens))
	for id, token := range w.tokens {
		if token == "" {
			continue
		}
		rest, ok := strings.CutPrefix(token, w.prefix)
		if !ok {
			rest = " " + token
		}
		if w.cleanup {
			token, rest = cleanUp(token), cleanUp(rest)
		}
		w.opening[id], w.further[id] = token, rest
	}
}

// cleanUp drops spaces that English doesn't write, one rule after the other.
func cleanUp(s string) string {
	if !strings.Contains(s, " ") {
		return s
	}
	for _, rule := range [][2]string{
		{" .", "."}, {" ?", "?"}, {" !", "!"}, {" ,", ","}, {" ' ", "'"}, {" n't", "n't"}, {" 'm", "'m"},
		{" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
	} {
		s = strings.ReplaceAll(s, rule[0], rule[1])
	}
	return s
}
