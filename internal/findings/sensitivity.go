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

// sensitivity answers how accuracy depends on rho, and how the best rho depends on shards.
func sensitivity(c *study.Campaign, l *looks) Answer {
	a := Answer{
		Name: "rho", Title: "Sensitivity to rho", Question: "How much does rho matter, and how does it depend on shards?",
		Papers: "Papers choose rho on a grid for each method, SAM's from 0.01 to 0.5 (arXiv 2010.01412). The gradient of a smaller " +
			"shard is noisier, so a rho that suits a whole batch can be too much for it.",
	}
	var list []setting
	for _, s := range allSettings(c) {
		if len(curvesOf(s, func(*study.Row) bool { return true })) > 0 {
			list = append(list, s)
		}
	}
	if len(list) == 0 {
		a.Sentence = "There was no rho to choose, or none is chosen yet."
		return a
	}
	a.Sentence, a.Details = rhoSentences(list)
	for _, f := range []Figure{
		rhoFigure("rho", "Validation accuracy by rho: SAM and mSAM", list, l, inFamily),
		rhoFigure("rho-others", "Validation accuracy by rho: other methods", list, l, func(r *study.Row) bool { return !inFamily(r) }),
	} {
		if f.Rows != nil {
			a.Figures = append(a.Figures, f)
		}
	}
	for i := range c.Parts {
		if of := settings(&c.Parts[i]); len(of) > 0 {
			a.Tables = append(a.Tables, chosenTable(of, l))
		}
	}
	for _, s := range list {
		a.Tables = append(a.Tables, rhoTable(s, l))
	}
	return a
}

// inFamily reports whether a row is of SAM or mSAM, whose rhos compare.
func inFamily(r *study.Row) bool { return r.Method == samMethod || r.Method == msamMethod }

// rhoCurve is the validation accuracy of a method by rho, at the best learning rate for each.
type rhoCurve struct {
	row      *study.Row
	rhos     []float64
	accuracy []float64 // percent
	failed   []bool    // a run collapsed or diverged
	best     int       // number of the chosen rho, from 1 on; 0 if it isn't among them
}

// curvesOf returns the curves of a setting's rows that have several rhos.
func curvesOf(s setting, has func(*study.Row) bool) (list []rhoCurve) {
	for i := range s.level.Rows {
		r := &s.level.Rows[i]
		if r.Choice.Rho == 0 || !has(r) {
			continue
		}
		c := rhoCurve{row: r}
		for _, candidate := range r.Choice.Candidates {
			failed := candidate.Collapsed+candidate.Diverged > 0
			at, ok := slices.BinarySearch(c.rhos, candidate.Rho)
			if !ok {
				c.rhos = slices.Insert(c.rhos, at, candidate.Rho)
				c.accuracy = slices.Insert(c.accuracy, at, 100*candidate.Accuracy.Mean)
				c.failed = slices.Insert(c.failed, at, failed)
			} else if 100*candidate.Accuracy.Mean > c.accuracy[at] {
				c.accuracy[at], c.failed[at] = 100*candidate.Accuracy.Mean, failed
			}
		}
		if len(c.rhos) > 1 {
			c.best = slices.Index(c.rhos, r.Choice.Rho) + 1
			list = append(list, c)
		}
	}
	return list
}

// baseValidation returns the base optimizer's validation accuracy in percent; NaN if it isn't known.
func baseValidation(s setting) float64 {
	base := row(s.level.Rows, baseMethod)
	if base == nil || len(base.Choice.Candidates) == 0 {
		return math.NaN()
	}
	best := 0.0
	for _, c := range base.Choice.Candidates {
		best = max(best, c.Accuracy.Mean)
	}
	return 100 * best
}

