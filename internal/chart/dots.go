package chart

import (
	"fmt"
	"math"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Dots is a panel of estimates with their intervals, a row for each of some methods.
type Dots struct {
	Title    string    // above the panel
	X        string    // label of the axis of values
	From, To float64   // of the axis; both 0 for the range of the values
	Upright  []float64 // values of dashed vertical lines
	Rows     []Row     // from top to bottom
}

// Row is a row of Dots. The first estimate is drawn with a filled mark, others below it with open
// ones.
type Row struct {
	Name      string
	Look      Look
	Estimates []Estimate
}

// Estimate is a value with its interval. An estimate that is beyond the axis is an arrow at its
// edge, with its value.
type Estimate struct {
	Value     float64 // NaN for none
	Low, High float64
	Text      string // beside it; "" for none
}

const (
	dotRow   = 17 // points of a row with one estimate
	dotsMore = 9  // points more for each further estimate
)

func (d Dots) panel(width vg.Length) (*plot.Plot, vg.Length, string, error) {
	if err := d.validate(); err != nil {
		return nil, 0, "", err
	}
	p, _ := newPlot(d.X, "")
	least, most := d.From, d.To
	if least == most {
		least, most = d.values()
	}
	decimalWithin(&p.X, least, most, width)
	p.Y.Min, p.Y.Max = 0.5-float64(len(d.Rows)), 0.5
	p.Add(stripes{}, dots{d})
	var ticks plot.ConstantTicks
	for i, row := range d.Rows {
		ticks = append(ticks, plot.Tick{Value: -float64(i), Label: clean(row.Name)})
	}
	p.Y.Tick.Marker = ticks
	p.Y.Tick.LineStyle.Width, p.Y.Tick.Length, p.Y.LineStyle.Width = 0, 0, 0
	p.X.Padding, p.Y.Padding = 0, 4
	height := vg.Length(len(d.Rows))*d.rowHeight() + axisHeight(d.X)
	return p, height, d.Title, nil
}

// axisHeight returns the height of an X axis with its labels.
func axisHeight(label string) vg.Length {
	height := textStyle(tickSize).Height("0") + 9
	if label != "" {
		height += textStyle(labelSize).Height("0") + 6
	}
	return height
}

func (d Dots) rowHeight() vg.Length {
	most := 1
	for _, row := range d.Rows {
		most = max(most, len(row.Estimates))
	}
	return dotRow + dotsMore*vg.Length(most-1)
}

// values returns the range of the values, their intervals and the vertical lines.
func (d Dots) values() (least, most float64) {
	least, most = math.Inf(1), math.Inf(-1)
	for _, x := range d.Upright {
		least, most = min(least, x), max(most, x)
	}
	for _, row := range d.Rows {
		for _, e := range row.Estimates {
			if !math.IsNaN(e.Value) {
				least, most = min(least, e.Low), max(most, e.High)
			}
		}
	}
	if least > most {
		return 0, 1
	}
	return least, most
}

func (d Dots) validate() error {
	if len(d.Rows) == 0 {
		return fmt.Errorf("chart: dots without rows")
	}
	if d.From > d.To {
		return fmt.Errorf("chart: dots from %v to %v", d.From, d.To)
	}
	for _, row := range d.Rows {
		for _, e := range row.Estimates {
			if math.IsNaN(e.Value) {
				continue
			}
			if err := validateIntervals(row.Name, []float64{e.Value}, []float64{e.Low}, []float64{e.High}); err != nil {
				return err
			}
		}
	}
	return nil
}

// dots draws the estimates.
type dots struct{ Dots }

func (d dots) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	for _, at := range d.Upright {
		if at >= p.X.Min && at <= p.X.Max {
			c.StrokeLine2(dashed, x(at), c.Min.Y, x(at), c.Max.Y)
		}
	}
	for i, row := range d.Rows {
		look := row.Look
		if look == (Look{}) {
			look = Numbered(i + 1)
		}
		for k, e := range row.Estimates {
			if math.IsNaN(e.Value) {
				continue
			}
			middle := y(-float64(i)) + dotsMore*(vg.Length(len(row.Estimates)-1)/2-vg.Length(k))
			d.draw(c, p, look, e, x, middle, k > 0)
		}
	}
}

func (d dots) draw(c draw.Canvas, p *plot.Plot, look Look, e Estimate, x func(float64) vg.Length, y vg.Length, open bool) {
	beyond := middleStyle(noteSize)
	switch {
	case e.Value < p.X.Min:
		look.drawArrow(c, vg.Point{X: c.Min.X + 4, Y: y}, -1, 0)
		c.FillText(beyond, vg.Point{X: c.Min.X + 12, Y: y}, numberText(e.Value))
		return
	case e.Value > p.X.Max:
		beyond.XAlign = text.XRight
		look.drawArrow(c, vg.Point{X: c.Max.X - 4, Y: y}, 1, 0)
		c.FillText(beyond, vg.Point{X: c.Max.X - 12, Y: y}, numberText(e.Value))
		return
	}
	low, high := x(max(e.Low, p.X.Min)), x(min(e.High, p.X.Max))
	if high > low {
		style := look.interval()
		style.Width = 1.5
		c.StrokeLine2(style, low, y, high, y)
		for _, end := range []struct {
			at     vg.Length
			inside bool
		}{{low, e.Low >= p.X.Min}, {high, e.High <= p.X.Max}} {
			if end.inside {
				c.StrokeLine2(style, end.at, y-2.5, end.at, y+2.5)
			}
		}
	}
	look.drawMark(c, vg.Point{X: x(e.Value), Y: y}, open)
	if e.Text != "" {
		c.FillText(beyond, vg.Point{X: max(high, x(e.Value)+markRadius) + 5, Y: y}, clean(e.Text))
	}
}

// numberText returns a value for the edge of a panel.
func numberText(v float64) string {
	if math.Abs(v) >= 1e5 {
		return strconv.FormatFloat(v, 'g', 3, 64)
	}
	return strconv.FormatFloat(v, 'f', 1, 64)
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
