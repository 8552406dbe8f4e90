package dataset

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/text"
)

// Text says how texts become samples.
type Text struct {
	Tokenizer json.RawMessage `json:"tokenizer"`          // content of a tokenizer.json, as text.Marshal writes it
	Length    int             `json:"length"`             // the most tokens of a sample
	Columns   []string        `json:"columns,omitempty"`  // of a table: that with the text, and that with the second one if there is one
	Label     *Column         `json:"label,omitempty"`    // with the classes for Words, or the mean and deviation of the targets; nil without labels
	Language  bool            `json:"language,omitempty"` // samples are pieces of texts, for a language model

	tok atomic.Pointer[text.Tokenizer] // Tokenizer, once it was parsed
}

// Open returns the tokenizer.
func (t *Text) Open() (text.Tokenizer, error) {
	if tok := t.tok.Load(); tok != nil {
		return *tok, nil
	}
	tok, err := text.Parse(t.Tokenizer)
	if err != nil {
		return nil, fmt.Errorf("dataset: the tokenizer of an Input: %w", err)
	}
	t.tok.Store(&tok)
	return tok, nil
}

// Prompt returns the tokens of the beginning of a text, which a language model goes on with.
func (t *Text) Prompt(prompt string) ([]int32, error) {
	tok, err := t.Open()
	if err != nil {
		return nil, err
	}
	var ids []int32
	if begin := tok.Special().Begin; begin >= 0 {
		ids = append(ids, begin)
	}
	return tok.Encode(ids, prompt), nil
}

func (t *Text) validate() error {
	tok, err := t.Open()
	switch {
	case err != nil:
		return err
	case t.Length < 2 || t.Length > maxLength:
		return fmt.Errorf("dataset: an Input of texts has samples of %d tokens, want 2 to %d", t.Length, maxLength)
	case t.Length <= text.Overhead(tok, len(t.Columns) == 2):
		return fmt.Errorf("dataset: an Input of texts has samples of %d tokens, which leaves none for the text", t.Length)
	case len(t.Columns) > 2 || slices.Contains(t.Columns, "") || len(t.Columns) == 2 && t.Columns[0] == t.Columns[1]:
		return fmt.Errorf("dataset: an Input of texts has the columns %s, want one or two names", quoted(t.Columns))
	case t.Language && (t.Label != nil || len(t.Columns) > 1):
		return errors.New("dataset: an Input of texts for a language model has a label or a second text, want neither")
	case !t.Language && t.Label == nil:
		return errors.New("dataset: an Input of texts has no label, want one unless it is for a language model")
	case t.Label != nil:
		return t.Label.validate()
	}
	return nil
}

// textInput returns what says how texts become samples, and its tokenizer.
func (in *Input) textInput(what string) (*Text, text.Tokenizer, error) {
	if err := in.Validate(); err != nil {
		return nil, nil, err
	}
	if in.Text == nil {
		return nil, nil, fmt.Errorf("dataset: %s: expected %s, got text", what, in.wants())
	}
	tok, err := in.Text.Open()
	return in.Text, tok, err
}

// Texts turns new texts into samples as the set's were: a[i] alone, or a[i] and b[i] if the set has
// samples of two texts; b is nil otherwise. cut counts the tokens that texts were too long by,
// which are left out. name stands for the texts in errors. A language model gets the beginning of
// each text, with the end cut off likewise. A text that is empty or isn't UTF-8 is an error, and so
// is an Input whose samples weren't texts.
func (in *Input) Texts(name string, a, b []string) (batch net.Batch, cut int, err error) {
	t, tok, err := in.textInput(name)
	if err != nil {
		return net.Batch{}, 0, err
	}
	if err := t.validateCount(name, len(a), len(b)); err != nil {
		return net.Batch{}, 0, err
	}
	what := func(i int) string {
		if len(a) == 1 {
			return name
		}
		return fmt.Sprintf("%s: text %d", name, i+1)
	}
	for i, s := range a {
		second := "-"
		if b != nil {
			second = b[i]
		}
		switch {
		case strings.TrimSpace(s) == "" || strings.TrimSpace(second) == "":
			return net.Batch{}, 0, fmt.Errorf("dataset: %s is empty, want a text", what(i))
		case !utf8.ValidString(s + second):
			return net.Batch{}, 0, fmt.Errorf("dataset: %s isn't UTF-8", what(i))
		}
	}
	var by sampler = &pairs{tok: tok, length: t.Length, a: a, b: b, name: what}
	if t.Language {
		by = &beginnings{chunks{tok: tok, length: t.Length, texts: a, name: what}}
	}
	samples, err := sample(len(a), by)
	if err != nil {
		return net.Batch{}, 0, fmt.Errorf("dataset: %w", err)
	}
	set := samples.set(name, in, tok)
	_, cut = set.Cut()
	return set.Range(0, set.Len()), cut, nil
}

