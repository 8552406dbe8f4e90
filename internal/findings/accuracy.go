package findings

import (
	"fmt"
	"math"
	"slices"

	"github.com/steppe-ml/steppe/internal/chart"
	"github.com/steppe-ml/steppe/internal/stats"
	"github.com/steppe-ml/steppe/internal/study"
)

// accuracy answers whether the methods generalize better.
func accuracy(c *study.Campaign, l *looks) Answer {
	list := allSettings(c)
	a := Answer{
		Name: "accuracy", Title: "Accuracy", Question: "Does it generalize better?",
		Papers: "The paper on mSAM reports a better accuracy than SAM's and plain training's on images and text " +
			"(arXiv 2212.04343); SAM's a better one than SGD's (2010.01412).",
	}
	if len(list) == 0 {
		a.Sentence = "No setting has a finished run of every method yet."
		return a
	}
	a.Sentence, a.Details = accuracySentences(list)
	a.Figures = append(a.Figures, accuracyFigure(list, l))
	if f := differenceFigure(list, l); f.Rows != nil {
		a.Figures = append(a.Figures, f)
	}
	if len(list) > 1 {
		a.Tables = append(a.Tables, comparisonTable(list, l, equalEpochs, "equal epochs"))
		if has(list, equalTime) {
			a.Tables = append(a.Tables, comparisonTable(list, l, equalTime, "equal time"))
		}
	}
	for i := range c.Parts {
		of := settings(&c.Parts[i])
		if len(of) == 0 {
			continue
		}
		a.Tables = append(a.Tables, accuracyTable(of, l, equalEpochs, "equal epochs"), differenceTable(of, l, equalEpochs, "equal epochs"))
		if has(of, equalTime) {
			a.Tables = append(a.Tables, accuracyTable(of, l, equalTime, "equal time"), differenceTable(of, l, equalTime, "equal time"))
		}
		if t, ok := calibrationTable(of, l); ok {
			a.Tables = append(a.Tables, t)
		}
	}
	return a
}

// hasMethod reports whether a setting has a row of a method.
func hasMethod(list []setting, method string) bool {
	return slices.ContainsFunc(list, func(s setting) bool { return row(s.level.Rows, method) != nil })
}

// has reports whether a setting has rows of a comparison.
func has(list []setting, rows func(*study.Level) []study.Row) bool {
	for _, s := range list {
		if len(rows(s.level)) > 0 {
			return true
		}
	}
	return false
}

// accuracySentences returns the answer in short, and more about it.
func accuracySentences(list []setting) (short string, details []string) {
	base := baseTitle(list)
	msamSAM := comparison(list, equalEpochs, msamMethod, vsSAM)
	msamSGD := comparison(list, equalEpochs, msamMethod, vsSGD)
	samSGD := comparison(list, equalEpochs, samMethod, vsSGD)
	switch {
	case msamSAM.all() > 0 && msamSGD.all() > 0:
		short = sentences(both("mSAM", &msamSAM, "SAM", &msamSGD, base))
	case msamSAM.all() > 0:
		short = msamSAM.verdict("mSAM", "SAM")
	case msamSGD.all() > 0:
		short = msamSGD.verdict("mSAM", base)
	case samSGD.all() > 0:
		short = samSGD.verdict("SAM", base)
	default:
		short = "the study has nothing to compare with " + base + " or SAM"
	}
	describe := func(subject, other string, t tally, verdict bool) {
		if t.all() == 0 {
			return
		}
		text := fmt.Sprintf("%s against %s: %s", subject, other, t.size())
		switch one := t.all() == 1 && t.ahead+t.behind == 1; { // then the verdict says it all
		case one && !verdict:
			return
		case one:
			text = t.verdict(subject, other)
		case verdict:
			text = t.verdict(subject, other) + ": " + t.size()
		}
		if alone := t.alone(); alone != "" && (t.all() > 1 || t.even > 0) {
			text += "; " + alone
		}
		if remaining := t.remaining(); remaining != "" {
			text += "; " + remaining
		}
		details = append(details, sentence(text))
	}
	describe("mSAM", "SAM", msamSAM, false)
	describe("mSAM", base, msamSGD, false)
	if msamSAM.all()+msamSGD.all() > 0 {
		describe("SAM", base, samSGD, true)
	}
	if text := equalTimeSentence(list); text != "" {
		details = append(details, text)
	}
	if text := calibrationSentence(list); text != "" {
		details = append(details, text)
	}
	details = append(details, testNote(list))
	if text := sampleNote(list); text != "" {
		details = append(details, text)
	}
	return sentence(short), details
}

