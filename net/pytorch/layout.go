package pytorch

import (
	"errors"
	"fmt"
	"slices"

	"github.com/steppe-ml/steppe/net"
)

// layout is a model's tensors as PyTorch has them.
type layout struct {
	names    naming
	tensors  []tensor // in the order of the layers
	counters []string // num_batches_tracked of the batch normalizations
}

// tensor is a tensor in both forms.
type tensor struct {
	name  string   // PyTorch's
	ours  net.View // of Params.Values, or with state of Params.State
	state bool
	// axes are PyTorch's dimensions: for each index, how far its elements lie behind the first
	// in ours. An element's place is the sum over the dimensions.
	axes [][]int
}

// shape returns PyTorch's shape.
func (t tensor) shape() net.Shape {
	shape := make(net.Shape, len(t.axes))
	for i, axis := range t.axes {
		shape[i] = len(axis)
	}
	return shape
}

// of returns the tensor's part of params, in our order.
func (t tensor) of(params *net.Params) []float32 {
	if t.state {
		return t.ours.Of(params.State)
	}
	return t.ours.Of(params.Values)
}

// places visits the elements in PyTorch's order, with their places in ours.
func (t tensor) places(visit func(ours int)) { places(t.axes, 0, visit) }

func places(axes [][]int, at int, visit func(int)) {
	if len(axes) == 0 {
		visit(at)
		return
	}
	for _, step := range axes[0] {
		places(axes[1:], at+step, visit)
	}
}

// order is the order of a value's channels, or of its features if it is flat: for each of PyTorch's
// places, our channel. nil is the same order. It differs behind a Flatten of images, and in a
// family of networks whose shortcuts put channels of zeros elsewhere.
type order []int

// at returns our channel at PyTorch's place i.
func (o order) at(i int) int {
	if o == nil {
		return i
	}
	return o[i]
}

// axis returns a dimension of n indices, whose elements lie stride apart in ours.
func (o order) axis(n, stride int) []int {
	axis := make([]int, n)
	for i := range axis {
		axis[i] = o.at(i) * stride
	}
	return axis
}

// normal returns o, or nil if it changes nothing.
func (o order) normal() order {
	for i, c := range o {
		if c != i {
			return o
		}
	}
	return nil
}

// newLayout returns the layout of a model.
func newLayout(model *net.Model) (*layout, error) {
	tree := model.Tree()
	if l := newBERT(tree, views(model.Params())); l != nil {
		return l, nil
	}
	b := &layoutBuilder{params: views(model.Params()), state: views(model.State())}
	b.names = nameModules(tree)
	last, err := b.chain(tree, nil, nil)
	if err != nil {
		return nil, fmt.Errorf("pytorch: %w", err)
	}
	if last != nil {
		return nil, errors.New("pytorch: PyTorch would have the outputs in another order: end the model in a Dense")
	}
	return &b.layout, nil
}

func views(list []net.View) map[string]net.View {
	byName := map[string]net.View{}
	for _, v := range list {
		byName[v.Name] = v
	}
	return byName
}

// layoutBuilder walks a model's layers, and knows the order of the channels of each value.
type layoutBuilder struct {
	layout
	params, state map[string]net.View // by name
}

