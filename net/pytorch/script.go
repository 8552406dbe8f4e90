package pytorch

import (
	"bytes"
	"cmp"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"text/template"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/checkpoint"
	"github.com/steppe-ml/steppe/net/dataset"
)

//go:embed script/*.py
var scripts embed.FS

var templates = template.Must(template.New("").Funcs(template.FuncMap{
	"add": func(a, b int) int { return a + b },
}).ParseFS(scripts, "script/*.py"))

// scriptText is what the templates read.
type scriptText struct {
	Title, File, Script string
	ShapeText           string // of a sample, as in "3, 32, 32"
	Values              string // what x holds
	Channels            int    // of an image
	Height, Width       int
	Pictures            bool   // a sample is a picture that the script can read
	Mode                string // of a picture, as PIL calls it
	Names               string // of classes, a list in Python; "" if they aren't known
	Columns             string // of a table, a list in Python; "" if samples are no rows that the script can read
	Target              string // mean and deviation of what a table's model predicts, a tuple in Python; "" for classes
	Mean, Std           string // lists in Python; "" if samples aren't standardized
	View                string // turns MEAN into a shape that fits x
	Classifies          bool
	Functional          bool // Definition uses torch.nn.functional as F
	Definition          string

	Stages                  []stage
	Large                   bool
	Stem, Features, Outputs int             // channels behind the first convolution, before the last layer, and outputs
	Lines                   string          // of nn.Sequential
	Uses                    map[string]bool // classes that Lines uses
}

// ErrNoScript is WriteScript's error for an encoder shaped as BERT.
var ErrNoScript = errors.New("pytorch: there is no script for transformers: the tensors are those of BertForSequenceClassification of Hugging Face's transformers")

// WriteScript writes a Python program that runs the model in PyTorch, with the tensors of the file
// that Write has written, which it looks for under the base name of path beside itself. script is
// the name of the program in its instructions. It needs PyTorch and, for pictures, Pillow. A model
// with padding that PyTorch hasn't is an error: with net.Same, that of an even kernel or of a
// stride above 1 may differ between the sides.
func WriteScript(w io.Writer, model *net.Model, meta checkpoint.Meta, path, script string) error {
	l, err := newLayout(model)
	if err != nil {
		return err
	}
	if l.names.family == bert {
		return ErrNoScript
	}
	t := scriptText{
		Title: cmp.Or(meta.Model, "A model of Steppe"), File: filepath.Base(path), Script: filepath.Base(script),
		Stages: l.names.stages, Large: l.names.large, Outputs: model.OutputShape().Size(), Functional: l.names.family != "",
	}
	_, t.Classifies = model.Loss().(net.SoftmaxCrossEntropy)
	for _, name := range []string{t.Title, t.File, t.Script} {
		if strings.ContainsAny(name, "\\\"\n") {
			return fmt.Errorf("pytorch: the name %q can't stand in a Python program", name)
		}
	}
	if err := t.describeInput(model.InputShape(), meta); err != nil {
		return err
	}
	if err := t.standardize(model.InputShape(), meta); err != nil {
		return err
	}
	if t.Classifies && len(meta.ClassNames) == t.Outputs {
		t.Names = pythonList(meta.ClassNames)
	}
	if err := t.define(model.Tree(), l.names); err != nil {
		return err
	}
	return templates.ExecuteTemplate(w, "frame.py", t)
}

