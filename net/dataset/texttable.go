package dataset

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// lineEndings are the endings of names of files that have an object of JSON on each line.
var lineEndings = []string{".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz"}

// plainEndings are the endings of names of files that are nothing but text.
var plainEndings = []string{".txt", ".txt.gz"}

// textEndings are the endings of names, in any case, by which files count as texts, besides those
// of tables.
var textEndings = slices.Concat(lineEndings, plainEndings)

func hasEnding(name string, endings []string) bool {
	return slices.ContainsFunc(endings, func(ending string) bool {
		return strings.HasSuffix(strings.ToLower(name), ending)
	})
}

// IsText reports whether a file counts as texts, by the ending of its name: as lines of JSON, or as
// plain text. Tables may have texts, too; for them, IsTable reports true.
func IsText(name string) bool { return hasEnding(name, textEndings) }

// readTextRows reads a table with texts of a file. It needs some of its columns.
func readTextRows(path string, columns []string) (*rows, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	defer file.Close()
	t, err := parseTextRows(file, path, columns)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	return t, nil
}

// parseTextRows reads a table with texts, of which some columns are needed: lines of JSON whose
// fields are the columns, or a table as parseRows reads it, with three differences. In a file with
// tabs, quotes are quotes and enclose nothing, as in the files of GLUE. Columns that aren't needed
// need no names. And if the columns have names such as "#4", and the first line has none of these
// names, then it is a row like the others, and the columns go by their numbers, from 1 on.
func parseTextRows(r io.Reader, name string, columns []string) (*rows, error) {
	if hasEnding(name, lineEndings) {
		return parseLines(r, name, columns)
	}
	t := &rows{name: name}
	add := func(record []string, line int) error {
		if t.header != nil {
			return t.add(record, line)
		}
		if t.header = record; !byNumber(record, columns) {
			return t.validateColumns(columns, line)
		}
		t.header = make([]string, len(record))
		for i := range record {
			t.header[i] = fmt.Sprintf("#%d", i+1)
		}
		return t.add(record, line)
	}
	read := eachRecord
	if content := strings.TrimSuffix(strings.ToLower(name), ".gz"); strings.HasSuffix(content, ".tsv") || strings.HasSuffix(content, ".tab") {
		read = eachLine
	}
	if err := read(r, name, add); err != nil {
		return nil, err
	}
	return t, t.validateFilled()
}

var columnNumber = regexp.MustCompile(`^#[1-9][0-9]*$`)

// byNumber reports whether columns are numbers of columns, in a file whose first line has other
// names.
func byNumber(first, columns []string) bool {
	return len(columns) > 0 && !slices.ContainsFunc(columns, func(column string) bool {
		return !columnNumber.MatchString(column) || slices.Contains(first, column)
	})
}

// validateColumns returns an error if a column is there twice. One that isn't there is an error
// later, and may be none.
func (t *rows) validateColumns(columns []string, line int) error {
	for _, column := range columns {
		first := slices.Index(t.header, column)
		if first < 0 {
			continue
		}
		if second := slices.Index(t.header[first+1:], column); second >= 0 {
			return fmt.Errorf("%s: line %d: columns %d and %d are both called %q", t.name, line, first+1, first+second+2, column)
		}
	}
	return nil
}

// eachLine is eachRecord for fields separated by tabs in which quotes have no meaning.
func eachLine(r io.Reader, name string, add func(record []string, line int) error) error {
	return textLines(r, name, func(text []byte, line int) error {
		record := strings.Split(string(text), "\t")
		if err := trimFields(record, name, line); err != nil {
			return err
		}
		return add(record, line)
	})
}

