package main

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/chart"
	"github.com/steppe-ml/steppe/internal/runs"
	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/sam"
)

func newFind() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "find",
		Short: "Look for a learning rate or a rho by short runs",
		Long: `Look for settings of steppe train by runs that are much shorter than the real
one. Both commands take train's flags, and keep no model.`,
		Example: `  steppe find lr --model lenet --data mnist
  steppe find rho --model lenet --data mnist --lr 0.05 --shards 1,4,8`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("unknown command %q, want %s lr or rho", args[0], cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newFindLR(), newFindRho())
	return cmd
}

// finder is what the two commands have in common.
type finder struct {
	settings runs.Settings
	workers  int
	most     memoryLimit
	json     bool
	plot     string

	job            *runs.Job
	chart          *chart.File // of plot; nil without
	stdout, stderr io.Writer
	tables         io.Writer // where people read
}

// addFlags adds the flags of train, but for those that the command has in another form. Those that
// change nothing are taken, so that a line of train can be reused, but the help doesn't list them.
func (f *finder) addFlags(flags *pflag.FlagSet, others, useless []string) {
	var all pflag.FlagSet
	all.SortFlags = false
	addSettingsFlags(&all, &f.settings)
	all.VisitAll(func(flag *pflag.Flag) {
		flag.Hidden = slices.Contains(useless, flag.Name)
		if !slices.Contains(others, flag.Name) {
			flags.AddFlag(flag)
		}
	})
	flags.IntVar(&f.workers, "workers", blas.DefaultWorkers(), "number of worker goroutines; changes no result")
	f.most.addFlag(flags)
	flags.StringVar(&f.plot, "plot", "", "draw the curve into `FILE`, a .png or .svg")
	flags.BoolVar(&f.json, "json", false, "print the result as JSON")
}

// begin validates the flags, and creates the chart's file before there is anything to draw.
func (f *finder) begin(cmd *cobra.Command, given func(flag string) bool) (err error) {
	f.stdout, f.stderr = cmd.OutOrStdout(), cmd.ErrOrStderr()
	f.tables = tablesOn(f.stdout, f.stderr, f.json)
	if err := validateWorkers(f.workers); err != nil {
		return err
	}
	if err := f.settings.Complete(given); err != nil {
		return err
	}
	if f.plot != "" {
		if f.chart, err = chart.Create(f.plot); err != nil {
			return fmt.Errorf("--plot: %w", err)
		}
	} else if cmd.Flags().Changed("plot") {
		return errors.New("--plot is empty, want a path")
	}
	return nil
}

// discard removes the chart's file, unless it was drawn.
func (f *finder) discard() {
	if f.chart != nil {
		f.chart.Discard()
	}
}

// prepare reads the data, and makes the run.
func (f *finder) prepare() (err error) {
	err = waiting(f.stderr, "reading "+f.settings.Data, func() error {
		f.job, err = f.settings.Read()
		return err
	})
	if err != nil {
		return err
	}
	if err := f.job.Build("", f.workers); err != nil {
		return err
	}
	_, err = f.job.Initialize()
	return err
}

// checkMemory checks the memory of so many runs at a time with each of the numbers of shards.
func (f *finder) checkMemory(jobs int, shards ...int) error {
	for _, n := range shards {
		step := f.job.Run.Optimizer
		step.Batch, step.Shards, step.Workers = f.settings.Batch, n, f.workers/jobs
		err := f.most.checkStep(f.job.Model, []*dataset.Set{f.job.Train, f.job.Valid, f.job.Test}, slices.Repeat([]sam.Config{step}, jobs)...)
		if err != nil {
			return err
		}
	}
	return nil
}

// printHeader prints the model, the data, the settings and the machine. what describes the method
// and the optimizer.
func (f *finder) printHeader(what string) {
	j := f.job
	fmt.Fprintf(f.tables, "%s on %s: %s", f.settings.Model, j.Name, plural(j.Train.Len(), "training sample"))
	if j.Valid != nil {
		fmt.Fprintf(f.tables, " and %s validation", count(j.Valid.Len()))
	}
	fmt.Fprintf(f.tables, " of %s\n", samplesOf(j.Train))
	printTexts(f.tables, j.Train)
	if changes := describeChanges(&f.settings); changes != "" {
		fmt.Fprintln(f.tables, changes)
	}
	fmt.Fprintln(f.tables, what)
	fmt.Fprintf(f.tables, "%s, seed %d\n\n", machine(f.workers), f.settings.Seed)
}

// write draws the chart, and prints the result with --json.
func (f *finder) write(result any, c chart.Chart) error {
	if f.json {
		if err := writeJSON(f.stdout, result); err != nil {
			return err
		}
	}
	if f.chart == nil {
		return nil
	}
	if err := f.chart.Draw(c); err != nil {
		return err
	}
	fmt.Fprintf(f.tables, "The curve is in %s.\n", f.plot)
	return nil
}
