package program

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/steppe-ml/steppe/net/op"
)

// Builder implements op.Builder.
type Builder struct {
	shapes     []op.Shape // by value
	sequence   []bool     // by value
	vocabulary int        // of the input, if it is text; otherwise 0
	base       []op.Value // by value: the value that it is a reshape of, or itself
	nodes      []node
	loss       op.Loss
	layer      string  // name of the layer being built
	layers     []Layer // built so far, by the layer being built
}

// NewBuilder returns a Builder for samples of shape input, and the input's value.
func NewBuilder(input op.Shape) (*Builder, op.Value) {
	b := &Builder{}
	return b, b.value(input)
}

// Ops implements op.Builder.
func (b *Builder) Ops() int { return len(b.nodes) }

// Op implements op.Builder.
func (b *Builder) Op(i int) op.Op { return b.nodes[i].op }

// Shape implements op.Builder.
func (b *Builder) Shape(v op.Value) op.Shape { return b.shapes[v] }

// Sequence implements op.Builder.
func (b *Builder) Sequence(v op.Value) bool { return b.sequence[v] }

// Add implements op.Builder.
func (b *Builder) Add(o op.Op, out op.Shape, in ...op.Value) (op.Value, error) {
	for _, v := range in {
		if !b.exists(v) {
			return 0, fmt.Errorf("op %T reads value %d of %d", o, v, len(b.shapes))
		}
	}
	if b.loss != nil {
		return 0, errAfterLoss
	}
	if len(in) == 0 {
		return 0, fmt.Errorf("op %T has no input", o)
	}
	if err := out.Validate(); err != nil {
		return 0, fmt.Errorf("op %T has output %w", o, err)
	}
	traits := o.Traits()
	if traits.InPlace && out.Size() != b.shapes[in[0]].Size() {
		return 0, fmt.Errorf("op %T works in place, but makes %v of %v", o, out, b.shapes[in[0]])
	}
	if err := validateTraits(o, traits, len(in)); err != nil {
		return 0, err
	}
	if err := b.validateText(o, traits, in); err != nil {
		return 0, err
	}
	if err := b.validateSequence(o, traits, out, in); err != nil {
		return 0, err
	}
	owner, err := b.owner(o, traits)
	if err != nil {
		return 0, err
	}
	v := b.value(out)
	if traits.Vocabulary > 0 {
		b.vocabulary, b.sequence[0] = traits.Vocabulary, true
	}
	b.sequence[v] = b.sequence[in[0]] && !traits.Pools
	b.nodes = append(b.nodes, node{op: o, traits: traits, in: slices.Clone(in), out: v, name: b.layer, owner: owner})
	return v, nil
}

// validateTraits returns an error if traits contradict each other, or the interfaces that the op
// implements.
func validateTraits(o op.Op, traits op.Traits, inputs int) error {
	_, stateful := o.(op.Stateful)
	_, factorable := o.(op.Factorable)
	switch {
	case stateful != (len(traits.State) > 0):
		return fmt.Errorf("op %T has %d tensors of state; Stateful is %v", o, len(traits.State), stateful)
	case stateful && !traits.Couples:
		return fmt.Errorf("op %T has state but doesn't couple: statistics are a shard's", o)
	case traits.Deferred && (traits.Couples || traits.Aux != op.Aux{}):
		return fmt.Errorf("op %T is deferred, and couples or keeps Aux: one gradient call for a batch has neither shards nor Aux", o)
	case traits.Aux.Call > 0 && !traits.Couples:
		return fmt.Errorf("op %T keeps %d floats of Aux for a call, but doesn't couple: a call is any samples", o, traits.Aux.Call)
	case traits.DinFromDout < 0 || traits.DinFromDout >= max(1, inputs):
		return fmt.Errorf("op %T leaves the gradient of input %d of %d in dout", o, traits.DinFromDout, inputs)
	case factorable && traits.Couples:
		return fmt.Errorf("op %T is Factorable and couples: a factored perturbation is applied to a whole tile", o)
	case factorable && inputs != 1:
		return fmt.Errorf("op %T is Factorable, and has %d inputs, want 1", o, inputs)
	}
	return nil
}

