package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/steppe-ml/steppe/internal/runs"
	"github.com/steppe-ml/steppe/sam/find"
)

// findLR is one run of find lr.
type findLR struct {
	finder
	options find.LROptions
	result  *find.LRResult
}

func newFindLR() *cobra.Command {
	f := &findLR{finder: finder{settings: runs.Defaults()}}
	cmd := &cobra.Command{
		Use:   "lr",
		Short: "Try learning rates from small to large in one short run",
		Long: `Make a short run whose learning rate grows by the same factor in each step,
from --min to --max, and watch the loss: the learning-rate range test (arXiv
1506.01186). It ends early when the loss diverges or a step is refused. The
steps are those of the run's own method, optimizer and augmentation.

The suggestion is the smallest learning rate at which the smoothed loss has
made 95% of its fall. It is meant for runs with a schedule that ends low, such
as train's cosine. Where the loss doesn't fall by more than noise does, or
falls up to --max, there is no suggestion, and the command says so.

The flags are those of train. --lr, --schedule, --warmup, --epochs and others
that don't matter here change nothing.

` + aboutSettings(),
		Example: `  steppe find lr
  steppe find lr --model lenet --data mnist --batch 128 --plot lr.png
  steppe find lr --optimizer adamw --method sam --steps 400
  steppe find lr --data wine.csv --label quality --json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			defer f.discard()
			if err := f.begin(cmd, cmd.Flags().Changed); err != nil {
				return flagError(cmd.Flags(), err)
			}
			return flagError(cmd.Flags(), f.run(cmd.Context()))
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.Float64Var(&f.options.Min, "min", 1e-6, "smallest learning rate")
	flags.Float64Var(&f.options.Max, "max", 10, "largest learning rate")
	flags.IntVar(&f.options.Steps, "steps", 200, "steps from --min to --max")
	flags.Float64Var(&f.options.Diverged, "diverged", 4, "end when the loss is so many times the lowest")
	f.addFlags(flags, nil, []string{
		"lr", "schedule", "warmup", "rho-schedule", "epochs", "monitor", "patience", "save-every", "log-every",
	})
	return cmd
}

// validate returns an error if the flags make no sense.
func (f *findLR) validate() error {
	o := f.options
	switch {
	case !(o.Min >= 1e-30):
		return fmt.Errorf("--min is %v, want a positive number, of 1e-30 or more", o.Min)
	case !(o.Max > o.Min && o.Max <= 1e30):
		return fmt.Errorf("--max is %v, want more than --min %v, and 1e30 at the most", o.Max, o.Min)
	case o.Steps < 10:
		return fmt.Errorf("--steps is %d, want at least 10", o.Steps)
	case !(o.Diverged > 1):
		return fmt.Errorf("--diverged is %v, want more than 1", o.Diverged)
	}
	return nil
}

func (f *findLR) run(ctx context.Context) error {
	if err := f.validate(); err != nil {
		return err
	}
	if err := f.prepare(); err != nil {
		return err
	}
	s := &f.settings // as they suit the data
	if err := f.checkMemory(1, s.Shards); err != nil {
		return err
	}
	f.printHeader(fmt.Sprintf("%s, batch %d, lr %v to %v in %s",
		describeMethod(s, ""), s.Batch, f.options.Min, f.options.Max, plural(f.options.Steps, "step")))
	live := newProgress(f.stderr, f.options.Steps)
	f.options.Report = func(step int) {
		live.set(step, func() string { return "trying learning rates" })
	}
	result, err := find.LR(ctx, *f.job.Run, f.options)
	live.clear()
	if result == nil {
		return err
	}
	f.result = result
	f.printResult()
	if err != nil {
		return err
	}
	return f.write(result, result.Chart(fmt.Sprintf("%s on %s, %s", s.Model, f.job.Name, describeMethod(s, ""))))
}

// printResult prints some points of the curve, and the suggestion.
func (f *findLR) printResult() {
	r := f.result
	if len(r.Points) == 0 {
		return
	}
	const rows = 16
	fmt.Fprintln(f.tables, "      lr    smoothed loss")
	for i := range rows {
		p := r.Points[i*(len(r.Points)-1)/(rows-1)]
		fmt.Fprintf(f.tables, "%8.2g   %14.4f\n", p.LR, p.Smoothed)
	}
	switch last := r.Points[len(r.Points)-1].LR; r.End {
	case find.Diverged:
		fmt.Fprintf(f.tables, "\nThe loss diverged at %.2g.\n", last)
	case find.Refused:
		fmt.Fprintf(f.tables, "\nThe step after that at %.2g was refused: %s\n", last, r.Error)
	case find.Finished:
		fmt.Fprintf(f.tables, "\nThe loss hasn't diverged up to %.2g.\n", last)
	}
	if f.json {
		return
	}
	if r.Suggestion == 0 {
		fmt.Fprintf(f.stdout, "No suggestion: %s.\n", r.None)
		return
	}
	fmt.Fprintf(f.tables, "It falls the fastest at %.2g, and is lowest at %.2g.\n", r.Steepest, r.Lowest)
	fmt.Fprintf(f.stdout, "Suggested: --lr %v, where the loss has made 95%% of its fall.\n", r.Suggestion)
}
