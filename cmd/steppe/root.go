package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/steppe-ml/steppe/simd"
)

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "steppe",
		Short: "Train neural networks on CPUs with sharpness-aware minimisation",
		Long: `Steppe trains neural networks on CPUs with sharpness-aware minimisation (SAM),
at no more than plain SAM's price for any number of shards.`,
		Example: `  steppe bench          # what SAM and mSAM cost here, against SGD
  steppe train          # train on handwritten digits
  steppe info           # what this CPU has`,
		Version:       version(),
		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			return simd.Err()
		},
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.SetVersionTemplate("steppe {{.Version}}\n")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w (%s --help lists the flags)", err, cmd.CommandPath())
	})
	root.AddCommand(newBench(), newTrain(), newEval(), newCompare(), newInfo())
	return root
}

// noArgs is cobra.NoArgs with an error that doesn't speak of subcommands.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%s takes flags only, got %q", cmd.CommandPath(), args[0])
	}
	return nil
}
