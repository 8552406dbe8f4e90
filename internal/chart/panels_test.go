package chart

import (
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

// curves returns panels of a run of so many epochs.
func curves(epochs int) Panels {
	var x, loss, accuracy []float64
	for e := range epochs {
		x = append(x, float64(e+1))
		loss = append(loss, 2*math.Exp(-0.3*float64(e)))
		accuracy = append(accuracy, 90-10/float64(e+1))
	}
	return Panels{
		Title: "A run", Note: "best at 2", X: "epoch", WholeX: true, ReferenceX: 2,
		Lines: []Lines{
			{Y: "loss", LogY: true, Series: []Series{{Name: "train", X: x, Y: loss}, {Name: "a longer name", X: x, Y: loss}}},
			{Y: "accuracy, %", Series: []Series{{Name: "valid", X: x, Y: accuracy}}},
		},
	}
}

// All panels have one X axis: their data begin and end at the same places, and only the last has
// labels.
func TestPanelsAlign(t *testing.T) {
	f, err := curves(17).figure()
	require.NoError(t, err)
	s := f.body.(*stack)
	require.Len(t, s.plots, 2)
	assert.Empty(t, strings.Join(labels(&s.plots[0].X), ""))
	assert.Equal(t, "0 5 10 15 20", strings.Join(labels(&s.plots[1].X), " "))
	assert.Equal(t, s.plots[0].X.Max, s.plots[1].X.Max)

	// The labels of both Y axes differ in width, so the plots don't align by themselves.
	c := draw.New(vgimg.New(f.width, f.height))
	a, b := s.plots[0].DataCanvas(c), s.plots[1].DataCanvas(c)
	assert.NotEqual(t, a.Min.X, b.Min.X)
	rec := &spans{}
	for _, p := range s.plots {
		p.Add(rec)
	}
	s.Draw(c)
	require.Len(t, rec.at, 2)
	assert.InDelta(t, rec.at[0].Min.X.Points(), rec.at[1].Min.X.Points(), 1e-6)
	assert.InDelta(t, rec.at[0].Max.X.Points(), rec.at[1].Max.X.Points(), 1e-6)
	assert.Greater(t, rec.at[0].Min.Y, rec.at[1].Max.Y, "one below the other")
}

// spans records where plots draw their data.
type spans struct{ at []vg.Rectangle }

func (s *spans) Plot(c draw.Canvas, _ *plot.Plot) { s.at = append(s.at, c.Rectangle) }

// Series of many points have no marks.
func TestMarksOfFewPoints(t *testing.T) {
	marks := func(epochs int) int {
		svg, err := Inline(curves(epochs), "a run")
		require.NoError(t, err)
		// A circle, the mark of the first series, is a path with arcs.
		return strings.Count(svg, "A3.25,3.25")
	}
	// A circle is two arcs, and each legend has a mark, too.
	assert.Equal(t, 2*(1+1)*2, marks(1))
	assert.Equal(t, 2*(mostMarks+1)*2, marks(mostMarks))
	assert.Zero(t, marks(mostMarks+1))
}

func TestLogarithmic(t *testing.T) {
	for _, c := range []struct {
		least, most float64
		want        string
	}{
		{0.013, 2.3, "0.01 0.1 1"},
		{0.13, 2.3, "0.1 0.2 0.5 1 2 5"},
		{0.1, 1, "0.1 0.2 0.5 1"},
		{3, 3, "2 5"},
		{1e-6, 1e6, "1e-06 0.0001 0.01 1 100 10000 1e+06"},
		{0.5, 1e30, "10000 1e+09 1e+14 1e+19 1e+24 1e+29"},
		{1, 1e308, "1 1e+44 1e+88 1e+132 1e+176 1e+220 1e+264 1e+308"},
	} {
		var axis plot.Axis
		logarithmic(&axis, c.least, c.most)
		assert.Equal(t, c.want, strings.Join(labels(&axis), " "), "%v to %v", c.least, c.most)
		assert.LessOrEqual(t, axis.Min, c.least)
		assert.GreaterOrEqual(t, axis.Max, c.most)
		assert.Less(t, axis.Min, axis.Max)
		if c.least < c.most {
			assert.LessOrEqual(t, axis.Max/axis.Min, c.most/c.least*2.5*2.5, "little room is left")
		}
	}
}

// An inline chart has the page's font and grays, and texts that can't end an element or pass for a
// style.
func TestInline(t *testing.T) {
	l := cost()
	l.Title = `:#FFFFFF "></svg><script>`
	l.Series[0].Name = "bell\a and \xff"
	svg, err := Inline(l, `a "label" <b>`)
	require.NoError(t, err)
	assert.True(t, strings.HasPrefix(svg, `<svg class="chart" role="img" aria-label="a &#34;label&#34; &lt;b&gt;" viewBox="0 0 520 320"`), svg[:100])
	assert.True(t, strings.HasSuffix(svg, "</svg>"))
	assert.Contains(t, svg, "fill:var(--chart-paper,#fff)")
	assert.Contains(t, svg, "fill:var(--chart-ink,#333)")
	assert.NotContains(t, svg, "font-family")
	assert.NotContains(t, svg, `:#FFFFFF"`)
	got := texts(t, svg)
	assert.Contains(t, got, l.Title)
	assert.Contains(t, got, "bell  and \uFFFD")
	assert.NotContains(t, svg, "<script")

	_, err = Inline(Lines{}, "nothing")
	assert.EqualError(t, err, "chart: no series")
}

func TestPoints(t *testing.T) {
	p := Points{X: "true", Y: "predicted", Diagonal: true, At: []Point{{1, 2}, {3, 9}}}
	f, err := p.figure()
	require.NoError(t, err)
	body := f.body.(*plot.Plot)
	assert.Equal(t, []float64{0, 10, 0, 10}, []float64{body.X.Min, body.X.Max, body.Y.Min, body.Y.Max}, "both axes are alike")

	h := Histogram{Values: []float64{-1, -1, 0, 0.5, 3}}
	assert.Equal(t, []float64{2, 2, 0, 0, 1}, h.bars(-1, 3).counts)
	total := 0.0
	for _, n := range (Histogram{Values: make([]float64, 1000)}).bars(-1, 1).counts {
		total += n
	}
	assert.Equal(t, 1000.0, total)
	_, err = h.figure()
	require.NoError(t, err)
}

// Each chart can be saved, at any size.
func TestSaveAll(t *testing.T) {
	path := filepath.Join(t.TempDir(), "chart.svg")
	for _, c := range []interface{ Save(string) error }{
		curves(1), curves(3), curves(1000), Points{At: []Point{{1, 1}}}, Histogram{Values: []float64{1}},
		matrix(1), matrix(10), matrix(101), matrix(300),
	} {
		require.NoError(t, c.Save(path))
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.NotEmpty(t, texts(t, string(content)), "%T", c)
		assert.NotContains(t, string(content), "NaN", "%T", c)
		assert.NotContains(t, string(content), "Inf", "%T", c)
	}
}
