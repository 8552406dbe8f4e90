package chart

import (
	"cmp"
	"errors"
	"fmt"

	xfont "golang.org/x/image/font"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Grid is panels in rows and columns, with one key for all of them above.
type Grid struct {
	Title   string
	Note    string // in small type below the chart; a long one is broken into lines
	Key     []Key
	Columns int     // 0 for one row
	Panels  []Panel // row by row; nil leaves a place empty
	SharedY bool    // the panels of a row have the same Y axis, and only the first one labels it
	SharedX bool    // the panels of a column have the same X axis, and only the last one has its label
	Width   float64 // of the picture, in points; 0 for 620
}

// Panel is a chart that can stand in a Grid: Dots, Lines or Scatter.
type Panel interface {
	// panel returns the plot for data that is about as wide as given, the plot's height, and the
	// heading above it.
	panel(width vg.Length) (p *plot.Plot, height vg.Length, heading string, err error)
}

// Key explains a look.
type Key struct {
	Name string
	Look Look // the zero value for a mark in the color of text, if Open is what the key explains
	Open bool // the mark is open
	Line bool // the mark lies on a line
}

const (
	gridWidth   = 620
	headingSize = 10.5
	keySize     = 10
	columnGap   = vg.Length(14)
	rowGap      = vg.Length(10)
)

// Save draws the chart into a file, as Lines.Save does.
func (g Grid) Save(path string) error { return save(path, g) }

func (g Grid) figure() (*figure, error) {
	if len(g.Panels) == 0 {
		return nil, errors.New("chart: no panels")
	}
	width := vg.Length(cmp.Or(g.Width, gridWidth))
	b := &gridBody{columns: cmp.Or(g.Columns, len(g.Panels)), key: g.Key}
	places := width - 2*margin
	for i, panel := range g.Panels {
		if panel == nil {
			b.cells = append(b.cells, cell{})
			continue
		}
		const labels = 0.78 // of the width is left for data, where each panel has labels
		c := cell{}
		var err error
		about := places / vg.Length(b.columns) * labels
		if c.plot, c.height, c.heading, err = panel.panel(about); err != nil {
			return nil, fmt.Errorf("%w, in panel %d", err, i+1)
		}
		if g.SharedY && i%b.columns > 0 && b.cells[i-1].plot != nil {
			unlabeled(&c.plot.Y)
			c.plot.Y.Label.Text = ""
		}
		b.cells = append(b.cells, c)
	}
	if g.SharedX {
		for i := range b.cells {
			if below := i + b.columns; b.cells[i].plot != nil && below < len(b.cells) && b.cells[below].plot != nil {
				b.cells[i].plot.X.Label.Text = ""
			}
		}
	}
	f := &figure{title: g.Title, note: g.Note, body: b, legend: plot.NewLegend(), width: width}
	f.height = f.around(b.height(places))
	return f, nil
}

// gridBody is the body of a Grid.
type gridBody struct {
	columns int
	cells   []cell
	key     []Key
}

type cell struct {
	plot    *plot.Plot // nil for none
	height  vg.Length
	heading string
}

// row returns the cells of a row, and their heights with and without headings.
func (g *gridBody) row(row int) (cells []cell, heading, height vg.Length) {
	cells = g.cells[row*g.columns : min((row+1)*g.columns, len(g.cells))]
	for _, c := range cells {
		height = max(height, c.height)
		if c.heading != "" {
			heading = headingStyle().Height("0") + 5
		}
	}
	return cells, heading, height
}

func (g *gridBody) rows() int { return (len(g.cells) + g.columns - 1) / g.columns }

func (g *gridBody) height(width vg.Length) vg.Length {
	total := g.keyHeight(width) + rowGap*vg.Length(g.rows()-1)
	for row := range g.rows() {
		_, heading, height := g.row(row)
		total += heading + height
	}
	return total
}

func (g *gridBody) Draw(c draw.Canvas) {
	g.drawKey(c)
	c.Max.Y -= g.keyHeight(c.Max.X - c.Min.X)

	// The insets of the data are those of the widest labels in a column.
	left, right := make([]vg.Length, g.columns), make([]vg.Length, g.columns)
	for i, cell := range g.cells {
		if cell.plot != nil {
			data := cell.plot.DataCanvas(c)
			column := i % g.columns
			left[column], right[column] = max(left[column], data.Min.X-c.Min.X), max(right[column], c.Max.X-data.Max.X)
		}
	}
	wide := c.Max.X - c.Min.X - columnGap*vg.Length(g.columns-1)
	for column := range g.columns {
		wide -= left[column] + right[column]
	}
	wide /= vg.Length(g.columns) // of the data of each column

	top := c.Max.Y
	for row := range g.rows() {
		cells, heading, height := g.row(row)
		x := c.Min.X
		for column, cell := range cells {
			if cell.plot != nil {
				area := c
				area.Min.X, area.Max.X = x, x+left[column]+wide+right[column]
				area.Max.Y = top - heading
				area.Min.Y = area.Max.Y - height
				c.FillText(headingStyle(), vg.Point{X: x + left[column], Y: top}, clean(cell.heading))
				data := cell.plot.DataCanvas(area)
				area.Min.X += left[column] - (data.Min.X - area.Min.X)
				area.Max.X -= right[column] - (area.Max.X - data.Max.X)
				cell.plot.Draw(area)
			}
			x += left[column] + wide + right[column] + columnGap
		}
		top -= heading + height + rowGap
	}
}

func headingStyle() text.Style {
	style := textStyle(headingSize)
	style.Font.Weight = xfont.WeightBold
	return style
}

// The key's entries follow each other in lines.
const (
	keyMark = vg.Length(24) // width of a mark on its line
	keyGap  = vg.Length(14)
	keyLine = vg.Length(16)
)

// places returns the places of the key's entries from the upper left corner, and the height.
func (g *gridBody) places(width vg.Length) (at []vg.Point, height vg.Length) {
	if len(g.key) == 0 {
		return nil, 0
	}
	x, y := vg.Length(0), vg.Length(0)
	for _, k := range g.key {
		needs := keyMark + 4 + textStyle(keySize).Width(clean(k.Name))
		if x > 0 && x+needs > width {
			x, y = 0, y+keyLine
		}
		at = append(at, vg.Point{X: x, Y: -y})
		x += needs + keyGap
	}
	return at, y + keyLine + 6
}

func (g *gridBody) keyHeight(width vg.Length) vg.Length {
	_, height := g.places(width)
	return height
}

func (g *gridBody) drawKey(c draw.Canvas) {
	at, _ := g.places(c.Max.X - c.Min.X)
	style := textStyle(keySize)
	style.YAlign = text.YCenter
	for i, k := range g.key {
		place := vg.Point{X: c.Min.X, Y: c.Max.Y - keyLine/2}.Add(at[i])
		k.draw(c, place)
		c.FillText(style, place.Add(vg.Point{X: keyMark + 4}), clean(k.Name))
	}
}

// draw draws the mark to the right of a point.
func (k Key) draw(c draw.Canvas, at vg.Point) {
	look := k.Look
	if look == (Look{}) {
		look = plainLook
	}
	middle := at.Add(vg.Point{X: keyMark / 2})
	if k.Line {
		c.StrokeLine2(look.line(), at.X, at.Y, at.X+keyMark, at.Y)
	}
	look.drawMark(c, middle, k.Open)
}
