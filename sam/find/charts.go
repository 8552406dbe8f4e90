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
// what collapsed or was refused, since such losses would flatten the others.
func (r *RhoResult) Chart(title string) chart.Lines {
	c := chart.Lines{
		Title: title, X: "rho", Y: "validation loss over that of rho 0", LogX: true, Apart: true, Reference: 1,
		Note: fmt.Sprintf("%d seeds of %d epochs.", len(r.Seeds), r.Epochs),
	}
	if len(r.Seeds) > 1 {
		c.Note = fmt.Sprintf("Means of %d seeds of %d epochs, with 95%% intervals of the difference to rho 0, seed by seed.", len(r.Seeds), r.Epochs)
	}
	leftOut := 0
	for _, row := range r.Rows {
		s := chart.Series{Name: fmt.Sprintf("%d shards of %d", row.Shards, row.Samples)}
		if row.Shards == 1 {
			s.Name = fmt.Sprintf("1 shard of %d", row.Samples)
		}
		for _, cell := range row.Cells {
			if cell.failed() || cell.AgainstSGD == nil {
				leftOut++
				continue
			}
			ratio := func(difference float64) float64 { return 1 + difference/math.Abs(r.SGD.Loss.Mean) }
			d := cell.AgainstSGD
			s.X, s.Y = append(s.X, cell.Rho), append(s.Y, ratio(d.Mean))
			s.Low, s.High = append(s.Low, ratio(d.Low)), append(s.High, ratio(d.High))
		}
		if len(s.X) > 0 {
			c.Series = append(c.Series, s)
		}
	}
	if leftOut > 0 {
		c.Note += fmt.Sprintf(" %d points that collapsed aren't drawn.", leftOut)
	}
	return c
}