// chain adds the tensors of layers one behind the other. in is the order of their input; the
// result is that of the output. want is the order that the output shall have; only a layer that
// mixes channels can give it, and the last one that does is told to.
func (b *layoutBuilder) chain(nodes []net.Node, in, want order) (out order, err error) {
	last := -1
	for i, n := range nodes {
		if mixes(n) {
			last = i
		}
	}
	out = in
	for i, n := range nodes {
		var target order
		if i == last {
			target = want
		}
		if out, err = b.node(n, out, target); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// mixes reports whether each channel of the layer's output depends on all of its input's, so that
// its output can have any order.
func mixes(n net.Node) bool {
	switch n.Layer.(type) {
	case net.Conv2D, net.Dense:
		return true
	case net.Residual, net.Sequential:
		return slices.ContainsFunc(n.Inner, mixes)
	}
	return false
}

// node adds the tensors of a layer. in and want are as in chain.
func (b *layoutBuilder) node(n net.Node, in, want order) (out order, err error) {
	switch l := n.Layer.(type) {
	case net.Conv2D:
		kernel, channels := l.Kernel, n.In[2]
		b.add(n, "weight", "weight", want.axis(l.Out, 1), in.axis(channels, l.Out),
			order(nil).axis(kernel, kernel*channels*l.Out), order(nil).axis(kernel, channels*l.Out))
		if !l.NoBias {
			b.add(n, "bias", "bias", want.axis(l.Out, 1))
		}
		return want, nil
	case net.Dense:
		if len(n.In) > 1 {
			return nil, fmt.Errorf("layer %s: a Dense layer on rows %v can't be exported, want flat samples", n.Name, n.In)
		}
		b.add(n, "weight", "weight", want.axis(l.Out, 1), in.axis(n.In[0], l.Out))
		b.add(n, "bias", "bias", want.axis(l.Out, 1))
		return want, nil
	case net.BatchNorm:
		b.norm(n, in)
		b.add(n, "mean", "running_mean", in.axis(channels(n.In), 1))
		b.add(n, "variance", "running_var", in.axis(channels(n.In), 1))
		b.counters = append(b.counters, b.names.module(n.Name)+".num_batches_tracked")
		return in, nil
	case net.LayerNorm:
		b.norm(n, in)
		return in, nil
	case net.Flatten:
		return flatten(n.In, in), nil
	case net.Subsample:
		return b.names.subsample(channels(n.In), channels(n.Out), in), nil
	case net.Residual:
		return b.residual(n, in, want)
	case net.Sequential:
		return b.chain(n.Inner, in, want)
	case net.ReLU, net.Tanh, net.Sigmoid, net.GELU, net.Dropout, net.MaxPool, net.AvgPool, net.GlobalAvgPool, net.Loss:
		return in, nil
	}
	return nil, fmt.Errorf("layer %s: a layer of type %T can't be exported", n.Name, n.Layer)
}

// residual adds the tensors of a block. Both sides end in one order, that of the shortcut, which
// may have no layer that could give another.
func (b *layoutBuilder) residual(n net.Node, in, want order) (out order, err error) {
	shortcut, body := n.Inner[0], n.Inner[1]
	if out, err = b.chain(shortcut.Inner, in, want); err != nil {
		return nil, err
	}
	inner, err := b.chain(body.Inner, in, out)
	if err != nil {
		return nil, err
	}
	if !slices.Equal(inner, out) {
		return nil, fmt.Errorf("layer %s adds values whose channels PyTorch has in two orders", n.Name)
	}
	return out, nil
}

// norm adds the scales and shifts of a normalization.
func (b *layoutBuilder) norm(n net.Node, in order) {
	b.add(n, "scale", "weight", in.axis(channels(n.In), 1))
	b.add(n, "shift", "bias", in.axis(channels(n.In), 1))
}

// add adds a tensor of a layer, under our name and PyTorch's.
func (b *layoutBuilder) add(n net.Node, ours, theirs string, axes ...[]int) {
	t := tensor{name: b.names.module(n.Name) + "." + theirs, axes: axes}
	var ok bool
	if t.ours, ok = b.params[n.Name+"."+ours]; !ok {
		t.ours, t.state = b.state[n.Name+"."+ours], true
	}
	b.tensors = append(b.tensors, t)
}

func channels(s net.Shape) int { return s[len(s)-1] }

// flatten returns the order of the features behind a Flatten of samples of shape s. PyTorch's
// images are flattened channel by channel.
func flatten(s net.Shape, in order) order {
	if len(s) != 3 {
		return in
	}
	var flat order
	for c := range s[2] {
		for pixel := range s[0] * s[1] {
			flat = append(flat, pixel*s[2]+in.at(c))
		}
	}
	return flat.normal()
}
