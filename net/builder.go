package net

import (
	"errors"
	"fmt"
	"slices"
)

// Layer is a part of a network as users write it: Dense{Out: 10}, or a type of
// their own. Build appends its ops to a program, and returns the value that
// they end in.
type Layer interface {
	Build(b *Builder, in Value) (Value, error)
}

// Value is a value of a program: the model's input, or the output of an op.
type Value int

// Builder makes a program, op by op.
type Builder struct {
	shapes []Shape // by Value
	base   []Value // the value that a value is another shape of: itself, but for Reshape's
	nodes  []node
	loss   Loss
	layer  string // being built, for names
}

// Shape returns the shape of a sample of v.
func (b *Builder) Shape(v Value) Shape { return b.shapes[v] }

// Add appends an op with its inputs, and returns its output, of shape out.
func (b *Builder) Add(op Op, out Shape, in ...Value) (Value, error) {
	traits := op.Traits()
	for _, v := range in {
		if !b.exists(v) {
			return 0, fmt.Errorf("op %T reads value %d of %d", op, v, len(b.shapes))
		}
	}
	_, stateful := op.(Stateful)
	_, factored := op.(Factored)
	switch {
	case b.loss != nil:
		return 0, errAfterLoss
	case len(in) == 0:
		return 0, fmt.Errorf("op %T has no input", op)
	case !out.Valid():
		return 0, fmt.Errorf("op %T has output shape %v, want positive dimensions", op, []int(out))
	case traits.InPlace && out.Size() != b.shapes[in[0]].Size():
		return 0, fmt.Errorf("op %T works in place, but makes %v of %v", op, out, b.shapes[in[0]])
	case stateful != (len(traits.State) > 0):
		return 0, fmt.Errorf("op %T has %d tensors of state; Stateful is %v", op, len(traits.State), stateful)
	case stateful && !traits.Couples:
		return 0, fmt.Errorf("op %T has state but doesn't couple: statistics are a shard's", op)
	case traits.Late && (traits.Couples || traits.Aux != Aux{}):
		return 0, fmt.Errorf("op %T is late, and couples or keeps Aux: one gradient call for a batch has neither shards nor Aux", op)
	case traits.Aux.Call > 0 && !traits.Couples:
		return 0, fmt.Errorf("op %T keeps %d floats of Aux for a call, but doesn't couple: a call is any samples", op, traits.Aux.Call)
	case traits.Passes < 0 || traits.Passes >= max(1, len(in)):
		return 0, fmt.Errorf("op %T passes its gradient to input %d of %d", op, traits.Passes, len(in))
	case factored && len(in) != 1:
		return 0, fmt.Errorf("op %T is Factored, and has %d inputs, want 1", op, len(in))
	}
	v := b.value(out)
	b.nodes = append(b.nodes, node{op: op, traits: traits, in: slices.Clone(in), out: v, name: b.layer})
	return v, nil
}

// exists reports whether v is a value of the program so far.
func (b *Builder) exists(v Value) bool { return v >= 0 && int(v) < len(b.shapes) }

var errAfterLoss = errors.New("nothing can follow the loss")

// Reshape returns in with samples of another shape, and the same elements.
func (b *Builder) Reshape(in Value, shape Shape) (Value, error) {
	if b.loss != nil {
		return 0, errAfterLoss
	}
	if !b.exists(in) {
		return 0, fmt.Errorf("can't reshape value %d of %d", in, len(b.shapes))
	}
	if !shape.Valid() || shape.Size() != b.shapes[in].Size() {
		return 0, fmt.Errorf("can't reshape %v to %v", b.shapes[in], shape)
	}
	v := b.value(shape)
	b.base[v] = b.base[in]
	return v, nil
}

// value appends a value.
func (b *Builder) value(shape Shape) Value {
	v := Value(len(b.shapes))
	b.shapes = append(b.shapes, slices.Clone(shape))
	b.base = append(b.base, v)
	return v
}

// SetLoss makes loss the end of the program, reading value v, which must be
// the last one.
func (b *Builder) SetLoss(loss Loss, v Value) (Value, error) {
	if b.loss != nil {
		return 0, errors.New("a model has one loss")
	}
	if int(v) != len(b.shapes)-1 {
		return 0, errors.New("the loss must read the last value")
	}
	b.loss = loss
	return v, nil
}

// build builds layer number index of a list, naming it in errors.
func (b *Builder) build(index int, layer Layer, in Value) (Value, error) {
	if layer == nil {
		return 0, fmt.Errorf("layer %d is nil", index)
	}
	out, err := b.Inner(fmt.Sprintf("%d.%s", index, layerName(layer)), layer, in)
	if err != nil {
		return 0, fmt.Errorf("layer %d, %+v: input %v: %w", index, describe{layer}, b.shapes[in], err)
	}
	return out, nil
}

// Chain builds layers one behind the other. They are called by their places and
// types, as in "0.Dense".
func (b *Builder) Chain(in Value, layers ...Layer) (v Value, err error) {
	v = in
	for i, layer := range layers {
		if v, err = b.build(i, layer, v); err != nil {
			return 0, err
		}
	}
	return v, nil
}

// Inner builds a layer that is part of the one being built, and that is called name
// there: the parameters of "body" in layer 3, a Residual, begin with
// "3.Residual.body.". Parts of one layer must have different names.
func (b *Builder) Inner(name string, layer Layer, in Value) (Value, error) {
	outer := b.layer
	defer func() { b.layer = outer }()
	if outer != "" {
		name = outer + "." + name
	}
	b.layer = name
	out, err := layer.Build(b, in)
	if err == nil && !b.exists(out) {
		return 0, fmt.Errorf("returned value %d of %d", out, len(b.shapes))
	}
	return out, err
}
