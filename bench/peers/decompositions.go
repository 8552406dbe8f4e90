package main

import (
	"fmt"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/steppe-ml/steppe/bench/peers/protocol"
	"github.com/steppe-ml/steppe/internal/stats"
)

// gonumAlone is gonum's mat with gonum's own BLAS, as it is without blas.Use.
const gonumAlone = "gonum"

// decompositionsOf returns the work of --suite gonum.
func decompositionsOf(n int) (all []protocol.Work) {
	for _, name := range protocol.Decompositions {
		all = append(all, protocol.Work{Decomposition: &protocol.Decomposition{Name: name, N: n}})
	}
	return all
}

// leastSpeedUp returns the floor of mat's speed with our BLAS over its speed with gonum's, 0 for no
// floor. Small matrices have none.
func leastSpeedUp(d protocol.Decomposition, workers int) float64 {
	if d.N < 1000 {
		return 0
	}
	switch d.Name {
	case "Mul":
		if workers == 2 {
			return 6
		}
	case "LU", "QR", "Cholesky", "SVD":
		return 2
	}
	return 0
}

// summarizeDecomposition computes the figures of a decomposition from its times.
func (row *Row) summarizeDecomposition(peers []Participant, workers int) {
	own := row.Cells[ours].Seconds
	if len(own) == 0 {
		row.Misses = []string{"wrong"}
		return
	}
	for _, p := range peers {
		if cell := row.Cells[p.Name]; len(cell.Seconds) > 0 {
			cell.Behind = stats.SpreadOf(stats.Ratios(cell.Seconds, own))
		}
	}
	least := leastSpeedUp(*row.Decomposition, workers)
	if alone, ok := row.Cells[gonumAlone]; ok && len(alone.Seconds) > 0 && alone.Behind.Median < least {
		row.Misses = append(row.Misses, fmt.Sprintf("%.0f of %s", least, gonumAlone))
	}
}

// decompositionProgress is the line of progress of a decomposition.
func (row *Row) decompositionProgress() string {
	line := fmt.Sprintf("%-14v %8s ms", row.Work, row.milliseconds(ours))
	for _, name := range []string{gonumAlone, "openblas"} {
		if cell, ok := row.Cells[name]; ok && cell.Behind.Median > 0 {
			line += fmt.Sprintf(", %.2f of %s", cell.Behind.Median, name)
		}
	}
	return line
}

const decompositionLegend = `A peer's column has milliseconds, the median of its rounds: ours is gonum's mat with blas.Use(), gonum is mat without.
A column with a slash has our speed over the peer's, above 1 where we are faster, ± half the distance between the
quartiles of the rounds. "below" names the floors that a row is below.`

// decompositionTable returns a table with a row for each decomposition.
func (r *Report) decompositionTable() table.Writer {
	header := r.columns("ms, what and n")
	for _, p := range r.Peers {
		if !p.own {
			header = append(header, "/"+p.Name)
		}
	}
	t := newTable(append(header, "below"))
	for _, row := range r.Rows {
		t.AppendRow(r.decompositionCells(row))
	}
	return t
}

func (r *Report) decompositionCells(row *Row) table.Row {
	cells := r.milliseconds(row)
	for _, p := range r.Peers {
		if !p.own {
			cells = append(cells, withSpread(row.Cells[p.Name].Behind))
		}
	}
	return append(cells, strings.Join(row.Misses, ", "))
}
