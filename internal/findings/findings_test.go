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

// The sentences say what the corrected tests show, and that alone.
func TestAccuracySentence(t *testing.T) {
	one := func(effect float64, seeds int) *study.Campaign {
		return campaign(t, madeUp{title: "mlp on digits", base: "SGD", accuracy: 0.95, noises: []float64{0, 0.2}, entries: some, seeds: seeds, samples: 1438, effect: effect})
	}
	assert.Equal(t, "No difference between mSAM and SAM, nor between mSAM and SGD, is shown in any of 8 comparisons.", answer(t, one(0, 5), "accuracy").Sentence)
	assert.Regexp(t, `^mSAM is ahead of SAM in \d of 8 comparisons, by .* points, and behind in none; it is ahead of SGD in 8 of 8 comparisons, by .*, and behind in none\.$`,
		answer(t, one(3, 10), "accuracy").Sentence)
	assert.Regexp(t, `^mSAM is behind SAM in \d of 8 comparisons, by .* points, and ahead in none; it is behind SGD in 8 of 8 comparisons, by .*, and ahead in none\.$`,
		answer(t, one(-3, 10), "accuracy").Sentence)
	assert.Equal(t, "One seed is too few to compare mSAM, SAM and SGD.", answer(t, one(3, 1), "accuracy").Sentence)
	assert.Equal(t, "No setting has a finished run of every method yet.", answer(t, &study.Campaign{}, "accuracy").Sentence)

	c := campaign(t, madeUp{title: "x", base: "AdamW", accuracy: 0.95, noises: []float64{0}, entries: some[:2], seeds: 5, effect: 0})
	assert.Equal(t, "Between SAM and AdamW, no difference is shown.", answer(t, c, "accuracy").Sentence)
	c = campaign(t, madeUp{title: "x", base: "SGD", accuracy: 0.95, noises: []float64{0}, entries: some[:1], seeds: 5})
	assert.Equal(t, "The study has nothing to compare with SGD or SAM.", answer(t, c, "accuracy").Sentence)
}

// A tally counts by the corrected test, and intervals on their own.
func TestTally(t *testing.T) {
	p := func(v float64) *float64 { return &v }
	var y tally
	y.add(nil)
	assert.Zero(t, y.all())
	y.add(&study.Difference{Mean: stats.Mean{Mean: 0.02, Low: 0.01, High: 0.03}, PHolm: p(0.01)})
	y.add(&study.Difference{Mean: stats.Mean{Mean: -0.01, Low: -0.015, High: -0.005}, PHolm: p(0.04)})
	y.add(&study.Difference{Mean: stats.Mean{Mean: 0.01, Low: 0.001, High: 0.019}, PHolm: p(0.06)})
	y.add(&study.Difference{Mean: stats.Mean{Mean: 0.5}})
	assert.Equal(t, []int{1, 1, 1, 1, 2, 1}, []int{y.ahead, y.behind, y.even, y.untested, y.above, y.below})
	assert.Equal(t, "mSAM is ahead of SAM in 1 of 3 comparisons, by 2.00 points, and behind in 1, by 1.00 points", y.verdict("mSAM", "SAM"))
	assert.Equal(t, "a median difference of +1.50 points (from −1.00 to +50.00)", y.size())
	assert.Equal(t, "uncorrected, 2 of 3 intervals lie above zero and 1 below", y.alone())
}

// Details say how large differences are, what they are after equal time, and what calibration is.
func TestAccuracyDetails(t *testing.T) {
	details := strings.Join(answer(t, wide(t), "accuracy").Details, "\n")
	assert.Regexp(t, `(?m)^mSAM against SAM: a median difference of \+0\.\d\d points \(from \S+ to \S+\); uncorrected, \d+ of 56 intervals lie above zero and \d+ below; \d+ of these \d+ remain if all 534 comparisons of the study are corrected together\.$`, details)
	assert.Regexp(t, `(?m)^SAM is ahead of SGD or AdamW in \d+ of 14 comparisons, .*: a median difference`, details)
	assert.Regexp(t, `(?m)^With equal time instead of equal epochs, mSAM is ahead of SAM in \d+ of 48 comparisons.*; it is ahead of SGD or AdamW in .*; SAM is ahead`, details)
	assert.Regexp(t, `(?m)^mSAM's mean calibration error is \d\.\d%, SAM's \d\.\d%, SGD's or AdamW's \d\.\d%, over 14 settings\.$`, details)
	assert.Contains(t, details, "Intervals and tests are of other seeds, not of other test samples; one sample is 0.02 points. With 5 seeds, they rely on differences that are about normal.")
	assert.Contains(t, details, "corrected by Holm for the 15 to 21 comparisons of a setting and a budget")
	assert.NotContains(t, strings.Join(answer(t, rough(t), "accuracy").Details, "\n"), "equal time")
	assert.Contains(t, strings.Join(answer(t, short(t), "accuracy").Details, "\n"), "With one seed there is no test of differences.")
}

