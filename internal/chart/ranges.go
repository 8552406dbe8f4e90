package chart

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Ranges is a chart of several values of each of some things, such as the eigenvalues at each of
// some minima: a row for each, with a mark at each value and a line from the least to the largest.
type Ranges struct {
	Title   string
	Note    string
	X       string  // label of the axis of values
	LogX    bool    // makes the axis logarithmic
	Unnamed bool    // leaves out the names, for a chart beside another one of the same rows
	Rows    []Range // from top to bottom
}

const rowHeight = 20 // points of a row of Ranges

// Range is a row. The first value has the look's mark, the others have small open circles. Values
// that are NaN are left out.
type Range struct {
	Name   string
	Look   Look // the zero value is Numbered(1)
	Values []float64
}

// Save draws the chart into a file, as Lines.Save does.
func (r Ranges) Save(path string) error { return save(path, r) }

func (r Ranges) figure() (*figure, error) {
	least, most, err := r.validate()
	if err != nil {
		return nil, err
	}
	p, legend := newPlot(r.X, "")
	p.Add(stripes{}, ranges(r.Rows))
	if r.LogX {
		logarithmic(&p.X, least, most)
	} else {
		decimal(&p.X, min(0, least), max(0, most))
	}
	var ticks plot.ConstantTicks
	for i, row := range r.Rows {
		label := clean(row.Name)
		if r.Unnamed {
			label = ""
		}
		ticks = append(ticks, plot.Tick{Value: -float64(i), Label: label})
	}
	p.Y.Tick.Marker = ticks
	p.Y.Min, p.Y.Max = 0.5-float64(len(r.Rows)), 0.5
	p.Y.Tick.LineStyle.Width, p.Y.Tick.Length, p.Y.LineStyle.Width = 0, 0, 0
	p.X.Padding, p.Y.Padding = 0, 4
	f := &figure{title: r.Title, note: r.Note, body: p, legend: legend, width: 400}
	f.height = f.around(axisHeight(r.X) + rowHeight*vg.Length(len(r.Rows)))
	return f, nil
}

// validate returns the least and the largest value, or an error if the chart can't be drawn.
func (r Ranges) validate() (least, most float64, err error) {
	if len(r.Rows) == 0 {
		return 0, 0, errors.New("chart: no ranges")
	}
	least, most = math.Inf(1), math.Inf(-1)
	for _, row := range r.Rows {
		for _, v := range row.Values {
			if math.IsInf(v, 0) || r.LogX && v <= 0 {
				return 0, 0, fmt.Errorf("chart: the range %q has the value %v", row.Name, v)
			}
			if !math.IsNaN(v) {
				least, most = min(least, v), max(most, v)
			}
		}
	}
	if least > most {
		return 0, 0, errors.New("chart: ranges without a value")
	}
	return least, most, nil
}

// ranges draws the lines and the marks.
type ranges []Range

func (r ranges) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	for i, row := range r {
		look, at := row.Look, y(-float64(i))
		if look == (Look{}) {
			look = Numbered(1)
		}
		least, most := math.Inf(1), math.Inf(-1)
		for _, v := range row.Values {
			if !math.IsNaN(v) {
				least, most = min(least, v), max(most, v)
			}
		}
		if least < most {
			c.StrokeLine2(look.interval(), x(least), at, x(most), at)
		}
		for j := len(row.Values) - 1; j >= 0; j-- { // the first lies above the others
			if v := row.Values[j]; !math.IsNaN(v) {
				mark := look.mark()
				if j > 0 {
					mark.Radius, mark.Shape = 0.75*markRadius, open{draw.CircleGlyph{}}
				}
				c.DrawGlyph(mark, vg.Point{X: x(v), Y: at})
			}
		}
	}
}