// rhoFigure has a panel for each setting, with a line for each method.
func rhoFigure(name, title string, list []setting, l *looks, has func(*study.Row) bool) Figure {
	f := Figure{
		Name: name, Title: title,
		About: "Means over the seeds of the choice, at the best learning rate of each rho. A ring marks the chosen rho.",
		Key:   methodKey(list, l, true, func(r *study.Row) bool { return r.Choice.Rho > 0 && len(r.Choice.Candidates) > 1 && has(r) }),
	}
	if slices.ContainsFunc(list, func(s setting) bool { return !math.IsNaN(baseValidation(s)) }) {
		f.About += fmt.Sprintf(" Dashed: %s.", baseTitle(list))
	}
	f.About += " Arrows at the edge are values far below; crosses are rhos with which a run collapsed to guessing or ended in a step that was refused."
	f.Rows = panels(list, func(s setting) chart.Panel {
		curves := curvesOf(s, has)
		if len(curves) == 0 {
			return nil
		}
		p := chart.Lines{Title: s.panelTitle(), X: "rho", Y: "validation accuracy, %", LogX: true, Apart: true}
		var values [][]float64
		for _, c := range curves {
			p.Series = append(p.Series, chart.Series{
				Name: chartLabel(c.row, s.base()), X: c.rhos, Y: c.accuracy, Failed: c.failed, Ring: c.best, Look: l.row(c.row),
			})
			var whole []float64
			for i, v := range c.accuracy {
				if !c.failed[i] {
					whole = append(whole, v)
				}
			}
			values = append(values, whole)
		}
		base := baseValidation(s)
		if !slices.ContainsFunc(values, func(v []float64) bool { return v != nil }) {
			p.Title += ": all collapsed"
		}
		p.From, p.To = percentages(curveRange(values, base))
		if !math.IsNaN(base) {
			p.Reference = base
		}
		return p
	})
	return f
}

// rhoSentences returns the answer in short, and more about it.
func rhoSentences(list []setting) (short string, details []string) {
	smaller, larger, same := 0, 0, 0
	shards := map[int]bool{}
	var factors []float64
	for _, s := range list {
		sam := row(s.level.Rows, samMethod)
		var most *study.Row
		for i := range s.level.Rows {
			if r := &s.level.Rows[i]; r.Method == msamMethod && (most == nil || r.Shards > most.Shards) {
				most = r
			}
		}
		if sam == nil || most == nil || sam.Choice.Rho == 0 || most.Choice.Rho == 0 {
			continue
		}
		shards[most.Shards] = true
		factors = append(factors, most.Choice.Rho/sam.Choice.Rho)
		switch {
		case most.Choice.Rho < sam.Choice.Rho:
			smaller++
		case most.Choice.Rho > sam.Choice.Rho:
			larger++
		default:
			same++
		}
	}
	n := smaller + larger + same
	switch {
	case n == 0:
		short = "the study has no mSAM beside SAM whose rhos compare"
	default:
		with := "the most shards"
		if len(shards) == 1 {
			for k := range shards {
				with = fmt.Sprintf("%d shards", k)
			}
		}
		short = fmt.Sprintf("the rho chosen for mSAM with %s is %s", with, shares(n, []share{
			{smaller, "smaller than SAM's"}, {same, "the same as SAM's"}, {larger, "larger than SAM's"},
		}))
		if n > same && n > 1 {
			short += fmt.Sprintf("; it is %s SAM's (median)", multiple(stats.Median(factors)))
		}
	}
	details = append(details, rangeDetails(list)...)
	if edge := atEdge(list); edge != "" {
		details = append(details, edge)
	}
	return sentence(short), details
}

// multiple says how many times something is, before that which it is compared with.
func multiple(factor float64) string {
	for _, m := range []struct {
		factor float64
		words  string
	}{{0.125, "an eighth of"}, {0.25, "a quarter of"}, {0.5, "half"}, {1, "the same as"}, {2, "twice"}} {
		if math.Abs(factor-m.factor) < 0.005*m.factor {
			return m.words
		}
	}
	return fmt.Sprintf("%.3g times", factor)
}

// share is in how many settings something holds.
type share struct {
	n    int
	what string
}

