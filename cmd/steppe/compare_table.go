package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/steppe-ml/steppe/internal/stats"
	"github.com/steppe-ml/steppe/internal/study"
)

// printHeader prints the model, the data, the settings and the machine.
func (c *compare) printHeader(w io.Writer) {
	of := ""
	if c.train.Len() < c.samples {
		of = " of " + count(c.samples)
	}
	fmt.Fprintf(w, "%s on %s: %s%s training and %s of %s\n", c.modelName, c.dataName(),
		count(c.train.Len()), of, plural(c.test.Len(), "test sample"), samplesOf(c.train))
	printTexts(w, c.train)
	if changes := c.recipe.String(); changes != "" {
		fmt.Fprintln(w, changes)
	}
	if dropped := c.train.Len() % c.batch; dropped > 0 && c.model.MinShard() > 1 {
		fmt.Fprintf(w, "%s left out of each epoch, others each time: the model's normalization needs whole batches\n",
			plural(dropped, "training sample"))
	}
	fmt.Fprint(w, c.omission(c.leftOut))
	fmt.Fprintf(w, "%s, batch %d, %s\n", plural(c.epochs, "epoch"), c.batch, c.describeBase())
	fmt.Fprintf(w, "%s, %s at once\n\n", c.machine(), plural(c.jobs, "run"))
}

// describeBase describes the base optimizer, but for its learning rate.
func (c *compare) describeBase() string {
	words := "lr " + c.schedule
	if c.warmup != 0 {
		words += fmt.Sprintf(" after %v epochs of warm-up", c.warmup)
	}
	if c.optimizer.Name == "sgd" {
		return fmt.Sprintf("%s, momentum %v, decay %v", words, c.base.Momentum, c.base.WeightDecay)
	}
	return fmt.Sprintf("%s, %s, decay %v", c.optimizer.Title, words, c.base.WeightDecay)
}

// summaryTables prints the results of a study.
type summaryTables struct {
	*study.Summary
	markdown bool
}

// printSummary prints the tables of compare, and notes on how to read them.
func (t summaryTables) printSummary(w io.Writer) {
	for _, level := range t.Levels {
		t.printLevelTitle(w, level)
		t.print(w, t.resultTable(level))
		fmt.Fprintln(w)
		t.printRhos(w, level)
		t.printLRs(w, level)
		t.printWarnings(w, level)
	}
	n := len(t.Levels[0].Rows[0].Accuracies)
	fmt.Fprintf(w, "Test accuracy after the last epoch, in percent: means over %s", plural(n, "seed"))
	if n > 1 {
		fmt.Fprint(w, " with 95% intervals by Student's t.\nThey are of other seeds, not of other test samples. Differences are taken seed by seed")
	}
	fmt.Fprintf(w, ".\nTimes are medians over seeds of runs with %s, %s at once.\n", plural(t.Workers, "worker"), plural(t.Jobs, "run"))
	if !t.EqualLoad {
		fmt.Fprintln(w, "Some runs had other workers, or another number of runs beside them, so the times don't compare.")
	}
}

// printLevelTitle prints which labels a level has, if there is more than one, or some are wrong.
func (t summaryTables) printLevelTitle(w io.Writer, level study.Level) {
	if len(t.Grid.Noise) > 1 || level.Noise > 0 {
		t.heading(w, levelTitle(level.Noise))
	}
}

// printRhos prints the validation accuracies by rho, if there was one to choose.
func (t summaryTables) printRhos(w io.Writer, level study.Level) {
	if sensitivity := t.rhoTable(level); sensitivity != nil {
		fmt.Fprintln(w, "Validation accuracy by rho, with the chosen one in brackets:")
		fmt.Fprintln(w)
		t.print(w, sensitivity)
		fmt.Fprintln(w)
	}
}

// levelTitle returns the heading of the results for a fraction of relabeled samples.
func levelTitle(noise float64) string {
	if noise == 0 {
		return "Clean labels"
	}
	return relabeled(noise)
}

func (t summaryTables) heading(w io.Writer, line string) {
	if t.markdown {
		line = "### " + line
	}
	fmt.Fprintf(w, "%s\n\n", line)
}

