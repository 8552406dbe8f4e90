package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/steppe-ml/steppe/internal/chart"
	"github.com/steppe-ml/steppe/internal/runs"
	"github.com/steppe-ml/steppe/internal/runs/campaign"
	"github.com/steppe-ml/steppe/internal/study"
	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/net/optim"
	"github.com/steppe-ml/steppe/net/zoo"
	"github.com/steppe-ml/steppe/sam"
)

// compare is one run of the command.
type compare struct {
	workload
	recipe
	outputs
	grid       study.Grid
	noise      numbers
	rhos, lrs  numbers
	tuneLR     string
	validation float64
	subset     int
	epochs     int
	base       runs.Settings // of the base optimizer: Optimizer and what goes with it
	optimizer  runs.Optimizer
	jobs       int
	dir        string // of --out; "" keeps the runs in memory
	markdown   bool

	given   func(flag string) bool
	leftOut []int // numbers of shards that the batch can't have
	study   *study.Study
	samples int // of the training set before --subset
	summary *study.Summary
}

func newCompare() *cobra.Command {
	c := &compare{
		workload: workload{command: "compare"},
		noise:    numbers{0}, rhos: numbers{0.02, 0.05, 0.1, 0.2}, base: runs.Defaults(),
	}
	cmd := &cobra.Command{
		Use:   "compare",
		Short: "Compare the accuracy and the cost of methods over several seeds",
		Long: `Train a model with each method for the same number of epochs, and print the test
accuracies with 95% intervals over seeds, and the cost of a step. For each seed,
all methods start from the same weights and see the same batches and the same
wrong labels.

Transformers take AdamW and a warm-up, unless --optimizer and --warmup say
otherwise, and models of text are trained with ` + strings.Join(textMethods, ", ") + `, too.

First, compare chooses rho and the learning rate by the accuracy on a part of
the training set that it holds back (--validation), with seeds of its own.
--tune-lr sgd chooses the learning rate with SGD and uses it for all methods;
--tune-lr all chooses one for each method. With --label-noise, the samples held
back have wrong labels, too. Then each method trains on the whole training set
with the values chosen, and is tested once, after the last epoch.

--out DIR keeps every finished run in DIR. The next comparison with the same DIR
goes on from there: after Ctrl-C, or with more seeds, methods, rhos or noise.
Accuracies don't depend on --jobs and --workers, but times do. Compare times
only if all runs used the same --jobs and --workers on a machine that did
nothing else.

mpirun -n 4 steppe compare --mpi spreads the runs over processes, of one machine
or several. --jobs and --workers are those of one of them. Rank 0 alone prints
and has the files.

` + sections(aboutMethods(), aboutModels(), aboutData(), aboutRecipe()),
		Example: `  steppe compare --epochs 10 --out digits
  steppe compare --label-noise 0,0.2 --shards 4,8,16 --seeds 10 --plot noise.png
  steppe compare --data data/fashion-mnist --model lenet --subset 4000 \
      --out fashion
  steppe compare --methods sgd,sam --lrs 0.01,0.03,0.1 --rhos 0.05,0.1
  steppe compare --data brown --model text-tiny --length 64 --out brown
  steppe compare --data reviews.tsv --text review --label verdict \
      --model text-tiny
  mpirun -n 4 steppe compare --mpi --workers 1 --out digits`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := c.shareCores(cmd.Context(), cmd.Flags()); err != nil {
				return err
			}
			if !cmd.Flags().Changed("jobs") {
				c.jobs = max(1, c.workers)
			}
			c.given = cmd.Flags().Changed
			return flagError(cmd.Flags(), c.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr()))
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	c.workload.addFlags(flags, 64)
	addMPIFlag(flags, "spread the runs over the processes that mpirun has started")
	flags.IntVar(&c.jobs, "jobs", 0, "runs at a time, which share the workers (default: one per worker)")
	flags.StringSliceVar(&c.grid.Methods, "methods", defaultMethods, "`names` of the methods")
	flags.IntSliceVar(&c.grid.Shards, "shards", []int{4, 8, 16, 32}, "shards per batch to try with sharded methods")
	flags.Var(&c.rhos, "rhos", "values of rho to choose from")
	flags.Var(&c.lrs, "lrs", "learning rates to choose from (default the optimizer's)")
	flags.StringVar(&c.tuneLR, "tune-lr", "sgd", "methods that choose their learning rate: `sgd|all`")
	flags.Var(&c.noise, "label-noise", "fractions of the training samples to relabel at random")
	flags.IntVar(&c.grid.Seeds, "seeds", 5, "number of seeds of the final runs")
	flags.IntVar(&c.grid.SelectionSeeds, "selection-seeds", 2, "number of seeds of the runs that choose rho and lr")
	flags.Float64Var(&c.validation, "validation", 0.2, "fraction of the training set to hold back for choosing")
	flags.IntVar(&c.subset, "subset", 0, "training samples to use, in proportion to the classes (default all)")
	flags.IntVar(&c.epochs, "epochs", 20, "passes over the training set")
	flags.StringVar(&c.base.Optimizer, "optimizer", c.base.Optimizer, "`name` of the base optimizer")
	flags.Float64Var(&c.base.Momentum, "momentum", c.base.Momentum, "sgd: momentum")
	flags.Float64Var(&c.base.WeightDecay, "weight-decay", 0, "weight decay, not in the ascent (default the optimizer's)")
	c.recipe.addFlags(flags)
	flags.StringVar(&c.dir, "out", "", "keep the runs in the folder `DIR`, and go on from the runs in it")
	flags.BoolVar(&c.markdown, "markdown", false, "print the tables as Markdown")
	c.addJSONFlag(flags)
	accuracies := c.addPlotFlag(flags, "plot", "draw the accuracies into `FILE`, a .png or .svg")
	accuracies.chart = func() chart.Chart { return c.accuracyChart(c.summary) }
	rhos := c.addPlotFlag(flags, "plot-rho", "draw the accuracy by rho into `FILE`, a .png or .svg")
	rhos.chart = func() chart.Chart { return c.rhoChart(c.summary) }
	return cmd
}

