package dataset

import (
	"cmp"
	"fmt"
	"math"
	"path/filepath"
	"slices"
)

// TableFile reads a table: a CSV or TSV file, gzipped or not, with the names of the columns in its
// first line. Options.Label names the column to predict; all others make the samples, as [Table]
// says. Fields may be quoted and lines end in either way. Fields of a .csv file are separated by
// commas, or by semicolons if the first line has no comma.
//
// A column whose cells are numbers is one of numbers, standardized by the training part. A column
// of words may have 256 different ones. Cells that are empty, or NA, N/A, NaN, null or ?, have no
// value: among words, that is a word of its own; among numbers, and in the label column, it is an
// error. So is a cell that isn't a number in a column where most are. Errors name the file, the
// line and the column.
//
// Options.Test of the rows is held back as the test part, of each class if there are classes. The
// choice depends on the number of rows, and on their classes, alone. Samples of tables are in
// memory always.
//
// To classify, Set.ClassNames are the words of the label column in alphabetic order, or its numbers
// by size. To regress, Set.Targets are standardized, too, and Input.Target brings them back to the
// column's units.
func (o Options) TableFile(path string) (train, test *Set, err error) {
	if o.texts() {
		return o.TextFile(path)
	}
	if err := cmp.Or(o.Validate(), o.only(path, "Label", "Task", "Test")); err != nil {
		return nil, nil, err
	}
	all, err := readRows(path)
	if err != nil {
		return nil, nil, err
	}
	name := filepath.Base(path)
	if train, test, err = o.table(all, nil, name); err != nil {
		return nil, nil, fmt.Errorf("dataset: %w", err)
	}
	return train, test, nil
}

// tables reads a folder with a table for each part.
func (o Options) tables(dir, trainPath, testPath string) (train, test *Set, err error) {
	if err := o.only(fmt.Sprintf("the folder %s, which has a table for the test,", dir), "Label", "Task"); err != nil {
		return nil, nil, err
	}
	training, err := readRows(trainPath)
	if err != nil {
		return nil, nil, err
	}
	held, err := readRows(testPath)
	if err != nil {
		return nil, nil, err
	}
	if train, test, err = o.table(training, held, filepath.Base(filepath.Clean(dir))); err != nil {
		return nil, nil, fmt.Errorf("dataset: %w", err)
	}
	return train, test, nil
}

// table makes the sets of a table. Without rows for the test it holds back some.
func (o Options) table(all, held *rows, name string) (train, test *Set, err error) {
	column, err := o.labelColumn(all)
	if err != nil {
		return nil, nil, err
	}
	label, err := o.fitLabel(all, column)
	if err != nil {
		return nil, nil, err
	}
	training, tests := indices(len(all.cells)), []int(nil)
	if held == nil {
		if training, tests, err = o.split(all, column, label); err != nil {
			return nil, nil, err
		}
	}
	if label.Words == nil {
		if label, err = all.fitNumbers(column, training); err != nil {
			return nil, nil, err
		}
		if label.Std == 0 {
			return nil, nil, fmt.Errorf("%s: column %q, the label, has the same number in all rows: nothing to learn", all.name, label.Name)
		}
	}
	t := &Table{Label: label}
	for i := range all.header {
		if i == column {
			continue
		}
		c, err := all.fitColumn(i, training)
		if err != nil {
			return nil, nil, err
		}
		t.Columns = append(t.Columns, c)
	}
	e, err := t.newEncoder(all)
	if err != nil {
		return nil, nil, err
	}
	if train, err = e.set(name + "/train"); err != nil {
		return nil, nil, err
	}
	if held == nil {
		return train.pick(training, train.Name), train.pick(tests, name+"/test"), nil
	}
	if e, err = t.newEncoder(held); err != nil {
		return nil, nil, err
	}
	if test, err = e.set(name + "/test"); err != nil {
		return nil, nil, err
	}
	return train, test, nil
}

// labelColumn returns the number of the label column.
func (o Options) labelColumn(t *rows) (int, error) {
	if o.Label == "" {
		return 0, fmt.Errorf("%s: which column is the label? Name it by Label (--label), one of %s", t.name, quoted(t.header))
	}
	column := slices.Index(t.header, o.Label)
	if column < 0 {
		return 0, fmt.Errorf("%s has no column %q for the Label (--label), it has %s", t.name, o.Label, quoted(t.header))
	}
	if len(t.header) < 2 {
		return 0, fmt.Errorf("%s has the column %q only, want others to predict it from", t.name, o.Label)
	}
	return column, nil
}

// autoClasses returns the most different whole numbers that TaskAuto takes for the classes of n
// rows.
func autoClasses(n int) int { return max(2, min(20, n/3)) }

// fitLabel returns the label column: with the classes, or without any to regress.
func (o Options) fitLabel(t *rows, column int) (Column, error) {
	c := Column{Name: t.header[column]}
	numbers, whole := true, true
	for row, cells := range t.cells {
		cell := cells[column]
		if isMissing(cell) {
			return c, fmt.Errorf("%s: expected a label, got %q, which stands for no value: leave the row out", t.at(row, column), cell)
		}
		v, ok := number(cell)
		numbers, whole = numbers && ok, whole && v == math.Trunc(v)
	}
	if o.Task == Regress || (o.Task != Classify && numbers && !whole) {
		return c, nil
	}
	limit := maxClasses
	if o.Task != Classify && numbers {
		limit = autoClasses(len(t.cells))
	}
	words, err := t.distinct(column, limit, className)
	if err != nil {
		if o.Task != Classify && numbers {
			return c, nil // too many different numbers for classes
		}
		return c, err
	}
	if len(words) < 2 {
		return c, fmt.Errorf("%s: column %q, the label, is %q in all rows: nothing to learn", t.name, c.Name, words[0])
	}
	if numbers {
		slices.SortFunc(words, func(a, b string) int {
			x, _ := number(a)
			y, _ := number(b)
			return cmp.Compare(x, y)
		})
	}
	c.Words = words
	return c, nil
}

// split returns the rows of both parts, in order.
func (o Options) split(t *rows, column int, label Column) (training, tests []int, err error) {
	rowsOf := [][]int{indices(len(t.cells))}
	if label.Words != nil {
		rowsOf = make([][]int, len(label.Words))
		places := label.places()
		for row, cells := range t.cells {
			class := places[className(cells[column])]
			rowsOf[class] = append(rowsOf[class], row)
		}
	}
	counts := make([]int, len(rowsOf))
	for class, rows := range rowsOf {
		counts[class] = len(rows)
	}
	held, err := o.hold(counts)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", t.name, err)
	}
	for class, rows := range rowsOf {
		for i, row := range rows {
			if held[class][i] {
				tests = append(tests, row)
			} else {
				training = append(training, row)
			}
		}
	}
	slices.Sort(training)
	slices.Sort(tests)
	return training, tests, nil
}
