package main

import (
	"fmt"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/steppe-ml/steppe/internal/stats"
	"github.com/steppe-ml/steppe/internal/tuning"
	"github.com/steppe-ml/steppe/simd"
)

const legend = `
A cell has the speed, and below it the ratio to that with the table's value, which
is in use: medians of the rounds, ± half of the distance between their quartiles.
The ratios are taken round by round, and within noise if 1 is between their
quartiles. * is the best median; the last column says if it is more than noise.
`

// render returns a series as text.
func render(dtype string, points []tuning.Point) string {
	first := points[0]
	title := fmt.Sprintf("%s = %d: %s", first.Knob, first.Value, first.Series)
	if first.Constant {
		return fmt.Sprintf("%s\n\n%s\n\n%s", title, renderConstant(dtype, first), conclude(points))
	}
	header := table.Row{fmt.Sprintf("%s %v, %s; %s", dtype, simd.Active(), first.Shapes, first.Unit)}
	if first.Axis != "" {
		header = append(header, first.Axis)
	}
	for _, c := range first.Candidates {
		header = append(header, c.Name)
	}
	header = append(header, "fastest")

	t := table.NewWriter()
	t.SetStyle(plain)
	t.SuppressTrailingSpaces()
	t.AppendHeader(header)
	var right []table.ColumnConfig
	for i := 2; i < len(header); i++ {
		right = append(right, table.ColumnConfig{Number: i, Align: text.AlignRight, AlignHeader: text.AlignRight})
	}
	t.SetColumnConfigs(right)
	for _, p := range points {
		row := table.Row{p.Work}
		if p.Axis != "" {
			row = append(row, p.X)
		}
		t.AppendRow(append(row, cells(p)...))
	}
	if first.Axis == "" {
		t.AppendSeparator()
		t.AppendRow(append(table.Row{"geometric mean"}, overallCells(points)...))
	}
	return fmt.Sprintf("%s\n\n%s\n\n%s", title, t.Render(), conclude(points))
}

// renderConstant returns what a constant stands for, and what that was computed from, as text.
func renderConstant(dtype string, p tuning.Point) string {
	t := table.NewWriter()
	t.SetStyle(plain)
	t.SuppressTrailingSpaces()
	t.AppendHeader(table.Row{fmt.Sprintf("%s %v", dtype, simd.Active()), "median", "quartiles"})
	for _, c := range p.Candidates {
		s := stats.SpreadOf(c.Speeds)
		t.AppendRow(table.Row{c.Name, fmt.Sprintf("%.3g", s.Median), fmt.Sprintf("%.3g to %.3g", s.Q1, s.Q3)})
	}
	return t.Render()
}

// cells returns the candidates' speeds and ratios, and the verdict.
func cells(p tuning.Point) (cells table.Row) {
	c := compare(p)
	for i, one := range p.Candidates {
		speed := stats.SpreadOf(one.Speeds)
		places := 1
		if speed.Median < 10 {
			places = 2
		}
		cells = append(cells, fmt.Sprintf("%.*f ±%.*f%s\n%s ", places, speed.Median, places, speed.Half(), mark(i == c.best()), ratio(c, i)))
	}
	return append(cells, c.verdict())
}

// overallCells is cells for all points together, which have ratios only.
func overallCells(points []tuning.Point) (cells table.Row) {
	c := overall(points)
	for i := range c.names {
		cells = append(cells, ratio(c, i)+mark(i == c.best()))
	}
	return append(cells, c.verdict())
}

func ratio(c comparison, i int) string {
	if i == c.table {
		return "table"
	}
	s := c.spread(i)
	return fmt.Sprintf("%.3f ±%.3f", s.Median, s.Half())
}

// mark is as wide for all, so that numbers stand under each other.
func mark(best bool) string {
	if best {
		return "*"
	}
	return " "
}

// plain is a table with rules between parts, and no other lines.
var plain = func() table.Style {
	s := table.StyleLight
	s.Box.PaddingLeft, s.Box.PaddingRight = "", "  "
	s.Format.Header = text.FormatDefault
	s.Options = table.Options{SeparateHeader: true}
	return s
}()
