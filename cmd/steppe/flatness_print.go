package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/steppe-ml/steppe/internal/runs"
	"github.com/steppe-ml/steppe/sam"
	"github.com/steppe-ml/steppe/sam/flatness"
)

// printHeader prints what is measured: models, samples, and the machine.
func (f *flatnessCommand) printHeader() {
	var seen []string
	for _, m := range f.minima {
		s := &m.Config.Settings
		line := fmt.Sprintf("%s on %s: %s of %s training samples of %s", s.Model, m.Meta.Data, count(m.Samples.Len()), count(m.Of), samplesOf(m.Samples))
		if changes := describeChanges(s); changes != "" {
			line += ", " + changes
		}
		if !slices.Contains(seen, line) {
			fmt.Fprintln(f.tables, line)
			seen = append(seen, line)
		}
	}
	weights := "weights of the best epoch"
	if f.weights == "last" {
		weights = "weights of the last step"
	}
	fmt.Fprintf(f.tables, "%s%s\n", weights, f.statistics())
	fmt.Fprintf(f.tables, "%s, seed %d\n\n", machine(f.options.Workers), f.options.Seed)
}

// statistics says what BatchNorms normalize by; "" if no model has any.
func (f *flatnessCommand) statistics() string {
	if !slices.ContainsFunc(f.minima, func(m *runs.Minimum) bool { return m.Model.NumState() > 0 }) {
		return ""
	}
	if f.options.Mode == flatness.Batch {
		return fmt.Sprintf(", BatchNorms by the statistics of batches of %d", f.minima[0].Config.Settings.Batch)
	}
	return ", BatchNorms by their running statistics"
}

// print prints the results: a list for one run, a table for several. ended says that some are
// missing.
func (f *flatnessCommand) print(ended bool) {
	known := slices.DeleteFunc(slices.Clone(f.results), func(r *runs.Flatness) bool { return !r.Known() })
	if len(known) == 0 {
		return
	}
	if len(f.dirs) == 1 {
		fmt.Fprintln(f.tables, render(flatnessList(known[0], f.options.Top), false))
	} else {
		fmt.Fprintln(f.tables, render(curvatureTable(known, f.options.Top), false))
		fmt.Fprintln(f.tables)
		fmt.Fprintln(f.tables, render(sharpnessTable(known), false))
	}
	if ended || isQuiet(f.stderr) {
		return
	}
	f.printNotes(f.tables)
}

// printNotes says how to read the numbers, and where the files are.
func (f *flatnessCommand) printNotes(w io.Writer) {
	fmt.Fprintln(w)
	fmt.Fprintln(w, wrap(fmt.Sprintf(
		"Sharpness is how much the loss rises at the distance %v from the weights, and adaptive sharpness at %v sizes of the weights.",
		f.options.Rho, f.results[0].Adaptive.Rho), textWidth))
	for _, r := range f.results {
		if !r.Spectrum.Converged {
			fmt.Fprintf(w, "%s: the eigenvalues are not exact yet after %s.\n", r.Folder, plural(r.Spectrum.Products, "product"))
		}
		if lambda := r.Spectrum.Eigenvalues[0]; r.Spectrum.Lowest < -lambda/10 {
			fmt.Fprintf(w, "%s: the Hessian has the eigenvalue %s, too: the weights are at no minimum.\n", r.Folder, figure(r.Spectrum.Lowest))
		}
	}
	for _, file := range []struct{ path, what string }{{f.plots[0].path, "The figure"}, {f.jsonPath, "All results"}} {
		if file.path != "" && file.path != "-" {
			verb := "is"
			if file.what == "All results" {
				verb = "are"
			}
			fmt.Fprintf(w, "%s %s in %s.\n", file.what, verb, file.path)
		}
	}
}

// curvatureTable has a row for each run with what is known at its weights. It isn't one with
// sharpnessTable, since lines of both would be too long for most terminals.
func curvatureTable(results []*runs.Flatness, top int) []column {
	of := func(value func(*runs.Flatness) string) []string { return cells(results, value) }
	columns := []column{
		{"run", text.AlignLeft, of(func(r *runs.Flatness) string { return r.Folder })},
		{"method,\nshards", text.AlignLeft, of(func(r *runs.Flatness) string { return methodLabel(&r.Settings) })},
		{"rho", text.AlignRight, of(func(r *runs.Flatness) string { return rhoLabel(&r.Settings) })},
		{"loss", text.AlignRight, of(func(r *runs.Flatness) string { return figure(r.Loss) })},
		{"gradient", text.AlignRight, of(func(r *runs.Flatness) string { return figure(r.GradientNorm) })},
		{"lambda_1", text.AlignRight, of(func(r *runs.Flatness) string { return eigenvalue(r, 1) })},
	}
	if fifth := min(5, top); fifth > 1 {
		columns = append(columns,
			column{fmt.Sprintf("lambda_%d", fifth), text.AlignRight, of(func(r *runs.Flatness) string { return eigenvalue(r, fifth) })},
			column{"ratio", text.AlignRight, of(func(r *runs.Flatness) string { return eigenvalueRatio(r, fifth) })})
	}
	return append(columns, column{"trace", text.AlignRight, of(func(r *runs.Flatness) string { return traceLabel(r.Trace) })})
}

