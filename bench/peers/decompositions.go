package main

import (
	"fmt"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/steppe-ml/steppe/bench/peers/protocol"
	"github.com/steppe-ml/steppe/internal/stats"
)

// gonumAlone is gonum's mat with its own BLAS: what ours is before blas.Use.
const gonumAlone = "gonum"

// decompositionsOf returns the work of --suite gonum.
func decompositionsOf(n int) (all []protocol.Work) {
	for _, name := range protocol.Decompositions {
		all = append(all, protocol.Work{Decomposition: &protocol.Decomposition{Name: name, N: n}})
	}
	return all
}

// leastSpeedUp returns how many times as fast as gonum alone mat is meant to be with our BLAS,
// 0 for no floor. Small matrices have none.
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

// summarizeDecomposition computes what follows from the times of a decomposition.
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

const decompositionLegend = `A peer's column has milliseconds, the median of its rounds: gonum's mat with blas.Use() is ours, without is gonum.
With a slash, our speed over its speed, above 1 where we are faster, ± half of the distance between the quartiles of
the rounds. Below has the floors that a row is below.`

// decompositionTable returns a row a decomposition.
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
