package chart

import (
	"cmp"
	"errors"
	"fmt"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Panels are line charts one below the other, with one X axis for all of them.
type Panels struct {
	Title      string
	Note       string
	X          string  // label of the axis
	WholeX     bool    // ticks of the X axis are at whole numbers only
	ReferenceX float64 // X of a dashed vertical line; 0 for none
	Width      float64 // of the picture, in points; 0 for the width of other charts
	Lines      []Lines // from top to bottom; Title, Note and what they say of X isn't used
}

// Save draws the chart into a file, as Lines.Save does.
func (p Panels) Save(path string) error { return save(path, p) }

const (
	firstPanel = 200 // points of height
	otherPanel = 130
)

func (p Panels) figure() (*figure, error) {
	if len(p.Lines) == 0 {
		return nil, errors.New("chart: no panels")
	}
	stack := &stack{gap: margin}
	least, most := p.rangeX()
	for i, l := range p.Lines {
		l.X, l.LogX, l.WholeX, l.ReferenceX = "", false, p.WholeX, p.ReferenceX
		height := vg.Length(otherPanel)
		if i == 0 {
			height = firstPanel
		}
		if i == len(p.Lines)-1 {
			l.X = p.X
			height += textStyle(labelSize).Height("0") + textStyle(tickSize).Height("0")
		}
		f, err := l.figure()
		if err != nil {
			return nil, fmt.Errorf("%w, in panel %d, of %s", err, i+1, l.Y)
		}
		body := f.body.(*plot.Plot)
		l.axisX(&body.X, least, most, vg.Length(cmp.Or(p.Width, 520))*0.75)
		if i < len(p.Lines)-1 {
			unlabeled(&body.X)
		}
		stack.plots, stack.legends, stack.heights = append(stack.plots, body), append(stack.legends, f.legend), append(stack.heights, height)
	}
	f := &figure{title: p.Title, note: p.Note, body: stack, legend: plot.NewLegend(), width: vg.Length(cmp.Or(p.Width, 520))}
	f.height = f.around(stack.height())
	return f, nil
}

// rangeX returns the least and the largest X of all panels.
func (p Panels) rangeX() (least, most float64) {
	found := false
	for _, l := range p.Lines {
		for _, s := range l.Series {
			for _, x := range s.X {
				if !found {
					least, most, found = x, x, true
				}
				least, most = min(least, x), max(most, x)
			}
		}
	}
	return least, most
}

// unlabeled takes the labels of an axis' ticks away.
func unlabeled(axis *plot.Axis) {
	ticks := axis.Tick.Marker.Ticks(axis.Min, axis.Max)
	for i := range ticks {
		ticks[i].Label = ""
	}
	axis.Tick.Marker = plot.ConstantTicks(ticks)
}

// stack draws plots one below the other, with their X axes aligned and their legends beside them.
type stack struct {
	plots   []*plot.Plot
	legends []plot.Legend
	heights []vg.Length // of plots
	gap     vg.Length
}

func (s *stack) height() vg.Length {
	total := s.gap * vg.Length(len(s.heights)-1)
	for _, h := range s.heights {
		total += h
	}
	return total
}

func (s *stack) Draw(c draw.Canvas) {
	var beside vg.Length
	for i := range s.legends {
		if width := s.legends[i].Rectangle(c).Size().X; width > 0 {
			beside = max(beside, width+margin)
		}
	}
	areas := make([]draw.Canvas, len(s.plots))
	var left, right vg.Length // of the data
	top := c.Max.Y
	for i, p := range s.plots {
		areas[i] = c
		areas[i].Max.Y, areas[i].Min.Y, areas[i].Max.X = top, top-s.heights[i], c.Max.X-beside
		top -= s.heights[i] + s.gap
		data := p.DataCanvas(areas[i])
		left, right = max(left, data.Min.X-areas[i].Min.X), max(right, areas[i].Max.X-data.Max.X)
	}
	for i, p := range s.plots {
		data := p.DataCanvas(areas[i])
		legend := areas[i]
		legend.Min.X, legend.Max.X = c.Max.X-beside+margin, c.Max.X
		s.legends[i].Draw(legend)
		areas[i].Min.X += left - (data.Min.X - areas[i].Min.X)
		areas[i].Max.X -= right - (areas[i].Max.X - data.Max.X)
		p.Draw(areas[i])
	}
}