// equalTimeSentence says how methods compare after equal time; "" if that wasn't measured.
func equalTimeSentence(list []setting) string {
	base := baseTitle(list)
	msamSAM := comparison(list, equalTime, msamMethod, vsSAM)
	msamSGD := comparison(list, equalTime, msamMethod, vsSGD)
	samSGD := comparison(list, equalTime, samMethod, vsSGD)
	var clauses []string
	switch {
	case msamSAM.all() > 0 && msamSGD.all() > 0:
		clauses = append(clauses, both("mSAM", &msamSAM, "SAM", &msamSGD, base)...)
	case msamSAM.all() > 0:
		clauses = append(clauses, msamSAM.verdict("mSAM", "SAM"))
	case msamSGD.all() > 0:
		clauses = append(clauses, msamSGD.verdict("mSAM", base))
	}
	if samSGD.all() > 0 {
		clauses = append(clauses, samSGD.verdict("SAM", base))
	}
	if clauses == nil {
		return ""
	}
	return sentence("With equal time instead of equal epochs, " + joinClauses(clauses))
}

// joinClauses joins clauses that have commas and "and" of their own.
func joinClauses(clauses []string) string {
	text := ""
	for i, c := range clauses {
		if i > 0 {
			text += "; "
		}
		text += c
	}
	return text
}

// testNote says how differences were tested.
func testNote(list []setting) string {
	least, most, all := math.MaxInt, 0, 0
	for _, s := range list {
		for _, n := range []int{s.level.Tests, s.level.EqualTimeTests} {
			if n > 0 {
				least, most, all = min(least, n), max(most, n), all+n
			}
		}
	}
	if all == 0 {
		return "With one seed there is no test of differences."
	}
	each := fmt.Sprint(most)
	if least < most {
		each = fmt.Sprintf("%d to %d", least, most)
	}
	return fmt.Sprintf("A comparison is of one method with one number of shards, in one setting. Ahead and behind mean a paired t-test "+
		"over seeds with p < %v, corrected by Holm for the %s comparisons of a setting and a budget. There are %d comparisons in all; "+
		"the correction doesn't reach across settings.", alpha, each, all)
}

// sampleNote says what intervals and tests are of, and what they rely on; "" if there are none.
func sampleNote(list []setting) string {
	seeds := 0
	var sample extent
	for _, s := range list {
		for _, r := range s.level.Rows {
			seeds = max(seeds, len(r.Accuracies))
		}
		if n := s.part.Summary.TestSamples; n > 0 {
			sample.add(100 / float64(n))
		}
	}
	if seeds < 2 {
		return ""
	}
	text := "Intervals and tests are of other seeds, not of other test samples"
	if sample.n > 0 {
		text += fmt.Sprintf("; one sample is %s points", &sample)
	}
	return fmt.Sprintf("%s. With %d seeds, they rely on differences that are about normal.", text, seeds)
}

