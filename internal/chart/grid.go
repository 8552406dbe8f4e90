package chart

import (
	"cmp"
	"errors"
	"fmt"
	"image/color"
	"slices"

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
	Columns int      // 0 for one row
	Panels  []Panel  // row by row; nil leaves a place empty
	Rows    []string // titles of the rows; nil for none, "" for that of one row
	SharedY bool     // where neighbors in a row have the same ticks on the Y axis, only the first labels them
	SharedX bool     // where neighbors in a column measure the same on the X axis, only the last says so
	Width   float64  // of the picture, in points; 0 for 620
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
	gridWidth    = 620
	rowTitleSize = 11.5
	headingSize  = 10
	keySize      = 10
	columnGap    = vg.Length(14)
	rowGap       = vg.Length(12)
)

// Save draws the chart into a file, as Lines.Save does.
func (g Grid) Save(path string) error { return save(path, g) }

func (g Grid) figure() (*figure, error) {
	if !slices.ContainsFunc(g.Panels, func(p Panel) bool { return p != nil }) {
		return nil, errors.New("chart: no panels")
	}
	width := vg.Length(cmp.Or(g.Width, gridWidth))
	// How wide the data is depends on the labels, and which labels fit on how wide the data is.
	const guess = 0.7 // of a place is left for data
	places := width - 2*margin
	b, err := g.body(places / vg.Length(cmp.Or(g.Columns, len(g.Panels))) * guess)
	if err == nil {
		canvas := draw.Canvas{Rectangle: vg.Rectangle{Max: vg.Point{X: places, Y: places}}}
		_, _, wide := b.layout(canvas)
		if b, err = g.body(wide); err == nil {
			b.breakHeadings(canvas)
		}
	}
	if err != nil {
		return nil, err
	}
	f := &figure{title: g.Title, note: g.Note, body: b, legend: plot.NewLegend(), width: width}
	f.height = f.around(b.height(places))
	return f, nil
}

// body returns the panels for data that is about so wide.
func (g Grid) body(about vg.Length) (*gridBody, error) {
	b := &gridBody{columns: cmp.Or(g.Columns, len(g.Panels)), titles: g.Rows, key: g.Key}
	for i, panel := range g.Panels {
		c := cell{}
		if panel != nil {
			var err error
			if c.plot, c.height, c.heading, err = panel.panel(about); err != nil {
				return nil, fmt.Errorf("%w, in panel %d", err, i+1)
			}
			c.about = c.plot.X.Label.Text
			c.plot.BackgroundColor = color.Transparent // it would cover the neighbor's last label
		}
		b.cells = append(b.cells, c)
	}
	b.share(g.SharedX, g.SharedY)
	return b, nil
}

// gridBody is the body of a Grid.
type gridBody struct {
	columns int
	titles  []string // of rows
	cells   []cell
	key     []Key
}

type cell struct {
	plot    *plot.Plot // nil for none
	height  vg.Length
	heading string
	lines   []string // of the heading
	about   string   // the label of the X axis
}

// share takes the labels away that a neighbor has, too.
func (g *gridBody) share(sharedX, sharedY bool) {
	for i := len(g.cells) - 1; i >= 0; i-- {
		here := &g.cells[i]
		if here.plot == nil {
			continue
		}
		if i%g.columns > 0 && sharedY {
			if before := g.cells[i-1].plot; before != nil && sameTicks(before.Y, here.plot.Y) {
				unlabeled(&here.plot.Y)
			}
			if before := g.cells[i-1].plot; before != nil && before.Y.Label.Text == here.plot.Y.Label.Text {
				here.plot.Y.Label.Text = ""
			}
		}
		if below := i + g.columns; sharedX && below < len(g.cells) {
			other := g.cells[below]
			if other.plot != nil && other.about == here.about && here.about != "" {
				here.height -= axisHeight(here.about) - axisHeight("")
				here.plot.X.Label.Text = ""
			}
		}
	}
}

func sameTicks(a, b plot.Axis) bool {
	return slices.Equal(a.Tick.Marker.Ticks(a.Min, a.Max), b.Tick.Marker.Ticks(b.Min, b.Max))
}

// insets returns the room that a plot's labels need on both sides of its data.
func insets(p *plot.Plot, c draw.Canvas) (left, right vg.Length) {
	data := p.DataCanvas(c)
	left, right = data.Min.X-c.Min.X, c.Max.X-data.Max.X
	for _, t := range p.X.Tick.Marker.Ticks(p.X.Min, p.X.Max) {
		const near = 0.01
		half := p.X.Tick.Label.Width(t.Label) / 2
		if at := p.X.Norm(t.Value); at < near {
			left = max(left, half)
		} else if at > 1-near {
			right = max(right, half)
		}
	}
	return left, right
}

