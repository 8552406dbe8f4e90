package main

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"github.com/steppe-ml/steppe/internal/chart"
	"github.com/steppe-ml/steppe/internal/runs"
	"github.com/steppe-ml/steppe/sam/flatness"
)

// flatnessChart draws the results for --plot: of one run its lines and its spectral density, of
// several the lines of all, their eigenvalues and their sharpness; and of each the plane if it was
// measured.
func flatnessChart(results []*runs.Flatness) chart.Chart {
	sheet := chart.Sheet{Title: flatnessTitle(results), Note: flatnessNote(results)}
	names := runNames(results)
	add := func(charts ...chart.Chart) { sheet.Rows = append(sheet.Rows, charts) }
	if len(results) == 1 {
		r := results[0]
		add(randomLines(r), sharpestLines(results, names))
		second := []chart.Chart{densityChart(r)}
		if r.Plane != nil {
			second = append(second, planeChart(r, "Loss on the plane of the first two", nil))
		}
		add(second...)
		return sheet
	}
	add(comparedLines(results, names), sharpestLines(results, names))
	add(eigenvalueRanges(results, names), sharpnessRanges(results, names))
	for row := range slices.Chunk(planeCharts(results, names), 2) {
		add(row...)
	}
	return sheet
}

// flatnessTitle says which model on which data, if all runs have one.
func flatnessTitle(results []*runs.Flatness) string {
	a := &results[0].Settings
	for _, r := range results[1:] {
		if r.Settings.Model != a.Model || r.Settings.Data != a.Data {
			return "Flatness"
		}
	}
	title := fmt.Sprintf("Flatness of %s on %s", a.Model, filepath.Base(a.Data))
	if len(results) == 1 {
		title += ", trained with " + methodWithRho(a)
	}
	return title
}

// flatnessNote says what was measured on.
func flatnessNote(results []*runs.Flatness) string {
	r := results[0]
	weights := "weights of the best epoch"
	if r.Weights == "last" {
		weights = "weights of the last step"
	}
	note := fmt.Sprintf("%s; %s", plural(r.Samples, "training sample"), weights)
	switch r.Mode {
	case flatness.Running:
		note += "; BatchNorms by their running statistics"
	case flatness.Batch:
		note += "; BatchNorms by the statistics of batches"
	}
	if slices.ContainsFunc(results, func(other *runs.Flatness) bool { return other.Sum != r.Sum }) {
		note += "; not the same samples for all runs"
	}
	return note + "."
}

// runNames returns what runs are called in a figure: the last part of their folders, or all of it
// if two end alike.
func runNames(results []*runs.Flatness) (names []string) {
	for _, r := range results {
		names = append(names, filepath.Base(r.Folder))
	}
	sorted := slices.Sorted(slices.Values(names))
	if len(slices.Compact(sorted)) == len(names) {
		return names
	}
	return cells(results, func(r *runs.Flatness) string { return r.Folder })
}

// methodWithRho names a run's method with its shards and its rho.
func methodWithRho(s *runs.Settings) string {
	if s.Rho == 0 {
		return methodLabel(s)
	}
	return fmt.Sprintf("%s, rho %v", methodLabel(s), s.Rho)
}

// legendName names a run in a legend: with its method, unless that is what it is called.
func legendName(r *runs.Flatness, name string) string {
	method := methodWithRho(&r.Settings)
	if strings.EqualFold(name, method) {
		return method
	}
	return name + ": " + method
}

func lookOfRun(r *runs.Flatness) chart.Look { return chart.Method(r.Settings.Method, r.Settings.Shards) }

// lossSeries returns a line as a series, without the points where the loss isn't finite.
func lossSeries(line *flatness.Line, name string, look chart.Look, scale float64) (s chart.Series) {
	s.Name, s.Look = name, look
	for i, loss := range line.Losses {
		if loss-loss == 0 {
			s.X, s.Y = append(s.X, scale*line.At[i]), append(s.Y, loss)
		}
	}
	return s
}

// wideLosses is how many times the least loss of a chart the largest is, for a logarithmic axis.
const wideLosses = 30

// lossLines completes a chart of losses. Further runs of a method with equally many shards are
// dashed.
func lossLines(l chart.Lines) chart.Lines {
	l.Y = "loss"
	least, most := math.Inf(1), math.Inf(-1)
	seen := map[chart.Look]bool{}
	for i := range l.Series {
		s := &l.Series[i]
		least, most = min(least, slices.Min(s.Y)), max(most, slices.Max(s.Y))
		s.Beside, seen[s.Look] = s.Look != chart.Look{} && seen[s.Look], true
	}
	l.LogY = least > 0 && most > wideLosses*least
	l.FromZero = !l.LogY
	return l
}

const (
	normalized = "distance, in sizes of the weights"
	euclidean  = "distance"
)

// comparedLines has the first random line of each run.
func comparedLines(results []*runs.Flatness, names []string) chart.Chart {
	l := chart.Lines{Title: "Loss along a random line, normalized by filter", X: normalized}
	for _, r := range results {
		l.Series = append(l.Series, lossSeries(&r.Random[0], "", lookOfRun(r), 1))
	}
	return lossLines(l)
}

