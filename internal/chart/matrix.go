package chart

import (
	"fmt"
	"image/color"
	"math"
	"slices"
	"strconv"

	"golang.org/x/image/font/sfnt"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Matrix is a chart of counts by two categories, such as the confusion of classes. The deeper the
// color of a cell, the larger its share of the row: blue on the diagonal, vermilion elsewhere.
// Cells with room for it show their count and that share.
type Matrix struct {
	Title  string
	Note   string
	X, Y   string   // what columns and rows are
	Names  []string // of the rows from top to bottom, and of the columns
	Counts [][]int  // by row and column
}

// Save draws the chart into a file, as Lines.Save does.
func (m Matrix) Save(path string) error { return save(path, m) }

const (
	matrixSide   = 420 // points that the cells of a matrix take up, unless they would be too small or too large
	largestCell  = 64
	smallestCell = 9   // with names in it; more than 100 classes have smaller cells
	largestSide  = 900 // points
	longestName  = 28  // characters of a name that are shown
	smallestType = 6   // points
)

func (m Matrix) figure() (*figure, error) {
	if err := m.validate(); err != nil {
		return nil, err
	}
	n := len(m.Names)
	cell := vg.Length(min(max(matrixSide/float64(n), smallestCell), largestCell, largestSide/float64(n)))
	g := &grid{counts: m.Counts, cell: cell, x: m.X, y: m.Y, names: shownNames(m.Names), every: 1}
	g.label = textStyle(min(tickSize, max(smallestType, 0.8*cell)))
	if room := g.label.Height("0"); cell < room {
		// Only some rows have room for a name, so there are numbers at round distances.
		g.every = int(roundStep(float64(room / cell)))
		for i := range g.names {
			g.names[i] = strconv.Itoa(i)
		}
	}
	g.layOut()
	width := g.left + cell*vg.Length(n)
	for _, line := range []struct {
		style text.Style
		text  string
	}{{textStyle(titleSize), m.Title}, {textStyle(noteSize), m.Note}} {
		width = max(width, line.style.Width(line.text))
	}
	f := &figure{title: m.Title, note: m.Note, body: g, legend: plot.NewLegend(), width: width + 2*margin}
	f.height = f.around(g.bottom + cell*vg.Length(n))
	return f, nil
}

// validate returns an error if the chart can't be drawn.
func (m Matrix) validate() error {
	n := len(m.Names)
	if n == 0 || len(m.Counts) != n {
		return fmt.Errorf("chart: %d names for a matrix of %d rows, want equal numbers, and at least 1", n, len(m.Counts))
	}
	for row, counts := range m.Counts {
		if len(counts) != n {
			return fmt.Errorf("chart: row %d of a matrix has %d columns, want %d", row, len(counts), n)
		}
		if least := slices.Min(counts); least < 0 {
			return fmt.Errorf("chart: row %d of a matrix has the count %d", row, least)
		}
	}
	return nil
}

// shownNames returns names as a matrix shows them. If the font lacks a character of one of them,
// all get their number in front: a name of which only boxes are left tells nothing.
func shownNames(names []string) []string {
	shown, numbered := make([]string, len(names)), false
	style := textStyle(tickSize)
	font := style.Handler.Cache().Lookup(style.Font, style.Font.Size).Face
	var buffer sfnt.Buffer
	for i, name := range names {
		runes := []rune(clean(name))
		if len(runes) > longestName {
			runes = append(runes[:longestName-1], '…')
		}
		shown[i] = string(runes)
		for _, r := range runes {
			glyph, err := font.GlyphIndex(&buffer, r)
			numbered = numbered || err != nil || glyph == 0
		}
	}
	if numbered {
		for i, name := range shown {
			shown[i] = strconv.Itoa(i) + " " + name
		}
	}
	return shown
}

// grid draws a matrix: the cells in the upper right, names and labels left of and below them.
type grid struct {
	counts       [][]int
	names        []string
	x, y         string
	every        int // draws each such name only
	cell         vg.Length
	label, count text.Style
	percents     bool      // cells have a second line
	rotated      bool      // names of columns read upwards
	left, bottom vg.Length // room of names and labels
}

const nameGap = vg.Length(5)

// layOut chooses the sizes of all text.
func (g *grid) layOut() {
	g.label.XAlign, g.label.YAlign = text.XRight, text.YCenter
	longest := vg.Length(0)
	for i, name := range g.names {
		if i%g.every == 0 {
			longest = max(longest, g.label.Width(name))
		}
	}
	g.rotated = longest > g.cell*vg.Length(g.every)-nameGap
	title := textStyle(labelSize).Height("M") + 8
	g.left, g.bottom = longest+nameGap+title, g.label.Height("0")+nameGap+title
	if g.rotated {
		g.bottom = g.left
	}

	// Counts and shares are as large as the longest of them allows.
	count, share := "", ""
	for _, row := range g.counts {
		total := sum(row)
		for _, n := range row {
			if s := strconv.Itoa(n); len(s) > len(count) {
				count = s
			}
			if s := percent(n, total); n > 0 && len(s) > len(share) {
				share = s
			}
		}
	}
	for size := vg.Length(11); size >= smallestType; size-- {
		style := textStyle(size)
		style.XAlign, style.YAlign = text.XCenter, text.YCenter
		height := style.Height("0")
		if g.count.Font.Size == 0 && style.Width(count) <= g.cell-4 && height <= g.cell-2 {
			g.count = style
		}
		if style.Width(count) <= g.cell-4 && g.shareStyle(style).Width(share) <= g.cell-4 && 2*height <= g.cell-4 {
			g.count, g.percents = style, true
			break
		}
	}
}

// shareStyle returns the style of a share below a count of a style.
func (*grid) shareStyle(count text.Style) text.Style {
	count.Font.Size = max(smallestType, count.Font.Size-2)
	return count
}

func (g *grid) Draw(c draw.Canvas) {
	n := vg.Length(len(g.names))
	from := vg.Point{X: c.Min.X + g.left, Y: c.Max.Y} // upper left corner of the cells
	for row, counts := range g.counts {
		total := sum(counts)
		for column, count := range counts {
			if count > 0 {
				corner := from.Add(vg.Point{X: g.cell * vg.Length(column), Y: -g.cell * vg.Length(row+1)})
				g.drawCell(c, corner, count, total, row == column)
			}
		}
	}
	stride := 1
	if len(g.names) > 20 {
		stride = 10
	}
	lines := draw.LineStyle{Color: rule, Width: 0.5}
	for i := stride; i < len(g.names); i += stride {
		at := g.cell * vg.Length(i)
		c.StrokeLine2(lines, from.X+at, from.Y, from.X+at, from.Y-g.cell*n)
		c.StrokeLine2(lines, from.X, from.Y-at, from.X+g.cell*n, from.Y-at)
	}
	c.StrokeLines(draw.LineStyle{Color: faint, Width: 0.75}, []vg.Point{
		from, {X: from.X + g.cell*n, Y: from.Y}, {X: from.X + g.cell*n, Y: from.Y - g.cell*n}, {X: from.X, Y: from.Y - g.cell*n}, from,
	})
	g.drawNames(c, from)
}

// drawCell draws a cell with its lower left corner.
func (g *grid) drawCell(c draw.Canvas, corner vg.Point, count, total int, right bool) {
	// The root makes single mistakes visible among thousands of samples.
	depth := 0.08 + 0.82*math.Sqrt(float64(count)/float64(total))
	hue := colors[1].(color.RGBA)
	if right {
		hue = colors[0].(color.RGBA)
	}
	opposite := corner.Add(vg.Point{X: g.cell, Y: g.cell})
	fill := color.NRGBA{hue.R, hue.G, hue.B, uint8(math.Round(255 * depth))}
	c.FillPolygon(fill, []vg.Point{corner, {X: opposite.X, Y: corner.Y}, opposite, {X: corner.X, Y: opposite.Y}})
	if g.count.Font.Size == 0 {
		return
	}
	middle := corner.Add(vg.Point{X: g.cell / 2, Y: g.cell / 2})
	style := g.count
	if depth > 0.6 {
		style.Color = light
	}
	if !g.percents {
		c.FillText(style, middle, strconv.Itoa(count))
		return
	}
	half := style.Font.Size * 0.55
	c.FillText(style, middle.Add(vg.Point{Y: half}), strconv.Itoa(count))
	c.FillText(g.shareStyle(style), middle.Add(vg.Point{Y: -half}), percent(count, total))
}

// light is the color of text on a deep color, also on a dark page. It isn't quite paper, which
// Inline replaces.
var light = color.Gray{0xfe}

// drawNames draws the names of rows and columns, and the labels of both.
func (g *grid) drawNames(c draw.Canvas, from vg.Point) {
	side := g.cell * vg.Length(len(g.names))
	column := g.label
	column.XAlign, column.YAlign = text.XCenter, text.YTop
	if g.rotated {
		column = g.label
		column.Rotation = math.Pi / 2
	}
	for i, name := range g.names {
		if i%g.every == 0 {
			at := g.cell * (vg.Length(i) + 0.5)
			c.FillText(g.label, vg.Point{X: from.X - nameGap, Y: from.Y - at}, name)
			c.FillText(column, vg.Point{X: from.X + at, Y: from.Y - side - nameGap}, name)
		}
	}
	title := textStyle(labelSize)
	title.XAlign, title.YAlign = text.XCenter, text.YBottom
	c.FillText(title, vg.Point{X: from.X + side/2, Y: from.Y - side - g.bottom}, clean(g.x))
	title.YAlign, title.Rotation = text.YTop, math.Pi/2
	c.FillText(title, vg.Point{X: from.X - g.left, Y: from.Y - side/2}, clean(g.y))
}

// percent returns a share as text that never rounds some to none, or most to all.
func percent(n, total int) string {
	share := 100 * float64(n) / float64(max(1, total))
	switch {
	case n > 0 && share < 1:
		return "<1%"
	case n < total && share > 99:
		return ">99%"
	}
	return strconv.FormatFloat(share, 'f', 0, 64) + "%"
}

func sum(counts []int) int {
	total := 0
	for _, n := range counts {
		total += n
	}
	return total
}