// title returns the title of a row.
func (g *gridBody) title(row int) string {
	if row < len(g.titles) {
		return g.titles[row]
	}
	return ""
}

// titleHeight returns the room for the title of a row.
func (g *gridBody) titleHeight(row int) vg.Length {
	if g.title(row) == "" {
		return 0
	}
	return rowTitleStyle().Height("0") + 5
}

// breakHeadings breaks the headings into lines as long as the panels are wide.
func (g *gridBody) breakHeadings(c draw.Canvas) {
	_, right, wide := g.layout(c)
	for i := range g.cells {
		g.cells[i].lines = broken(g.cells[i].heading, headingStyle(), wide+right[i%g.columns])
	}
}

// row returns the cells of a row, and the heights of its headings and its plots.
func (g *gridBody) row(row int) (cells []cell, heading, height vg.Length) {
	cells = g.cells[row*g.columns : min((row+1)*g.columns, len(g.cells))]
	for _, c := range cells {
		height = max(height, c.height)
		if c.lines != nil {
			heading = max(heading, headingStyle().Height("0")*vg.Length(len(c.lines))+5)
		}
	}
	return cells, heading, height
}

func (g *gridBody) rows() int { return (len(g.cells) + g.columns - 1) / g.columns }

func (g *gridBody) height(width vg.Length) vg.Length {
	total := g.keyHeight(width) + rowGap*vg.Length(g.rows()-1)
	for row := range g.rows() {
		_, heading, height := g.row(row)
		total += g.titleHeight(row) + heading + height
	}
	return total
}

// layout returns the room of each column's labels beside its data, which is that of the widest, and
// how wide the data of each column is.
func (g *gridBody) layout(c draw.Canvas) (left, right []vg.Length, wide vg.Length) {
	left, right = make([]vg.Length, g.columns), make([]vg.Length, g.columns)
	for i, cell := range g.cells {
		if cell.plot != nil {
			column := i % g.columns
			before, behind := insets(cell.plot, c)
			left[column], right[column] = max(left[column], before), max(right[column], behind)
		}
	}
	wide = c.Max.X - c.Min.X - columnGap*vg.Length(g.columns-1)
	for column := range g.columns {
		wide -= left[column] + right[column]
	}
	return left, right, wide / vg.Length(g.columns)
}

func (g *gridBody) Draw(c draw.Canvas) {
	g.drawKey(c)
	c.Max.Y -= g.keyHeight(c.Max.X - c.Min.X)

	left, right, wide := g.layout(c)
	top := c.Max.Y
	for row := range g.rows() {
		cells, heading, height := g.row(row)
		x := c.Min.X
		c.FillText(rowTitleStyle(), vg.Point{X: x, Y: top}, shortened(clean(g.title(row)), rowTitleStyle(), c.Max.X-c.Min.X))
		top -= g.titleHeight(row)
		for column, cell := range cells {
			if cell.plot != nil {
				area := c
				area.Min.X, area.Max.X = x, x+left[column]+wide+right[column]
				area.Max.Y = top - heading
				area.Min.Y = area.Max.Y - cell.height
				for k, line := range cell.lines { // the last one is above the plot
					up := headingStyle().Height("0") * vg.Length(len(cell.lines)-k)
					c.FillText(headingStyle(), vg.Point{X: x + left[column], Y: top - heading + 5 + up}, line)
				}
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

func rowTitleStyle() text.Style {
	style := headingStyle()
	style.Font.Size = rowTitleSize
	return style
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
		needs := k.width() + 4 + textStyle(keySize).Width(clean(k.Name))
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
	style := middleStyle(keySize)
	for i, k := range g.key {
		place := vg.Point{X: c.Min.X, Y: c.Max.Y - keyLine/2}.Add(at[i])
		k.draw(c, place)
		c.FillText(style, place.Add(vg.Point{X: k.width() + 4}), clean(k.Name))
	}
}

// width returns that of the mark, with its line.
func (k Key) width() vg.Length {
	if k.Line {
		return keyMark
	}
	return keyMark / 2
}

// draw draws the mark to the right of a point.
func (k Key) draw(c draw.Canvas, at vg.Point) {
	c.Min, c.Max = at.Add(vg.Point{Y: -keyLine / 2}), at.Add(vg.Point{X: k.width(), Y: keyLine / 2})
	k.drawIn(c)
}

// drawIn draws the mark in the middle of a canvas.
func (k Key) drawIn(c draw.Canvas) {
	look := k.Look
	if look == (Look{}) {
		look = plainLook
	}
	middle := c.Center()
	if k.Line {
		c.StrokeLine2(look.line(), c.Min.X, middle.Y, c.Max.X, middle.Y)
	}
	look.drawMark(c, middle, k.Open)
}
