package dataset

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// tableEndings are the endings of names, in any case, by which files count as tables.
var tableEndings = []string{".csv", ".tsv", ".tab", ".csv.gz", ".tsv.gz", ".tab.gz"}

// IsTable reports whether a file counts as a table, by the ending of its name.
func IsTable(name string) bool {
	return slices.ContainsFunc(tableEndings, func(ending string) bool {
		return strings.HasSuffix(strings.ToLower(name), ending)
	})
}

// tablePair returns the tables of a folder with a training and a test part.
func tablePair(dir string) (train, test string, ok bool) {
	for _, ending := range tableEndings {
		train, test := filepath.Join(dir, "train"+ending), filepath.Join(dir, "test"+ending)
		_, err := os.Stat(train)
		if _, failed := os.Stat(test); err == nil && failed == nil {
			return train, test, true
		}
	}
	return "", "", false
}

// rows is a table of text.
type rows struct {
	name   string // of the file, for errors
	header []string
	cells  [][]string // without spaces around them
	lines  []int      // of the file in which each row begins, from 1 on
}

// at says where a cell is.
func (t *rows) at(row, column int) string {
	return fmt.Sprintf("%s: line %d, column %q", t.name, t.lines[row], t.header[column])
}

// readRows reads a table of a file.
func readRows(path string) (t *rows, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	defer file.Close()
	if t, err = parseRows(file, path); err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	return t, nil
}

// parseRows reads a table: the columns' names, and then rows with as many cells, as eachRecord
// reads them.
func parseRows(r io.Reader, name string) (*rows, error) {
	t := &rows{name: name}
	err := eachRecord(r, name, func(record []string, line int) error {
		if t.header == nil {
			t.header = record
			if err := validateHeader(record); err != nil {
				return fmt.Errorf("%s: line %d: %w", name, line, err)
			}
			return nil
		}
		return t.add(record, line)
	})
	if err != nil {
		return nil, err
	}
	return t, t.validateFilled()
}

// add appends a row.
func (t *rows) add(cells []string, line int) error {
	if len(cells) != len(t.header) {
		return fmt.Errorf("%s: line %d has %d fields, want %d as the first line has", t.name, line, len(cells), len(t.header))
	}
	t.cells, t.lines = append(t.cells, cells), append(t.lines, line)
	return nil
}

// validateFilled returns an error unless there are rows.
func (t *rows) validateFilled() error {
	switch {
	case t.header == nil:
		return fmt.Errorf("%s: the file is empty, want a line with the columns' names and rows below", t.name)
	case len(t.cells) == 0:
		return fmt.Errorf("%s has no rows below the columns' names", t.name)
	}
	return nil
}

// eachRecord calls add for each line of a table with its fields, without spaces around them, and
// its number, from 1 on. Fields are separated by tabs if name says so, and otherwise by commas, or
// by semicolons if the first line has no comma. They may be quoted as RFC 4180 says. Lines end in
// either way, empty ones count for nothing, and a byte order mark of UTF-8 may come first. The
// whole may be gzipped.
func eachRecord(r io.Reader, name string, add func(record []string, line int) error) error {
	text, err := decoded(r, name)
	if err != nil {
		return err
	}
	start, _ := text.Peek(1 << 16)
	reader := csv.NewReader(text)
	reader.Comma = delimiter(name, start)
	reader.FieldsPerRecord = -1
	reader.TrimLeadingSpace = reader.Comma != '\t'
	for {
		record, err := reader.Read()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return csvError(name, err)
		}
		line, _ := reader.FieldPos(0)
		if err := trimFields(record, name, line); err != nil {
			return err
		}
		if err := add(record, line); err != nil {
			return err
		}
	}
}

// decoded returns the text that r holds, gunzipped if need be, and without a byte order mark.
func decoded(r io.Reader, name string) (*bufio.Reader, error) {
	content, err := uncompressed(r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	text := bufio.NewReaderSize(content, 1<<16)
	start, _ := text.Peek(3)
	if bytes.HasPrefix(start, []byte("\xff\xfe")) || bytes.HasPrefix(start, []byte("\xfe\xff")) {
		return nil, fmt.Errorf("%s: the file is in UTF-16, want UTF-8", name)
	}
	if bytes.HasPrefix(start, []byte("\xef\xbb\xbf")) {
		text.Discard(3)
	}
	return text, nil
}

// trimFields takes spaces from the ends of a line's fields. A field that isn't UTF-8 is an error.
func trimFields(fields []string, name string, line int) error {
	for i, field := range fields {
		if !utf8.ValidString(field) {
			return fmt.Errorf("%s: line %d, field %d: %s isn't UTF-8", name, line, i+1, invalid(field))
		}
		fields[i] = strings.TrimSpace(field)
	}
	return nil
}

// invalid quotes the part of a text that isn't UTF-8, with a few bytes around it.
func invalid(text string) string {
	const around = 20
	first := 0
	for r, size := utf8.DecodeRuneInString(text); r != utf8.RuneError || size > 1; r, size = utf8.DecodeRuneInString(text[first:]) {
		first += size
	}
	from, to := max(0, first-around), min(len(text), first+around)
	quote := strconv.Quote(text[from:to])
	if from > 0 {
		quote = "..." + quote
	}
	if to < len(text) {
		quote += "..."
	}
	return quote
}

// delimiter returns what separates the fields of a table that starts so.
func delimiter(name string, start []byte) rune {
	name = strings.TrimSuffix(strings.ToLower(name), ".gz")
	if strings.HasSuffix(name, ".tsv") || strings.HasSuffix(name, ".tab") {
		return '\t'
	}
	line, _, _ := bytes.Cut(start, []byte("\n"))
	quoted, semicolons := false, false
	for _, b := range line {
		switch {
		case b == '"':
			quoted = !quoted
		case b == ',' && !quoted:
			return ','
		case b == ';' && !quoted:
			semicolons = true
		}
	}
	if semicolons {
		return ';'
	}
	return ','
}

// csvError says where a file breaks the rules.
func csvError(name string, err error) error {
	if parse := new(csv.ParseError); errors.As(err, &parse) {
		return fmt.Errorf("%s: line %d, byte %d: %w", name, parse.Line, parse.Column, parse.Err)
	}
	return fmt.Errorf("%s: %w", name, err)
}

// validateHeader returns an error unless every column has a name of its own.
func validateHeader(names []string) error {
	for i, name := range names {
		if name == "" {
			return fmt.Errorf("column %d has no name; if it numbers the rows, leave it out (in pandas: to_csv(..., index=False))", i+1)
		}
		if first := slices.Index(names, name); first < i {
			return fmt.Errorf("columns %d and %d are both called %q", first+1, i+1, name)
		}
	}
	return nil
}
