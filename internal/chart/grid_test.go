package chart

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/recorder"
)

// rows are the rows of a Dots panel, with so many estimates each.
func rows(estimates int) (list []Row) {
	for i, shards := range []int{4, 8, 16, 32} {
		r := Row{Name: "mSAM " + strings.Repeat("I", i+1), Look: Method("msam", shards)}
		for k := range estimates {
			v := 97.123 + 0.4*float64(i) + 0.1*float64(k)
			r.Estimates = append(r.Estimates, Estimate{Value: v, Low: v - 0.3, High: v + 0.3})
		}
		list = append(list, r)
	}
	return list
}

// sensitivity is a Lines panel with a point far below, one that failed and a ring.
func sensitivity() Lines {
	rhos := []float64{0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4}
	return Lines{
		Title: "20% wrong labels", X: "rho", Y: "validation accuracy, %", LogX: true, From: 85, To: 88, Reference: 86.5,
		Series: []Series{
			{X: rhos, Y: []float64{86, 86.5, 87, 87.5, 87.3, 86, 40}, Ring: 4, Look: Method("sam", 1)},
			{X: rhos, Y: []float64{87, 87.5, 87, 86, 85, 10, 10}, Ring: 2, Failed: []bool{5: true, 6: true}, Look: Method("msam", 8)},
		},
	}
}

func scatter() Scatter {
	s := Scatter{Title: "flat", X: "lambda_1", Y: "test accuracy, %", LogX: true, From: 90, To: 93}
	for i, n := range []int{4, 8, 16} {
		x, y := math.Pow(3, float64(i)), 91+float64(i)/2
		s.Groups = append(s.Groups, Group{
			Name: "mSAM", Look: Method("msam", n), X: Estimate{Value: x, Low: -x, High: 3 * x}, Y: Estimate{Value: y, Low: y - 5, High: y + 5},
			Runs: []Point{{x * 1.1, y - 0.1}, {x / 1.1, y + 0.1}},
		})
	}
	return s
}

// filled returns a grid of all panels in columns, with long keys and titles.
func filled(columns int) Grid {
	g := Grid{Title: "All panels", Note: strings.Repeat("A note that is longer than a line. ", 8), Columns: columns, SharedX: true, SharedY: true}
	for _, n := range []int{4, 8, 16, 32} {
		g.Key = append(g.Key, Key{Name: "mSAM with a long name", Look: Method("msam", n), Line: n < 16, Open: n == 32})
	}
	far := rows(1)
	far[1].Estimates[0] = Estimate{Value: 10, Low: 9, High: 11}
	far[2].Estimates[0] = Estimate{Value: 100, Low: 100, High: 100}
	far[3].Estimates[0].Text = "1.97"
	g.Panels = []Panel{
		Dots{Title: "clean labels", X: "test accuracy, %", Rows: rows(2), Upright: []float64{97.5}},
		Dots{Title: "A small transformer on the genres of a corpus, with 20% wrong labels", X: "test accuracy, %", Rows: rows(2)},
		Dots{Title: "far", X: "test accuracy, %", Rows: far, From: 97, To: 99},
		sensitivity(), sensitivity(), scatter(), nil, scatter(),
	}
	g.Rows = []string{"lenet on mnist", "", strings.Repeat("text ", 50)}
	return g
}

// box is where a text lies.
type box struct {
	text                     string
	left, bottom, right, top float64
}

// placed returns the texts of a chart.
func placed(t *testing.T, c Chart) (boxes []box, f *figure) {
	t.Helper()
	f, err := c.figure()
	require.NoError(t, err)
	r := &recorder.Canvas{}
	f.draw(draw.NewCanvas(r, f.width, f.height))
	rotated := 0.0
	var stack []float64
	for _, action := range r.Actions {
		switch a := action.(type) {
		case *recorder.Push:
			stack = append(stack, rotated)
		case *recorder.Pop:
			rotated, stack = stack[len(stack)-1], stack[:len(stack)-1]
		case *recorder.Rotate:
			rotated += a.Angle
		case *recorder.FillString:
			style := textStyle(a.Font.Size)
			width, height := float64(style.Width(a.String)), 0.75*float64(a.Font.Size)
			x, y := float64(a.Point.X), float64(a.Point.Y)
			if rotated != 0 { // by a quarter turn: the canvas's X is up
				boxes = append(boxes, box{a.String, -y - height, x, -y, x + width})
				continue
			}
			boxes = append(boxes, box{a.String, x, y, x + width, y + height})
		}
	}
	return boxes, f
}