// accuracyFigure has a panel for each setting, with a row for each method.
func accuracyFigure(list []setting, l *looks) Figure {
	f := Figure{
		Name: "accuracy", Title: "Test accuracy",
		About: "Means over seeds with 95% intervals. An interval may leave the panel. An arrow at the edge is a value beyond it.",
	}
	if has(list, equalTime) {
		f.Key = []chart.Key{{Name: "equal epochs"}, {Name: "equal time", Open: true}}
	}
	dashed := false
	f.Rows = panels(list, func(s setting) chart.Panel {
		d := chart.Dots{Title: s.panelTitle(), X: "test accuracy, %"}
		var means []stats.Mean
		for i := range s.level.Rows {
			r := &s.level.Rows[i]
			of := chart.Row{Name: chartLabel(r, s.base()), Look: l.row(r), Estimates: []chart.Estimate{estimate(r.Accuracy)}}
			means = append(means, times100(r.Accuracy))
			if has([]setting{s}, equalTime) {
				e := chart.Estimate{Value: math.NaN()}
				if other := same(s.level.EqualTime, r); other != nil {
					e = estimate(other.Accuracy)
					means = append(means, times100(other.Accuracy))
				}
				of.Estimates = append(of.Estimates, e)
			}
			d.Rows = append(d.Rows, of)
		}
		d.From, d.To = percentages(usefulRange(means))
		if base := row(s.level.Rows, baseMethod); base != nil {
			d.From, d.To = withBase(base, d.From, d.To)
			if mean := 100 * base.Accuracy.Mean; mean >= d.From && mean <= d.To {
				d.Upright = []float64{mean}
				dashed = true
			}
		}
		return d
	})
	if dashed {
		f.About += fmt.Sprintf(" Dashed: %s.", baseTitle(list))
	}
	return f
}

// same returns the row of a method with its shards and settings, nil if there is none.
func same(rows []study.Row, r *study.Row) *study.Row {
	for i := range rows {
		if o := &rows[i]; o.Method == r.Method && o.Shards == r.Shards && o.Settings == r.Settings {
			return o
		}
	}
	return nil
}

// differenceFigure has a panel for each setting, with the differences of each method to SGD and SAM.
func differenceFigure(list []setting, l *looks) Figure {
	base := baseTitle(list)
	f := Figure{
		Name: "differences", Title: "Differences in test accuracy, seed by seed",
		About: "Means with 95% intervals that aren't corrected, after equal epochs. A star marks a difference that the corrected test shows.",
	}
	others := []func(*study.Row) *study.Difference{}
	if hasMethod(list, baseMethod) {
		f.Key, others = append(f.Key, chart.Key{Name: "minus " + base}), append(others, vsSGD)
	}
	if hasMethod(list, samMethod) {
		f.Key, others = append(f.Key, chart.Key{Name: "minus SAM", Open: f.Key != nil}), append(others, vsSAM)
	}
	f.Rows = panels(list, func(s setting) chart.Panel {
		d := chart.Dots{Title: s.panelTitle(), X: "difference, points", Upright: []float64{0}}
		means := []stats.Mean{{}}
		for i := range s.level.Rows {
			r := &s.level.Rows[i]
			if r.Method == baseMethod || r.VsSGD == nil && r.VsSAM == nil {
				continue
			}
			of := chart.Row{Name: chartLabel(r, s.base()), Look: l.row(r)}
			for _, get := range others {
				e := chart.Estimate{Value: math.NaN()}
				if diff := get(r); diff != nil {
					e = estimate(diff.Mean)
					if diff.PHolm != nil && *diff.PHolm < alpha {
						e.Text = "*"
					}
					means = append(means, times100(diff.Mean))
				}
				of.Estimates = append(of.Estimates, e)
			}
			d.Rows = append(d.Rows, of)
		}
		if d.Rows == nil {
			return nil
		}
		d.From, d.To = usefulRange(means)
		d.From, d.To = min(d.From, 0), max(d.To, 0)
		return d
	})
	return f
}

// estimate returns a mean in percent.
func estimate(m stats.Mean) chart.Estimate {
	return chart.Estimate{Value: 100 * m.Mean, Low: 100 * m.Low, High: 100 * m.High}
}

func times100(m stats.Mean) stats.Mean {
	return stats.Mean{Mean: 100 * m.Mean, Low: 100 * m.Low, High: 100 * m.High}
}