func TestCostSentence(t *testing.T) {
	assert.Equal(t, "A step of SAM takes 1.96 times as long as one of SGD or AdamW, and a step of mSAM 0.93 to 1.02 times as long as one of SAM.",
		answer(t, wide(t), "cost").Sentence)
	a := answer(t, rough(t), "cost")
	assert.Contains(t, a.Details[len(a.Details)-1], "compare only roughly")
	c := campaign(t, madeUp{title: "x", base: "SGD", accuracy: 0.95, noises: []float64{0}, entries: []entry{many[0], many[8]}, seeds: 2})
	assert.Equal(t, "A step takes 1.41 times as long as one of SGD with ESAM.", answer(t, c, "cost").Sentence)
	assert.Equal(t, "No times of steps beside SGD's are known yet.", answer(t, &study.Campaign{}, "cost").Sentence)
}

// Where costs are worse than they should be, or nobody knows, that stands in place of the answer.
func TestDoubtfulCosts(t *testing.T) {
	made := madeUp{title: "x", base: "SGD", accuracy: 0.95, noises: []float64{0}, entries: many[:8], seeds: 2, costs: true}
	c := campaign(t, made)
	good := answer(t, c, "cost")
	assert.Contains(t, good.Details, "The methods took turns, timed by the processor time of the process. "+
		"By a second SAM in the turns, and by how much the turns differed, the costs are good to 1.2%.")
	off := 0.071
	c.Parts[0].Summary.Costs[3].Off, c.Parts[0].Summary.Costs[0].Clock = &off, study.WallClock
	doubtful := answer(t, c, "cost")
	assert.Equal(t, "The costs are only good to 8%.", doubtful.Sentence)
	assert.Equal(t, good.Sentence, doubtful.Details[0])
	assert.Contains(t, doubtful.Details[len(doubtful.Details)-1], "by the time that passed, in which other programs may have run. By a second SAM")
	c.Parts[0].Summary.Costs[3].Off = nil
	old := answer(t, c, "cost")
	assert.Equal(t, "It isn't known how good the costs are: they were measured without a control.", old.Sentence)
	assert.NotContains(t, old.Details[len(old.Details)-1], "good to")

	c.Parts[0].Summary.Levels[0].EqualTimeMissing = []string{"ESAM"}
	assert.Contains(t, strings.Join(doubts(c), "\n"), "lacks ESAM at equal time: no seed is finished, or the cost isn't known.")
}

// Before SGD has a row, nothing is said of it, and methods without rows have their titles.
func TestWithoutSGD(t *testing.T) {
	c := campaign(t, madeUp{title: "x", base: "SGD", accuracy: 0.95, noises: []float64{0}, entries: many[:8], seeds: 2, costs: true})
	l := &c.Parts[0].Summary.Levels[0]
	l.Rows = l.Rows[1:6] // without SGD, ASAM and mASAM
	for i := range l.Rows {
		l.Rows[i].VsSGD = nil
	}
	f := New(c)
	for _, fig := range append(f.Answers[0].Figures, f.Answers[2].Figures...) {
		assert.NotContains(t, fig.About, "Dashed", fig.Name)
		for _, k := range fig.Key {
			assert.NotContains(t, k.Name, "SGD", fig.Name)
		}
	}
	assert.Equal(t, []chart.Key{{Name: "minus SAM"}}, f.Answers[0].Figures[1].Key)
	var titles []string
	for _, r := range f.Answers[1].Tables[0].Rows {
		titles = append(titles, r.Cells[0].Text)
	}
	assert.Equal(t, []string{"SGD", "SAM", "mSAM 4", "mSAM 8", "mSAM 16", "mSAM 32", "ASAM", "mASAM 8"}, titles)
}