// randomLines has all random lines of a run.
func randomLines(r *runs.Flatness) chart.Chart {
	l := chart.Lines{Title: "Loss along random lines, normalized by filter", X: normalized}
	for i := range r.Random {
		l.Series = append(l.Series, lossSeries(&r.Random[i], fmt.Sprint(i+1), chart.Numbered(i+1), 1))
	}
	return lossLines(l)
}

// sharpestLines has the line of each run along its own sharpest direction.
func sharpestLines(results []*runs.Flatness, names []string) chart.Chart {
	l := chart.Lines{Title: "Loss along the sharpest direction", X: euclidean}
	for i, r := range results {
		name := ""
		if len(results) > 1 {
			l.Title = "Loss along the sharpest direction of each"
			name = legendName(r, names[i])
		}
		l.Series = append(l.Series, lossSeries(r.Sharpest, name, lookOfRun(r), r.Sharpest.Norm))
	}
	return lossLines(l)
}

// eigenvalueRanges has a row for each run with its largest eigenvalues.
func eigenvalueRanges(results []*runs.Flatness, names []string) chart.Chart {
	top := len(results[0].Spectrum.Eigenvalues)
	c := chart.Ranges{Title: "Largest eigenvalues of the Hessian", X: "lambda_1 (large mark)"}
	if top > 1 {
		c.X += fmt.Sprintf(" to lambda_%d", top)
	}
	for i, r := range results {
		c.Rows = append(c.Rows, chart.Range{Name: names[i], Look: lookOfRun(r), Values: r.Spectrum.Eigenvalues})
	}
	c.LogX = positive(c.Rows)
	return c
}

// sharpnessRanges has a row for each run with its sharpness.
func sharpnessRanges(results []*runs.Flatness, names []string) chart.Chart {
	c := chart.Ranges{
		Title: fmt.Sprintf("Sharpness at the distance %v", results[0].Sharpness.Rho), X: "rise of the loss: worst (large mark) and average", Unnamed: true,
	}
	for i, r := range results {
		c.Rows = append(c.Rows, chart.Range{Name: names[i], Look: lookOfRun(r), Values: []float64{r.Sharpness.Worst, r.Sharpness.Average}})
	}
	c.LogX = positive(c.Rows)
	return c
}

// positive reports whether a logarithmic axis can show all values.
func positive(rows []chart.Range) bool {
	return !slices.ContainsFunc(rows, func(r chart.Range) bool { return slices.Min(r.Values) <= 0 })
}

const densityPoints = 400

// densityChart has the spectral density of a run, and where its largest eigenvalues are. The axis
// begins a little below what one eigenvalue comes to: what is below is nothing.
func densityChart(r *runs.Flatness) chart.Chart {
	low, high := r.Density.Range()
	low, high = min(low, 0), max(high, r.Spectrum.Eigenvalues[0])
	sigma := (high - low) / 100
	if sigma == 0 {
		sigma = 1
	}
	low, high = low-4*sigma, high+4*sigma
	one := 1 / (float64(r.Parameters) * sigma * math.Sqrt(2*math.Pi)) // the peak of one eigenvalue
	curve := chart.Series{Name: "density", Look: lookOfRun(r)}
	for i := range densityPoints {
		x := low + (high-low)*float64(i)/(densityPoints-1)
		curve.X, curve.Y = append(curve.X, x), append(curve.Y, max(one/10, r.Density.At(x, sigma)))
	}
	top := chart.Series{Name: fmt.Sprintf("lambda_1 to lambda_%d", len(r.Spectrum.Eigenvalues)), Look: chart.Numbered(2)}
	if len(r.Spectrum.Eigenvalues) == 1 {
		top.Name = "lambda_1"
	}
	for _, lambda := range r.Spectrum.Eigenvalues {
		top.X, top.Y = append(top.X, lambda), append(top.Y, one)
	}
	return chart.Lines{
		Title: "Spectral density of the Hessian", X: "eigenvalue", Y: "density", LogY: true, Series: []chart.Series{curve, top},
	}
}

// planeCharts has the plane of each run that has one, with the same bands in all.
func planeCharts(results []*runs.Flatness, names []string) (charts []chart.Chart) {
	var values [][][]float64
	for _, r := range results {
		if r.Plane != nil {
			values = append(values, planeLosses(r.Plane))
		}
	}
	for i, r := range results {
		if r.Plane != nil {
			charts = append(charts, planeChart(r, legendName(r, names[i]), chart.Levels(values...)))
		}
	}
	return charts
}

func planeChart(r *runs.Flatness, title string, levels []float64) chart.Chart {
	return chart.Contours{
		Title: title, X: "along random line 1", Y: "along random line 2", Value: "loss",
		Xs: r.Plane.X, Ys: r.Plane.Y, Values: planeLosses(r.Plane), Levels: levels,
	}
}

func planeLosses(p *flatness.Plane) (rows [][]float64) {
	for _, row := range p.Losses {
		rows = append(rows, row)
	}
	return rows
}