// exists reports whether v is a value of the program so far.
func (b *Builder) exists(v op.Value) bool { return v >= 0 && int(v) < len(b.shapes) }

var errAfterLoss = errors.New("nothing can follow the loss")

// Reshape implements op.Builder.
func (b *Builder) Reshape(in op.Value, shape op.Shape) (op.Value, error) {
	if b.loss != nil {
		return 0, errAfterLoss
	}
	if !b.exists(in) {
		return 0, fmt.Errorf("can't reshape value %d of %d", in, len(b.shapes))
	}
	if err := shape.Validate(); err != nil {
		return 0, fmt.Errorf("can't reshape %v: %w", b.shapes[in], err)
	}
	if b.sequence[in] || b.vocabulary > 0 && b.base[in] == 0 {
		return 0, fmt.Errorf("can't reshape a sequence of at most %d rows to %v: samples have different lengths", b.shapes[in][0], shape)
	}
	if from, to := b.shapes[in].Size(), shape.Size(); from != to {
		return 0, fmt.Errorf("can't reshape %v to %v: %d elements to %d", b.shapes[in], shape, from, to)
	}
	v := b.value(shape)
	b.base[v] = b.base[in]
	return v, nil
}

// value appends a value.
func (b *Builder) value(shape op.Shape) op.Value {
	v := op.Value(len(b.shapes))
	b.shapes = append(b.shapes, slices.Clone(shape))
	b.base = append(b.base, v)
	b.sequence = append(b.sequence, false)
	return v
}

// SetLoss implements op.Builder.
func (b *Builder) SetLoss(loss op.Loss, v op.Value) (op.Value, error) {
	if b.loss != nil {
		return 0, errors.New("a model has one loss")
	}
	if int(v) != len(b.shapes)-1 {
		return 0, errors.New("the loss must read the last value")
	}
	b.loss = loss
	return v, nil
}

// build builds the layer of that index in a list. Errors name it.
func (b *Builder) build(index int, layer op.Layer, in op.Value) (op.Value, error) {
	if layer == nil {
		return 0, fmt.Errorf("layer %d is nil", index)
	}
	out, err := b.Inner(fmt.Sprintf("%d.%s", index, layerName(layer)), layer, in)
	if err != nil {
		return 0, fmt.Errorf("layer %d, %+v: input %v: %w", index, describe{layer}, b.shapes[in], err)
	}
	return out, nil
}

// Chain implements op.Builder.
func (b *Builder) Chain(in op.Value, layers ...op.Layer) (v op.Value, err error) {
	v = in
	for i, layer := range layers {
		if v, err = b.build(i, layer, v); err != nil {
			return 0, err
		}
	}
	return v, nil
}

// Inner implements op.Builder.
func (b *Builder) Inner(name string, layer op.Layer, in op.Value) (op.Value, error) {
	outer, before := b.layer, b.layers
	defer func() { b.layer = outer }()
	if outer != "" {
		name = outer + "." + name
	}
	b.layer, b.layers = name, nil
	out, err := layer.Build(b, in)
	if err == nil && !b.exists(out) {
		return 0, fmt.Errorf("returned value %d of %d", out, len(b.shapes))
	}
	if err != nil {
		return 0, err
	}
	b.layers = append(before, Layer{Name: name, Layer: layer, In: b.shapes[in], Out: b.shapes[out], Inner: b.layers})
	return out, nil
}

// layerName returns the type of a layer, without its package.
func layerName(l op.Layer) string {
	name := reflect.TypeOf(l).String()
	return name[strings.LastIndexByte(name, '.')+1:]
}

// describe formats a layer as in Dense{Out:10}, without fields that are zero.
type describe struct{ op.Layer }

func (d describe) Format(f fmt.State, _ rune) {
	fmt.Fprint(f, layerName(d.Layer))
	v := reflect.Indirect(reflect.ValueOf(d.Layer))
	if v.Kind() != reflect.Struct {
		return
	}
	var fields []string
	for i := range v.NumField() {
		if field := v.Type().Field(i); field.IsExported() && !v.Field(i).IsZero() {
			fields = append(fields, fmt.Sprintf("%s:%v", field.Name, v.Field(i)))
		}
	}
	fmt.Fprintf(f, "{%s}", strings.Join(fields, " "))
}
