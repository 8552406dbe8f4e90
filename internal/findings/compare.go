package findings

import (
	"fmt"
	"slices"
	"strings"

	"github.com/steppe-ml/steppe/internal/stats"
	"github.com/steppe-ml/steppe/internal/study"
)

// level of the corrected test below which a difference counts
const alpha = 0.05

// tally counts the comparisons of some rows with another method.
type tally struct {
	ahead, behind, even int // by the corrected test
	untested            int // for want of a second seed
	above, below        int // whose own interval leaves out 0
	remain, together    int // of those ahead and behind, if all tests of the study are corrected together, and how many these are
	means               []float64
	gains, losses       extent // of those ahead and behind
}

func (t *tally) tested() int { return t.ahead + t.behind + t.even }

func (t *tally) all() int { return t.tested() + t.untested }

// add counts a difference; nil is none.
func (t *tally) add(d *study.Difference) {
	if d == nil {
		return
	}
	t.means = append(t.means, 100*d.Mean.Mean)
	if d.PHolm == nil {
		t.untested++
		return
	}
	switch significant := *d.PHolm < alpha; {
	case significant && d.Mean.Mean > 0:
		t.ahead++
		t.gains.add(100 * d.Mean.Mean)
	case significant && d.Mean.Mean < 0:
		t.behind++
		t.losses.add(-100 * d.Mean.Mean)
	default:
		t.even++
	}
	switch {
	case d.Low > 0:
		t.above++
	case d.High < 0:
		t.below++
	}
}

// verdict says how a method compares, as in "mSAM is ahead of SAM in 2 of 12 comparisons, by 0.41 to
// 0.80 points, and behind in none".
func (t *tally) verdict(subject, other string) string {
	const unit = "comparison"
	n := t.tested()
	of := counted(n, unit)
	by := func(e *extent) string { return fmt.Sprintf(", by %s points", e) }
	switch {
	case n == 0:
		return fmt.Sprintf("one seed is too few to compare %s and %s", subject, other)
	case t.ahead == 0 && t.behind == 0:
		return fmt.Sprintf("between %s and %s, no difference is shown%s", subject, other, inNone(n, unit))
	case n == 1 && t.ahead == 1:
		return fmt.Sprintf("%s is %s points ahead of %s", subject, &t.gains, other)
	case n == 1:
		return fmt.Sprintf("%s is %s points behind %s", subject, &t.losses, other)
	case t.behind == 0:
		return fmt.Sprintf("%s is ahead of %s in %d of %s%s, and behind in none", subject, other, t.ahead, of, by(&t.gains))
	case t.ahead == 0:
		return fmt.Sprintf("%s is behind %s in %d of %s%s, and ahead in none", subject, other, t.behind, of, by(&t.losses))
	}
	return fmt.Sprintf("%s is ahead of %s in %d of %s%s, and behind in %d%s", subject, other, t.ahead, of, by(&t.gains), t.behind, by(&t.losses))
}

// inNone says that something isn't in any of n; "" for one.
func inNone(n int, unit string) string {
	if n == 1 {
		return ""
	}
	return " in any of " + counted(n, unit)
}

// both says how a method compares with two others. The other without a difference comes last.
func both(subject string, first *tally, firstOther string, second *tally, secondOther string) (clauses []string) {
	const unit = "comparison"
	none := func(t *tally) bool { return t.tested() > 0 && t.ahead == 0 && t.behind == 0 }
	switch {
	case first.tested() == 0 && second.tested() == 0:
		return []string{fmt.Sprintf("one seed is too few to compare %s, %s and %s", subject, firstOther, secondOther)}
	case none(first) && none(second) && first.tested() == second.tested():
		return []string{fmt.Sprintf("no difference between %s and %s, nor between %s and %s, is shown%s",
			subject, firstOther, subject, secondOther, inNone(first.tested(), unit))}
	case none(first):
		return []string{second.verdict(subject, secondOther), first.verdict(subject, firstOther)}
	case none(second):
		return []string{first.verdict(subject, firstOther), second.verdict(subject, secondOther)}
	}
	return []string{first.verdict(subject, firstOther) + "; it" + strings.TrimPrefix(second.verdict(subject, secondOther), subject)}
}

// sentences makes a sentence of each clause.
func sentences(clauses []string) string {
	var list []string
	for _, c := range clauses {
		list = append(list, sentence(c))
	}
	return strings.Join(list, " ")
}

