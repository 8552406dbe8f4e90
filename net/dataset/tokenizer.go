package dataset

import (
	"cmp"
	"fmt"
	"iter"
	"slices"

	"github.com/steppe-ml/steppe/net/text"
)

// bytesPerToken bounds a vocabulary that nobody gave a size: it gets one token for so many bytes of
// the training part, which is some 20 words.
const (
	bytesPerToken   = 120
	smallVocabulary = 512 // it gets at least so many
)

// tokenizer returns the tokenizer of the options: from its file, or trained on the texts of the
// training part.
func (o Options) tokenizer(training ...[]string) (text.Tokenizer, error) {
	if o.Tokenizer != "" || o.TokenizerJSON != nil {
		return o.openTokenizer()
	}
	if o.TokenizerKind == TokenizerBytes {
		return text.NewBytes(nil)
	}
	size := o.VocabularySize
	if size == 0 {
		bytes := 0
		for s := range concat(training) {
			bytes += len(s)
		}
		size = min(defaultVocabulary, max(smallVocabulary, bytes/bytesPerToken))
	}
	if o.TokenizerKind == TokenizerWordPiece {
		return text.TrainWordPiece(concat(training), size, text.WordPieceOptions{})
	}
	return text.TrainBPE(concat(training), size, nil)
}

// concat returns all texts of some lists.
func concat(lists [][]string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, list := range lists {
			for _, s := range list {
				if !yield(s) {
					return
				}
			}
		}
	}
}

// openTokenizer reads the tokenizer of a file, which must be of the kind that the options name, if
// they do.
func (o Options) openTokenizer() (text.Tokenizer, error) {
	name := o.Tokenizer
	var tok text.Tokenizer
	var err error
	if o.TokenizerJSON != nil {
		name = "TokenizerJSON"
		tok, err = text.Parse(o.TokenizerJSON)
	} else {
		tok, err = text.Open(o.Tokenizer)
	}
	if err != nil {
		return nil, fmt.Errorf("Tokenizer (--tokenizer): %w", err)
	}
	kind := kindOf(tok)
	if want := cmp.Or(o.TokenizerKind, TokenizerAuto); want != TokenizerAuto && want != kind {
		return nil, fmt.Errorf("Tokenizer (--tokenizer): %s has a tokenizer of kind %s, but TokenizerKind (--tokenizer-kind) is %s", name, kind, want)
	}
	return tok, nil
}

// kindOf returns the kind of a tokenizer of package text.
func kindOf(tok text.Tokenizer) TokenizerKind {
	switch tok.(type) {
	case *text.WordPiece:
		return TokenizerWordPiece
	case *text.Bytes:
		return TokenizerBytes
	}
	return TokenizerBPE
}

// newText returns how texts become samples: the options with their tokenizer.
func (o Options) newText(tok text.Tokenizer, columns []string, label Column) (*Text, error) {
	length := o.length()
	if least := text.Overhead(tok, len(columns) == 2) + 1; length < least {
		return nil, fmt.Errorf("Length (--length) is %d, want at least %d: a token, and the special tokens around it", length, least)
	}
	content, err := text.Marshal(tok)
	if err != nil {
		return nil, err
	}
	t := &Text{Tokenizer: content, Length: length, Columns: columns, Language: o.Language}
	if !o.Language {
		t.Label = &label
	}
	t.tok.Store(&tok)
	return t, nil
}

// take returns the elements at indices.
func take[T any](values []T, indices []int) []T {
	if values == nil {
		return nil
	}
	taken := make([]T, len(indices))
	for i, from := range indices {
		taken[i] = values[from]
	}
	return slices.Clip(taken)
}
