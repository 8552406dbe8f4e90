package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/checkpoint"
	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/net/zoo"
	"github.com/steppe-ml/steppe/sam/train"
)

// eval is one run of the command.
type eval struct {
	load     string
	dataSpec string

	meta   checkpoint.Meta
	model  *net.Model
	params *net.Params
	test   *dataset.Set
}

func newEval() *cobra.Command {
	e := &eval{}
	cmd := &cobra.Command{
		Use:   "eval",
		Short: "Test a model that steppe train has saved",
		Long: `Test a model that steppe train --save has written, on the test samples of the data
that it was trained on, or of other data with the same shape and number of classes.
If the model was trained on standardized samples, eval standardizes the test samples
in the same way.

` + aboutData(),
		Example: `  steppe eval --load digits.safetensors
  steppe eval --load digits.safetensors --data digits`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return e.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&e.load, "load", "", "model `FILE` of steppe train --save")
	flags.StringVar(&e.dataSpec, "data", "", "`name` or folder of the data (default: the data of the training)")
	return cmd
}

func (e *eval) run(ctx context.Context, stdout, stderr io.Writer) error {
	if e.load == "" {
		return errors.New("--load is missing, want a file that steppe train --save has written")
	}
	if err := e.openModel(); err != nil {
		return err
	}
	if err := waiting(stderr, "reading data", e.openData); err != nil {
		return err
	}
	e.printHeader(stdout)
	live := newProgress(stderr, e.test.Len())
	start := time.Now()
	correct, loss, err := e.evaluate(ctx, live)
	live.clear()
	if err != nil {
		return err
	}
	n, seconds := float64(e.test.Len()), time.Since(start).Seconds()
	fmt.Fprintf(stdout, "Test accuracy %.2f%% (%s of %s), loss %.4f.\n",
		100*float64(correct)/n, count(correct), count(e.test.Len()), loss)
	fmt.Fprintf(stdout, "%s samples/s, %.3f seconds.\n", rate(n/seconds), seconds)
	return nil
}

// openModel reads the file and compiles the model that it names.
func (e *eval) openModel() (err error) {
	if e.meta, err = checkpoint.ReadMeta(e.load); err != nil {
		return err
	}
	if e.meta.Model == "" || e.meta.Input == nil || e.meta.Classes == 0 {
		return fmt.Errorf("%s doesn't name its model, want metadata \"model\", \"input\" and \"classes\" as steppe train --save writes them", e.load)
	}
	row, err := zoo.Lookup(e.meta.Model)
	if err == nil {
		e.model, err = row.Compile(e.meta.Input, e.meta.Classes)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", e.load, err)
	}
	e.params, err = checkpoint.Load(e.load, e.model)
	return err
}

// openData reads the test samples, and standardizes them as the training samples were.
func (e *eval) openData() (err error) {
	if e.dataSpec != "" {
		_, e.test, err = dataset.Open(e.dataSpec)
	} else if _, e.test, err = dataset.Open(e.meta.Data); err != nil {
		err = fmt.Errorf("--data is missing, and the data that %s was trained on can't be opened: %w", e.load, err)
	}
	if err != nil {
		return err
	}
	if !slices.Equal(e.test.Shape, e.meta.Input) || e.test.Classes != e.meta.Classes {
		return fmt.Errorf("%s takes samples of %v %s, but %s has %v %s", e.load,
			e.meta.Input, inClasses(e.meta.Classes), e.dataName(), e.test.Shape, inClasses(e.test.Classes))
	}
	if e.meta.Standardize == "" {
		return nil
	}
	by, err := dataset.ParseMeanStd(e.meta.Standardize)
	if err == nil {
		e.test, err = e.test.Standardize(by)
	}
	if err != nil {
		return fmt.Errorf("%s: metadata \"standardize\": %w", e.load, err)
	}
	return nil
}

// evaluate returns the number of test samples that the model classifies correctly, and the mean
// loss.
func (e *eval) evaluate(ctx context.Context, live *progress) (correct int, loss float64, err error) {
	accuracy, mean := &train.Accuracy{}, &train.Loss{}
	_, err = train.EvaluateContext(ctx, e.model, e.params, e.test, accuracy, mean, &liveLoss{Loss: mean, live: live})
	if err != nil {
		return 0, 0, err
	}
	return accuracy.Correct, mean.Value(), nil
}

// liveLoss is a metric that shows the loss of another one while that is measured.
type liveLoss struct {
	*train.Loss
	live *progress
	done int // samples
}

// Name implements train.Metric.
func (*liveLoss) Name() string { return "live loss" }

// Reset implements train.Metric.
func (*liveLoss) Reset(*net.Model, *dataset.Set) error { return nil }

// Update implements train.Metric. The loss itself is an earlier metric, so it has this batch.
func (l *liveLoss) Update(_ []float32, batch net.Batch) {
	l.done += batch.N
	l.live.set(l.done, func() string { return fmt.Sprintf("loss %.4f", l.Value()) })
}

func (e *eval) printHeader(out io.Writer) {
	fmt.Fprintf(out, "%s of %s", e.meta.Model, e.load)
	if e.meta.Data != "" {
		fmt.Fprintf(out, ", trained on %s", e.meta.Data)
	}
	fmt.Fprintf(out, "\n%s of %s, %v %s", plural(e.test.Len(), "test sample"), e.dataName(), e.test.Shape, inClasses(e.test.Classes))
	if e.meta.Standardize != "" {
		fmt.Fprint(out, ", standardized")
	}
	fmt.Fprintf(out, "\n%s\n\n", machine(blas.DefaultWorkers()))
}

// dataName returns the name of the data set without "/test".
func (e *eval) dataName() string { return strings.TrimSuffix(e.test.Name, "/test") }

func inClasses(n int) string {
	if n == 1 {
		return "in 1 class"
	}
	return fmt.Sprintf("in %s classes", count(n))
}
