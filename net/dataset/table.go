package dataset

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/steppe-ml/steppe/net"
)

// Table says how rows of a table become samples: the values of Columns, one behind the other. A
// column of numbers gives one value, (number-Mean)/Std. A column of words gives one for each of
// Words, 1 for the word of the row and 0 for the others.
type Table struct {
	Columns []Column `json:"columns"`
	Label   Column   `json:"label"` // with the classes for Words, or the mean and deviation of the targets
}

// Column is a column of numbers, or of words.
type Column struct {
	Name  string   `json:"name"`
	Words []string `json:"words,omitempty"` // of a column of words, in order; "" stands for cells without a value
	Mean  float64  `json:"mean,omitempty"`  // of a column of numbers, in the training part
	Std   float64  `json:"std,omitempty"`   // its deviation; 0 if all are the same, which gives zeros
}

const (
	maxWords   = 256     // of a column
	maxClasses = 1 << 16 // of a label column
)

// missing are the cells, in lower case, that stand for no value.
var missing = []string{"", "na", "n/a", "nan", "null", "?"}

// number returns the finite number in a cell.
func number(cell string) (float64, bool) {
	v, err := strconv.ParseFloat(cell, 64)
	return v, err == nil && !notFinite(v)
}

// isMissing reports whether a cell has no value.
func isMissing(cell string) bool {
	return len(cell) <= 4 && slices.Contains(missing, strings.ToLower(cell))
}

// word returns a cell of a column of words.
func word(cell string) string {
	if isMissing(cell) {
		return ""
	}
	return cell
}

// size returns how many values of a sample the column gives.
func (c Column) size() int {
	if c.Words == nil {
		return 1
	}
	return len(c.Words)
}

// Size returns the number of values of a sample.
func (t *Table) Size() int {
	size := 0
	for _, c := range t.Columns {
		size += c.size()
	}
	return size
}

// fitColumn makes the column of a table, by the rows of its training part, and of words by all of
// its rows.
func (t *rows) fitColumn(column int, training []int) (Column, error) {
	c := Column{Name: t.header[column]}
	numbers, words, first := 0, 0, -1
	for row, cells := range t.cells {
		if cell := cells[column]; isMissing(cell) {
			continue
		} else if _, ok := number(cell); ok {
			numbers++
		} else if words++; first < 0 {
			first = row
		}
	}
	switch {
	case numbers+words == 0:
		return c, fmt.Errorf("%s: column %q has no values: leave it out", t.name, c.Name)
	case words == 0:
		return t.fitNumbers(column, training)
	case numbers > words:
		return c, fmt.Errorf("%s: expected a finite number, as most of the column's %d values are, got %q", t.at(first, column), numbers+words, t.cells[first][column])
	}
	var err error
	c.Words, err = t.distinct(column, maxWords, word)
	return c, err
}

// fitNumbers measures a column of numbers on some rows.
func (t *rows) fitNumbers(column int, training []int) (Column, error) {
	c := Column{Name: t.header[column]}
	sum := func(of func(v float64) float64) (float64, error) {
		total := 0.0
		for _, row := range training {
			v, err := t.number(row, column)
			if err != nil {
				return 0, err
			}
			total += of(v)
		}
		return total / float64(len(training)), nil
	}
	var err error
	if c.Mean, err = sum(func(v float64) float64 { return v }); err != nil {
		return c, err
	}
	variance, err := sum(func(v float64) float64 { return float64((v - c.Mean) * (v - c.Mean)) })
	if err != nil {
		return c, err
	}
	if c.Std = math.Sqrt(variance); notFinite(c.Mean) || notFinite(c.Std) {
		return c, fmt.Errorf("%s: column %q has numbers too large to standardize", t.name, c.Name)
	}
	return c, nil
}

// number returns the number in a cell.
func (t *rows) number(row, column int) (float64, error) {
	cell := t.cells[row][column]
	if v, ok := number(cell); ok {
		return v, nil
	}
	if isMissing(cell) {
		return 0, fmt.Errorf("%s: expected a number, got %q, which stands for no value: fill it in, or leave the row out", t.at(row, column), cell)
	}
	return 0, fmt.Errorf("%s: expected a finite number, got %q", t.at(row, column), cell)
}

// distinct returns the different words of a column in order, at most limit.
func (t *rows) distinct(column, limit int, of func(cell string) string) ([]string, error) {
	seen := map[string]bool{}
	for row, cells := range t.cells {
		if w := of(cells[column]); !seen[w] {
			if seen[w] = true; len(seen) > limit {
				return nil, fmt.Errorf("%s: %q is the column's different word number %d, want at most %d: leave the column out, group its words, or name it by Text (--text) if it is text", t.at(row, column), w, len(seen), limit)
			}
		}
	}
	words := make([]string, 0, len(seen))
	for w := range seen {
		words = append(words, w)
	}
	slices.Sort(words)
	return words, nil
}

