package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/steppe-ml/steppe/internal/atomicfile"
	"github.com/steppe-ml/steppe/internal/study"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/checkpoint"
	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/sam"
	"github.com/steppe-ml/steppe/sam/train"
)

// trainCommand is one run of train.
type trainCommand struct {
	workload
	recipe
	optimizer
	ascent
	methodName string
	rho        float64
	shards     int
	epochs     int
	save       string

	method   sam.Method
	cfg      sam.Config
	training *train.Run
	correct  train.Accuracy // on the test set, after each epoch

	out  io.Writer
	live *progress
	done epoch // the last finished one

	file *atomicfile.File // of --save; nil without
	kept *net.Params      // parameters to save: those after done
}

// epoch has the results of one pass over the data.
type epoch struct {
	train.Epoch
	correct int // test samples
}

func newTrain() *cobra.Command {
	t := &trainCommand{}
	cmd := &cobra.Command{
		Use:   "train",
		Short: "Train a model and test it after each epoch",
		Long: `Train a model, and print the training loss and the test accuracy after each epoch.
Ctrl-C ends the run after the step under way.

--save writes the model to a file at the end, for steppe eval. After Ctrl-C, the file
has the model of the last whole epoch; before the first epoch has ended, there is no
file. The file appears whole or not at all.

` + sections(aboutMethods(), aboutModels(), aboutData(), aboutOptimizers(), aboutRecipe(),
			aboutSchedules("Schedules of rho", rhoSchedules)),
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
	flags.Float64Var(&t.rho, "rho", 0, "perturbation radius (default "+
		presets(sam.Method.Perturbs, func(m sam.Method) any { return m.Preset.Rho })+")")
	flags.IntVar(&t.shards, "shards", 0, "shards per batch (default "+
		presets(sam.Method.Sharded, func(m sam.Method) any { return m.Preset.Shards })+")")
	t.ascent.addFlags(flags)
	t.workload.addFlags(flags, 64)
	t.addSeed(flags)
	flags.IntVar(&t.epochs, "epochs", 20, "passes over the training set")
	t.optimizer.addFlags(flags)
	t.recipe.addFlags(flags)
	flags.Float64Var(&t.noise, "label-noise", 0, "fraction of the training samples to relabel at random")
	flags.StringVar(&t.save, "save", "", "write the trained model to `FILE`, in the safetensors format")
	return cmd
}

// choose makes the configuration: the method's preset, changed by the flags that were given.
func (t *trainCommand) choose(changed func(flag string) bool) (err error) {
	if t.epochs < 1 {
		return fmt.Errorf("--epochs is %d, want at least 1", t.epochs)
	}
	if t.method, err = sam.Lookup(t.methodName); err != nil {
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

func (t *trainCommand) run(ctx context.Context, stderr io.Writer) error {
	if err := cmp.Or(t.workload.validate(), t.recipe.validate(t.epochs)); err != nil {
		return err
	}
	if err := t.validateShards(t.cfg.Shards); err != nil {
		return err
	}
	if err := t.open(); err != nil {
		return err
	}
	if err := t.prepareRun(); err != nil {
		return err
	}
	if t.save != "" { // created before the training, so that a bad path costs no work
		var err error
		if t.file, err = atomicfile.Create(t.save); err != nil {
			return err
		}
		defer t.file.Discard()
	}
	t.live = newProgress(stderr, t.epochs*t.training.Loader().Samples())
	defer t.live.clear()
	history, err := t.training.Start(ctx)
	t.live.clear()
	switch {
	case errors.Is(err, context.Canceled):
		t.printInterrupted(len(history.Epochs) + 1)
		return cmp.Or(t.write(), err)
	case err != nil:
		return err
	}
	t.printResult()
	return t.write()
}

// prepareRun prepares the data and the run.
func (t *trainCommand) prepareRun() (err error) {
	if t.train, t.test, err = t.prepare(t.train, t.test, t.seed); err != nil {
		return err
	}
	augment, err := t.augmentations()
	if err != nil {
		return err
	}
	t.cfg.Workers = t.workers
	t.training = &train.Run{
		Model: t.model, Seed: t.seed, Epochs: t.epochs,
		Train:     dataset.Loader{Set: t.train, Batch: t.batch, Augment: augment},
		Valid:     t.test,
		Optimizer: t.cfg,
		Metrics:   []train.Metric{&t.correct},
		Hooks:     []train.Hook{train.HookFunc(t.show)},
	}
	loader := t.training.Loader()
	if err := loader.Validate(); err != nil {
		return err
	}
	if t.training.Optimizer.LRSchedule, err = t.lrSchedule(t.epochs, loader.Batches()); err != nil {
		return err
	}
	t.training.Optimizer.RhoSchedule, err = t.ascent.schedule(t.training.Steps())
	return err
}

// show is the hook of the run. It prints the progress and keeps the parameters to save.
func (t *trainCommand) show(at train.Moment, s *train.Status) error {
	switch at {
	case train.AtStart:
		t.printHeader(s.Plan.Ascent.String())
	case train.AfterStep:
		t.live.set((s.Epoch-1)*t.training.Loader().Samples()+s.Samples, func() string {
			return fmt.Sprintf("epoch %d, loss %.4f", s.Epoch, s.Loss)
		})
	case train.AfterEpoch:
		t.live.clear()
		t.done = epoch{s.History.Epochs[len(s.History.Epochs)-1], t.correct.Correct}
		t.keep(s.Params)
		t.printEpoch(t.done)
	}
	return nil
}

// keep copies the parameters with --save. An epoch that is interrupted later changes them, and the
// result is never tested.
func (t *trainCommand) keep(params *net.Params) {
	if t.file != nil {
		t.kept = &net.Params{Values: slices.Clone(params.Values), State: slices.Clone(params.State)}
	}
}

// write saves the kept parameters, with --save.
func (t *trainCommand) write() error {
	if t.file == nil {
		return nil
	}
	if t.kept == nil {
		fmt.Fprintf(t.out, "Nothing was saved to %s, since no epoch was finished.\n", t.save)
		return nil
	}
	meta := checkpoint.Meta{Model: t.modelName, Input: t.train.Shape, Classes: t.train.Classes, Data: t.dataName()}
	if t.standardize {
		meta.Standardize = t.by.String()
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

// printHeader prints the model, the data, the settings and the machine. ascent is the plan's, in
// words.
func (t *trainCommand) printHeader(ascent string) {
	method := t.optimizer.title()
	if t.method.Perturbs() {
		method = fmt.Sprintf("%s, rho %v", t.method.With(t.cfg.Shards), t.cfg.Rho)
		if t.training.Optimizer.RhoSchedule != nil {
			method += " " + t.rhoSchedule
		}
		if ascent != "" {
			method += ", " + ascent
		}
		if t.optimizer.name != "sgd" {
			method += ", " + t.optimizer.title()
		}
	}
	fmt.Fprintf(t.out, "%s on %s: %s training and %s of %v\n", t.modelName, t.dataName(),
		count(t.train.Len()), plural(t.test.Len(), "test sample"), t.train.Shape)
	if changes := t.recipe.String(); changes != "" {
		fmt.Fprintln(t.out, changes)
	}
	fmt.Fprintf(t.out, "%s, batch %d, %s\n", method, t.batch, t.optimizer.describe(t.recipe.ofLR()))
	fmt.Fprintf(t.out, "%s, seed %d\n\n", t.machine(), t.seed)
	fmt.Fprintln(t.out, "epoch   train loss   test accuracy   seconds   images/s")
}

func (t *trainCommand) printEpoch(e epoch) {
	fmt.Fprintf(t.out, "%5d   %10.4f   %12.2f%%   %7.3f   %8s\n",
		e.Epoch.Epoch, e.Loss, 100*t.accuracy(e), e.Seconds, rate(float64(e.Samples)/e.Seconds))
}

// printResult prints the test accuracy, and a warning if the model is no better than guessing.
func (t *trainCommand) printResult() {
	accuracy := t.accuracy(t.done)
	fmt.Fprintf(t.out, "\nTest accuracy %.2f%% (%s of %s) after %s.\n",
		100*accuracy, count(t.done.correct), count(t.test.Len()), plural(t.done.Epoch.Epoch, "epoch"))
	if accuracy <= study.Chance(t.test) {
		fmt.Fprintln(t.out, "That is no better than guessing: the run has collapsed, or there is nothing to learn.\n"+
			"A smaller --lr or --rho, or fewer --shards, may help.")
	}
}

func (t *trainCommand) printInterrupted(number int) {
	fmt.Fprintf(t.out, "\nInterrupted in epoch %d.", number)
	if t.done.Epoch.Epoch > 0 {
		fmt.Fprintf(t.out, " Test accuracy %.2f%% after %s.", 100*t.accuracy(t.done), plural(t.done.Epoch.Epoch, "epoch"))
	}
	fmt.Fprintln(t.out)
}

func (t *trainCommand) accuracy(e epoch) float64 { return float64(e.correct) / float64(t.test.Len()) }
