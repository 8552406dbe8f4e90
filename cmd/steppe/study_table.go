package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/steppe-ml/steppe/internal/runs/campaign"
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
		studyTables{summaryTables{p.Summary, s.markdown}, s.parts[i].Flatness}.printPart(w)
		switch of := s.parts[i].Flatness; {
		case p.Done == p.Runs:
		case slices.ContainsFunc(p.Summary.Levels, func(l study.Level) bool { return lackFlatness(of, l.Rows) > 0 }):
			fmt.Fprintf(w, "%d of %s have all that the study asks for.\n\n", p.Done, plural(p.Runs, "run"))
		default:
			fmt.Fprintf(w, "%d of %s done.\n\n", p.Done, plural(p.Runs, "run"))
		}
	}
	if c.Tests > 0 {
		notes := studyNotes
		if slices.ContainsFunc(s.parts, func(p *campaign.Study) bool { return p.Flatness != nil }) {
			notes += " " + flatnessNotes
		}
		fmt.Fprintln(w, wrap(notes, textWidth))
	}
}

// studyNotes says how to read the tables.
const studyNotes = `Accuracies and ECE (expected calibration error, 15 bins) are of the test set after the last epoch, in percent: means over seeds with 95% intervals by Student's t. Differences are taken seed by seed; * has p of at most 0.05 by a paired t-test with Holm's correction for all tests of its table. Intervals and tests are of other seeds, not of other test samples.`

const flatnessNotes = `lambda_1 and sharpness are those of the training loss.`

// studyTables prints the results of a part of a study.
type studyTables struct {
	summaryTables
	flatness *study.FlatnessConfig // that the study asks for; nil for none
}

func (t studyTables) printPart(w io.Writer) {
	if t.Costs != nil {
		fmt.Fprintf(w, "%s\n\n", wrap(howGood(t.Costs), textWidth))
	}
	for _, level := range t.Levels {
		t.printLevelTitle(w, level)
		t.printRows(w, fmt.Sprintf("Equal epochs: %d each. %s.", t.Recipe.Epochs, plural(level.Tests, "test")), level.Rows, false)
		if missing := t.missingFlatness(level.Rows); missing != "" {
			fmt.Fprintf(w, "%s\n\n", wrap(missing, textWidth))
		}
		if level.EqualTime != nil {
			t.printRows(w, fmt.Sprintf("Equal time: the epochs that take as long as SAM's %d. %s.", t.Recipe.Epochs, plural(level.EqualTimeTests, "test")), level.EqualTime, true)
		}
		t.printRhos(w, level)
		t.printLRs(w, level)
		t.printWarnings(w, level)
	}
}

// printRows prints two tables with a row for each method: the accuracies, and what else was
// measured. epochs says whether they differ. Settings that a method has of its own are below.
func (t studyTables) printRows(w io.Writer, title string, rows []study.Row, epochs bool) {
	names, settings := rowNames(rows)
	fmt.Fprintf(w, "%s\n\n", title)
	t.print(w, t.accuracies(rows, names, epochs))
	fmt.Fprintln(w)
	if more := t.measures(rows, names); more != nil {
		t.print(w, more)
		fmt.Fprintln(w)
	}
	if settings != nil {
		fmt.Fprintf(w, "%s\n\n", wrap("Settings: "+strings.Join(settings, "; ")+".", textWidth))
	}
}

// rowNames returns what the tables call the methods, with a number where one has settings, and the
// settings of each number.
func rowNames(rows []study.Row) (names, settings []string) {
	numbers := map[string]int{} // by settings
	for _, r := range rows {
		name := r.Title
		if r.Settings != "" {
			if numbers[r.Settings] == 0 {
				numbers[r.Settings] = len(numbers) + 1
				settings = append(settings, fmt.Sprintf("(%d) %s", numbers[r.Settings], r.Settings))
			}
			name += fmt.Sprintf(" (%d)", numbers[r.Settings])
		}
		names = append(names, name)
	}
	return names, settings
}

// accuracies has what was chosen for each method, and its accuracies.
func (t studyTables) accuracies(rows []study.Row, names []string, epochs bool) table.Writer {
	head := table.Row{"method", "shards"}
	if epochs {
		head = append(head, "epochs")
	}
	of := newTable(append(head, "rho", "lr", "accuracy", "against "+t.Base, "against SAM"))
	for i, r := range rows {
		row := table.Row{names[i], r.Shards}
		if epochs {
			row = append(row, r.Epochs)
		}
		rho := ""
		if r.Choice.Rho > 0 {
			rho = fmt.Sprint(r.Choice.Rho)
		}
		several := len(r.Accuracies) > 1
		of.AppendRow(append(row, rho, r.Choice.LR, interval(&r.Accuracy, several, "%.2f"),
			tested(r.VsSGD, several), tested(r.VsSAM, several)))
	}
	return of
}

// measures has the calibration, the flatness and the costs, as far as any row has them; nil if none
// has.
func (t studyTables) measures(rows []study.Row, names []string) table.Writer {
	columns := []struct {
		name string
		cell func(r study.Row) string // "" if the row hasn't it
	}{
		{"ECE", func(r study.Row) string { return interval(r.ECE, len(r.ECEs) > 1, "%.2f") }},
		{"lambda_1", flatnessCell(func(f *study.FlatnessRow) float64 { return f.Lambda1.Mean })},
		{"sharpness", flatnessCell(func(f *study.FlatnessRow) float64 { return f.Sharpness.Mean })},
		{"x " + t.Base, func(r study.Row) string {
			if r.Cost <= 0 {
				return ""
			}
			return fmt.Sprintf("%.2f", r.Cost)
		}},
	}
	head := table.Row{"method", "shards"}
	lines := make([]table.Row, len(rows))
	for i, r := range rows {
		lines[i] = table.Row{names[i], r.Shards}
	}
	for _, c := range columns {
		cells := cells(rows, c.cell)
		if !slices.ContainsFunc(cells, func(cell string) bool { return cell != "" }) {
			continue
		}
		head = append(head, c.name)
		for i, cell := range cells {
			lines[i] = append(lines[i], cmp.Or(cell, "-"))
		}
	}
	if len(head) == 2 {
		return nil
	}
	of := newTable(head)
	of.AppendRows(lines)
	return of
}

func flatnessCell(of func(f *study.FlatnessRow) float64) func(r study.Row) string {
	return func(r study.Row) string {
		if r.Flatness == nil || r.Flatness.Seeds == nil {
			return ""
		}
		return significant(of(r.Flatness))
	}
}

// missingFlatness says how many models lack the flatness that the study asks for; "" if none does.
func (t studyTables) missingFlatness(rows []study.Row) string {
	missing := lackFlatness(t.flatness, rows)
	if missing == 0 {
		return ""
	}
	models := 0
	for _, r := range rows {
		models += len(r.Seeds)
	}
	return fmt.Sprintf("The flatness of %d of %s is missing: it wasn't measured with %s, rho %v and the %s labels. "+
		"Models aren't kept, so a study that runs trains them again to measure it; accuracies stay.",
		missing, plural(models, "model"), plural(t.flatness.Samples, "sample"), t.flatness.Rho, t.flatness.Labels)
}

// lackFlatness returns how many models of the rows lack the flatness that a study asks for.
func lackFlatness(of *study.FlatnessConfig, rows []study.Row) (models int) {
	if of == nil {
		return 0
	}
	for _, r := range rows {
		models += len(r.Seeds)
		if f := r.Flatness; f != nil {
			models -= len(f.Seeds) + len(f.Problems)
		}
	}
	return models
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