// No text covers another, and all are within the picture, in grids of one to four columns.
func TestGridTexts(t *testing.T) {
	for columns := 1; columns <= 4; columns++ {
		boxes, f := placed(t, filled(columns))
		assert.Greater(t, len(boxes), 60)
		for i, a := range boxes {
			if a.text == "" {
				continue
			}
			assert.True(t, a.left >= 0 && a.right <= float64(f.width) && a.bottom >= 0 && a.top <= float64(f.height), "%d columns: %+v", columns, a)
			for _, b := range boxes[:i] {
				apart := a.left >= b.right || b.left >= a.right || a.bottom >= b.top || b.bottom >= a.top
				assert.True(t, apart || b.text == "", "%d columns: %q covers %q", columns, a.text, b.text)
			}
		}
	}
}

// Panels of a row that have the same rows name them once, and a column says once what it measures.
func TestGridShares(t *testing.T) {
	count := func(g Grid) map[string]int {
		boxes, _ := placed(t, g)
		counts := map[string]int{}
		for _, b := range boxes {
			counts[b.text]++
		}
		return counts
	}
	d := Dots{X: "accuracy", Rows: rows(1)}
	g := Grid{Columns: 2, Panels: []Panel{d, d, d, d}}
	assert.Equal(t, 4, count(g)["mSAM I"])
	assert.Equal(t, 4, count(g)["accuracy"])
	g.SharedX, g.SharedY = true, true
	assert.Equal(t, 2, count(g)["mSAM I"])
	assert.Equal(t, 2, count(g)["accuracy"])
	other := Dots{X: "accuracy", Rows: rows(1)[:3]}
	g.Panels[1] = other
	assert.Equal(t, 3, count(g)["mSAM I"], "other rows have their names")
	g.Panels[3] = Dots{X: "difference", Rows: rows(1)}
	assert.Equal(t, 2, count(g)["accuracy"], "the label above another one stays")
}

// A scatter's logarithmic axis ends near its values, or at ticks if too few would be left.
func TestTighten(t *testing.T) {
	ends := func(least, most float64) (float64, float64, int) {
		p, _ := newPlot("", "")
		logarithmic(&p.X, least, most)
		tighten(&p.X, least, most)
		return p.X.Min, p.X.Max, len(labeled(p.X.Tick.Marker.Ticks(p.X.Min, p.X.Max)))
	}
	low, high, ticks := ends(0.07, 0.25)
	assert.True(t, low > 0.06 && low < 0.07 && high > 0.25 && high < 0.3, "%v to %v", low, high)
	assert.Equal(t, 2, ticks)
	low, high, ticks = ends(0.23, 0.3)
	assert.Equal(t, []float64{0.2, 0.5}, []float64{low, high})
	assert.Equal(t, 2, ticks)
	low, high, _ = ends(3, 3)
	assert.Less(t, low, high)
}

// A value beyond the axis is written at its edge.
func TestDotsBeyond(t *testing.T) {
	boxes, _ := placed(t, filled(3))
	var all []string
	for _, b := range boxes {
		all = append(all, b.text)
	}
	assert.Subset(t, all, []string{"10.0", "100.0", "1.97"})
}

// Headings break between words, and a word that is too long is cut.
func TestBroken(t *testing.T) {
	style := headingStyle()
	width := style.Width("lenet on mnist,")
	assert.Equal(t, []string{"lenet on mnist,", "with noise"}, broken("lenet on  mnist, with\nnoise", style, width))
	lines := broken("a word-that-is-wider-than-the-line b", style, width)
	assert.Len(t, lines, 3)
	assert.True(t, strings.HasSuffix(lines[1], "…"))
	for _, line := range lines {
		assert.LessOrEqual(t, style.Width(line), width)
	}
	assert.Nil(t, broken(" ", style, width))
}

// Points below the axis at one X lie beside each other, those at an end within it.
func TestLostPoints(t *testing.T) {
	l := sensitivity()
	list := l.curves()
	assert.Equal(t, []int{0, 0, 0, 0, 0, 0, 2}, list[0].of, "40 is below, beside one that failed")
	assert.Equal(t, []int{0, 0, 0, 0, 0, 1, 2}, list[1].of)
	assert.Equal(t, 0, list[0].lost[6])
	assert.Equal(t, 1, list[1].lost[6])
	p, _, err := l.plot(300)
	require.NoError(t, err)
	assert.Equal(t, 85.0, p.Y.Min)
	assert.Equal(t, 88.0, p.Y.Max)

	l.From, l.To = 0, 0
	p, _, err = l.plot(300)
	require.NoError(t, err)
	assert.LessOrEqual(t, p.Y.Min, 40.0, "without a range all values are shown, but those that failed aren't values")
	assert.Greater(t, p.Y.Min, 10.0)
}

