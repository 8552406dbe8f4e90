package dataset

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net"
)

// table writes a file and returns its path.
func table(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o666))
	return path
}

// houses is a table with every kind of column, in which row i costs 100+10i.
func houses(n int) string {
	var text strings.Builder
	text.WriteString("rooms,town,age,price,kind\n")
	towns := []string{"Ulm", "Bonn", ""}
	for i := range n {
		fmt.Fprintf(&text, "%d,%s,%v,%d,%s\n", 1+i%4, towns[i%3], 0.5*float64(i), 100+10*i, []string{"flat", "house"}[i%2])
	}
	return text.String()
}

func TestTableRegress(t *testing.T) {
	path := table(t, "houses.csv", houses(40))
	train, test, err := Options{Label: "price"}.Open(path)
	require.NoError(t, err)
	assert.Equal(t, []string{"houses.csv/train", "houses.csv/test"}, []string{train.Name, test.Name})
	assert.Equal(t, []int{32, 8}, []int{train.Len(), test.Len()})
	in := train.Input.Table
	assert.Equal(t, []string{"", "Bonn", "Ulm"}, in.Columns[1].Words)
	assert.Equal(t, []string{"flat", "house"}, in.Columns[3].Words)
	var mean, square float64
	for _, s := range []*Set{train, test} {
		require.NoError(t, s.Validate())
		assert.Equal(t, net.Shape{1 + 3 + 1 + 2}, s.Shape)
		assert.Nil(t, s.Labels)
		assert.Zero(t, s.Classes)
		assert.Same(t, in, s.Input.Table)
		for i := range s.Len() {
			b := s.Range(i, 1)
			row := (s.Input.Target(b.Targets[0]) - 100) / 10
			assert.InDelta(t, math.Round(row), row, 1e-4, "targets come back in the column's units")
			n := int(math.Round(row))
			assert.InDelta(t, float64(1+n%4), float64(b.X[0])*in.Columns[0].Std+in.Columns[0].Mean, 1e-5)
			assert.Equal(t, [][]float32{{0, 0, 1}, {0, 1, 0}, {1, 0, 0}}[n%3], b.X[1:4], "row %d", n)
			assert.Equal(t, [][]float32{{1, 0}, {0, 1}}[n%2], b.X[5:])
		}
	}
	for _, y := range train.Targets {
		mean += float64(y)
		square += float64(y) * float64(y)
	}
	assert.InDelta(t, 0, mean/32, 1e-6)
	assert.InDelta(t, 1, square/32, 1e-6, "the training part has deviation 1")

	again, _, err := Options{Label: "price"}.Open(path)
	require.NoError(t, err)
	assert.Equal(t, train, again)
}

func TestTableClassify(t *testing.T) {
	path := table(t, "houses.csv", houses(40))
	train, test, err := Options{Label: "town", Task: Classify, Test: 0.25}.Open(strings.Replace(path, "houses", "houses", 1))
	assert.ErrorContains(t, err, `line 4, column "town": expected a label, got "", which stands for no value`)
	assert.Nil(t, train)
	assert.Nil(t, test)

	train, test, err = Options{Label: "kind", Test: 0.25}.Open(path)
	require.NoError(t, err)
	assert.Equal(t, []string{"flat", "house"}, train.ClassNames)
	assert.Equal(t, 2, test.Classes)
	counts := [2]int{}
	for _, label := range test.Labels {
		counts[label]++
	}
	assert.Equal(t, [2]int{5, 5}, counts, "of each class the same share")
	assert.Equal(t, 0.25, train.Input.Target(0.25), "classes have no units")
}

// Which task and classes TaskAuto finds.
func TestTableTask(t *testing.T) {
	column := func(of func(i int) string) string {
		text := "x,y\n"
		for i := range 60 {
			text += fmt.Sprintf("%d,%s\n", i, of(i))
		}
		return text
	}
	for _, test := range []struct {
		name    string
		task    Task
		of      func(i int) string
		classes []string
	}{
		{"words", "", func(i int) string { return string(rune('a' + i%3)) }, []string{"a", "b", "c"}},
		{"whole numbers", "", func(i int) string { return fmt.Sprint(i%11 - 1) }, []string{"-1", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}},
		{"numbers written in two ways", "", func(i int) string { return []string{"1", "2.0", "2", "1e0"}[i%4] }, []string{"1", "2"}},
		{"numbers and words", "", func(i int) string { return []string{"1", "x"}[i%2] }, []string{"1", "x"}},
		{"many whole numbers", "", func(i int) string { return fmt.Sprint(i) }, nil},
		{"fractions", TaskAuto, func(i int) string { return fmt.Sprint(float64(i%3) / 2) }, nil},
		{"fractions as classes", Classify, func(i int) string { return fmt.Sprint(float64(i%3) / 2) }, []string{"0", "0.5", "1"}},
		{"few numbers", Regress, func(i int) string { return fmt.Sprint(i % 3) }, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			train, _, err := Options{Label: "y", Task: test.task}.Open(table(t, "t.csv", column(test.of)))
			require.NoError(t, err)
			assert.Equal(t, test.classes, train.ClassNames)
			assert.Equal(t, len(test.classes), train.Classes)
			assert.Equal(t, test.classes == nil, train.Targets != nil)
		})
	}
}