func (t summaryTables) print(w io.Writer, of table.Writer) {
	if t.markdown {
		fmt.Fprintln(w, of.RenderMarkdown())
		return
	}
	fmt.Fprintln(w, of.Render())
}

func newTable(header table.Row) table.Writer {
	t := table.NewWriter()
	t.SetStyle(plain)
	t.SuppressTrailingSpaces()
	t.AppendHeader(header)
	var right []table.ColumnConfig
	for i := 1; i < len(header); i++ {
		right = append(right, table.ColumnConfig{Number: i + 1, Align: text.AlignRight, AlignHeader: text.AlignRight})
	}
	t.SetColumnConfigs(right)
	return t
}

// resultTable has a row for each method.
func (t summaryTables) resultTable(level study.Level) table.Writer {
	base := t.Base
	of := newTable(table.Row{"method", "shards", "rho", "lr", "test accuracy", "against " + base, "against SAM", "ms a step", "x " + base})
	for _, r := range level.Rows {
		rho := ""
		if r.Choice.Rho > 0 {
			rho = fmt.Sprint(r.Choice.Rho)
		}
		cost := ""
		if r.Cost > 0 {
			cost = fmt.Sprintf("%.2f", r.Cost)
		}
		step := "" // without a full batch
		if r.Step > 0 {
			step = significant(1e3 * r.Step)
		}
		several := len(r.Accuracies) > 1
		of.AppendRow(table.Row{
			r.Title, r.Shards, rho, r.Choice.LR, interval(&r.Accuracy, several, "%.2f"),
			difference(r.VsSGD, several), difference(r.VsSAM, several),
			step, cost,
		})
	}
	return of
}

// interval formats a mean in percent and, if half is true, half the length of its interval.
func interval(i *stats.Mean, half bool, format string) string {
	switch {
	case i == nil:
		return ""
	case !half:
		return fmt.Sprintf(format, 100*i.Mean)
	}
	return fmt.Sprintf(format+" ±%.2f", 100*i.Mean, 100*i.Half())
}

// difference formats a difference in percent and, if half is true, half the length of its interval.
func difference(d *study.Difference, half bool) string {
	if d == nil {
		return ""
	}
	return interval(&d.Mean, half, "%+.2f")
}

// rhoTable has the mean validation accuracy of each method and rho, at the best learning rate for
// both. It returns nil if there was no rho to choose.
func (t summaryTables) rhoTable(level study.Level) table.Writer {
	rhos := rhosOf(level)
	if len(rhos) < 2 {
		return nil
	}
	header := table.Row{"method"}
	for _, rho := range rhos {
		header = append(header, rho)
	}
	of := newTable(header)
	for _, r := range level.Rows {
		row := table.Row{r.Name}
		if without, ok := best(r.Choice, 0); ok {
			of.AppendRow(append(row, fmt.Sprintf("%.2f without rho", 100*without.Accuracy.Mean)))
			continue
		}
		for _, rho := range rhos {
			cell := ""
			if at, ok := best(r.Choice, rho); ok {
				cell = fmt.Sprintf("%.2f", 100*at.Accuracy.Mean)
			}
			if rho == r.Choice.Rho && cell != "" {
				cell = "[" + cell + "]"
			}
			row = append(row, cell)
		}
		of.AppendRow(row)
	}
	return of
}

// rhosOf returns the rhos that some method of a level has tried, in ascending order.
func rhosOf(level study.Level) (rhos []float64) {
	for _, r := range level.Rows {
		for _, c := range r.Choice.Candidates {
			if c.Rho > 0 {
				rhos = append(rhos, c.Rho)
			}
		}
	}
	slices.Sort(rhos)
	return slices.Compact(rhos)
}

// best returns the best candidate of a rho, and whether there is one.
func best(choice study.Choice, rho float64) (b study.Candidate, ok bool) {
	for _, c := range choice.Candidates {
		if c.Rho == rho && (!ok || c.Accuracy.Mean >= b.Accuracy.Mean) {
			b, ok = c, true
		}
	}
	return b, ok
}

