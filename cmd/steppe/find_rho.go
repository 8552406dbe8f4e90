package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/steppe-ml/steppe/internal/runs"
	"github.com/steppe-ml/steppe/sam"
	"github.com/steppe-ml/steppe/sam/find"
)

// findRho is one run of find rho.
type findRho struct {
	finder
	options find.RhoOptions
	rhos    numbers
	result  *find.RhoResult
}

func newFindRho() *cobra.Command {
	f := &findRho{finder: finder{settings: runs.Defaults()}}
	f.settings.Epochs = 3
	cmd := &cobra.Command{
		Use:   "rho",
		Short: "Compare rhos by validation loss, for each number of shards",
		Long: `Train a short run for each rho, number of shards and seed, and compare the
losses on the validation samples (--valid) with those of rho 0, which is the
base optimizer. The runs of a seed have the same initial weights and batches,
so differences are taken seed by seed. They have 95% intervals by Student's t
over the seeds: with 2 or 3 seeds only large differences are certain.

For each number of shards the table marks the lowest loss by a star, and those
that can't be told from it by a tilde. Short runs favor a small rho: what
perturbations gain shows late, and most of all with wrong labels. Make them as
long as you can afford.

--out DIR keeps every finished run in the file DIR/rho.jsonl. The same command
goes on from there: after Ctrl-C, or with more seeds, shards or values of rho.

The other flags are those of train. --monitor, --patience, --save-every and
--log-every change nothing.

` + aboutSettings(),
		Example: `  steppe find rho --epochs 10
  steppe find rho --model lenet --data mnist --shards 1,4,8 --plot rho.png
  steppe find rho --shards 8 --rhos 0.01,0.02,0.05 --seeds 5 --out rho/digits
  steppe find rho --method masam --label-noise 0.2 --epochs 20 --json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			defer f.discard()
			given := func(flag string) bool { return flag != "shards" && cmd.Flags().Changed(flag) }
			if err := f.begin(cmd, given); err != nil {
				return flagError(cmd.Flags(), err)
			}
			return flagError(cmd.Flags(), f.run(cmd.Context(), cmd.Flags().Changed))
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.IntSliceVar(&f.options.Shards, "shards", nil, "shards per batch to try (default 1, 4 and 8; 1 with methods that have one)")
	flags.Var(&f.rhos, "rhos", "values of rho to try (default five around what suits the shards)")
	flags.IntVar(&f.options.Seeds, "seeds", 3, "number of seeds, from --seed on")
	flags.IntVar(&f.options.Jobs, "jobs", 0, "runs at a time, which share the workers (default: one per worker)")
	flags.StringVar(&f.options.Dir, "out", "", "keep the runs in the folder `DIR`, and go on from the runs in it")
	f.addFlags(flags, []string{"shards", "rho"}, []string{"monitor", "patience", "save-every", "log-every"})
	return cmd
}

// validate fills in the defaults, and returns an error if the flags make no sense.
func (f *findRho) validate(given func(flag string) bool) error {
	method, err := sam.Lookup(f.settings.Method)
	if err != nil {
		return err
	}
	if !method.Perturbs() {
		return fmt.Errorf("--method %s has no rho to find, want one that perturbs, such as sam or msam", method.Name)
	}
	if f.settings.Valid == 0 {
		return errors.New("--valid 0 leaves no samples to compare by, want a fraction of the training samples such as 0.1")
	}
	o := &f.options
	if given("out") && o.Dir == "" {
		return errors.New("--out is empty, want a path")
	}
	if !given("shards") {
		o.Shards = []int{1}
		if method.Sharded() {
			o.Shards = []int{1, 4, 8}
		}
	}
	for _, n := range o.Shards {
		if n != 1 && !method.Sharded() {
			return fmt.Errorf("--shards %d with --method %s, which has 1 shard", n, method.Name)
		}
	}
	if given("shards") {
		if err := f.validateShards(); err != nil { // before the data is read
			return err
		}
	}
	for _, rho := range f.rhos {
		if !(rho > 0 && rho <= 1e30) {
			return fmt.Errorf("--rhos has %v, want positive numbers; rho 0 is always tried", rho)
		}
	}
	if o.Seeds < 1 {
		return fmt.Errorf("--seeds is %d, want at least 1", o.Seeds)
	}
	if !given("jobs") {
		o.Jobs = f.workers
	}
	if o.Jobs < 1 || o.Jobs > f.workers {
		return fmt.Errorf("--jobs is %d, want 1 to %d, the workers", o.Jobs, f.workers)
	}
	o.Rhos = f.rhos
	return nil
}

// validateShards returns an error if a batch has fewer samples than shards.
func (f *findRho) validateShards() error {
	for _, n := range f.options.Shards {
		if n < 1 || n > f.settings.Batch {
			return fmt.Errorf("--shards has %d, want 1 to %d, the samples of a batch", n, f.settings.Batch)
		}
	}
	return nil
}

func (f *findRho) run(ctx context.Context, given func(flag string) bool) error {
	if err := f.validate(given); err != nil {
		return err
	}
	if err := f.prepare(); err != nil {
		return err
	}
	if !given("shards") { // a small set has small batches, and a normalization needs some samples
		f.options.Shards = slices.DeleteFunc(f.options.Shards, func(n int) bool { return n > 1 && !f.job.Fits(n) })
	}
	if err := f.validateShards(); err != nil {
		return err
	}
	if err := f.checkMemory(f.options.Jobs, f.options.Shards...); err != nil {
		return err
	}
	s, run := &f.settings, *f.job.Run
	method := f.title()
	f.printHeader(fmt.Sprintf("%s, %s, batch %d, %s", method, plural(s.Epochs, "epoch"), s.Batch, describeOptimizer(s)))
	run.Optimizer.Workers = f.workers / f.options.Jobs
	live := newProgress(f.stderr, liveParts)
	f.options.Report = func(p find.RhoProgress) {
		live.set(int(p.Part*liveParts), func() string { return fmt.Sprintf("%d of %s", p.Done, plural(p.Runs, "run")) })
	}
	result, err := find.Rho(ctx, run, f.options)
	live.clear()
	if err != nil && errors.Is(err, context.Canceled) && f.options.Dir != "" {
		err = &hintedError{err, "the same command goes on from here"}
	}
	if result == nil {
		return err
	}
	f.result = result
	f.printResult()
	if err != nil {
		return err
	}
	c := result.Chart(fmt.Sprintf("%s on %s, %s", s.Model, f.job.Name, method))
	if len(c.Series) == 0 && f.chart != nil {
		f.chart.Discard()
		f.chart = nil
		fmt.Fprintf(f.stderr, "steppe: nothing is left to draw into %s: all runs collapsed or were refused\n", f.plot)
	}
	return f.write(result, c)
}

// title names the method and, if it isn't SGD, the base optimizer.
func (f *findRho) title() string {
	title := f.settings.Method
	if m, err := sam.Lookup(f.settings.Method); err == nil {
		title = m.Title
	}
	if f.settings.Optimizer != "sgd" {
		title += ", " + titleOfOptimizer(f.settings.Optimizer)
	}
	return title
}

// printResult prints a table of the losses, and what it comes to.
func (f *findRho) printResult() {
	r := f.result
	several := len(r.Seeds) > 1
	fmt.Fprintln(f.tables, f.table(several).Render())
	fmt.Fprintf(f.tables, "\nValidation loss after %s: means of %s", plural(r.Epochs, "epoch"), plural(len(r.Seeds), "seed"))
	if several {
		fmt.Fprint(f.tables, ", with 95% intervals;\ndifferences are taken seed by seed. * is the lowest, ~ can't be told from it")
	}
	fmt.Fprintln(f.tables, ".")
	f.printEdges()
	if f.json {
		return
	}
	if r.Best == nil {
		fmt.Fprintln(f.stdout, "\nNo rho is left: every one had a run that collapsed or was refused. A smaller --lr may help, or\nsmaller values of --rhos.")
		return
	}
	fmt.Fprintf(f.stdout, "\nBest: --shards %d --rho %v%s\n", r.Best.Shards, r.Best.Rho, f.verdict())
}

// table has a row for rho 0, and one for each rho and number of shards.
func (f *findRho) table(several bool) table.Writer {
	r := f.result
	classifies := f.job.Train.Labels != nil
	header := table.Row{"shards", "samples each", "rho", "valid loss", "against rho 0"}
	if classifies {
		header = append(header, "valid accuracy")
	}
	t := newTable(append(header, ""))
	number := func(m *find.Mean, format string) string {
		if m == nil {
			return ""
		}
		s := fmt.Sprintf(format, m.Mean)
		if several {
			s += fmt.Sprintf(" ±%.4f", m.Half())
		}
		return s
	}
	add := func(shards, samples any, c find.RhoCell, note string) {
		cells := table.Row{shards, samples, c.Rho, number(c.Loss, "%.4f"), number(c.AgainstSGD, "%+.4f")}
		if classifies {
			accuracy := ""
			if c.Accuracy != nil {
				accuracy = fmt.Sprintf("%.2f%%", 100*c.Accuracy.Mean)
			}
			cells = append(cells, accuracy)
		}
		t.AppendRow(append(cells, note))
	}
	add("", "", r.SGD, failures(r.SGD))
	for _, row := range r.Rows {
		for _, c := range row.Cells {
			note := failures(c)
			switch {
			case c.Rho == row.Best:
				note = "*"
			case slices.Contains(row.Close, c.Rho):
				note = "~"
			}
			add(row.Shards, row.Samples, c, note)
		}
	}
	return t
}

// failures says how many runs of a cell collapsed or were refused.
func failures(c find.RhoCell) string {
	var words []string
	for _, f := range []struct {
		runs int
		what string
	}{{c.Collapsed, "collapsed"}, {c.Refused, "refused"}} {
		if f.runs > 0 {
			words = append(words, fmt.Sprintf("%d %s", f.runs, f.what))
		}
	}
	return strings.Join(words, ", ")
}

// printEdges says for which numbers of shards the best rho is the smallest or the largest that was
// tried.
func (f *findRho) printEdges() {
	var smallest, largest []int
	for _, row := range f.result.Rows {
		switch last := len(row.Cells) - 1; {
		case last == 0 || row.Best == 0:
		case row.Best == row.Cells[0].Rho:
			smallest = append(smallest, row.Shards)
		case row.Best == row.Cells[last].Rho:
			largest = append(largest, row.Shards)
		}
	}
	if smallest != nil {
		fmt.Fprintf(f.tables, "With %s the best is the smallest that was tried: more may be beyond.\n", shardsInWords(smallest))
	}
	if largest != nil {
		fmt.Fprintf(f.tables, "With %s the best is the largest that was tried: more may be beyond.\n", shardsInWords(largest))
	}
}

// verdict compares the best setting with rho 0.
func (f *findRho) verdict() string {
	r := f.result
	for _, row := range r.Rows {
		if row.Shards != r.Best.Shards {
			continue
		}
		for _, c := range row.Cells {
			if c.Rho != r.Best.Rho || c.AgainstSGD == nil {
				continue
			}
			d := c.AgainstSGD
			switch {
			case len(r.Seeds) == 1:
				return "; one seed says nothing about the spread."
			case d.High < 0:
				return fmt.Sprintf(", with a loss below that of rho 0 by %.4f ±%.4f.", -d.Mean, d.Half())
			case d.Low > 0:
				return fmt.Sprintf(", but rho 0 has a loss below it by %.4f ±%.4f.", d.Mean, d.Half())
			}
			return ", which these runs can't tell from rho 0."
		}
	}
	return "."
}
