package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/steppe-ml/steppe/net/zoo"
	"github.com/steppe-ml/steppe/sam"
	"github.com/steppe-ml/steppe/simd"
)

// bench is one run of the command.
type bench struct {
	workload // but for the model, what the trials have in common
	models   []string
	methods  []string
	rho      float64
	shards   []int
	rounds   int
	explain  bool
	markdown bool
	outputs

	given   func(flag string) bool
	ceiling float64 // FLOP/s of a core
	trials  []*trial
	report  *Report
	live    *progress
}

// liveParts is how many steps the live line goes forward by for one model.
const liveParts = 1000

// defaultMethods are what bench times and compare trains by unless told.
var defaultMethods = []string{"sgd", "sam", "msam"}

// defaultShards are the numbers of shards that bench tries unless told. Those
// that a batch has too few samples for are left out.
var defaultShards = []int{1, 2, 4, 8, 16, 32}

func newBench() *cobra.Command {
	b := &bench{}
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure what SAM and mSAM cost on this CPU, against SGD",
		Long: `Measure what a training step costs with SGD, with SAM, and with mSAM for several
numbers of shards. A model's methods are timed in turn, round after round, each
round on another batch; models are measured one after the other. Figures are
medians over the rounds, and ratios the medians of the rounds' ratios; behind ±
is how far their 95% interval reaches, which takes 6 rounds.

Each round times its SAM twice, first and last, as a control: that ratio ought
to be 1. If its interval or another's reaches further than 5%, the machine was
too noisy for its own ratios, and a line below the table says so.

mlp alone runs on digits. Without --data, other models, and several, run on
noise of the shape that each is customarily trained with.

With --plot the cost against the number of shards is drawn, relative to SAM, a
line a model. With --json - the JSON alone goes to stdout, and the tables to
stderr. A FILE is written whole or not at all. Ctrl-C ends the run with the table
of the rounds so far, and without plot and JSON.

` + aboutMethods() + "\n" + aboutModels(withCustom) + "\n" + aboutData(),
		Example: `  steppe bench
  steppe bench --model mlp,lenet,resnet20 --plot cost.png
  steppe bench --model resnet20 --methods sam,msam --shards 8,32
  steppe bench --model mlp --data synthetic:28x28x1 --markdown
  steppe bench --batch 64 --rounds 50 --explain
  steppe bench --json bench.json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			b.given = cmd.Flags().Changed
			return b.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringSliceVar(&b.models, "model", []string{"mlp"}, "`names` of the models")
	flags.StringSliceVar(&b.methods, "methods", defaultMethods, "`names` of the methods")
	flags.StringVar(&b.dataSpec, "data", "", "`name` or folder of the data (default: see above)")
	flags.IntVar(&b.batch, "batch", 0, "samples of a batch (default: the model's custom)")
	flags.IntSliceVar(&b.shards, "shards", defaultShards, "numbers of shards to try methods with")
	flags.Float64Var(&b.rho, "rho", 0, "radius of the perturbation (default "+
		defaults(sam.Method.Perturbs, func(m sam.Method) any { return m.Preset.Rho })+")")
	b.addSeed(flags)
	b.addWorkers(flags)
	flags.IntVar(&b.rounds, "rounds", 0, fmt.Sprintf("rounds to time (default: %d, and more until %v a method have passed)", minRounds, timePerMethod))
	flags.BoolVar(&b.explain, "explain", false, "print how each method's step is computed")
	flags.BoolVar(&b.markdown, "markdown", false, "print the tables as Markdown")
	b.outputs.addFlags(flags)
	return cmd
}

func (b *bench) run(ctx context.Context, stdout, stderr io.Writer) error {
	if err := b.checkFlags(); err != nil {
		return err
	}
	if err := b.prepare(); err != nil {
		return err
	}
	if err := b.outputs.begin(); err != nil {
		return err
	}
	defer b.outputs.discard()

	b.ceiling = simd.FMACeiling()
	b.report = newReport(b.ceiling)
	out := b.outputs.tables(stdout, stderr)
	b.printMachine(out)
	b.live = newProgress(stderr, liveParts*len(b.trials))
	for i := range b.trials {
		if err := b.try(ctx, i, out); err != nil {
			return err
		}
	}
	return b.outputs.write(b.report, stdout)
}

// try makes the figures of one trial, and prints them.
func (b *bench) try(ctx context.Context, i int, out io.Writer) error {
	t := b.trials[i]
	b.printTitle(out, t)
	if err := t.enter(); err != nil {
		return err
	}
	defer t.leave()
	if b.explain {
		b.printPlans(out, t)
	}
	err := t.time(ctx, b.rounds, func(done float64, round int) {
		b.live.set(int((float64(i)+done)*liveParts), func() string { return fmt.Sprintf("%s, round %d", t.modelName, round) })
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

// checkFlags returns what is wrong with the flags.
func (b *bench) checkFlags() error {
	if b.given("rho") && !(b.rho > 0 && !math.IsInf(b.rho, 1)) {
		return fmt.Errorf("--rho is %v, want a positive radius: without one all methods are SGD", b.rho)
	}
	if b.rounds < 0 {
		return fmt.Errorf("--rounds is %d, want at least 1, or 0 for the default", b.rounds)
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
	if b.plotPath != "" && !(slices.Contains(b.methods, "sam") && slices.ContainsFunc(b.methods, drawn)) {
		return fmt.Errorf("--plot draws costs relative to SAM: --methods %s needs sam, and what to compare to it", strings.Join(b.methods, ","))
	}
	return nil
}

// distinct returns list without what it has had before.
func distinct[T comparable](list []T) (once []T) {
	for _, v := range list {
		if !slices.Contains(once, v) {
			once = append(once, v)
		}
	}
	return once
}

// prepare makes a trial of each model. Whatever can be wrong with one is found
// out before the first is timed.
func (b *bench) prepare() error {
	for _, name := range b.models { // before data, which may take long
		if _, err := zoo.Lookup(name); err != nil {
			return err
		}
	}
	for _, name := range b.models {
		t, err := b.newTrial(name)
		if err != nil {
			return err
		}
		b.trials = append(b.trials, t)
	}
	return nil
}
