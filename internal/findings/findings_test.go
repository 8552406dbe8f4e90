package findings

import (
	"bytes"
	"encoding/xml"
	"errors"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/chart"
	"github.com/steppe-ml/steppe/internal/stats"
	"github.com/steppe-ml/steppe/internal/study"
	"github.com/steppe-ml/steppe/sam"
)

func answer(t *testing.T, c *study.Campaign, name string) Answer {
	t.Helper()
	for _, a := range New(c).Answers {
		if a.Name == name {
			return a
		}
	}
	require.Fail(t, "no answer about "+name)
	return Answer{}
}

func page(t *testing.T, c *study.Campaign) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, New(c).WriteHTML(&b))
	return b.String()
}

// Every form of a study is a page that needs nothing else, has the four answers, and is well-formed.
func TestPage(t *testing.T) {
	for name, c := range map[string]*study.Campaign{"wide": wide(t), "rough": rough(t), "short": short(t), "empty": {Name: "digits", Runs: 5}} {
		html := page(t, c)
		assert.NotContains(t, html, "<script", name)
		assert.NotRegexp(t, `(?i)(src|href)="?(https?:)?//`, html, name)
		assert.NotContains(t, html, "url(", name)
		assert.NotRegexp(t, `NaN|Inf\b|%!`, html, name)
		assert.NotContains(t, html, "ZgotmplZ", name)
		for _, title := range []string{"Accuracy", "Cost", "Sensitivity to rho", "Flatness against accuracy", "The study"} {
			assert.Contains(t, html, title, name)
		}
		assert.Equal(t, html, page(t, c), "the same findings have the same bytes")
		wellFormed(t, html, name)
		// Each color of a series has a dark form.
		for _, v := range regexp.MustCompile(`var\(--chart-([0-9a-f]{6}),`).FindAllStringSubmatch(html, -1) {
			assert.Contains(t, html, "--chart-"+v[1]+":#", name)
		}
	}
}

// wellFormed fails if an element isn't closed, but for those that HTML has without an end.
func wellFormed(t *testing.T, html, name string) {
	t.Helper()
	html = regexp.MustCompile(`<meta [^>]*>`).ReplaceAllString(strings.TrimPrefix(html, "<!DOCTYPE html>"), "")
	d := xml.NewDecoder(strings.NewReader(html))
	for {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		require.NoError(t, err, name)
	}
}

// Names are the user's own, and can't end an element.
func TestPageEscapes(t *testing.T) {
	c := short(t)
	c.Title, c.Machine, c.Parts[0].Title = `<b>"title"</b>`, "</footer><script>", "</svg><script>alert(1)</script>"
	c.Parts[0].Summary.Levels[0].Rows[1].Title = "<i>SAM"
	html := page(t, c)
	assert.NotContains(t, html, "<script")
	assert.NotContains(t, html, "<i>")
	assert.Contains(t, html, "&lt;b&gt;")
	wellFormed(t, html, "escaped")
}

// Markdown has prose within 100 columns, tables whose columns are aligned, and links to pictures
// that there are.
func TestMarkdown(t *testing.T) {
	for name, c := range map[string]*study.Campaign{"wide": wide(t), "rough": rough(t), "short": short(t), "empty": {Name: "digits", Runs: 5}} {
		f := New(c)
		var b bytes.Buffer
		require.NoError(t, f.WriteMarkdown(&b, func(name string) string { return "study/" + name + ".png" }))
		text := b.String()
		assert.True(t, strings.HasPrefix(text, "## "), name)
		assert.NotRegexp(t, `NaN|Inf\b|%!`, text, name)
		assert.NotContains(t, text, "\n\n\n", name)
		width := 0
		for _, line := range strings.Split(text, "\n") {
			assert.Equal(t, strings.TrimRight(line, " "), line, name)
			if !strings.HasPrefix(line, "|") {
				assert.LessOrEqual(t, utf8.RuneCountInString(line), 100, line)
				width = 0
				continue
			}
			if width > 0 {
				assert.Equal(t, width, utf8.RuneCountInString(line), line)
			}
			width = utf8.RuneCountInString(line)
		}
		pictures := map[string]bool{}
		for _, p := range f.Pictures() {
			pictures["study/"+p.Name+".png"] = true
		}
		for _, link := range regexp.MustCompile(`!\[[^\]]+\]\(([^)]+)\)`).FindAllStringSubmatch(text, -1) {
			assert.True(t, pictures[link[1]], "%s: %s", name, link[1])
			delete(pictures, link[1])
		}
		assert.Empty(t, pictures, name)
	}
}