func TestPanelErrors(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct {
		chart Chart
		want  string
	}{
		{Grid{}, "chart: no panels"},
		{Grid{Panels: []Panel{nil}}, "chart: no panels"},
		{Grid{Panels: []Panel{nil, Dots{}}}, "chart: dots without rows, in panel 2"},
		{Grid{Panels: []Panel{Dots{Rows: rows(1), From: 2, To: 1}}}, "chart: dots from 2 to 1, in panel 1"},
		{Grid{Panels: []Panel{Dots{Rows: []Row{{Name: "SAM", Estimates: []Estimate{{Value: 1, Low: 2, High: 3}}}}}}}, `chart: series "SAM" has the value 1 with the interval [2, 3], in panel 1`},
		{Grid{Panels: []Panel{Scatter{}}}, "chart: a scatter without groups, in panel 1"},
		{Grid{Panels: []Panel{Scatter{Groups: []Group{{Name: "SAM", Runs: []Point{{nan, 1}}}}}}}, `chart: group "SAM" has a point at NaN, 1, in panel 1`},
		{Grid{Panels: []Panel{Scatter{LogX: true, Groups: []Group{{Name: "SAM"}}}}}, `chart: group "SAM" has a point at 0, 0, in panel 1`},
		{Lines{Series: []Series{{Name: "a", X: []float64{1}, Y: []float64{1}, Ring: 2}}}, `chart: series "a" of 1 points says of 0 whether they failed, and has a ring around number 2`},
		{Lines{Series: []Series{{Name: "a", X: []float64{1}, Y: []float64{1}, Failed: []bool{true, false}}}}, `chart: series "a" of 1 points says of 2 whether they failed, and has a ring around number 0`},
		{Lines{From: 3, To: 1, Series: []Series{{Name: "a", X: []float64{1}, Y: []float64{1}}}}, "chart: lines from 3 to 1"},
	} {
		_, err := c.chart.figure()
		assert.EqualError(t, err, c.want)
	}
}

// A row without a value is drawn empty, and a panel without any value has an axis all the same.
func TestDotsWithoutValues(t *testing.T) {
	d := Dots{X: "accuracy", Rows: []Row{{Name: "SGD", Estimates: []Estimate{{Value: math.NaN()}}}}}
	boxes, _ := placed(t, Grid{Panels: []Panel{d}})
	assert.Contains(t, boxes[len(boxes)-1].text+boxes[0].text, "SGD")
}

// A chart of lines that have all failed has an axis, and their crosses.
func TestAllFailed(t *testing.T) {
	l := Lines{LogX: true, Series: []Series{{Name: "a", X: []float64{1, 2}, Y: []float64{1, 1}, Failed: []bool{true, true}}}}
	svg, err := Inline(l, "")
	require.NoError(t, err)
	assert.Contains(t, svg, Numbered(1).CSS())
}

// The mark of a key has the color of its look as a variable, for dark pages.
func TestKeyInline(t *testing.T) {
	for _, k := range []Key{{Look: Method("asam", 1)}, {Look: Method("asam", 1), Line: true}, {Look: Method("asam", 1), Open: true}} {
		svg := k.Inline()
		assert.True(t, strings.HasPrefix(svg, `<svg class="mark" aria-hidden="true"`), svg)
		assert.Contains(t, svg, Method("asam", 1).CSS())
		assert.NotContains(t, svg, "#009E73")
	}
	assert.Contains(t, Key{}.Inline(), "var(--chart-faint,#777)")
}

// Every mark is filled, about as large as a circle, and can be drawn open.
func TestMarks(t *testing.T) {
	_, list := looks()
	seen := map[draw.GlyphDrawer]bool{}
	for _, l := range list {
		if seen[l.shape] {
			continue
		}
		seen[l.shape] = true
		r := &recorder.Canvas{}
		c := draw.NewCanvas(r, 40, 40)
		r.Reset() // of the background
		c.DrawGlyph(draw.GlyphStyle{Color: l.color, Radius: 10, Shape: l.shape}, vg.Point{X: 20, Y: 20})
		farthest := vg.Length(0)
		for _, action := range r.Actions {
			f, ok := action.(*recorder.Fill)
			if !ok {
				continue
			}
			for _, p := range f.Path {
				if p.Type != vg.CloseComp {
					farthest = max(farthest, vg.Length(math.Hypot(float64(p.Pos.X-20), float64(p.Pos.Y-20)))+p.Radius)
				}
			}
		}
		reach := float64(farthest)
		assert.True(t, reach > 8 && reach < 17, "%T reaches %v", l.shape, reach)
	}
	assert.Greater(t, len(seen), 12)
}

// Variants of a look differ from it and from each other.
func TestVariants(t *testing.T) {
	look := Method("looksam", 1)
	assert.Equal(t, look, look.Variant(0))
	for i := range 4 {
		for j := range i {
			assert.Greater(t, distance(look.Variant(i).color, look.Variant(j).color), 0.05, "%d and %d", i, j)
			assert.NotEqual(t, look.Variant(i).shape, look.Variant(j).shape)
		}
	}
}
