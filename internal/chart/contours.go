package chart

import (
	"cmp"
	"errors"
	"fmt"
	"image"
	"image/color"
	"math"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Contours is a map of values over a plane, such as the loss around trained weights: bands of color
// between levels, the deeper the lower, and a ring at the origin. It draws smooth lines between the
// values that it is given. A value that isn't finite counts as higher than all others.
type Contours struct {
	Title  string
	Note   string
	X, Y   string      // labels of the axes
	Value  string      // what the values are, above the legend
	Xs, Ys []float64   // places of the columns and rows, at even distances, ascending; at least 3 of each
	Values [][]float64 // [len(Ys)][len(Xs)]
	Levels []float64   // ascending; nil for round ones
	// Unnamed leaves out the legend, for a chart beside another one of the same levels.
	Unnamed bool
	Height  float64 // of the picture, in points; 0 for 340
}

// Save draws the chart into a file, as Lines.Save does.
func (m Contours) Save(path string) error { return save(path, m) }

func (m Contours) figure() (*figure, error) {
	if err := m.validate(); err != nil {
		return nil, err
	}
	body, legend := newPlot(m.X, m.Y)
	s := m.surface()
	body.Add(&bands{s}, contourLines{s}, origin{})
	decimal(&body.X, m.Xs[0], m.Xs[len(m.Xs)-1])
	decimal(&body.Y, m.Ys[0], m.Ys[len(m.Ys)-1])
	body.X.Min, body.X.Max, body.Y.Min, body.Y.Max = m.Xs[0], m.Xs[len(m.Xs)-1], m.Ys[0], m.Ys[len(m.Ys)-1]
	within(&body.X)
	within(&body.Y)
	body.X.Padding, body.Y.Padding = 0, 0
	legend.Padding = patchGap
	legend.TextStyle.Font.Size = tickSize
	legend.YPosition = draw.PosCenter
	if !m.Unnamed {
		m.addBands(&legend, s)
	}
	return &figure{m.Title, m.Note, square{body}, legend, 380, vg.Length(cmp.Or(m.Height, 340))}, nil
}

// addBands adds the bands to the legend: all of them if the levels are given, and may be those of
// other charts, too, or else those that occur.
func (m Contours) addBands(legend *plot.Legend, s *surface) {
	if m.Value != "" {
		legend.Add(clean(m.Value))
	}
	lowest, highest := 0, len(s.levels)
	if m.Levels == nil {
		lowest, highest = s.reach()
	}
	for band := highest; band >= lowest; band-- {
		legend.Add(s.name(band), patch{s.color(band)})
	}
}

// square draws a plot whose data take up a square.
type square struct{ *plot.Plot }

func (s square) Draw(c draw.Canvas) {
	size := s.DataCanvas(c).Size()
	c.Min.Y += max(0, size.Y-size.X)
	c.Max.X -= max(0, size.X-size.Y)
	s.Plot.Draw(c)
}

// within takes the ticks of an axis away that lie outside it.
func within(axis *plot.Axis) {
	outside := func(t plot.Tick) bool { return t.Value < axis.Min-1e-9 || t.Value > axis.Max+1e-9 }
	axis.Tick.Marker = plot.ConstantTicks(slices.DeleteFunc(axis.Tick.Marker.Ticks(axis.Min, axis.Max), outside))
}

// validate returns an error if the chart can't be drawn.
func (m Contours) validate() error {
	if len(m.Xs) < 3 || len(m.Ys) < 3 || len(m.Values) != len(m.Ys) {
		return fmt.Errorf("chart: contours of %d rows by %d columns with %d rows of values, want equal numbers, and at least 3", len(m.Ys), len(m.Xs), len(m.Values))
	}
	for _, at := range [][]float64{m.Xs, m.Ys} {
		step := (at[len(at)-1] - at[0]) / float64(len(at)-1)
		for i, x := range at {
			if notFinite(x) || !(step > 0) || math.Abs(x-at[0]-step*float64(i)) > 1e-6*step {
				return fmt.Errorf("chart: contours at %v, want places that ascend at even distances", at)
			}
		}
	}
	finite := false
	for row, values := range m.Values {
		if len(values) != len(m.Xs) {
			return fmt.Errorf("chart: row %d of contours has %d values, want %d", row, len(values), len(m.Xs))
		}
		finite = finite || slices.ContainsFunc(values, func(v float64) bool { return !notFinite(v) })
	}
	if !finite {
		return errors.New("chart: contours without a finite value")
	}
	if !slices.IsSorted(m.Levels) {
		return fmt.Errorf("chart: contours at the levels %v, want ascending ones", m.Levels)
	}
	return nil
}

// finest is how many bands contours have at most, but for the one above all levels.
const finest = 9

// Levels returns round levels between the least and the largest of the finite values: in steps of
// equal factors where the largest is many times the least, and otherwise of equal distances.
func Levels(values ...[][]float64) []float64 {
	least, most := math.Inf(1), math.Inf(-1)
	for _, rows := range values {
		for _, row := range rows {
			for _, v := range row {
				if !notFinite(v) {
					least, most = min(least, v), max(most, v)
				}
			}
		}
	}
	if !(least < most) {
		return nil
	}
	var levels []float64
	if least > 0 && most > 8*least {
		for _, factors := range [][]float64{{1, 1.5, 2, 3, 5, 7}, {1, 2, 5}, {1, 3}, {1}} {
			if levels = geometric(least, most, factors); len(levels) < finest {
				return levels
			}
		}
		stride := (len(levels) + finest - 2) / (finest - 1)
		for i := range levels {
			if i%stride == 0 {
				levels[i/stride] = levels[i]
			}
		}
		return levels[:(len(levels)+stride-1)/stride]
	}
	step := roundStep((most - least) / finest)
	for i := math.Ceil(least/step + 1e-9); i*step < most; i++ {
		levels = append(levels, i*step)
	}
	return levels
}

// geometric returns the numbers between two others that are a factor times a power of ten.
func geometric(least, most float64, factors []float64) (levels []float64) {
	for power := int(math.Floor(math.Log10(least))); power <= int(math.Ceil(math.Log10(most))); power++ {
		for _, factor := range factors {
			v, err := strconv.ParseFloat(fmt.Sprintf("%ve%d", factor, power), 64)
			if err == nil && v > least && v < most {
				levels = append(levels, v)
			}
		}
	}
	return levels
}

// surface is the smooth surface through the values, in a scale in which levels are at about equal
// distances.
type surface struct {
	xs, ys []float64
	z      [][]float64 // scaled
	levels []float64
	log    bool
	scaled []float64 // levels
}

func (m Contours) surface() *surface {
	s := &surface{xs: m.Xs, ys: m.Ys, levels: m.Levels}
	if s.levels == nil {
		s.levels = Levels(m.Values)
	}
	least, most := math.Inf(1), math.Inf(-1)
	for _, row := range m.Values {
		for _, v := range row {
			if !notFinite(v) {
				least, most = min(least, v), max(most, v)
			}
		}
	}
	n := len(s.levels)
	s.log = least > 0 && n > 0 && s.levels[0] > 0 && s.levels[n-1] > 4*s.levels[0]
	for _, level := range s.levels {
		s.scaled = append(s.scaled, s.scale(level))
	}
	for _, row := range m.Values {
		scaled := make([]float64, len(row))
		for i, v := range row {
			if notFinite(v) {
				v = most
				if n > 0 {
					v = max(most, s.levels[n-1]*2)
				}
			}
			scaled[i] = s.scale(v)
		}
		s.z = append(s.z, scaled)
	}
	return s
}

func (s *surface) scale(v float64) float64 {
	if s.log {
		return math.Log(v)
	}
	return v
}

// at returns the height at a place, by parts from 0 to 1 of both axes: Catmull and Rom's splines
// through the values.
func (s *surface) at(x, y float64) float64 {
	column, fx := between(x, len(s.xs))
	row, fy := between(y, len(s.ys))
	var heights [4]float64
	for i := range heights {
		values := s.z[min(max(row+i-1, 0), len(s.ys)-1)]
		var h [4]float64
		for j := range h {
			h[j] = values[min(max(column+j-1, 0), len(s.xs)-1)]
		}
		heights[i] = spline(h, fx)
	}
	return spline(heights, fy)
}

// between returns between which two of n places a part of an axis is, and where between them.
func between(part float64, n int) (first int, fraction float64) {
	at := part * float64(n-1)
	first = min(int(at), n-2)
	return first, at - float64(first)
}

// spline goes from h[1] to h[2] as t goes from 0 to 1. It doesn't leave the range of the four.
func spline(h [4]float64, t float64) float64 {
	v := h[1] + t/2*(h[2]-h[0]+t*(2*h[0]-5*h[1]+4*h[2]-h[3]+t*(3*(h[1]-h[2])+h[3]-h[0])))
	return min(max(v, slices.Min(h[:])), slices.Max(h[:]))
}

// band returns which band a height is in, from 0 on.
func (s *surface) band(z float64) int {
	i, found := slices.BinarySearch(s.scaled, z)
	if found {
		i++
	}
	return i
}

// reach returns the lowest and the highest band that a value lies in. Those between occur, too: the
// surface is continuous.
func (s *surface) reach() (lowest, highest int) {
	lowest = len(s.levels)
	for _, row := range s.z {
		for _, z := range row {
			lowest, highest = min(lowest, s.band(z)), max(highest, s.band(z))
		}
	}
	return lowest, highest
}

// name says which values a band has.
func (s *surface) name(band int) string {
	format := func(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }
	switch {
	case len(s.levels) == 0:
		return "all equal"
	case band == 0:
		return "below " + format(s.levels[0])
	case band == len(s.levels):
		return "above " + format(s.levels[band-1])
	}
	return format(s.levels[band-1]) + " to " + format(s.levels[band])
}

// valley and summit are the ends of the ramp: a deep blue, and nearly the paper.
var valley, middle, summit = [3]float64{0x08, 0x3a, 0x6b}, [3]float64{0x3f, 0x8f, 0xc4}, [3]float64{0xf1, 0xf6, 0xfa}

// color returns the color of a band.
func (s *surface) color(band int) color.RGBA {
	part := float64(band) / float64(max(1, len(s.levels)))
	from, to, t := valley, middle, 2*part
	if part > 0.5 {
		from, to, t = middle, summit, 2*part-1
	}
	level := func(i int) uint8 { return uint8(math.Round(from[i] + t*(to[i]-from[i]))) }
	return color.RGBA{level(0), level(1), level(2), 0xff}
}

// bands draws the bands as a picture.
type bands struct{ *surface }

// bandPixels is the side of the picture.
const bandPixels = 640

func (b *bands) Plot(c draw.Canvas, p *plot.Plot) {
	img := image.NewRGBA(image.Rect(0, 0, bandPixels, bandPixels))
	colors := make([]color.RGBA, len(b.levels)+1)
	for band := range colors {
		colors[band] = b.color(band)
	}
	for row := range bandPixels {
		for column := range bandPixels {
			x, y := (float64(column)+0.5)/bandPixels, 1-(float64(row)+0.5)/bandPixels
			img.SetRGBA(column, row, colors[b.band(b.at(x, y))])
		}
	}
	plotter.NewImage(img, b.xs[0], b.ys[0], b.xs[len(b.xs)-1], b.ys[len(b.ys)-1]).Plot(c, p)
}

// DataRange implements plot.DataRanger.
func (b *bands) DataRange() (xmin, xmax, ymin, ymax float64) {
	return b.xs[0], b.xs[len(b.xs)-1], b.ys[0], b.ys[len(b.ys)-1]
}

// contourLines draws a line between each two bands. It is a grid of finer steps to plotter.Contour.
type contourLines struct{ *surface }

// lineSteps is how fine the lines are: steps of an axis.
const lineSteps = 160

func (l contourLines) Plot(c draw.Canvas, p *plot.Plot) {
	if len(l.levels) == 0 {
		return
	}
	lines := plotter.NewContour(l, l.scaled, nil)
	lines.LineStyles = []draw.LineStyle{{Color: color.NRGBA{0xff, 0xff, 0xff, 0xb0}, Width: 0.6}}
	lines.Plot(c, p)
}

// Dims implements plotter.GridXYZ.
func (l contourLines) Dims() (columns, rows int) { return lineSteps + 1, lineSteps + 1 }

// Z implements plotter.GridXYZ.
func (l contourLines) Z(column, row int) float64 {
	return l.at(float64(column)/lineSteps, float64(row)/lineSteps)
}

// X implements plotter.GridXYZ.
func (l contourLines) X(column int) float64 { return along(l.xs, column) }

// Y implements plotter.GridXYZ.
func (l contourLines) Y(row int) float64 { return along(l.ys, row) }

func along(places []float64, step int) float64 {
	first, last := places[0], places[len(places)-1]
	return first + (last-first)*float64(step)/lineSteps
}

// origin is a ring where both axes are 0.
type origin struct{}

func (origin) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	at := vg.Point{X: x(0), Y: y(0)}
	if !c.Contains(at) {
		return
	}
	c.DrawGlyph(draw.GlyphStyle{Color: paper, Radius: markRadius + 1.5, Shape: draw.CircleGlyph{}}, at)
	c.DrawGlyph(draw.GlyphStyle{Color: colors[1], Radius: markRadius, Shape: draw.CircleGlyph{}}, at)
}

// patch is a legend's entry: a rectangle of one color, without a gap to the entries beside it.
type patch struct{ color color.Color }

const patchGap = vg.Length(3)

// Thumbnail implements plot.Thumbnailer.
func (p patch) Thumbnail(c *draw.Canvas) {
	bottom, top := c.Min.Y-patchGap/2, c.Max.Y+patchGap/2
	c.FillPolygon(p.color, []vg.Point{{X: c.Min.X, Y: bottom}, {X: c.Min.X, Y: top}, {X: c.Max.X, Y: top}, {X: c.Max.X, Y: bottom}})
}