// Save writes the page, the Markdown and pictures that can be read.
func TestSave(t *testing.T) {
	dir := t.TempDir()
	f := New(rough(t))
	require.NoError(t, f.Save(dir))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	assert.Equal(t, []string{"accuracy.png", "cost.png", "differences.png", "flatness.png", "report.html", "report.md", "rho.png", "sharpness.png"}, names)
	file, err := os.Open(filepath.Join(dir, "rho.png"))
	require.NoError(t, err)
	defer file.Close()
	img, err := png.DecodeConfig(file)
	require.NoError(t, err)
	assert.InDelta(t, 1653, img.Width, 2, "twice as wide as a page of GitHub shows it")

	assert.ErrorContains(t, f.Save(filepath.Join(dir, "missing")), "missing")
}

// A curve has the best learning rate of each rho, the failures of that one, and the chosen rho.
func TestCurves(t *testing.T) {
	c := short(t)
	r := &c.Parts[0].Summary.Levels[0].Rows[1]
	m := func(v float64) stats.Mean { return stats.Mean{Mean: v, Low: v, High: v} }
	r.Choice = study.Choice{Rho: 0.1, LR: 0.1, Candidates: []study.Candidate{
		{Rho: 0.2, LR: 0.05, Accuracy: m(0.1), Collapsed: 1}, {Rho: 0.1, LR: 0.05, Accuracy: m(0.9)}, {Rho: 0.1, LR: 0.1, Accuracy: m(0.95)},
		{Rho: 0.05, LR: 0.1, Accuracy: m(0.945)}, {Rho: 0.2, LR: 0.1, Accuracy: m(0.94)},
	}}
	list := curvesOf(allSettings(c)[0], func(o *study.Row) bool { return o == r })
	require.Len(t, list, 1)
	assert.Equal(t, []float64{0.05, 0.1, 0.2}, list[0].rhos)
	assert.Equal(t, []float64{94.5, 95, 94}, list[0].accuracy)
	assert.Equal(t, []bool{false, false, false}, list[0].failed)
	assert.Equal(t, 2, list[0].best)
	low, high := list[0].width()
	assert.Equal(t, []float64{0.05, 0.2}, []float64{low, high}, "a point is still good")
}

// The table of chosen values says which learning rates were chosen, once if they are the same.
func TestChosenLRs(t *testing.T) {
	c := rough(t)
	assert.Equal(t, " Chosen learning rates, clean labels: 0.1; 20% wrong labels: 0.1.", chosenLRs(allSettings(c)))
	c.Parts[0].Summary.Levels[0].Rows[1].Choice.LR = 0.05
	assert.Contains(t, chosenLRs(allSettings(c)), "clean labels: SGD 0.1, SAM 0.05, mSAM 4 0.1, ")
	c.Parts[0].Summary.Grid.LRs = []float64{0.1}
	assert.Empty(t, chosenLRs(allSettings(c)))
}

