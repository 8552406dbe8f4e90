package main

import (
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/steppe-ml/steppe/bench/peers/protocol"
)

// perturbs says whether work is a step by SAM or mSAM.
func perturbs(w protocol.Work) bool { return w.Step != nil && w.Step.Method != protocol.SGD }

// compareWithSAM fills in what steps cost of one by SAM. The two are rows of their
// own, so this is the ratio of their medians; it has no quartiles.
func (r *Report) compareWithSAM() {
	sams := map[protocol.Step]*Row{}
	for _, row := range r.Rows {
		if row.Step.Method == protocol.SAM {
			sams[*row.Step] = row
		}
	}
	for _, row := range r.Rows {
		what := *row.Step
		what.Method, what.Shards = protocol.SAM, 0
		if sam, ok := sams[what]; ok {
			row.Training.OwnOfSAM = ratio(row, row.Training.Own, sam, sam.Training.Own)
			row.Training.BestOfSAM = ratio(row, row.Training.Best, sam, sam.Training.Best)
		}
	}
}

// ratio returns the time of a peer in a row over that of a peer in another; 0 if one
// of them has no peer.
func ratio(row *Row, peer string, other *Row, otherPeer string) float64 {
	if peer == "" || otherPeer == "" {
		return 0
	}
	return row.median(peer) / other.median(otherPeer)
}

const samLegend = `Milliseconds of a step, the medians of the rounds: ours, and those of best, which is the fastest of PyTorch's variants.
time/best is the time of our fastest over its time, below 1 where we are faster, with the quartiles of the rounds.
ours/SAM and best/SAM are what the step costs of one by SAM: ours of ours, PyTorch's best of PyTorch's best. At most and
goal are what time/best was asked and hoped to be; above has what it is above.`

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
