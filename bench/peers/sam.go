package main

import (
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/steppe-ml/steppe/bench/peers/protocol"
	"github.com/steppe-ml/steppe/internal/stats"
)

// perturbs says whether work is a step by SAM or mSAM.
func perturbs(w protocol.Work) bool { return w.Step != nil && w.Step.Method != protocol.SGD }

// together cuts work into what is measured in the same rounds: steps by several
// methods on one model and batch, whose costs are compared, and all else row by row.
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

// sameSAM says whether two pieces of work are steps that the same step by SAM is the
// measure of.
func sameSAM(a, b protocol.Work) bool {
	return a.Step != nil && b.Step != nil && samOf(*a.Step) == samOf(*b.Step)
}

// samOf returns the step by SAM on a step's model and batch.
func samOf(s protocol.Step) protocol.Step {
	s.Method, s.Shards = protocol.SAM, 0
	return s
}

// compareWithSAM fills in what steps cost of one by SAM, round by round.
func (r *Report) compareWithSAM() {
	sams := map[protocol.Step]*Row{}
	for _, row := range r.Rows {
		if row.Step.Method == protocol.SAM {
			sams[*row.Step] = row
		}
	}
	for _, row := range r.Rows {
		if sam, ok := sams[samOf(*row.Step)]; ok {
			row.Training.ownRatios = ratios(row, row.Training.Own, sam, sam.Training.Own)
			row.Training.bestRatios = ratios(row, row.Training.Best, sam, sam.Training.Best)
			row.Training.OwnOfSAM = medianOrZero(row.Training.ownRatios)
			row.Training.BestOfSAM = medianOrZero(row.Training.bestRatios)
		}
	}
}

// ratios returns the times of a peer in a row over those of a peer in another, round
// by round; nil if one of them has no peer.
func ratios(row *Row, peer string, other *Row, otherPeer string) []float64 {
	if peer == "" || otherPeer == "" {
		return nil
	}
	numerator, denominator := row.Cells[peer].Seconds, other.Cells[otherPeer].Seconds
	rounds := min(len(numerator), len(denominator)) // a row's group has as many, but for what was wrong
	return stats.Ratios(numerator[:rounds], denominator[:rounds])
}

func medianOrZero(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	return stats.Median(values)
}

const samLegend = `Milliseconds of a step, the medians of the rounds: ours, and those of best, which is the fastest of PyTorch's variants.
time/best is the time of our fastest over its time, below 1 where we are faster, with the quartiles of the rounds.
ours/SAM and best/SAM are what the step costs of one by SAM in the same round: ours of ours, PyTorch's best of
PyTorch's best. At most and goal are what time/best was asked and hoped to be; above has what it is above.`

// samTable returns a row a step by any method. Models and batches stand apart.
func (r *Report) samTable() table.Writer {
	header := table.Row{"ms a step"}
	for _, p := range r.Peers {
		if p.own {
			header = append(header, p.Name)
		}
	}
	t := newTable(append(header, "PyTorch", "best", "time/best", "ours/SAM", "best/SAM", "at most", "goal", "above"))
	for i, row := range r.Rows {
		if i > 0 && (row.Step.Model != r.Rows[i-1].Step.Model || row.Step.Batch != r.Rows[i-1].Step.Batch) {
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
	return append(cells, row.milliseconds(t.Best), t.Best, withQuartiles(t.OfTime), number("%.2f", t.OwnOfSAM), number("%.2f", t.BestOfSAM),
		number("%.2f", most.bar), number("%.2f", most.goal), strings.Join(row.Misses, ", "))
}
