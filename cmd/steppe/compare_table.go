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

// printHeader says what is compared, and where.
func (c *compare) printHeader(w io.Writer) {
	of := ""
	if c.train.Len() < c.whole {
		of = " of " + count(c.whole)
	}
	fmt.Fprintf(w, "%s on %s: %s%s training and %s of %v\n", c.modelName, c.dataName(),
		count(c.train.Len()), of, plural(c.test.Len(), "test sample"), c.train.Shape)
	if what := c.recipe.String(); what != "" {
		fmt.Fprintln(w, what)
	}
	fmt.Fprintf(w, "%s, batch %d, lr %s, momentum %v, decay %v\n", plural(c.epochs, "epoch"),
		c.batch, c.schedule, c.base.Momentum, c.base.WeightDecay)
	fmt.Fprintf(w, "%s, %s at once\n\n", c.machine(), plural(c.jobs, "run"))
}

// printSummary prints the tables, and what to read in them.
func (c *compare) printSummary(w io.Writer, s *study.Summary) {
	for _, level := range s.Levels {
		if len(c.study.Grid.Noise) > 1 || level.Noise > 0 {
			c.heading(w, noisy(level.Noise))
		}
		c.print(w, resultTable(level))
		fmt.Fprintln(w)
		if sensitivity := c.rhoTable(level); sensitivity != nil {
			fmt.Fprintln(w, "Validation accuracy by rho, with the one that was chosen in brackets:")
			fmt.Fprintln(w)
			c.print(w, sensitivity)
			fmt.Fprintln(w)
		}
		c.printLRs(w, level)
		c.printWarnings(w, level)
	}
	n := len(s.Levels[0].Rows[0].Accuracies)
	fmt.Fprintf(w, "Test accuracy after the last epoch, in per cent: means over %s", plural(n, "seed"))
	if n > 1 {
		fmt.Fprint(w, " with 95% intervals by Student's t.\nDifferences are taken seed by seed")
	}
	fmt.Fprintf(w, ".\nTimes are medians over seeds of runs with %s, %s at once.\n", plural(s.Workers, "worker"), plural(s.Jobs, "run"))
	if !s.EqualLoad {
		fmt.Fprintln(w, "Some of them were taken with others at once, or with other workers: they don't compare.")
	}
}

func (c *compare) heading(w io.Writer, line string) {
	if c.markdown {
		line = "### " + line
	}
	fmt.Fprintf(w, "%s\n\n", line)
}

func (c *compare) print(w io.Writer, t table.Writer) {
	if c.markdown {
		fmt.Fprintln(w, t.RenderMarkdown())
		return
	}
	fmt.Fprintln(w, t.Render())
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

// resultTable has a row a method.
func resultTable(level study.Level) table.Writer {
	t := newTable(table.Row{"method", "shards", "rho", "lr", "test accuracy", "against SGD", "against SAM", "ms a step", "x SGD"})
	for _, r := range level.Rows {
		rho := ""
		if r.Choice.Rho > 0 {
			rho = fmt.Sprint(r.Choice.Rho)
		}
		cost := ""
		if r.Cost > 0 {
			cost = fmt.Sprintf("%.2f", r.Cost)
		}
		several := len(r.Accuracies) > 1
		t.AppendRow(table.Row{
			r.Title, r.Shards, rho, r.Choice.LR, interval(&r.Accuracy, several, "%.2f"),
			interval(r.VsSGD, several, "%+.2f"), interval(r.VsSAM, several, "%+.2f"),
			significant(1e3 * r.Step), cost,
		})
	}
	return t
}

// interval formats an interval in hundredths, its half length if there is one.
func interval(i *stats.Mean, half bool, format string) string {
	switch {
	case i == nil:
		return ""
	case !half:
		return fmt.Sprintf(format, 100*i.Mean)
	}
	return fmt.Sprintf(format+" ±%.2f", 100*i.Mean, 100*i.Half())
}

// rhoTable has the mean validation accuracies by method and rho, at the best learning
// rate for each; nil if there was no rho to choose.
func (c *compare) rhoTable(level study.Level) table.Writer {
	rhos := c.study.Grid.Rhos
	if len(rhos) < 2 {
		return nil
	}
	header := table.Row{"method"}
	for _, rho := range rhos {
		header = append(header, rho)
	}
	t := newTable(header)
	for _, r := range level.Rows {
		row := table.Row{r.Name}
		if r.Choice.Rho == 0 && r.Choice.Candidates != nil {
			t.AppendRow(append(row, fmt.Sprintf("%.2f without", 100*best(r.Choice, 0).Accuracy.Mean)))
			continue
		}
		for _, rho := range rhos {
			cell := fmt.Sprintf("%.2f", 100*best(r.Choice, rho).Accuracy.Mean)
			if rho == r.Choice.Rho {
				cell = "[" + cell + "]"
			}
			row = append(row, cell)
		}
		t.AppendRow(row)
	}
	return t
}

// best returns the best candidate of a rho.
func best(choice study.Choice, rho float64) (b study.Candidate) {
	for _, c := range choice.Candidates {
		if c.Rho == rho && c.Accuracy.Mean >= b.Accuracy.Mean {
			b = c
		}
	}
	return b
}

// printLRs says what learning rates there were to choose from, and how good they
// were.
func (c *compare) printLRs(w io.Writer, level study.Level) {
	if len(c.study.Grid.LRs) < 2 {
		return
	}
	for _, r := range level.Rows {
		if r.Method != "sgd" && !c.grid.TuneLR {
			continue
		}
		var list []string
		for _, lr := range c.study.Grid.LRs {
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

// printWarnings says what is doubtful about the figures.
func (c *compare) printWarnings(w io.Writer, level study.Level) {
	var lines []string
	if at := c.chosenAtEdge(level); at != nil {
		lines = append(lines, "At the edge of what was tried, so that more may be beyond: "+strings.Join(at, "; ")+".")
	}
	for _, r := range level.Rows {
		n := len(r.Accuracies)
		if r.Collapsed > 0 {
			lines = append(lines, fmt.Sprintf("%s collapsed in %d of %s: no better than guessing.", r.Name, r.Collapsed, plural(n, "run")))
		}
		if r.Diverged > 0 {
			lines = append(lines, fmt.Sprintf("%s diverged in %d of %s, which ended there.", r.Name, r.Diverged, plural(n, "run")))
		}
		var rhos []string
		for _, candidate := range r.Choice.Candidates {
			if candidate.Collapsed+candidate.Diverged > 0 {
				rhos = append(rhos, fmt.Sprintf("rho %v, lr %v", candidate.Rho, candidate.LR))
			}
		}
		if rhos != nil {
			lines = append(lines, fmt.Sprintf("%s collapsed or diverged, while choosing, with %s.", r.Name, strings.Join(slices.Compact(rhos), "; ")))
		}
	}
	for _, line := range lines {
		fmt.Fprintln(w, wrap(line, 100))
	}
	if lines != nil {
		fmt.Fprintln(w)
	}
}
