package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/steppe-ml/steppe/internal/runs"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/checkpoint"
	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/net/pytorch"
	"github.com/steppe-ml/steppe/net/zoo"
)

// importCommand is one run of the command.
type importCommand struct {
	path    string
	format  string
	model   string
	input   string
	classes int
	data    string
	mean    string
	std     string
	out     string
	force   bool

	file *pytorch.File
	row  zoo.Model
	meta checkpoint.Meta // of the new file

	foreign   bool // the file isn't Steppe's
	guessed   bool // the size of images is the usual one
	regresses bool // the model predicts numbers, and has no classes
}

func newImport() *cobra.Command {
	c := &importCommand{}
	cmd := &cobra.Command{
		Use:   "import FILE --model MODEL --out OUT",
		Short: "Read a model that was trained in PyTorch",
		Long: `Read a model of PyTorch, a state_dict in a safetensors file, and write a model
file for eval and predict. The tensors must be those of the model, by name and
shape: with the names that steppe export --format pytorch writes, or those of
kuangliu's pytorch-cifar for resnet18. They may be F32, F64, F16 or BF16.

A file that steppe export or its Python program has written says all that is
needed. Of other files, the tensors tell the classes and the channels. The size
of images is --input, or that of the samples of --data, or else the usual one.
If samples were normalized in PyTorch, say by what (--mean, --std).

A file of torch.save is converted in Python first:

  from safetensors.torch import save_file
  save_file(model.state_dict(), "model.safetensors")

` + aboutModels(),
		Example: `  steppe import first.safetensors --out imported.safetensors
  steppe import first.safetensors --model lenet --data digits \
      --out own.safetensors
  steppe import first.safetensors --mean 0.1307 --std 0.3081 \
      --out other.safetensors`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("%s: want one file, got %s", cmd.CommandPath(), plural(len(args), "argument"))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			c.path = args[0]
			return c.run(cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&c.format, "format", "pytorch", "form of the file: `pytorch`")
	flags.StringVar(&c.model, "model", "", "`name` of the model (default: as the file says)")
	flags.StringVar(&c.input, "input", "", "shape `HxWxC` of a sample, as in 28x28x1")
	flags.IntVar(&c.classes, "classes", 0, "`number` of classes (default: as the tensors say)")
	flags.StringVar(&c.data, "data", "", "`name`, file or folder of data that it is for")
	flags.StringVar(&c.mean, "mean", "", "`numbers` subtracted from samples, one a channel")
	flags.StringVar(&c.std, "std", "", "`numbers` that samples were divided by then")
	flags.StringVar(&c.out, "out", "", "model `FILE` to write")
	flags.BoolVar(&c.force, "force", false, "replace a file that exists")
	return cmd
}

func (c *importCommand) run(stdout, stderr io.Writer) (err error) {
	if err := c.validate(); err != nil {
		return err
	}
	if c.file, err = pytorch.Open(c.path); err != nil {
		return err
	}
	defer c.file.Close()
	if c.meta, err = c.file.Meta(); err != nil {
		return err
	}
	if err := c.describe(); err != nil {
		return err
	}
	outputs := c.meta.Classes
	if c.regresses {
		if outputs, err = c.file.Classes(c.compile, c.meta.Input); err != nil {
			return err
		}
	}
	model, err := c.compile(c.meta.Input, outputs)
	if err != nil {
		return err
	}
	params, err := c.file.Params(model)
	if err != nil {
		return err
	}
	if err := checkpoint.Save(c.out, model, params, c.meta); err != nil {
		return err
	}
	if !isQuiet(stderr) {
		c.print(stdout, model)
	}
	return nil
}

func (c *importCommand) validate() error {
	if c.format != "pytorch" {
		return fmt.Errorf("--format is %q, want pytorch", c.format)
	}
	if c.out == "" {
		return errors.New("--out is missing, want a file to write")
	}
	if c.classes < 0 {
		return fmt.Errorf("--classes is %d, want at least 2", c.classes)
	}
	if (c.mean == "") != (c.std == "") {
		return errors.New("--mean and --std go together, want both or none")
	}
	out, err := os.Stat(c.out)
	if err != nil {
		return nil
	}
	if in, err := os.Stat(c.path); err == nil && os.SameFile(in, out) {
		return fmt.Errorf("--out is %s, the file to read: want another", c.out)
	}
	if !c.force {
		return fmt.Errorf("--out %s: the file exists; --force replaces it", c.out)
	}
	return nil
}

// describe completes what the file says of the model: by flags, by the data, and by the tensors.
func (c *importCommand) describe() (err error) {
	c.foreign = c.meta.Model == ""
	c.regresses = !c.foreign && c.meta.Input != nil && c.meta.Classes == 0
	if c.model != "" {
		c.meta.Model = c.model
	}
	if c.meta.Model == "" {
		return fmt.Errorf("--model is missing, and %s doesn't say what model it is", c.path)
	}
	if c.row, err = zoo.Lookup(c.meta.Model); err != nil {
		return err
	}
	if c.row.Text != nil {
		return fmt.Errorf("%s reads text, and needs the tokenizer of its training besides: steppe train --init %s --tokenizer FILE begins with these tensors", c.meta.Model, c.path)
	}
	if c.data != "" {
		if err := c.describeData(); err != nil {
			return err
		}
	}
	if c.input != "" {
		if c.meta.Input, err = parseInput(c.input); err != nil {
			return err
		}
	}
	if c.regresses && c.classes > 0 {
		return fmt.Errorf("--classes is %d, but the model predicts numbers", c.classes)
	}
	if c.classes > 0 && c.classes != c.meta.Classes {
		c.meta.Classes, c.meta.ClassNames = c.classes, nil
	}
	if c.meta.Input == nil {
		if err := c.infer(); err != nil {
			return err
		}
	}
	if c.meta.Classes == 0 && !c.regresses {
		if c.meta.Classes, err = c.file.Classes(c.compile, c.meta.Input); err != nil {
			return err
		}
	}
	return c.standardize()
}

// describeData takes what --data says.
func (c *importCommand) describeData() error {
	source := runs.Defaults().Source
	source.Data = c.data
	data, err := source.Describe()
	if err != nil {
		return err
	}
	data.Model, data.Standardize = c.meta.Model, c.meta.Standardize
	c.meta, c.regresses = data, data.Classes == 0
	return nil
}

// compile makes the model, with outputs for classes or for numbers.
func (c *importCommand) compile(input net.Shape, outputs int) (*net.Model, error) {
	if c.regresses {
		return c.row.Regressor(input, outputs)
	}
	return c.row.Compile(input, outputs)
}

// infer takes the shape of samples from the tensors, as far as they have it.
func (c *importCommand) infer() error {
	shape, classes, err := c.file.Infer(c.compile, c.row.Input)
	if err != nil {
		return fmt.Errorf("%w; --input says the shape of a sample", err)
	}
	c.meta.Input, c.guessed = shape, true
	c.meta.Classes = cmp.Or(c.meta.Classes, classes)
	return nil
}

// standardize sets what samples are standardized by.
func (c *importCommand) standardize() error {
	if c.mean == "" {
		return nil
	}
	mean, err := parseNumbers("--mean", c.mean)
	if err != nil {
		return err
	}
	std, err := parseNumbers("--std", c.std)
	if err != nil {
		return err
	}
	channels := c.meta.Input[len(c.meta.Input)-1]
	if len(mean) != channels || len(std) != channels {
		return fmt.Errorf("--mean has %s and --std %d, want one for each of %s", plural(len(mean), "number"), len(std), plural(channels, "channel"))
	}
	for _, s := range std {
		if s <= 0 {
			return fmt.Errorf("--std has %v, want positive numbers", s)
		}
	}
	c.meta.Standardize = dataset.MeanStd{Mean: mean, Std: std}.String()
	return nil
}

// parseNumbers reads the finite numbers of a flag.
func parseNumbers(flag, text string) (numbers []float64, err error) {
	for field := range strings.SplitSeq(text, ",") {
		v, err := strconv.ParseFloat(strings.TrimSpace(field), 64)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, fmt.Errorf("%s has %q, want numbers such as 0.49,0.48,0.45", flag, field)
		}
		numbers = append(numbers, v)
	}
	return numbers, nil
}

