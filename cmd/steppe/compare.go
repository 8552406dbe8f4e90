package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/steppe-ml/steppe/internal/atomicfile"
	"github.com/steppe-ml/steppe/internal/chart"
	"github.com/steppe-ml/steppe/internal/study"
	"github.com/steppe-ml/steppe/net/optim"
	"github.com/steppe-ml/steppe/sam"
	"github.com/steppe-ml/steppe/simd"
)

// compare is one run of the command.
type compare struct {
	workload
	recipe
	grid       study.Grid
	noise      numbers
	rhos, lrs  numbers
	tuneLR     string
	validation float64
	subset     int
	epochs     int
	base       optim.SGD
	jobs       int

	out      string
	markdown bool
	json     string
	plot     string
	plotRho  string

	study *study.Study
	whole int // training samples, those that --subset leaves out among them
}

func newCompare() *cobra.Command {
	c := &compare{
		noise: numbers{0}, rhos: numbers{0.02, 0.05, 0.1, 0.2}, lrs: numbers{0.05},
	}
	cmd := &cobra.Command{
		Use:   "compare",
		Short: "Compare the methods' test accuracy and cost, over several seeds",
		Long: `Train with each method for as many epochs, and print test accuracies with 95%
intervals over seeds, and what a step costs. For each seed all methods begin with
the same weights, see the same batches and the same wrong labels.

First, rho and the learning rate are chosen by the accuracy on a part of the
training set that is held back (--validation), with seeds of their own. With
--tune-lr sgd the learning rate is chosen with SGD and holds for all methods; with
--tune-lr all each method has its own. Where labels are drawn anew, those held
back are as well. Then each method trains on the whole training set with what was
chosen, and is tested once, after the last epoch.

With --out DIR each run that is done is kept in DIR, and a later comparison goes
on from there, after Ctrl-C as with more seeds, methods, rhos or noise. Accuracies
don't depend on --jobs and --workers. Times do: they compare where all runs had
the same of them, and the machine nothing else to do.

` + aboutTables() + "\n\n" + aboutRecipe(),
		Example: `  steppe compare --epochs 10 --out digits
  steppe compare --label-noise 0,0.2 --shards 4,8,16 --seeds 10 --plot accuracy.png
  steppe compare --data data/fashion-mnist --model lenet --subset 4000 --out fashion
  steppe compare --methods sgd,sam --lrs 0.01,0.03,0.1 --rhos 0.05,0.1`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("jobs") {
				c.jobs = max(1, c.workers)
			}
			return c.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	c.workload.addFlags(flags, 64)
	flags.IntVar(&c.jobs, "jobs", 0, "runs at once, which share the workers (default: as many)")
	flags.StringSliceVar(&c.grid.Methods, "methods", defaultMethods, "`names` of the methods")
	flags.IntSliceVar(&c.grid.Shards, "shards", []int{4, 8, 16, 32}, "numbers of shards to try mSAM with")
	flags.Var(&c.rhos, "rhos", "radii to choose from")
	flags.Var(&c.lrs, "lrs", "learning rates to choose from")
	flags.StringVar(&c.tuneLR, "tune-lr", "sgd", "`whose` learning rate is chosen: sgd, or all, for each")
	flags.Var(&c.noise, "label-noise", "parts of the training labels that are drawn anew")
	flags.IntVar(&c.grid.Seeds, "seeds", 5, "seeds to test with")
	flags.IntVar(&c.grid.SelectionSeeds, "selection-seeds", 2, "seeds to choose by")
	flags.Float64Var(&c.validation, "validation", 0.2, "part of the training samples held back to choose by")
	flags.IntVar(&c.subset, "subset", 0, "training samples, with the classes' shares (default all)")
	flags.IntVar(&c.epochs, "epochs", 20, "passes over the data")
	flags.Float64Var(&c.base.Momentum, "momentum", 0.9, "momentum")
	flags.Float64Var(&c.base.WeightDecay, "weight-decay", 1e-4, "weight decay, outside the perturbation")
	c.recipe.addFlags(flags)
	flags.StringVar(&c.out, "out", "", "keep the runs in the folder `DIR`, and go on from those that are there")
	flags.BoolVar(&c.markdown, "markdown", false, "print the tables as Markdown")
	flags.StringVar(&c.json, "json", "", "write the figures as JSON to `FILE`, - for stdout")
	flags.StringVar(&c.plot, "plot", "", "draw the accuracies into `FILE`, .png or .svg")
	flags.StringVar(&c.plotRho, "plot-rho", "", "draw how accuracies depend on rho into `FILE`, .png or .svg")
	return cmd
}

func (c *compare) run(ctx context.Context, stdout, stderr io.Writer) (err error) {
	if err := c.checkFlags(); err != nil {
		return err
	}
	if err := c.enter(); err != nil {
		return err
	}
	store := study.NewStore()
	if c.out != "" {
		if store, err = study.OpenStore(c.out, c.study.Recipe); err != nil {
			return err
		}
		defer store.Close()
	}
	files, err := c.create()
	if err != nil {
		return err
	}
	defer files.discard()
	tables := stdout
	if c.json == "-" {
		tables = stderr
	}

	c.printHeader(tables)
	live := newRunProgress(stderr)
	err = c.study.Execute(ctx, store, c.jobs, c.workers/c.jobs, live.report)
	live.clear()
	if err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	summary := c.study.Summary(store)
	if summary == nil {
		return err
	}
	c.printSummary(tables, summary)
	if err != nil {
		return err
	}
	return c.write(summary, files, stdout)
}

// checkFlags returns what is wrong with the flags.
func (c *compare) checkFlags() error {
	if err := c.workload.validate(); err != nil {
		return err
	}
	switch {
	case c.jobs < 1 || c.jobs > c.workers:
		return fmt.Errorf("--jobs is %d, want 1 to %d, the workers", c.jobs, c.workers)
	case c.epochs < 1:
		return fmt.Errorf("--epochs is %d, want at least 1", c.epochs)
	case c.subset < 0:
		return fmt.Errorf("--subset is %d, want at least 1, or 0 for all samples", c.subset)
	case !(c.validation > 0 && c.validation < 1):
		return fmt.Errorf("--validation is %v, want more than 0 and less than 1", c.validation)
	}
	if err := c.recipe.validate(c.epochs); err != nil {
		return err
	}
	switch c.tuneLR {
	case "sgd":
	case "all":
		c.grid.TuneLR = true
	default:
		return fmt.Errorf("--tune-lr is %q, want sgd or all", c.tuneLR)
	}
	for _, n := range c.grid.Shards {
		if err := c.validateShards(n); err != nil {
			return err
		}
	}
	return nil
}

// subsetSeed is that of the samples of --subset, which are the same for all runs.
const subsetSeed = 1

// enter makes the study.
func (c *compare) enter() (err error) {
	if err := c.open(); err != nil {
		return err
	}
	c.whole = c.train.Len()
	if c.subset > 0 {
		if c.train, err = c.train.Subset(c.subset, subsetSeed); err != nil {
			return err
		}
	}
	augment, err := c.augmentations()
	if err != nil {
		return err
	}
	c.grid.Rhos, c.grid.LRs, c.grid.Noise = c.rhos, c.lrs, c.noise
	c.study = &study.Study{
		Recipe: study.Recipe{
			Model: c.modelName, Data: c.dataName(), DataSum: study.Sum(c.train, c.test),
			Samples: c.train.Len(), Validation: int(math.Round(c.validation * float64(c.train.Len()))),
			Epochs: c.epochs, Batch: c.batch, Schedule: c.schedule, Warmup: c.warmup,
			Augment: append([]string{}, c.augment...), Standardize: c.standardize,
			Momentum: c.base.Momentum, WeightDecay: c.base.WeightDecay, ISA: simd.Active().String(),
		},
		Grid: c.grid, Model: c.model, Train: c.train, Test: c.test, Augment: augment,
		Schedule: func(batches int) optim.Schedule {
			schedule, _ := c.lrSchedule(c.epochs, batches) // checkFlags has tried
			return schedule
		},
	}
	return c.study.Validate()
}

// studyFiles are what a comparison writes, begun before the work, which would
// be for nothing if they can't be written.
type studyFiles struct {
	json       *atomicfile.File
	plot, rhos *chart.File
}

func (c *compare) create() (*studyFiles, error) {
	o := &studyFiles{}
	if err := c.begin(o); err != nil {
		o.discard()
		return nil, err
	}
	return o, nil
}

func (c *compare) begin(o *studyFiles) (err error) {
	if c.json != "" && c.json != "-" {
		if o.json, err = atomicfile.Create(c.json); err != nil {
			return err
		}
	}
	if c.plot != "" {
		if o.plot, err = chart.Create(c.plot); err != nil {
			return err
		}
	}
	if c.plotRho != "" {
		o.rhos, err = chart.Create(c.plotRho)
	}
	return err
}

func (o *studyFiles) discard() {
	if o.json != nil {
		o.json.Discard()
	}
	if o.plot != nil {
		o.plot.Discard()
	}
	if o.rhos != nil {
		o.rhos.Discard()
	}
}

// write writes what was asked for beside the tables.
func (c *compare) write(summary *study.Summary, o *studyFiles, stdout io.Writer) error {
	if c.json == "-" {
		if err := writeJSON(stdout, summary); err != nil {
			return err
		}
	}
	if o.json != nil {
		if err := writeJSON(o.json, summary); err != nil {
			return err
		}
		if err := o.json.Commit(); err != nil {
			return err
		}
	}
	if o.plot != nil {
		if err := o.plot.Draw(c.accuracyChart(summary)); err != nil {
			return err
		}
	}
	if o.rhos != nil {
		return o.rhos.Draw(c.rhoChart(summary))
	}
	return nil
}

// runProgress shows how far a comparison is: on a terminal by a live line, elsewhere
// by a line for each run that is finished.
type runProgress struct {
	*progress
	w     io.Writer
	start time.Time
}

func newRunProgress(w io.Writer) *runProgress {
	return &runProgress{newProgress(w, liveParts), w, time.Now()}
}

func (p *runProgress) report(at study.Progress) {
	if p.bar != nil {
		p.set(int(at.Part*liveParts), func() string { return fmt.Sprintf("%d of %s", at.Done, plural(at.Runs, "run")) })
		return
	}
	r := at.Finished
	if r == nil {
		return
	}
	what := []string{title(r.Method, r.Shards)}
	if r.Rho > 0 {
		what = append(what, fmt.Sprintf("rho %v", r.Rho))
	}
	what = append(what, fmt.Sprintf("lr %v", r.LR), fmt.Sprintf("seed %d", r.Seed))
	if r.Noise > 0 {
		what = append(what, fmt.Sprintf("noise %v%%", percent(r.Noise)))
	}
	kind := map[study.Stage]string{study.Selection: "validation", study.Final: "test"}[r.Stage]
	note := ""
	switch {
	case r.Diverged != "":
		note = ", diverged in " + r.Diverged
	case r.Collapsed:
		note = ", collapsed"
	}
	elapsed := time.Since(p.start)
	left := time.Duration(float64(elapsed) * (1 - at.Part) / at.Part)
	fmt.Fprintf(p.w, "%*d/%d  %s: %s accuracy %.2f%%%s, %.1f s; %v left\n", len(fmt.Sprint(at.Runs)), at.Done, at.Runs,
		strings.Join(what, ", "), kind, 100*r.Accuracy(), note, r.Seconds, left.Round(time.Second))
}

// title is a method with its shards in words.
func title(method string, shards int) string {
	m, err := sam.Lookup(method)
	if err != nil {
		return method
	}
	return m.With(shards)
}

// percent is a part of 1 in hundredths, without the dust that the binary fraction
// leaves: 7, not 7.000000000000001.
func percent(part float64) float64 { return math.Round(part*1e6) / 1e4 }

// levels returns the summary's level of a noise in words.
func noisy(noise float64) string {
	if noise == 0 {
		return "Clean labels"
	}
	return fmt.Sprintf("%v%% of the labels drawn anew", percent(noise))
}

// chosenAtEdge lists what was chosen and is the smallest or largest that was tried,
// so that something beyond may be better.
func (c *compare) chosenAtEdge(level study.Level) (list []string) {
	edge := func(name string, chosen float64, tried []float64) string {
		switch {
		case len(tried) < 2:
			return ""
		case chosen == slices.Max(tried):
			return fmt.Sprintf("%s %v, the largest", name, chosen)
		case chosen == slices.Min(tried):
			return fmt.Sprintf("%s %v, the smallest", name, chosen)
		}
		return ""
	}
	for _, r := range level.Rows {
		if r.Choice.Rho > 0 {
			if e := edge("rho", r.Choice.Rho, c.study.Grid.Rhos); e != "" {
				list = append(list, r.Name+" has "+e)
			}
		}
		if e := edge("lr", r.Choice.LR, c.study.Grid.LRs); e != "" && (c.grid.TuneLR || r.Method == "sgd") {
			list = append(list, r.Name+" has "+e)
		}
	}
	return list
}
