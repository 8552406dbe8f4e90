package findings

import (
	"fmt"
	"math"
	"strconv"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/steppe-ml/steppe/internal/chart"
	"github.com/steppe-ml/steppe/internal/stats"
)

// Table is a table of an answer. The first column names the rows.
type Table struct {
	Title  string
	Header []string
	Rows   []TableRow
	Note   string // below it; "" for none
	Part   string // title of the part of the study that it is about; "" for all of them
	Wrap   bool   // its cells may have several lines, where there is little room
	Long   bool   // it is for those who look something up: Markdown leaves it out
}

// TableRow is a row of a table.
type TableRow struct {
	Look  chart.Look // of the method that it is about; the zero value for none
	Cells []Cell
}

// Cell is a cell of a table.
type Cell struct {
	Text string
	Bold bool
}

func plainCell(format string, args ...any) Cell { return Cell{Text: fmt.Sprintf(format, args...)} }

// Markdown returns the table with its columns aligned.
func (t *Table) Markdown() string {
	w := table.NewWriter()
	style := table.StyleDefault
	style.Format.Header = text.FormatDefault
	style.Markdown.PadContent = true
	w.SetStyle(style)
	var header table.Row
	var columns []table.ColumnConfig
	for i, h := range t.Header {
		header = append(header, h)
		align := text.AlignRight
		if i == 0 {
			align = text.AlignLeft
		}
		columns = append(columns, table.ColumnConfig{Number: i + 1, Align: align, AlignHeader: align})
	}
	w.AppendHeader(header)
	w.SetColumnConfigs(columns)
	for _, r := range t.Rows {
		var cells table.Row
		for _, c := range r.Cells {
			if c.Bold && c.Text != "" {
				c.Text = "**" + c.Text + "**"
			}
			cells = append(cells, c.Text)
		}
		w.AppendRow(cells)
	}
	return w.RenderMarkdown()
}

// minus is the sign of negative numbers.
const minus = "−"

// signed returns a number with its sign.
func signed(v float64, decimals int) string {
	rounded := strconv.FormatFloat(math.Abs(v), 'f', decimals, 64)
	if zero, _ := strconv.ParseFloat(rounded, 64); zero == 0 {
		return rounded
	}
	if v < 0 {
		return minus + rounded
	}
	return "+" + rounded
}

// points formats a mean in percentage points with half its interval, if there are several seeds.
func points(m stats.Mean, seeds int) string {
	return withHalf(strconv.FormatFloat(100*m.Mean, 'f', 2, 64), 100*m.Half(), seeds)
}

// change formats a difference in percentage points.
func change(m stats.Mean, seeds int) string {
	return withHalf(signed(100*m.Mean, 2), 100*m.Half(), seeds)
}

func withHalf(value string, half float64, seeds int) string {
	if seeds < 2 {
		return value
	}
	return fmt.Sprintf("%s ±%.2f", value, half)
}

// pValue formats a probability.
func pValue(p float64) string {
	switch {
	case p < 0.001:
		return "p < 0.001"
	case p > 0.995:
		return "p = 1"
	}
	return fmt.Sprintf("p = %.2g", p)
}

// significant returns a number to three significant digits.
func significant(v float64) string {
	if v == 0 {
		return "0"
	}
	text := strconv.FormatFloat(v, 'g', 3, 64)
	if size := math.Abs(v); size >= 1e-4 && size < 1e6 {
		rounded, _ := strconv.ParseFloat(text, 64) // of FormatFloat
		places := max(0, 2-int(math.Floor(math.Log10(math.Abs(rounded)))))
		return strconv.FormatFloat(rounded, 'f', places, 64)
	}
	return text
}
