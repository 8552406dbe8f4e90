// Command instructions counts the arm64 instructions that training steps, products and convolutions
// execute on NEON and in plain Go. It needs no arm64: it runs them under qemu-aarch64, whose plugin
// in bench/instructions/plugin it builds by gcc.
//
//	go run ./bench/instructions                          # all work: minutes, on a quiet machine
//	go run ./bench/instructions --work lenet --top 12    # and the functions that execute most
//
// Instructions say what a kernel saves, not how long it takes: see docs/KERNELS.md for what follows
// from counts about time, and what doesn't.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/steppe-ml/steppe/simd"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop) // so that a second Ctrl-C ends the program at once
	cmd := newCommand()
	cmd.AddCommand(newEmulated())
	if err := cmd.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "instructions:", err)
		os.Exit(1)
	}
}

func newCommand() *cobra.Command {
	var pattern string
	var sets []string
	var repeat, top int
	cmd := &cobra.Command{
		Use:   "instructions",
		Short: "Count the instructions that work executes on NEON and in plain Go",
		Long: `Count the arm64 instructions that training steps, products and convolutions
execute on NEON and in plain Go, on one worker, under qemu-aarch64.

Each piece of work is done N times, then 2N. The difference is
what the work takes, without what comes before it. Go's runtime, most of which
runs by the clock, isn't counted. Needs qemu-aarch64 (Debian: qemu-user) and
gcc.

Work:
` + aboutWork(),
		Example: `  go run ./bench/instructions
  go run ./bench/instructions --work lenet --top 12
  go run ./bench/instructions --work '^sgemm' --repeat 3
  go run ./bench/instructions --work vit --isa neon --top 20`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			chosen, err := regexp.Compile(pattern)
			switch {
			case err != nil:
				return fmt.Errorf("--work: %w", err)
			case repeat < 1:
				return fmt.Errorf("--repeat: %d, want at least 1", repeat)
			case top < 0:
				return fmt.Errorf("--top: %d, want 0 or more", top)
			}
			isas, err := parse(sets)
			if err != nil {
				return err
			}
			return measure(cmd.Context(), chosen, isas, repeat, top, cmd.OutOrStdout())
		},
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&pattern, "work", "", "which work, by a regular expression (default all)")
	flags.StringSliceVar(&sets, "isa", []string{"generic", "neon"}, "instruction sets to count on")
	flags.IntVar(&repeat, "repeat", 1, "how many times to do the work")
	flags.IntVar(&top, "top", 0, "list the N functions that execute most instructions")
	return cmd
}

// parse returns the instruction sets of those names, each of which arm64 must have.
func parse(names []string) (isas []simd.ISA, err error) {
	for _, name := range names {
		isa, err := simd.ParseISA(name)
		if err == nil && isa != simd.Generic && isa != simd.NEON {
			err = fmt.Errorf("arm64 has no %v, want generic or neon", isa)
		}
		if err != nil {
			return nil, fmt.Errorf("--isa: %w", err)
		}
		isas = append(isas, isa)
	}
	if len(isas) == 0 {
		return nil, errors.New("--isa: none is named")
	}
	return isas, nil
}

func aboutWork() string {
	var lines []string
	for _, w := range works {
		lines = append(lines, fmt.Sprintf("  %-14s %s", w.name, w.about))
	}
	return strings.Join(lines, "\n")
}

// newEmulated is the command that runs under qemu: it does a piece of work.
func newEmulated() *cobra.Command {
	return &cobra.Command{
		Use:    emulated + " NAME TIMES",
		Hidden: true,
		Args:   cobra.ExactArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := simd.Err(); err != nil {
				return err
			}
			times, err := strconv.Atoi(args[1])
			if err != nil {
				return err
			}
			for _, w := range works {
				if w.name == args[0] {
					return w.do(times)
				}
			}
			return fmt.Errorf("no work is called %q", args[0])
		},
	}
}

// measure counts the chosen work on the instruction sets and prints a table. If there are several
// sets, its last column is how often the last one's count goes into the first one's.
func measure(ctx context.Context, chosen *regexp.Regexp, isas []simd.ISA, repeat, top int, out io.Writer) error {
	e, err := newEmulator(ctx)
	if err != nil {
		return err
	}
	defer e.Close()

	header, columns := table.Row{"work"}, []table.ColumnConfig{}
	for i := range len(isas) + 1 {
		columns = append(columns, table.ColumnConfig{Number: i + 2, Align: text.AlignRight, AlignHeader: text.AlignRight})
		if i < len(isas) {
			header = append(header, isas[i].String())
		}
	}
	rows := table.NewWriter()
	rows.SetOutputMirror(out)
	style := table.StyleLight
	style.Format.Header = text.FormatDefault
	rows.SetStyle(style)
	rows.SetColumnConfigs(columns)
	if len(isas) > 1 {
		header = append(header, "ratio")
	}
	rows.AppendHeader(header)
	var functions []string
	for _, w := range works {
		if !chosen.MatchString(w.name) {
			continue
		}
		var totals []int64
		row := table.Row{w.name}
		for _, isa := range isas {
			counts, err := e.count(ctx, w.name, repeat, isa)
			if err != nil {
				return fmt.Errorf("%s on %v: %w", w.name, isa, err)
			}
			totals = append(totals, counts.total())
			row = append(row, humanize.Comma(counts.total()))
			if top > 0 {
				functions = append(functions, fmt.Sprintf("\n%s, %v\n%s", w.name, isa, counts.largest(top)))
			}
		}
		if len(isas) > 1 {
			row = append(row, fmt.Sprintf("%.1f", float64(totals[0])/float64(totals[len(totals)-1])))
		}
		rows.AppendRow(row)
	}
	if rows.Length() == 0 {
		return errors.New("--work: no work has such a name")
	}
	rows.Render()
	for _, f := range functions {
		fmt.Fprint(out, f)
	}
	return nil
}
