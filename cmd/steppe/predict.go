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
	path string
	last bool
	top  int
	json bool
}

// Prediction is what --json prints of an input, on a line of its own.
type Prediction struct {
	Input   string       `json:"input"` // path of a picture, or "FILE row N"
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
		Short: "Classify pictures or rows of a table with a trained model",
		Long: `Classify pictures (PNG, JPEG, GIF, BMP, WebP), all pictures in folders, or the rows of
CSV and TSV files, with the model of a run's folder or of a file. Inputs are treated as
the training samples were: pictures are resized and turned gray if those were, and a
table's columns are found by their names. A model that was trained on numbers predicts
numbers.`,
		Example: `  steppe predict runs/photos cat.png
  steppe predict runs/photos holiday-pictures --top 3
  steppe predict runs/wine new-wines.csv
  steppe predict runs/photos photos/cat/1.png photos/dog/1.png --json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) < 2 {
				return fmt.Errorf("%s: want the folder of a run or a model file, and inputs, as in `%s runs/first picture.png`",
					cmd.CommandPath(), cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			p.path = args[0]
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
	defer live.clear()
	done := 0
	return trained.Predict(ctx, inputs, func(input string, outputs []float32) error {
		live.clear()
		defer live.set(done, func() string { return plural(done, "input") })
		done++
		prediction := p.predictionOf(trained, names, input, outputs)
		if p.json {
			return json.NewEncoder(stdout).Encode(prediction)
		}
		_, err := fmt.Fprintln(stdout, prediction.line(width))
		return err
	})
}

// predictionOf says what outputs mean.
func (p *predict) predictionOf(trained *runs.Trained, names []string, input string, outputs []float32) Prediction {
	prediction := Prediction{Input: input}
	if len(names) == 0 {
		value := trained.Value(outputs)
		prediction.Value = &value
		return prediction
	}
	probabilities := runs.Softmax(outputs)
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
