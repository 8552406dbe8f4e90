package findings

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/steppe-ml/steppe/internal/chart"
	"github.com/steppe-ml/steppe/internal/stats"
	"github.com/steppe-ml/steppe/internal/study"
)

// flatness answers whether the minima are flatter, and whether flatter ones are better.
func flatness(c *study.Campaign, l *looks) Answer {
	a := Answer{
		Name: "flatness", Title: "Flatness against accuracy", Question: "Are the minima flatter, and do flatter ones generalize better?",
		Papers: "The papers on mSAM report flatter minima than SAM's, and SAM's than SGD's (arXiv 2212.04343, 2302.09693). " +
			"A wide study of sharpness found that it does not correlate well with generalization (2302.07011).",
	}
	var list []setting
	for _, s := range allSettings(c) {
		if len(flatRows(s)) > 0 {
			list = append(list, s)
		}
	}
	if len(list) == 0 {
		a.Sentence = "No final model's flatness has been measured."
		return a
	}
	a.Sentence, a.Details = flatnessSentences(list)
	a.Figures = []Figure{flatnessFigure(list, l, lambda), flatnessFigure(list, l, sharpness)}
	for i := range c.Parts {
		var of []setting
		for _, s := range settings(&c.Parts[i]) {
			if len(flatRows(s)) > 0 {
				of = append(of, s)
			}
		}
		if len(of) > 0 {
			a.Tables = append(a.Tables, flatnessTable(of, l))
		}
	}
	a.Tables = append(a.Tables, correlationTable(list))
	return a
}

// measure is a measure of flatness. Smaller is flatter.
type measure struct {
	file, name, axis string
	about            string
	mean             func(*study.FlatnessRow) stats.Mean
	values           func(*study.FlatnessRow) []float64
}

var (
	lambda = measure{
		"flatness", "lambda_1", "lambda_1", "lambda_1 is the largest eigenvalue of the loss's Hessian.",
		func(f *study.FlatnessRow) stats.Mean { return f.Lambda1 }, func(f *study.FlatnessRow) []float64 { return f.Lambda1s },
	}
	sharpness = measure{
		"sharpness", "sharpness", "sharpness", "Sharpness is the largest rise of the loss that was found in a ball around the parameters.",
		func(f *study.FlatnessRow) stats.Mean { return f.Sharpness }, func(f *study.FlatnessRow) []float64 { return f.Sharpnesses },
	}
)

// flatRows returns the rows whose flatness was measured.
func flatRows(s setting) (rows []*study.Row) {
	for i := range s.level.Rows {
		if r := &s.level.Rows[i]; r.Flatness != nil && len(r.Flatness.Lambda1s) > 0 {
			rows = append(rows, r)
		}
	}
	return rows
}

// drawn returns the rows whose mean of a measure has a place on a logarithmic axis.
func (m measure) drawn(s setting) (rows []*study.Row) {
	for _, r := range flatRows(s) {
		if v := m.mean(r.Flatness).Mean; v > 0 && !math.IsInf(v, 0) {
			rows = append(rows, r)
		}
	}
	return rows
}

// flatnessFigure has a panel for each setting: a measure against the test accuracy.
func flatnessFigure(list []setting, l *looks, m measure) Figure {
	f := Figure{
		Name: m.file, Title: "Test accuracy against " + m.name,
		About: m.about + " Means of the methods with 95% intervals, and their runs as dots; flatter is to the left. An interval may leave the panel. " +
			"r_s is Spearman's rank correlation of the means; p is in the table.",
		Key: methodKey(list, l, false, func(r *study.Row) bool { return r.Flatness != nil }),
	}
	f.Rows = panels(list, func(s setting) chart.Panel {
		rows := m.drawn(s)
		if len(rows) == 0 {
			return nil
		}
		p := chart.Scatter{Title: s.panelTitle(), X: m.axis, Y: "test accuracy, %", LogX: true}
		if rho, _, ok := m.correlation(s); ok {
			p.Title += fmt.Sprintf(", r_s\u00a0%s", signed(rho, 2))
		}
		var means []stats.Mean
		for _, r := range rows {
			x := m.mean(r.Flatness)
			g := chart.Group{
				Name: label(r, s.base()), Look: l.row(r),
				X: chart.Estimate{Value: x.Mean, Low: x.Low, High: x.High}, Y: estimate(r.Accuracy),
			}
			means = append(means, times100(r.Accuracy))
			for i, v := range m.values(r.Flatness) {
				at := slices.Index(r.Seeds, r.Flatness.Seeds[i])
				if at >= 0 && v > 0 && !math.IsInf(v, 0) {
					g.Runs = append(g.Runs, chart.Point{X: v, Y: 100 * r.Accuracies[at]})
				}
			}
			p.Groups = append(p.Groups, g)
		}
		p.From, p.To = percentages(usefulRange(means))
		if base := row(s.level.Rows, baseMethod); base != nil && slices.Contains(rows, base) {
			p.From, p.To = withBase(base, p.From, p.To)
		}
		return p
	})
	return f
}

