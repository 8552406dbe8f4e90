package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dustin/go-humanize/english"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/steppe-ml/steppe/bench/peers/protocol"
	"github.com/steppe-ml/steppe/internal/stats"
)

// render returns the report as text, or as Markdown.
func (r *Report) render(markdown bool) string {
	var b strings.Builder
	header := r.header()
	width := 0
	for _, line := range header {
		width = max(width, len(line[0]))
	}
	for _, line := range header {
		if markdown {
			fmt.Fprintf(&b, "- %s: %s\n", line[0], line[1])
		} else {
			fmt.Fprintf(&b, "%-*s  %s\n", width, line[0], line[1])
		}
	}
	t, legend := r.tableAndLegend()
	if markdown {
		fmt.Fprintf(&b, "\n%s\n\n%s\n", t.RenderMarkdown(), legend)
	} else {
		fmt.Fprintf(&b, "\n%s\n\n%s\n", t.Render(), legend)
	}
	return b.String()
}

func (r *Report) tableAndLegend() (table.Writer, string) {
	switch {
	case r.Kind == protocol.KindRoutines:
		return r.table(), strings.Replace(speedLegend, "GFLOP/s", r.unitOfRoutines(), 1)
	case r.Kind == protocol.KindDecompositions:
		return r.decompositionTable(), decompositionLegend
	case r.Kind != protocol.KindSteps:
		return r.table(), speedLegend
	case slices.ContainsFunc(r.Rows, func(row *Row) bool { return perturbs(row.Work) }):
		if r.counted() {
			return r.samTable(), samLegend + samLegendOfText
		}
		return r.samTable(), samLegend
	default:
		return r.trainingTable(), trainingLegend
	}
}

// unitOfRoutines returns the unit of the speeds in a table of routines.
func (r *Report) unitOfRoutines() string {
	others := slices.ContainsFunc(r.Rows, func(row *Row) bool { return !row.boundByMemory() })
	switch {
	case !others:
		return "GB/s"
	case slices.ContainsFunc(r.Rows, (*Row).boundByMemory):
		return "GB/s, or GFLOP/s at level 3"
	default:
		return "GFLOP/s"
	}
}

const speedLegend = `A peer's column has its speed in GFLOP/s. A column with a slash has our speed over the peer's, above 1 where we are
faster, ± half the distance between the quartiles of the rounds. "best" is the fastest peer that isn't ours; /best has
both quartiles. "ceiling" is our speed as a fraction of the FMA ceiling. "below" names the floors that a row is below.`

func (r *Report) header() (lines [][2]string) {
	add := func(key, format string, args ...any) {
		lines = append(lines, [2]string{key, fmt.Sprintf(format, args...)})
	}
	add("date", "%s", r.Date.Format("2006-01-02 15:04 -0700"))
	add("machine", "%s; %s", r.Machine, r.System)
	add("load", "%s at the start, %s at the end; a core was taken away in %.1f%% of the windows", r.Load[0], r.Load[1], 100*r.Disturbed)
	add("ceiling", "%.1f GFLOP/s a core in %s (quartiles %.1f and %.1f)", r.Ceiling.Median, r.Dtype, r.Ceiling.Q1, r.Ceiling.Q3)
	add("measured", "%s, medians of %s of %v each", r.measured(), r.rounds(), r.Budget)
	for _, p := range r.Peers {
		text := p.Version
		if p.own {
			text += ", revision " + r.Revision
		}
		if len(p.Loaded) > 0 {
			text += ", " + strings.Join(p.Loaded, " ")
		}
		add(p.Name, "%s", text)
	}
	if len(r.LeftOut) > 0 {
		add("left out", "%s, which could not be built or started", strings.Join(r.LeftOut, ", "))
	}
	return lines
}

// rounds says how many rounds the rows have had.
func (r *Report) rounds() string {
	least := r.Rounds
	for _, row := range r.Rows {
		least = min(least, len(row.Ceiling))
	}
	if least < r.Rounds {
		return fmt.Sprintf("%d to %d rounds", least, r.Rounds)
	}
	return english.Plural(r.Rounds, "round", "")
}

// measured says what was computed, in which type and on how many workers.
func (r *Report) measured() string {
	switch r.Kind {
	case protocol.KindConvolutions:
		return fmt.Sprintf("NHWC images, HWIO filters, %s, %s", r.Dtype, english.Plural(r.Workers, "worker", ""))
	case protocol.KindRoutines:
		return fmt.Sprintf("routines on vectors of n and matrices of n x n, %s, ours by blas.Implementation, %s", r.Dtype, english.Plural(r.Workers, "worker", ""))
	case protocol.KindDecompositions:
		return fmt.Sprintf("gonum's mat on matrices of n x n, %s, ours with blas.Use(), %s", r.Dtype, english.Plural(r.Workers, "worker", ""))
	case protocol.KindSteps:
		return fmt.Sprintf("training steps, %s, each ending in %s", r.Dtype, r.optimizers())
	default:
		return fmt.Sprintf("C = A*B, %s, ours by %s, %s", r.Dtype, r.entryName(), english.Plural(r.Workers, "worker", ""))
	}
}

