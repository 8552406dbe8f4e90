package onnx

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/checkpoint"
	"github.com/steppe-ml/steppe/net/dataset"
)

const (
	irVersion = 7 // of the format, from May 2020; every runtime reads it today
	opset     = 13

	// maxFile is what Protocol Buffers allow.
	maxFile = math.MaxInt32
)

// Write writes a model. It returns errors of arguments, and of values that aren't finite, before it
// writes anything. A layer that isn't of package net is an error, and so is a model beyond the
// format's 2 GiB.
func Write(w io.Writer, model *net.Model, params *net.Params, meta checkpoint.Meta) error {
	pieces, err := encode(model, params, meta)
	if err != nil {
		return fmt.Errorf("onnx: %w", err)
	}
	for _, piece := range pieces {
		if _, err := w.Write(piece); err != nil {
			return err
		}
	}
	return nil
}

// encode returns the pieces of a file. The tensors are in pieces of their own, so that they are in
// memory once.
func encode(model *net.Model, params *net.Params, meta checkpoint.Meta) ([][]byte, error) {
	g := &graph{names: map[string]int{}}
	var err error
	if g.params, err = byName(model, params); err != nil {
		return nil, err
	}
	properties, err := meta.Strings()
	if err != nil {
		return nil, err
	}
	x, err := g.standardize(model.InputShape(), meta.Standardize)
	if err != nil {
		return nil, err
	}
	y, err := g.chain(model.Tree(), x)
	if err != nil {
		return nil, err
	}
	body := g.encode(model, y, cmp.Or(meta.Model, "model"))
	size := 0
	for _, piece := range body {
		size += len(piece)
	}
	head := message{}.int(1, irVersion).text(2, "steppe").with(8, message{}.text(1, "").int(2, opset))
	for _, key := range slices.Sorted(maps.Keys(properties)) {
		head = head.with(14, entry(key, properties[key]))
	}
	head = protowire.AppendTag(head, 7, protowire.BytesType)
	head = protowire.AppendVarint(head, uint64(size))
	if size += len(head); size > maxFile {
		return nil, fmt.Errorf("the model takes %d bytes, and the format allows %d", size, maxFile)
	}
	return append([][]byte{head}, body...), nil
}

// byName returns the values of the model's tensors, which must be finite.
func byName(model *net.Model, params *net.Params) (map[string][]float32, error) {
	if err := model.ValidateParams(params); err != nil {
		return nil, err
	}
	all := map[string][]float32{}
	for _, v := range model.Params() {
		all[v.Name] = v.Of(params.Values)
	}
	for _, v := range model.State() {
		all[v.Name] = v.Of(params.State)
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		for i, v := range all[name] {
			if v-v != 0 {
				return nil, fmt.Errorf("%s: element %d of %d is %v, want finite values", name, i, len(all[name]), v)
			}
		}
	}
	return all, nil
}

// The names of the graph's ends.
const (
	nameInput         = "input"
	nameLogits        = "logits"
	nameProbabilities = "probabilities"
	nameOutput        = "output"
)

// standardize adds what subtracts the mean of each channel and divides by its deviation, and
// returns the name of its output.
func (g *graph) standardize(shape net.Shape, text string) (string, error) {
	for _, name := range []string{nameInput, nameLogits, nameProbabilities, nameOutput} {
		g.unique(name)
	}
	if text == "" {
		return nameInput, nil
	}
	by, err := dataset.ParseMeanStd(text)
	if err != nil {
		return "", fmt.Errorf("metadata \"standardize\": %w", err)
	}
	if want := shape[len(shape)-1]; len(by.Mean) != want {
		return "", fmt.Errorf("metadata \"standardize\" is of %d channels, and the model's samples of %v have %d", len(by.Mean), shape, want)
	}
	mean, std := make([]float32, len(by.Mean)), make([]float32, len(by.Mean))
	for c := range mean {
		mean[c], std[c] = float32(by.Mean[c]), float32(cmp.Or(by.Std[c], 1)) // a constant channel isn't divided
		if std[c] == 0 || std[c]-std[c] != 0 || mean[c]-mean[c] != 0 {
			return "", errors.New("metadata \"standardize\" has numbers beyond float32")
		}
	}
	x := g.add("standardize", "Sub", []string{nameInput, g.floats("standardize.mean", perChannel(shape), mean)})
	return g.add("standardize", "Div", []string{x, g.floats("standardize.deviation", perChannel(shape), std)}), nil
}

// encode returns the GraphProto whose output is the value y, in pieces.
func (g *graph) encode(model *net.Model, y, name string) [][]byte {
	in, out := inGraph(model.InputShape()), inGraph(model.OutputShape())
	if y == nameInput { // which can't be an output, too
		y = g.add("identity", "Identity", []string{y})
	}
	about := "samples"
	if len(model.InputShape()) == 3 {
		about = "images; pixels from 0 to 1"
	}
	rest := message{}.text(2, name).with(11, valueInfo(nameInput, in, about))
	if _, classifies := model.Loss().(net.SoftmaxCrossEntropy); classifies {
		g.rename(y, nameLogits)
		g.nodes = append(g.nodes, node{name: nameProbabilities, op: "Softmax", in: []string{nameLogits}, out: nameProbabilities, attributes: []attribute{intAttribute("axis", 1)}})
		rest = rest.with(12, valueInfo(nameLogits, out, "outputs before the softmax"))
		rest = rest.with(12, valueInfo(nameProbabilities, out, "probabilities of the classes"))
	} else {
		g.rename(y, nameOutput)
		rest = rest.with(12, valueInfo(nameOutput, out, "outputs"))
	}
	for _, n := range g.nodes {
		rest = rest.with(1, n.message())
	}
	pieces := [][]byte{rest}
	for _, t := range g.tensors {
		start := protowire.AppendTag(nil, 5, protowire.BytesType)
		pieces = append(pieces, protowire.AppendVarint(start, uint64(len(t))), t)
	}
	return pieces
}