// shares says in how many of n settings each holds, as in "smaller in 3 and larger in 1 of 4
// settings". Those of none are left out.
func shares(n int, of []share) string {
	var parts []string
	for _, s := range of {
		switch {
		case s.n == n && n == 1:
			return s.what
		case s.n == n && n == 2:
			return s.what + " in both settings"
		case s.n == n:
			return fmt.Sprintf("%s in all %d settings", s.what, n)
		case s.n > 0:
			parts = append(parts, fmt.Sprintf("%s in %d", s.what, s.n))
		}
	}
	return fmt.Sprintf("%s of %d settings", names(parts), n)
}

// good is how far below its best, in percentage points, an accuracy is that is still good.
const good = 1

// width returns the smallest and the largest of the rhos around the chosen one that cost at most the
// good points.
func (c *rhoCurve) width() (low, high float64) {
	best := c.best - 1
	if best < 0 {
		best = slices.Index(c.accuracy, slices.Max(c.accuracy))
	}
	first, last := best, best
	for first > 0 && c.fine(first-1, best) {
		first--
	}
	for last < len(c.rhos)-1 && c.fine(last+1, best) {
		last++
	}
	return c.rhos[first], c.rhos[last]
}

func (c *rhoCurve) fine(at, best int) bool {
	return !c.failed[at] && c.accuracy[at] >= c.accuracy[best]-good
}

// rangeDetails says for each method how wide the range of good rhos is, and where runs collapsed.
func rangeDetails(list []setting) (details []string) {
	type of struct {
		name   string
		widths []float64
		failed []float64 // rhos
	}
	var all []*of
	for _, s := range list {
		for _, c := range curvesOf(s, inFamily) {
			name := label(c.row, s.base())
			i := slices.IndexFunc(all, func(o *of) bool { return o.name == name })
			if i < 0 {
				i = len(all)
				all = append(all, &of{name: name})
			}
			low, high := c.width()
			all[i].widths = append(all[i].widths, high/low)
			for k, failed := range c.failed {
				if failed {
					all[i].failed = append(all[i].failed, c.rhos[k])
				}
			}
		}
	}
	var widths, failures []string
	for _, o := range all {
		widths = append(widths, fmt.Sprintf("%.3g for %s", stats.Median(o.widths), o.name))
		if o.failed != nil {
			failures = append(failures, fmt.Sprintf("%s from rho %v on", o.name, slices.Min(o.failed)))
		}
	}
	if widths != nil {
		of := ""
		if len(list) > 1 {
			of = " (median over settings)"
		}
		details = append(details, fmt.Sprintf("Rhos within %d point of the best span a factor of %s%s; the grid is coarse, so this is rough.", good, names(widths), of))
	}
	if failures != nil {
		details = append(details, sentence("Runs collapsed to guessing or ended in a refused step: "+names(failures)))
	}
	return details
}

// atEdge lists the choices that lie at the edge of what was tried, part by part.
func atEdge(list []setting) string {
	var parts []string
	for i, n := 0, 0; i < len(list); i = n {
		var of []string
		for n = i; n < len(list) && list[n].part == list[i].part; n++ {
			s := list[n]
			var rows []string
			for j := range s.level.Rows {
				if r := &s.level.Rows[j]; r.Choice.AtEdge {
					rows = append(rows, fmt.Sprintf("%s (%v)", label(r, s.base()), r.Choice.Rho))
				}
			}
			if rows != nil {
				text := names(rows)
				if !s.alone || s.level.Noise > 0 {
					text += " with " + s.noise()
				}
				of = append(of, text)
			}
		}
		if of != nil {
			parts = append(parts, list[i].part.Title+": "+strings.Join(of, ", "))
		}
	}
	if parts == nil {
		return ""
	}
	return "The chosen rho is at the edge of what was tried, so one beyond may be better. " + strings.Join(parts, "; ") + "."
}

// extended says by which rhos the grids of a part's methods were extended; "" for none.
func extended(list []setting) string {
	var parts []string
	for _, s := range list {
		var by []string // rhos, in order of appearance
		of := map[string][]string{}
		for i := range s.level.Rows {
			r := &s.level.Rows[i]
			if r.Choice.Extended == nil {
				continue
			}
			rhos := numbers(r.Choice.Extended)
			if of[rhos] == nil {
				by = append(by, rhos)
			}
			of[rhos] = append(of[rhos], label(r, s.base()))
		}
		var each []string
		for _, rhos := range by {
			each = append(each, fmt.Sprintf("of %s by %s", names(of[rhos]), rhos))
		}
		if each != nil {
			parts = append(parts, fmt.Sprintf("%s: %s", s.noise(), strings.Join(each, "; ")))
		}
	}
	if parts == nil {
		return ""
	}
	return " Grids were extended, " + strings.Join(parts, ". ") + "."
}