// describeInput sets what the script says of samples.
func (t *scriptText) describeInput(shape net.Shape, meta checkpoint.Meta) error {
	sizes := shape
	if len(shape) == 3 {
		sizes = net.Shape{shape[2], shape[0], shape[1]}
		t.Height, t.Width, t.Channels = shape[0], shape[1], shape[2]
		t.Mode = map[int]string{1: "L", 3: "RGB"}[t.Channels]
		t.Pictures = t.Mode != "" && t.Classifies
	}
	var texts []string
	for _, d := range sizes {
		texts = append(texts, strconv.Itoa(d))
	}
	t.ShapeText = strings.Join(texts, ", ")
	t.Values = "float32"
	if len(shape) == 3 {
		t.Values = "pixels divided by 255"
	}
	if meta.Preprocess == nil {
		return nil
	}
	var in dataset.Input
	err := json.Unmarshal(meta.Preprocess, &in)
	if err == nil {
		err = in.Validate()
	}
	if err != nil {
		return fmt.Errorf("pytorch: metadata \"preprocess\": %w", err)
	}
	if in.Table == nil {
		return nil
	}
	if len(shape) != 1 || in.Table.Size() != shape[0] {
		return fmt.Errorf("pytorch: metadata \"preprocess\" makes samples of %d values, and the model takes %v", in.Table.Size(), shape)
	}
	t.Values = "rows of a table as row() makes them"
	var columns []string
	for _, c := range in.Table.Columns {
		if c.Words != nil {
			columns = append(columns, fmt.Sprintf("    (%s, %s),\n", python(c.Name), pythonList(c.Words)))
		} else {
			columns = append(columns, fmt.Sprintf("    (%s, %v, %v),\n", python(c.Name), c.Mean, c.Std))
		}
	}
	t.Columns = "[\n" + strings.Join(columns, "") + "]"
	if label := in.Table.Label; label.Words == nil {
		t.Target = fmt.Sprintf("%v, %v", label.Mean, cmp.Or(label.Std, 1))
	}
	return nil
}

// standardize sets the numbers by which the script standardizes.
func (t *scriptText) standardize(shape net.Shape, meta checkpoint.Meta) error {
	if meta.Standardize == "" {
		return nil
	}
	by, err := dataset.ParseMeanStd(meta.Standardize)
	if err != nil {
		return fmt.Errorf("pytorch: metadata \"standardize\": %w", err)
	}
	if want := channels(shape); len(by.Mean) != want {
		return fmt.Errorf("pytorch: metadata \"standardize\" is of %d channels, and the model's samples of %v have %d", len(by.Mean), shape, want)
	}
	std := make([]float64, len(by.Std))
	for i, s := range by.Std {
		std[i] = cmp.Or(s, 1) // a constant channel isn't divided
	}
	t.Mean, t.Std = pythonList(by.Mean), pythonList(std)
	if len(shape) == 3 {
		t.View = "[:, None, None]"
	}
	return nil
}

// define sets the definition of the model.
func (t *scriptText) define(tree []net.Node, names naming) error {
	if names.family == "" {
		s := sequential{uses: map[string]bool{}}
		if err := s.chain(tree, 3); err != nil {
			return fmt.Errorf("pytorch: %w", err)
		}
		t.Lines, t.Uses = strings.Join(s.lines, "\n"), s.uses
	} else {
		t.Stem, t.Features = t.Stages[0].In, t.Stages[len(t.Stages)-1].Out
	}
	var b bytes.Buffer
	err := templates.ExecuteTemplate(&b, cmp.Or(names.family, "sequential.py"), t)
	t.Definition = b.String()
	return err
}

// pythonList formats numbers or strings as a list of Python, on as many lines as it needs.
func pythonList[T float64 | string](values []T) string {
	const columns = 90
	var lines []string
	line := ""
	for _, v := range values {
		text := python(v)
		switch {
		case line == "":
			line = text
		case len(line)+2+len(text) <= columns:
			line += ", " + text
		default:
			lines, line = append(lines, line+","), text
		}
	}
	if len(lines) == 0 {
		return "[" + line + "]"
	}
	return "[\n    " + strings.Join(append(lines, line), "\n    ") + "]"
}

// python formats a finite number or a string as Python reads it, which reads JSON's.
func python[T float64 | string](v T) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// sequential writes layers as nn.Sequential takes them, a layer a line.
type sequential struct {
	lines []string
	uses  map[string]bool
}

// chain writes layers one behind the other.
func (s *sequential) chain(nodes []net.Node, indent int) error {
	for _, n := range nodes {
		if err := s.layer(n, indent); err != nil {
			return fmt.Errorf("layer %s: %w", n.Name, err)
		}
	}
	return nil
}

func (s *sequential) line(indent int, format string, args ...any) {
	s.lines = append(s.lines, strings.Repeat("    ", indent)+fmt.Sprintf(format, args...))
}

