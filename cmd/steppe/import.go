package main

import (
	"errors"
	"fmt"
	"io"
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
	mean    []float64
	std     []float64
	out     string
	force   bool

	file    *pytorch.File
	row     zoo.Model
	meta    checkpoint.Meta // of the new file
	guessed bool            // the size of images is the usual one
}

func newImport() *cobra.Command {
	c := &importCommand{}
	cmd := &cobra.Command{
		Use:   "import FILE --model MODEL --out OUT",
		Short: "Read a model that was trained in PyTorch",
		Long: `Read a model of PyTorch, a state_dict in a safetensors file, and write a model file
for eval and predict. The tensors must be those of the model, by name and shape: with
the names that steppe export --format pytorch writes, or those of kuangliu's
pytorch-cifar for resnet18. They may be F32, F64, F16 or BF16.

A file that steppe export or its Python program has written says all that is needed.
Of other files, the tensors tell the classes and the channels. The size of images is
--input, or that of the samples of --data, or else the usual one. If samples were
normalized in PyTorch, say by what (--mean, --std).

A file of torch.save is converted in Python first:

  from safetensors.torch import save_file
  save_file(model.state_dict(), "model.safetensors")

` + aboutModels(),
		Example: `  steppe import torch.safetensors --out imported.safetensors
  steppe import resnet.safetensors --model resnet18 --out resnet18.safetensors \
    --data cifar10 --mean 0.4914,0.4822,0.4465 --std 0.247,0.2435,0.2616`,
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
	flags.StringVar(&c.format, "format", "pytorch", "`pytorch`, the only one so far")
	flags.StringVar(&c.model, "model", "", "`name` of the model (default: what the file says)")
	flags.StringVar(&c.input, "input", "", "`HxWxC` of a sample, as in 28x28x1")
	flags.IntVar(&c.classes, "classes", 0, "`number` of classes (default: that of the last layer's outputs)")
	flags.StringVar(&c.data, "data", "", "`name`, file or folder of the data that the model is for")
	flags.Float64SliceVar(&c.mean, "mean", nil, "`numbers` that were subtracted from samples, one a channel")
	flags.Float64SliceVar(&c.std, "std", nil, "`numbers` that samples were divided by then")
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
	model, err := c.row.Compile(c.meta.Input, c.meta.Classes)
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
	if len(c.mean) != len(c.std) {
		return fmt.Errorf("--mean has %s and --std %d, want the same number of both", plural(len(c.mean), "number"), len(c.std))
	}
	for i, std := range c.std {
		if std <= 0 {
			return fmt.Errorf("--std has %v, want positive numbers", c.std[i])
		}
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
	if c.model != "" {
		c.meta.Model = c.model
	}
	if c.meta.Model == "" {
		return fmt.Errorf("--model is missing, and %s doesn't say what model it is", c.path)
	}
	if c.row, err = zoo.Lookup(c.meta.Model); err != nil {
		return err
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
	if c.classes > 0 && c.classes != c.meta.Classes {
		c.meta.Classes, c.meta.ClassNames = c.classes, nil
	}
	if c.meta.Input == nil || c.meta.Classes == 0 {
		if err := c.infer(); err != nil {
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
	c.meta = data
	return nil
}

// infer fills in from the tensors what is missing.
func (c *importCommand) infer() error {
	usual := c.row.Input
	if c.meta.Input != nil {
		usual = c.meta.Input
	}
	shape, classes, err := c.file.Infer(c.row.Compile, usual)
	if err != nil {
		if c.meta.Input == nil {
			err = fmt.Errorf("%w; --input says the shape of a sample", err)
		}
		return err
	}
	if c.meta.Input == nil {
		c.meta.Input, c.guessed = shape, true
	}
	if c.meta.Classes == 0 {
		c.meta.Classes = classes
	}
	return nil
}

// standardize sets what samples are standardized by.
func (c *importCommand) standardize() error {
	if c.mean == nil {
		return nil
	}
	if want := c.meta.Input[len(c.meta.Input)-1]; len(c.mean) != want {
		return fmt.Errorf("--mean and --std have %s, want one for each of %s", plural(len(c.mean), "number"), plural(want, "channel"))
	}
	c.meta.Standardize = dataset.MeanStd{Mean: c.mean, Std: c.std}.String()
	_, err := dataset.ParseMeanStd(c.meta.Standardize)
	return err
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
	fmt.Fprintf(out, "%s has %s of %s: %v in %s, %s.\n", c.out, c.meta.Model, c.path, c.meta.Input, classes(c.meta.Classes), plural(model.NumParams(), "parameter"))
	if c.guessed {
		fmt.Fprintf(out, "Samples of %v fit the tensors; others may, too. --input and --data say which they are.\n", c.meta.Input)
	}
	if c.meta.Standardize != "" {
		fmt.Fprintf(out, "Samples are standardized, by %s.\n", c.meta.Standardize)
	} else {
		fmt.Fprintln(out, "Samples go in as they are. --mean and --std say how they were normalized in PyTorch.")
	}
	if c.meta.Data != "" {
		fmt.Fprintf(out, "To test it: steppe eval %s\n", c.out)
	} else {
		fmt.Fprintf(out, "To test it: steppe eval %s --data NAME\n", c.out)
	}
}
