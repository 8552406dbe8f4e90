package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/steppe-ml/steppe/internal/runs"
)

// generate is one run of the command.
type generate struct {
	path   string // of a run's folder or a model file
	last   bool
	prompt string
	how    runs.Generation
	json   bool
}

// Continuation is what --json prints.
type Continuation struct {
	Prompt string `json:"prompt"`
	Text   string `json:"text"`   // that the model adds
	Tokens int    `json:"tokens"` // of it
	Ended  bool   `json:"ended"`  // by the model, before --tokens
}

func newGenerate() *cobra.Command {
	g := &generate{}
	cmd := &cobra.Command{
		Use:   "generate DIR|FILE",
		Short: "Go on with a text by a trained language model",
		Long: `Go on with a text by a language model: that of a run's folder, or of a file.
steppe train --model gpt-tiny trains one. The text is printed as it comes. It
ends after --tokens tokens, or where the model ends it.

Each token is drawn by the odds that the model gives it behind the text so far.
Of that it sees the last tokens, as many as its training samples had at most
(--length of steppe train). --top-k leaves the less probable tokens out. A
--temperature below 1 makes the probable ones more so, and 0 always takes the
most probable.

The same --seed draws the same text, on the same instruction set.`,
		Example: `  steppe generate runs/stories --prompt "Once upon a time"
  steppe generate runs/stories --prompt "The king" --temperature 0.5 --seed 7
  steppe generate runs/stories --prompt "She said" --tokens 20 --top-k 5 --json`,
		Args: oneModel,
		RunE: func(cmd *cobra.Command, args []string) error {
			g.path = args[0]
			return g.run(cmd.Context(), cmd.OutOrStdout())
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&g.prompt, "prompt", "", "`text` to go on with (default: the model begins one)")
	flags.IntVar(&g.how.Tokens, "tokens", 200, "most tokens to add")
	flags.Float64Var(&g.how.Temperature, "temperature", 0.8, "divisor of the logits; 0 is greedy")
	flags.IntVar(&g.how.TopK, "top-k", 40, "probable tokens to draw from; 0 for all")
	g.how.Seed = 1
	flags.Var((*seed)(&g.how.Seed), "seed", "seed of the draws")
	flags.BoolVar(&g.last, "last", false, "take the last step's parameters, not the best's")
	flags.BoolVar(&g.json, "json", false, "print the result as JSON")
	return cmd
}

func (g *generate) run(ctx context.Context, stdout io.Writer) error {
	if err := g.how.Validate(); err != nil {
		return err
	}
	trained, err := runs.Open(g.path, g.last)
	if err != nil {
		return err
	}
	if g.json {
		done, err := trained.Generate(ctx, g.prompt, g.how, func(string) error { return nil })
		if err != nil {
			return err
		}
		return writeJSON(stdout, Continuation{g.prompt, done.Text, done.Tokens, done.Ended})
	}
	begun := false // so that an error before the first token stands alone
	done, err := trained.Generate(ctx, g.prompt, g.how, func(part string) error {
		if !begun {
			part, begun = g.prompt+part, true
		}
		_, err := io.WriteString(stdout, harmless(part))
		return err
	})
	if begun || err == nil {
		fmt.Fprintln(stdout)
	}
	if err == nil && done.Tokens == 0 {
		return fmt.Errorf("the model ends the text behind the prompt at once; another --seed or --prompt may help")
	}
	return err
}

// harmless replaces what could change the state of a terminal.
func harmless(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}