// textLines calls add for the lines of a file that aren't empty, without their ends.
func textLines(r io.Reader, name string, add func(text []byte, line int) error) error {
	content, err := decoded(r, name)
	if err != nil {
		return err
	}
	var long []byte
	for line := 1; ; line++ {
		text, err := content.ReadSlice('\n')
		if err == bufio.ErrBufferFull {
			for long = long[:0]; err == bufio.ErrBufferFull; text, err = content.ReadSlice('\n') {
				long = append(long, text...)
			}
			long = append(long, text...)
			text = long
		}
		if err != nil && err != io.EOF {
			return fmt.Errorf("%s: line %d: %w", name, line, err)
		}
		if text := bytes.TrimRight(text, "\r\n"); len(text) > 0 {
			if err := add(text, line); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
	}
}

// parseLines reads a file with an object of JSON on each line. The columns are the needed ones that
// the first object has. Their values are strings, numbers, or true and false; null, and a field
// that a later object lacks, count as an empty cell.
func parseLines(r io.Reader, name string, columns []string) (*rows, error) {
	t := &rows{name: name}
	err := textLines(r, name, func(text []byte, line int) error {
		if len(bytes.TrimSpace(text)) == 0 {
			return nil
		}
		if !utf8.Valid(text) {
			return fmt.Errorf("%s: line %d: %s isn't UTF-8", name, line, invalid(string(text)))
		}
		var object map[string]json.RawMessage
		if err := json.Unmarshal(text, &object); err != nil {
			return fmt.Errorf("%s: line %d: expected an object of JSON: %w", name, line, err)
		}
		if object == nil {
			return fmt.Errorf("%s: line %d: expected an object of JSON, got null", name, line)
		}
		if t.header == nil {
			t.header = fieldsOf(object)
		}
		cells := make([]string, len(t.header))
		for i, column := range t.header {
			if !slices.Contains(columns, column) {
				continue
			}
			var err error
			if cells[i], err = cellOf(object[column]); err != nil {
				return fmt.Errorf("%s: line %d, field %q: %w", name, line, column, err)
			}
		}
		return t.add(cells, line)
	})
	if err != nil {
		return nil, err
	}
	if t.header == nil {
		return nil, fmt.Errorf("%s: the file is empty, want an object of JSON on each line", name)
	}
	return t, nil
}

// fieldsOf returns the names of an object's fields, in order.
func fieldsOf(object map[string]json.RawMessage) []string {
	names := make([]string, 0, len(object))
	for name := range object {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// cellOf returns a value of JSON as the cell of a table.
func cellOf(value json.RawMessage) (string, error) {
	switch {
	case len(value) == 0 || string(value) == "null":
		return "", nil
	case value[0] == '"':
		var text string
		err := json.Unmarshal(value, &text)
		return strings.TrimSpace(text), err
	case value[0] == '{' || value[0] == '[':
		const most = 30
		if len(value) > most {
			value = append(value[:most:most], "..."...)
		}
		return "", fmt.Errorf("expected a text or a number, got %s", value)
	}
	return string(value), nil
}

// hasAll reports whether the table has all of some columns.
func (t *rows) hasAll(columns []string) bool {
	return !slices.ContainsFunc(columns, func(name string) bool { return !slices.Contains(t.header, name) })
}

// column returns the number of a column that an option names.
func (t *rows) column(name, option string) (int, error) {
	column := slices.Index(t.header, name)
	if column < 0 {
		return 0, fmt.Errorf("%s has no column %q for the %s, it has %s", t.name, name, option, quoted(t.header))
	}
	return column, nil
}

// texts returns the texts in a column. An empty one is an error.
func (t *rows) texts(column int) ([]string, error) {
	texts := make([]string, len(t.cells))
	for row, cells := range t.cells {
		if texts[row] = cells[column]; texts[row] == "" {
			return nil, fmt.Errorf("%s: expected a text, got an empty one: leave the row out", t.at(row, column))
		}
	}
	return texts, nil
}

// textPair returns the files with the training part and the test part of a folder with tables of
// texts, or with plain text. The files for the test come in the order in which they are tried.
func textPair(dir string) (train string, tests []string, ok bool) {
	for _, ending := range slices.Concat(tableEndings, textEndings) {
		train := filepath.Join(dir, "train"+ending)
		if info, err := os.Stat(train); err != nil || info.IsDir() {
			continue
		}
		for _, name := range []string{"test", "dev", "valid", "validation", "val"} {
			test := filepath.Join(dir, name+ending)
			if info, err := os.Stat(test); err == nil && !info.IsDir() {
				tests = append(tests, test)
			}
		}
		return train, tests, true
	}
	return "", nil, false
}
