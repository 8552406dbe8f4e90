package onnx

import (
	"strconv"

	"github.com/steppe-ml/steppe/net"
)

// graph is a GraphProto that grows layer by layer. Images in it are [N, C, H, W].
type graph struct {
	params  map[string][]float32 // the model's tensors, by name
	nodes   []node
	tensors []message
	names   map[string]int // of values and tensors, with how often they were wanted
	// rows is the order of the rows of the next Dense's weight: behind a flattened image, those
	// of a channel come one behind the other. nil is the model's own order.
	rows []int
}

// unique returns name, or with a number behind it if that is taken.
func (g *graph) unique(name string) string {
	g.names[name]++
	if n := g.names[name]; n > 1 {
		return g.unique(name + "." + strconv.Itoa(n))
	}
	return name
}

// add adds a node of a layer and returns the name of its output. in are names of values and
// tensors.
func (g *graph) add(layer, op string, in []string, attributes ...attribute) string {
	name := g.unique(layer + "." + op)
	g.nodes = append(g.nodes, node{name: name, op: op, in: in, out: name, attributes: attributes})
	return name
}

// floats adds a constant and returns its name.
func (g *graph) floats(name string, shape []int, values []float32) string {
	name = g.unique(name)
	g.tensors = append(g.tensors, floatTensor(name, shape, values))
	return name
}

// scalar adds a constant that applies to every element.
func (g *graph) scalar(name string, value float64) string {
	return g.floats(name, nil, []float32{float32(value)})
}

// ints adds a constant and returns its name.
func (g *graph) ints(name string, values ...int) string {
	name = g.unique(name)
	g.tensors = append(g.tensors, intTensor(name, values...))
	return name
}

// vector adds a tensor of a layer with an element a channel, so that it applies to samples of shape
// s.
func (g *graph) vector(n net.Node, tensor string) string {
	name := n.Name + "." + tensor
	return g.floats(name, perChannel(n.In), g.params[name])
}

// perChannel returns the shape of a vector with an element a channel, for samples of shape s in the
// graph's order: channels come first in images, and last in other samples.
func perChannel(s net.Shape) []int {
	if len(s) == 3 {
		return []int{s[2], 1, 1}
	}
	return []int{s[len(s)-1]}
}

// inGraph returns the shape of a sample as the graph has it.
func inGraph(s net.Shape) net.Shape {
	if len(s) == 3 {
		return net.Shape{s[2], s[0], s[1]}
	}
	return s
}

// rename gives a value another name.
func (g *graph) rename(from, to string) {
	for i := range g.nodes {
		n := &g.nodes[i]
		if n.out == from {
			n.out = to
		}
		for j, in := range n.in {
			if in == from {
				n.in[j] = to
			}
		}
	}
}