// A run that collapsed doesn't decide the range of an axis.
func TestUsefulRange(t *testing.T) {
	m := func(v, half float64) stats.Mean { return stats.Mean{Mean: v, Low: v - half, High: v + half} }
	from, to := usefulRange([]stats.Mean{m(97, 0.3), m(98, 0.3), m(97.5, 0.3), m(10, 1)})
	assert.InDelta(t, 96.7, from, 1e-9)
	assert.InDelta(t, 98.3, to, 1e-9)
	from, to = usefulRange([]stats.Mean{m(97, 40), m(98, 0.3), m(97.5, 0.3)})
	assert.InDelta(t, 95.5, from, 1e-9, "of an interval that is much longer, a part")
	assert.InDelta(t, 100, to, 1e-9)
	from, to = usefulRange([]stats.Mean{m(97, 0)})
	assert.Less(t, from, to)

	from, to = curveRange([][]float64{{86, 87, 88, 60}, {87, 87.5, 10}}, 86.5)
	assert.Equal(t, []float64{86, 88}, []float64{from, to})
	from, to = curveRange([][]float64{{80, 88, 60}}, 86)
	assert.Equal(t, []float64{80, 88}, []float64{from, to}, "80 is within three times what the best differ by")
	from, to = curveRange([][]float64{nil, {10, 10}}, 86)
	assert.Less(t, from, to)
}

// Accuracies are percentages, and the base optimizer is among them unless it is far away.
func TestRangeOfAccuracies(t *testing.T) {
	base := func(mean float64, collapsed int) *study.Row {
		m := stats.Mean{Mean: mean, Low: mean - 0.01, High: mean + 0.01}
		return &study.Row{Accuracy: m, Accuracies: []float64{mean, mean}, Collapsed: collapsed}
	}
	for name, test := range map[string]struct {
		base     *study.Row
		from, to float64
	}{
		"below":     {base(0.77, 1), 76, 98},
		"just so":   {base(0.685, 1), 68.5, 98},
		"inside":    {base(0.96, 0), 95, 98},
		"above":     {base(0.985, 0), 95, 99.5},
		"at 100%":   {base(0.995, 0), 95, 100},
		"far":       {base(0.6, 0), 95, 98},
		"collapsed": {base(0.77, 2), 95, 98},
	} {
		from, to := withBase(test.base, 95, 98)
		assert.InDeltaSlice(t, []float64{test.from, test.to}, []float64{from, to}, 1e-9, name)
	}
	from, to := percentages(-50, 150)
	assert.Equal(t, []float64{0, 100}, []float64{from, to})
}

// The note of a table of differences has the tests of its own budget, at each of its levels.
func TestTestsOfTables(t *testing.T) {
	c := short(t)
	s := c.Parts[0].Summary
	s.Levels[0].Tests, s.Levels[0].EqualTimeTests, s.Levels[0].EqualTime = 15, 12, s.Levels[0].Rows
	s.Levels = append(s.Levels, study.Level{Noise: 0.2, Rows: s.Levels[0].Rows, Tests: 13, EqualTimeTests: 12})
	list, l := allSettings(c), newLooks(c)
	assert.Contains(t, differenceTable(list, l, equalEpochs, "equal epochs").Note, "for the 13 to 15 comparisons at each level of noise;")
	assert.Contains(t, differenceTable(list, l, equalTime, "equal time").Note, "for the 12 comparisons at each level of noise;")
	assert.Contains(t, differenceTable(list[:1], l, equalEpochs, "equal epochs").Note, "for the 15 comparisons;")
}

// What is at the edge is what the choice says, and the report has what grids were extended by.
func TestEdges(t *testing.T) {
	c := rough(t)
	list := allSettings(c)
	for _, s := range list {
		s.level.Rows[1].Choice.Rho = s.level.Rows[1].Choice.Candidates[0].Rho // the smallest, and as good as the next
	}
	assert.Empty(t, atEdge(list))
	assert.Empty(t, extended(list))
	rows := list[1].level.Rows
	rows[1].Choice.Rho, rows[1].Choice.AtEdge, rows[1].Choice.Extended = 1.6, true, []float64{0.8, 1.6}
	rows[3].Choice.Extended, rows[4].Choice.Extended = []float64{0.8, 1.6}, []float64{0.8}
	assert.Equal(t, "The chosen rho is at the edge of what was tried, so one beyond may be better. mlp on digits: SAM (1.6) with 20% wrong labels.", atEdge(list))
	assert.Equal(t, " Grids were extended, 20% wrong labels: of SAM and mSAM 8 by 0.8, 1.6; of mSAM 16 by 0.8.", extended(list))
	assert.Equal(t, []string{"half", "twice", "3 times"}, []string{multiple(0.5), multiple(2), multiple(3)})
}