// sharpnessTable has a row for each run with what is known of the loss around its weights.
func sharpnessTable(results []*runs.Flatness) []column {
	of := func(value func(*runs.Flatness) string) []string { return cells(results, value) }
	return []column{
		{"run", text.AlignLeft, of(func(r *runs.Flatness) string { return r.Folder })},
		{"sharpness,\nworst", text.AlignRight, of(func(r *runs.Flatness) string { return worst(r.Sharpness) })},
		{"average", text.AlignRight, of(func(r *runs.Flatness) string { return average(r.Sharpness) })},
		{"adaptive,\nworst", text.AlignRight, of(func(r *runs.Flatness) string { return worst(r.Adaptive) })},
		{"average", text.AlignRight, of(func(r *runs.Flatness) string { return average(r.Adaptive) })},
	}
}

// flatnessList has a row for each number of a run.
func flatnessList(r *runs.Flatness, top int) []column {
	names, values := []string{"loss", "norm of the gradient"}, []string{figure(r.Loss), figure(r.GradientNorm)}
	add := func(name, value string) { names, values = append(names, name), append(values, value) }
	for i := range top {
		add(fmt.Sprintf("lambda_%d", i+1), eigenvalue(r, i+1))
	}
	if fifth := min(5, top); fifth > 1 {
		add(fmt.Sprintf("lambda_1 / lambda_%d", fifth), eigenvalueRatio(r, fifth))
	}
	add("trace", traceLabel(r.Trace))
	add("sharpness, worst", worst(r.Sharpness))
	add("sharpness, average", average(r.Sharpness))
	add("adaptive, worst", worst(r.Adaptive))
	add("adaptive, average", average(r.Adaptive))
	return []column{{r.Folder, text.AlignLeft, names}, {describeMethod(&r.Settings, ""), text.AlignLeft, values}}
}

// methodLabel names a run's method, with its shards if it has any to choose.
func methodLabel(s *runs.Settings) string {
	method, err := sam.Lookup(s.Method)
	switch {
	case err != nil:
		return s.Method
	case !method.Perturbs():
		return titleOfOptimizer(s.Optimizer)
	case method.Sharded():
		return fmt.Sprintf("%s %d", method.Title, s.Shards)
	}
	return method.Title
}

// rhoLabel returns a run's rho; "" if it perturbs nothing.
func rhoLabel(s *runs.Settings) string {
	if s.Rho == 0 {
		return ""
	}
	return strconv.FormatFloat(s.Rho, 'g', -1, 64)
}

// missing stands for what wasn't measured any more.
const missing = "-"

// eigenvalue returns the i-th largest eigenvalue, counted from 1.
func eigenvalue(r *runs.Flatness, i int) string {
	if r.Spectrum == nil {
		return missing
	}
	return figure(r.Spectrum.Eigenvalues[i-1])
}

// eigenvalueRatio returns how many times the i-th largest eigenvalue the largest is.
func eigenvalueRatio(r *runs.Flatness, i int) string {
	if r.Spectrum == nil {
		return missing
	}
	return figure(r.Spectrum.Ratio(i))
}

func traceLabel(t *flatness.Trace) string {
	if t == nil {
		return missing
	}
	mean := figure(t.Mean)
	if strings.Contains(mean, "e") {
		return mean + " ±" + figure(t.StandardError)
	}
	_, digits, _ := strings.Cut(mean, ".")
	return fmt.Sprintf("%s ±%.*f", mean, len(digits), t.StandardError)
}

func worst(s *flatness.Sharpness) string {
	if s == nil {
		return missing
	}
	return figure(s.Worst)
}

func average(s *flatness.Sharpness) string {
	if s == nil {
		return missing
	}
	return figure(s.Average)
}

// figure formats a number of any size to three significant digits.
func figure(x float64) string {
	if size := math.Abs(x); size != 0 && (size < 1e-4 || size >= 1e6) || x-x != 0 {
		return strconv.FormatFloat(x, 'e', 2, 64)
	}
	if x == 0 {
		return "0"
	}
	return significant(x)
}
