package main

import (
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/steppe-ml/steppe/internal/atomicfile"
	"github.com/steppe-ml/steppe/internal/report"
	"github.com/steppe-ml/steppe/internal/runs"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/dataset"
)

// dataShow is one run of the command.
type dataShow struct {
	source runs.Source
	out    string
	sample int // of the test set, to be drawn alone; -1 for a sheet of many
	asJSON bool
}

func newDataShow() *cobra.Command {
	d := &dataShow{source: runs.Defaults().Source}
	cmd := &cobra.Command{
		Use:   "show DATA",
		Short: "Show the classes and some samples of a data set",
		Long: `Show what a data set has: the shape of its samples, its classes with their names
and numbers of samples, and some samples of the training set. --out draws more
of them, class by class, into a PNG file, or with --sample one of the test set.

` + aboutData(),
		Example: `  steppe data show digits
  steppe data show digits --out digits.png
  steppe data show digits --sample 7 --out seven.png
  steppe data show photos --image-size 64 --out photos.png
  steppe data show wine.csv --label quality
  steppe data show reviews.tsv --text review --label verdict`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("%s wants the name, file or folder of one data set, got %d", cmd.CommandPath(), len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			d.source.Data = args[0]
			return d.run(cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	addReadingFlags(flags, &d.source)
	flags.StringVar(&d.out, "out", "", "draw samples of each class into `FILE`.png")
	flags.IntVar(&d.sample, "sample", -1, "draw test sample `N` alone, from 0 on, in its own size")
	addDataJSON(cmd, &d.asJSON)
	return cmd
}

func (d *dataShow) run(stdout, stderr io.Writer) error {
	if err := d.source.Validate(); err != nil {
		return err
	}
	if d.out != "" && !strings.EqualFold(filepath.Ext(d.out), ".png") {
		return fmt.Errorf("--out is %q, want a name that ends in .png", d.out)
	}
	var train, test *dataset.Set
	err := waiting(stderr, "reading data", func() (err error) {
		train, test, err = d.source.Open()
		return err
	})
	if err != nil {
		return err
	}
	if d.sample >= 0 {
		return d.drawSample(stdout, test)
	}
	if d.out != "" {
		if err := drawSheet(d.out, train); err != nil {
			return err
		}
	}
	facts := factsOf(d.source.Data, train, test)
	if d.asJSON {
		return writeJSON(stdout, facts)
	}
	facts.print(stdout)
	if isQuiet(stderr) {
		return nil
	}
	fmt.Fprintln(stdout)
	switch {
	case train.IsText():
		fmt.Fprint(stdout, textsOf(train))
	case isPicture(train.Shape):
		fmt.Fprint(stdout, textSamples(train))
	default:
		fmt.Fprint(stdout, textColumns(train)+textRows(train))
	}
	if d.out != "" {
		fmt.Fprintf(stdout, "\nMore samples are in %s.\n", d.out)
	}
	return nil
}

// drawSample draws one sample of the test set, and says what it is.
func (d *dataShow) drawSample(stdout io.Writer, s *dataset.Set) error {
	switch {
	case d.out == "":
		return fmt.Errorf("--sample %d without --out, want a FILE.png to draw it into", d.sample)
	case d.sample >= s.Len():
		return fmt.Errorf("--sample is %d, want 0 to %d: %s has %s", d.sample, s.Len()-1, s.Name, plural(s.Len(), "sample"))
	case !isPicture(s.Shape):
		return noPictures(s)
	}
	x, err := sampleOf(s, d.sample)
	if err != nil {
		return err
	}
	content, err := encodePNG(report.Picture{Shape: s.Shape, Values: x})
	if err != nil {
		return err
	}
	err = atomicfile.Write(d.out, func(w io.Writer) error { _, err := w.Write(content); return err })
	if err != nil {
		return err
	}
	what := "a picture"
	if s.Labels != nil {
		what = nameOf(s, d.sample)
	}
	_, err = fmt.Fprintf(stdout, "%s is sample %d of %s: %s.\n", d.out, d.sample, s.Name, what)
	return err
}

// noPictures is the error of --out for a set that has none.
func noPictures(s *dataset.Set) error {
	if s.IsText() {
		return fmt.Errorf("--out draws pictures, but the samples of %s are texts", s.Name)
	}
	return fmt.Errorf("--out draws pictures, but the samples of %s are %v numbers", s.Name, s.Shape)
}

// drawSheet draws samples of a set into a PNG file.
func drawSheet(path string, s *dataset.Set) error {
	if !isPicture(s.Shape) {
		return noPictures(s)
	}
	return atomicfile.Write(path, func(w io.Writer) error { return writeSheet(w, s) })
}

// dataFacts is what a data set has, for --json, too.
type dataFacts struct {
	Data    string       `json:"data"`
	Shape   []int        `json:"shape"` // of a sample
	Train   int          `json:"train"` // samples
	Test    int          `json:"test"`
	Classes []classFacts `json:"classes,omitempty"`
	Targets []spread     `json:"targets,omitempty"` // of the training set, one for each target
	Text    *textFacts   `json:"text,omitempty"`
}

type classFacts struct {
	Label int    `json:"label"`
	Name  string `json:"name,omitempty"`
	Train int    `json:"train"`
	Test  int    `json:"test"`
}

// spread describes the values of a target.
type spread struct {
	Mean float64 `json:"mean"`
	Std  float64 `json:"std"`
	Min  float64 `json:"min"`
	Max  float64 `json:"max"`
}

func factsOf(spec string, train, test *dataset.Set) dataFacts {
	facts := dataFacts{Data: spec, Shape: train.Shape, Train: train.Len(), Test: test.Len(), Text: textFactsOf(train)}
	if train.Labels != nil {
		facts.Classes = make([]classFacts, train.Classes)
		for label := range facts.Classes {
			c := &facts.Classes[label]
			c.Label = label
			if train.ClassNames != nil {
				c.Name = train.ClassNames[label]
			}
		}
		for _, label := range train.Labels {
			facts.Classes[label].Train++
		}
		for _, label := range test.Labels {
			facts.Classes[label].Test++
		}
	}
	for target := range targetsOf(train) {
		facts.Targets = append(facts.Targets, spreadOf(train, target))
	}
	return facts
}

// targetsOf returns the number of targets of a sample.
func targetsOf(s *dataset.Set) int { return len(s.Targets) / max(1, s.Len()) }

// targetOf returns a target in the units of the data, though a table's are standardized.
func targetOf(s *dataset.Set, i, target int) float64 {
	v := s.Targets[i*targetsOf(s)+target]
	if s.Input != nil && s.Input.Table != nil {
		return s.Input.Target(v)
	}
	return float64(v)
}

// spreadOf describes a target.
func spreadOf(s *dataset.Set, target int) spread {
	d := spread{Min: math.Inf(1), Max: math.Inf(-1)}
	n := float64(s.Len())
	for i := range s.Len() {
		v := targetOf(s, i, target)
		d.Mean += v / n
		d.Min, d.Max = min(d.Min, v), max(d.Max, v)
	}
	for i := range s.Len() {
		from := targetOf(s, i, target) - d.Mean
		d.Std += from * from / n
	}
	d.Std = math.Sqrt(d.Std)
	return d
}

func (f dataFacts) print(out io.Writer) {
	shape := net.Shape(f.Shape).String()
	if f.Text != nil {
		shape = fmt.Sprintf("up to %s", plural(f.Shape[0], "token"))
	}
	fmt.Fprintf(out, "%s: %s training and %s of %s", f.Data, count(f.Train), plural(f.Test, "test sample"), shape)
	if f.Classes != nil {
		fmt.Fprintf(out, " in %s", plural(len(f.Classes), "class"))
	}
	fmt.Fprintln(out)
	if t := f.Text; t != nil {
		fmt.Fprintf(out, "vocabulary of %s, %.1f a training sample on average, %s at the most", plural(t.Vocabulary, "token"), t.MeanTokens, count(t.Longest))
		if t.Cut > 0 {
			fmt.Fprintf(out, "\n%s too long, and cut by %s in all", plural(t.Cut, "text")+isAre(t.Cut), plural(t.CutTokens, "token"))
		}
		fmt.Fprintln(out)
	}
	if f.Classes != nil {
		columns := []column{{"class", text.AlignRight, cells(f.Classes, func(c classFacts) string { return strconv.Itoa(c.Label) })}}
		if slices.ContainsFunc(f.Classes, func(c classFacts) bool { return c.Name != "" }) {
			columns = append(columns, column{"name", text.AlignLeft, cells(f.Classes, func(c classFacts) string { return c.Name })})
		}
		columns = append(columns,
			column{"training", text.AlignRight, cells(f.Classes, func(c classFacts) string { return count(c.Train) })},
			column{"test", text.AlignRight, cells(f.Classes, func(c classFacts) string { return count(c.Test) })})
		fmt.Fprintf(out, "\n%s\n", render(columns, false))
	}
	if f.Targets != nil {
		cell := func(value func(spread) float64) []string {
			return cells(f.Targets, func(s spread) string { return strconv.FormatFloat(value(s), 'g', 6, 64) })
		}
		fmt.Fprintf(out, "\n%s\n", render([]column{
			{"target: mean", text.AlignRight, cell(func(s spread) float64 { return s.Mean })},
			{"deviation", text.AlignRight, cell(func(s spread) float64 { return s.Std })},
			{"least", text.AlignRight, cell(func(s spread) float64 { return s.Min })},
			{"most", text.AlignRight, cell(func(s spread) float64 { return s.Max })},
		}, false))
	}
}

// screenWidth is the columns that samples take as text.
const screenWidth = 79

// textColumns says which columns of a table the numbers of a sample come from, "" if it is none.
func textColumns(s *dataset.Set) string {
	if s.Input == nil || s.Input.Table == nil {
		return ""
	}
	var names []string
	for _, c := range s.Input.Table.Columns {
		name := c.Name
		if c.Words != nil {
			name += fmt.Sprintf(" (%s)", plural(len(c.Words), "word"))
		}
		names = append(names, name)
	}
	return wrap(fmt.Sprintf("Samples come from %s: %s. Numbers are standardized, and words are 0 or 1 for each word that there is.",
		plural(len(names), "column"), strings.Join(names, ", ")), screenWidth) + "\n\n"
}

// textRows returns the first samples of a set that has no pictures, as numbers.
func textRows(s *dataset.Set) string {
	var b strings.Builder
	for i := range min(5, s.Len()) {
		x, err := sampleOf(s, i)
		if err != nil {
			fmt.Fprintf(&b, "sample %d can't be read: %v\n", i, err)
			continue
		}
		line := fmt.Sprintf("sample %d, %s:", i, meaning(s, i))
		for j, v := range x {
			value := " " + strconv.FormatFloat(float64(v), 'g', 3, 32)
			if more := fmt.Sprintf(" ... %s more", count(len(x)-j)); utf8.RuneCountInString(line+value) > screenWidth-len(more) {
				line += more
				break
			}
			line += value
		}
		fmt.Fprintln(&b, line)
	}
	return b.String()
}

// meaning returns the class or the targets of a sample.
func meaning(s *dataset.Set, i int) string {
	if s.Labels != nil {
		return className(s, int(s.Labels[i]))
	}
	var values []string
	for target := range targetsOf(s) {
		values = append(values, strconv.FormatFloat(targetOf(s, i, target), 'g', 6, 64))
	}
	return "target " + strings.Join(values, " ")
}

// className returns the name of a class, or its number if it has no name.
func className(s *dataset.Set, label int) string {
	if s.ClassNames != nil && s.ClassNames[label] != strconv.Itoa(label) {
		return s.ClassNames[label]
	}
	return "class " + strconv.Itoa(label)
}

// sampleOf returns the numbers of one sample.
func sampleOf(s *dataset.Set, i int) ([]float32, error) {
	x := make([]float32, s.Shape.Size())
	return x, s.Read(i, x)
}

// byClass returns the indices of up to n samples of each class, the first ones; of a set without
// classes, up to n samples as if they were one class.
func byClass(s *dataset.Set, n int) [][]int {
	if s.Labels == nil {
		only := make([]int, min(n, s.Len()))
		for i := range only {
			only[i] = i
		}
		return [][]int{only}
	}
	classes := make([][]int, s.Classes)
	for i, label := range s.Labels {
		if len(classes[label]) < n {
			classes[label] = append(classes[label], i)
		}
	}
	return classes
}
