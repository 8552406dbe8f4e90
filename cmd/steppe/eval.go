package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/report"
	"github.com/steppe-ml/steppe/internal/runs"
	"github.com/steppe-ml/steppe/net/dataset"
)

// eval is one run of the command.
type eval struct {
	path      string // of a run's folder or a model file
	last      bool
	data      string // of --data; "" for that of the training
	confusion string // file of --confusion
	json      bool

	trained *runs.Trained
	test    *dataset.Set
	review  *runs.Review
}

func newEval() *cobra.Command {
	e := &eval{}
	cmd := &cobra.Command{
		Use:   "eval DIR|FILE",
		Short: "Test a trained model",
		Long: `Test the model of a run's folder, or of a file that steppe train --save has
written: on the test samples of the data that it was trained on, or on other
data (--data). Pictures and tables of your own are treated as the training
samples were; all of them are for the test, unless a folder has a part for it.

` + aboutData(),
		Example: `  steppe eval runs/first
  steppe eval digits.safetensors
  steppe eval runs/first --confusion confusion.png
  steppe eval runs/photos --data more-photos --json`,
		Args: oneModel,
		RunE: func(cmd *cobra.Command, args []string) error {
			e.path = args[0]
			return e.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&e.data, "data", "", "`name`, file or folder of the data (default that of the training)")
	flags.BoolVar(&e.last, "last", false, "of a folder, take the last step's parameters, not the best epoch's")
	flags.StringVar(&e.confusion, "confusion", "", "draw the confusion matrix into `FILE`, a .png or .svg")
	flags.BoolVar(&e.json, "json", false, "print the result as JSON")
	return cmd
}

// oneModel is the Args of commands that take the folder of a run or a model file.
func oneModel(cmd *cobra.Command, args []string) error {
	switch len(args) {
	case 0:
		return fmt.Errorf("%s: want the folder of a run or a model file, as in `%s runs/first`", cmd.CommandPath(), cmd.CommandPath())
	case 1:
		return nil
	}
	return fmt.Errorf("%s takes one folder or file, got %q, too", cmd.CommandPath(), args[1])
}

func (e *eval) run(ctx context.Context, stdout, stderr io.Writer) (err error) {
	if e.trained, err = runs.Open(e.path, e.last); err != nil {
		return err
	}
	if e.confusion != "" && e.trained.Meta.Classes == 0 {
		what := "numbers"
		if e.trained.Language() {
			what = "text"
		}
		return fmt.Errorf("--confusion %s: the model predicts %s, not classes", e.confusion, what)
	}
	if err = waiting(stderr, "reading data", e.openData); err != nil {
		return err
	}
	tables := tablesOn(stdout, stderr, e.json)
	e.printHeader(tables)
	live := newProgress(stderr, e.test.Len())
	start := time.Now()
	e.review, err = runs.NewReview(ctx, e.trained.Model, e.trained.Params, e.test, func(done int) {
		live.set(done, func() string { return "testing" })
	})
	live.clear()
	if err != nil {
		return err
	}
	if e.json {
		if err := writeJSON(stdout, e.review); err != nil {
			return err
		}
	} else {
		e.printReview(stdout, tables, time.Since(start).Seconds())
	}
	return e.drawConfusion(tables)
}

// openData reads the test samples: those of --data, or of the data that the model was trained on.
func (e *eval) openData() (err error) {
	if e.data != "" {
		e.test, err = e.trained.TestOn(e.data)
		return err
	}
	source, ok, err := e.trained.Source()
	if err != nil {
		return err
	}
	if !ok {
		return errors.New("--data is missing, and the model doesn't say what it was trained on")
	}
	if e.test, err = e.trained.Test(source); err != nil {
		err = fmt.Errorf("the data that the model was trained on can't be opened, --data names others: %w", err)
	}
	return err
}

func (e *eval) printHeader(out io.Writer) {
	meta := e.trained.Meta
	fmt.Fprintf(out, "%s of %s", meta.Model, e.trained.Path)
	if meta.Data != "" {
		fmt.Fprintf(out, ", trained on %s", meta.Data)
	}
	fmt.Fprintf(out, "\n%s of %s, %s", plural(e.test.Len(), "test sample"), e.dataName(), samplesOf(e.test))
	if e.test.Labels != nil {
		fmt.Fprintf(out, " in %s", plural(e.test.Classes, "class"))
	}
	if meta.Standardize != "" {
		fmt.Fprint(out, ", standardized")
	}
	fmt.Fprintf(out, "\n%s\n\n", machine(blas.DefaultWorkers()))
}

// dataName returns the name of the data set without "/test".
func (e *eval) dataName() string { return strings.TrimSuffix(e.test.Name, "/test") }

// printReview prints the scores, and for a classifier those of each class.
func (e *eval) printReview(stdout, tables io.Writer, seconds float64) {
	r := e.review
	if e.test.Labels != nil {
		fmt.Fprintln(tables, render(e.classTable(), false))
		fmt.Fprintln(tables)
	}
	fmt.Fprint(stdout, testLine(r))
	if top, ok := r.Scores["top-5 accuracy"]; ok {
		fmt.Fprintf(stdout, ", top-5 accuracy %.2f%%", 100*top)
	}
	fmt.Fprintln(stdout, ".")
	fmt.Fprintf(tables, "%s samples/s, %.3f seconds.\n", rate(float64(r.Samples)/seconds), seconds)
}

// classTable has a row for each class, in their order.
func (e *eval) classTable() []column {
	names := e.trained.ClassNames()
	var name, samples, precision, recall []string
	for class, row := range e.review.Confusion {
		all, predicted := 0, 0
		for other, n := range row {
			all += n
			predicted += e.review.Confusion[other][class]
		}
		name = append(name, names[class])
		samples = append(samples, count(all))
		precision = append(precision, share(row[class], predicted))
		recall = append(recall, share(row[class], all))
	}
	return []column{
		{"class", text.AlignLeft, name}, {"samples", text.AlignRight, samples},
		{"precision", text.AlignRight, precision}, {"recall", text.AlignRight, recall},
	}
}

// share formats a part of a total as a percentage; - of nothing.
func share(part, total int) string {
	if total == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f%%", 100*float64(part)/float64(total))
}

// drawConfusion draws the confusion matrix, with --confusion.
func (e *eval) drawConfusion(out io.Writer) error {
	if e.confusion == "" {
		return nil
	}
	c := report.Confusion{Title: e.dataName(), Names: e.trained.ClassNames(), Counts: e.review.Confusion}
	if err := c.Save(e.confusion); err != nil {
		return err
	}
	fmt.Fprintf(out, "The confusion matrix is in %s.\n", e.confusion)
	return nil
}
