package findings

import (
	"fmt"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/steppe-ml/steppe/internal/study"
)

// falling is the part of itself by which a training loss may still fall over the last epochs.
const falling = 0.05

// recipeTable says how the runs of each part were made.
func recipeTable(c *study.Campaign) Table {
	t := Table{Title: "How the runs were made", Header: []string{"model and data", "training samples", "epochs", "batch", "optimizer", "learning rates", "seeds", "runs"}}
	for i := range c.Parts {
		p := &c.Parts[i]
		row := TableRow{Cells: []Cell{{Text: p.Title}}}
		if s := p.Summary; s != nil {
			r := s.Recipe
			optimizer := s.Base
			if optimizer == "" {
				optimizer = "SGD"
			}
			if r.Optimizer == "" {
				optimizer += fmt.Sprintf(", momentum %v", r.Momentum)
			}
			optimizer += fmt.Sprintf(", decay %v, lr %s", r.WeightDecay, r.Schedule)
			if r.Warmup > 0 {
				optimizer += fmt.Sprintf(" after %v epochs of warm-up", r.Warmup)
			}
			if len(r.Augment) > 0 {
				optimizer += ", " + strings.Join(r.Augment, ", ")
			}
			row.Cells = append(row.Cells,
				plainCell("%s (%s for validation)", humanize.Comma(int64(r.Samples)), humanize.Comma(int64(r.Validation))),
				plainCell("%d", r.Epochs), plainCell("%d", r.Batch), Cell{Text: optimizer}, Cell{Text: numbers(s.Grid.LRs)},
				plainCell("%d, and %d to choose", s.Grid.Seeds, s.Grid.SelectionSeeds))
		} else {
			row.Cells = append(row.Cells, make([]Cell, 6)...)
		}
		row.Cells = append(row.Cells, plainCell("%d of %d", p.Done, p.Runs))
		t.Rows = append(t.Rows, row)
	}
	return t
}

func numbers(values []float64) string {
	var list []string
	for _, v := range values {
		list = append(list, fmt.Sprint(v))
	}
	return strings.Join(list, ", ")
}

// collapsed names the settings in which nearly every rho and learning rate that was tried made runs
// collapse.
func collapsed(c *study.Campaign) (list []string) {
	const nearly = 0.8
	for _, s := range allSettings(c) {
		failed, all := 0, 0
		for _, r := range s.level.Rows {
			for _, candidate := range r.Choice.Candidates {
				all++
				if candidate.Collapsed+candidate.Diverged > 0 {
					failed++
				}
			}
		}
		if all > 0 && float64(failed) >= nearly*float64(all) {
			list = append(list, fmt.Sprintf("%s: with %d of the %d rhos and learning rates that were tried, a run collapsed to guessing or ended "+
				"in a step that was refused. So comparisons of its methods mean little.", s, failed, all))
		}
	}
	return list
}

// doubts are the reasons to doubt the figures.
func doubts(c *study.Campaign) (list []string) {
	if !c.Complete() {
		list = append(list, fmt.Sprintf("The study isn't finished: %s of %s runs are done, and results may change.",
			humanize.Comma(int64(c.Done)), humanize.Comma(int64(c.Runs))))
	}
	for i := range c.Parts {
		p := &c.Parts[i]
		if p.Summary == nil {
			list = append(list, p.Title+" has no results yet.")
			continue
		}
		for _, s := range settings(p) {
			if s.level.Missing != nil {
				list = append(list, fmt.Sprintf("%s lacks %s, of which no seed is finished.", s, names(s.level.Missing)))
			}
			if s.level.EqualTimeMissing != nil {
				list = append(list, fmt.Sprintf("%s lacks %s at equal time: no seed is finished, or the cost isn't known.", s, names(s.level.EqualTimeMissing)))
			}
		}
	}
	for _, s := range allSettings(c) {
		var fall, failed []string
		for i := range s.level.Rows {
			r := &s.level.Rows[i]
			if r.LossFall != nil && *r.LossFall > falling {
				fall = append(fall, fmt.Sprintf("%s (%.0f%%)", label(r, s.base()), 100**r.LossFall))
			}
			if text := failures(r); text != "" {
				failed = append(failed, fmt.Sprintf("%s: %s", label(r, s.base()), text))
			}
		}
		if fall != nil {
			list = append(list, fmt.Sprintf("%s: the training loss still fell over the last tenth of the epochs with %s.", s, names(fall)))
		}
		if failed != nil {
			list = append(list, fmt.Sprintf("%s: of the final runs, %s.", s, strings.Join(failed, "; ")))
		}
	}
	return list
}
