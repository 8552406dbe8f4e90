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
	sheet := chart.Sheet{Title: flatnessTitle(results), Note: flatnessNote(results), Width: 860}
	names := runNames(results)
	add := func(charts ...chart.Chart) { sheet.Rows = append(sheet.Rows, charts) }
	if len(results) == 1 {
		r := results[0]
		add(randomLines(r), sharpestLines(results, names))
		second := []chart.Chart{densityChart(r)}
		if r.Plane != nil {
			second = append(second, planeChart(r, "Loss on a plane, normalized by filter"))
		}
		add(second...)
		return sheet
	}
	add(comparedLines(results, names), sharpestLines(results, names))
	add(eigenvalueRanges(results, names), worstRanges(results, names), averageRanges(results, names))
	for _, row := range planeRows(results, names) {
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
	if strings.EqualFold(name, r.Settings.Method) {
		return method
	}
	return name + ": " + method
}

func lookOfRun(r *runs.Flatness) chart.Look {
	return chart.Method(r.Settings.Method, r.Settings.Shards)
}

// lossSeries returns a line as a series, without the points where the loss isn't finite.
func lossSeries(line *flatness.Line, name string, look chart.Look) (s chart.Series) {
	s.Name, s.Look = name, look
	for i, loss := range line.Losses {
		if loss-loss == 0 {
			s.X, s.Y = append(s.X, line.At[i]), append(s.Y, loss)
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
		l.Series = append(l.Series, lossSeries(&r.Random[0], "", lookOfRun(r)))
	}
	return lossLines(l)
}

// randomLines has all random lines of a run, the first as it is compared with other runs'.
func randomLines(r *runs.Flatness) chart.Chart {
	l := chart.Lines{Title: "Loss along random lines, normalized by filter", X: normalized}
	for i := range r.Random {
		name := "line 1"
		switch i {
		case 0:
		case 1:
			name = "others"
		default:
			name = ""
		}
		l.Series = append(l.Series, lossSeries(&r.Random[i], name, lookOfRun(r)))
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
		l.Series = append(l.Series, lossSeries(r.Sharpest, name, lookOfRun(r)))
	}
	return lossLines(l)
}

// eigenvalueRanges has a row for each run with its largest eigenvalues.
func eigenvalueRanges(results []*runs.Flatness, names []string) chart.Chart {
	top := len(results[0].Spectrum.Eigenvalues)
	c := chart.Ranges{Title: "Eigenvalues of the Hessian", X: "lambda_1 (large mark)"}
	if top > 1 {
		c.X += fmt.Sprintf(" to lambda_%d", top)
	}
	for i, r := range results {
		c.Rows = append(c.Rows, chart.Range{Name: names[i], Look: lookOfRun(r), Values: r.Spectrum.Eigenvalues})
	}
	c.LogX = positive(c.Rows)
	return c
}

// worstRanges has a row for each run with its sharpness at worst.
func worstRanges(results []*runs.Flatness, names []string) chart.Chart {
	return sharpnessRanges("Sharpness, worst", results, names, func(s *flatness.Sharpness) float64 { return s.Worst })
}

// averageRanges has a row for each run with its average sharpness.
func averageRanges(results []*runs.Flatness, names []string) chart.Chart {
	return sharpnessRanges("Sharpness, average", results, names, func(s *flatness.Sharpness) float64 { return s.Average })
}

func sharpnessRanges(title string, results []*runs.Flatness, names []string, value func(*flatness.Sharpness) float64) chart.Chart {
	r := results[0]
	c := chart.Ranges{
		Title: title, X: fmt.Sprintf("at %v (large mark), adaptive at %v", r.Sharpness.Rho, r.Adaptive.Rho), Unnamed: true,
	}
	for i, r := range results {
		c.Rows = append(c.Rows, chart.Range{Name: names[i], Look: lookOfRun(r), Values: []float64{value(r.Sharpness), value(r.Adaptive)}})
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
	low, high = low-6*sigma, high+6*sigma
	one := 1 / (float64(r.Parameters) * sigma * math.Sqrt(2*math.Pi)) // the peak of one eigenvalue
	curve := chart.Series{Name: "density", Look: lookOfRun(r)}
	for i := range densityPoints {
		x := low + (high-low)*float64(i)/(densityPoints-1)
		curve.X, curve.Y = append(curve.X, x), append(curve.Y, max(one/100, r.Density.At(x, sigma)))
	}
	top := chart.Series{Name: fmt.Sprintf("lambda_1 to %d", len(r.Spectrum.Eigenvalues)), Look: lookOfRun(r), Beside: true}
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

// planeRows has the plane of each run that has one, with the same bands in all, and a legend at the
// end of each row.
func planeRows(results []*runs.Flatness, names []string) (rows [][]chart.Chart) {
	var all [][][]float64
	var planes []chart.Contours
	for i, r := range results {
		if r.Plane != nil {
			p := planeChart(r, legendName(r, names[i]))
			all, planes = append(all, p.Values), append(planes, p)
		}
	}
	columns, levels := 3, chart.Levels(all...)
	if n := len(planes); n < 3 || n == 4 {
		columns = 2
	}
	for row := range slices.Chunk(planes, columns) {
		charts := make([]chart.Chart, columns)
		for i, p := range row {
			p.Levels, p.Unnamed = levels, i < len(row)-1
			if columns == 3 {
				p.Height = 280
			}
			charts[i] = p
		}
		rows = append(rows, charts)
	}
	return rows
}

func planeChart(r *runs.Flatness, title string) chart.Contours {
	c := chart.Contours{
		Title: title, X: "along random line 1", Y: "along random line 2", Value: "loss", Xs: r.Plane.X, Ys: r.Plane.Y,
	}
	for _, row := range r.Plane.Losses {
		c.Values = append(c.Values, row)
	}
	return c
}