// optimizers names the optimizers that steps end in.
func (r *Report) optimizers() string {
	text := slices.ContainsFunc(r.Rows, func(row *Row) bool { return row.Step.Plain() == protocol.AdamW })
	images := slices.ContainsFunc(r.Rows, func(row *Row) bool { return row.Step.Plain() == protocol.SGD })
	switch {
	case text && images:
		return "SGD with momentum for images, AdamW for text"
	case text:
		return "AdamW"
	default:
		return "SGD with momentum"
	}
}

// entryName returns the name of our function that was called.
func (r *Report) entryName() string {
	switch {
	case r.Entry == protocol.EntryMatMul:
		return "blas.MatMul"
	case r.Dtype == protocol.Float64:
		return "blas.Dgemm"
	default:
		return "blas.Sgemm"
	}
}

// table returns a table of speeds, with a row for each piece of work and a mean for each suite.
func (r *Report) table() table.Writer {
	first := ", m x n x k"
	if r.Kind == protocol.KindConvolutions {
		first = ", pass and shapes"
	} else if r.Kind == protocol.KindRoutines {
		first = ", routine and n"
	}
	header := r.columns(r.Dtype + first)
	header = append(header, "ceiling")
	for _, p := range r.Peers {
		if p.Name != ours && p.Name != oursAVX2 {
			header = append(header, "/"+p.Name)
		}
	}
	header = append(header, "best", "/best", "avx2/best", "below")

	t := newTable(header)
	for i, row := range r.Rows {
		if i > 0 && row.Suite != r.Rows[i-1].Suite {
			t.AppendSeparator()
		}
		t.AppendRow(r.cells(row))
	}
	t.AppendSeparator()
	for _, m := range r.Means {
		t.AppendRow(r.meanCells(m))
	}
	return t
}

// columns begins a header: the title of the first column, then the peers.
func (r *Report) columns(first string) table.Row {
	header := table.Row{first}
	for _, p := range r.Peers {
		header = append(header, p.Name)
	}
	return header
}

// milliseconds begins a row: its work, then the peers' times.
func (r *Report) milliseconds(row *Row) table.Row {
	cells := table.Row{row.Work.String()}
	for _, p := range r.Peers {
		cells = append(cells, row.milliseconds(p.Name))
	}
	return cells
}

// newTable returns a table without rows. The first column, the last one and "best" are text, and
// all others are numbers.
func newTable(header table.Row) table.Writer {
	t := table.NewWriter()
	t.SetStyle(plain)
	t.SuppressTrailingSpaces()
	t.AppendHeader(header)
	var right []table.ColumnConfig
	for i, name := range header[:len(header)-1] {
		if i > 0 && name != "best" {
			right = append(right, table.ColumnConfig{Number: i + 1, Align: text.AlignRight, AlignHeader: text.AlignRight})
		}
	}
	t.SetColumnConfigs(right)
	return t
}

func (r *Report) cells(row *Row) table.Row {
	cells := table.Row{row.Work.String()}
	for _, p := range r.Peers {
		cell := row.Cells[p.Name]
		if cell.Wrong != "" {
			cells = append(cells, "wrong")
		} else {
			cells = append(cells, number("%.1f", cell.GFLOPS))
		}
	}
	cells = append(cells, number("%.2f", row.OfCeiling))
	for _, p := range r.Peers {
		if p.Name != ours && p.Name != oursAVX2 {
			cells = append(cells, withSpread(row.Cells[p.Name].Behind))
		}
	}
	return append(cells, row.Best, withQuartiles(row.VsBest), number("%.2f", row.AVX2VsBest), strings.Join(row.Misses, ", "))
}

func (r *Report) meanCells(m Mean) table.Row {
	cells := table.Row{"geometric mean, " + m.Suite}
	for range r.Peers {
		cells = append(cells, "")
	}
	cells = append(cells, "")
	for _, p := range r.Peers {
		if p.Name != ours && p.Name != oursAVX2 {
			cells = append(cells, number("%.2f", m.Behind[p.Name]))
		}
	}
	below := fmt.Sprintf("%d of %s", m.Missed, english.Plural(m.Shapes, "row", ""))
	if m.VsBest > 0 && m.VsBest < m.Aim {
		below += fmt.Sprintf(", %.2f of best", m.Aim)
	}
	return append(cells, "", number("%.2f", m.VsBest), number("%.2f", m.AVX2VsBest), below)
}

// number formats a figure. 0 means that there is none, and gives "".
func number(format string, v float64) string {
	if v == 0 {
		return ""
	}
	return fmt.Sprintf(format, v)
}

// withSpread formats a median and half the distance between the quartiles.
func withSpread(s stats.Spread) string {
	if s.Median == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f ±%.2f", s.Median, s.Half())
}

// withQuartiles formats a median and the quartiles.
func withQuartiles(s stats.Spread) string {
	if s.Median == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f [%.2f %.2f]", s.Median, s.Q1, s.Q3)
}

// plain is a style with rules between parts of a table, and no other lines.
var plain = func() table.Style {
	s := table.StyleLight
	s.Box.PaddingLeft, s.Box.PaddingRight = "", "  "
	s.Format.Header = text.FormatDefault
	s.Options = table.Options{SeparateHeader: true, SeparateFooter: true}
	return s
}()
