package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/steppe-ml/steppe/internal/chart"
	"github.com/steppe-ml/steppe/internal/runs"
	"github.com/steppe-ml/steppe/net/zoo"
	"github.com/steppe-ml/steppe/sam"
	"github.com/steppe-ml/steppe/simd"
)

// bench is one run of the command.
type bench struct {
	workload // shared by the trials, except for the model and the batch
	models   []string
	batches  []int
	methods  []string
	rho      float64
	ascents  []string // rows of runs.Ascents
	shards   []int
	rounds   int
	explain  bool
	markdown bool
	scaling  string // of several ranks
	units    int    // that they share a batch in; 0 for the usual
	outputs
	costs *plotOutput

	given   func(flag string) bool
	ceiling float64 // FLOP/s of a core
	trials  []*trial
	report  *Report
	stderr  io.Writer
	live    *progress

	usualBatch bool // without --batch, try the model's own alone
	times      int  // how many of the batches and of the shards that flags name one has; 0 for 1
}

// liveParts is the length of the live line of one model, or of a comparison.
const liveParts = 1000

// defaultMethods are the methods of bench and compare without --methods.
var defaultMethods = []string{"sgd", "sam", "msam"}

// textMethods are those that bench and compare take besides with a model of text: SAM by a quarter
// of the batch is what mSAM competes with there.
var textMethods = []string{"sam-quarter"}

// defaultShards are the numbers of shards that bench tries without --shards, and beside them the most
// that the batch can have. Those that don't fit the batch are left out.
var defaultShards = []int{1, 2, 4, 8, 16, 32}

// smallBatch is the batch that bench tries without --batch beside the model's own: small shards
// have the hardest time to cost no more than SAM.
const smallBatch = 32

