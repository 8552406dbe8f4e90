package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/steppe-ml/steppe/internal/atomicfile"
	"github.com/steppe-ml/steppe/internal/study"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/checkpoint"
	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/sam"
)

// train is one run of the command.
type train struct {
	workload
	recipe
	optimizer
	ascent
	methodName string
	rho        float64
	shards     int
	epochs     int
	save       string

	method sam.Method
	cfg    sam.Config
	params *net.Params
	opt    *sam.Optimizer
	feed   dataset.Loader

	out  io.Writer
	live *progress
	done epoch // the last whole one

	file *atomicfile.File // what the model is saved to, if it is
	kept *net.Params      // what is saved: the parameters after done
}

// epoch is what is known of one pass over the data.
type epoch struct {
	number  int // from 1 on
	loss    float64
	right   int // test samples
	seconds float64
}

func newTrain() *cobra.Command {
	t := &train{}
	cmd := &cobra.Command{
		Use:   "train",
		Short: "Train a model, with the accuracy epoch by epoch",
		Long: `Train a model and print train loss and test accuracy after each epoch. Ctrl-C
ends the run after the step under way.

With --save the model is written at the end of the run, with what eval needs to
test it, whole or not at all. After Ctrl-C it is the model of the last whole
epoch, if there is one.

` + aboutTables() + "\n\n" + aboutOptimizers() + "\n\n" + aboutRecipe() + "\n\n" + aboutRhoSchedules(),
		Example: `  steppe train
  steppe train --method sam --rho 0.1
  steppe train --method msam --shards 16 --epochs 10 --seed 2
  steppe train --method asam --rho 1 --rho-schedule linear
  steppe train --optimizer adamw --warmup 0.5 --clip 1
  steppe train --standardize --label-noise 0.2 --shards 4
  steppe train --save digits.safetensors`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			err := t.choose(cmd.Flags().Changed)
			if err != nil {
				return err
			}
			t.out = cmd.OutOrStdout()
			return t.run(cmd.Context(), cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&t.methodName, "method", "msam", "`name` of the method")
	flags.Float64Var(&t.rho, "rho", 0, "radius (default "+
		defaults(sam.Method.Perturbs, func(m sam.Method) any { return m.Preset.Rho })+")")
	flags.IntVar(&t.shards, "shards", 0, "shards of a batch (default "+
		defaults(sam.Method.Sharded, func(m sam.Method) any { return m.Preset.Shards })+")")
	t.ascent.addFlags(flags)
	t.workload.addFlags(flags, 64)
	t.addSeed(flags)
	flags.IntVar(&t.epochs, "epochs", 20, "passes over the data")
	t.optimizer.addFlags(flags)
	t.recipe.addFlags(flags)
	flags.Float64Var(&t.noise, "label-noise", 0, "part of the training labels that is drawn anew, for studies")
	flags.StringVar(&t.save, "save", "", "write the model to `FILE`, as safetensors")
	return cmd
}

// choose makes the configuration of the method, and of what was given beside
// its preset.
func (t *train) choose(changed func(flag string) bool) (err error) {
	if t.epochs < 1 {
		return fmt.Errorf("--epochs is %d, want at least 1", t.epochs)
	}
	if t.method, err = sam.LookupMethod(t.methodName); err != nil {
		return err
	}
	t.cfg = t.method.Preset
	if changed("rho") {
		if !t.method.Perturbs() && t.rho != 0 {
			return fmt.Errorf("--rho %v with --method %s, which perturbs nothing", t.rho, t.method.Name)
		}
		t.cfg.Rho = t.rho
	}
	if changed("shards") {
		if !t.method.Sharded() && t.shards != 1 {
			return fmt.Errorf("--shards %d with --method %s, which has 1 shard", t.shards, t.method.Name)
		}
		t.cfg.Shards = t.shards
	}
	if err := t.ascent.choose(&t.cfg, changed); err != nil {
		return err
	}
	t.cfg.Clip = t.clip
	t.cfg.Base, err = t.optimizer.choose(changed)
	return err
}

func (t *train) run(ctx context.Context, stderr io.Writer) error {
	if err := cmp.Or(t.workload.check(), t.recipe.check(t.epochs)); err != nil {
		return err
	}
	if err := t.checkShards(t.cfg.Shards); err != nil {
		return err
	}
	if err := t.open(); err != nil {
		return err
	}
	if err := t.feedFrom(); err != nil {
		return err
	}
	t.cfg.Batch, t.cfg.Seed, t.cfg.Workers = t.batch, t.seed, t.workers
	t.params = t.model.Init(t.seed)
	var err error
	if t.cfg.LRSchedule, err = t.lrSchedule(t.epochs, t.feed.Batches()); err != nil {
		return err
	}
	if t.cfg.RhoSchedule, err = t.ascent.schedule(t.epochs * t.feed.Batches()); err != nil {
		return err
	}
	if t.opt, err = sam.New(t.model, t.params, t.cfg); err != nil {
		return err
	}
	if t.save != "" { // begun before the work, which would be for nothing if it can't be written
		if t.file, err = atomicfile.Create(t.save); err != nil {
			return err
		}
		defer t.file.Discard()
	}

	t.printHeader()
	t.live = newProgress(stderr, t.epochs*t.samples())
	defer t.live.clear()
	for number := 1; number <= t.epochs; number++ {
		e, err := t.epoch(ctx, number)
		t.live.clear()
		if errors.Is(err, context.Canceled) {
			t.printInterrupted(number)
			return cmp.Or(t.write(), err)
		}
		if err != nil {
			return err
		}
		t.done = e
		t.keep()
		t.printEpoch(e)
	}
	t.printResult()
	return t.write()
}

// feedFrom prepares the data, and what makes batches of them.
func (t *train) feedFrom() (err error) {
	if t.train, t.test, err = t.prepare(t.train, t.test, t.seed); err != nil {
		return err
	}
	augment, err := t.augmentations()
	if err != nil {
		return err
	}
	t.feed = dataset.Loader{Set: t.train, Batch: t.batch, Seed: t.seed, Augment: augment}
	// A last batch that a normalisation can't take is left out.
	if rest := t.train.Len() % t.batch; rest > 0 {
		shard := (t.batch + t.cfg.Shards - 1) / t.cfg.Shards
		least := rest / ((rest + shard - 1) / shard)
		t.feed.DropLast = t.cfg.Ascent.Samples(least) < t.model.MinShard()
	}
	return t.feed.Validate()
}

// samples is how many an epoch has.
func (t *train) samples() int {
	if t.feed.DropLast {
		return t.feed.Batches() * t.batch
	}
	return t.train.Len()
}

// keep remembers the parameters as they are now: an interrupted epoch moves them on,
// and nobody has tested what it leaves.
func (t *train) keep() {
	if t.file != nil {
		t.kept = &net.Params{Values: slices.Clone(t.params.Values), State: slices.Clone(t.params.State)}
	}
}

// write saves what is kept, if it is to be saved.
func (t *train) write() error {
	if t.file == nil {
		return nil
	}
	if t.kept == nil {
		fmt.Fprintf(t.out, "Nothing is saved to %s, since no epoch is done.\n", t.save)
		return nil
	}
	meta := checkpoint.Meta{Model: t.modelName, Input: t.train.Shape, Classes: t.train.Classes, Data: t.dataName()}
	if t.standardize {
		meta.Standardize = t.moments.String()
	}
	err := checkpoint.Write(t.file, t.model, t.kept, meta)
	if err == nil {
		err = t.file.Commit()
	}
	if err == nil {
		fmt.Fprintf(t.out, "Saved to %s.\n", t.save)
	}
	return err
}

// epoch trains on all the data once, and tests.
func (t *train) epoch(ctx context.Context, number int) (epoch, error) {
	e := epoch{number: number}
	start := time.Now()
	samples, batch := 0, 0
	for b := range t.feed.Epoch(uint64(number - 1)) {
		if err := ctx.Err(); err != nil {
			return e, err
		}
		batch++
		stats, err := t.opt.Step(b)
		if err != nil {
			return e, fmt.Errorf("epoch %d, batch %d: %w", number, batch, err)
		}
		e.loss += stats.Loss * float64(b.N)
		samples += b.N
		t.live.set((number-1)*t.samples()+samples, func() string {
			return fmt.Sprintf("epoch %d, loss %.4f", number, e.loss/float64(samples))
		})
	}
	e.seconds = time.Since(start).Seconds()
	e.loss /= float64(samples)
	var err error
	e.right, err = study.Correct(t.model, t.params, t.test)
	return e, err
}

func (t *train) printHeader() {
	method := t.optimizer.title()
	if t.method.Perturbs() {
		method = fmt.Sprintf("%s, rho %v", t.method.With(t.cfg.Shards), t.cfg.Rho)
		if t.cfg.RhoSchedule != nil {
			method += " " + t.rhoSchedule
		}
		if how := t.opt.Plan().Ascent.String(); how != "" {
			method += ", " + how
		}
		if t.optimizer.name != "sgd" {
			method += ", " + t.optimizer.title()
		}
	}
	fmt.Fprintf(t.out, "%s on %s: %s training and %s of %v\n", t.modelName, t.dataName(),
		count(t.train.Len()), plural(t.test.Len(), "test sample"), t.train.Shape)
	if what := t.recipe.String(); what != "" {
		fmt.Fprintln(t.out, what)
	}
	fmt.Fprintf(t.out, "%s, batch %d, %s\n", method, t.batch, t.optimizer.describe(t.recipe.ofLR()))
	fmt.Fprintf(t.out, "%s, seed %d\n\n", t.machine(), t.seed)
	fmt.Fprintln(t.out, "epoch   train loss   test accuracy   seconds   images/s")
}

func (t *train) printEpoch(e epoch) {
	fmt.Fprintf(t.out, "%5d   %10.4f   %12.2f%%   %7.3f   %8s\n",
		e.number, e.loss, 100*t.accuracy(e), e.seconds, rate(float64(t.samples())/e.seconds))
}

// printResult says what has come of it, and if that is nothing.
func (t *train) printResult() {
	accuracy := t.accuracy(t.done)
	fmt.Fprintf(t.out, "\nTest accuracy %.2f%% (%s of %s) after %s.\n",
		100*accuracy, count(t.done.right), count(t.test.Len()), plural(t.done.number, "epoch"))
	if accuracy <= study.Chance(t.test) {
		fmt.Fprintln(t.out, "That is no better than guessing: the run has collapsed, or there is nothing to learn.\n"+
			"A smaller --lr or --rho, or fewer --shards, may help.")
	}
}

func (t *train) printInterrupted(number int) {
	fmt.Fprintf(t.out, "\nInterrupted in epoch %d.", number)
	if t.done.number > 0 {
		fmt.Fprintf(t.out, " Test accuracy %.2f%% after %s.", 100*t.accuracy(t.done), plural(t.done.number, "epoch"))
	}
	fmt.Fprintln(t.out)
}

func (t *train) accuracy(e epoch) float64 { return float64(e.right) / float64(t.test.Len()) }