// chosenTable has the chosen rhos of a part's methods.
func chosenTable(list []setting, l *looks) Table {
	t := Table{
		Part:   list[0].part.Title,
		Title:  list[0].part.Title + ": chosen rho",
		Header: []string{"method"},
		Note:   fmt.Sprintf("In brackets the tried rhos around the best that cost at most %d point. An exclamation mark: at the edge of what was tried, so one beyond may be better.", good),
	}
	t.Note += extended(list) + chosenLRs(list)
	for _, s := range list {
		t.Header = append(t.Header, s.noise())
	}
	for _, m := range methodRows(list, equalEpochs) {
		if m.first.Choice.Rho == 0 {
			continue
		}
		row := TableRow{Look: l.row(m.first), Cells: []Cell{{Text: label(m.first, list[0].base())}}}
		for i, r := range m.of {
			if r == nil {
				row.Cells = append(row.Cells, Cell{})
				continue
			}
			text := fmt.Sprint(r.Choice.Rho)
			for _, c := range curvesOf(list[i], func(o *study.Row) bool { return o == r }) {
				low, high := c.width()
				if r.Choice.AtEdge {
					text += "!"
				}
				if low < high {
					text += fmt.Sprintf(" [%v to %v]", low, high)
				} else {
					text += " [alone]"
				}
			}
			row.Cells = append(row.Cells, Cell{Text: text})
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// chosenLRs says which learning rates were chosen; "" if there was only one.
func chosenLRs(list []setting) string {
	if len(list[0].part.Summary.Grid.LRs) < 2 {
		return ""
	}
	var parts []string
	for _, s := range list {
		var lrs []float64
		var each []string
		for i := range s.level.Rows {
			r := &s.level.Rows[i]
			lrs = append(lrs, r.Choice.LR)
			each = append(each, fmt.Sprintf("%s %v", label(r, s.base()), r.Choice.LR))
		}
		slices.Sort(lrs)
		if lrs = slices.Compact(lrs); len(lrs) == 1 {
			each = []string{fmt.Sprint(lrs[0])}
		}
		parts = append(parts, fmt.Sprintf("%s: %s", s.noise(), strings.Join(each, ", ")))
	}
	return " Chosen learning rates, " + strings.Join(parts, "; ") + "."
}

// rhoTable has the validation accuracies of a setting's methods at all rhos.
func rhoTable(s setting, l *looks) Table {
	t := Table{
		Part: s.part.Title, Title: s.String() + ": validation accuracy by rho, %", Header: []string{"method"}, Long: true,
		Note: "The chosen rho is bold. A cross marks rhos with which a run collapsed or ended in a refused step.",
	}
	var rhos []float64
	curves := curvesOf(s, func(*study.Row) bool { return true })
	for _, c := range curves {
		rhos = append(rhos, c.rhos...)
	}
	slices.Sort(rhos)
	rhos = slices.Compact(rhos)
	for _, rho := range rhos {
		t.Header = append(t.Header, fmt.Sprint(rho))
	}
	if base := baseValidation(s); !math.IsNaN(base) {
		t.Note += fmt.Sprintf(" %s, without rho: %.2f.", s.base(), base)
	}
	for _, c := range curves {
		row := TableRow{Look: l.row(c.row), Cells: append([]Cell{{Text: label(c.row, s.base())}}, make([]Cell, len(rhos))...)}
		for i, rho := range c.rhos {
			at, _ := slices.BinarySearch(rhos, rho)
			text := fmt.Sprintf("%.2f", c.accuracy[i])
			if c.failed[i] {
				text += " ×"
			}
			row.Cells[at+1] = Cell{text, i+1 == c.best}
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}
