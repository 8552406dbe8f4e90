// Command tune measures the sizes and thresholds in the tables of internal/gemm on the machine that it
// runs on:
//
//	go run ./bench/tune                            # all of them: some minutes
//	go run ./bench/tune --knob PackStride,PackAligned
//	go run ./bench/tune --isa avx2 --dtype f64 --knob CopyA --rounds 30
//
// Each knob has series of products for which it matters. To measure a threshold, the command computes
// each product in both of the ways that the threshold chooses between, whatever the table says. To
// measure a size, it computes each product under several values. The candidates take turns in one
// process, round by round, on three sets of operands.
//
// The command changes nothing: a better value is written by hand into the table, in
// internal/gemm/kernels_GOARCH.go. The measurements are a test of package blas (TestTune), which can
// change the tables, so the command needs the source.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/tuning"
	"github.com/steppe-ml/steppe/simd"
)

// exitInterrupted is what a shell expects of a program that Ctrl-C ended.
const exitInterrupted = 130

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop) // so that a second Ctrl-C ends the program at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run runs the command and returns the exit code. When ctx is done it has
// printed the series that were complete.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	cmd := newCommand()
	cmd.SetArgs(args)
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	err := cmd.ExecuteContext(ctx)
	switch {
	case err == nil:
		return 0
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "tune: interrupted")
		return exitInterrupted
	default:
		fmt.Fprintln(stderr, "tune:", err)
		return 1
	}
}

func newCommand() *cobra.Command {
	var isa string
	var job tuning.Job
	cmd := &cobra.Command{
		Use:   "tune",
		Short: "Measure what the sizes and thresholds of matrix products are chosen by",
		Long: `Measure, on this machine, what the sizes and thresholds in the tables of package
blas are chosen by. For each knob it prints products with which it matters: the
speed of each candidate, and its ratio to that of the table's; of a threshold,
also where the crossing was. It changes nothing.

The knobs are ` + strings.Join(tuning.Knobs, ", ") + `.`,
		Example: `  go run ./bench/tune                            # all of them: some minutes
  go run ./bench/tune --knob PackStride,PackAligned
  go run ./bench/tune --isa avx2 --dtype f64 --knob CopyA --rounds 30`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("tune takes flags only, got %q", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := check(job); err != nil {
				return err
			}
			if err := choose(isa); err != nil {
				return err
			}
			return tune(cmd.Context(), job, cmd.OutOrStdout())
		},
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		return fmt.Errorf("%w (--help lists the flags)", err)
	})
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&isa, "isa", "", "instruction set: generic, avx2, avx512, avx512-halves or neon (default what is active, which "+simd.EnvVar+" chooses)")
	flags.StringVar(&job.Dtype, "dtype", tuning.F32, "type of elements: "+tuning.F32+" or "+tuning.F64)
	flags.StringSliceVar(&job.Knobs, "knob", tuning.Knobs, "what to measure")
	flags.IntVar(&job.Rounds, "rounds", 15, fmt.Sprintf("rounds, in each of which each candidate has its turn; %d are the least for a verdict", enough))
	flags.BoolVar(&job.Quick, "quick", false, "only a few small products, to try the command out: the figures say nothing")
	return cmd
}

func check(job tuning.Job) error {
	for _, name := range job.Knobs {
		if !slices.Contains(tuning.Knobs, name) {
			return fmt.Errorf("--knob: there is no %q, only %s", name, strings.Join(tuning.Knobs, ", "))
		}
	}
	switch {
	case len(job.Knobs) == 0:
		return errors.New("--knob: none is named")
	case job.Dtype != tuning.F32 && job.Dtype != tuning.F64:
		return fmt.Errorf("--dtype: there is no %q, only %s and %s", job.Dtype, tuning.F32, tuning.F64)
	case job.Rounds < 1:
		return fmt.Errorf("--rounds: %d, want at least 1", job.Rounds)
	}
	return nil
}

// choose makes an instruction set the active one, if it is named.
func choose(name string) error {
	if name == "" {
		return simd.Err()
	}
	isa, err := simd.ParseISA(name)
	if err == nil {
		_, err = simd.Use(isa)
	}
	if err != nil {
		return fmt.Errorf("--isa: %w", err)
	}
	return nil
}

// tune measures, and prints each series when it is complete.
func tune(ctx context.Context, job tuning.Job, w io.Writer) error {
	fmt.Fprintf(w, "%s, %s, %v; %d rounds, on one worker but for AloneBelow, on %d\n", strings.Join(strings.Fields(simd.Processor().Name), " "), job.Dtype, simd.Active(), job.Rounds, max(2, blas.DefaultWorkers()))
	if _, err := fmt.Fprint(w, legend); err != nil {
		return err
	}
	var points []tuning.Point // of the series under way
	end := func() error {
		if len(points) == 0 {
			return nil
		}
		_, err := fmt.Fprintf(w, "\n%s\n", render(job.Dtype, points))
		points = nil
		return err
	}
	err := measure(ctx, job, func(p tuning.Point) error {
		if len(points) > 0 && (p.Knob != points[0].Knob || p.Series != points[0].Series) {
			if err := end(); err != nil {
				return err
			}
		}
		points = append(points, p)
		return nil
	})
	if err != nil {
		return err
	}
	return end()
}
