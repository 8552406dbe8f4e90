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

// Lines is a chart of figures that change along an axis: a line a series, a mark
// a point.
type Lines struct {
	Title string
	Note  string // below the chart, small: how the figures came about
	X, Y  string // labels of the axes
	// LogX makes the X axis logarithmic, with a tick at each point's X.
	LogX bool
	// FromZero begins the Y axis at 0 however high the lines are.
	FromZero bool
	// Reference is where a dashed line crosses the chart, if it isn't 0.
	Reference float64
	Series    []Series
}

// Series is one line.
type Series struct {
	Name string
	X, Y []float64
	// Low and High are the ends of the points' intervals; both nil without any.
	Low, High []float64
	// Beside draws the series in the color and shape of the one before it, dashed
	// and with open marks: somebody else's figures for the same thing.
	Beside bool
}

// Save draws the chart into the file of a path, which appears whole or not at all.
// The path's extension says what kind of file it is: .png or .svg.
func (l Lines) Save(path string) error { return save(path, l) }

func (l Lines) figure() (*figure, error) {
	if err := l.check(); err != nil {
		return nil, err
	}
	p, legend := newPlot(l.X, l.Y)
	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color, grid.Horizontal.Width = nil, rule, 0.75
	p.Add(grid)
	if l.Reference != 0 {
		p.Add(level(l.Reference))
	}
	// Bars lie below all lines, and lines below all marks.
	var bars, lines, points []plot.Plotter
	look := -1
	for _, s := range l.Series {
		if !s.Beside {
			look++
		}
		if s.Low != nil {
			bars = append(bars, &plotter.YErrorBars{
				XYs: s.xys(), YErrors: plotter.YErrors(reach(s.Y, s.Low, s.High)), LineStyle: bar(look), CapWidth: 2 * markRadius,
			})
		}
		curve := &plotter.Line{XYs: s.xys(), LineStyle: line(look)}
		marks := &plotter.Scatter{XYs: s.xys(), GlyphStyle: mark(look)}
		if s.Beside {
			curve.Dashes = []vg.Length{5, 3}
			marks.Shape = open{marks.Shape}
		}
		lines, points = append(lines, curve), append(points, marks)
		legend.Add(s.Name, curve, marks)
	}
	p.Add(slices.Concat(bars, lines, points)...)

	least, most := p.Y.Min, p.Y.Max
	if l.FromZero {
		least, most = min(0, least), max(0, most)
	}
	decimal(&p.Y, least, most)
	p.Y.Tick.LineStyle.Width, p.Y.Tick.Length, p.Y.LineStyle.Width = 0, 0, 0
	if l.LogX {
		p.X.Scale = plot.LogScale{}
		l.tickPoints(&p.X)
	} else {
		decimal(&p.X, p.X.Min, p.X.Max)
	}
	return &figure{l.Title, l.Note, p, legend, 520, 320}, nil
}

func (s Series) xys() plotter.XYs {
	points := make(plotter.XYs, len(s.X))
	for i := range points {
		points[i] = plotter.XY{X: s.X[i], Y: s.Y[i]}
	}
	return points
}

// reach returns how far intervals go below and above values.
func reach(values, low, high []float64) plotter.Errors {
	e := make(plotter.Errors, len(values))
	for i, v := range values {
		e[i].Low, e[i].High = v-low[i], high[i]-v
	}
	return e
}

// tickPoints sets a tick at each point, labeled unless it is too near to one
// that is.
func (l Lines) tickPoints(axis *plot.Axis) {
	var xs []float64
	for _, s := range l.Series {
		xs = append(xs, s.X...)
	}
	slices.Sort(xs)
	xs = slices.Compact(xs)
	if len(xs) == 1 {
		axis.Min, axis.Max = xs[0]/2, xs[0]*2
	}
	const room = 0.05 // of the axis, for a label
	var ticks plot.ConstantTicks
	last := math.Inf(-1)
	for _, x := range xs {
		tick := plot.Tick{Value: x}
		if at := axis.Norm(x); at-last >= room {
			tick.Label, last = strconv.FormatFloat(x, 'g', -1, 64), at
		}
		ticks = append(ticks, tick)
	}
	axis.Tick.Marker = ticks
}

// level is a dashed line across the chart.
type level float64

func (y level) Plot(c draw.Canvas, p *plot.Plot) {
	_, at := p.Transforms(&c)
	c.StrokeLine2(dashed, c.Min.X, at(float64(y)), c.Max.X, at(float64(y)))
}

func (y level) DataRange() (xmin, xmax, ymin, ymax float64) {
	return math.Inf(1), math.Inf(-1), float64(y), float64(y)
}

// check returns what can't be drawn.
func (l Lines) check() error {
	if len(l.Series) == 0 {
		return fmt.Errorf("chart: no series")
	}
	if l.Series[0].Beside {
		return fmt.Errorf("chart: series %q is beside another, and the first", l.Series[0].Name)
	}
	for _, s := range l.Series {
		if len(s.X) == 0 || len(s.Y) != len(s.X) {
			return fmt.Errorf("chart: series %q has %d X and %d Y, want as many, and at least 1", s.Name, len(s.X), len(s.Y))
		}
		if err := checkIntervals(s.Name, s.Y, s.Low, s.High); err != nil {
			return err
		}
		for _, x := range s.X {
			if math.IsNaN(x) || math.IsInf(x, 0) || l.LogX && x <= 0 {
				return fmt.Errorf("chart: series %q has a point at X = %v", s.Name, x)
			}
		}
	}
	return nil
}

// checkIntervals returns what is wrong with values and their intervals.
func checkIntervals(series string, values, low, high []float64) error {
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
