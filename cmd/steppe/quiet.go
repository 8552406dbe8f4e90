package main

import (
	"io"

	"github.com/spf13/cobra"
)

// quietWriter is a command's stderr with --quiet. Errors and warnings pass; screenOf shows no
// progress on it.
type quietWriter struct{ io.Writer }

// isQuiet reports whether a command's stderr is that of --quiet. Then the command prints its
// results and warnings, and no progress, headers or notes.
func isQuiet(stderr io.Writer) bool {
	_, quiet := stderr.(quietWriter)
	return quiet
}

// tablesOn returns the writer of what people read: stdout, unless that has JSON alone, or results
// alone.
func tablesOn(stdout, stderr io.Writer, json bool) io.Writer {
	if json || isQuiet(stderr) {
		return io.Discard
	}
	return stdout
}

// addQuiet adds --quiet to all commands. The result, for the root's PersistentPreRunE, makes a
// command quiet if the flag is set.
func addQuiet(root *cobra.Command) (apply func(*cobra.Command)) {
	quiet := root.PersistentFlags().BoolP("quiet", "q", false, "print results only: no progress, headers or notes")
	return func(cmd *cobra.Command) {
		if *quiet {
			cmd.SetErr(quietWriter{cmd.ErrOrStderr()})
		}
	}
}