// parseInput reads the shape of --input.
func parseInput(text string) (net.Shape, error) {
	var shape net.Shape
	for field := range strings.SplitSeq(text, "x") {
		d, err := strconv.Atoi(field)
		if err != nil || d < 1 {
			return nil, fmt.Errorf("--input is %q, want positive dimensions such as 28x28x1", text)
		}
		shape = append(shape, d)
	}
	if err := shape.Validate(); err != nil {
		return nil, fmt.Errorf("--input is %q: %w", text, err)
	}
	return shape, nil
}

// print says what the model is, and what isn't sure about it.
func (c *importCommand) print(out io.Writer, model *net.Model) {
	kind := "in " + plural(c.meta.Classes, "class")
	if c.regresses {
		kind = "to " + plural(model.OutputShape().Size(), "number")
	}
	fmt.Fprintf(out, "%s has %s of %s: %v %s, %s.\n", c.out, c.meta.Model, c.path, c.meta.Input, kind, plural(model.NumParams(), "parameter"))
	if c.guessed {
		fmt.Fprintf(out, "Samples of %v fit the tensors; others may, too. --input and --data say which they are.\n", c.meta.Input)
	}
	switch {
	case c.meta.Standardize != "":
		fmt.Fprintf(out, "Samples are standardized, by %s.\n", c.meta.Standardize)
	case c.foreign:
		fmt.Fprintln(out, "Samples go in as they are. --mean and --std say how they were normalized in PyTorch.")
	}
	if c.meta.Data != "" {
		fmt.Fprintf(out, "To test it: steppe eval %s\n", c.out)
	} else {
		fmt.Fprintf(out, "To test it: steppe eval %s --data NAME\n", c.out)
	}
}