// validateCount returns an error unless there are as many second texts as the samples need.
func (t *Text) validateCount(name string, a, b int) error {
	switch pair := len(t.Columns) == 2; {
	case pair && a != b:
		return fmt.Errorf("dataset: %s has %d texts and %d second ones, want as many of both, since the model was trained on pairs", name, a, b)
	case !pair && b > 0:
		return fmt.Errorf("dataset: %s has second texts, but the model was trained on single ones", name)
	}
	return nil
}

// TextColumns reads the texts in a table, as they are for Texts: b is nil unless the samples are of
// two texts. The table has the columns that the set's had, in any order, and others, which don't
// count. name stands for it in errors, and its ending says how it is written, as Options.TextFile
// knows it.
func (in *Input) TextColumns(r io.Reader, name string) (a, b []string, err error) {
	t, _, err := in.textInput(name)
	if err != nil {
		return nil, nil, err
	}
	if hasEnding(name, plainEndings) {
		if a, err = readLines(r, name); err != nil {
			return nil, nil, fmt.Errorf("dataset: %w", err)
		}
		return a, nil, t.validateCount(name, len(a), 0)
	}
	rows, err := parseTextRows(r, name, t.columns())
	if err == nil {
		a, b, err = t.texts(rows)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("dataset: %w", err)
	}
	return a, b, nil
}

// readLines returns the lines of plain text that aren't empty.
func readLines(r io.Reader, name string) (lines []string, err error) {
	err = textLines(r, name, func(line []byte, number int) error {
		record := []string{string(line)}
		if err := trimFields(record, name, number); err != nil {
			return err
		}
		if record[0] != "" {
			lines = append(lines, record[0])
		}
		return nil
	})
	if err == nil && len(lines) == 0 {
		err = fmt.Errorf("%s has no text", name)
	}
	return lines, err
}

// columns returns the columns of a table that samples and labels come from.
func (t *Text) columns() []string {
	columns := slices.Clone(t.Columns)
	if t.Label != nil {
		columns = append(columns, t.Label.Name)
	}
	return columns
}

// texts returns the texts of a table, b nil for samples of one.
func (t *Text) texts(r *rows) (a, b []string, err error) {
	if len(t.Columns) == 0 {
		return nil, nil, fmt.Errorf("%s: the model was trained on plain text, and knows no column of a table", r.name)
	}
	for i, name := range t.Columns {
		column, err := r.column(name, []string{"text", "second text"}[i])
		if err != nil {
			return nil, nil, err
		}
		texts, err := r.texts(column)
		if err != nil {
			return nil, nil, err
		}
		if i == 0 {
			a = texts
		} else {
			b = texts
		}
	}
	return a, b, nil
}

// tableSet makes a set of a table, with its labels.
func (t *Text) tableSet(name string, in *Input, tok text.Tokenizer, r *rows) (*Set, error) {
	a, b, err := t.texts(r)
	if err != nil {
		return nil, err
	}
	at := func(i int) string { return fmt.Sprintf("%s: line %d", r.name, r.lines[i]) }
	if t.Language {
		return t.languageSet(name, in, tok, a, at)
	}
	samples, err := sample(len(a), &pairs{tok: tok, length: t.Length, a: a, b: b, name: at})
	if err != nil {
		return nil, err
	}
	s := samples.set(name, in, tok)
	column, err := r.column(t.Label.Name, "label")
	if err != nil {
		return nil, err
	}
	s.Classes, s.ClassNames = len(t.Label.Words), t.Label.Words
	s.Labels, s.Targets, err = t.Label.read(r, column)
	return s, err
}

