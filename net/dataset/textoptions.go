package dataset

import (
	"cmp"
	"fmt"
)

const (
	defaultLength     = 128
	maxLength         = 1 << 20
	defaultVocabulary = 8000
	minVocabulary     = 300 // to train: a token for each byte, and a few more
	maxVocabulary     = 1 << 20
)

// textOptions are the options that all texts take, besides those about where they are.
var textOptions = []string{"Tokenizer", "TokenizerKind", "VocabularySize", "Length", "Language"}

// length returns the most tokens of a sample.
func (o Options) length() int { return cmp.Or(o.Length, defaultLength) }

// validateTexts is the part of Validate about texts.
func (o Options) validateTexts() error {
	has := o.Tokenizer != "" || o.TokenizerJSON != nil
	trains := o.TokenizerKind != TokenizerBytes && !has
	switch {
	case o.Tokenizer != "" && o.TokenizerJSON != nil:
		return fmt.Errorf("dataset: Tokenizer (--tokenizer) is %s, and there is TokenizerJSON, too, want one of them", o.Tokenizer)
	case o.Length < 0 || o.Length > maxLength || o.Length == 1:
		return fmt.Errorf("dataset: Length (--length) is %d, want 2 to %d tokens, or 0 for %d", o.Length, maxLength, defaultLength)
	case o.VocabularySize != 0 && has:
		return fmt.Errorf("dataset: VocabularySize (--vocabulary) is %d, but the tokenizer of %s (--tokenizer) has the size that it has", o.VocabularySize, cmp.Or(o.Tokenizer, "TokenizerJSON"))
	case o.VocabularySize != 0 && !trains:
		return fmt.Errorf("dataset: VocabularySize (--vocabulary) is %d, but a tokenizer of bytes (--tokenizer-kind) has a size of its own", o.VocabularySize)
	case o.VocabularySize != 0 && (o.VocabularySize < minVocabulary || o.VocabularySize > maxVocabulary):
		return fmt.Errorf("dataset: VocabularySize (--vocabulary) is %d, want %d to %d, or 0 for up to %d", o.VocabularySize, minVocabulary, maxVocabulary, defaultVocabulary)
	case o.Text2 != "" && o.Text == "":
		return fmt.Errorf("dataset: Text2 (--text2) is %q, but there is no Text (--text) before it", o.Text2)
	case o.Text2 != "" && o.Text2 == o.Text:
		return fmt.Errorf("dataset: Text and Text2 (--text, --text2) are both %q, want two columns", o.Text)
	case o.Label != "" && (o.Label == o.Text || o.Label == o.Text2):
		return fmt.Errorf("dataset: column %q is to be a text and the Label (--label), want two columns", o.Label)
	case o.Language && o.Label != "":
		return fmt.Errorf("dataset: Label (--label) is %q, but a language model (--language) learns without labels", o.Label)
	case o.Language && o.Text2 != "":
		return fmt.Errorf("dataset: Text2 (--text2) is %q, but a language model (--language) learns from single texts", o.Text2)
	}
	return nil
}
