package find

import (
	"fmt"
	"math"

	"github.com/steppe-ml/steppe/internal/chart"
)

// Plot draws the losses by learning rate into a file, a .png or .svg.
func (r *LRResult) Plot(path, title string) error { return r.Chart(title).Save(path) }

// Chart returns what Plot draws, for this module's command. A dashed line marks the suggestion.
func (r *LRResult) Chart(title string) chart.Lines {
	raw, smooth := chart.Series{Name: "of the batch"}, chart.Series{Name: "smoothed"}
	// A loss that diverges would flatten all the others: it is drawn at the edge.
	edge := 0.0
	for _, p := range r.Points {
		edge = max(edge, p.Smoothed)
	}
	for _, p := range r.Points[:r.lowest(smoothed)] {
		edge = max(edge, p.Loss)
	}
	for _, p := range r.Points {
		raw.X, raw.Y = append(raw.X, p.LR), append(raw.Y, min(p.Loss, edge))
		smooth.X, smooth.Y = append(smooth.X, p.LR), append(smooth.Y, p.Smoothed)
	}
	c := chart.Lines{
		Title: title, X: "learning rate", Y: "training loss", LogX: true,
		ReferenceX: r.Suggestion, Series: []chart.Series{raw, smooth},
	}
	if r.Suggestion > 0 {
		c.Note = fmt.Sprintf("Suggested: %v, where the loss has made %v%% of its fall.", r.Suggestion, 100*fallen)
	} else {
		c.Note = "No suggestion: " + r.None + "."
	}
	return c
}

// Plot draws the losses by rho into a file, a .png or .svg. Without a loss to draw it is an error.
func (r *RhoResult) Plot(path, title string) error { return r.Chart(title).Save(path) }

// Chart returns what Plot draws, for this module's command: a line for each number of shards, over
// the loss of rho 0, which is a dashed line at 1. Intervals are those of AgainstSGD. It leaves out
// what collapsed or was refused, and points above twice the loss of rho 0 if there are others: they
// would flatten all the rest.
func (r *RhoResult) Chart(title string) chart.Lines {
	c := chart.Lines{
		Title: title, X: "rho", Y: "validation loss over that of rho 0", LogX: true, Apart: true, Reference: 1,
		Note: fmt.Sprintf("%d seed of %d epochs.", len(r.Seeds), r.Epochs),
	}
	if len(r.Seeds) > 1 {
		c.Note = fmt.Sprintf("Means of %d seeds, %d epochs; 95%% intervals of the difference to rho 0.", len(r.Seeds), r.Epochs)
	}
	const high = 2
	drawn, above := 0, 0
	for _, row := range r.Rows {
		for _, cell := range row.Cells {
			if ratio := r.ratio(cell); ratio != nil && ratio.Mean <= high {
				drawn++
			} else {
				above++
			}
		}
	}
	if above > 0 && drawn > 0 {
		c.Note += fmt.Sprintf(" Not drawn: %d points that failed or are above %d.", above, high)
	}
	for _, row := range r.Rows {
		s := chart.Series{Name: fmt.Sprintf("%d shards of %d", row.Shards, row.Samples)}
		if row.Shards == 1 {
			s.Name = fmt.Sprintf("1 shard of %d", row.Samples)
		}
		for _, cell := range row.Cells {
			if d := r.ratio(cell); d != nil && (d.Mean <= high || drawn == 0) {
				s.X, s.Y = append(s.X, cell.Rho), append(s.Y, d.Mean)
				s.Low, s.High = append(s.Low, d.Low), append(s.High, d.High)
			}
		}
		if len(s.X) > 0 {
			c.Series = append(c.Series, s)
		}
	}
	return c
}

// ratio returns the loss of a cell over that of rho 0, with the interval of the difference; nil if
// a run of it failed, or if rho 0 has no loss.
func (r *RhoResult) ratio(cell RhoCell) *Mean {
	d := cell.AgainstSGD
	if cell.failed() || d == nil {
		return nil
	}
	of := func(difference float64) float64 { return 1 + difference/math.Abs(r.SGD.Loss.Mean) }
	return &Mean{Mean: of(d.Mean), Low: of(d.Low), High: of(d.High)}
}