// However a table is written, it is the same.
func TestTableSpellings(t *testing.T) {
	lines := strings.Split(strings.TrimSuffix(houses(20), "\n"), "\n")
	want, _, err := Options{Label: "price"}.Open(table(t, "t.csv", strings.Join(lines, "\n")))
	require.NoError(t, err)
	quotedLines := []string{`"rooms","town","age","price","kind"`}
	for _, line := range lines[1:] {
		quotedLines = append(quotedLines, `"`+strings.ReplaceAll(line, ",", `","`)+`"`)
	}
	for name, text := range map[string]string{
		"a.csv":  strings.Join(lines, "\r\n") + "\r\n",
		"b.csv":  "\ufeff" + strings.Join(lines, "\n"),
		"c.csv":  strings.Join(quotedLines, "\n") + "\n\n\n",
		"d.tsv":  strings.ReplaceAll(strings.Join(lines, "\n"), ",", "\t"),
		"e.CSV":  strings.ReplaceAll(strings.Join(lines, "\n"), ",", ";"),
		"f.csv":  strings.ReplaceAll(strings.Join(lines, "\n"), ",", " , "),
		"h.Tab":  strings.ReplaceAll(strings.Join(lines, "\r\n"), ",", "\t"),
		"i.csv":  strings.ReplaceAll(strings.Join(lines, "\n"), ",,", ",NA,"),
		"g.csv":  "\n\n" + strings.Join(lines, "\n\n"),
		"gz.csv": string(zipped([]byte(strings.Join(lines, "\n")))),
	} {
		got, _, err := Options{Label: "price"}.Open(table(t, name, text))
		require.NoError(t, err, name)
		assert.Equal(t, want.X, got.X, name)
		assert.Equal(t, want.Targets, got.Targets, name)
	}
	got, _, err := Options{Label: "price"}.Open(table(t, "t.csv.gz", string(zipped([]byte(houses(20))))))
	require.NoError(t, err)
	assert.Equal(t, want.X, got.X)
	quotes, _, err := Options{Label: "y"}.Open(table(t, "q.csv", "x,y\n\"a, \"\"b\"\"\nc\",1\nd,2\nd,1\nd,2\nd,1\n\"a, \"\"b\"\"\nc\",2\n"))
	require.NoError(t, err)
	assert.Equal(t, []string{"a, \"b\"\nc", "d"}, quotes.Input.Table.Columns[0].Words)
}

// A folder with a table for each part: the training part's numbers standardize both.
func TestTableFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "towns")
	writeIn(t, dir, "", map[string][]byte{"train.csv": []byte("x,w,y\n1,a,p\n3,b,q\n"), "test.csv": []byte("y,x,w\nq,5,a\n")})
	train, test, err := Options{Label: "y"}.Open(dir)
	require.NoError(t, err)
	assert.Equal(t, []string{"towns/train", "towns/test"}, []string{train.Name, test.Name})
	assert.Equal(t, []float32{-1, 1, 0, 1, 0, 1}, train.X)
	assert.Equal(t, []float32{3, 1, 0}, test.X, "columns are found by their names")
	assert.Equal(t, []int32{1}, test.Labels)

	for text, want := range map[string]string{
		"y,x,w\nr,5,a\n":   `test.csv: line 2, column "y": expected one of the 2 classes of the training data, "p", "q", got "r"`,
		"y,x,w\nq,5,c\n":   `test.csv: line 2, column "w": expected one of the 2 words that the training data has there, "a", "b", got "c"`,
		"y,x\nq,5\n":       `test.csv has no column "w", want all of the 2 columns`,
		"x,w\n5,a\n":       `test.csv has no column "y", which is the label`,
		"y,x,w\nq,NaN,a\n": `test.csv: line 2, column "x": expected a number, got "NaN", which stands for no value`,
		"y,x,w\nq,1e99,a":  `test.csv: line 2, column "x": 1e+99 is too far from the training data's 2 ± 1`,
	} {
		writeIn(t, dir, "", map[string][]byte{"test.csv": []byte(text)})
		_, _, err := Options{Label: "y"}.Open(dir)
		assert.ErrorContains(t, err, want)
	}
	_, _, err = Options{Label: "y", Test: 0.5}.Open(dir)
	assert.ErrorContains(t, err, "has no use for Test (--test)")
}

