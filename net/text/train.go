package text

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// leastPairs is how often a pair must occur to be merged: one that occurs once tells nothing.
const leastPairs = 2

// TrainBPE learns a vocabulary of byte-level BPE from texts: the special tokens first (nil stands
// for [DefaultSpecial], an empty slice for none), then the 256 bytes, then one token a merge. At
// each step the most frequent pair of neighbors is merged; of equally frequent ones that whose left
// token has the smallest id, and then the right. So the result depends on the texts alone, not on
// their order. When no pair occurs twice, the vocabulary stays smaller than asked for.
//
// The tokenizer's samples begin and end with the special tokens that are Begin and End.
func TrainBPE(texts iter.Seq[string], vocabulary int, special []string) (*BPE, error) {
	special = names(special)
	if least := 256 + len(special); vocabulary < least || vocabulary > mostTokens {
		return nil, fmt.Errorf("a BPE vocabulary of %d tokens: want %d (256 bytes and %d special tokens) to %d",
			vocabulary, least, len(special), mostTokens)
	}
	alphabet := slices.Sorted(maps.Keys(charBytes))
	l := newLearner("")
	for _, name := range special {
		if err := checkSpecial(name, l.tokens); err != nil {
			return nil, err
		}
		l.token(name)
	}
	for _, r := range alphabet {
		if err := checkSpecial(string(r), l.tokens); err != nil {
			return nil, err
		}
		l.token(string(r))
	}
	var symbols [256]int32
	for c, r := range byteChars {
		symbols[c] = l.ids[string(r)]
	}
	for word, count := range countWords(texts, nil, func(b []byte) (int, int) { return nextWord(b), 1 }) {
		l.begin(count)
		for i := range len(word) {
			l.add(symbols[word[i]])
		}
	}
	l.learn(vocabulary)
	v, err := newVocabulary(l.tokens)
	if err != nil {
		return nil, err
	}
	return newBPE(v, specialTokens(v, special), nil, bracket(v.first(beginNames), v.first(endNames)),
		bpeModel{Merges: l.merges}, byteLevel{Words: true})
}

// mostCharacters bounds the alphabet of WordPiece. The rarest characters beyond are left out.
const mostCharacters = 1000

// TrainWordPiece learns a vocabulary for [WordPiece] from texts, as BERT's were made: with merges
// as [TrainBPE], of characters. It has [PAD], [UNK], [CLS], [SEP] and [MASK] as ids 0 to 4, then
// the characters of the texts (the 1000 most frequent), then those within words, with ## before
// them, then one token a merge.
func TrainWordPiece(texts iter.Seq[string], vocabulary int, options WordPieceOptions) (*WordPiece, error) {
	if vocabulary < len(bertSpecial) || vocabulary > mostTokens {
		return nil, fmt.Errorf("a WordPiece vocabulary of %d tokens: want %d special tokens, characters and pieces, at most %d",
			vocabulary, len(bertSpecial), mostTokens)
	}
	blank, err := NewWordPiece(bertSpecial, options)
	if err != nil {
		return nil, err
	}
	words := countWords(texts, blank.normalizer, bertWord)
	within := map[rune]bool{}
	l := newLearner(blank.prefix)
	for _, name := range bertSpecial {
		l.token(name)
	}
	kept := frequentCharacters(words)
	for word := range words {
		for i, r := range word {
			within[r] = within[r] || i > 0 && kept[r]
		}
	}
	for _, r := range slices.Sorted(maps.Keys(kept)) {
		l.token(string(r))
	}
	for _, r := range slices.Sorted(maps.Keys(within)) {
		if within[r] {
			l.token(blank.prefix + string(r))
		}
	}
	if len(l.tokens) > vocabulary {
		return nil, fmt.Errorf("a WordPiece vocabulary of %d tokens: the texts have %d characters, which take %d with the special tokens",
			vocabulary, len(kept), len(l.tokens))
	}
	for word, count := range words {
		if utf8.RuneCountInString(word) > blank.longest || strings.ContainsFunc(word, func(r rune) bool { return !kept[r] }) {
			continue // it is the unknown token whatever is learned
		}
		l.begin(count)
		for i, r := range word {
			if i == 0 {
				l.add(l.ids[string(r)])
			} else {
				l.add(l.ids[blank.prefix+string(r)])
			}
		}
	}
	l.learn(vocabulary)
	return NewWordPiece(l.tokens, options)
}

// frequentCharacters returns the characters that words are made of, the most frequent first if
// there are too many, and of equally frequent ones those of small code points.
func frequentCharacters(words map[string]int) map[rune]bool {
	counts := map[rune]int{}
	for word, count := range words {
		for _, r := range word {
			counts[r] += count
		}
	}
	all := slices.SortedFunc(maps.Keys(counts), func(a, b rune) int {
		if counts[a] != counts[b] {
			return counts[b] - counts[a]
		}
		return int(a - b)
	})
	kept := map[rune]bool{}
	for _, r := range all[:min(len(all), mostCharacters)] {
		kept[r] = true
	}
	return kept
}

// countWords counts the words of normalized texts. next returns the length of what comes first in a
// text, and how many characters of a word that is; 0 if it is white space.
func countWords(texts iter.Seq[string], n normalizer, next func([]byte) (length, chars int)) map[string]int {
	place := map[string]int{}
	var counts []int
	s := new(scratch)
	for text := range texts {
		s.raw = append(s.raw[:0], text...)
		for rest := n.apply(s.raw, s); len(rest) > 0; {
			length, chars := next(rest)
			if i, ok := place[string(rest[:length])]; ok {
				counts[i]++
			} else if chars > 0 {
				place[string(rest[:length])] = len(counts)
				counts = append(counts, 1)
			}
			rest = rest[length:]
		}
	}
	words := make(map[string]int, len(place))
	for word, i := range place {
		words[word] = counts[i]
	}
	return words
}
