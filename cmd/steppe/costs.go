package main

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/steppe-ml/steppe/internal/chart"
	"github.com/steppe-ml/steppe/sam"
)

// costs returns a chart of the rows' ratios to SAM against the number of shards. It has a line for
// each model, for each batch if a model has several, and for each method if another one than mSAM is
// drawn.
func (r *Report) costs() chart.Lines {
	l := chart.Lines{
		Title: "Cost of a training step, relative to SAM's",
		Note: fmt.Sprintf("%s, %s, %s; medians over the rounds with 95%% intervals",
			r.Machine.CPU, r.Machine.ISA, plural(r.Rows[0].Workers, "worker")),
		X: "shards of the batch", Y: "time / SAM's time",
		LogX: true, FromZero: true, Reference: 1,
	}
	lines := map[string][]Row{} // by name
	var order []string
	several := slices.ContainsFunc(r.Rows, func(row Row) bool { return drawn(row.Method) && row.Method != "msam" })
	for _, row := range r.Rows {
		if !drawn(row.Method) {
			continue
		}
		name := row.Model
		if slices.ContainsFunc(r.Rows, func(other Row) bool { return other.Model == row.Model && other.Batch != row.Batch }) {
			name += fmt.Sprintf(", batch %d", row.Batch)
		}
		if method, err := sam.Lookup(row.Method); several && err == nil {
			name += ", " + method.Title
		}
		if row.Ascent != "" {
			name += ", " + row.Ascent + " ascent"
		}
		if lines[name] == nil {
			order = append(order, name)
			if row.Method == "msam" {
				lines[name] = append(lines[name], r.find(row.Model, row.Batch, "sam", row.Ascent)) // SAM is mSAM with one shard
			}
		}
		lines[name] = append(lines[name], row)
	}
	for _, name := range order {
		l.Series = append(l.Series, series(name, lines[name]))
	}
	return l
}

// drawn reports whether a method has a line in the chart: SGD and SAM have none.
func drawn(method string) bool { return method != "sgd" && method != "sam" }

// find returns the first row of a model, a batch, a method and a precision of the ascent. There must
// be one.
func (r *Report) find(model string, batch int, method, ascent string) Row {
	return r.Rows[slices.IndexFunc(r.Rows, func(row Row) bool {
		return row.Model == model && row.Batch == batch && row.Method == method && row.Ascent == ascent
	})]
}

// series returns the line of some rows, in the order of their shards.
func series(name string, rows []Row) chart.Series {
	slices.SortFunc(rows, func(a, b Row) int { return cmp.Compare(a.Shards, b.Shards) })
	s := chart.Series{Name: name}
	for _, row := range rows {
		s.X = append(s.X, float64(row.Shards))
		s.Y = append(s.Y, *row.VsSAM)
		if in := row.VsSAMInterval; in != nil {
			s.Low, s.High = append(s.Low, in.Low), append(s.High, in.High)
		}
	}
	return s
}
