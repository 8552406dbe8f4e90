package findings

import (
	"fmt"
	"math"
	"slices"

	"github.com/steppe-ml/steppe/internal/chart"
	"github.com/steppe-ml/steppe/internal/study"
	"github.com/steppe-ml/steppe/sam"
)

// cost answers what a step of each method costs.
func cost(c *study.Campaign, l *looks) Answer {
	a := Answer{
		Name: "cost", Title: "Cost", Question: "What does a step cost?",
		Papers: "The paper on mSAM says that it needn't cost significantly more than SAM (arXiv 2212.04343). SAM takes two " +
			"gradients a step, so about twice SGD's time (2010.01412).",
	}
	parts := costParts(c)
	if len(parts) == 0 {
		a.Sentence = "No times of steps beside SGD's are known yet."
		return a
	}
	for _, p := range parts {
		if slices.ContainsFunc(p.rows, func(r costRow) bool { return r.method == "esam" }) {
			a.Papers += " ESAM's gives 1.4 times SGD's time for its own (2110.03141)."
			break
		}
	}
	a.Sentence, a.Details = costSentences(parts)
	if doubt := costDoubt(parts); doubt != "" {
		a.Sentence, a.Details = doubt, append([]string{a.Sentence}, a.Details...)
	}
	a.Figures = []Figure{costFigure(parts, l)}
	a.Tables = []Table{costTable(parts, l)}
	return a
}

// costPart has what steps cost on a part.
type costPart struct {
	part     *study.Part
	measured bool // side by side, not while the runs trained
	rows     []costRow
}

// costRow is the time of a method's step.
type costRow struct {
	name, method, settings string
	shards                 int
	over                   float64 // SGD's time
	seconds                float64
}

// costParts returns the parts whose costs are known.
func costParts(c *study.Campaign) (parts []costPart) {
	for i := range c.Parts {
		of := settings(&c.Parts[i])
		if len(of) == 0 {
			continue
		}
		p := costPart{part: &c.Parts[i]}
		base := of[0].base()
		if costs := c.Parts[i].Summary.Costs; costs != nil {
			p.measured = true
			sgd := 0.0
			for _, m := range costs {
				if m.Method == baseMethod && sgd == 0 {
					sgd = m.Step
				}
			}
			for _, m := range costs {
				title := titleOf(of, m.Method)
				if sgd > 0 && m.Step > 0 {
					p.rows = append(p.rows, costRow{
						shortName(title, m.Method, m.Shards, m.Settings, base), m.Method, m.Settings, m.Shards, m.Step / sgd, m.Step,
					})
				}
			}
		} else {
			for _, r := range of[0].level.Rows {
				if r.Cost > 0 {
					p.rows = append(p.rows, costRow{label(&r, base), r.Method, r.Settings, r.Shards, r.Cost, r.Step})
				}
			}
		}
		if len(p.rows) > 1 {
			parts = append(parts, p)
		}
	}
	return parts
}

// titleOf returns what a method is called, also before it has a row.
func titleOf(list []setting, method string) string {
	for _, s := range list {
		if r := row(s.level.Rows, method); r != nil {
			return r.Title
		}
	}
	if m, err := sam.Lookup(method); err == nil {
		return m.Title
	}
	return method
}

// costSentences returns the answer in short, and more about it.
func costSentences(parts []costPart) (short string, details []string) {
	base := "SGD"
	over := map[string]*extent{}
	var order []string
	titles := map[string]string{}
	var beside extent // mSAM over SAM
	measured, equal := true, true
	for _, p := range parts {
		measured = measured && p.measured
		equal = equal && p.part.Summary.EqualLoad
		sam := 0.0
		for _, r := range p.rows {
			if r.method == samMethod && sam == 0 {
				sam = r.over
			}
		}
		for _, r := range p.rows {
			if r.method == baseMethod {
				continue
			}
			if over[r.method] == nil {
				over[r.method] = &extent{}
				order = append(order, r.method)
				titles[r.method] = titleOf(settings(p.part), r.method)
			}
			over[r.method].add(r.over)
			if r.method == msamMethod && sam > 0 {
				beside.add(r.over / sam)
			}
		}
	}
	base = partsBase(parts)
	switch {
	case over[samMethod] != nil && beside.n > 0:
		short = fmt.Sprintf("A step of SAM takes %s times as long as one of %s, and a step of mSAM %s times as long as one of SAM",
			over[samMethod], base, &beside)
	case over[samMethod] != nil:
		short = fmt.Sprintf("A step of SAM takes %s times as long as one of %s", over[samMethod], base)
	case over[msamMethod] != nil:
		short = fmt.Sprintf("A step of mSAM takes %s times as long as one of %s", over[msamMethod], base)
	default:
		short = fmt.Sprintf("A step takes %s times as long as one of %s with %s", over[order[0]], base, titles[order[0]])
	}
	var others []string
	for _, m := range order {
		if m != samMethod && m != msamMethod {
			others = append(others, fmt.Sprintf("%s %s", titles[m], over[m]))
		}
	}
	if others != nil {
		details = append(details, sentence(fmt.Sprintf("Times %s step: %s", possessive(base), names(others))))
	}
	if measured {
		details = append(details, howMeasured(parts))
	} else {
		text := "Times are medians of the steps of runs while they trained"
		if !equal {
			text += ", and not all runs had the same workers and the same number of runs beside them, so they compare only roughly"
		}
		details = append(details, text+".")
	}
	return sentence(short), details
}

