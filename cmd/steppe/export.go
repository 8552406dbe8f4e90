package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/steppe-ml/steppe/internal/atomicfile"
	"github.com/steppe-ml/steppe/internal/runs"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/net/onnx"
	"github.com/steppe-ml/steppe/net/pytorch"
)

// export is one run of the command.
type export struct {
	path   string // of a run's folder or a model file
	last   bool
	format string
	out    string
	script string // file of --script
	force  bool

	trained *runs.Trained
}

func newExport() *cobra.Command {
	e := &export{}
	cmd := &cobra.Command{
		Use:   "export DIR|FILE --format FORMAT OUT",
		Short: "Write a trained model for PyTorch or ONNX",
		Long: `Write the model of a run's folder, or of a model file, to OUT for other
programs.

` + section("Formats", formats, func(f format) (string, string) { return f.name, f.about }),
		Example: `  steppe export runs/first --format pytorch first.safetensors --script first.py
  steppe export digits.safetensors --format pytorch digits-torch.safetensors
  steppe export runs/first --format onnx first.onnx`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 2 {
				return fmt.Errorf("%s: want a run's folder or a model file, and a file to write, got %s", cmd.CommandPath(), plural(len(args), "argument"))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			e.path, e.out = args[0], args[1]
			return e.run(cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&e.format, "format", "", "form of the file: `pytorch|onnx`")
	flags.StringVar(&e.script, "script", "", "write the Python program for pytorch to `FILE`")
	flags.BoolVar(&e.last, "last", false, "the last step's parameters, not the best epoch's")
	flags.BoolVar(&e.force, "force", false, "replace files that exist")
	return cmd
}

// format is a form of model files that others have defined.
type format struct{ name, about string }

var formats = []format{
	{"pytorch", "the tensors as PyTorch has them (a state_dict) in a safetensors file, and a Python program that runs the model, " +
		"which is printed unless --script names a file for it: it holds the model's definition, reads the file without further packages, and predicts for pictures or the rows of a table. " +
		"The names are torchvision's for resnet18, akamaster's (pytorch_resnet_cifar10) for resnet20, 32 and 56, " +
		"xternalz's (WideResNet-pytorch) for wrn16-4, and those of nn.Sequential for the others"},
	{"onnx", "a graph of opset 13 for ONNX Runtime and others. Its input is float [N, C, H, W], for images with pixels from 0 to 1: " +
		"standardization is part of the graph. Its outputs are logits and probabilities"},
}

func (e *export) run(stdout, stderr io.Writer) (err error) {
	if err := e.validate(); err != nil {
		return err
	}
	if e.trained, err = runs.Open(e.path, e.last); err != nil {
		return err
	}
	if err := e.validateOutputs(); err != nil {
		return err
	}
	notes := tablesOn(stdout, stderr, false)
	if e.format == "onnx" {
		return e.writeONNX(notes)
	}
	return e.writePyTorch(stdout, notes)
}

// imported are the files that a program must not be called: it imports packages of these names.
var imported = []string{"torch.py", "PIL.py", "csv.py", "json.py", "os.py", "sys.py"}

func (e *export) validate() error {
	switch {
	case e.format == "":
		return errors.New("--format is missing, want pytorch or onnx")
	case e.format != "pytorch" && e.format != "onnx":
		return fmt.Errorf("--format is %q, want pytorch or onnx", e.format)
	case e.script != "" && e.format != "pytorch":
		return fmt.Errorf("--script goes with --format pytorch, not %s", e.format)
	case slices.Contains(imported, filepath.Base(e.script)):
		return fmt.Errorf("--script is %s: a program of that name would hide the package that it imports, want another name", e.script)
	}
	return nil
}

// validateOutputs returns an error if a file to write is there already: above all the model itself.
func (e *export) validateOutputs() error {
	model, err := os.Stat(e.trained.Path)
	if err != nil {
		return err
	}
	for _, path := range []string{e.out, e.script} {
		info, err := os.Stat(path)
		switch {
		case path == "" || err != nil:
		case os.SameFile(info, model):
			return fmt.Errorf("%s is the model itself, want another file to write", path)
		case !e.force:
			return fmt.Errorf("%s exists; --force replaces it", path)
		}
	}
	if e.script != "" && filepath.Clean(e.script) == filepath.Clean(e.out) {
		return fmt.Errorf("--script is %s, which gets the model: want another file", e.script)
	}
	return nil
}

// writePyTorch writes the tensors and the program. Without --script, the program goes to stdout,
// and the notes before it are comments.
func (e *export) writePyTorch(stdout, notes io.Writer) error {
	t := e.trained
	name, prefix := e.script, ""
	if name == "" {
		// With more than the model's name, since torch.py would hide PyTorch.
		name, prefix = strings.TrimSuffix(filepath.Base(e.out), filepath.Ext(e.out))+"_model.py", "# "
	}
	program := &strings.Builder{} // first, since some models have none
	none := pytorch.WriteScript(program, t.Model, t.Meta, e.out, name)
	if none != nil && !(errors.Is(none, pytorch.ErrNoScript) && e.script == "") {
		return none
	}
	err := atomicfile.Write(e.out, func(w io.Writer) error { return pytorch.Write(w, t.Model, t.Params, t.Meta) })
	if err != nil {
		return err
	}
	fmt.Fprintf(notes, "%s%s has %s of %s as PyTorch has it, %s.\n", prefix, e.out, t.Meta.Model, t.Path, plural(t.Model.NumParams(), "parameter"))
	if none != nil {
		_, err := fmt.Fprintln(notes, prefix+"The tensors have the names of BertForSequenceClassification of Hugging Face's transformers.")
		return err
	}
	if e.script == "" {
		fmt.Fprintf(notes, "%sSave this program as %s beside it.\n", prefix, name)
		fmt.Fprint(stdout, program)
		return nil
	}
	if err := atomicfile.Write(e.script, func(w io.Writer) error { _, err := io.WriteString(w, program.String()); return err }); err != nil {
		return err
	}
	arguments := ""
	switch { // as the program says in its first lines
	case strings.Contains(program.String(), "\ndef picture("):
		arguments = " PICTURE..."
	case strings.Contains(program.String(), "\ndef table("):
		arguments = " TABLE.csv..."
	}
	fmt.Fprintf(notes, "To run it: python3 %s%s\n", e.script, arguments)
	if filepath.Dir(e.script) != filepath.Dir(e.out) {
		fmt.Fprintf(notes, "The program looks for %s in its own folder.\n", filepath.Base(e.out))
	}
	return nil
}

// writeONNX writes the graph, and says what goes in and comes out.
func (e *export) writeONNX(notes io.Writer) error {
	t := e.trained
	err := atomicfile.Write(e.out, func(w io.Writer) error { return onnx.Write(w, t.Model, t.Params, t.Meta) })
	if err != nil {
		return err
	}
	shape, values := t.Model.InputShape(), ""
	if len(shape) == 3 {
		shape, values = net.Shape{shape[2], shape[0], shape[1]}, ", pixels from 0 to 1"
	}
	fmt.Fprintf(notes, "%s has %s of %s as ONNX, %s.\n\n", e.out, t.Meta.Model, t.Path, plural(t.Model.NumParams(), "parameter"))
	fmt.Fprintf(notes, "input          float [N, %s]%s\n", dimensions(shape), values)
	outputs := "output"
	if _, classifies := t.Model.Loss().(net.SoftmaxCrossEntropy); classifies {
		fmt.Fprintf(notes, "logits         float [N, %s]\n", dimensions(t.Model.OutputShape()))
		outputs = "probabilities"
	}
	fmt.Fprintf(notes, "%-13s  float [N, %s]\n\n", outputs, dimensions(t.Model.OutputShape()))
	if in, err := t.Input(); err == nil && in.Table != nil {
		explainColumns(notes, in.Table)
	}
	fmt.Fprintf(notes, "To run it in Python:\n\n    session = onnxruntime.InferenceSession(%q)\n    %s, = session.run([%q], {\"input\": x})\n",
		e.out, outputs, outputs)
	return nil
}

// explainColumns says what the values of a row are, which are no part of the graph.
func explainColumns(notes io.Writer, t *dataset.Table) {
	fmt.Fprint(notes, "The graph takes a row's values as they were trained on, in this order:\n\n")
	for _, c := range t.Columns {
		if c.Words == nil {
			fmt.Fprintf(notes, "    %s: (x - %v) / %v\n", c.Name, c.Mean, c.Std)
			continue
		}
		fmt.Fprintf(notes, "    %s: a value for each of %q, 1 for the word of the row and 0 for the others\n", c.Name, c.Words)
	}
	if c := t.Label; c.Words == nil {
		fmt.Fprintf(notes, "\nThe output times %v, plus %v, is %s.\n", c.Std, c.Mean, c.Name)
	}
	fmt.Fprintln(notes)
}

// dimensions formats a shape as in "3, 32, 32".
func dimensions(shape net.Shape) string { return strings.ReplaceAll(shape.String(), "x", ", ") }
