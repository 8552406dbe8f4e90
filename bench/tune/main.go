// Command tune measures the sizes and thresholds of matrix products, of the BLAS's levels 2 and 3,
// of convolutions and of the cost model of training steps, on the machine that it runs on:
//
//	go run ./bench/tune                            # all of them: a quarter of an hour
//	go run ./bench/tune --group conv,sam
//	go run ./bench/tune --knob PackStride,PackAligned
//	go run ./bench/tune --isa avx2 --dtype f64 --knob CopyA --rounds 30
//
// Each knob has series of work for which it matters. To measure a threshold, the command does each
// piece of work in both of the ways that the threshold chooses between, whatever is in use. To
// measure a size, it does each piece under several values. The candidates take turns in one
// process, round by round. The constants of the cost model in package sam stand for something that
// can be measured itself; the command prints that, and beside it the constant.
//
// The command changes nothing: a better value is written by hand into the table, in
// internal/gemm/kernels_GOARCH.go, or into the variable in blas, conv or sam. Where a value decides
// bits of results, the command says so: then changing it changes golden hashes, which is a
// decision. The measurements are tests of those packages (TestTune), which can change the values,
// so the command needs the source.
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

	"github.com/jedib0t/go-pretty/v6/text"
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
	var groups []string
	cmd := &cobra.Command{
		Use:   "tune",
		Short: "Measure what sizes, thresholds and costs are chosen by",
		Long: `Measure, on this machine, what the sizes and thresholds of products, of the BLAS,
of convolutions and of training steps are chosen by. For each knob it prints work
with which it matters: the speed of each candidate, and its ratio to the speed with
the value in use; of a threshold, also where the crossing was; of a constant, what it
stands for. It changes nothing, and says where another value would change bits.

The groups and their knobs:
` + aboutGroups(),
		Example: `  go run ./bench/tune                            # all of them: a quarter of an hour
  go run ./bench/tune --group conv,sam
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
			var err error
			if job.Knobs, err = chosen(job, groups, cmd.Flags().Changed("knob")); err != nil {
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
	flags.StringSliceVar(&groups, "group", nil, "groups to measure (default all that --dtype has)")
	flags.StringSliceVar(&job.Knobs, "knob", nil, "knobs to measure")
	flags.IntVar(&job.Rounds, "rounds", 15, fmt.Sprintf("rounds, in each of which each candidate has its turn; %d are the least for a verdict", enough))
	flags.BoolVar(&job.Quick, "quick", false, "only a few small products, to try the command out: the figures say nothing")
	return cmd
}

// aboutGroups lists the groups for the help text.
func aboutGroups() string {
	var lines []string
	for _, g := range tuning.Groups {
		title := g.Name + ": " + g.About
		if g.F32 {
			title += ", f32 only"
		}
		lines = append(lines, "  "+title)
		for line := range strings.SplitSeq(text.WrapSoft(strings.Join(g.Knobs, ", "), 76), "\n") {
			lines = append(lines, "    "+strings.TrimRight(line, " "))
		}
	}
	return strings.Join(lines, "\n")
}

// chosen returns the knobs of a job: those that are named by themselves or by their groups, or all
// that the type of elements has.
func chosen(job tuning.Job, groups []string, named bool) (knobs []string, err error) {
	switch {
	case named && len(job.Knobs) == 0:
		return nil, errors.New("--knob: none is named")
	case job.Dtype != tuning.F32 && job.Dtype != tuning.F64:
		return nil, fmt.Errorf("--dtype: there is no %q, only %s and %s", job.Dtype, tuning.F32, tuning.F64)
	case job.Rounds < 1:
		return nil, fmt.Errorf("--rounds: %d, want at least 1", job.Rounds)
	}
	every, here := tuning.Knobs(tuning.F32), tuning.Knobs(job.Dtype)
	for _, name := range job.Knobs {
		switch {
		case !slices.Contains(every, name):
			return nil, fmt.Errorf("--knob: there is no %q, only %s", name, strings.Join(every, ", "))
		case !slices.Contains(here, name):
			return nil, fmt.Errorf("--knob: %s is measured with --dtype %s only", name, tuning.F32)
		}
	}
	knobs = job.Knobs
	for _, name := range groups {
		i := slices.IndexFunc(tuning.Groups, func(g tuning.Group) bool { return g.Name == name })
		switch {
		case i < 0:
			return nil, fmt.Errorf("--group: there is no %q, only %s", name, strings.Join(groupNames(), ", "))
		case tuning.Groups[i].F32 && job.Dtype != tuning.F32:
			return nil, fmt.Errorf("--group: %s is measured with --dtype %s only", name, tuning.F32)
		}
		knobs = append(knobs, tuning.Groups[i].Knobs...)
	}
	if len(knobs) == 0 {
		return here, nil
	}
	return knobs, nil
}

func groupNames() (names []string) {
	for _, g := range tuning.Groups {
		names = append(names, g.Name)
	}
	return names
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
	fmt.Fprintf(w, "%s, %s, %v; %d rounds, on one worker, or %d where a team is measured\n", strings.Join(strings.Fields(simd.Processor().Name), " "), job.Dtype, simd.Active(), job.Rounds, max(2, blas.DefaultWorkers()))
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