func (c *compare) run(ctx context.Context, stdout, stderr io.Writer) (err error) {
	if err := c.validate(); err != nil {
		return err
	}
	if err := waiting(stderr, "reading "+c.source.Data, c.makeStudy); err != nil {
		return err
	}
	ranks := communicatorOf(ctx)
	if err := compareStudies(ranks, c.study); err != nil {
		return err
	}
	store := study.NewStore()
	if c.dir != "" && leads(ranks) {
		if store, err = study.OpenStore(c.dir, c.study.Recipe); err != nil {
			return err
		}
		defer store.Close()
	}
	defer c.outputs.discard()
	if leads(ranks) {
		if err := c.outputs.create(); err != nil {
			return err
		}
	}
	out := c.outputs.tables(stdout, stderr)
	if !isQuiet(stderr) {
		c.printHeader(out)
	}
	live := newRunProgress(stderr, c.optimizer.Title)
	err = study.ExecuteOn(ctx, agreement(ranks), []study.Work{{Study: c.study, Store: store}}, c.jobs, c.workers/c.jobs, live.report)
	live.clear()
	if err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	if c.summary = c.study.Summary(store); c.summary == nil {
		return err
	}
	summaryTables{c.summary, c.markdown}.printSummary(out)
	if err != nil {
		return err
	}
	return c.outputs.write(c.summary, stdout)
}

