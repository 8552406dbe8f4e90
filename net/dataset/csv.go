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

// parseRows reads a table: the columns' names, and then rows with as many cells. Fields are
// separated by tabs if name says so, and otherwise by commas, or by semicolons if the first line
// has no comma. They may be quoted as RFC 4180 says. Lines end in either way, empty ones count for
// nothing, and a byte order mark of UTF-8 may come first. The whole may be gzipped.
func parseRows(r io.Reader, name string) (*rows, error) {
	content, err := uncompressed(r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	text := bufio.NewReaderSize(content, 1<<16)
	start, _ := text.Peek(1 << 16)
	if bytes.HasPrefix(start, []byte("\xff\xfe")) || bytes.HasPrefix(start, []byte("\xfe\xff")) {
		return nil, fmt.Errorf("%s: the file is in UTF-16, want UTF-8", name)
	}
	if bytes.HasPrefix(start, []byte("\xef\xbb\xbf")) {
		start = start[3:]
		text.Discard(3)
	}
	reader := csv.NewReader(text)
	reader.Comma = delimiter(name, start)
	reader.FieldsPerRecord = -1
	reader.TrimLeadingSpace = reader.Comma != '\t'
	t := &rows{name: name}
	for {
		record, err := reader.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, csvError(name, err)
		}
		line, _ := reader.FieldPos(0)
		for i, cell := range record {
			if record[i] = strings.TrimSpace(cell); !utf8.ValidString(cell) {
				return nil, fmt.Errorf("%s: line %d, field %d: %q isn't UTF-8", name, line, i+1, cell)
			}
		}
		switch {
		case t.header == nil:
			if err := validateHeader(record); err != nil {
				return nil, fmt.Errorf("%s: line %d: %w", name, line, err)
			}
			t.header = record
			continue
		case len(record) != len(t.header):
			return nil, fmt.Errorf("%s: line %d has %d fields, want %d as the header has", name, line, len(record), len(t.header))
		}
		t.cells, t.lines = append(t.cells, record), append(t.lines, line)
	}
	switch {
	case t.header == nil:
		return nil, fmt.Errorf("%s: the file is empty, want a line with the columns' names and rows below", name)
	case len(t.cells) == 0:
		return nil, fmt.Errorf("%s has no rows below the columns' names", name)
	}
	return t, nil
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
