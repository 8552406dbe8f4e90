package net

import (
	"reflect"
	"slices"

	"github.com/steppe-ml/steppe/internal/program"
)

// Node is a layer in its place in a model.
type Node struct {
	Name    string // as in "3.Residual.body.0.Conv2D"; the names of its tensors begin with it and a dot
	Layer   Layer  // never a pointer to a layer of this package
	In, Out Shape  // of a sample
	// Inner are the layers inside it, in the order in which it built them: those of a Sequential;
	// of a Residual, two of type Sequential, first the shortcut and then the body.
	Inner []Node
}

// Tree returns the model's layers as Compile was given them, for those who translate a model to
// another form. The last one is the loss. Layers, in contrast, lists what computes something.
func (m *Model) Tree() []Node { return nodes(m.program.Layers()) }

func nodes(layers []program.Layer) []Node {
	list := make([]Node, len(layers))
	for i, l := range layers {
		list[i] = Node{Name: l.Name, Layer: value(l.Layer), In: slices.Clone(l.In), Out: slices.Clone(l.Out), Inner: nodes(l.Inner)}
	}
	return list
}

// value returns the layer that l points to, if that is a layer without its pointer, too.
func value(l Layer) Layer {
	if v := reflect.ValueOf(l); v.Kind() == reflect.Pointer {
		if pointed, ok := v.Elem().Interface().(Layer); ok {
			return pointed
		}
	}
	return l
}
