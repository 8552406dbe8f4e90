package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/steppe-ml/steppe/internal/runs"
)

// predict is one run of the command.
type predict struct {
	path  string
	last  bool
	top   int
	json  bool
	stdin io.Reader

	done, cut int // inputs, and those of them that were too long
}

// Prediction is what --json prints of an input, on a line of its own.
type Prediction struct {
	Input   string       `json:"input"` // path of a picture, "FILE row N", or a text
	Class   string       `json:"class,omitempty"`
	P       *float64     `json:"probability,omitempty"`
	Value   *float64     `json:"value,omitempty"` // of a regression, in the units of the label
	Classes []Likelihood `json:"classes,omitempty"`
}

// Likelihood is a class with its probability.
type Likelihood struct {
	Class string  `json:"class"`
	P     float64 `json:"probability"`
}

func newPredict() *cobra.Command {
	p := &predict{}
	cmd := &cobra.Command{
		Use:   "predict DIR|FILE INPUT...",
		Short: "Classify pictures, rows of a table or texts with a trained model",
		Long: `Classify pictures (PNG, JPEG, GIF, BMP, WebP), all pictures in folders, the rows
of CSV and TSV files, or texts, with the model of a run's folder or of a file.
Inputs are treated as the training samples were: pictures are resized and turned
gray if those were, a table's columns are found by their names, and texts are
cut to the tokens that the model takes. A model that was trained on numbers
predicts numbers.

For a model of texts each INPUT is a text, unless it is the name of a table, or
of a file of lines (.txt, .jsonl). - stands for the lines of the standard input.
A model that was trained on pairs of texts takes two for each prediction, and of
the standard input lines with a tab between the two.`,
		Example: `  steppe predict runs/photos cat.png
  steppe predict runs/photos holiday-pictures --top 3
  steppe predict runs/wine new-wines.csv
  steppe predict runs/photos photos/cat/1.png photos/dog/1.png --json
  steppe predict runs/reviews "A film to see again and again."
  steppe predict runs/reviews new-reviews.tsv --top 2
  steppe predict runs/reviews new-reviews.txt --json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) < 2 {
				return fmt.Errorf("%s: want the folder of a run or a model file, and inputs, as in `%s runs/first picture.png` or `%s runs/first \"some text\"`",
					cmd.CommandPath(), cmd.CommandPath(), cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			p.path, p.stdin = args[0], cmd.InOrStdin()
			return p.run(cmd.Context(), args[1:], cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.IntVar(&p.top, "top", 1, "number of classes to print for each input, the most probable first")
	flags.BoolVar(&p.last, "last", false, "of a folder, take the last step's parameters, not the best epoch's")
	flags.BoolVar(&p.json, "json", false, "print a line of JSON for each input")
	return cmd
}

func (p *predict) run(ctx context.Context, inputs []string, stdout, stderr io.Writer) error {
	if p.top < 1 {
		return fmt.Errorf("--top is %d, want at least 1", p.top)
	}
	trained, err := runs.Open(p.path, p.last)
	if err != nil {
		return err
	}
	names := trained.ClassNames()
	width := 0
	for _, name := range names {
		width = max(width, text.StringWidth(name))
	}
	live := newProgress(stderr, 0)
	err = trained.Predict(ctx, inputs, p.stdin, func(predicted runs.Prediction) error {
		live.clear()
		defer live.set(p.done, func() string { return plural(p.done, "input") })
		p.done++
		if predicted.Cut > 0 {
			p.cut++
		}
		prediction := p.predictionOf(trained, names, predicted)
		if p.json {
			return json.NewEncoder(stdout).Encode(prediction)
		}
		_, err := fmt.Fprintln(stdout, prediction.line(width))
		return err
	})
	live.clear()
	if err == nil && p.cut > 0 && !isQuiet(stderr) {
		fmt.Fprintf(stderr, "steppe: %d of %s longer than the %d tokens that the model takes: it hasn't seen their ends\n",
			p.cut, plural(p.done, "text")+isAre(p.done), trained.Meta.Input[0])
	}
	return err
}

// isAre returns the verb of a part of so many things.
func isAre(n int) string {
	if n == 1 {
		return " is"
	}
	return " are"
}

// predictionOf says what outputs mean.
func (p *predict) predictionOf(trained *runs.Trained, names []string, predicted runs.Prediction) Prediction {
	prediction := Prediction{Input: predicted.Input}
	if len(names) == 0 {
		value := trained.Value(predicted.Outputs)
		prediction.Value = &value
		return prediction
	}
	probabilities := runs.Softmax(predicted.Outputs)
	for class, probability := range probabilities {
		prediction.Classes = append(prediction.Classes, Likelihood{names[class], probability})
	}
	slices.SortStableFunc(prediction.Classes, func(a, b Likelihood) int {
		switch {
		case a.P > b.P:
			return -1
		case a.P < b.P:
			return 1
		}
		return 0
	})
	first := prediction.Classes[0]
	prediction.Class, prediction.P = first.Class, &first.P
	prediction.Classes = prediction.Classes[:min(p.top, len(prediction.Classes))]
	if p.top == 1 {
		prediction.Classes = nil
	}
	return prediction
}

// line formats a prediction for people. Classes are padded to width.
func (p Prediction) line(width int) string {
	if p.Value != nil {
		return fmt.Sprintf("%s  %.6g", p.Input, *p.Value)
	}
	classes := p.Classes
	if classes == nil {
		classes = []Likelihood{{p.Class, *p.P}}
	}
	var cells []string
	for _, c := range classes {
		cells = append(cells, fmt.Sprintf("%s %6.2f%%", text.Pad(c.Class, width, ' '), 100*c.P))
	}
	return p.Input + "  " + strings.Join(cells, "  ")
}