// correlation returns the rank correlation of a measure with accuracy, over the methods' means.
func (m measure) correlation(s setting) (rho, p float64, ok bool) {
	var x, y []float64
	for _, r := range flatRows(s) {
		x, y = append(x, m.mean(r.Flatness).Mean), append(y, r.Accuracy.Mean)
	}
	return stats.Spearman(x, y)
}

// overRuns returns the rank correlation of a measure with accuracy over the runs of all methods. Runs
// of one method aren't independent, so there is no test.
func (m measure) overRuns(s setting) (rho float64, n int, ok bool) {
	var x, y []float64
	for _, r := range flatRows(s) {
		for i, v := range m.values(r.Flatness) {
			if at := slices.Index(r.Seeds, r.Flatness.Seeds[i]); at >= 0 {
				x, y = append(x, v), append(y, r.Accuracies[at])
			}
		}
	}
	rho, ok = stats.RankCorrelation(x, y)
	return rho, len(x), ok
}

// ratio returns the geometric mean of a measure over another row's, seed by seed, with its 95%
// interval; ok is false without two seeds in common.
func (m measure) ratio(r, other *study.Row) (mean stats.Mean, ok bool) {
	var logs []float64
	for i, seed := range r.Flatness.Seeds {
		at := slices.Index(other.Flatness.Seeds, seed)
		if at < 0 {
			continue
		}
		if a, b := m.values(r.Flatness)[i], m.values(other.Flatness)[at]; a > 0 && b > 0 {
			logs = append(logs, math.Log(a/b))
		}
	}
	if len(logs) < 2 {
		return stats.Mean{}, false
	}
	of := stats.MeanOf(logs)
	return stats.Mean{Mean: math.Exp(of.Mean), Low: math.Exp(of.Low), High: math.Exp(of.High)}, true
}

// flatter counts the comparisons of a method's rows with another method.
type flatter struct {
	smaller, larger, even int // by 95% intervals that aren't corrected
	ratios                []float64
}

func (m measure) flatter(list []setting, method, other string) (f flatter) {
	for _, s := range list {
		var against *study.Row
		for _, r := range flatRows(s) {
			if r.Method == other && against == nil {
				against = r
			}
		}
		for _, r := range flatRows(s) {
			if against == nil || r.Method != method {
				continue
			}
			ratio, ok := m.ratio(r, against)
			if !ok {
				continue
			}
			f.ratios = append(f.ratios, ratio.Mean)
			switch {
			case ratio.High < 1:
				f.smaller++
			case ratio.Low > 1:
				f.larger++
			default:
				f.even++
			}
		}
	}
	return f
}

func (f flatter) all() int { return f.smaller + f.larger + f.even }

// verdict says how the measure of a method compares, as in "mSAM's lambda_1 is smaller than SAM's in
// 9 of 12 comparisons".
func (f flatter) verdict(title, name, other string) string {
	n := counted(f.all(), "comparison")
	switch {
	case f.smaller == 0 && f.larger == 0:
		return fmt.Sprintf("no difference between %s's %s and %s is shown in %s", title, name, possessive(other), n)
	case f.smaller == 0:
		return fmt.Sprintf("%s's %s is larger than %s in %d of %s and smaller in none", title, name, possessive(other), f.larger, n)
	}
	return fmt.Sprintf("%s's %s is smaller than %s in %d of %s and larger in %s", title, name, possessive(other), f.smaller, n, amount(f.larger))
}

// kin says why there is no test of the correlations over methods.
const kin = "Methods that are kin, such as mSAM with 4 and with 8 shards, aren't independent, so the correlation over methods isn't tested."

// flatnessSentences returns the answer in short, and more about it.
func flatnessSentences(list []setting) (short string, details []string) {
	base := baseTitle(list)
	var clauses []string
	for _, of := range []struct{ title, method, otherTitle, other string }{
		{"mSAM", msamMethod, "SAM", samMethod}, {"SAM", samMethod, base, baseMethod}, {"mSAM", msamMethod, base, baseMethod},
	} {
		f := lambda.flatter(list, of.method, of.other)
		if f.all() == 0 {
			continue
		}
		if len(clauses) == 0 {
			clauses = append(clauses, f.verdict(of.title, "lambda_1", of.otherTitle))
		} else {
			details = append(details, sentence(f.verdict(of.title, "lambda_1", of.otherTitle)))
		}
		details = append(details, fmt.Sprintf("%s's lambda_1 over %s: %s by the median of the comparisons' geometric means, from %s to %s.",
			of.title, possessive(of.otherTitle), significant(stats.Median(f.ratios)), significant(slices.Min(f.ratios)), significant(slices.Max(f.ratios))))
	}
	all := 0
	var rhos []float64
	for _, s := range list {
		rho, _, ok := lambda.correlation(s)
		if !ok {
			continue
		}
		all++
		rhos = append(rhos, rho)
	}
	if all > 0 {
		text := fmt.Sprintf("the rank correlation of lambda_1 with test accuracy over the methods is %s", signed(rhos[0], 2))
		if all > 1 {
			text = fmt.Sprintf("the rank correlation of lambda_1 with test accuracy over the methods is from %s to %s, with a median of %s over %d settings",
				signed(slices.Min(rhos), 2), signed(slices.Max(rhos), 2), signed(stats.Median(rhos), 2), all)
		}
		switch {
		case slices.Max(rhos) < 0:
			text += ": flatter goes with more accurate"
		case slices.Min(rhos) > 0:
			text += ": flatter goes with less accurate"
		}
		clauses = append(clauses, text)
	}
	if clauses == nil {
		clauses = []string{"too few models were measured to compare"}
	}
	details = append(details, "Ratios are taken seed by seed, and smaller and larger mean that their 95% interval, not corrected for the "+
		"number of comparisons, leaves out 1. "+kin)
	details = append(details, measuredOn(list)...)
	return sentence(joinClauses(clauses)), details
}

