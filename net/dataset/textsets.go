package dataset

import (
	"cmp"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"github.com/steppe-ml/steppe/net/text"
)

// fewDocuments is the number of documents from which on whole documents are held back for a test or
// for validation.
const fewDocuments = 10

// TextFile reads a file of texts. A table (.csv or .tsv) and lines of JSON (.jsonl or .ndjson, with
// a field a column) have a text in the column that Options.Text names, maybe a second one in that
// of Options.Text2, and the column to predict in that of Options.Label. A text file (.txt) is for
// language models. All may be gzipped.
//
// A CSV file is quoted as RFC 4180 says. In a TSV file a quote is a quote, as in the files of GLUE.
// The first line has the names of the columns, except that of a file without such a line, whose
// columns go by their numbers: "#4" is the fourth. Labels are those of [Options.TableFile].
//
// Texts are cut into tokens by the tokenizer in the file of Options.Tokenizer, or by one that is
// trained on the training part, which Set.Input keeps. Texts of more tokens than Options.Length are
// cut at their ends; Set.Cut counts them. An empty text, and one that isn't UTF-8, is an error that
// names the file, the line and the column.
//
// With Options.Language, samples are consecutive pieces of the texts, for a language model.
//
// Options.Test of the rows is held back as the test part, of each class if there are classes. Of
// plain text it is the end of the file.
func (o Options) TextFile(path string) (train, test *Set, err error) {
	if err := o.Validate(); err != nil {
		return nil, nil, err
	}
	name := filepath.Base(path)
	if hasEnding(path, plainEndings) {
		if err := o.onlyPlain(path); err != nil {
			return nil, nil, err
		}
		return o.plainSets(name, []string{path}, nil)
	}
	if err := o.onlyText(path, "Test"); err != nil {
		return nil, nil, err
	}
	all, err := readTextRows(path, o.textColumns())
	if err != nil {
		return nil, nil, err
	}
	if train, test, err = o.textTables(name, all, nil); err != nil {
		return nil, nil, fmt.Errorf("dataset: %w", err)
	}
	return train, test, nil
}

// onlyText returns an error for options that tables of texts have no use for.
func (o Options) onlyText(data string, taken ...string) error {
	return o.only(data, append(slices.Concat(textOptions, []string{"Text", "Text2", "Label", "Task"}), taken...)...)
}

// onlyPlain returns an error for options that plain text has no use for.
func (o Options) onlyPlain(data string) error {
	return o.only(data+", which is plain text,", append(slices.Clone(textOptions), "Test")...)
}

// textColumns returns the columns that the options name.
func (o Options) textColumns() []string {
	return slices.DeleteFunc([]string{o.Text, o.Text2, o.Label}, func(name string) bool { return name == "" })
}

// texts reports whether the options say that tables have texts.
func (o Options) texts() bool { return o.Text != "" || o.Language }

// textFolder reads a folder with a file of texts for each part.
func (o Options) textFolder(dir, trainPath string, testPaths []string) (train, test *Set, err error) {
	what, name := fmt.Sprintf("the folder %s, which has a file for the test,", dir), filepath.Base(filepath.Clean(dir))
	if len(testPaths) == 0 {
		return nil, nil, fmt.Errorf("dataset: folder %s has %s, but no test, dev or valid file beside it: %w", dir, filepath.Base(trainPath), fs.ErrNotExist)
	}
	if hasEnding(trainPath, plainEndings) {
		if err := o.only(what, textOptions...); err != nil {
			return nil, nil, err
		}
		return o.plainSets(name, []string{trainPath}, testPaths[:1])
	}
	if err := o.onlyText(what); err != nil {
		return nil, nil, err
	}
	all, err := readTextRows(trainPath, o.textColumns())
	if err != nil {
		return nil, nil, err
	}
	var held *rows
	for _, path := range testPaths {
		if held, err = readTextRows(path, o.textColumns()); err != nil {
			return nil, nil, err
		}
		if held.hasAll(o.textColumns()) {
			break
		}
		held = nil
	}
	if held == nil {
		return nil, nil, fmt.Errorf("dataset: none of %s has all of the columns %s", strings.Join(testPaths, ", "), quoted(o.textColumns()))
	}
	if train, test, err = o.textTables(name, all, held); err != nil {
		return nil, nil, fmt.Errorf("dataset: %w", err)
	}
	return train, test, nil
}