// validate returns an error if the flags make no sense.
func (c *compare) validate() error {
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
	if err := c.complete(); err != nil {
		return err
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
	c.grid.Methods = distinct(c.grid.Methods)
	for _, n := range c.grid.Shards {
		if err := c.validateShards(n); c.given("shards") && err != nil {
			return err
		}
	}
	return nil
}

// fitShards leaves out the default numbers of shards that the batch can't have. If it has room for
// none of them, it takes the most that it can have, or leaves out the methods of --methods'
// default that need several.
func (c *compare) fitShards() error {
	if c.given("shards") {
		return nil
	}
	most := c.mostShards()
	fits := func(n int) bool { return n <= most }
	c.leftOut = slices.DeleteFunc(slices.Clone(c.grid.Shards), fits)
	c.grid.Shards = slices.DeleteFunc(c.grid.Shards, func(n int) bool { return !fits(n) })
	if len(c.grid.Shards) > 0 {
		return nil
	}
	if most > 1 {
		c.grid.Shards = []int{most}
		return nil
	}
	sharded := func(name string) bool { m, err := sam.Lookup(name); return err == nil && m.Sharded() }
	if i := slices.IndexFunc(c.grid.Methods, sharded); i >= 0 && c.given("methods") {
		return fmt.Errorf("--methods has %s, and --batch %d has room for one shard only", c.grid.Methods[i], c.batch)
	}
	c.grid.Methods = slices.DeleteFunc(c.grid.Methods, sharded)
	return nil
}

// subsetSeed chooses the samples of --subset. All runs have the same.
const subsetSeed = 1

// makeStudy opens the data and makes the study.
func (c *compare) makeStudy() (err error) {
	if err := c.open(); err != nil {
		return err
	}
	if err := c.fitShards(); err != nil {
		return err
	}
	c.samples = c.train.Len()
	if c.subset > c.samples {
		return fmt.Errorf("--subset %d is more than the %s training samples of %s", c.subset, count(c.samples), c.dataName())
	}
	if c.subset > 0 {
		if c.train, err = c.train.Subset(c.subset, subsetSeed); err != nil {
			return err
		}
	}
	c.grid.Rhos, c.grid.LRs, c.grid.Noise = c.rhos, c.lrs, c.noise
	setup := campaign.Setup{
		ModelName: c.modelName, Model: c.model, Data: c.dataName(), Train: c.train, Test: c.test, Validation: c.validation,
		Epochs: c.epochs, Batch: c.batch, Schedule: c.schedule, Warmup: c.warmup, Augment: c.augment, Standardize: c.standardize,
		Optimizer: c.optimizer, Base: c.base, Grid: c.grid,
	}
	if c.study, err = setup.Study(); err != nil {
		return err
	}
	if err := c.study.Validate(); err != nil {
		return err
	}
	return c.checkMemory()
}

// complete fills in the settings of the base optimizer that no flag gave.
func (c *compare) complete() error {
	row, err := zoo.Lookup(c.modelName)
	if err != nil {
		return err
	}
	if row.Language {
		return fmt.Errorf("--model %s is a language model, and steppe compare compares accuracies of classifiers", c.modelName)
	}
	if row.HasBlocks() {
		c.base.Model, c.base.Epochs = c.modelName, c.epochs
		c.base.CompleteTransformer(c.given)
		if !c.given("warmup") {
			c.warmup = c.base.Warmup
		}
	}
	if row.Text != nil && !c.given("methods") {
		c.grid.Methods = append(slices.Clone(c.grid.Methods), textMethods...)
	}
	optimizer, err := runs.LookupOptimizer(c.base.Optimizer)
	if err != nil {
		return err
	}
	if c.given("momentum") && !slices.Contains(optimizer.Own, "momentum") {
		return fmt.Errorf("--momentum with --optimizer %s, which has none", c.base.Optimizer)
	}
	if !c.given("lrs") {
		c.lrs = numbers{runs.UsualLR(row, optimizer)}
	}
	if !c.given("weight-decay") {
		c.base.WeightDecay = optimizer.WeightDecay
	}
	c.optimizer = optimizer
	return nil
}

// rule returns the base optimizer of a learning rate.
func (c *compare) rule(lr float64) optim.Rule {
	s := c.base
	s.LR = lr
	return c.optimizer.Rule(&s)
}

// checkMemory returns an error if there isn't the memory for the largest runs at once, each with
// its own copy of the data where it changes.
func (c *compare) checkMemory() error {
	largest, err := c.study.MostBytes(c.workers / c.jobs)
	if err != nil {
		return err
	}
	data := dataBytes([]*dataset.Set{c.train, c.test})
	jobs := uint64(c.jobs)
	return c.most.check(
		memoryPart{"steps", jobs * uint64(largest), false}, memoryPart{"data", data, true},
		memoryPart{"its copies", jobs * data, false}, memoryPart{"parameters", jobs * paramBytes(c.model, c.rule(c.lrs[0])), false})
}
