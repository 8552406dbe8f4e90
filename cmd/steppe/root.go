package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/steppe-ml/steppe/simd"
)

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "steppe",
		Short: "Train neural networks on CPUs with sharpness-aware minimization",
		Long: `Steppe trains neural networks on CPUs with sharpness-aware minimization (SAM),
and with mSAM, which perturbs the weights for each shard of a batch on its own.
mSAM costs no more time than SAM, whatever the number of shards.`,
		Example: `  steppe bench          # measure the cost of SAM and mSAM on this CPU
  steppe train          # train on handwritten digits
  steppe info           # show this CPU`,
		Version:           version(),
		SilenceUsage:      true,
		SilenceErrors:     true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	quiet := addQuiet(root)
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		quiet(cmd)
		return simd.Err()
	}
	// Flags wrap at 80 columns, as the other help does.
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), ".FlagUsages", ".FlagUsagesWrapped 80"))
	root.SetVersionTemplate("steppe {{.Version}}\n")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w (%s --help lists the flags)", err, cmd.CommandPath())
	})
	root.AddCommand(newTrain(), newEval(), newFlatness(), newPredict(), newGenerate(), newFind(), newSweep(), newData(), newExport(), newImport(),
		newBench(), newCompare(), newStudy(), newInfo())
	return root
}

// noArgs is cobra.NoArgs with another error: cobra's mentions subcommands, and there are none.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%s takes flags only, got %q", cmd.CommandPath(), args[0])
	}
	return nil
}