// encoder turns rows of one file into samples.
type encoder struct {
	table  *Table
	rows   *rows
	places []int            // of the table's columns among those of the rows
	words  []map[string]int // by column: where each word is in Words
}

// newEncoder finds a table's columns by name in a file that may have them in another order, and
// more of them.
func (t *Table) newEncoder(r *rows) (*encoder, error) {
	e := &encoder{table: t, rows: r}
	var absent []string
	for _, c := range t.Columns {
		place := slices.Index(r.header, c.Name)
		if place < 0 {
			absent = append(absent, strconv.Quote(c.Name))
		}
		e.places = append(e.places, place)
		e.words = append(e.words, c.places())
	}
	if absent != nil {
		return nil, fmt.Errorf("%s has no column %s, want all of the %d columns that the model was trained on; it has %s",
			r.name, strings.Join(absent, ", "), len(t.Columns), quoted(r.header))
	}
	return e, nil
}

// places returns where each word is in Words.
func (c Column) places() map[string]int {
	places := map[string]int{}
	for i, w := range c.Words {
		places[w] = i
	}
	return places
}

// encode writes a row as a sample to x.
func (e *encoder) encode(row int, x []float32) error {
	clear(x)
	for i, c := range e.table.Columns {
		if c.Words == nil {
			v, err := e.rows.number(row, e.places[i])
			if err != nil {
				return err
			}
			if x[0], err = c.standardize(v); err != nil {
				return fmt.Errorf("%s: %w", e.rows.at(row, e.places[i]), err)
			}
		} else {
			w := word(e.rows.cells[row][e.places[i]])
			place, ok := e.words[i][w]
			if !ok {
				return fmt.Errorf("%s: expected one of the %d words that the training data has there, %s, got %q",
					e.rows.at(row, e.places[i]), len(c.Words), quoted(c.Words), w)
			}
			x[place] = 1
		}
		x = x[c.size():]
	}
	return nil
}

// standardize takes the mean and deviation out of a number.
func (c Column) standardize(v float64) (float32, error) {
	y := v - c.Mean
	if c.Std > 0 {
		y /= c.Std
	}
	if x := float32(y); !notFinite(float64(x)) {
		return x, nil
	}
	return 0, fmt.Errorf("%v is too far from the training data's %v ± %v for a float32", v, c.Mean, c.Std)
}

