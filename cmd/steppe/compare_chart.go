package main

import (
	"fmt"
	"slices"

	"github.com/steppe-ml/steppe/internal/chart"
	"github.com/steppe-ml/steppe/internal/study"
)

// accuracyChart has a row for each method, with an interval for each level of label noise.
func (c *compare) accuracyChart(s *study.Summary) chart.Chart {
	v := chart.Intervals{Title: fmt.Sprintf("%s on %s", c.modelName, c.dataName()), X: "test accuracy, %"}
	if n := len(s.Levels[0].Rows[0].Accuracies); n > 1 {
		v.X += fmt.Sprintf(" (means of %d seeds, 95%% intervals)", n)
	}
	for i, level := range s.Levels {
		var e chart.Estimates
		if len(s.Levels) > 1 || level.Noise > 0 {
			e.Name = fmt.Sprintf("noise %v%%", percent(level.Noise))
		}
		for _, r := range level.Rows {
			if i == 0 {
				v.Categories = append(v.Categories, r.Name)
			}
			e.Value = append(e.Value, 100*r.Accuracy.Mean)
			e.Low, e.High = append(e.Low, 100*r.Accuracy.Low), append(e.High, 100*r.Accuracy.High)
		}
		v.Series = append(v.Series, e)
	}
	return v
}

// rhoChart has a line for each method and level of label noise: the validation accuracy at each
// rho. It subtracts SGD's accuracy if that is known, so that all levels share a scale.
func (c *compare) rhoChart(s *study.Summary) chart.Chart {
	l := chart.Lines{
		Title: fmt.Sprintf("%s on %s", c.modelName, c.dataName()),
		X:     "rho", Y: "validation accuracy, %", LogX: true,
	}
	for _, level := range s.Levels {
		sgd := 0.0
		if i := slices.IndexFunc(level.Rows, func(r study.Row) bool { return r.Method == "sgd" && r.Choice.Candidates != nil }); i >= 0 {
			sgd = best(level.Rows[i].Choice, 0).Accuracy.Mean
			l.Y = fmt.Sprintf("validation accuracy less %s's, points", c.optimizer.Title)
		}
		for _, r := range level.Rows {
			if r.Choice.Rho == 0 || r.Choice.Candidates == nil {
				continue
			}
			line := chart.Series{Name: r.Name}
			if len(s.Levels) > 1 {
				line.Name += fmt.Sprintf(", noise %v%%", percent(level.Noise))
			}
			for _, rho := range c.study.Grid.Rhos {
				line.X, line.Y = append(line.X, rho), append(line.Y, 100*(best(r.Choice, rho).Accuracy.Mean-sgd))
			}
			l.Series = append(l.Series, line)
		}
	}
	return l
}
