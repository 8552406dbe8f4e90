package findings

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/steppe-ml/steppe/internal/stats"
	"github.com/steppe-ml/steppe/internal/study"
)

// methodRow is a row of a table about a method in the settings of a part.
type methodRow struct {
	first *study.Row
	of    []*study.Row // by setting; nil for none
}

// methodRows returns the methods of a part's settings, in order of appearance.
func methodRows(list []setting, rows func(*study.Level) []study.Row) (all []methodRow) {
	for i, s := range list {
		for j := range rows(s.level) {
			r := &rows(s.level)[j]
			at := -1
			for k := range all {
				if o := all[k].first; o.Method == r.Method && o.Shards == r.Shards && o.Settings == r.Settings {
					at = k
				}
			}
			if at < 0 {
				at = len(all)
				all = append(all, methodRow{r, make([]*study.Row, len(list))})
			}
			all[at].of[i] = r
		}
	}
	return all
}

// comparisonTable counts the comparisons of each method with SGD and SAM over all settings.
func comparisonTable(list []setting, l *looks, rows func(*study.Level) []study.Row, budget string) Table {
	base := baseTitle(list)
	t := Table{
		Title:  "Comparisons over all settings, after " + budget,
		Header: []string{"method", "ahead of " + base, "no difference", "behind", "median", "ahead of SAM", "no difference", "behind", "median"},
		Note:   "By the corrected test. Medians are of the differences in test accuracy over settings, in percentage points.",
	}
	var shown tally
	for _, s := range list {
		for i := range rows(s.level) {
			r := &rows(s.level)[i]
			if r.Method != baseMethod {
				shown.add(r.VsSGD)
				shown.add(r.VsSAM)
			}
		}
	}
	corrected, _ := together(list)
	for _, s := range list {
		for _, r := range rows(s.level) {
			for _, d := range []*study.Difference{r.VsSGD, r.VsSAM} {
				if p, ok := corrected[d]; ok && p < alpha && d.PHolm != nil && *d.PHolm < alpha {
					shown.remain++
				}
			}
		}
	}
	shown.together = len(corrected)
	if text := shown.remaining(); text != "" {
		t.Note += " " + sentence("of the differences in this table, "+text)
	}
	// Base optimizers differ between parts, so methods are told apart by all that a look depends on.
	for _, m := range methodRows(list, rows) {
		if m.first.Method == baseMethod {
			continue
		}
		row := TableRow{Look: l.row(m.first), Cells: []Cell{{Text: label(m.first, base)}}}
		for _, get := range []func(*study.Row) *study.Difference{vsSGD, vsSAM} {
			var of tally
			for _, r := range m.of {
				if r != nil {
					of.add(get(r))
				}
			}
			if of.all() == 0 {
				row.Cells = append(row.Cells, make([]Cell, 4)...)
				continue
			}
			tested := func(n int) Cell {
				if of.tested() == 0 {
					return Cell{}
				}
				return plainCell("%d", n)
			}
			row.Cells = append(row.Cells, tested(of.ahead), tested(of.even), tested(of.behind), Cell{Text: signed(stats.Median(of.means), 2)})
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// accuracyTable has the accuracies of a part's methods by level of noise.
func accuracyTable(list []setting, l *looks, rows func(*study.Level) []study.Row, budget string) Table {
	t := Table{Part: list[0].part.Title, Title: fmt.Sprintf("%s: test accuracy, %%, after %s", list[0].part.Title, budget), Header: []string{"method"}}
	for _, s := range list {
		t.Header = append(t.Header, s.noise())
	}
	withEpochs := budget == "equal time"
	if withEpochs {
		t.Header = append(t.Header, "epochs")
	}
	best := make([]float64, len(list))
	for i, s := range list {
		for _, r := range rows(s.level) {
			best[i] = max(best[i], r.Accuracy.Mean)
		}
	}
	notes := []string{}
	for _, m := range methodRows(list, rows) {
		row := TableRow{Look: l.row(m.first), Cells: []Cell{{Text: label(m.first, list[0].base())}}}
		for i, r := range m.of {
			if r == nil {
				row.Cells = append(row.Cells, Cell{})
				continue
			}
			row.Cells = append(row.Cells, Cell{points(r.Accuracy, len(r.Accuracies)), r.Accuracy.Mean == best[i]})
			if text := failures(r); text != "" {
				notes = append(notes, fmt.Sprintf("%s, %s: %s.", label(r, list[0].base()), list[i].noise(), text))
			}
		}
		if withEpochs {
			row.Cells = append(row.Cells, plainCell("%d", m.first.Epochs))
		}
		t.Rows = append(t.Rows, row)
	}
	t.Note = seedsNote(list, rows) + " The largest mean is bold."
	for _, n := range notes {
		t.Note += " " + n
	}
	return t
}

// failures says how many runs of a row failed; "" for none.
func failures(r *study.Row) string {
	n := len(r.Accuracies)
	switch {
	case r.Collapsed > 0 && r.Diverged > 0:
		return fmt.Sprintf("%d of %d runs collapsed to guessing, and %d ended in a step that was refused", r.Collapsed, n, r.Diverged)
	case r.Collapsed > 0:
		return fmt.Sprintf("%d of %d runs collapsed to guessing", r.Collapsed, n)
	case r.Diverged > 0:
		return fmt.Sprintf("%d of %d runs ended in a step that was refused", r.Diverged, n)
	}
	return ""
}

// seedsNote says how many seeds the rows are of.
func seedsNote(list []setting, rows func(*study.Level) []study.Row) string {
	least, most := math.MaxInt, 0
	for _, s := range list {
		for _, r := range rows(s.level) {
			least, most = min(least, len(r.Accuracies)), max(most, len(r.Accuracies))
		}
	}
	switch {
	case most <= 1:
		return "One seed."
	case least < most:
		return fmt.Sprintf("Means over %d to %d seeds, ± half their 95%% intervals.", least, most)
	}
	return fmt.Sprintf("Means over %d seeds, ± half their 95%% intervals.", most)
}

// differenceTable has the differences of a part's methods to SGD and SAM, with their tests.
func differenceTable(list []setting, l *looks, rows func(*study.Level) []study.Row, budget string) Table {
	base := list[0].base()
	t := Table{
		Part:   list[0].part.Title,
		Title:  fmt.Sprintf("%s: differences in test accuracy, percentage points, after %s", list[0].part.Title, budget),
		Header: []string{"method"},
	}
	var tests extent
	for _, s := range list {
		name := ""
		if len(list) > 1 {
			name = ", " + s.noise()
		}
		t.Header = append(t.Header, "minus "+base+name, "minus SAM"+name)
		n := s.level.Tests
		if budget == "equal time" {
			n = s.level.EqualTimeTests
		}
		if n > 0 {
			tests.add(float64(n))
		}
	}
	for _, m := range methodRows(list, rows) {
		row := TableRow{Look: l.row(m.first), Cells: []Cell{{Text: label(m.first, base)}}}
		for _, r := range m.of {
			if r == nil {
				row.Cells = append(row.Cells, Cell{}, Cell{})
				continue
			}
			row.Cells = append(row.Cells, difference(r.VsSGD, len(r.Accuracies)), difference(r.VsSAM, len(r.Accuracies)))
		}
		t.Rows = append(t.Rows, row)
	}
	t.Note = "Seed by seed, ± half the 95% interval."
	if tests.n > 0 {
		of := fmt.Sprint(tests.least)
		if tests.least < tests.most {
			of += fmt.Sprint(" to ", tests.most)
		}
		of += " comparisons"
		if len(list) > 1 {
			of += " at each level of noise"
		}
		t.Note += fmt.Sprintf(" p of the paired t-test, corrected by Holm for the %s; bold below %v.", of, alpha)
	}
	return t
}

func difference(d *study.Difference, seeds int) Cell {
	if d == nil {
		return Cell{}
	}
	text := change(d.Mean, seeds)
	if d.PHolm == nil {
		return Cell{Text: text}
	}
	return Cell{text + ", " + pValue(*d.PHolm), *d.PHolm < alpha}
}

// calibrationTable has the calibration errors of a part's methods; ok is false if there are none.
func calibrationTable(list []setting, l *looks) (t Table, ok bool) {
	t = Table{
		Part:   list[0].part.Title,
		Title:  fmt.Sprintf("%s: expected calibration error, %%, after equal epochs", list[0].part.Title),
		Header: []string{"method"},
		Note:   "By 15 bins of confidence; smaller is better. The smallest mean is bold.",
	}
	least := make([]float64, len(list))
	for i, s := range list {
		t.Header = append(t.Header, s.noise())
		least[i] = math.Inf(1)
		for _, r := range s.level.Rows {
			if r.ECE != nil {
				least[i], ok = min(least[i], r.ECE.Mean), true
			}
		}
	}
	for _, m := range methodRows(list, equalEpochs) {
		row := TableRow{Look: l.row(m.first), Cells: []Cell{{Text: label(m.first, list[0].base())}}}
		for i, r := range m.of {
			if r == nil || r.ECE == nil {
				row.Cells = append(row.Cells, Cell{})
				continue
			}
			row.Cells = append(row.Cells, Cell{points(*r.ECE, len(r.ECEs)), r.ECE.Mean == least[i]})
		}
		t.Rows = append(t.Rows, row)
	}
	return t, ok
}

// calibrationSentence has the mean calibration errors; "" if there are none. They are over the
// settings in which all of the methods have one.
func calibrationSentence(list []setting) string {
	type method struct {
		title, name string
		errors      []float64 // by setting; the mean over shards
	}
	of := []*method{{title: "mSAM's", name: msamMethod}, {title: "SAM's", name: samMethod}, {title: possessive(baseTitle(list)), name: baseMethod}}
	for _, m := range of {
		for _, s := range list {
			var errors []float64
			for _, r := range s.level.Rows {
				if r.Method == m.name && r.ECE != nil && (r.Settings == "" || m.name == msamMethod) {
					errors = append(errors, r.ECE.Mean)
				}
			}
			mean := math.NaN()
			if errors != nil {
				mean = stats.MeanOf(errors).Mean
			}
			m.errors = append(m.errors, mean)
		}
	}
	of = slices.DeleteFunc(of, func(m *method) bool {
		return !slices.ContainsFunc(m.errors, func(v float64) bool { return !math.IsNaN(v) })
	})
	if len(of) < 2 {
		return ""
	}
	sums, settings := make([]float64, len(of)), 0
	for i := range list {
		if slices.ContainsFunc(of, func(m *method) bool { return math.IsNaN(m.errors[i]) }) {
			continue
		}
		settings++
		for k, m := range of {
			sums[k] += m.errors[i]
		}
	}
	if settings == 0 {
		return ""
	}
	var parts []string
	for k, m := range of {
		word := ""
		if k == 0 {
			word = "mean calibration error is "
		}
		parts = append(parts, fmt.Sprintf("%s %s%.1f%%", m.title, word, 100*sums[k]/float64(settings)))
	}
	text := strings.Join(parts, ", ")
	if settings > 1 {
		text += fmt.Sprintf(", over %d settings", settings)
	}
	return sentence(text)
}
