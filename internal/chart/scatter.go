package chart

import (
	"errors"
	"fmt"
	"image/color"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Scatter is a panel of groups of points: of each the mean as a mark with its intervals, and its
// points as small dots.
type Scatter struct {
	Title    string  // above the panel
	X, Y     string  // labels of the axes
	LogX     bool    // makes the X axis logarithmic
	From, To float64 // of the Y axis; both 0 for the range of the values. A group that is beyond it is an arrow at its edge.
	Groups   []Group
}

// Group is a method's points. An interval that leaves the panel ends at its edge.
type Group struct {
	Name string // for errors
	Look Look
	X, Y Estimate
	Runs []Point // nil for none
}

const scatterHeight = 190

func (s Scatter) panel(width vg.Length) (*plot.Plot, vg.Length, string, error) {
	if err := s.validate(); err != nil {
		return nil, 0, "", err
	}
	p, _ := newPlot(s.X, s.Y)
	p.Add(lightGrid(), groups{s})
	leastX, mostX := math.Inf(1), math.Inf(-1)
	leastY, mostY := math.Inf(1), math.Inf(-1)
	for _, g := range s.Groups {
		for _, at := range append([]Point{{g.X.Value, g.Y.Value}}, g.Runs...) {
			leastX, mostX = min(leastX, at.X), max(mostX, at.X)
			leastY, mostY = min(leastY, at.Y), max(mostY, at.Y)
		}
	}
	if s.From < s.To {
		leastY, mostY = s.From, s.To
	}
	if s.LogX {
		logarithmic(&p.X, leastX, mostX)
		tighten(&p.X, leastX, mostX)
		p.X.Tick.Marker = thinned(p.X, width)
	} else {
		decimalWithin(&p.X, leastX, mostX, width)
	}
	decimalWithin(&p.Y, leastY, mostY, 3*scatterHeight) // labels need a third of the room below each other
	p.Y.Tick.LineStyle.Width, p.Y.Tick.Length, p.Y.LineStyle.Width = 0, 0, 0
	return p, scatterHeight + axisHeight(s.X), s.Title, nil
}

// tighten ends a logarithmic axis a little beyond its values rather than at the next ticks, if at
// least two ticks are left.
func tighten(axis *plot.Axis, least, most float64) {
	room := max(math.Pow(most/least, 0.06), 1.02)
	low, high := least/room, most*room
	within := slices.DeleteFunc(slices.Clone(axis.Tick.Marker.Ticks(axis.Min, axis.Max)), func(t plot.Tick) bool { return t.Value < low || t.Value > high })
	if len(labeled(within)) >= 2 {
		axis.Min, axis.Max, axis.Tick.Marker = low, high, plot.ConstantTicks(within)
	}
}

func (s Scatter) validate() error {
	if len(s.Groups) == 0 {
		return errors.New("chart: a scatter without groups")
	}
	for _, g := range s.Groups {
		for _, e := range []Estimate{g.X, g.Y} {
			if err := validateIntervals(g.Name, []float64{e.Value}, []float64{e.Low}, []float64{e.High}); err != nil {
				return err
			}
		}
		for _, at := range append([]Point{{g.X.Value, g.Y.Value}}, g.Runs...) {
			if notFinite(at.X) || notFinite(at.Y) || s.LogX && at.X <= 0 {
				return fmt.Errorf("chart: group %q has a point at %v, %v", g.Name, at.X, at.Y)
			}
		}
	}
	return nil
}

// groups draws the groups of a scatter: dots below, then intervals, then marks.
type groups struct{ Scatter }

func (s groups) Plot(c draw.Canvas, p *plot.Plot) {
	toX, toY := p.Transforms(&c)
	look := func(i int) Look {
		if s.Groups[i].Look == (Look{}) {
			return Numbered(i + 1)
		}
		return s.Groups[i].Look
	}
	for i, g := range s.Groups {
		style := look(i).mark()
		hue := look(i).color
		style.Radius, style.Color = 1.6, color.NRGBA{hue.R, hue.G, hue.B, 0x60}
		style.Shape = draw.CircleGlyph{}
		for _, at := range g.Runs {
			if at.Y >= p.Y.Min && at.Y <= p.Y.Max {
				c.DrawGlyph(style, vg.Point{X: toX(at.X), Y: toY(at.Y)})
			}
		}
	}
	within := func(v, least, most float64) float64 { return min(max(v, least), most) }
	for i, g := range s.Groups {
		if g.Y.Value < p.Y.Min || g.Y.Value > p.Y.Max {
			continue
		}
		x, y := toX(g.X.Value), toY(g.Y.Value)
		style := look(i).interval()
		style.Width = 0.9
		c.StrokeLine2(style, toX(within(g.X.Low, p.X.Min, p.X.Max)), y, toX(within(g.X.High, p.X.Min, p.X.Max)), y)
		c.StrokeLine2(style, x, toY(within(g.Y.Low, p.Y.Min, p.Y.Max)), x, toY(within(g.Y.High, p.Y.Min, p.Y.Max)))
	}
	for i, g := range s.Groups {
		x := toX(g.X.Value)
		switch {
		case g.Y.Value < p.Y.Min:
			look(i).drawArrow(c, vg.Point{X: x, Y: c.Min.Y + 4}, 0, -1)
		case g.Y.Value > p.Y.Max:
			look(i).drawArrow(c, vg.Point{X: x, Y: c.Max.Y - 4}, 0, 1)
		default:
			look(i).drawMark(c, vg.Point{X: x, Y: toY(g.Y.Value)}, false)
		}
	}
}
