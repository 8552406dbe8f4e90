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
	// From and To are the range of the Y axis; both 0 for that of the values. A point beyond it is an
	// arrow at its edge.
	From, To float64
	Series   []Series
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
	// Failed says which points stand for something that failed: a cross at the lower edge, whatever
	// their Y. nil for none.
	Failed []bool
	// Ring is the number of a point that has a ring around its mark, from 1 on; 0 for none.
	Ring int
	// Beside draws the series in the color and shape of the one before it, but dashed and with open
	// marks, for another source of the same measurement.
	Beside bool
}

// Save draws the chart into a file, which appears whole or not at all. The extension of the path
// chooses the format: .png or .svg.
func (l Lines) Save(path string) error { return save(path, l) }

func (l Lines) figure() (*figure, error) {
	const width = 400 // of the data, about
	p, legend, err := l.plot(width)
	if err != nil {
		return nil, err
	}
	return &figure{l.Title, l.Note, p, legend, 520, 320}, nil
}

// panel returns the lines for a Grid, which has the key.
func (l Lines) panel(width vg.Length) (*plot.Plot, vg.Length, string, error) {
	const height = 190 // of the data
	p, _, err := l.plot(width)
	if err != nil {
		return nil, 0, "", err
	}
	return p, height + axisHeight(l.X), l.Title, nil
}

// plot returns the plot for data that is about as wide as given.
func (l Lines) plot(width vg.Length) (*plot.Plot, plot.Legend, error) {
	if err := l.validate(); err != nil {
		return nil, plot.Legend{}, err
	}
	p, legend := newPlot(l.X, l.Y)
	p.Add(lightGrid())
	if l.Reference != 0 {
		p.Add(level(l.Reference))
	}
	if l.ReferenceX != 0 {
		p.Add(upright(l.ReferenceX))
	}
	curves := l.curves()
	for i, c := range curves {
		if l.Series[i].Name != "" {
			legend.Add(clean(l.Series[i].Name), c)
		}
	}
	least, most := l.rangeY()
	switch {
	case l.LogY:
		logarithmic(&p.Y, least, most)
	case l.FromZero:
		decimal(&p.Y, min(0, least), max(0, most))
	default:
		decimal(&p.Y, least, most)
	}
	p.Y.Tick.LineStyle.Width, p.Y.Tick.Length, p.Y.LineStyle.Width = 0, 0, 0
	p.X.Min, p.X.Max = l.rangeX(curves)
	l.axisX(&p.X, p.X.Min, p.X.Max, width)
	// Intervals lie below all lines, and lines below all marks.
	for layer := range layers {
		for _, c := range curves {
			p.Add(c.layer(layer))
		}
	}
	return p, legend, nil
}

// rangeX returns the least and the largest X, as drawn and as given, and that of the reference.
func (l Lines) rangeX(curves []*curve) (least, most float64) {
	least, most = math.Inf(1), math.Inf(-1)
	if l.ReferenceX != 0 {
		least, most = l.ReferenceX, l.ReferenceX
	}
	for _, c := range curves {
		least, most = min(least, slices.Min(c.X), slices.Min(c.x)), max(most, slices.Max(c.X), slices.Max(c.x))
	}
	return least, most
}

// rangeY returns the range that From and To give, or else that of the values, their intervals and
// the reference.
func (l Lines) rangeY() (least, most float64) {
	if l.From < l.To {
		return l.From, l.To
	}
	least, most = math.Inf(1), math.Inf(-1)
	if l.Reference != 0 {
		least, most = l.Reference, l.Reference
	}
	for _, s := range l.Series {
		for i := range s.X {
			if !s.failed(i) {
				least, most = min(least, low(s, i)), max(most, high(s, i))
			}
		}
	}
	if least > most {
		return 0, 1 // all have failed
	}
	return least, most
}

// axisX sets the ticks of the X axis, for points from least to most.
func (l Lines) axisX(axis *plot.Axis, least, most float64, width vg.Length) {
	switch {
	case l.LogX:
		axis.Scale = plot.LogScale{}
		l.tickPoints(axis, least, most)
		axis.Tick.Marker = thinned(*axis, width)
	case l.WholeX:
		whole(axis, least, most)
	default:
		decimalWithin(axis, least, most, width)
	}
}

// lightGrid returns thin horizontal lines at the ticks.
func lightGrid() *plotter.Grid {
	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color, grid.Horizontal.Width = nil, rule, 0.75
	return grid
}

// tickPoints sets a tick at each point, or at round numbers if there are many points.
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
	var ticks plot.ConstantTicks
	for _, x := range xs {
		ticks = append(ticks, plot.Tick{Value: x, Label: strconv.FormatFloat(x, 'g', -1, 64)})
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
	if l.From > l.To {
		return fmt.Errorf("chart: lines from %v to %v", l.From, l.To)
	}
	if l.Series[0].Beside {
		return fmt.Errorf("chart: series %q is the first, and Beside needs one before it", l.Series[0].Name)
	}
	for _, s := range l.Series {
		if len(s.X) == 0 || len(s.Y) != len(s.X) {
			return fmt.Errorf("chart: series %q has %d X and %d Y, want equal numbers, and at least 1", s.Name, len(s.X), len(s.Y))
		}
		if s.Failed != nil && len(s.Failed) != len(s.X) || s.Ring < 0 || s.Ring > len(s.X) {
			return fmt.Errorf("chart: series %q of %d points says of %d whether they failed, and has a ring around number %d",
				s.Name, len(s.X), len(s.Failed), s.Ring)
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

// high returns the upper end of a point's interval, or its value if it has none.
func high(s Series, point int) float64 {
	if s.High != nil {
		return s.High[point]
	}
	return s.Y[point]
}

func (s Series) failed(point int) bool { return s.Failed != nil && s.Failed[point] }

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
