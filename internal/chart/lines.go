package chart

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Lines is a chart with a line for each series, and a mark for each point of a series that has no
// more than can be told apart.
type Lines struct {
	Title      string
	Note       string  // in small type below the chart, such as how the values were measured
	X, Y       string  // labels of the axes
	LogX       bool    // makes the X axis logarithmic, with a tick at each point if they are few
	LogY       bool    // makes the Y axis logarithmic
	Apart      bool    // draws the series a little beside each other, lest intervals at the same X cover each other
	WholeX     bool    // ticks of a linear X axis are at whole numbers only
	FromZero   bool    // makes the Y axis include 0, if it is linear
	Reference  float64 // Y of a dashed horizontal line; 0 for none
	ReferenceX float64 // X of a dashed vertical line; 0 for none
	Series     []Series
}

const (
	mostMarks  = 32 // points of a series that have marks
	mostPoints = 16 // points that have ticks on a logarithmic axis
)

// Series is one line.
type Series struct {
	Name      string // in the legend; "" to leave it out there
	X, Y      []float64
	Low, High []float64 // ends of the points' intervals; both nil for none
	// Look is the color and the mark, so that a series looks the same in several charts. The zero
	// value is Numbered, by the number after that of the series before it.
	Look Look
	// Beside draws the series in the color and shape of the one before it, but dashed and with open
	// marks, for another source of the same measurement.
	Beside bool
}

// Save draws the chart into a file, which appears whole or not at all. The extension of the path
// chooses the format: .png or .svg.
func (l Lines) Save(path string) error { return save(path, l) }

func (l Lines) figure() (*figure, error) {
	if err := l.validate(); err != nil {
		return nil, err
	}
	p, legend := newPlot(l.X, l.Y)
	p.Add(lightGrid())
	if l.Reference != 0 {
		p.Add(level(l.Reference))
	}
	if l.ReferenceX != 0 {
		p.Add(upright(l.ReferenceX))
	}
	// Bars lie below all lines, and lines below all marks.
	var bars, lines, points []plot.Plotter
	var look Look
	number := 0
	for i, s := range l.Series {
		xys := l.points(i)
		switch {
		case s.Look != Look{}:
			look = s.Look
			number = max(number, look.number)
		case !s.Beside:
			number++
			look = Numbered(number)
		}
		if s.Low != nil {
			bars = append(bars, &plotter.YErrorBars{
				XYs: xys, YErrors: plotter.YErrors(reach(s.Y, s.Low, s.High)), LineStyle: look.bar(), CapWidth: 2 * markRadius,
			})
		}
		curve := &plotter.Line{XYs: xys, LineStyle: look.line()}
		marks := &plotter.Scatter{XYs: xys, GlyphStyle: look.mark()}
		if s.Beside {
			curve.Dashes = []vg.Length{5, 3}
			marks.Shape = open{marks.Shape}
		}
		lines = append(lines, curve)
		thumbnails := []plot.Thumbnailer{curve}
		if len(s.X) <= mostMarks {
			points, thumbnails = append(points, marks), append(thumbnails, marks)
		}
		if s.Name != "" {
			legend.Add(clean(s.Name), thumbnails...)
		}
	}
	p.Add(slices.Concat(bars, lines, points)...)

	least, most := p.Y.Min, p.Y.Max
	switch {
	case l.LogY:
		logarithmic(&p.Y, least, most)
	case l.FromZero:
		decimal(&p.Y, min(0, least), max(0, most))
	default:
		decimal(&p.Y, least, most)
	}
	p.Y.Tick.LineStyle.Width, p.Y.Tick.Length, p.Y.LineStyle.Width = 0, 0, 0
	for _, s := range l.Series { // Apart may have drawn the outermost points elsewhere
		p.X.Min, p.X.Max = min(p.X.Min, slices.Min(s.X)), max(p.X.Max, slices.Max(s.X))
	}
	l.axisX(&p.X, p.X.Min, p.X.Max)
	return &figure{l.Title, l.Note, p, legend, 520, 320}, nil
}

// axisX sets the ticks of the X axis, for points from least to most.
func (l Lines) axisX(axis *plot.Axis, least, most float64) {
	switch {
	case l.LogX:
		axis.Scale = plot.LogScale{}
		l.tickPoints(axis, least, most)
	case l.WholeX:
		whole(axis, least, most)
	default:
		decimal(axis, least, most)
	}
}

// lightGrid returns thin horizontal lines at the ticks.
func lightGrid() *plotter.Grid {
	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color, grid.Horizontal.Width = nil, rule, 0.75
	return grid
}