// measuredOn says on what flatness was measured.
func measuredOn(list []setting) (details []string) {
	var said []string
	for _, s := range list {
		f := flatRows(s)[0].Flatness
		labels := "the labels that the model was trained with"
		if f.Labels == "true" {
			labels = "clean labels"
		}
		text := fmt.Sprintf("Measured on %d training samples with %s; sharpness is the largest rise of the loss that was found within rho %v",
			f.Samples, labels, f.Rho)
		switch f.Mode {
		case "running":
			text += ", with the running statistics of normalizations"
		case "batch":
			text += ", with each batch's own statistics in normalizations"
		}
		if !slices.Contains(said, text) {
			said = append(said, text)
		}
	}
	for _, text := range said {
		details = append(details, text+".")
	}
	problems := 0
	for _, s := range list {
		for i := range s.level.Rows {
			if f := s.level.Rows[i].Flatness; f != nil {
				problems += len(f.Problems)
			}
		}
	}
	if problems > 0 {
		details = append(details, fmt.Sprintf("%s couldn't be measured.", counted(problems, "final model")))
	}
	return details
}

// flatnessTable has the flatness of a part's methods.
func flatnessTable(list []setting, l *looks) Table {
	t := Table{
		Part: list[0].part.Title, Title: list[0].part.Title + ": flatness of the final models", Header: []string{"method"},
		Note: "Means over seeds, ± half their 95% intervals.",
	}
	for _, s := range list {
		name := ""
		if len(list) > 1 {
			name = ", " + s.noise()
		}
		t.Header = append(t.Header, "lambda_1"+name, "sharpness"+name)
	}
	for _, m := range methodRows(list, equalEpochs) {
		row := TableRow{Look: l.row(m.first), Cells: []Cell{{Text: label(m.first, list[0].base())}}}
		any := false
		for _, r := range m.of {
			if r == nil || r.Flatness == nil || len(r.Flatness.Lambda1s) == 0 {
				row.Cells = append(row.Cells, Cell{}, Cell{})
				continue
			}
			any = true
			for _, m := range []measure{lambda, sharpness} {
				mean := m.mean(r.Flatness)
				text := significant(mean.Mean)
				if len(r.Flatness.Lambda1s) > 1 {
					text += " ±" + significant(mean.Half())
				}
				row.Cells = append(row.Cells, Cell{Text: text})
			}
		}
		if any {
			t.Rows = append(t.Rows, row)
		}
	}
	return t
}

// correlationTable has the rank correlations of all settings.
func correlationTable(list []setting) Table {
	t := Table{
		Title:  "Rank correlation with test accuracy",
		Header: []string{"setting", "lambda_1, methods", "lambda_1, runs", "sharpness, methods", "sharpness, runs"},
		Note: "Spearman's, of the methods' means and of all their runs. Negative: flatter goes with more accurate. p is by permutation, as if methods " +
			"were independent. Those that are kin aren't, and runs of one method aren't, so p is too small and shows nothing alone.",
		Wrap: true,
	}
	for _, s := range list {
		row := TableRow{Cells: []Cell{{Text: s.String()}}}
		for _, m := range []measure{lambda, sharpness} {
			if rho, p, ok := m.correlation(s); ok {
				row.Cells = append(row.Cells, Cell{Text: unbroken(fmt.Sprintf("%s, %s, n = %d", signed(rho, 2), pValue(p), len(flatRows(s))))})
			} else {
				row.Cells = append(row.Cells, Cell{})
			}
			if rho, n, ok := m.overRuns(s); ok {
				row.Cells = append(row.Cells, Cell{Text: unbroken(fmt.Sprintf("%s, n = %d", signed(rho, 2), n))})
			} else {
				row.Cells = append(row.Cells, Cell{})
			}
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// unbroken returns a text whose equations stay on one line.
func unbroken(s string) string {
	return strings.NewReplacer(" = ", "\u00a0=\u00a0", " < ", "\u00a0<\u00a0").Replace(s)
}