// quoted lists words, but not too many.
func quoted(words []string) string {
	const most = 12
	list := make([]string, 0, most)
	for _, w := range words[:min(len(words), most)] {
		list = append(list, strconv.Quote(w))
	}
	if more := len(words) - most; more > 0 {
		list = append(list, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(list, ", ")
}

// encodeAll returns all rows as samples.
func (e *encoder) encodeAll() ([]float32, error) {
	size := e.table.Size()
	x := make([]float32, len(e.rows.cells)*size)
	for row := range e.rows.cells {
		if err := e.encode(row, x[row*size:][:size]); err != nil {
			return nil, err
		}
	}
	return x, nil
}

// Rows reads rows of a table as the set's were read: x is [n, Set.Shape]. The text has the names of
// the columns in its first line, in any order; columns that aren't the set's, and the label, may be
// there and don't count. name stands for the text in errors, which say the line and the column; one
// that ends in .tsv means fields separated by tabs. It is an error, too, if the samples weren't
// rows.
func (in *Input) Rows(r io.Reader, name string) (x []float32, n int, err error) {
	e, err := in.encoder(r, name)
	if err != nil {
		return nil, 0, err
	}
	if x, err = e.encodeAll(); err != nil {
		return nil, 0, fmt.Errorf("dataset: %w", err)
	}
	return x, len(e.rows.cells), nil
}

// encoder reads a table.
func (in *Input) encoder(r io.Reader, name string) (*encoder, error) {
	if err := in.Validate(); err != nil {
		return nil, err
	}
	if in.Table == nil {
		return nil, fmt.Errorf("dataset: %s: expected %s, got rows of a table", name, in.wants())
	}
	rows, err := parseRows(r, name)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	e, err := in.Table.newEncoder(rows)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	return e, nil
}

// LabeledRows is Rows for a text that has the label column, too: it returns a set, to measure a
// model on.
func (in *Input) LabeledRows(r io.Reader, name string) (*Set, error) {
	e, err := in.encoder(r, name)
	if err != nil {
		return nil, err
	}
	s, err := e.set(name)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	return s, nil
}

// set returns all rows as a set.
func (e *encoder) set(name string) (s *Set, err error) {
	label := e.table.Label
	column := slices.Index(e.rows.header, label.Name)
	if column < 0 {
		return nil, fmt.Errorf("%s has no column %q, which is the label; it has %s", e.rows.name, label.Name, quoted(e.rows.header))
	}
	s = &Set{Name: name, Shape: net.Shape{e.table.Size()}, Classes: len(label.Words), ClassNames: label.Words, Input: &Input{Table: e.table}}
	if s.X, err = e.encodeAll(); err != nil {
		return nil, err
	}
	if s.Labels, s.Targets, err = label.read(e.rows, column); err != nil {
		return nil, err
	}
	return s, nil
}

// read returns the labels in a column of some rows, or the targets if the column has no classes.
func (c Column) read(r *rows, column int) (labels []int32, targets []float32, err error) {
	places := c.places()
	for row, cells := range r.cells {
		if c.Words == nil {
			v, err := r.number(row, column)
			if err != nil {
				return nil, nil, err
			}
			y, err := c.standardize(v)
			if err != nil {
				return nil, nil, fmt.Errorf("%s: %w", r.at(row, column), err)
			}
			targets = append(targets, y)
			continue
		}
		place, ok := places[className(cells[column])]
		if !ok {
			return nil, nil, fmt.Errorf("%s: expected one of the %d classes of the training data, %s, got %q",
				r.at(row, column), len(c.Words), quoted(c.Words), cells[column])
		}
		labels = append(labels, int32(place))
	}
	return labels, targets, nil
}

// className returns the class in a cell: numbers that are the same are the same class, however they
// are written.
func className(cell string) string {
	if v, ok := number(cell); ok {
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return cell
}

// Cells returns what a row had in the columns of the table, given its sample x, [Size]: the reverse
// of Input.Rows, but for the rounding of numbers. A cell without a value is empty.
func (t *Table) Cells(x []float64) []string {
	cells := make([]string, 0, len(t.Columns))
	for _, c := range t.Columns {
		if c.Words != nil {
			place := slices.Index(x[:len(c.Words)], slices.Max(x[:len(c.Words)]))
			cells = append(cells, c.Words[place])
		} else {
			v := c.restore(x[0])
			if math.Abs(v) < 1e-6*max(math.Abs(c.Mean), c.Std) {
				v = 0 // but for the rounding of x
			}
			cells = append(cells, strconv.FormatFloat(v, 'g', 6, 64))
		}
		x = x[c.size():]
	}
	return cells
}

// restore is the reverse of standardize.
func (c Column) restore(y float64) float64 {
	if c.Std > 0 {
		y = float64(y * c.Std)
	}
	return y + c.Mean
}

// Target returns a target, or what a model predicts for it, in the units of the label column. It
// returns y itself if the set has classes, or isn't of a table or of texts.
func (in *Input) Target(y float32) float64 {
	switch label := in.label(); {
	case label == nil || label.Words != nil:
		return float64(y)
	default:
		return label.restore(float64(y))
	}
}

// label returns the label column; nil if there is none.
func (in *Input) label() *Column {
	switch {
	case in == nil:
		return nil
	case in.Table != nil:
		return &in.Table.Label
	case in.Text != nil:
		return in.Text.Label
	}
	return nil
}

// validate returns an error unless a table can make samples.
func (t *Table) validate() error {
	if len(t.Columns) == 0 {
		return errors.New("dataset: an Input of a table has no columns")
	}
	seen := map[string]bool{}
	for _, c := range append(slices.Clone(t.Columns), t.Label) {
		if c.Name == "" || seen[c.Name] {
			return fmt.Errorf("dataset: an Input of a table has a column %q, want names, each once", c.Name)
		}
		if err := c.validate(); err != nil {
			return err
		}
		seen[c.Name] = true
	}
	return nil
}

func (c Column) validate() error {
	switch {
	case notFinite(c.Mean) || notFinite(c.Std) || c.Std < 0:
		return fmt.Errorf("dataset: column %q of an Input has mean %v and deviation %v, want finite numbers and no negative deviation", c.Name, c.Mean, c.Std)
	case c.Words != nil && (len(c.Words) == 0 || len(c.Words) > maxClasses || len(c.places()) < len(c.Words)):
		return fmt.Errorf("dataset: column %q of an Input has %d words, want 1 to %d, each once", c.Name, len(c.Words), maxClasses)
	}
	return nil
}
