package chart

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Intervals is a chart of estimates by category. Each category is a row, with a dot and an interval
// for each series.
type Intervals struct {
	Title      string
	Note       string   // in small type below the chart, such as how the values were measured
	X          string   // label of the axis of values
	Reference  float64  // value of a dashed vertical line; 0 for none
	Categories []string // from top to bottom
	Series     []Estimates
}

// Estimates has a value with its interval for each category. All three are NaN for a category
// without a value.
type Estimates struct {
	Name             string
	Value, Low, High []float64
}

// Save draws the chart into a file, as Lines.Save does.
func (v Intervals) Save(path string) error { return save(path, v) }

const (
	rowHeight    = 20   // points of a row with one series
	seriesHeight = 12   // points more for each further series
	groupPart    = 0.62 // fraction of a row's height that its series take up
)

func (v Intervals) figure() (*figure, error) {
	if err := v.validate(); err != nil {
		return nil, err
	}
	p, legend := newPlot(v.X, "")
	p.Add(stripes{})
	if v.Reference != 0 {
		p.Add(upright(v.Reference))
	}
	for i, s := range v.Series {
		shown, look := Estimates{Name: s.Name}, Numbered(i+1)
		var at plotter.XYs
		for row := range v.Categories {
			if math.IsNaN(s.Value[row]) {
				continue
			}
			at = append(at, plotter.XY{X: s.Value[row], Y: v.height(row, i)})
			shown.Value, shown.Low, shown.High = append(shown.Value, s.Value[row]), append(shown.Low, s.Low[row]), append(shown.High, s.High[row])
		}
		dots := &plotter.Scatter{XYs: at, GlyphStyle: look.mark()}
		bars := &plotter.XErrorBars{
			XYs: at, XErrors: plotter.XErrors(reach(shown.Value, shown.Low, shown.High)), LineStyle: look.line(), CapWidth: 2 * markRadius,
		}
		p.Add(bars, dots)
		if s.Name != "" {
			legend.Add(clean(s.Name), &plotter.Line{LineStyle: look.line()}, dots)
		}
	}
	decimal(&p.X, p.X.Min, p.X.Max)
	var ticks plot.ConstantTicks
	for row, name := range v.Categories {
		ticks = append(ticks, plot.Tick{Value: -float64(row), Label: clean(name)})
	}
	p.Y.Tick.Marker = ticks
	p.Y.Min, p.Y.Max = 0.5-float64(len(v.Categories)), 0.5
	p.Y.Tick.LineStyle.Width, p.Y.Tick.Length, p.Y.LineStyle.Width = 0, 0, 0
	p.X.Padding, p.Y.Padding = 0, 4
	row := rowHeight + seriesHeight*vg.Length(len(v.Series)-1)
	height := 80 + row*vg.Length(len(v.Categories))
	if v.Note != "" {
		height += 16
	}
	return &figure{v.Title, v.Note, p, legend, 520, height}, nil
}

// height returns the Y of a series in a category's row. The first series is on top.
func (v Intervals) height(row, series int) float64 {
	step := groupPart / float64(len(v.Series))
	return -float64(row) + step*(float64(len(v.Series)-1)/2-float64(series))
}

// stripes draws a line at each tick, and a background behind every other row.
type stripes struct{}

func (stripes) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	for row := 1.0; -row > p.Y.Min; row += 2 {
		top, bottom := y(0.5-row), y(-0.5-row)
		c.FillPolygon(stripe, []vg.Point{{X: c.Min.X, Y: bottom}, {X: c.Max.X, Y: bottom}, {X: c.Max.X, Y: top}, {X: c.Min.X, Y: top}})
	}
	for _, tick := range p.X.Tick.Marker.Ticks(p.X.Min, p.X.Max) {
		c.StrokeLine2(draw.LineStyle{Color: rule, Width: 0.75}, x(tick.Value), c.Min.Y, x(tick.Value), c.Max.Y)
	}
}

// upright is a dashed vertical line.
type upright float64

func (x upright) Plot(c draw.Canvas, p *plot.Plot) {
	at, _ := p.Transforms(&c)
	c.StrokeLine2(dashed, at(float64(x)), c.Min.Y, at(float64(x)), c.Max.Y)
}

func (x upright) DataRange() (xmin, xmax, ymin, ymax float64) {
	return float64(x), float64(x), math.Inf(1), math.Inf(-1)
}

// validate returns an error if the chart can't be drawn.
func (v Intervals) validate() error {
	if len(v.Series) == 0 || len(v.Categories) == 0 {
		return fmt.Errorf("chart: %d series of %d categories, want at least 1 of each", len(v.Series), len(v.Categories))
	}
	for _, s := range v.Series {
		if len(s.Value) != len(v.Categories) || len(s.Low) != len(s.Value) || len(s.High) != len(s.Value) {
			return fmt.Errorf("chart: series %q has %d values, %d lower and %d upper ends for %d categories",
				s.Name, len(s.Value), len(s.Low), len(s.High), len(v.Categories))
		}
		if !slices.ContainsFunc(s.Value, func(x float64) bool { return !math.IsNaN(x) }) {
			return fmt.Errorf("chart: series %q has no value", s.Name)
		}
		for row, x := range s.Value {
			if math.IsNaN(x) && math.IsNaN(s.Low[row]) && math.IsNaN(s.High[row]) {
				continue
			}
			if err := validateIntervals(s.Name, s.Value[row:][:1], s.Low[row:][:1], s.High[row:][:1]); err != nil {
				return fmt.Errorf("%w in %q", err, v.Categories[row])
			}
		}
	}
	return nil
}
