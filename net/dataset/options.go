package dataset

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// Options says what a data set doesn't say of itself. The zero value is a good one for all data but
// tables, which need Label, and Text if the samples are texts. An option that the data has no use
// for is an error.
type Options struct {
	Label     string  `json:"label,omitempty"`      // tables: name of the column to predict, or "#3" for the third of a file without names
	Task      Task    `json:"task,omitempty"`       // tables: classify or regress
	ImageSize int     `json:"image_size,omitempty"` // folders of pictures: rows and columns that each gets; 0 keeps the size that all have
	Color     Color   `json:"color,omitempty"`      // folders of pictures: gray or color
	Test      float64 `json:"test,omitempty"`       // tables, pictures and texts without a test part: share held back for it; 0 is 0.2
	Stream    Stream  `json:"stream,omitempty"`     // whether samples are read when they are needed

	Text           string        `json:"text,omitempty"`            // tables: name of the column with the text, or "#4"; "" for samples of numbers
	Text2          string        `json:"text2,omitempty"`           // tables: of the column with a second text, "" for none
	Tokenizer      string        `json:"tokenizer,omitempty"`       // texts: a file that text.Open reads; "" trains one on the training part
	TokenizerJSON  []byte        `json:"-"`                         // texts: the content of such a file, as Text.Tokenizer of an Input has it, in place of Tokenizer
	TokenizerKind  TokenizerKind `json:"tokenizer_kind,omitempty"`  // texts: of a tokenizer that is trained
	VocabularySize int           `json:"vocabulary_size,omitempty"` // texts: most tokens of a tokenizer that is trained; 0 for up to 8000, by the size of the data
	Length         int           `json:"length,omitempty"`          // texts: most tokens of a sample; 0 is 128
	Language       bool          `json:"language,omitempty"`        // texts: samples for a language model, which have no labels
}

// TokenizerKind is a way to cut text into tokens, as package text describes them.
type TokenizerKind string

// The kinds of tokenizers. TokenizerAuto, and "", train byte-pair encoding.
const (
	TokenizerAuto      TokenizerKind = "auto"
	TokenizerBPE       TokenizerKind = "bpe"
	TokenizerWordPiece TokenizerKind = "wordpiece" // in lower case, as BERT's
	TokenizerBytes     TokenizerKind = "bytes"     // a token for each byte, and no training
)

// Task is what a table's label column is for.
type Task string

// The tasks. TaskAuto, and "", regress if the labels are numbers and some aren't whole, or if there
// are more than 20 different ones, or more than a third of the rows; otherwise they classify.
const (
	TaskAuto Task = "auto"
	Classify Task = "classify"
	Regress  Task = "regress"
)

// Color is how many channels the samples of pictures get.
type Color string

// The colors. ColorAuto, and "", make gray samples of pictures that are all stored as gray, and
// otherwise color ones.
const (
	ColorAuto Color = "auto"
	Gray      Color = "gray"  // 1 channel: 0.299 red, 0.587 green, 0.114 blue
	RGB       Color = "color" // 3 channels
)

// Stream is whether the samples of a set are read from disk when they are needed. It changes no
// bit.
type Stream string

// The ways to stream. StreamAuto, and "", stream if the samples would take more than a quarter of
// the memory that is available, and if they can be: those of tables, and of files that are gzipped,
// are in memory always.
const (
	StreamAuto   Stream = "auto"
	StreamAlways Stream = "always" // an error if the data can't
	StreamNever  Stream = "never"
)

const (
	defaultTest  = 0.2
	maxImageSize = 4096
	splitSeed    = 1 // of the test part that Options.Test holds back
)

