package chart

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// minima returns ranges of two things.
func minima() Ranges {
	return Ranges{
		Title: "Eigenvalues", X: "lambda", LogX: true,
		Rows: []Range{{"a run", Method("sgd", 1), []float64{20, 5, 2}}, {"another run", Method("msam", 8), []float64{9, math.NaN(), 1}}},
	}
}

func save2(t *testing.T, c Chart) (content string) {
	path := filepath.Join(t.TempDir(), "chart.svg")
	require.NoError(t, save(path, c))
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}

// Ranges have their names and ticks, and each look's color.
func TestRanges(t *testing.T) {
	content := save2(t, minima())
	assert.Subset(t, texts(t, content), []string{"Eigenvalues", "lambda", "a run", "another run", "1", "2", "5", "10", "20"})
	for _, row := range minima().Rows {
		c := row.Look.color
		assert.Contains(t, content, hex(c.R, c.G, c.B))
	}
	unnamed := minima()
	unnamed.Unnamed = true
	assert.NotContains(t, texts(t, save2(t, unnamed)), "a run")

	linear := minima()
	linear.LogX = false
	linear.Rows[0].Values[2] = -3
	assert.Contains(t, texts(t, save2(t, linear)), "-5")
}

func hex(levels ...byte) string {
	const digits = "0123456789ABCDEF"
	s := "#"
	for _, l := range levels {
		s += string(digits[l>>4]) + string(digits[l&15])
	}
	return s
}

func TestRangesErrors(t *testing.T) {
	for want, change := range map[string]func(*Ranges){
		"chart: no ranges":                            func(r *Ranges) { r.Rows = nil },
		"chart: ranges without a value":               func(r *Ranges) { r.Rows = r.Rows[:1]; r.Rows[0].Values = []float64{math.NaN()} },
		`chart: the range "a run" has the value -1`:   func(r *Ranges) { r.Rows[0].Values[1] = -1 },
		`chart: the range "a run" has the value +Inf`: func(r *Ranges) { r.Rows[0].Values[1] = math.Inf(1) },
	} {
		r := minima()
		change(&r)
		_, err := r.figure()
		assert.EqualError(t, err, want)
	}
}

// A sheet has all of its charts, each as high as it wants to be.
func TestSheet(t *testing.T) {
	one, two, three := cost(), minima(), bowl(5, 1)
	s := Sheet{Title: "All", Note: "of them", Rows: [][]Chart{{one}, {two, three}}}
	content := save2(t, s)
	assert.Subset(t, texts(t, content), []string{"All", "of them", "A step's cost", "x SAM", "mlp", "Eigenvalues", "a run", "A bowl", "across"})
	whole, err := s.figure()
	require.NoError(t, err)
	var bodies, second float64
	for _, c := range []Chart{two, three} {
		f, err := c.figure()
		require.NoError(t, err)
		second = max(second, (f.height - 2*margin).Points())
	}
	f, err := one.figure()
	require.NoError(t, err)
	bodies = (f.height - 2*margin).Points() + second + sheetGap.Points()
	assert.InDelta(t, whole.around(0).Points()+bodies, whole.height.Points(), 1e-9)

	_, err = Sheet{}.figure()
	assert.EqualError(t, err, "chart: no charts on a sheet")
	_, err = Sheet{Rows: [][]Chart{{}}}.figure()
	assert.EqualError(t, err, "chart: row 1 of a sheet has no chart")
	_, err = Sheet{Rows: [][]Chart{{cost(), Lines{}}}}.figure()
	assert.EqualError(t, err, "chart: no series, in chart 2 of row 1")
}
