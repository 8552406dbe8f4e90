package chart

import (
	"errors"
	"fmt"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Sheet is several charts in one picture: rows of them, from top to bottom and from left to right.
// All rows are as wide as the widest. Each chart keeps its own title, note, axes and legend.
type Sheet struct {
	Title string
	Note  string
	Rows  [][]Chart
}

// Save draws the charts into a file, as Lines.Save does.
func (s Sheet) Save(path string) error { return save(path, s) }

func (s Sheet) figure() (*figure, error) {
	body := &sheet{}
	for i, charts := range s.Rows {
		if len(charts) == 0 {
			return nil, fmt.Errorf("chart: row %d of a sheet has no chart", i+1)
		}
		var row sheetRow
		for j, c := range charts {
			f, err := c.figure()
			if err != nil {
				return nil, fmt.Errorf("%w, in chart %d of row %d", err, j+1, i+1)
			}
			height := f.height - 2*margin
			row.figures, row.width, row.height = append(row.figures, f), row.width+f.width-2*margin, max(row.height, height)
		}
		row.width += sheetGap * vg.Length(len(charts)-1)
		body.rows, body.width, body.height = append(body.rows, row), max(body.width, row.width), body.height+row.height
	}
	if len(body.rows) == 0 {
		return nil, errors.New("chart: no charts on a sheet")
	}
	body.height += sheetGap * vg.Length(len(body.rows)-1)
	f := &figure{title: s.Title, note: s.Note, body: body, legend: plot.NewLegend(), width: body.width + 2*margin}
	f.height = f.around(body.height)
	return f, nil
}

// sheetGap is between charts, in points.
const sheetGap = vg.Length(24)

// sheet draws figures in rows.
type sheet struct {
	rows          []sheetRow
	width, height vg.Length
}

type sheetRow struct {
	figures       []*figure
	width, height vg.Length
}

func (s *sheet) Draw(c draw.Canvas) {
	top := c.Max.Y
	for _, row := range s.rows {
		gaps := sheetGap * vg.Length(len(row.figures)-1)
		wider := (c.Max.X - c.Min.X - gaps) / (row.width - gaps)
		left := c.Min.X
		for _, f := range row.figures {
			width := wider * (f.width - 2*margin)
			f.drawIn(draw.Canvas{Canvas: c.Canvas, Rectangle: vg.Rectangle{
				Min: vg.Point{X: left, Y: top - row.height}, Max: vg.Point{X: left + width, Y: top},
			}}, labelSize+1)
			left += width + sheetGap
		}
		top -= row.height + sheetGap
	}
}