func TestRhoSentence(t *testing.T) {
	assert.Equal(t, "The rho chosen for mSAM with 32 shards is smaller than SAM's in both settings; it is 0.2 times SAM's (median).",
		answer(t, rough(t), "rho").Sentence)
	assert.Equal(t, "smaller in 2, larger in 1 of 4 settings", strings.ReplaceAll(shares(4, []share{{2, "smaller"}, {0, "the same"}, {1, "larger"}}), " and ", ", "))
	assert.Equal(t, "smaller", shares(1, []share{{1, "smaller"}, {0, "larger"}}))
	c := short(t)
	for i := range c.Parts[0].Summary.Levels[0].Rows {
		c.Parts[0].Summary.Levels[0].Rows[i].Choice.Candidates = nil
	}
	a := answer(t, c, "rho")
	assert.Equal(t, "There was no rho to choose, or none is chosen yet.", a.Sentence)
	assert.Empty(t, a.Figures)
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

func TestFlatnessSentence(t *testing.T) {
	a := answer(t, wide(t), "flatness")
	assert.Regexp(t, `^mSAM's lambda_1 is smaller than SAM's in \d+ of 56 comparisons and larger in none; the rank correlation of lambda_1 `+
		`with test accuracy over the methods is from −0\.\d+ to −0\.\d+, with a median of −0\.\d+ over 14 settings: `+
		`flatter goes with more accurate\.$`, a.Sentence)
	a = answer(t, rough(t), "flatness")
	assert.Regexp(t, `over the methods is from .* over 2 settings\.$`, a.Sentence)
	assert.Contains(t, strings.Join(a.Details, "\n"), "aren't independent, so the correlation over methods isn't tested")
	assert.Contains(t, a.Details[len(a.Details)-1], "2 final models couldn't be measured")
	assert.Equal(t, "No final model's flatness has been measured.", answer(t, short(t), "flatness").Sentence)
}

// The page says what makes a study's figures doubtful.
func TestDoubts(t *testing.T) {
	list := strings.Join(doubts(rough(t)), "\n")
	for _, want := range []string{
		"300 of 800 runs are done", "lenet on mnist has no results yet", "lacks ESAM, of which no seed is finished",
		"mlp on digits, clean labels: the training loss still fell over the last tenth of the epochs with SGD (30%).",
		"mSAM 32: 1 of 3 runs collapsed to guessing", "mSAM 32: 3 of 3 runs collapsed to guessing",
	} {
		assert.Contains(t, list, want)
	}
	assert.Empty(t, doubts(wide(t)))
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

// Labels have settings without what the method's name says.
func TestShortNames(t *testing.T) {
	for want, r := range map[string]study.Row{
		"mSAM 8":                {Title: "mSAM", Method: "msam", Shards: 8},
		"mSAM 8, every 2":       {Title: "mSAM", Method: "msam", Shards: 8, Settings: "ascent.every=2"},
		"GSAM 0.2":              {Title: "GSAM", Method: "gsam", Shards: 1, Settings: "descent.orthogonal=0.2"},
		"WSAM 0.5, decoupled":   {Title: "WSAM", Method: "wsam", Shards: 1, Settings: "descent.weight=0.5, descent.decoupled=true"},
		"LookSAM every 2":       {Title: "LookSAM", Method: "looksam", Shards: 1, Settings: "ascent.every=2"},
		"LookSAM not norm-only": {Title: "LookSAM", Method: "looksam", Shards: 1, Settings: "ascent.norm-only=false"},
		"AdamW":                 {Title: "SGD", Method: "sgd", Shards: 1},
	} {
		assert.Equal(t, want, label(&r, "AdamW"))
	}
}

// The tests of all settings and budgets can be corrected together: SGD against SAM and SAM against
// SGD are one of them.
func TestTogether(t *testing.T) {
	c := wide(t)
	corrected, several := together(allSettings(c))
	assert.True(t, several)
	tests := 0
	for _, s := range allSettings(c) {
		tests += s.level.Tests + s.level.EqualTimeTests
	}
	assert.Len(t, corrected, tests)
	for d, p := range corrected {
		assert.GreaterOrEqual(t, p, *d.PHolm, "more tests correct no less")
	}
	one, several := together(allSettings(rough(t))[:1])
	assert.False(t, several)
	for d, p := range one {
		assert.InDelta(t, *d.PHolm, p, 1e-12, "of one table it is the same correction")
	}
	y := tally{ahead: 2, behind: 1, remain: 1, together: 90}
	assert.Equal(t, "1 of these 3 remains if all 90 comparisons of the study are corrected together", y.remaining())
	y = tally{ahead: 2, remain: 2, together: 90}
	assert.Equal(t, "all 2 remain if all 90 comparisons of the study are corrected together", y.remaining())
	y = tally{behind: 1, together: 90}
	assert.Equal(t, "that one doesn't remain if all 90 comparisons of the study are corrected together", y.remaining())
	assert.Empty(t, (&tally{even: 2, together: 90}).remaining())
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