// A setting in which nearly everything collapsed is named first.
func TestCollapsed(t *testing.T) {
	c := short(t)
	assert.Empty(t, collapsed(c))
	for i := range c.Parts[0].Summary.Levels[0].Rows {
		r := &c.Parts[0].Summary.Levels[0].Rows[i]
		for k := range r.Choice.Candidates {
			r.Choice.Candidates[k].Collapsed = 1
		}
	}
	assert.Equal(t, []string{"mlp on digits: with 23 of the 23 rhos and learning rates that were tried, a run collapsed to guessing or ended in a step " +
		"that was refused. So comparisons of its methods mean little."}, collapsed(c))
	assert.Contains(t, page(t, c), "mean little")
	for _, f := range answer(t, c, "rho").Figures {
		assert.Equal(t, "mlp on digits: all collapsed", f.Rows[0].Panels[0].(chart.Lines).Title)
	}
}

// Settings of a part lie in one row, parts of one setting share one, and a row has at most three.
func TestPack(t *testing.T) {
	sizes := func(c *study.Campaign) (sizes []int) {
		for _, row := range pack(allSettings(c)) {
			sizes = append(sizes, len(row))
		}
		return sizes
	}
	assert.Equal(t, []int{3, 3, 3, 3, 2}, sizes(wide(t)))
	five := madeUp{title: "x", base: "SGD", accuracy: 0.9, noises: []float64{0, 0.1, 0.2, 0.3, 0.4}, entries: some[:2], seeds: 2}
	one := madeUp{title: "y", base: "SGD", accuracy: 0.9, noises: []float64{0}, entries: some[:2], seeds: 2}
	assert.Equal(t, []int{3, 2, 3, 1}, sizes(campaign(t, five, one, one, one, one)))
}

// No two rows of a figure look the same, and every method that there is has a look of its own.
func TestLooks(t *testing.T) {
	c := wide(t)
	l := newLooks(c)
	for _, s := range allSettings(c) {
		seen := map[string]string{}
		for i := range s.level.Rows {
			r := &s.level.Rows[i]
			css := l.row(r).CSS()
			assert.Empty(t, seen[css], "%s looks like %s", r.Name, seen[css])
			seen[css] = r.Name + r.Settings
		}
	}
	for _, m := range sam.Methods {
		assert.True(t, chart.HasMethod(m.Name), "internal/chart has no look of %s", m.Name)
	}
}

// The charts of one study can be drawn, and that of rhos not without any.
func TestCharts(t *testing.T) {
	dir := t.TempDir()
	draw := func(c chart.Chart) error {
		f, err := chart.Create(filepath.Join(dir, "chart.svg"))
		require.NoError(t, err)
		defer f.Discard()
		return f.Draw(c)
	}
	for _, c := range []*study.Campaign{rough(t), short(t), wide(t)} {
		s := c.Parts[0].Summary
		require.NoError(t, draw(AccuracyChart("mlp on digits", s)))
		require.NoError(t, draw(RhoChart("mlp on digits", s)))
	}
	c := campaign(t, madeUp{title: "x", base: "SGD", accuracy: 0.9, noises: []float64{0}, entries: some[:1], seeds: 2})
	assert.EqualError(t, draw(RhoChart("x", c.Parts[0].Summary)), "chart: no panels")
}

func TestNumbers(t *testing.T) {
	assert.Equal(t, []string{"+0.50", minus + "0.25", "0.00", "0.00"}, []string{signed(0.5, 2), signed(-0.25, 2), signed(-0.001, 2), signed(0, 2)})
	assert.Equal(t, []string{"0", "12.3", "0.00120", "1230", "1e+09"}, []string{significant(0), significant(12.34), significant(0.0012), significant(1234), significant(1e9)})
	assert.Equal(t, []string{"p < 0.001", "p = 0.012", "p = 1"}, []string{pValue(1e-9), pValue(0.0123), pValue(1)})
	assert.Equal(t, "mSAM is ahead.", sentence("mSAM is ahead"))
	assert.Equal(t, "No difference.", sentence("no difference."))
}
