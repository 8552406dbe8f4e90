package main

import (
	"fmt"
	"io"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/steppe-ml/steppe/internal/study"
)

// printHeader prints what runs, and where.
func (s *studies) printHeader(w io.Writer) {
	fmt.Fprintln(w, s.file.Title)
	for _, p := range s.parts {
		fmt.Fprintf(w, "  %s: %s on %s, %s training and %s, %s, batch %d\n", p.Part.Name, p.Recipe.Model, p.Recipe.Data,
			count(p.Train.Len()), plural(p.Test.Len(), "test sample"), plural(p.Recipe.Epochs, "epoch"), p.Recipe.Batch)
	}
	fmt.Fprintf(w, "%s, %s at once; results in %s\n\n", s.machine(), plural(s.jobs, "run"), s.dir)
}

// print prints the results of all parts.
func (s *studies) print(w io.Writer, c *study.Campaign) {
	for i, p := range c.Parts {
		title := fmt.Sprintf("%s (%s)", p.Title, p.Name)
		if s.markdown {
			title = "## " + title
		}
		fmt.Fprintf(w, "%s\n\n", title)
		if p.Summary == nil {
			fmt.Fprintf(w, "No results yet: %d of %s done.\n\n", p.Done, plural(p.Runs, "run"))
			continue
		}
		studyTables{summaryTables{p.Summary, s.markdown}, s.parts[i].Grid.Noise}.printPart(w)
		if p.Done < p.Runs {
			fmt.Fprintf(w, "%d of %s done.\n\n", p.Done, plural(p.Runs, "run"))
		}
	}
	if c.Tests > 0 {
		fmt.Fprintln(w, wrap(studyNotes, textWidth))
	}
}

// studyNotes says how to read the tables.
const studyNotes = `Accuracies and ECE (expected calibration error, 15 bins) are of the test set after the last epoch, in percent: means over seeds with 95% intervals by Student's t. Differences are taken seed by seed; * has p of at most 0.05 by a paired t-test with Holm's correction for all tests of its table. Intervals and tests are of other seeds, not of other test samples. lambda_1 and sharpness are those of the training loss.`

// studyTables prints the results of a part of a study.
type studyTables struct {
	summaryTables
	noise []float64
}

func (t studyTables) printPart(w io.Writer) {
	if t.Costs != nil {
		fmt.Fprintf(w, "%s\n\n", wrap(howGood(t.Costs), textWidth))
	}
	for _, level := range t.Levels {
		t.printLevelTitle(w, level)
		fmt.Fprintf(w, "Equal epochs: %d each. %s.\n\n", t.Recipe.Epochs, plural(level.Tests, "test"))
		t.print(w, t.rows(level.Rows))
		fmt.Fprintln(w)
		if level.EqualTime != nil {
			fmt.Fprintf(w, "Equal time: the epochs that take as long as SAM's %d. %s.\n\n", t.Recipe.Epochs, plural(level.EqualTimeTests, "test"))
			t.print(w, t.rows(level.EqualTime))
			fmt.Fprintln(w)
		}
		t.printRhos(w, level)
		t.printLRs(w, level)
		t.printWarnings(w, level)
	}
}

// rows has a row for each method.
func (t studyTables) rows(rows []study.Row) table.Writer {
	of := newTable(table.Row{
		"method", "shards", "epochs", "rho", "lr", "accuracy", "against " + t.Base, "against SAM",
		"ECE", "lambda_1", "sharpness", "x " + t.Base,
	})
	for _, r := range rows {
		rho, cost, lambda, sharpness := "", "", "", ""
		if r.Choice.Rho > 0 {
			rho = fmt.Sprint(r.Choice.Rho)
		}
		if r.Cost > 0 {
			cost = fmt.Sprintf("%.2f", r.Cost)
		}
		if f := r.Flatness; f != nil && f.Seeds != nil {
			lambda, sharpness = significant(f.Lambda1.Mean), significant(f.Sharpness.Mean)
		}
		several := len(r.Accuracies) > 1
		title := r.Title
		if r.Settings != "" {
			title += " (" + r.Settings + ")"
		}
		of.AppendRow(table.Row{
			title, r.Shards, r.Epochs, rho, r.Choice.LR, interval(&r.Accuracy, several, "%.2f"),
			tested(r.VsSGD, several), tested(r.VsSAM, several), interval(r.ECE, several, "%.2f"), lambda, sharpness, cost,
		})
	}
	return of
}

// significance is the largest corrected p-value that counts as a difference.
const significance = 0.05

// tested formats a difference with a star if its test is significant.
func tested(d *study.Difference, half bool) string {
	text := difference(d, half)
	switch {
	case d == nil:
	case d.PHolm != nil && *d.PHolm <= significance:
		text += "*"
	default:
		text += " "
	}
	return text
}