// layer writes a layer, whose names newLayout has accepted.
func (s *sequential) layer(n net.Node, indent int) error {
	switch l := n.Layer.(type) {
	case net.Loss: // the user of PyTorch has a loss of their own
	case net.Flatten:
		s.line(indent, "nn.Flatten(),")
	case net.Dense:
		s.line(indent, "nn.Linear(%d, %d),", n.In[0], l.Out)
	case net.ReLU:
		s.line(indent, "nn.ReLU(),")
	case net.Tanh:
		s.line(indent, "nn.Tanh(),")
	case net.Sigmoid:
		s.line(indent, "nn.Sigmoid(),")
	case net.GELU:
		s.line(indent, "nn.GELU(),")
	case net.Dropout:
		s.line(indent, "nn.Dropout(%v),", l.Rate)
	case net.BatchNorm:
		s.line(indent, "nn.BatchNorm%dd(%d, eps=%v, momentum=%v),", max(1, len(n.In)-1), channels(n.In),
			cmp.Or(l.Epsilon, defaultEpsilon), cmp.Or(l.Momentum, defaultMomentum))
	case net.LayerNorm:
		s.uses["LayerNorm"] = true
		s.line(indent, "LayerNorm(%d, eps=%v),", channels(n.In), cmp.Or(l.Epsilon, defaultEpsilon))
	case net.GlobalAvgPool:
		s.line(indent, "nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),")
	case net.Subsample:
		s.uses["Subsample"] = true
		s.line(indent, "Subsample(%d, %d),", l.Stride, n.Out[2]-n.In[2])
	case net.Conv2D:
		return s.convolution(l, n, indent)
	case net.MaxPool:
		w, err := l.Window(n.In)
		if err == nil && (w.PadTop != w.PadBottom || w.PadLeft != w.PadRight) {
			err = errUneven
		}
		s.line(indent, "nn.MaxPool2d(%d%s%s),", l.Size, stride(cmp.Or(l.Stride, l.Size), l.Size), padding(w.PadTop, w.PadLeft))
		return err
	case net.AvgPool:
		w, err := l.Window(n.In)
		if err == nil && (w.PadTop != w.PadBottom || w.PadLeft != w.PadRight) {
			err = errUneven
		}
		s.line(indent, "nn.AvgPool2d(%d%s%s, count_include_pad=False),", l.Size, stride(cmp.Or(l.Stride, l.Size), l.Size), padding(w.PadTop, w.PadLeft))
		return err
	case net.Sequential:
		s.line(indent, "nn.Sequential(")
		err := s.chain(n.Inner, indent+1)
		s.line(indent, "),")
		return err
	case net.Residual:
		s.uses["Residual"] = true
		s.line(indent, "Residual(")
		for i, side := range []string{"shortcut", "body"} {
			s.line(indent+1, "%s=nn.Sequential(", side)
			if err := s.chain(n.Inner[i].Inner, indent+2); err != nil {
				return err
			}
			s.line(indent+1, "),")
		}
		s.line(indent, "),")
	}
	return nil
}

// convolution writes a convolution.
func (s *sequential) convolution(l net.Conv2D, n net.Node, indent int) error {
	g, err := l.Geometry(n.In)
	if err != nil {
		return err
	}
	if g.PadTop != g.PadBottom || g.PadLeft != g.PadRight {
		return errUneven
	}
	more := ""
	if d := max(1, l.Dilation); d > 1 {
		more += fmt.Sprintf(", dilation=%d", d)
	}
	if l.NoBias {
		more += ", bias=False"
	}
	s.line(indent, "nn.Conv2d(%d, %d, %d%s%s%s),", n.In[2], l.Out, l.Kernel, stride(max(1, l.Stride), 1), padding(g.PadTop, g.PadLeft), more)
	return nil
}

// stride writes an argument, unless it is PyTorch's default.
func stride(n, usual int) string {
	if n == usual {
		return ""
	}
	return fmt.Sprintf(", stride=%d", n)
}

// padding writes an argument, unless it is 0.
func padding(rows, columns int) string {
	switch {
	case rows == 0 && columns == 0:
		return ""
	case rows == columns:
		return fmt.Sprintf(", padding=%d", rows)
	}
	return fmt.Sprintf(", padding=(%d, %d)", rows, columns)
}

var errUneven = errors.New("its padding differs between the sides, which PyTorch's layers can't have; the tensors can be exported without the script")
