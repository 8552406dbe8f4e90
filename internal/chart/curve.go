package chart

import (
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// curve draws one series of Lines.
type curve struct {
	Series
	look Look
	x    []float64 // where the points are drawn
	lost []int     // of each point: its place among those that are below the axis at the same X
	of   []int     // how many those are; 0 for a point that isn't
}

// The layers of a curve, from the lowest to the highest.
const (
	layerIntervals = iota
	layerLines
	layerMarks
	layers
)

// curves returns the curves of all series.
func (l Lines) curves() []*curve {
	var list []*curve
	var look Look
	number := 0
	for i, s := range l.Series {
		switch {
		case s.Look != Look{}:
			look = s.Look
			number = max(number, look.number)
		case !s.Beside:
			number++
			look = Numbered(number)
		}
		list = append(list, &curve{Series: s, look: look, x: l.places(i)})
	}
	if l.From < l.To {
		l.findLost(list)
	}
	return list
}

// places returns the X at which the points of a series are drawn.
func (l Lines) places(series int) []float64 {
	x := slices.Clone(l.Series[series].X)
	if !l.Apart {
		return x
	}
	least, most := math.Inf(1), math.Inf(-1)
	for _, other := range l.Series {
		least, most = min(least, slices.Min(other.X)), max(most, slices.Max(other.X))
	}
	const step = 0.01 // from series to series, as a part of the axis
	aside := step * (float64(series) - float64(len(l.Series)-1)/2)
	for i := range x {
		if l.LogX {
			x[i] *= math.Pow(most/least, aside)
		} else {
			x[i] += (most - least) * aside
		}
	}
	return x
}

// findLost gives the points below the axis, and those that failed, their places beside each other.
func (l Lines) findLost(list []*curve) {
	at := map[float64][]*int{}
	for _, c := range list {
		c.lost, c.of = make([]int, len(c.X)), make([]int, len(c.X))
		for i, x := range c.X {
			if c.failed(i) || c.Y[i] < l.From {
				c.lost[i] = len(at[x])
				at[x] = append(at[x], &c.of[i])
			}
		}
	}
	for _, places := range at {
		for _, of := range places {
			*of = len(places)
		}
	}
}

// layer returns the plotter of one layer.
func (c *curve) layer(layer int) plot.Plotter { return curveLayer{c, layer} }

type curveLayer struct {
	*curve
	layer int
}

func (c curveLayer) Plot(canvas draw.Canvas, p *plot.Plot) {
	toX, toY := p.Transforms(&canvas)
	at := func(i int) vg.Point { return vg.Point{X: toX(c.x[i]), Y: toY(c.Y[i])} }
	switch c.layer {
	case layerIntervals:
		c.drawIntervals(canvas, p, at, toY)
	case layerLines:
		c.drawLine(canvas, at)
	default:
		c.drawMarks(canvas, p, at, toX)
	}
}

// GlyphBoxes makes room for the marks at the ends of the axes.
func (c curveLayer) GlyphBoxes(p *plot.Plot) []plot.GlyphBox {
	if c.layer != layerMarks || len(c.X) > mostMarks {
		return nil
	}
	var boxes []plot.GlyphBox
	for i, x := range c.x {
		if y := p.Y.Norm(c.Y[i]); y >= 0 && y <= 1 && !c.failed(i) {
			boxes = append(boxes, plot.GlyphBox{X: p.X.Norm(x), Y: y, Rectangle: c.look.mark().Rectangle()})
		}
	}
	return boxes
}

func (c *curve) drawIntervals(canvas draw.Canvas, p *plot.Plot, at func(int) vg.Point, toY func(float64) vg.Length) {
	if c.Low == nil {
		return
	}
	for i := range c.X {
		if c.failed(i) || c.High[i] < p.Y.Min || c.Low[i] > p.Y.Max {
			continue
		}
		x := at(i).X
		canvas.StrokeLine2(c.look.interval(), x, toY(max(c.Low[i], p.Y.Min)), x, toY(min(c.High[i], p.Y.Max)))
		for _, end := range []float64{c.Low[i], c.High[i]} {
			if end >= p.Y.Min && end <= p.Y.Max {
				canvas.StrokeLine2(c.look.interval(), x-markRadius, toY(end), x+markRadius, toY(end))
			}
		}
	}
}

// drawLine draws the line between points that haven't failed, as far as it is within the axes.
func (c *curve) drawLine(canvas draw.Canvas, at func(int) vg.Point) {
	style := c.look.line()
	if c.Beside {
		style.Dashes = []vg.Length{5, 3}
	}
	var line []vg.Point
	for i := range c.X {
		if !c.failed(i) {
			line = append(line, at(i))
		}
		if c.failed(i) || i == len(c.X)-1 {
			canvas.StrokeLines(style, canvas.ClipLinesXY(line)...)
			line = nil
		}
	}
}

func (c *curve) drawMarks(canvas draw.Canvas, p *plot.Plot, at func(int) vg.Point, toX func(float64) vg.Length) {
	for i := range c.X {
		place := at(i)
		switch lost := c.of != nil && c.of[i] > 0; {
		case lost:
			// Those of one X lie about it, within the axis and clear of those of the next X.
			const half = 4 // of a cross
			middle := toX(c.X[i])
			apart := vg.Length(8)
			for _, x := range c.X {
				if x != c.X[i] {
					next := vg.Length(math.Abs(float64(toX(x) - middle)))
					apart = max(5, min(apart, next/vg.Length(c.of[i])))
				}
			}
			side := apart * vg.Length(c.of[i]-1) / 2
			middle = max(min(middle, canvas.Max.X+half-side), canvas.Min.X-half+side)
			place.X = middle + apart*vg.Length(c.lost[i]) - side
			place.Y = canvas.Min.Y + 5
			if c.failed(i) {
				c.look.drawCross(canvas, place)
			} else {
				c.look.drawArrow(canvas, place, 0, -1)
			}
			continue
		case c.failed(i):
			place.Y = canvas.Min.Y + 5
			c.look.drawCross(canvas, place)
			continue
		case c.Y[i] > p.Y.Max:
			place.Y = canvas.Max.Y - 5
			c.look.drawArrow(canvas, place, 0, 1)
			continue
		}
		if c.Ring == i+1 {
			c.look.drawRing(canvas, place)
		}
		if len(c.X) <= mostMarks {
			c.look.drawMark(canvas, place, c.Beside)
		}
	}
}

// Thumbnail draws the entry of the legend.
func (c *curve) Thumbnail(canvas *draw.Canvas) {
	style := c.look.line()
	if c.Beside {
		style.Dashes = []vg.Length{5, 3}
	}
	middle := canvas.Center()
	canvas.StrokeLine2(style, canvas.Min.X, middle.Y, canvas.Max.X, middle.Y)
	if len(c.X) <= mostMarks {
		c.look.drawMark(*canvas, middle, c.Beside)
	}
}