// measuredCosts returns the costs of all parts that were measured side by side.
func measuredCosts(parts []costPart) (list []study.Cost) {
	for _, p := range parts {
		list = append(list, p.part.Summary.Costs...)
	}
	return list
}

// costDoubt says what to know before anything else where costs aren't as good as they should be; ""
// if they are, or if they weren't measured side by side.
func costDoubt(parts []costPart) string {
	list := measuredCosts(parts)
	off, known := study.HowGood(list)
	switch {
	case study.GoodCosts(list):
		return ""
	case !known:
		return "It isn't known how good the costs are: they were measured without a control."
	}
	return fmt.Sprintf("The costs are only good to %.0f%%.", math.Ceil(100*off))
}

// howMeasured says how costs were measured side by side.
func howMeasured(parts []costPart) string {
	list := measuredCosts(parts)
	clock := "by the processor time of the process"
	if slices.ContainsFunc(list, func(c study.Cost) bool { return c.Clock != study.CPUClock }) {
		clock = "by the time that passed, in which other programs may have run"
	}
	text := "The methods took turns, timed " + clock
	if off, known := study.HowGood(list); known {
		text += fmt.Sprintf(". By a second SAM in the turns, and by how much the turns differed, the costs are good to %.1f%%", 100*off)
	}
	return text + "."
}

func partsBase(parts []costPart) string {
	var list []setting
	for _, p := range parts {
		list = append(list, settings(p.part)...)
	}
	return baseTitle(list)
}

// extent is the range of some values.
type extent struct {
	n           int
	least, most float64
}

func (e *extent) add(v float64) {
	if e.n == 0 {
		e.least, e.most = v, v
	}
	e.n++
	e.least, e.most = min(e.least, v), max(e.most, v)
}

// String returns the range to two decimals, as in "0.92 to 1.05".
func (e *extent) String() string {
	least, most := fmt.Sprintf("%.2f", e.least), fmt.Sprintf("%.2f", e.most)
	if least == most {
		return least
	}
	return least + " to " + most
}

// costFigure has a panel for each part.
func costFigure(parts []costPart, l *looks) Figure {
	base := partsBase(parts)
	f := Figure{
		Name: "cost", Title: fmt.Sprintf("Time of a step over that of %s", base),
		About: fmt.Sprintf("Dashed: %s.", base),
	}
	most := 0.0
	for _, p := range parts {
		for _, r := range p.rows {
			most = max(most, r.over)
		}
	}
	columns := min(mostColumns, len(parts))
	for i, p := range parts {
		// All panels have one axis; the text of the largest value has room.
		d := chart.Dots{Title: p.part.Title, X: "times " + settings(p.part)[0].base() + "'s step", From: 0.9, To: most * 1.15, Upright: []float64{1}}
		for _, r := range p.rows {
			d.From = min(d.From, r.over)
			d.Rows = append(d.Rows, chart.Row{
				Name: cut(r.name), Look: l.of(r.method, r.shards, r.settings),
				Estimates: []chart.Estimate{{Value: r.over, Low: r.over, High: r.over, Text: fmt.Sprintf("%.2f", r.over)}},
			})
		}
		d.From = math.Floor(2*d.From) / 2
		if i%columns == 0 {
			f.Rows = append(f.Rows, FigureRow{})
		}
		last := &f.Rows[len(f.Rows)-1]
		last.Panels = append(last.Panels, d)
	}
	return f
}

// costTable has the costs of all methods on all parts.
func costTable(parts []costPart, l *looks) Table {
	t := Table{
		Title: "Time of a step over that of " + partsBase(parts) + ", and in milliseconds", Header: []string{"method"},
	}
	type key struct {
		method, settings string
		shards           int
	}
	at := map[key]int{}
	for i, p := range parts {
		t.Header = append(t.Header, p.part.Title)
		for _, r := range p.rows {
			k := key{r.method, r.settings, r.shards}
			if _, ok := at[k]; !ok {
				at[k] = len(t.Rows)
				t.Rows = append(t.Rows, TableRow{Look: l.of(r.method, r.shards, r.settings), Cells: append([]Cell{{Text: r.name}}, make([]Cell, len(parts))...)})
			}
			t.Rows[at[k]].Cells[i+1] = plainCell("%.2f (%s ms)", r.over, significant(1e3*r.seconds))
		}
	}
	return t
}