// textTables makes the sets of a table of texts. Without rows for the test it holds back some.
func (o Options) textTables(name string, all, held *rows) (train, test *Set, err error) {
	if o.Text == "" {
		return nil, nil, fmt.Errorf("%s: which column has the text? Name it by Text (--text), one of %s", all.name, quoted(all.header))
	}
	label, column := Column{}, -1
	if !o.Language {
		if o.Label == "" {
			return nil, nil, fmt.Errorf("%s: which column is the label? Name it by Label (--label), one of %s, or set Language (--language), which needs none", all.name, quoted(all.header))
		}
		if column, err = all.column(o.Label, "Label (--label)"); err != nil {
			return nil, nil, err
		}
		if label, err = o.fitLabel(all, column); err != nil {
			return nil, nil, err
		}
	}
	training, tests := indices(len(all.cells)), []int(nil)
	if held == nil {
		if training, tests, err = o.split(all, column, label); err != nil {
			return nil, nil, err
		}
		held = all.pick(tests)
	}
	all = all.pick(training)
	if !o.Language && label.Words == nil {
		if label, err = all.fitNumbers(column, indices(len(all.cells))); err != nil {
			return nil, nil, err
		}
		if label.Std == 0 {
			return nil, nil, fmt.Errorf("%s: column %q, the label, has the same number in all rows: nothing to learn", all.name, label.Name)
		}
	}
	columns := []string{o.Text}
	if o.Text2 != "" {
		columns = append(columns, o.Text2)
	}
	for i, name := range columns {
		if _, err := all.column(name, []string{"Text (--text)", "Text2 (--text2)"}[i]); err != nil {
			return nil, nil, err
		}
	}
	a, b, err := (&Text{Columns: columns}).texts(all)
	if err != nil {
		return nil, nil, err
	}
	tok, in, err := o.textInput(columns, label, a, b)
	if err != nil {
		return nil, nil, err
	}
	if train, err = in.Text.tableSet(name+"/train", in, tok, all); err != nil {
		return nil, nil, err
	}
	test, err = in.Text.tableSet(name+"/test", in, tok, held)
	return train, test, err
}

// textInput returns the tokenizer of the options, trained on texts if need be, and the Input that
// keeps it.
func (o Options) textInput(columns []string, label Column, training ...[]string) (text.Tokenizer, *Input, error) {
	tok, err := o.tokenizer(training...)
	if err != nil {
		return nil, nil, err
	}
	t, err := o.newText(tok, columns, label)
	if err != nil {
		return nil, nil, err
	}
	return tok, &Input{Text: t}, nil
}

// pick returns some of the rows.
func (t *rows) pick(indices []int) *rows {
	return &rows{name: t.name, header: t.header, cells: take(t.cells, indices), lines: take(t.lines, indices)}
}

// plainSets makes the sets of files of plain text for a language model. Without files for the test
// it holds back whole documents, or the ends of all if there are few.
func (o Options) plainSets(name string, paths, testPaths []string) (train, test *Set, err error) {
	o.Language = true
	documents, err := readDocuments(paths)
	if err != nil {
		return nil, nil, fmt.Errorf("dataset: %w", err)
	}
	at, testAt := func(i int) string { return paths[i] }, func(i int) string { return testPaths[i] }
	var held []string
	switch {
	case testPaths != nil:
		if held, err = readDocuments(testPaths); err != nil {
			return nil, nil, fmt.Errorf("dataset: %w", err)
		}
	case len(documents) < fewDocuments:
		testPaths = paths
		for i, document := range documents {
			end := ""
			if documents[i], end, err = o.cutEnd(document); err != nil {
				return nil, nil, fmt.Errorf("dataset: %s: %w", paths[i], err)
			}
			held = append(held, end)
		}
	default:
		chosen, err := o.hold([]int{len(documents)})
		if err != nil {
			return nil, nil, fmt.Errorf("dataset: %s: %w", name, err)
		}
		var training, tests []int
		for i, test := range chosen[0] {
			if test {
				tests = append(tests, i)
			} else {
				training = append(training, i)
			}
		}
		documents, held = take(documents, training), take(documents, tests)
		paths, testPaths = take(paths, training), take(paths, tests)
	}
	tok, in, err := o.textInput(nil, Column{}, documents)
	if err == nil {
		train, err = in.Text.languageSet(name+"/train", in, tok, documents, at)
	}
	if err == nil {
		test, err = in.Text.languageSet(name+"/test", in, tok, held, testAt)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("dataset: %w", err)
	}
	return train, test, nil
}

// cutEnd cuts the share of the test off the end of a text: at the end of a line if there is one
// near by, or else between words, or anywhere.
func (o Options) cutEnd(text string) (begin, end string, err error) {
	at := len(text) - int(math.Round(o.test()*float64(len(text))))
	near := text[:at]
	if i := strings.LastIndexByte(near, '\n'); i >= 0 && at-i < len(text)/20 {
		at = i + 1
	} else if i := strings.LastIndexByte(near, ' '); i >= 0 && at-i < len(text)/20 {
		at = i + 1
	}
	for at > 0 && at < len(text) && text[at]&0xc0 == 0x80 {
		at-- // within a character
	}
	if at == 0 || at == len(text) {
		return "", "", fmt.Errorf("%d bytes are too little text to hold back a share of %v for a test", len(text), cmp.Or(o.Test, defaultTest))
	}
	return text[:at], text[at:], nil
}
