package main

import (
	"fmt"
	"io"
	"strconv"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// printHeader says what is measured, and where.
func (b *bench) printHeader(w io.Writer) {
	fmt.Fprintf(w, "%s on %s, batch %d, rho %v\n", b.modelName, b.dataName(), b.batch, b.rho)
	fmt.Fprintf(w, "%s, FMA ceiling %s GFLOP/s a core\n\n", b.machine(), significant(b.ceiling/1e9))
}

// printPlans explains each method's step.
func (b *bench) printPlans(w io.Writer) {
	for _, c := range b.contenders {
		fmt.Fprintf(w, "%s\n%v\n", c.method.With(c.shards), c.opt.Plan())
	}
}

// printTable prints the figures, and what to read in them.
func (b *bench) printTable(w io.Writer, r *Report) {
	t := table.NewWriter()
	t.SetStyle(plain)
	t.SuppressTrailingSpaces()
	t.AppendHeader(table.Row{"method", "shards", "ms a step\n[min-max]", "x SGD", "x SAM", "examples\na second", "GFLOP/s\n(ceiling)", "memory"})
	steps := spreads(r.Rows)
	for i, row := range r.Rows {
		t.AppendRow(table.Row{
			b.contenders[i].method.Title, row.Shards, steps[i],
			fmt.Sprintf("%.2f", row.VsSGD), fmt.Sprintf("%.2f", row.VsSAM),
			rate(row.ExamplesPerSecond),
			fmt.Sprintf("%.*f (%2.0f%%)", max(0, decimals(row.GFLOPS)-1), row.GFLOPS, 100*row.CeilingFraction),
			memory(row.WorkspaceBytes),
		})
	}
	var right []table.ColumnConfig
	for _, column := range []string{"shards", "x SGD", "x SAM", "examples\na second", "GFLOP/s\n(ceiling)", "memory"} {
		right = append(right, table.ColumnConfig{Name: column, Align: text.AlignRight, AlignHeader: text.AlignRight})
	}
	t.SetColumnConfigs(right)
	fmt.Fprintln(w, t.Render())
	fmt.Fprintf(w, "\nMedians of %s.", plural(r.Rows[0].Rounds, "round"))
	c, row := b.contenders[b.most()], r.Rows[b.most()]
	if c.shards > 1 {
		fmt.Fprintf(w, " %s costs %.2f of SAM here.", c.method.With(c.shards), row.VsSAM)
	}
	fmt.Fprintln(w)
}

// spreads formats the rows' times in milliseconds, number under number.
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

// plain is a table with a rule under its header and no other lines.
var plain = func() table.Style {
	s := table.StyleLight
	s.Box.PaddingLeft, s.Box.PaddingRight = "", "  "
	s.Format.Header = text.FormatDefault
	s.Format.HeaderVAlign = text.VAlignBottom
	s.Options = table.Options{SeparateHeader: true}
	return s
}()
