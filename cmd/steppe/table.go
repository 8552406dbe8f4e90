package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/steppe-ml/steppe/internal/stats"
)

// printMachine prints the machine that all trials run on.
func (b *bench) printMachine(w io.Writer) {
	fmt.Fprintf(w, "%s, FMA ceiling %s GFLOP/s a core\n", b.machine(), significant(b.report.Machine.Ceiling))
}

// printTitle prints the model, the data and the settings of a trial.
func (b *bench) printTitle(w io.Writer, t *trial) {
	title := fmt.Sprintf("%s on %s, batch %d", t.modelName, t.dataName(), t.batch)
	if b.given("rho") {
		title += fmt.Sprintf(", rho %v", b.rho)
	}
	if b.markdown {
		title = "**" + title + "**"
	}
	fmt.Fprintf(w, "\n%s\n\n", title)
}

// printPlans prints the plan of each method's step.
func (b *bench) printPlans(w io.Writer, t *trial) {
	for _, c := range t.contenders {
		text := fmt.Sprintf("%v\n%v", c, c.opt.Plan())
		if b.markdown {
			text = "```\n" + text + "```\n"
		}
		fmt.Fprintln(w, text)
	}
}

// textWidth is the most columns of the sentences under a table.
const textWidth = 100

// column is a column of a table.
type column struct {
	name  string
	align text.Align
	cells []string
}

// printTable prints a trial's results, and notes on how to read them.
func (b *bench) printTable(w io.Writer, t *trial, rows []Row, control Control) {
	columns := []column{
		{"method,\nshards", text.AlignLeft, cells(t.contenders, (*contender).label)},
		{"ms a step\n[min-max]", text.AlignLeft, spreads(rows)},
	}
	if rows[0].VsSGD != nil {
		columns = append(columns, column{"x " + t.baseTitle(), text.AlignRight, cells(rows, func(r Row) string { return fmt.Sprintf("%.2f", *r.VsSGD) })})
	}
	if rows[0].VsSAM != nil {
		columns = append(columns, column{"x SAM, 95%\ninterval", text.AlignLeft, ratios(rows)})
	}
	columns = append(columns,
		column{"examples\na second", text.AlignRight, cells(rows, func(r Row) string { return rate(r.ExamplesPerSecond) })},
		column{"GFLOP/s\n(ceiling)", text.AlignRight, cells(rows, func(r Row) string {
			return fmt.Sprintf("%.*f (%2.0f%%)", max(0, decimals(r.GFLOPS)-1), r.GFLOPS, 100*r.CeilingFraction)
		})},
		column{"memory", text.AlignRight, cells(rows, func(r Row) string { return memory(r.WorkspaceBytes) })})
	fmt.Fprintln(w, render(columns, b.markdown))
	if isQuiet(b.stderr) {
		return
	}
	fmt.Fprintln(w)
	fmt.Fprintln(w, wrap(conclusion(t, rows), textWidth))
	fmt.Fprint(w, t.omission(t.leftOut))
	fmt.Fprint(w, judgment(t, control))
}

func cells[T any](of []T, cell func(T) string) (cells []string) {
	for _, v := range of {
		cells = append(cells, cell(v))
	}
	return cells
}

// render returns a table as text or Markdown.
func render(columns []column, markdown bool) string {
	t := table.NewWriter()
	t.SetStyle(plain)
	t.SuppressTrailingSpaces()
	var header table.Row
	var configs []table.ColumnConfig
	for _, c := range columns {
		header = append(header, c.name)
		configs = append(configs, table.ColumnConfig{Name: c.name, Align: c.align, AlignHeader: c.align})
	}
	t.AppendHeader(header)
	t.SetColumnConfigs(configs)
	for i := range columns[0].cells {
		var row table.Row
		for _, c := range columns {
			row = append(row, c.cells[i])
		}
		t.AppendRow(row)
	}
	if markdown {
		return t.RenderMarkdown()
	}
	return t.Render()
}

// baseTitle returns what the steps that perturb nothing are called.
func (t *trial) baseTitle() string {
	if c := t.find("sgd"); c != nil {
		return c.method.Title
	}
	return "SGD"
}

// label returns a contender's name for a table, with its shards if the method has shards to choose.
func (c *contender) label() string {
	if !c.method.Sharded() {
		return c.method.Title + ascentSuffix(c.ascent)
	}
	return fmt.Sprintf("%s %d", c.method.Title, c.shards) + ascentSuffix(c.ascent)
}

// spreads formats the rows' times in milliseconds, aligned.
func spreads(rows []Row) []string {
	var cells [][3]string
	var width [3]int
	for _, row := range rows {
		var cell [3]string
		places := decimals(1e3 * row.Seconds.Median)
		for i, s := range []float64{row.Seconds.Median, row.Seconds.Min, row.Seconds.Max} {
			cell[i] = strconv.FormatFloat(1e3*s, 'f', places, 64)
			width[i] = max(width[i], len(cell[i]))
		}
		cells = append(cells, cell)
	}
	var lines []string
	for _, c := range cells {
		lines = append(lines, fmt.Sprintf("%*s [%*s-%s]", width[0], c[0], width[1], c[1], c[2]))
	}
	return lines
}

// ratios formats the rows' ratios to SAM with their intervals, aligned.
func ratios(rows []Row) []string {
	width := 0
	for _, row := range rows {
		width = max(width, len(fmt.Sprintf("%.2f", *row.VsSAM)))
	}
	first := rows[slices.IndexFunc(rows, func(row Row) bool { return row.Method == "sam" })]
	return cells(rows, func(row Row) string {
		if row.Method == "sam" && row.Ascent == first.Ascent { // exactly 1
			return fmt.Sprintf("%*.2f", width, *row.VsSAM)
		}
		return fmt.Sprintf("%*.2f%s", width, *row.VsSAM, plusMinus(*row.VsSAM, row.VsSAMInterval))
	})
}

// plusMinus formats the distance from x to the farther end of its interval, rounded up.
func plusMinus(x float64, in *stats.Interval) string {
	if in == nil {
		return ""
	}
	return fmt.Sprintf(" ±%.2f", math.Ceil(max(0, 100*reach(x, *in)-1e-9))/100)
}

// conclusion says how many rounds the rows are of, and what the sharded methods cost.
func conclusion(t *trial, rows []Row) string {
	return strings.Join(append([]string{fmt.Sprintf("Medians of %s.", plural(t.rounds(), "round"))}, claims(rows)...), " ")
}

// judgment says how far the control lets the rows be trusted. It returns "" if there were too few
// rounds.
func judgment(t *trial, k Control) string {
	if k.Interval == nil {
		return ""
	}
	s := fmt.Sprintf("Control: %v, timed once more in each round, took %.2f%s times as long.\n",
		t.reference(), *k.VsItself, plusMinus(*k.VsItself, k.Interval))
	if k.Noisy {
		s += fmt.Sprintf("Too noisy: ratios are only good to ±%.0f%%. Stop other programs, or raise --rounds.\n", 100**k.Noise)
	}
	return s
}

// plain is the style of tables with a rule under the header and no other lines.
var plain = func() table.Style {
	s := table.StyleLight
	s.Box.PaddingLeft, s.Box.PaddingRight = "", "  "
	s.Format.Header = text.FormatDefault
	s.Format.HeaderVAlign = text.VAlignBottom
	s.Options = table.Options{SeparateHeader: true}
	return s
}()