// languageSet makes a set for a language model.
func (t *Text) languageSet(name string, in *Input, tok text.Tokenizer, texts []string, at func(i int) string) (*Set, error) {
	samples, err := sample(len(texts), &chunks{tok: tok, length: t.Length, texts: texts, name: at})
	if err != nil {
		return nil, err
	}
	s := samples.set(name, in, tok)
	if len(texts) >= fewDocuments {
		s.Documents = samples.from
	}
	return s, nil
}

// LabeledTexts reads texts with the label's column, to measure a model on: of a file, or of a
// folder's file for tests, as Options.Open knows it. For a language model, it reads texts without
// labels.
func (in *Input) LabeledTexts(path string) (*Set, error) {
	t, tok, err := in.textInput(path)
	if err != nil {
		return nil, err
	}
	names := []string{path}
	if isDir(path) {
		if names, err = t.testFiles(path); err != nil {
			return nil, err
		}
	}
	return in.textSet(names, tok)
}

// testFiles returns the files of a folder to measure a model on.
func (t *Text) testFiles(dir string) ([]string, error) {
	if _, tests, ok := textPair(dir); ok && len(tests) > 0 {
		return t.labeled(tests)
	}
	if t.Language {
		if paths, err := plainFiles(dir); err != nil || len(paths) > 0 {
			return paths, err
		}
	}
	return nil, fmt.Errorf("dataset: folder %s has no train and test file of texts: %w", dir, os.ErrNotExist)
}

// labeled returns the first of some files that has the label's column, and the others.
func (t *Text) labeled(paths []string) ([]string, error) {
	for _, path := range paths {
		if t.Label == nil || hasEnding(path, plainEndings) {
			return []string{path}, nil
		}
		rows, err := readTextRows(path, t.columns())
		if err != nil {
			return nil, err
		}
		if rows.hasAll(t.columns()) {
			return []string{path}, nil
		}
	}
	return nil, fmt.Errorf("dataset: none of %s has all of the columns %s", strings.Join(paths, ", "), quoted(t.columns()))
}

// textSet reads a table, or files of plain text.
func (in *Input) textSet(paths []string, tok text.Tokenizer) (set *Set, err error) {
	t, name := in.Text, paths[0]
	if hasEnding(name, plainEndings) {
		if !t.Language {
			return nil, fmt.Errorf("dataset: %s is plain text without labels, want a table with the columns %s", name, quoted(t.columns()))
		}
		documents, err := readDocuments(paths)
		if err == nil {
			set, err = t.languageSet(name, in, tok, documents, func(i int) string { return paths[i] })
		}
		if err != nil {
			return nil, fmt.Errorf("dataset: %w", err)
		}
		return set, nil
	}
	rows, err := readTextRows(name, t.columns())
	if err != nil {
		return nil, err
	}
	if set, err = t.tableSet(name, in, tok, rows); err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	return set, nil
}

// Text returns the text of a sample as its tokens tell it, without the special tokens, and the
// second text if there is one. The error is that of a set whose Input doesn't know the tokens.
func (s *Set) Text(i int) (a, b string, err error) {
	if !s.IsText() || s.Input == nil || s.Input.Text == nil {
		return "", "", fmt.Errorf("dataset: %s has no texts, or doesn't know how to read their tokens", s.Name)
	}
	tok, err := s.Input.Text.Open()
	if err != nil {
		return "", "", err
	}
	var parts [2][]int32
	special := tok.Special()
	for at := s.Starts[i]; at < s.Starts[i+1]; at++ {
		segment := uint8(0)
		if s.Segments != nil {
			segment = s.Segments[at]
		}
		if token := s.Tokens[at]; token == special.Unknown || !special.Has(token) {
			parts[segment] = append(parts[segment], token)
		}
	}
	return tok.Decode(parts[0]), tok.Decode(parts[1]), nil
}