// remaining says how many of the differences remain if all of the study are corrected together; "" if
// there are none, or if that is the same correction.
func (t *tally) remaining() string {
	shown := t.ahead + t.behind
	if shown == 0 || t.together == 0 {
		return ""
	}
	what := fmt.Sprintf("%s of these %d remain", amount(t.remain), shown)
	switch {
	case shown == 1 && t.remain == 1:
		what = "that one remains"
	case shown == 1:
		what = "that one doesn't remain"
	case t.remain == shown:
		what = fmt.Sprintf("all %d remain", shown)
	case t.remain == 1:
		what = fmt.Sprintf("1 of these %d remains", shown)
	}
	return fmt.Sprintf("%s if all %d comparisons of the study are corrected together", what, t.together)
}

// size says how large the differences are.
func (t *tally) size() string {
	if t.all() == 1 {
		return signed(t.means[0], 2) + " points"
	}
	return fmt.Sprintf("a median difference of %s points (from %s to %s)",
		signed(stats.Median(t.means), 2), signed(slices.Min(t.means), 2), signed(slices.Max(t.means), 2))
}

// alone says what the intervals show that aren't corrected.
func (t *tally) alone() string {
	if t.tested() == 0 {
		return ""
	}
	if t.tested() == 1 {
		switch {
		case t.above == 1:
			return "uncorrected, its interval lies above zero"
		case t.below == 1:
			return "uncorrected, its interval lies below zero"
		}
		return "uncorrected, its interval has zero in it"
	}
	return fmt.Sprintf("uncorrected, %d of %d intervals lie above zero and %d below", t.above, t.tested(), t.below)
}

// comparison tallies the rows of a method in all settings, in the differences that get returns. Of
// SAM, it takes the row without settings.
func comparison(list []setting, rows func(*study.Level) []study.Row, method string, get func(*study.Row) *study.Difference) (t tally) {
	corrected, several := together(list)
	for _, s := range list {
		for _, r := range rows(s.level) {
			if r.Method != method || method == samMethod && r.Settings != "" {
				continue
			}
			d := get(&r)
			t.add(d)
			if d != nil && d.PHolm != nil && *d.PHolm < alpha && corrected[d] < alpha {
				t.remain++
			}
		}
	}
	if several {
		t.together = len(corrected)
	}
	return t
}

// together returns the p-values of all differences of settings, after equal epochs and after equal
// time, by one correction for all of them. several reports whether they are of more than one table.
// SGD against SAM and SAM against SGD are one test, as of package study.
func together(list []setting) (corrected map[*study.Difference]float64, several bool) {
	var p []float64
	var of []*study.Difference
	tables := 0
	for _, s := range list {
		for _, rows := range [][]study.Row{s.level.Rows, s.level.EqualTime} {
			before := len(p)
			for _, r := range rows {
				for _, d := range []*study.Difference{r.VsSGD, r.VsSAM} {
					if d != nil && d.P != nil && (r.Method != baseMethod || r.Settings != "" || d != r.VsSAM) {
						p, of = append(p, *d.P), append(of, d)
					}
				}
			}
			if len(p) > before {
				tables++
			}
		}
	}
	corrected = map[*study.Difference]float64{}
	for i, v := range stats.Holm(p) {
		corrected[of[i]] = v
	}
	return corrected, tables > 1
}

func equalEpochs(l *study.Level) []study.Row { return l.Rows }
func equalTime(l *study.Level) []study.Row   { return l.EqualTime }

func vsSGD(r *study.Row) *study.Difference { return r.VsSGD }
func vsSAM(r *study.Row) *study.Difference { return r.VsSAM }

// baseTitle returns what the base optimizers are called: "SGD", or "SGD or AdamW".
func baseTitle(list []setting) string {
	var titles []string
	seen := map[string]bool{}
	for _, s := range list {
		if !seen[s.base()] {
			seen[s.base()] = true
			titles = append(titles, s.base())
		}
	}
	if titles == nil {
		return "SGD"
	}
	return strings.Join(titles, " or ")
}

// possessive returns what is of a base optimizer: "SGD's", or "SGD's or AdamW's".
func possessive(base string) string { return strings.ReplaceAll(base, " or ", "'s or ") + "'s" }

// sentence begins a text with a capital letter, unless its first word is a name such as mSAM, and
// ends it.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	first, _, _ := strings.Cut(text, " ")
	if strings.ToLower(first) == first {
		text = strings.ToUpper(text[:1]) + text[1:]
	}
	return strings.TrimSuffix(text, ".") + "."
}
