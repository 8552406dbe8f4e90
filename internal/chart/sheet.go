package chart

import (
	"errors"
	"fmt"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Sheet is several charts in one picture: rows of them, from top to bottom and from left to right.
// Rows with equally many charts have them in columns. Each chart keeps its own title, note, axes and
// legend.
type Sheet struct {
	Title string
	Note  string
	Width float64   // of the picture, in points; 0 for what the widest row wants
	Rows  [][]Chart // nil is an empty place
}

// Save draws the charts into a file, as Lines.Save does.
func (s Sheet) Save(path string) error { return save(path, s) }

func (s Sheet) figure() (*figure, error) {
	body := &sheet{columns: map[int][]column{}}
	var width, height vg.Length
	for i, charts := range s.Rows {
		if len(charts) == 0 {
			return nil, fmt.Errorf("chart: row %d of a sheet has no chart", i+1)
		}
		row := sheetRow{figures: make([]*figure, len(charts))}
		if body.columns[len(charts)] == nil {
			body.columns[len(charts)] = make([]column, len(charts))
		}
		for j, c := range charts {
			if c == nil {
				continue
			}
			f, err := c.figure()
			if err != nil {
				return nil, fmt.Errorf("%w, in chart %d of row %d", err, j+1, i+1)
			}
			row.figures[j], row.height = f, max(row.height, f.height-2*margin)
			body.columns[len(charts)][j].include(f)
		}
		body.rows, height = append(body.rows, row), height+row.height
	}
	if len(body.rows) == 0 {
		return nil, errors.New("chart: no charts on a sheet")
	}
	for _, columns := range body.columns {
		bodies, others := widths(columns)
		width = max(width, bodies+others+2*margin)
	}
	if s.Width > 0 {
		width = vg.Length(s.Width)
	}
	f := &figure{title: s.Title, note: s.Note, body: body, legend: plot.NewLegend(), width: width}
	f.height = f.around(height + sheetGap*vg.Length(len(body.rows)-1))
	return f, nil
}

// sheetGap is between charts, in points.
const sheetGap = vg.Length(24)

// sheet draws figures in rows.
type sheet struct {
	rows    []sheetRow
	columns map[int][]column // by how many are in a row
}

type sheetRow struct {
	figures []*figure // nil for an empty place
	height  vg.Length
}

// column says how wide the figures below each other want to be. The bodies share the room that
// legends leave, so that they are equally wide with legends and without.
type column struct{ body, legend vg.Length }

func (c *column) include(f *figure) {
	c.body = max(c.body, f.width-2*margin)
	if width := f.legend.Rectangle(draw.Canvas{}).Size().X; width > 0 {
		c.legend = max(c.legend, width+margin)
	}
}

// widths returns what the bodies of columns want, and what is between them: legends and gaps.
func widths(columns []column) (bodies, others vg.Length) {
	for _, c := range columns {
		bodies, others = bodies+c.body, others+c.legend
	}
	return bodies, others + sheetGap*vg.Length(len(columns)-1)
}

func (s *sheet) Draw(c draw.Canvas) {
	top := c.Max.Y
	for _, row := range s.rows {
		columns := s.columns[len(row.figures)]
		bodies, others := widths(columns)
		wider, left := (c.Max.X-c.Min.X-others)/bodies, c.Min.X
		for i, f := range row.figures {
			right := left + wider*columns[i].body + columns[i].legend
			if f != nil {
				f.drawIn(draw.Canvas{Canvas: c.Canvas, Rectangle: vg.Rectangle{
					Min: vg.Point{X: left, Y: top - row.height}, Max: vg.Point{X: right, Y: top},
				}}, labelSize+1)
			}
			left = right + sheetGap
		}
		top -= row.height + sheetGap
	}
}