// Validate returns an error if a field has a value that no data takes.
func (o Options) Validate() error {
	for _, choice := range []struct {
		name, value string
		want        []string
	}{
		{"Task", string(o.Task), []string{string(TaskAuto), string(Classify), string(Regress)}},
		{"Color", string(o.Color), []string{string(ColorAuto), string(Gray), string(RGB)}},
		{"Stream", string(o.Stream), []string{string(StreamAuto), string(StreamAlways), string(StreamNever)}},
		{"TokenizerKind", string(o.TokenizerKind), []string{string(TokenizerAuto), string(TokenizerBPE), string(TokenizerWordPiece), string(TokenizerBytes)}},
	} {
		if choice.value != "" && !slices.Contains(choice.want, choice.value) {
			return fmt.Errorf("dataset: %s is %q, want one of %s", choice.name, choice.value, strings.Join(choice.want, ", "))
		}
	}
	if o.ImageSize < 0 || o.ImageSize > maxImageSize {
		return fmt.Errorf("dataset: ImageSize is %d, want 1 to %d, or 0 for the size of the pictures", o.ImageSize, maxImageSize)
	}
	if !(o.Test >= 0 && o.Test < 1) {
		return fmt.Errorf("dataset: Test is %v, want a share above 0 and below 1, or 0 for %v", o.Test, defaultTest)
	}
	return o.validateTexts()
}

// test returns the share of the test part.
func (o Options) test() float64 {
	if o.Test == 0 {
		return defaultTest
	}
	return o.Test
}

// option is a field of Options by its name, with the flag of the command in words of which users
// know it.
type option struct {
	name string
	set  bool
}

// only returns an error if an option is set that data of that name doesn't take.
func (o Options) only(data string, taken ...string) error {
	for _, option := range []option{
		{"Label (--label)", o.Label != ""},
		{"Task (--task)", o.Task != "" && o.Task != TaskAuto},
		{"ImageSize (--image-size)", o.ImageSize != 0},
		{"Color (--color)", o.Color != "" && o.Color != ColorAuto},
		{"Test (--test)", o.Test != 0},
		{"Stream (--stream)", o.Stream == StreamAlways},
		{"Text (--text)", o.Text != ""},
		{"Text2 (--text2)", o.Text2 != ""},
		{"Tokenizer (--tokenizer)", o.Tokenizer != "" || o.TokenizerJSON != nil},
		{"TokenizerKind (--tokenizer-kind)", o.TokenizerKind != "" && o.TokenizerKind != TokenizerAuto},
		{"VocabularySize (--vocabulary)", o.VocabularySize != 0},
		{"Length (--length)", o.Length != 0},
		{"Language (--language)", o.Language},
	} {
		name, _, _ := strings.Cut(option.name, " ")
		if option.set && !slices.Contains(taken, name) {
			return fmt.Errorf("dataset: %s has no use for %s", data, option.name)
		}
	}
	return nil
}

// streams reports whether samples of that many floats in all are to be read when they are needed.
func (o Options) streams(floats int) bool {
	switch o.Stream {
	case StreamAlways:
		return true
	case StreamNever:
		return false
	}
	memory := availableMemory()
	return memory > 0 && int64(floats) > memory/4/4
}

// Open reads the data set that spec names: the name of a row of Sources with its argument filled
// in, as in "digits", "synthetic:32x32x3", "data/mnist" or "houses.csv".
//
// A name goes before a folder of that name, which can be written with "./" before it. But "mnist"
// and the other names of data sets in [CacheDir] mean a folder of the working directory if they
// aren't in the cache.
func (o Options) Open(spec string) (train, test *Set, err error) {
	if err := o.Validate(); err != nil {
		return nil, nil, err
	}
	var names []string
	for _, source := range Sources {
		if arg, ok := source.claims(spec); ok {
			return source.Open(arg, o)
		}
		names = append(names, source.Name)
	}
	if _, err := os.Stat(spec); err == nil {
		return nil, nil, fmt.Errorf("dataset: %s is a file, but neither a table nor text, want a name that ends in one of %s",
			spec, strings.Join(slices.Concat(tableEndings, textEndings), ", "))
	}
	return nil, nil, fmt.Errorf("dataset: %q is neither a known data set nor a folder or file, expected one of %s",
		spec, strings.Join(names, ", "))
}

// Open reads the data set that spec names as Options{}.Open does.
func Open(spec string) (train, test *Set, err error) { return Options{}.Open(spec) }