// printLRs prints the validation accuracy of each learning rate, if there were several.
func (t summaryTables) printLRs(w io.Writer, level study.Level) {
	if len(t.Grid.LRs) < 2 {
		return
	}
	for _, r := range level.Rows {
		if r.Method != "sgd" && !t.Grid.TuneLR {
			continue
		}
		var list []string
		for _, lr := range t.Grid.LRs {
			accuracy := 0.0
			for _, c := range r.Choice.Candidates {
				if c.LR == lr {
					accuracy = max(accuracy, c.Accuracy.Mean)
				}
			}
			list = append(list, fmt.Sprintf("%v %.2f", lr, 100*accuracy))
		}
		fmt.Fprintf(w, "%s's validation accuracy by learning rate: %s.\n", r.Name, strings.Join(list, ", "))
	}
	fmt.Fprintln(w)
}

// printWarnings prints the reasons to doubt the figures.
func (t summaryTables) printWarnings(w io.Writer, level study.Level) {
	var lines []string
	if level.Missing != nil {
		lines = append(lines, "Nothing finished yet of "+strings.Join(level.Missing, ", ")+".")
	}
	if level.EqualTimeMissing != nil {
		lines = append(lines, "Not at equal time yet, or without a cost: "+strings.Join(level.EqualTimeMissing, ", ")+".")
	}
	var extended []string
	for _, r := range level.Rows {
		if len(r.Choice.Extended) > 0 {
			extended = append(extended, fmt.Sprintf("%s by %s", r.Name, joined(r.Choice.Extended)))
		}
	}
	if extended != nil {
		lines = append(lines, "The best rho was at the edge, so the grid was extended: "+strings.Join(extended, "; ")+".")
	}
	if at := t.chosenAtEdge(level); at != nil {
		lines = append(lines, "Chosen at the edge of the values tried, so a value beyond may be better: "+strings.Join(at, "; ")+".")
	}
	for _, r := range level.Rows {
		n := len(r.Accuracies)
		if r.Collapsed > 0 {
			lines = append(lines, fmt.Sprintf("%s collapsed in %d of %s: it was no better than guessing.", r.Name, r.Collapsed, plural(n, "run")))
		}
		if r.Diverged > 0 {
			lines = append(lines, fmt.Sprintf("%s diverged in %d of %s, which ended early.", r.Name, r.Diverged, plural(n, "run")))
		}
		var rhos []string
		for _, candidate := range r.Choice.Candidates {
			if candidate.Collapsed+candidate.Diverged > 0 {
				values := fmt.Sprintf("lr %v", candidate.LR)
				if candidate.Rho > 0 {
					values = fmt.Sprintf("rho %v, %s", candidate.Rho, values)
				}
				rhos = append(rhos, values)
			}
		}
		if rhos != nil {
			lines = append(lines, fmt.Sprintf("%s collapsed or diverged on the validation samples with %s.", r.Name, strings.Join(slices.Compact(rhos), "; ")))
		}
	}
	for _, line := range lines {
		fmt.Fprintln(w, wrap(line, 100))
	}
	if lines != nil {
		fmt.Fprintln(w)
	}
}

// chosenAtEdge lists the chosen values that are the smallest or largest of those tried.
func (t summaryTables) chosenAtEdge(level study.Level) (list []string) {
	edge := func(name string, chosen float64, tried []float64) string {
		switch {
		case len(tried) < 2:
			return ""
		case chosen == slices.Max(tried):
			return fmt.Sprintf("%s %v, the largest", name, chosen)
		case chosen == slices.Min(tried):
			return fmt.Sprintf("%s %v, the smallest", name, chosen)
		}
		return ""
	}
	for _, r := range level.Rows {
		var rhos []float64
		for _, c := range r.Choice.Candidates {
			rhos = append(rhos, c.Rho)
		}
		if r.Choice.AtEdge {
			list = append(list, r.Name+" has "+edge("rho", r.Choice.Rho, rhos))
		}
		if e := edge("lr", r.Choice.LR, t.Grid.LRs); e != "" && (t.Grid.TuneLR || r.Method == "sgd") {
			list = append(list, r.Name+" has "+e)
		}
	}
	return list
}

// joined returns numbers with commas between them.
func joined(values []float64) string {
	var list []string
	for _, v := range values {
		list = append(list, fmt.Sprint(v))
	}
	return strings.Join(list, ", ")
}
