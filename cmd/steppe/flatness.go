package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/chart"
	"github.com/steppe-ml/steppe/internal/runs"
	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/sam/flatness"
)

// flatnessCommand is one run of the command.
type flatnessCommand struct {
	outputs
	dirs    []string
	samples int
	weights string
	mode    string
	options runs.FlatnessOptions
	seed    seed
	most    memoryLimit

	minima  []*runs.Minimum
	results []*runs.Flatness
	notes   []string // why the numbers can't be compared
	tables  io.Writer
	stderr  io.Writer
}

// flatnessReport is what --json writes. It is a contract: renaming or dropping a field takes a new
// version.
type flatnessReport struct {
	Version int              `json:"version"`
	Steppe  string           `json:"steppe"`
	Machine string           `json:"machine"`
	Notes   []string         `json:"notes,omitempty"` // why the numbers can't be compared
	Runs    []*runs.Flatness `json:"runs"`            // in the order of the folders
}

func newFlatness() *cobra.Command {
	f := &flatnessCommand{}
	cmd := &cobra.Command{
		Use:   "flatness DIR [DIR...]",
		Short: "Measure how flat the minima are that runs have found",
		Long: `Measure how flat the loss is around the weights of a run, or compare those of
several runs:

  loss, gradient      there; the weights are near a minimum if the gradient
                      is small
  lambda_1 ...        the largest eigenvalues of the Hessian, by the Lanczos
                      iteration, and the ratio of the first to the fifth
  trace               the sum of all eigenvalues, +- its standard error
  sharpness           how much the loss rises at the distance --rho from the
                      weights: at worst, and on average over all directions
  adaptive sharpness  the same with distances measured in sizes of the weights,
                      within ten times --rho, as ASAM does

Samples are training samples of the run, as it saw them: without the validation
set, with the wrong labels of --label-noise, standardized if the run did that,
but not augmented. --samples of them are chosen at even distances, so that runs
with the same data, seed and settings of the data are measured on the same
ones. A note says where that isn't so.

BatchNorms normalize by their running statistics, as in use, or with --mode
batch by those of each batch, as in training. Dropout is off.

--plot draws the loss along lines, and of one run the spectral density. A random
line is normalized by filter (arXiv 1712.09913): a step of 1 is as long as the
weights. --plane adds a map of the loss on two such directions. After Ctrl-C,
the table has what is known by then, and no file is written.`,
		Example: `  steppe flatness runs/first
  steppe flatness runs/first --plane --plot flatness.png
  steppe flatness runs/sgd runs/sam --samples 500 --plot compared.svg
  steppe flatness runs/first --weights last --top 10 --density \
      --json flatness.json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return fmt.Errorf("%s: want the folder of a run, or several, as in `%s runs/first`", cmd.CommandPath(), cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			f.dirs = args
			return f.run(cmd.Context(), cmd.Flags(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.IntVar(&f.samples, "samples", 0, "training samples to measure on (default 1000, or all)")
	flags.IntVar(&f.options.Top, "top", 5, "eigenvalues of the Hessian")
	flags.Float64Var(&f.options.Rho, "rho", 0.05, "distance from the weights of the sharpness")
	flags.StringVar(&f.weights, "weights", "best", "weights of the best epoch, or of the last step")
	flags.StringVar(&f.mode, "mode", string(flatness.Running), "statistics of BatchNorms: `running|batch`")
	flags.BoolVar(&f.options.Line, "line", false, "measure the loss along lines, too")
	flags.BoolVar(&f.options.Density, "density", false, "measure the spectral density, too")
	flags.BoolVar(&f.options.Plane, "plane", false, "measure the loss on a plane, too")
	f.seed = 1
	flags.Var(&f.seed, "seed", "`number` that all random directions depend on")
	flags.IntVar(&f.options.Workers, "workers", blas.DefaultWorkers(), "number of worker goroutines; changes no result")
	f.most.addFlag(flags)
	f.addPlotFlag(flags, "plot", "draw a figure into `FILE`, a .png or .svg").chart = func() chart.Chart { return flatnessChart(f.results) }
	f.addJSONFlag(flags)
	return cmd
}

func (f *flatnessCommand) run(ctx context.Context, flags *pflag.FlagSet, stdout, stderr io.Writer) error {
	if err := f.validate(flags.Changed); err != nil {
		return err
	}
	f.stderr, f.tables = stderr, f.outputs.tables(stdout, stderr)
	defer f.discard()
	if err := f.create(); err != nil {
		return err
	}
	if err := f.open(ctx); err != nil {
		return err
	}
	if !isQuiet(stderr) {
		f.printHeader()
	}
	err := f.measure(ctx)
	f.print(err != nil)
	if err != nil {
		return err
	}
	return f.write(flatnessReport{1, version(), machine(f.options.Workers), f.notes, f.results}, stdout)
}

// validate returns an error if the flags make no sense, and fills in what follows from others.
func (f *flatnessCommand) validate(given func(flag string) bool) error {
	o := &f.options
	if err := validateWorkers(o.Workers); err != nil {
		return err
	}
	switch {
	case given("samples") && f.samples < 1:
		return fmt.Errorf("--samples is %d, want at least 1", f.samples)
	case o.Top < 1:
		return fmt.Errorf("--top is %d, want at least 1", o.Top)
	case !(float32(o.Rho) > 0) || math.IsInf(float64(float32(10*o.Rho)), 0):
		return fmt.Errorf("--rho is %v, want a positive number", o.Rho)
	case f.weights != "best" && f.weights != "last":
		return fmt.Errorf("--weights is %q, want best or last", f.weights)
	case !slices.Contains(flatness.Modes, flatness.Mode(f.mode)):
		return fmt.Errorf("--mode is %q, want running or batch", f.mode)
	case given("plot") && f.plots[0].path == "":
		return errors.New("--plot is empty, want a path")
	case given("json") && f.jsonPath == "":
		return errors.New("--json is empty, want a path, or - for stdout")
	}
	for _, flag := range []string{"line", "density", "plane"} {
		if given(flag) && f.plots[0].path == "" && f.jsonPath == "" {
			return fmt.Errorf("--%s without --plot or --json, which would show it", flag)
		}
	}
	for i, dir := range f.dirs {
		if j := slices.IndexFunc(f.dirs[:i], func(other string) bool { return filepath.Clean(other) == filepath.Clean(dir) }); j >= 0 {
			return fmt.Errorf("%s is given twice", dir)
		}
	}
	o.Seed, o.Mode = uint64(f.seed), flatness.Mode(f.mode)
	if f.plots[0].path != "" {
		o.Line = true
		o.Density = o.Density || len(f.dirs) == 1
	}
	return nil
}

// open opens all runs before the first is measured, so that none costs work before another one's
// error.
func (f *flatnessCommand) open(ctx context.Context) error {
	var samples []*dataset.Set
	for _, dir := range f.dirs {
		err := waiting(f.stderr, "reading "+dir+" and its data", func() error {
			m, err := runs.OpenMinimum(dir, f.weights == "last", f.samples)
			if err == nil {
				f.minima, samples = append(f.minima, m), append(samples, m.Samples)
			}
			return err
		})
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	for _, m := range f.minima {
		if n := m.Model.NumParams(); f.options.Top > n {
			return fmt.Errorf("--top is %d, and the model of %s has %d parameters", f.options.Top, m.Dir, n)
		}
		if err := f.most.checkOr("fewer --workers or --samples", memoryPart{"vectors and passes", m.Bytes(f.options), false}, memoryPart{"samples", dataBytes(samples), true}); err != nil {
			return fmt.Errorf("%s: %w", m.Dir, err)
		}
	}
	f.notes = runs.Incomparable(f.minima, f.options.Mode)
	for _, note := range f.notes {
		fmt.Fprintf(f.stderr, "steppe: %s\n", note)
	}
	return nil
}

// measure measures one run after the other. What is known when it ends early is in results.
func (f *flatnessCommand) measure(ctx context.Context) error {
	live := newProgress(f.stderr, liveParts*len(f.minima))
	defer live.clear()
	for i, m := range f.minima {
		o := f.options
		o.Progress = func(part float64, what string) {
			live.set(int((float64(i)+part)*liveParts), func() string { return m.Dir + ", " + what })
		}
		result, err := m.Measure(ctx, o)
		if result != nil {
			f.results = append(f.results, result)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
