package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

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

// version says what was built: the module's version, or of a checkout its
// commit, where the build recorded one.
func version() string {
	name := "(devel)"
	if info, ok := debug.ReadBuildInfo(); ok {
		if info.Main.Version != "" {
			name = info.Main.Version
		}
		if name == "(devel)" {
			name += commit(info.Settings)
		}
	}
	return fmt.Sprintf("%s, %s %s/%s", name, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

func commit(settings []debug.BuildSetting) (text string) {
	for _, s := range settings {
		switch {
		case s.Key == "vcs.revision":
			text = " " + s.Value[:min(12, len(s.Value))] + text
		case s.Key == "vcs.modified" && s.Value == "true":
			text += ", modified"
		}
	}
	return text
}
