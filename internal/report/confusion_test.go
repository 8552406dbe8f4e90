package report

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestConfusion(t *testing.T) {
	c := Confusion{Title: "pets", Names: []string{"cat", "dog", ""}, Counts: [][]int{{8, 2, 0}, {3, 1, 0}, {0, 0, 0}}}
	m := c.Chart()
	assert.Equal(t, []string{"cat", "dog", "2"}, m.Names)
	assert.Equal(t, "9 of 14 samples right (64.3%). Shares are of a row.", m.Note)
	assert.Equal(t, []string{"0", "1", "2"}, Confusion{Counts: c.Counts}.Chart().Names)

	classes := c.classes()
	for i, want := range [][4]string{{"cat", "72.7%", "80.0%", "10"}, {"dog", "33.3%", "25.0%", "4"}, {"2", "–", "–", "0"}} {
		assert.Equal(t, want, [4]string{classes[i].Name, classes[i].Precision, classes[i].Recall, classes[i].Samples})
	}
	hard := hardest(classes, 10)
	require.Len(t, hard, 2, "no samples are not hard")
	assert.Equal(t, "dog", hard[0].Name)
	assert.Len(t, hardest(classes, 1), 1)

	mixups := c.mixups(10)
	require.Len(t, mixups, 2)
	assert.Equal(t, mixup{"dog", "cat", "3", "4", 3}, mixups[0])
	assert.Equal(t, mixup{"cat", "dog", "2", "10", 2}, mixups[1])
	assert.Len(t, c.mixups(1), 1)
}

func TestConfusionSave(t *testing.T) {
	path := filepath.Join(t.TempDir(), "confusion.png")
	require.NoError(t, Confusion{Counts: [][]int{{1}}}.Save(path))
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.Positive(t, info.Size())

	for want, c := range map[string]Confusion{
		"report: 1 names of classes for a confusion of 2":                           {Names: []string{"a"}, Counts: [][]int{{1, 2}, {3, 4}}},
		"report: class 1 is confused with 1 classes, want 2":                        {Counts: [][]int{{1, 2}, {3}}},
		"chart: row 0 of a matrix has the count -1":                                 {Counts: [][]int{{-1}}},
		"chart: 0 names for a matrix of 0 rows, want equal numbers, and at least 1": {},
	} {
		assert.EqualError(t, c.Save(filepath.Join(t.TempDir(), "a.png")), want)
	}
}

func TestTexts(t *testing.T) {
	for want, got := range map[string]string{
		">99.99%": share(999999, 1000000), "<0.01%": share(1, 1000000), "0.00%": share(0, 5000),
		"100.00%": share(2000, 2000), "–": share(0, 0), "33.3%": share(1, 3), ">99.9%": percent(0.9999, 1),
		"37490": value(37494.4), "-0.0001235": value(-0.00012346), "1.234e+16": value(1.2341e16), "1e-07": value(1e-7), "0": value(0), "NaN": value(nan), "+Inf": value(inf),
		"1 sample": count(1, "sample"), "1,234 samples": count(1234, "sample"),
		"": list(nil), "a": list([]string{"a"}), "a, b and c": list([]string{"a", "b", "c"}),
		"less than a second": duration(0.4), "9.5 seconds": duration(9.5), "60 seconds": duration(60.2), "3 minutes": duration(180), "2.5 hours": duration(9000),
		"R²": words("R2"), "top 5 accuracy": words("top_5_accuracy"),
	} {
		assert.Equal(t, want, got)
	}
}

// The interval is that of the formula's worked examples: Newcombe, "Two-sided confidence intervals
// for the single proportion" (1998), table I.
func TestWilson(t *testing.T) {
	for _, c := range []struct {
		successes, trials int
		low, high         float64
	}{{81, 263, 0.2553, 0.3662}, {15, 148, 0.0624, 0.1605}, {0, 20, 0, 0.1611}, {1, 29, 0.0061, 0.1718}} {
		low, high := wilson(c.successes, c.trials)
		assert.InDelta(t, c.low, low, 6e-5)
		assert.InDelta(t, c.high, high, 6e-5)
	}
}

var nan, inf = math.NaN(), math.Inf(1)