func newBench() *cobra.Command {
	b := &bench{workload: workload{command: "bench"}}
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure what SAM and mSAM cost on this CPU, against SGD",
		Long: `Measure the time of a training step with SGD, with SAM, and with mSAM for
several numbers of shards. A round times one step of each method on the same
batch, and the next round takes another batch. Models and batch sizes are
measured one after the other. Times are medians over the rounds, and ratios are
medians of the rounds' ratios. The number after ± is the distance to the farther
end of the 95% interval; it takes at least 6 rounds.

The default batch sizes are the model's own, given below, and ` + strconv.Itoa(smallBatch) + `. The default
numbers of shards are ` + list(defaultShards) + ` and the most that the batch can
have: one sample a shard, or two where a normalization needs them. With several
batch sizes, numbers of --shards that do not fit one of them are left out there,
and a matrix at the end has the cost by batch and shards. A cell is marked if
its whole interval is above SAM's cost. Of 40 cells that cost exactly as much as
SAM, one is marked by chance.

As a control, each round ends by timing SAM once more (SGD or the first method,
if SAM isn't measured). The ratio of its two times should be 1. If the interval
of this ratio, or of another method's ratio to SAM, reaches farther than 5%, the
machine was too noisy, and a line below the table says so.

Without --data, mlp runs on digits if it is the only model. Otherwise each model
runs on synthetic samples of the shape given below, or on made-up texts of so
many tokens. Transformers take AdamW in place of SGD, and models of text are
measured with ` + strings.Join(textMethods, ", ") + `, too.

--plot draws the cost relative to SAM against the number of shards, with a line
for each model. With --json -, only the JSON goes to stdout, and the tables go
to stderr. Files appear whole or not at all. After Ctrl-C, bench prints the
tables of the rounds so far, and writes no files.

mpirun -n 2 steppe bench --mpi times steps that processes share, with the exact
sums of steppe train --mpi beside fast ones. Besides the step, it prints what a
step takes to compute on the slowest rank, to exchange, and to wait for others:
in another step, where ranks meet before each exchange. "x with overlap" is the
step of steppe train --overlap over this one. With --scaling weak, --batch and
--shards are each rank's own.

` + sections(aboutMethods(), aboutUsualModels(), aboutData()),
		Example: `  steppe bench
  steppe bench --model mlp,lenet,resnet20 --plot cost.png
  steppe bench --model resnet20 --methods sam,msam --shards 8,32
  steppe bench --model mlp --data synthetic:28x28x1 --markdown
  steppe bench --model text-tiny,text-mini --shards 8,32
  steppe bench --batch 64 --rounds 50 --explain
  steppe bench --batch 16,32,64,128 --shards 2,4,8,16,32,64 --workers 1
  steppe bench --json bench.json
  mpirun -n 2 steppe bench --mpi --model resnet20 --methods msam --shards 32
  mpirun -n 4 steppe bench --mpi --scaling weak --workers 1 --json weak.json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			b.given = cmd.Flags().Changed
			return flagError(cmd.Flags(), b.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr()))
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringSliceVar(&b.models, "model", []string{"mlp"}, "`names` of the models")
	flags.StringSliceVar(&b.methods, "methods", defaultMethods, "`names` of the methods")
	b.source = runs.Defaults().Source
	flags.StringVar(&b.source.Data, "data", "", "`name` or folder of the data (default: see above)")
	flags.IntSliceVar(&b.batches, "batch", nil, "samples per batch, or several sizes (default: see above)")
	flags.IntSliceVar(&b.shards, "shards", nil, "shards per batch to try with sharded methods (default: see above)")
	flags.Float64Var(&b.rho, "rho", 0, "perturbation radius (default "+
		presets(sam.Method.Perturbs, func(m sam.Method) any { return m.Preset.Rho })+")")
	flags.StringSliceVar(&b.ascents, "ascent", []string{runs.Ascents[0].Name}, "`precisions` of the ascent: f32, bf16, or both")
	b.addSeed(flags)
	b.addWorkers(flags)
	flags.IntVar(&b.rounds, "rounds", 0, fmt.Sprintf("rounds to time (default: at least %d, and %v per method)", minRounds, timePerMethod))
	flags.BoolVar(&b.explain, "explain", false, "print the plan of each method's step")
	flags.BoolVar(&b.markdown, "markdown", false, "print the tables as Markdown")
	costs := b.addPlotFlag(flags, "plot", "draw the costs into `FILE`, a .png or .svg")
	addMPIFlag(flags, "time steps that the processes share which mpirun has started")
	flags.StringVar(&b.scaling, "scaling", scalings[0], "with --mpi: `strong` shares --batch, weak gives each rank as much")
	flags.IntVar(&b.units, "units", 0, "with --mpi: most pieces of a batch, and so the most ranks (default 16)")
	costs.chart = func() chart.Chart { return b.report.costs() }
	b.addJSONFlag(flags)
	b.costs = costs
	return cmd
}

func (b *bench) run(ctx context.Context, stdout, stderr io.Writer) error {
	if c := communicatorOf(ctx); c != nil {
		return b.runRanks(ctx, c, stdout, stderr)
	}
	for _, flag := range []string{"scaling", "units"} {
		if b.given(flag) {
			return fmt.Errorf("--%s without --mpi: there is one process", flag)
		}
	}
	if err := b.validate(); err != nil {
		return err
	}
	b.stderr = stderr
	if err := waiting(stderr, "reading data, compiling models", b.prepare); err != nil {
		return err
	}
	defer b.outputs.discard()
	if err := b.outputs.create(); err != nil {
		return err
	}

	b.ceiling = simd.FMACeiling()
	b.report = newReport(b.ceiling)
	out := b.outputs.tables(stdout, stderr)
	if !isQuiet(stderr) {
		b.printMachine(out)
	}
	b.live = newProgress(stderr, liveParts*len(b.trials))
	for i := range b.trials {
		if err := b.measure(ctx, i, out); err != nil {
			b.printSummary(out)
			return err
		}
	}
	b.printSummary(out)
	return b.outputs.write(b.report, stdout)
}

// measure runs one trial and prints its table.
func (b *bench) measure(ctx context.Context, i int, out io.Writer) error {
	t := b.trials[i]
	b.printTitle(out, t)
	err := waiting(b.stderr, fmt.Sprintf("planning the steps of %s, batch %d", t.modelName, t.batch), t.makeOptimizers)
	if err != nil {
		return err
	}
	defer t.dropOptimizers()
	if b.explain {
		b.printPlans(out, t)
	}
	err = t.time(ctx, b.rounds, func(done float64, round int) {
		b.live.set(int((float64(i)+done)*liveParts), func() string {
			if round < 0 {
				return fmt.Sprintf("%s, batch %d, warming up", t.modelName, t.batch)
			}
			return fmt.Sprintf("%s, batch %d, round %d", t.modelName, t.batch, round+1)
		})
	})
	b.live.clear()
	if err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	if t.rounds() > 0 {
		rows, control := b.report.add(t)
		b.printTable(out, t, rows, control)
	}
	return err
}

// validate returns an error if the flags make no sense.
func (b *bench) validate() error {
	if b.given("rho") && !(b.rho > 0 && !math.IsInf(b.rho, 1)) {
		return fmt.Errorf("--rho is %v, want a positive radius: without one all methods are SGD", b.rho)
	}
	if b.rounds < 0 {
		return fmt.Errorf("--rounds is %d, want at least 1, or 0 for the default", b.rounds)
	}
	if err := b.sortAscents(); err != nil {
		return err
	}
	b.models, b.methods = distinct(b.models), distinct(b.methods)
	if len(b.models) == 0 || len(b.methods) == 0 {
		return fmt.Errorf("--model %q and --methods %q, want at least one of each", b.models, b.methods)
	}
	for _, name := range b.methods {
		if _, err := sam.Lookup(name); err != nil {
			return err
		}
	}
	if b.costs.path != "" && !(slices.Contains(b.methods, "sam") && slices.ContainsFunc(b.methods, drawn)) {
		return fmt.Errorf("--plot draws costs relative to SAM: --methods %s needs sam, and a method to compare with it", strings.Join(b.methods, ","))
	}
	return nil
}

// sortAscents puts the precisions of --ascent into the order of their table, each once. The first
// SAM, which others are compared with, is then float32's if that is there.
func (b *bench) sortAscents() error {
	if len(b.ascents) == 0 {
		return fmt.Errorf("--ascent is empty, want f32, bf16, or both")
	}
	for _, name := range b.ascents {
		if _, err := runs.FindAscent(name); err != nil {
			return fmt.Errorf("--ascent: %w", err)
		}
	}
	given := b.ascents
	b.ascents = nil
	for _, row := range runs.Ascents {
		if slices.Contains(given, row.Name) {
			b.ascents = append(b.ascents, row.Name)
		}
	}
	return nil
}

// distinct returns list without duplicates, in the order of the first of each.
func distinct[T comparable](list []T) (unique []T) {
	for _, v := range list {
		if !slices.Contains(unique, v) {
			unique = append(unique, v)
		}
	}
	return unique
}

// prepare makes a trial of each model and batch, so that errors come before the first measurement.
func (b *bench) prepare() error {
	for _, name := range b.models { // before the data, which may take long
		if _, err := zoo.Lookup(name); err != nil {
			return err
		}
	}
	for _, name := range b.models {
		batches := b.batchesOf(name)
		for _, batch := range batches {
			t, err := b.newTrial(name, batch, len(batches) > 1)
			if err != nil {
				return err
			}
			b.trials = append(b.trials, t)
		}
	}
	return b.allFit()
}

// batchesOf returns the batch sizes to try with a model.
func (b *bench) batchesOf(model string) []int {
	row, _ := zoo.Lookup(model) // which prepare has looked up before
	batches := []int{row.Batch, smallBatch}
	switch {
	case b.given("batch"):
		batches = slices.Clone(b.batches)
	case b.usualBatch:
		batches = batches[:1]
	}
	for i := range batches {
		batches[i] *= max(1, b.times)
	}
	return distinct(batches)
}

// allFit returns an error if a number of --shards fits none of a model's batches.
func (b *bench) allFit() error {
	for _, model := range b.models {
		for _, n := range b.shards {
			if !slices.ContainsFunc(b.trials, func(t *trial) bool { return t.modelName == model && n*max(1, b.times) <= t.mostShards() }) {
				return fmt.Errorf("--shards has %d, which fits none of the batches of %s", n, model)
			}
		}
	}
	return nil
}
