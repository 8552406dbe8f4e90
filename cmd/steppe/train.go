package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/agree"
	"github.com/steppe-ml/steppe/internal/atomicfile"
	"github.com/steppe-ml/steppe/internal/runs"
	"github.com/steppe-ml/steppe/net/checkpoint"
	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/sam"
	"github.com/steppe-ml/steppe/sam/train"
	"github.com/steppe-ml/steppe/simd"
)

// trainCommand is one run of train.
type trainCommand struct {
	settings runs.Settings
	out      string // folder to begin a run in; "" keeps no run
	resume   string // folder of a run to go on with
	force    bool
	save     string
	workers  int
	overlap  bool
	most     memoryLimit
	json     bool
	ranks    sam.Communicator // nil without --mpi

	config  *runs.Config
	began   *runs.Config // of a run that goes on: config.json as it was found
	job     *runs.Job
	history *train.History
	review  *runs.Review // of the test set, or if the run isn't finished of the validation set

	stdout, stderr io.Writer
	tables         io.Writer // where people read
	live           *progress
}

func newTrain() *cobra.Command {
	t := &trainCommand{settings: runs.Defaults()}
	cmd := &cobra.Command{
		Use:   "train",
		Short: "Train a model on data of your own or a known set",
		Long: `Train a model, and print its losses after each epoch. A part of the training
samples (--valid) is held back, and finds the best epoch (--monitor). The test
samples are used once, at the end, on the parameters of the best epoch.

--out DIR keeps the run in a folder: its settings (config.json), a log
(metrics.jsonl), the last state and the best parameters (last.safetensors,
best.safetensors), curves.png, and report.html, a page to look at. The state is
saved after each epoch, and with --save-every more often. However the run ends,
by Ctrl-C, kill, a full disk or a power failure, --resume DIR goes on from the
last state, with the same bits as if it had never stopped. Flags that decide the
result can't change then, but for --epochs, --patience, --monitor, and --data if
it has moved. A longer run stretches the schedules from there on.

Texts come from the column --text of a table, for a language model from plain
text, too. Their tokenizer is trained on the training samples, unless
--tokenizer names one. --init begins with the parameters of another run and its
tokenizer, or with those of BERT: --model bert-base --init model.safetensors
--tokenizer vocab.txt. Transformers are trained with AdamW and a warm-up in a
tenth of the epochs, at a learning rate of 0.0005, language models at 0.001.

Without --out, nothing is kept, but --save FILE writes the best parameters to a
file.

mpirun -n 2 steppe train --mpi shares each batch among processes, of one machine
or several. The run is the same, bit for bit, with any number of them, and goes
on with any other number, or alone. With --ranks fast it isn't, and steps may
take less time. Rank 0 alone writes files and prints (docs/RUNS.md).

The default rho falls with the samples of a shard, from 0.05 at 128 and more to
0.025 at 8: small shards tolerate less (docs/RESULTS.md). Transformers have a
fifth of that. steppe find rho looks for the best.

` + aboutSettings(),
		Example: `  steppe train
  steppe train --out runs/first --epochs 50 --patience 5
  steppe train --resume runs/first
  steppe train --data photos --image-size 64 --model lenet \
      --augment flip --out runs/photos
  steppe train --data wine.csv --label quality --out runs/wine
  steppe train --data brown --model text-tiny --method msam --out runs/brown
  steppe train --data reviews.tsv --text review --label verdict \
      --model text-tiny --out runs/reviews
  steppe train --data stories.txt --model gpt-tiny --out runs/stories
  steppe train --data more.txt --model gpt-tiny --init runs/stories
  steppe train --method sgd --out runs/sgd
  steppe train --method sam --rho 0.1 --out runs/sam
  steppe train --method msam --shards 16 --epochs 10 --seed 2
  steppe train --optimizer adamw --warmup 0.5 --clip 1
  steppe train --standardize --label-noise 0.2 --shards 4
  steppe train --save digits.safetensors
  mpirun -n 2 steppe train --mpi --out runs/two
  mpirun --host a,b steppe train --mpi --data photos --out runs/hosts`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			t.stdout, t.stderr = cmd.OutOrStdout(), cmd.ErrOrStderr()
			t.ranks = communicatorOf(cmd.Context())
			return flagError(cmd.Flags(), t.run(cmd.Context(), cmd.Flags()))
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	addSettingsFlags(flags, &t.settings)
	flags.StringVar(&t.out, "out", "", "keep the run in the folder `DIR`")
	flags.StringVar(&t.resume, "resume", "", "go on with the run in the folder `DIR`")
	flags.StringVar(&t.save, "save", "", "write the best parameters to `FILE`, in the safetensors format")
	flags.BoolVar(&t.force, "force", false, "let --out replace another run, and --save another file")
	flags.IntVar(&t.workers, "workers", blas.DefaultWorkers(), "number of worker goroutines; changes no result")
	t.most.addFlag(flags)
	addMPIFlag(flags, "share each batch with the processes that mpirun has started")
	flags.BoolVar(&t.overlap, "overlap", false, "with --mpi: exchange gradients while others are computed; changes the bits of fast sums alone")
	flags.BoolVar(&t.json, "json", false, "print JSON: a line for each row of the log, and the result")
	return cmd
}

func (t *trainCommand) run(ctx context.Context, flags *pflag.FlagSet) error {
	t.tables = tablesOn(t.stdout, t.stderr, t.json)
	if t.ranks != nil && t.resume == "" && !flags.Changed("ranks") {
		t.settings.Ranks = runs.RankSums[0].Name
	}
	if err := t.validate(flags); err != nil {
		return err
	}
	if err := t.prepare(ctx, flags); err != nil {
		return err
	}
	t.live = newProgress(t.stderr, t.job.Run.Epochs*t.job.Run.Loader().Samples())
	defer t.live.clear()
	return t.start(ctx)
}

// validate returns an error if the flags make no sense, as far as that shows without the data.
func (t *trainCommand) validate(flags *pflag.FlagSet) error {
	if err := validateWorkers(t.workers); err != nil {
		return err
	}
	for flag, path := range map[string]string{"out": t.out, "resume": t.resume, "save": t.save} {
		if flags.Changed(flag) && path == "" {
			return fmt.Errorf("--%s is empty, want a path", flag)
		}
	}
	if t.overlap && t.ranks == nil {
		return errors.New("--overlap without --mpi: there is one process")
	}
	if t.resume == "" {
		return t.settings.Complete(flags.Changed)
	}
	if t.out != "" {
		return fmt.Errorf("--out %s with --resume %s: a run goes on in its own folder", t.out, t.resume)
	}
	return nil
}

// mayChange are the settings that a run may go on with another value of.
var mayChange = []struct {
	flag string
	take func(kept, given *runs.Settings)
}{
	{"data", func(kept, given *runs.Settings) { kept.Data, kept.Path = given.Data, "" }},
	{"epochs", func(kept, given *runs.Settings) { kept.Epochs = given.Epochs }},
	{"patience", func(kept, given *runs.Settings) { kept.Patience = given.Patience }},
	{"monitor", func(kept, given *runs.Settings) { kept.Monitor = given.Monitor }},
	{"save-every", func(kept, given *runs.Settings) { kept.SaveEvery = given.SaveEvery }},
	{"log-every", func(kept, given *runs.Settings) { kept.LogEvery = given.LogEvery }},
}

// goOn takes the settings from the run's folder, and those from the flags that may change.
func (t *trainCommand) goOn(flags *pflag.FlagSet) (err error) {
	var tokenizer []byte
	if t.config, tokenizer, err = t.loadConfig(); err != nil {
		return err
	}
	began := *t.config
	t.began = &began
	var own pflag.FlagSet // the flags of settings
	addSettingsFlags(&own, new(runs.Settings))
	kept := t.config.Settings
	var may []string
	for _, setting := range mayChange {
		may = append(may, setting.flag)
		if flags.Changed(setting.flag) {
			setting.take(&kept, &t.settings)
		}
	}
	var wrong []string
	flags.Visit(func(f *pflag.Flag) {
		if own.Lookup(f.Name) != nil && !slices.Contains(may, f.Name) {
			wrong = append(wrong, "--"+f.Name)
		}
	})
	if len(wrong) > 0 {
		return fmt.Errorf("%s with --resume: a run that goes on keeps its settings, but for --%s",
			strings.Join(wrong, ", "), strings.Join(may, ", --"))
	}
	if t.ranks != nil && kept.Ranks == "" {
		return fmt.Errorf("--mpi with --resume %s: the run began without, and its sums aren't those of ranks: begin with --mpi or --ranks what is to go on with --mpi", t.resume)
	}
	t.settings = kept
	t.settings.TakeTokenizer(tokenizer)
	if err := t.settings.Validate(); err != nil {
		return err
	}
	if flags.Changed("epochs") {
		return t.checkEpochs()
	}
	return nil
}

// loadConfig reads the configuration and the tokenizer of a run that goes on. With ranks, rank 0
// reads them, and tells the others, which may not see the folder.
func (t *trainCommand) loadConfig() (config *runs.Config, tokenizer []byte, err error) {
	if leads(t.ranks) {
		if config, err = runs.LoadConfig(t.resume); err != nil {
			err = fmt.Errorf("--resume: %w", err)
		}
		tokenizer = runs.KeptTokenizer(t.resume)
	}
	if t.ranks == nil {
		return config, tokenizer, err
	}
	text, failed := json.Marshal(config)
	configs, err := agree.Tell(t.ranks, cmp.Or(err, failed), text)
	if err != nil {
		return nil, nil, err
	}
	tokenizers, err := agree.Tell(t.ranks, nil, tokenizer)
	if err != nil {
		return nil, nil, err
	}
	if !leads(t.ranks) {
		config, err = runs.ParseConfig(configs[0])
	}
	return config, tokenizers[0], err
}

// checkEpochs returns an error if a run that goes on has done more epochs than --epochs: that would
// do nothing but make its settings wrong.
func (t *trainCommand) checkEpochs() error {
	rows, err := train.ReadLog(train.LogFile(t.resume))
	if err != nil || !leads(t.ranks) {
		return nil // the run begins with an error of its own, or makes the log
	}
	for _, row := range slices.Backward(rows) {
		if row.Kind == train.RowEpoch && row.Epoch > t.settings.Epochs {
			return fmt.Errorf("--epochs %d with --resume %s: the run has %d epochs done, want no fewer", t.settings.Epochs, t.resume, row.Epoch)
		}
	}
	return nil
}

// prepare reads the data, and makes the run.
func (t *trainCommand) prepare(ctx context.Context, flags *pflag.FlagSet) (err error) {
	if t.resume != "" {
		if err := t.goOn(flags); err != nil {
			return err
		}
	}
	if err := t.checkSave(); err != nil {
		return err
	}
	if err := t.checkOut(); err != nil { // before the data is read, which may take long
		return err
	}
	if err := t.meetRanks(flags); err != nil {
		return err
	}
	err = waiting(t.stderr, "reading "+t.settings.Data, func() error {
		t.job, err = t.settings.Read()
		return err
	})
	if err != nil {
		return err
	}
	if err := t.checkConfig(); err != nil {
		return err
	}
	if err := t.compareData(); err != nil {
		return err
	}
	err = waiting(t.stderr, "compiling "+t.settings.Model, func() error { return t.job.Build(t.dir(), t.workers) })
	if err != nil {
		return err
	}
	if err := t.initialize(); err != nil {
		return err
	}
	run := t.job.Run
	if t.ranks != nil {
		run.Optimizer.Communicator, run.Optimizer.Overlap = t.ranks, t.overlap
	}
	step := run.Optimizer
	step.Batch = run.Train.Batch
	if err := t.most.checkStep(t.job.Model, []*dataset.Set{t.job.Train, t.job.Valid, t.job.Test}, step); err != nil {
		return err
	}
	run.Overwrite = t.force && t.resume == ""
	run.PrepareDir = t.prepareDir
	run.Finish = func(history *train.History, ended error) error {
		t.live.clear()
		t.history = history
		return t.finish(ctx, ended)
	}
	run.Hooks = append(run.Hooks, train.HookFunc(t.dropResult), train.HookFunc(t.show))
	if t.dir() != "" && leads(t.ranks) {
		run.Hooks = append(run.Hooks, &curves{dir: t.dir()})
	}
	return nil
}

// initialize gives a new run the parameters of --init. One that goes on has its own.
func (t *trainCommand) initialize() error {
	if t.resume != "" {
		return nil
	}
	fresh, err := t.job.Initialize()
	if err == nil && fresh != nil && !isQuiet(t.stderr) {
		fmt.Fprintf(t.tables, "%s has no tensors that fit %s: they begin anew\n", t.settings.Init, strings.Join(fresh, ", "))
	}
	return err
}

// dir returns the run's folder; "" for none.
func (t *trainCommand) dir() string {
	if t.resume != "" {
		return t.resume
	}
	return t.out
}

// checkSave finds out before the training whether --save can be written.
func (t *trainCommand) checkSave() error {
	if t.save == "" || !leads(t.ranks) {
		return nil
	}
	if _, err := os.Stat(t.save); err == nil && !t.force {
		return fmt.Errorf("--save %s: the file exists; --force replaces it", t.save)
	}
	file, err := atomicfile.Create(t.save)
	if err == nil {
		file.Discard()
	}
	return err
}

// checkConfig fills in the configuration of a new run, and checks that a run that goes on has the
// data that it began with.
func (t *trainCommand) checkConfig() error {
	if t.config == nil {
		t.config = &runs.Config{
			Version: version(), ISA: simd.Active().Arithmetic().String(), Machine: machine(t.workers), DataSum: t.job.Sum,
		}
	} else if before, now := t.config.DataSum, t.job.Sum; before != "" && now != "" && before != now {
		return fmt.Errorf("--resume %s: %s isn't the data that the run began with: its checksum is %s, was %s",
			t.resume, t.settings.Data, now, before)
	}
	t.config.Settings = t.settings
	return nil
}

// start trains, and lets finish do the rest before another process can take the folder.
func (t *trainCommand) start(ctx context.Context) (err error) {
	if t.resume != "" {
		if isa := simd.Active().Arithmetic().String(); isa != t.config.ISA {
			fmt.Fprintf(t.stderr, "steppe: the run began on %s and goes on on %s, which rounds differently\n", t.config.ISA, isa)
		}
		_, err = t.job.Run.Resume(ctx)
		return err
	}
	_, err = t.job.Run.Start(ctx)
	return t.inFlags(err)
}

// finish reviews the model, writes what the flags ask for, and prints the result. It returns the
// error that ended the run, with how to go on.
func (t *trainCommand) finish(ctx context.Context, ended error) error {
	trained := ended == nil
	if trained {
		ended = t.test(ctx)
	}
	if ended != nil && !errors.Is(ended, errClosedPipe) { // nobody reads a closed pipe
		t.printStopped(trained)
	}
	folder, printed := t.writeFolder(ctx, ended == nil), t.printResult(ended)
	saved := t.saveModel()
	if ended == nil {
		return cmp.Or(folder, printed, saved)
	}
	if saved != nil {
		ended = fmt.Errorf("%w; then %w: %w", ended, errUnsaved, saved)
	}
	return t.hint(ended)
}

// test reviews the best epoch's parameters on the test set.
func (t *trainCommand) test(ctx context.Context) (err error) {
	live := newProgress(t.stderr, t.job.Test.Len())
	defer live.clear()
	t.review, err = runs.NewReview(ctx, t.job.Model, t.history.Best, t.job.Test, func(done int) {
		live.set(done, func() string { return "testing" })
	})
	return err
}

// errUnsaved is what a run ended with, whose model couldn't be written to --save.
var errUnsaved = errors.New("the model couldn't be saved")

// saveModel writes the best parameters to --save.
func (t *trainCommand) saveModel() error {
	switch {
	case t.save == "":
		return nil
	case t.history.Best == nil:
		fmt.Fprintf(t.tables, "Nothing was saved to %s, since no epoch was finished.\n", t.save)
		return nil
	case t.review != nil && t.collapsed():
		if _, err := os.Stat(t.save); err == nil {
			fmt.Fprintf(t.tables, "%s stays as it was.\n", t.save)
			return nil
		}
	}
	err := checkpoint.Save(t.save, t.job.Model, t.history.Best, t.job.Run.Meta)
	if err == nil {
		fmt.Fprintf(t.tables, "Saved to %s.\n", t.save)
	}
	return err
}
