package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/steppe-ml/steppe/internal/atomicfile"
	"github.com/steppe-ml/steppe/sam"
	"github.com/steppe-ml/steppe/simd"
)

// benchBase is what bench's steps end in. Its settings cost nothing and nobody
// looks at what is learned; they are tame, so that noise can be trained on.
var benchBase = sam.SGD{LR: 0.01, Momentum: 0.9, WeightDecay: 5e-4}

// defaultShards are the numbers of shards that bench tries unless told. Those
// that a batch has too few samples for are left out.
var defaultShards = []int{1, 2, 4, 8, 16, 32}

// bench is one run of the command.
type bench struct {
	workload
	rho     float64
	shards  []int
	rounds  int
	explain bool
	json    string

	ceiling    float64 // FLOP/s of a core
	contenders []*contender
}

func newBench() *cobra.Command {
	b := &bench{}
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure what SAM and mSAM cost on this CPU, against SGD",
		Long: `Measure what a training step costs with SGD, with SAM, and with mSAM for several
numbers of shards. The methods are timed in turn, round after round, each round
on another batch; figures are medians over the rounds, and ratios the medians
of the rounds' ratios.

With --json - the JSON alone goes to stdout, and the table to stderr. A FILE is
written whole or not at all. Ctrl-C ends the run with the table of the rounds
so far, and without JSON.

` + aboutTables(),
		Example: `  steppe bench
  steppe bench --data synthetic:28x28x1 --shards 8,32
  steppe bench --batch 64 --rounds 50 --explain
  steppe bench --json bench.json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("shards") {
				b.shards = slices.DeleteFunc(slices.Clone(defaultShards), func(n int) bool { return n > max(1, b.batch) })
			}
			return b.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	b.addFlags(flags, 256)
	flags.Float64Var(&b.rho, "rho", 0.05, "radius of the perturbation")
	flags.IntSliceVar(&b.shards, "shards", defaultShards, "numbers of shards to try mSAM with")
	flags.IntVar(&b.rounds, "rounds", 0, fmt.Sprintf("rounds to time (default: %d, and more until %v a method have passed)", minRounds, timePerMethod))
	flags.BoolVar(&b.explain, "explain", false, "print how each method's step is computed")
	flags.StringVar(&b.json, "json", "", "write the figures as JSON to `FILE`, - for stdout")
	return cmd
}

func (b *bench) run(ctx context.Context, stdout, stderr io.Writer) error {
	if err := b.checkFlags(); err != nil {
		return err
	}
	if err := b.open(); err != nil {
		return err
	}
	if err := b.enter(); err != nil {
		return err
	}
	out, file, err := b.outputs(stdout, stderr)
	if err != nil {
		return err
	}
	if file != nil {
		defer file.Discard()
	}

	b.ceiling = simd.FMACeiling()
	b.printHeader(out)
	if b.explain {
		b.printPlans(out)
	}
	live := newProgress(stderr, liveParts)
	err = timeInTurn(ctx, b.contenders, fullBatches(b.train, b.batch, b.seed), b.enough, live)
	live.clear()
	if err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	if report := b.report(); len(report.Rows) > 0 {
		b.printTable(out, report)
		if err == nil {
			err = b.writeJSON(report, stdout, file)
		}
	}
	return err
}

// outputs returns where the table goes, and the JSON if it goes to a file. That
// is begun before the work, which would be for nothing if it can't be written.
func (b *bench) outputs(stdout, stderr io.Writer) (table io.Writer, file *atomicfile.File, err error) {
	switch b.json {
	case "":
		return stdout, nil, nil
	case "-":
		return stderr, nil, nil
	}
	file, err = atomicfile.Create(b.json)
	return stdout, file, err
}

// writeJSON writes the report to where it was asked for, if it was.
func (b *bench) writeJSON(r *Report, stdout io.Writer, file *atomicfile.File) error {
	switch b.json {
	case "":
		return nil
	case "-":
		return r.write(stdout)
	}
	if err := r.write(file); err != nil {
		return err
	}
	return file.Commit()
}

// checkFlags returns what is wrong with the flags.
func (b *bench) checkFlags() error {
	if err := b.workload.check(); err != nil {
		return err
	}
	if !(b.rho > 0) {
		return fmt.Errorf("--rho is %v, want a positive radius: without one all methods are SGD", b.rho)
	}
	if b.rounds < 0 {
		return fmt.Errorf("--rounds is %d, want at least 1, or 0 for the default", b.rounds)
	}
	for _, n := range b.shards {
		if err := b.checkShards(n); err != nil {
			return err
		}
	}
	return nil
}

// enter enters the methods: each with the shards that it has, or with those
// asked for. One shard is what SAM has, and has its row there.
func (b *bench) enter() error {
	for _, method := range sam.Methods {
		if method.Preset.Ascent != (sam.Ascent{}) {
			continue // another way to perturb
		}
		shards := []int{method.Preset.Shards}
		if method.Sharded() {
			shards = nil
			for _, n := range b.shards {
				if n > 1 && !slices.Contains(shards, n) {
					shards = append(shards, n)
				}
			}
		}
		for _, n := range shards {
			if err := b.add(method, n); err != nil {
				return fmt.Errorf("%s: %w", method.With(n), err)
			}
		}
	}
	return nil
}

// add enters one method.
func (b *bench) add(method sam.Method, shards int) error {
	cfg := method.Preset
	if method.Perturbs() {
		cfg.Rho = b.rho
	}
	cfg.Shards, cfg.Batch, cfg.Seed, cfg.Workers, cfg.Base = shards, b.batch, b.seed, b.workers, benchBase
	opt, err := sam.New(b.model, b.model.Init(b.seed), cfg)
	if err != nil {
		return err
	}
	b.contenders = append(b.contenders, &contender{method: method, shards: shards, opt: opt})
	return nil
}

const (
	minRounds     = 15
	timePerMethod = 1500 * time.Millisecond
	liveParts     = 1000
)

// enough says which part of all the work is done after a number of rounds that
// took so long; from 1 on it is enough.
func (b *bench) enough(rounds int, elapsed time.Duration) float64 {
	if b.rounds > 0 {
		return float64(rounds) / float64(b.rounds)
	}
	budget := time.Duration(len(b.contenders)) * timePerMethod
	return min(float64(rounds)/minRounds, elapsed.Seconds()/budget.Seconds())
}

// reference returns the contender that others are compared to.
func (b *bench) reference(name string) *contender {
	i := slices.IndexFunc(b.contenders, func(c *contender) bool { return c.method.Name == name })
	return b.contenders[i]
}

// most returns the contender with the most shards.
func (b *bench) most() int {
	most := 0
	for i, c := range b.contenders {
		if c.shards > b.contenders[most].shards {
			most = i
		}
	}
	return most
}
