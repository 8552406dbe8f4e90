package chart

import (
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// bowl returns contours of a + x*x + 4*y*y from -1 to 1.
func bowl(n int, a float64) Contours {
	c := Contours{Title: "A bowl", Note: "made up", X: "along", Y: "across", Value: "loss"}
	for i := range n {
		c.Xs = append(c.Xs, 2*float64(i)/float64(n-1)-1)
	}
	c.Ys = c.Xs
	for _, y := range c.Ys {
		var row []float64
		for _, x := range c.Xs {
			row = append(row, a+x*x+4*y*y)
		}
		c.Values = append(c.Values, row)
	}
	return c
}

// The picture has the color of each band that occurs, deeper where the values are lower, and the
// origin's ring. The legend has the bands' values.
func TestContours(t *testing.T) {
	c := bowl(11, 0.01)
	path := filepath.Join(t.TempDir(), "bowl.png")
	require.NoError(t, c.Save(path))
	file, err := os.Open(path)
	require.NoError(t, err)
	defer file.Close()
	img, err := png.Decode(file)
	require.NoError(t, err)
	counts := pixels(img)
	s := c.surface()
	assert.Equal(t, []float64{0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5}, s.levels)
	before := -1
	for band := range len(s.levels) + 1 {
		hue := s.color(band)
		assert.Greater(t, counts[hue], 300, "band %d", band)
		brightness := int(hue.R) + int(hue.G) + int(hue.B)
		assert.Greater(t, brightness, before)
		before = brightness
	}
	assert.Greater(t, counts[color.Color(colors[1])], 50, "the origin")

	path = filepath.Join(t.TempDir(), "bowl.svg")
	require.NoError(t, c.Save(path))
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	for _, want := range []string{"A bowl", "made up", "along", "across", "loss", "below 0.02", "0.05 to 0.1", "above 5", "-1.0", "0.5"} {
		assert.Contains(t, texts(t, string(content)), want)
	}
}

// Between the values the surface is smooth, and on a parabola it is the parabola where all four
// values around are there.
func TestContoursInterpolate(t *testing.T) {
	c := bowl(11, -1) // not positive: a linear scale
	s := c.surface()
	assert.False(t, s.log)
	for _, x := range []float64{-0.75, -0.31, 0.02, 0.48, 0.79} {
		for _, y := range []float64{-0.6, -0.05, 0.33} {
			assert.InDelta(t, -1+x*x+4*y*y, s.at((x+1)/2, (y+1)/2), 1e-9)
		}
	}
	assert.InDelta(t, 4, s.at(1, 1), 1e-9)
	assert.InDelta(t, 4, s.at(0, 0), 1e-9)
}

// Values that aren't finite are above all others, and don't spread.
func TestContoursOverflow(t *testing.T) {
	c := bowl(11, 0.01)
	c.Values[0][0], c.Values[10][10] = math.Inf(1), math.NaN()
	s := c.surface()
	top := len(s.levels)
	assert.Equal(t, []int{top, top}, []int{s.band(s.at(0, 0)), s.band(s.at(1, 1))})
	assert.Equal(t, 0, s.band(s.at(0.5, 0.5)))
	_, err := c.figure()
	assert.NoError(t, err)
}

// Levels are round, inside the range, and neither few nor many.
func TestLevels(t *testing.T) {
	for _, c := range []struct {
		least, most float64
		want        []float64
	}{
		{0, 1, []float64{0.2, 0.4, 0.6, 0.8}},
		{2, 3, []float64{2.2, 2.4, 2.6, 2.8}},
		{-0.5, 0.5, []float64{-0.4, -0.2, 0, 0.2, 0.4}},
		{0.1, 1, []float64{0.15, 0.2, 0.3, 0.5, 0.7}},
		{0.01, 3.5, []float64{0.02, 0.05, 0.1, 0.2, 0.5, 1, 2}},
		{1e-6, 1, []float64{1e-5, 1e-4, 1e-3, 1e-2, 1e-1}},
	} {
		got := Levels([][]float64{{c.least, math.Inf(1)}, {c.most, math.NaN()}})
		assert.InDeltaSlice(t, c.want, got, 1e-12, "%v to %v", c.least, c.most)
	}
	for _, most := range []float64{1.0001, 1.7, 7, 9, 83, 1e3, 1e5, 1e9, 1e30, 1e200} {
		levels := Levels([][]float64{{1, most}})
		assert.LessOrEqual(t, len(levels), finest, most)
		assert.GreaterOrEqual(t, len(levels), 3, most)
		assert.Greater(t, levels[0], 1.0)
		assert.Less(t, levels[len(levels)-1], most)
		assert.IsIncreasing(t, levels)
	}
	assert.Nil(t, Levels([][]float64{{1, 1}}))
	_, err := Contours{Xs: []float64{0, 1, 2}, Ys: []float64{0, 1, 2}, Values: [][]float64{{1, 1, 1}, {1, 1, 1}, {1, 1, 1}}}.figure()
	assert.NoError(t, err)
}

func TestContoursErrors(t *testing.T) {
	for want, change := range map[string]func(*Contours){
		"chart: contours of 5 rows by 2 columns":                    func(c *Contours) { c.Xs = c.Xs[:2] },
		"with 4 rows of values, want equal numbers, and at least 3": func(c *Contours) { c.Values = c.Values[:4] },
		"want places that ascend at even distances":                 func(c *Contours) { c.Xs = []float64{0, 1, 2, 3, 5} },
		"chart: row 1 of contours has 4 values, want 5":             func(c *Contours) { c.Values[1] = c.Values[1][:4] },
		"chart: contours at the levels [2 1], want ascending ones":  func(c *Contours) { c.Levels = []float64{2, 1} },
		"chart: contours without a finite value":                    func(c *Contours) { c.Values = notNumbers(5) },
	} {
		c := bowl(5, 1)
		c.Ys = append([]float64{}, c.Ys...)
		change(&c)
		_, err := c.figure()
		assert.ErrorContains(t, err, want)
	}
}

func notNumbers(n int) (rows [][]float64) {
	for range n {
		row := make([]float64, n)
		for i := range row {
			row[i] = math.NaN()
		}
		rows = append(rows, row)
	}
	return rows
}
