package chart

import (
	"encoding/xml"
	"errors"
	"image"
	"image/color"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

// cost returns a chart of two lines, one of them with intervals.
func cost() Lines {
	return Lines{
		Title: "A step's cost", Note: "on a CPU", X: "shards", Y: "x SAM", LogX: true, FromZero: true, Reference: 1,
		Series: []Series{
			{Name: "mlp", X: []float64{1, 2, 32}, Y: []float64{1, 0.97, 0.82}},
			{Name: "a<b & c", X: []float64{1, 7}, Y: []float64{1, 1.1}, Low: []float64{1, 1}, High: []float64{1, 1.3}},
		},
	}
}

// accuracy returns a grid of one panel, where a row lacks an estimate.
func accuracy() Grid {
	return Grid{
		Title: "Test accuracy", Note: "5 seeds", Key: []Key{{Name: "clean"}, {Name: "20% wrong", Open: true}}, Panels: []Panel{Dots{
			X: "%", Upright: []float64{87}, Rows: []Row{
				{Name: "SGD", Estimates: []Estimate{{Value: 86, Low: 85, High: 87}, {Value: 79, Low: 78, High: 80}}},
				{Name: "mSAM, 8 shards", Estimates: []Estimate{{Value: 88, Low: 87, High: 89}, {Value: math.NaN()}}},
			},
		}},
	}
}

var charts = []struct {
	name  string
	chart Chart
	save  func(string) error
	texts []string // in it
}{
	{"lines", cost(), cost().Save, []string{"A step's cost", "on a CPU", "shards", "x SAM", "mlp", "a<b & c", "1", "2", "7", "32", "0.0", "0.5", "1.0", "1.5"}},
	{"panels", curves(3), curves(3).Save, []string{"A run", "best at 2", "epoch", "loss", "accuracy, %", "train", "a longer name", "valid", "1", "2", "3"}},
	{"grid", accuracy(), accuracy().Save, []string{"Test accuracy", "5 seeds", "%", "SGD", "mSAM, 8 shards", "clean", "20% wrong", "78", "90"}},
}

// A PNG has two pixels for each CSS pixel, a white background, and each series in its color.
func TestPNG(t *testing.T) {
	for _, c := range charts {
		path := filepath.Join(t.TempDir(), "chart.PNG")
		require.NoError(t, c.save(path), c.name)
		file, err := os.Open(path)
		require.NoError(t, err)
		defer file.Close()
		img, err := png.Decode(file)
		require.NoError(t, err)
		figure, err := c.chart.figure()
		require.NoError(t, err)
		size := img.Bounds().Size()
		assert.InDelta(t, figure.width.Points()/72*dotsPerInch, size.X, 1, c.name)
		assert.InDelta(t, figure.height.Points()/72*dotsPerInch, size.Y, 1, c.name)
		counts := pixels(img)
		assert.Equal(t, color.RGBA{0xff, 0xff, 0xff, 0xff}, color.RGBAModel.Convert(img.At(0, size.Y-1)), "the background is opaque")
		for i := range 2 {
			assert.Greater(t, counts[colors[i]], 500, "%s, series %d", c.name, i)
		}
		assert.Zero(t, counts[colors[2]], c.name)
	}
}

// A series with Beside has the color and shape of the one before it, but a dashed line and open
// marks. The next series has the next color.
func TestBeside(t *testing.T) {
	ours := Series{Name: "ours", X: []float64{1, 2}, Y: []float64{1, 1}}
	theirs := Series{Name: "theirs", X: []float64{1, 2}, Y: []float64{2, 2}, Beside: true}
	other := Series{Name: "other", X: []float64{1, 2}, Y: []float64{3, 3}}
	count := func(series ...Series) map[color.Color]int {
		path := filepath.Join(t.TempDir(), "chart.png")
		require.NoError(t, Lines{Series: series}.Save(path))
		file, err := os.Open(path)
		require.NoError(t, err)
		defer file.Close()
		img, err := png.Decode(file)
		require.NoError(t, err)
		return pixels(img)
	}
	alone, both, three := count(ours), count(ours, theirs), count(ours, theirs, other)
	assert.Greater(t, both[colors[0]], alone[colors[0]]*13/10, "the second line is there")
	assert.Less(t, both[colors[0]], alone[colors[0]]*19/10, "but it has gaps")
	assert.Zero(t, both[colors[1]])
	assert.Greater(t, three[colors[1]], 500)

	ours.Look = Numbered(2)
	looks := count(ours, other)
	assert.Zero(t, looks[colors[0]])
	assert.Greater(t, looks[colors[1]], 500)
	assert.Greater(t, looks[colors[2]], 500)

	_, err := Lines{Series: []Series{theirs}}.figure()
	assert.EqualError(t, err, `chart: series "theirs" is the first, and Beside needs one before it`)
}

// An open mark of any color is white inside.
func TestOpenMarks(t *testing.T) {
	for i, shape := range marks {
		c := vgimg.New(40, 40)
		canvas := draw.New(c)
		canvas.DrawGlyph(draw.GlyphStyle{Color: colors[0], Radius: 10, Shape: open{shape}}, vg.Point{X: 20, Y: 20})
		img := c.Image()
		middle := img.Bounds().Size().Div(2)
		assert.Equal(t, color.RGBA{0xff, 0xff, 0xff, 0xff}, color.RGBAModel.Convert(img.At(middle.X, middle.Y)), "mark %d", i)
		assert.NotZero(t, pixels(img)[colors[0]], "mark %d", i)
	}
}

func pixels(img image.Image) map[color.Color]int {
	counts := map[color.Color]int{}
	b := img.Bounds()
	for y := range b.Dy() {
		for x := range b.Dx() {
			counts[color.RGBAModel.Convert(img.At(x, y))]++
		}
	}
	return counts
}

// An SVG keeps text as text, and names common fonts.
func TestSVG(t *testing.T) {
	for _, c := range charts {
		path := filepath.Join(t.TempDir(), "chart.svg")
		require.NoError(t, c.save(path), c.name)
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		texts := texts(t, string(content))
		for _, want := range c.texts {
			assert.Contains(t, texts, want, c.name)
		}
		assert.Equal(t, len(texts), strings.Count(string(content), "font-family:Liberation Sans,Arimo,Helvetica,Arial,sans-serif;"))
	}
}

// texts returns the text elements of an SVG.
func texts(t *testing.T, svg string) (texts []string) {
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return texts
		}
		require.NoError(t, err)
		if start, ok := token.(xml.StartElement); ok && start.Name.Local == "text" {
			var s string
			require.NoError(t, d.DecodeElement(&s, &start))
			texts = append(texts, s)
		}
	}
}

func TestFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "chart.svg")
	require.NoError(t, os.WriteFile(path, []byte("old"), 0o666))

	f, err := Create(path)
	require.NoError(t, err)
	assert.ErrorContains(t, f.Draw(Lines{}), "no series")
	f.Discard()
	assert.Equal(t, []string{"chart.svg"}, names(t, dir))
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, "old", string(content))

	f, err = Create(path)
	require.NoError(t, err)
	require.NoError(t, f.Draw(cost()))
	f.Discard()
	assert.Equal(t, []string{"chart.svg"}, names(t, dir))
	content, err = os.ReadFile(path)
	require.NoError(t, err)
	assert.Contains(t, string(content), "<svg")

	_, err = Create(filepath.Join(dir, "none", "chart.png"))
	assert.ErrorContains(t, err, "none")
	for _, name := range []string{"chart.gif", "chart", "png"} {
		_, err = Create(filepath.Join(dir, name))
		assert.ErrorContains(t, err, name+`": the name must end in one of .png, .svg`)
	}
	assert.Equal(t, []string{"chart.svg"}, names(t, dir))
}

func names(t *testing.T, dir string) (names []string) {
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestErrors(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	one := []float64{1}
	for _, c := range []struct {
		chart Chart
		want  string
	}{
		{Lines{}, "chart: no series"},
		{Lines{Series: []Series{{Name: "a"}}}, `chart: series "a" has 0 X and 0 Y, want equal numbers, and at least 1`},
		{Lines{Series: []Series{{Name: "a", X: one, Y: []float64{1, 2}}}}, `chart: series "a" has 1 X and 2 Y, want equal numbers, and at least 1`},
		{Lines{Series: []Series{{Name: "a", X: one, Y: []float64{nan}}}}, `chart: series "a" has the value NaN with the interval [NaN, NaN]`},
		{Lines{Series: []Series{{Name: "a", X: one, Y: []float64{inf}}}}, `chart: series "a" has the value +Inf with the interval [+Inf, +Inf]`},
		{Lines{Series: []Series{{Name: "a", X: one, Y: one, Low: one}}}, `chart: series "a" has 1 values, 1 lower and 0 upper ends`},
		{Lines{Series: []Series{{Name: "a", X: one, Y: one, Low: []float64{2}, High: []float64{3}}}}, `chart: series "a" has the value 1 with the interval [2, 3]`},
		{Lines{Series: []Series{{Name: "a", X: []float64{nan}, Y: one}}}, `chart: series "a" has a point at X = NaN`},
		{Lines{LogX: true, Series: []Series{{Name: "a", X: []float64{0}, Y: one}}}, `chart: series "a" has a point at X = 0`},

		{Lines{LogY: true, Series: []Series{{Name: "a", X: one, Y: []float64{0}}}}, `chart: series "a" has the value 0 on a logarithmic axis, want more than 0`},
		{Lines{LogY: true, Series: []Series{{Name: "a", X: one, Y: one, Low: []float64{-1}, High: one}}}, `chart: series "a" has the value -1 on a logarithmic axis, want more than 0`},

		{Panels{}, "chart: no panels"},
		{Panels{Lines: []Lines{cost(), {Y: "loss"}}}, "chart: no series, in panel 2, of loss"},
		{Points{}, "chart: no points"},
		{Points{At: []Point{{1, 1}, {1, nan}}}, "chart: point 1 is at 1, NaN"},
		{Histogram{}, "chart: no values"},
		{Histogram{Values: []float64{inf}}, "chart: value 0 is +Inf"},
		{Matrix{}, "chart: 0 names for a matrix of 0 rows, want equal numbers, and at least 1"},
		{Matrix{Names: []string{"a", "b"}, Counts: [][]int{{1, 2}}}, "chart: 2 names for a matrix of 1 rows, want equal numbers, and at least 1"},
		{Matrix{Names: []string{"a", "b"}, Counts: [][]int{{1, 2}, {1}}}, "chart: row 1 of a matrix has 1 columns, want 2"},
		{Matrix{Names: []string{"a"}, Counts: [][]int{{-1}}}, "chart: row 0 of a matrix has the count -1"},
	} {
		_, err := c.chart.figure()
		assert.EqualError(t, err, c.want)
	}
}

func labels(axis *plot.Axis) (labels []string) {
	for _, tick := range axis.Tick.Marker.Ticks(axis.Min, axis.Max) {
		labels = append(labels, tick.Label)
	}
	return labels
}

func TestDecimal(t *testing.T) {
	for _, c := range []struct {
		least, most float64
		want        string
	}{
		{0, 1.07, "0.0 0.2 0.4 0.6 0.8 1.0 1.2"},
		{0.81, 1.03, "0.80 0.85 0.90 0.95 1.00 1.05"},
		{0, 1, "0.0 0.2 0.4 0.6 0.8 1.0"},
		{0, 11.6, "0 2 4 6 8 10 12"},
		{-20, 230, "-50 0 50 100 150 200 250"},
		{0.0012, 0.0031, "0.0010 0.0015 0.0020 0.0025 0.0030 0.0035"},
		{7, 7, "6.0 6.5 7.0 7.5 8.0"},
		{0, 0, "-1.0 -0.5 0.0 0.5 1.0"},
		{0.05, 0.05, "0.02 0.03 0.04 0.05 0.06 0.07 0.08"},
		{1e30, 1e30, "4e+29 6e+29 8e+29 1e+30 1.2e+30 1.4e+30 1.6e+30"},
		{0, 3e-9, "0 5e-10 1e-09 1.5e-09 2e-09 2.5e-09 3e-09"},
		{0, 2e7, "0 5e+06 1e+07 1.5e+07 2e+07"},
	} {
		var axis plot.Axis
		decimal(&axis, c.least, c.most)
		assert.Equal(t, c.want, strings.Join(labels(&axis), " "), "%v to %v", c.least, c.most)
	}
}

// Every point has a tick, but no two labels overlap.
func TestTickPoints(t *testing.T) {
	for _, c := range []struct{ x, want []float64 }{
		{[]float64{1, 2, 4, 8, 16, 32}, []float64{1, 2, 4, 8, 16, 32}},
		{[]float64{13, 3, 1, 7}, []float64{1, 3, 7, 13}},
		{[]float64{1, 30, 31, 32}, []float64{1, 30, 0, 0}},
		{[]float64{8}, []float64{8}},
		{[]float64{0.0063, 0.0075, 0.01, 0.2}, []float64{0.0063, 0, 0.01, 0.2}},
	} {
		l := cost()
		l.Series = []Series{{X: c.x, Y: make([]float64, len(c.x))}, {X: c.x[:1], Y: []float64{1}}}
		f, err := l.figure()
		require.NoError(t, err)
		axis := &f.body.(*plot.Plot).X
		ticks := axis.Tick.Marker.Ticks(axis.Min, axis.Max)
		require.Len(t, ticks, len(c.want))
		for i, label := range labels(axis) {
			if c.want[i] == 0 {
				assert.Empty(t, label)
			} else {
				assert.Equal(t, c.want[i], ticks[i].Value)
				assert.NotEmpty(t, label)
			}
		}
		assert.Less(t, axis.Min, axis.Max)
	}
}

// Apart moves each series by a hundredth of the axis, and the middle of them not at all.
func TestApart(t *testing.T) {
	l := Lines{Apart: true, Series: []Series{{X: []float64{1, 100}, Y: []float64{5, 6}}, {X: []float64{10}, Y: []float64{7}}}}
	assert.InDelta(t, 1-99*0.005, l.places(0)[0], 1e-12)
	assert.InDelta(t, 10+99*0.005, l.places(1)[0], 1e-12)
	l.LogX = true
	assert.InDelta(t, 100/math.Pow(10, 0.01), l.places(0)[1], 1e-12)
	f, err := l.figure()
	require.NoError(t, err)
	axis := f.body.(*plot.Plot).X
	assert.LessOrEqual(t, axis.Min, 1.0)
	assert.GreaterOrEqual(t, axis.Max, 100.0, "the last tick is on the axis")
	l.Apart = false
	assert.Equal(t, 100.0, l.places(0)[1])
}

// Every tick is on the axis, however the numbers round.
func TestDecimalTicks(t *testing.T) {
	for _, most := range []float64{1.61, 0.3, 0.7, 2.9, 1e-5, 12345} {
		var axis plot.Axis
		decimal(&axis, most/2.85, most)
		ticks := axis.Tick.Marker.Ticks(axis.Min, axis.Max)
		assert.Equal(t, axis.Min, ticks[0].Value)
		assert.Equal(t, axis.Max, ticks[len(ticks)-1].Value)
	}
}
