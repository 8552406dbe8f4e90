package chart

import (
	"errors"
	"fmt"
	"image/color"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Points is a chart of points, such as predictions over true values.
type Points struct {
	Title    string
	Note     string
	X, Y     string // labels of the axes
	Diagonal bool   // gives both axes one range, and draws a dashed line where X and Y are equal
	At       []Point
}

// Point is a place in a chart.
type Point struct{ X, Y float64 }

// Save draws the chart into a file, as Lines.Save does.
func (p Points) Save(path string) error { return save(path, p) }

func (p Points) figure() (*figure, error) {
	if len(p.At) == 0 {
		return nil, errors.New("chart: no points")
	}
	xys := make(plotter.XYs, len(p.At))
	for i, at := range p.At {
		if notFinite(at.X) || notFinite(at.Y) {
			return nil, fmt.Errorf("chart: point %d is at %v, %v", i, at.X, at.Y)
		}
		xys[i] = plotter.XY{X: at.X, Y: at.Y}
	}
	body, legend := newPlot(p.X, p.Y)
	body.Add(lightGrid())
	if p.Diagonal {
		body.Add(diagonal{})
	}
	dot := Numbered(1).mark()
	hue := colors[0].(color.RGBA)
	dot.Radius, dot.Color = 2, color.NRGBA{hue.R, hue.G, hue.B, 0x90} // where points lie over each other it is darker
	body.Add(&plotter.Scatter{XYs: xys, GlyphStyle: dot})
	if p.Diagonal {
		least, most := min(body.X.Min, body.Y.Min), max(body.X.Max, body.Y.Max)
		body.X.Min, body.X.Max, body.Y.Min, body.Y.Max = least, most, least, most
	}
	decimal(&body.X, body.X.Min, body.X.Max)
	decimal(&body.Y, body.Y.Min, body.Y.Max)
	return &figure{p.Title, p.Note, body, legend, 400, 340}, nil
}

func notFinite(x float64) bool { return math.IsNaN(x) || math.IsInf(x, 0) }

// diagonal is a dashed line from the lower left to the upper right corner.
type diagonal struct{}

func (diagonal) Plot(c draw.Canvas, _ *plot.Plot) {
	c.StrokeLine2(dashed, c.Min.X, c.Min.Y, c.Max.X, c.Max.Y)
}

// Histogram is a chart of how often values occur.
type Histogram struct {
	Title  string
	Note   string
	X, Y   string // labels of the axes
	Values []float64
}

// Save draws the chart into a file, as Lines.Save does.
func (h Histogram) Save(path string) error { return save(path, h) }

func (h Histogram) figure() (*figure, error) {
	if len(h.Values) == 0 {
		return nil, errors.New("chart: no values")
	}
	body, legend := newPlot(h.X, h.Y)
	least, most := math.Inf(1), math.Inf(-1)
	for i, v := range h.Values {
		if notFinite(v) {
			return nil, fmt.Errorf("chart: value %d is %v", i, v)
		}
		least, most = min(least, v), max(most, v)
	}
	decimal(&body.X, least, most)
	bars := h.bars(body.X.Min, body.X.Max)
	highest := 0.0
	for _, count := range bars.counts {
		highest = max(highest, count)
	}
	whole(&body.Y, 0, highest)
	body.Y.Tick.LineStyle.Width, body.Y.Tick.Length, body.Y.LineStyle.Width = 0, 0, 0
	body.X.Padding, body.Y.Padding = 0, 4
	body.Add(lightGrid(), bars)
	return &figure{h.Title, h.Note, body, legend, 400, 340}, nil
}

// bars counts the values between the ends of an axis, in bars as wide as the root of their number
// suggests.
func (h Histogram) bars(from, to float64) bars {
	n := min(max(int(math.Sqrt(float64(len(h.Values)))), 5), 40)
	b := bars{from: from, to: to, counts: make([]float64, n)}
	for _, v := range h.Values {
		b.counts[min(max(int((v-from)/(to-from)*float64(n)), 0), n-1)]++
	}
	return b
}

// bars draws bars of equal width.
type bars struct {
	from, to float64
	counts   []float64
}

func (b bars) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	width := (b.to - b.from) / float64(len(b.counts))
	for i, count := range b.counts {
		left, right := x(b.from+float64(i)*width)+0.5, x(b.from+float64(i+1)*width)-0.5
		c.FillPolygon(colors[0], []vg.Point{{X: left, Y: y(0)}, {X: right, Y: y(0)}, {X: right, Y: y(count)}, {X: left, Y: y(count)}})
	}
	if b.from < 0 && b.to > 0 {
		c.StrokeLine2(dashed, x(0), c.Min.Y, x(0), c.Max.Y)
	}
}
