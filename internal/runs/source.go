package runs

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/steppe-ml/steppe/net/dataset"
)

// Source says where data is and how to read it. It is part of Settings, and goes to model files.
type Source struct {
	Data      string  `json:"data"`                 // as the flag gave it
	Path      string  `json:"data-path,omitempty"`  // absolute, if Data is a file or a folder
	Label     string  `json:"label,omitempty"`      // column of a table
	Task      string  `json:"task,omitempty"`       // of a table: auto, classify or regress
	ImageSize int     `json:"image-size,omitempty"` // side of pictures in pixels; 0 for their own
	Color     string  `json:"color,omitempty"`      // of pictures: auto, gray or color
	Test      float64 `json:"test,omitempty"`       // fraction of pictures or rows to test on, where none are for it; 0 for a fifth
	Stream    string  `json:"stream,omitempty"`     // auto, always or never: read samples when they are needed

	Text          string `json:"text,omitempty"`           // column of a table with the text
	Text2         string `json:"text2,omitempty"`          // column with a second text
	Tokenizer     string `json:"tokenizer,omitempty"`      // file of a tokenizer, or the folder of a run that has one, as the flag gave it; "" to train one
	TokenizerPath string `json:"tokenizer-path,omitempty"` // absolute
	TokenizerKind string `json:"tokenizer-kind,omitempty"` // auto, bpe, wordpiece or bytes
	Vocabulary    int    `json:"vocabulary,omitempty"`     // most tokens of a tokenizer that is trained; 0 for up to 8000
	Length        int    `json:"length,omitempty"`         // most tokens of a sample; 0 for the data's usual
	Language      bool   `json:"language,omitempty"`       // samples of text for a language model, without labels
}

// Validate returns an error in the words of the flags if a field has a value that no data takes.
func (s *Source) Validate() error {
	if s.Data == "" {
		return errors.New("--data is empty, want the name of a data set, a file or a folder")
	}
	for _, choice := range []struct {
		flag, value string
		of          []string
	}{
		{"task", s.Task, []string{"auto", "classify", "regress"}},
		{"color", s.Color, []string{"auto", "gray", "color"}},
		{"stream", s.Stream, []string{"auto", "always", "never"}},
		{"tokenizer-kind", cmp.Or(s.TokenizerKind, "auto"), []string{"auto", "bpe", "wordpiece", "bytes"}},
	} {
		if !slices.Contains(choice.of, choice.value) {
			return fmt.Errorf("--%s is %q, want one of %s", choice.flag, choice.value, strings.Join(choice.of, ", "))
		}
	}
	if s.ImageSize < 0 {
		return fmt.Errorf("--image-size is %d, want at least 1", s.ImageSize)
	}
	switch {
	case s.Length < 0 || s.Length == 1:
		return fmt.Errorf("--length is %d, want at least 2 tokens, or 0 for the usual number", s.Length)
	case s.Vocabulary < 0:
		return fmt.Errorf("--vocabulary is %d, want at least 1 token, or 0 for a size that suits the data", s.Vocabulary)
	case s.Language && s.Label != "":
		return fmt.Errorf("--label %s with a language model, which learns from the text alone", s.Label)
	}
	if !(s.Test >= 0 && s.Test < 1) {
		return fmt.Errorf("--test is %v, want more than 0 and less than 1, or 0 for a fifth", s.Test)
	}
	return nil
}

// locate fills in Path if Data is a file or a folder, and TokenizerPath if there is a tokenizer.
func (s *Source) locate() (err error) {
	s.Path, s.TokenizerPath = "", ""
	if s.Tokenizer != "" {
		if s.TokenizerPath, err = filepath.Abs(s.Tokenizer); err != nil {
			return fmt.Errorf("--tokenizer %s: %w", s.Tokenizer, err)
		}
	}
	if _, err := os.Stat(s.Data); err != nil || !dataset.IsPath(s.Data) {
		return nil // a name, or missing, which opening it says
	}
	path, err := filepath.Abs(s.Data)
	if err != nil {
		return fmt.Errorf("--data %s: %w", s.Data, err)
	}
	s.Path = path
	return nil
}

// Open reads the data: from where it was, or else from where Data means here.
func (s *Source) Open() (train, test *dataset.Set, err error) { return s.openBy(nil) }

// openBy is Open with the tokenizer that a model's file keeps, in place of that which s names or
// asks to train; nil for none. One that is trained today could be another, and takes time.
func (s *Source) openBy(tokenizer []byte) (train, test *dataset.Set, err error) {
	if s.Path != "" {
		if here, err := filepath.Abs(s.Data); err == nil && here == s.Path {
			return s.open(s.Data, tokenizer) // errors name it as the user did
		}
		if _, err := os.Stat(s.Path); err == nil {
			return s.open(s.Path, tokenizer)
		}
	}
	train, test, err = s.open(s.Data, tokenizer)
	if err != nil && s.Path != "" && s.Path != s.Data {
		err = fmt.Errorf("%s is gone, and %w", s.Path, err)
	}
	return train, test, err
}

// open reads the data that a spec of dataset.Open names.
func (s *Source) open(spec string, tokenizer []byte) (train, test *dataset.Set, err error) {
	o := dataset.Options{
		Label: s.Label, Task: dataset.Task(s.Task), ImageSize: s.ImageSize, Color: dataset.Color(s.Color), Test: s.Test, Stream: dataset.Stream(s.Stream),
		Text: s.Text, Text2: s.Text2, Length: s.Length, Language: s.Language, TokenizerJSON: tokenizer,
	}
	if tokenizer == nil {
		o.TokenizerKind, o.VocabularySize = dataset.TokenizerKind(s.TokenizerKind), s.Vocabulary
		if o.Tokenizer, o.TokenizerJSON, err = s.tokenizer(); err != nil {
			return nil, nil, fmt.Errorf("--tokenizer: %w", err)
		}
	}
	return o.Open(spec)
}

// tokenizer returns the file of the tokenizer, as the user named it if that means the same here, or
// the tokenizer itself if that is in the folder of a run or in a model file.
func (s *Source) tokenizer() (file string, content []byte, err error) {
	file = s.TokenizerPath
	if here, err := filepath.Abs(s.Tokenizer); s.TokenizerPath == "" || err == nil && here == s.TokenizerPath {
		file = s.Tokenizer
	}
	info, err := os.Stat(file)
	if err != nil || !info.IsDir() && !strings.HasSuffix(file, ".safetensors") {
		return file, nil, nil // opening it says what is missing
	}
	content, err = tokenizerOf(file)
	return "", content, err
}

// sourceKey is the metadata of a model file that has the Source in JSON.
const sourceKey = "source"

// sourceOf returns the Source that a model file names, and false if it names none.
func sourceOf(more map[string]string) (s Source, ok bool, err error) {
	text, ok := more[sourceKey]
	if !ok {
		return Source{}, false, nil
	}
	if err = json.Unmarshal([]byte(text), &s); err != nil {
		return Source{}, false, fmt.Errorf("metadata %q is %q: %w", sourceKey, text, err)
	}
	return s, true, nil
}
