package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/steppe-ml/steppe/bench/peers/protocol"
	"github.com/steppe-ml/steppe/internal/stats"
)

// perturbs says whether work is a step by SAM or mSAM.
func perturbs(w protocol.Work) bool { return w.Step != nil && w.Step.Method != w.Step.Plain() }

// together cuts work into groups that share their rounds. Steps by several methods on one model and
// batch form a group, because their times are compared. Other work forms groups of one.
func together(work []protocol.Work) (groups [][]protocol.Work) {
	for i, w := range work {
		if i > 0 && sameSAM(w, work[i-1]) {
			groups[len(groups)-1] = append(groups[len(groups)-1], w)
		} else {
			groups = append(groups, []protocol.Work{w})
		}
	}
	return groups
}

// sameSAM says whether two pieces of work are steps that are compared with the same step by SAM.
func sameSAM(a, b protocol.Work) bool {
	return a.Step != nil && b.Step != nil && samOf(*a.Step) == samOf(*b.Step)
}

// plainNames are the optimizers as the table calls them.
var plainNames = map[string]string{protocol.SGD: "SGD", protocol.AdamW: "AdamW"}

// samOf returns the step by SAM on a step's model and batch.
func samOf(s protocol.Step) protocol.Step {
	s.Method, s.Shards = protocol.SAM, 0
	return s
}

// compareWithSAM sets each step's time relative to the step by SAM on its model and batch, and
// names the limits of these ratios that are exceeded.
func (r *Report) compareWithSAM() {
	sams, plain := map[protocol.Step]*Row{}, map[protocol.Step]*Row{} // by the step by SAM
	for _, row := range r.Rows {
		switch row.Step.Method {
		case protocol.SAM:
			sams[*row.Step] = row
		case row.Step.Plain():
			plain[samOf(*row.Step)] = row
		}
	}
	for _, row := range r.Rows {
		if sam, ok := sams[samOf(*row.Step)]; ok {
			t := row.Training
			t.ownRatios = ratios(row, t.Own, sam, sam.Training.Own)
			t.bestRatios = ratios(row, t.Best, sam, sam.Training.Best)
			t.OwnOfSAM, t.BestOfSAM = medianOrZero(t.ownRatios), medianOrZero(t.bestRatios)
			if most := mostOfSAM(*row.Step); most > 0 && surelyAbove(t.ownRatios, most) {
				row.Misses = append(row.Misses, fmt.Sprintf("%.2f of SAM", most))
			}
		}
		if without, ok := plain[*row.Step]; ok && surelyAbove(ratios(row, row.Training.Own, without, without.Training.Own), mostOfPlain) {
			row.Misses = append(row.Misses, fmt.Sprintf("%.2f of %s", float64(mostOfPlain), plainNames[row.Step.Plain()]))
		}
	}
}

// surelyAbove says whether the median of ratios is above a limit, and with it all of its 95%
// interval, for which there must be six rounds.
func surelyAbove(ratios []float64, most float64) bool {
	in, ok := stats.MedianInterval(ratios, 0.95)
	return ok && in.Low > most
}

// ratios returns the times of a peer in a row over the times of otherPeer in another row, round by
// round. It returns nil if one of the peers is "".
func ratios(row *Row, peer string, other *Row, otherPeer string) []float64 {
	if peer == "" || otherPeer == "" {
		return nil
	}
	numerator, denominator := row.Cells[peer].Seconds, other.Cells[otherPeer].Seconds
	rounds := min(len(numerator), len(denominator)) // the rows of a group have equally many, unless a peer failed
	return stats.Ratios(numerator[:rounds], denominator[:rounds])
}

func medianOrZero(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	return stats.Median(values)
}

const samLegend = `Columns of times are milliseconds a step, medians of the rounds. PyTorch's is that of best, its fastest variant.
time/best is our fastest time over best's, below 1 where we are faster, with the quartiles of the rounds.
ours/SAM is our time over our time for SAM in the same round; best/SAM is the same for PyTorch's best.
"at most" and "goal" are limits for time/best, on any machine and on one whose 512-bit units are whole. "above" names
the one that is exceeded, and the limits of our time over ours for SAM or without it, where the whole 95% interval is above.`

const samLegendOfText = `
"ceiling" is the speed of our fastest as a fraction of the FMA ceiling of its workers; the products of two gradients
count for SAM and mSAM, and those of one for a step without.`

// samTable returns a table with a row for each step, and a rule between models and batches.
func (r *Report) samTable() table.Writer {
	header := table.Row{"ms a step"}
	for _, p := range r.Peers {
		if p.own {
			header = append(header, p.Name)
		}
	}
	header = append(header, "PyTorch", "best", "time/best", "ours/SAM", "best/SAM")
	if r.counted() {
		header = append(header, "ceiling")
	}
	t := newTable(append(header, "at most", "goal", "above"))
	for i, row := range r.Rows {
		if i > 0 && (row.Step.Model != r.Rows[i-1].Step.Model || row.Step.Batch != r.Rows[i-1].Step.Batch || row.Step.Text != r.Rows[i-1].Step.Text) {
			t.AppendSeparator()
		}
		t.AppendRow(r.samCells(row))
	}
	return t
}

func (r *Report) samCells(row *Row) table.Row {
	cells := table.Row{row.Work.String()}
	for _, p := range r.Peers {
		if p.own {
			cells = append(cells, row.milliseconds(p.Name))
		}
	}
	t, most := row.Training, mostTime[row.Work.String()]
	cells = append(cells, row.milliseconds(t.Best), t.Best, withQuartiles(t.OfTime), number("%.2f", t.OwnOfSAM), number("%.2f", t.BestOfSAM))
	if r.counted() {
		cells = append(cells, number("%.2f", row.OfCeiling))
	}
	return append(cells, number("%.2f", most.bar), number("%.2f", most.goal), strings.Join(row.Misses, ", "))
}

// counted reports whether the operations of some steps are known.
func (r *Report) counted() bool {
	return slices.ContainsFunc(r.Rows, func(row *Row) bool { return row.OfCeiling > 0 })
}