// points returns where the points of a series are drawn.
func (l Lines) points(series int) plotter.XYs {
	s := l.Series[series]
	points := make(plotter.XYs, len(s.X))
	for i := range points {
		points[i] = plotter.XY{X: s.X[i], Y: s.Y[i]}
	}
	if !l.Apart {
		return points
	}
	least, most := math.Inf(1), math.Inf(-1)
	for _, other := range l.Series {
		least, most = min(least, slices.Min(other.X)), max(most, slices.Max(other.X))
	}
	const step = 0.01 // from series to series, as a part of the axis
	aside := step * (float64(series) - float64(len(l.Series)-1)/2)
	for i := range points {
		if l.LogX {
			points[i].X *= math.Pow(most/least, aside)
		} else {
			points[i].X += (most - least) * aside
		}
	}
	return points
}

// reach returns the distances from values to the ends of their intervals.
func reach(values, low, high []float64) plotter.Errors {
	e := make(plotter.Errors, len(values))
	for i, v := range values {
		e[i].Low, e[i].High = v-low[i], high[i]-v
	}
	return e
}

// tickPoints sets a tick at each point, or at round numbers if there are many points. A tick has no
// label if it is too near to one that has.
func (l Lines) tickPoints(axis *plot.Axis, least, most float64) {
	var xs []float64
	for _, s := range l.Series {
		xs = append(xs, s.X...)
	}
	slices.Sort(xs)
	xs = slices.Compact(xs)
	if len(xs) > mostPoints {
		logarithmic(axis, least, most)
		return
	}
	if len(xs) == 1 {
		axis.Min, axis.Max = xs[0]/2, xs[0]*2
	}
	const character = 0.02 // fraction of the axis that one of a label takes
	var ticks plot.ConstantTicks
	end := math.Inf(-1) // of the last label
	for _, x := range xs {
		tick, label := plot.Tick{Value: x}, strconv.FormatFloat(x, 'g', -1, 64)
		half := character / 2 * float64(len(label)+1)
		if at := axis.Norm(x); at-half >= end {
			tick.Label, end = label, at+half
		}
		ticks = append(ticks, tick)
	}
	axis.Tick.Marker = ticks
}

// level is a dashed horizontal line.
type level float64

func (y level) Plot(c draw.Canvas, p *plot.Plot) {
	_, at := p.Transforms(&c)
	c.StrokeLine2(dashed, c.Min.X, at(float64(y)), c.Max.X, at(float64(y)))
}

func (y level) DataRange() (xmin, xmax, ymin, ymax float64) {
	return math.Inf(1), math.Inf(-1), float64(y), float64(y)
}

// validate returns an error if the chart can't be drawn.
func (l Lines) validate() error {
	if len(l.Series) == 0 {
		return fmt.Errorf("chart: no series")
	}
	if l.Series[0].Beside {
		return fmt.Errorf("chart: series %q is the first, and Beside needs one before it", l.Series[0].Name)
	}
	for _, s := range l.Series {
		if len(s.X) == 0 || len(s.Y) != len(s.X) {
			return fmt.Errorf("chart: series %q has %d X and %d Y, want equal numbers, and at least 1", s.Name, len(s.X), len(s.Y))
		}
		if err := validateIntervals(s.Name, s.Y, s.Low, s.High); err != nil {
			return err
		}
		for i, x := range s.X {
			if notFinite(x) || l.LogX && x <= 0 {
				return fmt.Errorf("chart: series %q has a point at X = %v", s.Name, x)
			}
			if least := low(s, i); l.LogY && least <= 0 {
				return fmt.Errorf("chart: series %q has the value %v on a logarithmic axis, want more than 0", s.Name, least)
			}
		}
	}
	return nil
}

// low returns the lower end of a point's interval, or its value if it has none.
func low(s Series, point int) float64 {
	if s.Low != nil {
		return s.Low[point]
	}
	return s.Y[point]
}

// validateIntervals returns an error if intervals are missing, infinite, or without their values.
func validateIntervals(series string, values, low, high []float64) error {
	if low == nil && high == nil {
		low, high = values, values
	}
	if len(low) != len(values) || len(high) != len(values) {
		return fmt.Errorf("chart: series %q has %d values, %d lower and %d upper ends", series, len(values), len(low), len(high))
	}
	for i, v := range values {
		if !(low[i] <= v && v <= high[i]) || math.IsInf(low[i], 0) || math.IsInf(high[i], 0) {
			return fmt.Errorf("chart: series %q has the value %v with the interval [%v, %v]", series, v, low[i], high[i])
		}
	}
	return nil
}