func TestTableErrors(t *testing.T) {
	many := "x,y\n"
	for i := range 300 {
		many += fmt.Sprintf("w%d,%d\n", i, i%2)
	}
	for _, test := range []struct{ name, text, want string }{
		{"empty", "", "the file is empty, want a line with the columns' names"},
		{"a header only", "x,y\n", "has no rows below the columns' names"},
		{"a short row", "x,y\n1,2\n3\n", "line 3 has 1 fields, want 2 as the first line has"},
		{"a long row", "x,y\n1,2,3\n", "line 2 has 3 fields, want 2"},
		{"no label column", "x,z\n1,2\n", `has no column "y" for the Label (--label), it has "x", "z"`},
		{"nothing but the label", "y\n1\n2\n", `has the column "y" only`},
		{"a column twice", "x,y,x\n1,2,3\n", `line 1: columns 1 and 3 are both called "x"`},
		{"an index", ",y\n0,2\n", "line 1: column 1 has no name; if it numbers the rows, leave it out (in pandas: to_csv(..., index=False))"},
		{"no value among numbers", "x,y\n1,a\n,b\n3,a\n1,b\n1,a\n1,b\n1,a\n", `line 3, column "x": expected a number, got "", which stands for no value: fill it in, or leave the row out`},
		{"a word among numbers", "x,y\n1,a\n2,b\n3O,a\n4,b\n5,a\n", `line 4, column "x": expected a finite number, as most of the column's 5 values are, got "3O"`},
		{"infinity", "x,y\n1,a\n2,b\n1e999,a\n4,b\n5,a\n", `line 4, column "x": expected a finite number`},
		{"no values at all", "x,y\n,a\n,b\n,a\n,a\n", `column "x" has no values: leave it out`},
		{"no label", "x,y\n1,a\n2,\n", `line 3, column "y": expected a label, got ""`},
		{"one class", "x,y\n1,a\n2,a\n", `column "y", the label, is "a" in all rows: nothing to learn`},
		{"too many words", many, `line 258, column "x": "w256" is the column's different word number 257, want at most 256`},
		{"too large", "x,y\n1e308,a\n-1e308,b\n1e308,a\n1e308,b\n1e308,a\n1e308,b\n", `column "x" has numbers too large to standardize`},
		{"a bare quote", "x,y\n1,a\"b\n", "line 2, byte 4: bare \""},
		{"an open quote", "x,y\n1,\"a\n", "line 2, byte "},
		{"Latin-1", "x,y\n1,caf\xe9\n", `line 2, field 2: "caf\xe9" isn't UTF-8`},
		{"UTF-16", "\xff\xfex\x00,\x00", "the file is in UTF-16, want UTF-8"},
		{"damaged gzip", "\x1f\x8b\x08", "damaged gzip"},
		{"one row", "x,y\n1,2.5\n", "a share of 0.2 leaves no sample for a test"},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := table(t, "t.csv", test.text)
			train, held, err := Options{Label: "y"}.Open(path)
			assert.Nil(t, train)
			assert.Nil(t, held)
			assert.ErrorContains(t, err, "dataset: "+path)
			assert.ErrorContains(t, err, test.want)
		})
	}
	path := table(t, "t.csv", "x,y\n1,2.5\n2,a\n3,4\n4,a\n5,a\n")
	_, _, err := Open(path)
	assert.EqualError(t, err, "dataset: "+path+`: which column is the label? Name it by Label (--label), one of "x", "y"`)
	_, _, err = Options{Label: "y", Task: Regress}.Open(path)
	assert.ErrorContains(t, err, path+`: line 3, column "y": expected a finite number, got "a"`)
	_, _, err = Options{Label: "y", Task: Regress}.Open(table(t, "t.csv", "x,y\n1,2\n2,2\n3,2\n4,2\n5,2\n"))
	assert.ErrorContains(t, err, `column "y", the label, has the same number in all rows`)
	_, _, err = Options{Label: "y", Task: "guess"}.Open(path)
	assert.ErrorContains(t, err, `Task is "guess", want one of auto, classify, regress`)
	_, _, err = Options{Label: "y", ImageSize: 8}.Open(path)
	assert.ErrorContains(t, err, "has no use for ImageSize (--image-size)")
	_, _, err = Options{Label: "y", Stream: StreamAlways}.Open(path)
	assert.ErrorContains(t, err, "has no use for Stream (--stream)")
}

