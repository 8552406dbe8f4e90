package findings

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/steppe-ml/steppe/internal/chart"
	"github.com/steppe-ml/steppe/internal/stats"
	"github.com/steppe-ml/steppe/internal/study"
)

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
