package text

import (
	"fmt"
	"slices"
	"strings"
)

// BPE is byte-level byte-pair encoding as GPT-2 and RoBERTa have it: text is cut into words with
// the space before them, a word into bytes, and pairs of neighbors are merged in the order in which
// they were learned (arXiv 1508.07909). Any bytes can be encoded, and decoding gives them back.
// [TrainBPE] makes one.
type BPE struct {
	common
	model   bpeModel
	split   byteLevel
	symbols [256]int32 // of single bytes; -1 for one that the vocabulary lacks
	unknown int32      // stands for such a byte; -1 if it is left out
	pairs   pairTable
	whole   map[string]int32 // words that are one token
	longest int              // bytes of a word in whole
	texts   []string         // of tokens, in bytes
}

// byteLevel says how text is cut into words.
type byteLevel struct {
	Prefix bool // a space goes before text that begins with none
	Words  bool // cut into words; otherwise all is one
}

// newBPE makes a tokenizer of its parts.
func newBPE(v vocabulary, added []addedToken, n normalizer, t template, m bpeModel, split byteLevel) (*BPE, error) {
	b := &BPE{model: m, split: split, unknown: -1, whole: map[string]int32{}}
	if m.Unknown != "" {
		id, ok := v.ids[m.Unknown]
		if !ok {
			return nil, fmt.Errorf("the vocabulary lacks the unknown token %q", m.Unknown)
		}
		b.unknown = id
	}
	for c := range b.symbols {
		b.symbols[c] = v.first([]string{string(byteChars[c])})
	}
	var err error
	if b.pairs, err = newPairTable(v, m.Merges); err != nil {
		return nil, err
	}
	words := slices.Clone(v.tokens) // before added tokens go in, which words never become
	if b.common, err = newCommon(v, added, n, m.Unknown, t); err != nil {
		return nil, err
	}
	b.prepareWords(words)
	b.texts = make([]string, len(b.tokens))
	for id, token := range b.tokens {
		b.texts[id], _ = toBytes(token)
	}
	return b, nil
}

// prepareWords finds the words that are one token, so that most words of a text take one look-up.
func (b *BPE) prepareWords(tokens []string) {
	s := new(scratch)
	var ids []int32
	for id, token := range tokens {
		word, ok := toBytes(token)
		if !ok || word == "" {
			continue
		}
		ids = b.merge(ids[:0], []byte(word), s)
		if b.model.WholeWords || len(ids) == 1 && ids[0] == int32(id) {
			b.whole[word] = int32(id)
			b.longest = max(b.longest, len(word))
		}
	}
}

// Encode implements [Tokenizer].
func (b *BPE) Encode(dst []int32, s string) []int32 {
	sc := newScratch(s)
	defer sc.release()
	return b.encode(dst, b, sc)
}

// segment cuts text into words.
func (b *BPE) segment(dst []int32, text []byte, s *scratch) []int32 {
	if b.split.Prefix && text[0] != ' ' {
		s.prefixed = append(append(s.prefixed[:0], ' '), text...)
		text = s.prefixed
	}
	if !b.split.Words {
		return b.word(dst, text, s)
	}
	for len(text) > 0 {
		n := nextWord(text)
		dst = b.word(dst, text[:n], s)
		text = text[n:]
	}
	return dst
}

// word appends the tokens of a word.
func (b *BPE) word(dst []int32, word []byte, s *scratch) []int32 {
	if len(word) <= b.longest {
		if id, ok := b.whole[string(word)]; ok {
			return append(dst, id)
		}
	}
	return b.merge(dst, word, s)
}

// merge appends the tokens of a word that is no token.
func (b *BPE) merge(dst []int32, word []byte, s *scratch) []int32 {
	ids := s.symbols[:0]
	wasUnknown := false
	for _, c := range word {
		id := b.symbols[c]
		if id >= 0 {
			ids = append(ids, id)
		} else if b.unknown >= 0 && !(wasUnknown && b.model.FuseUnknown) {
			ids = append(ids, b.unknown)
		}
		wasUnknown = id < 0
	}
	s.symbols = ids
	if len(ids) <= shortWord {
		return append(dst, b.pairs.mergeShort(ids)...)
	}
	return b.pairs.mergeLong(dst, ids, s)
}

// Decode implements [Tokenizer]. The text of ids that end within a character isn't valid UTF-8.
func (b *BPE) Decode(ids []int32) string { return decode(b.texts, ids) }

// splitMerge returns the two tokens of a merge as tokenizer.json writes it: with a space between
// them.
func splitMerge(s string) (pair [2]string, err error) {
	var ok bool
	if pair[0], pair[1], ok = strings.Cut(s, " "); !ok || strings.Contains(pair[1], " ") {
		return pair, fmt.Errorf("the merge %q isn't two tokens with a space between them", s)
	}
	return pair, nil
}