// Rows that are read later, with an Input that has been JSON, equal those of the set.
func TestInputRows(t *testing.T) {
	path := table(t, "houses.csv", houses(40))
	train, test, err := Options{Label: "price"}.Open(path)
	require.NoError(t, err)
	text, err := json.Marshal(train.Input)
	require.NoError(t, err)
	var in Input
	require.NoError(t, json.Unmarshal(text, &in))
	assert.Equal(t, *train.Input, in)
	require.NoError(t, in.Validate())

	file, err := os.Open(path)
	require.NoError(t, err)
	defer file.Close()
	x, n, err := in.Rows(file, path)
	require.NoError(t, err)
	assert.Equal(t, 40, n)
	assert.Len(t, x, 40*7)
	for row, want := range map[int][]string{0: {"1", "Ulm", "0", "flat"}, 5: {"2", "", "2.5", "house"}, 39: {"4", "Ulm", "19.5", "house"}} {
		var sample []float64
		for _, v := range x[row*7:][:7] {
			sample = append(sample, float64(v))
		}
		assert.Equal(t, want, in.Table.Cells(sample))
	}
	for _, s := range []*Set{train, test} {
		for i := range s.Len() {
			row := int(math.Round((in.Target(s.Targets[i]) - 100) / 10))
			assert.Equal(t, s.Range(i, 1).X, x[7*row:][:7])
		}
	}

	// Other columns, and no label.
	y, n, err := in.Rows(strings.NewReader("id;kind;age;rooms;town\n17;house;0.5;2;Bonn\n"), "new rows")
	require.NoError(t, err)
	assert.Equal(t, 1, n)
	assert.Equal(t, x[7:14], y)
	_, _, err = in.Rows(strings.NewReader("rooms,town\n1,Ulm\n"), "new rows")
	assert.ErrorContains(t, err, `dataset: new rows has no column "age", "kind", want all of the 4 columns that the model was trained on; it has "rooms", "town"`)
	_, _, err = in.Rows(strings.NewReader("kind,age,rooms,town\nhouse,0.5,2,Wien\n"), "new rows")
	assert.ErrorContains(t, err, `dataset: new rows: line 2, column "town": expected one of the 3 words that the training data has there, "", "Bonn", "Ulm", got "Wien"`)
	_, _, err = (&Input{Pictures: &Pictures{2, 2, 1}}).Rows(strings.NewReader("a\n1\n"), "new rows")
	assert.ErrorContains(t, err, "new rows: expected pictures")

	dir := filepath.Join(t.TempDir(), "houses")
	require.NoError(t, os.Mkdir(dir, 0o755))
	_, err = in.LabeledTable(dir)
	assert.EqualError(t, err, "dataset: folder "+dir+" has no train.csv and test.csv, want a table, since the model was trained on one")
	for name, rows := range map[string]int{"train.csv": 40, "test.csv": 3} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(houses(rows)), 0o644))
	}
	held, err := in.LabeledTable(dir)
	require.NoError(t, err)
	assert.Equal(t, 3, held.Len())
	whole, err := in.LabeledTable(path)
	require.NoError(t, err)
	assert.Equal(t, x, whole.X)

	s, err := in.LabeledRows(strings.NewReader("kind,age,rooms,town,price\nhouse,0.5,2,Bonn,110\n"), "more")
	require.NoError(t, err)
	require.NoError(t, s.Validate())
	assert.Equal(t, x[7:14], s.X)
	assert.InDelta(t, 110, in.Target(s.Targets[0]), 1e-4)
}

func TestInputValidateTable(t *testing.T) {
	good := func() *Input {
		return &Input{Table: &Table{Columns: []Column{{Name: "a", Std: 1}, {Name: "b", Words: []string{"x", "y"}}}, Label: Column{Name: "c"}}}
	}
	require.NoError(t, good().Validate())
	for want, damage := range map[string]func(t *Table){
		"has no columns": func(t *Table) { t.Columns = nil },
		`has a column "a", want names, each once`:         func(t *Table) { t.Label.Name = "a" },
		`has a column "", want names`:                     func(t *Table) { t.Columns[1].Name = "" },
		`column "a" of an Input has mean 0 and deviation`: func(t *Table) { t.Columns[0].Std = -1 },
		`column "b" of an Input has 2 words, want 1 to`:   func(t *Table) { t.Columns[1].Words[1] = "x" },
		`column "b" of an Input has 0 words`:              func(t *Table) { t.Columns[1].Words = []string{} },
	} {
		in := good()
		damage(in.Table)
		assert.ErrorContains(t, in.Validate(), want)
	}
}
