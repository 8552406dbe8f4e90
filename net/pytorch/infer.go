package pytorch

import (
	"errors"
	"fmt"

	"github.com/steppe-ml/steppe/net"
)

// usualSizes are heights and widths that images often have.
var usualSizes = []int{28, 32, 64, 96, 224}

// Infer returns the shape of a sample and the number of classes of a model that compile makes and
// whose tensors the file has. Convolutions say the number of channels, and the size of images only
// roughly, or not at all: usual is the shape that Infer tries first, then it tries common sizes. If
// the file's tensors aren't those of such a model, or of no size that Infer knows, the error says
// so.
func (f *File) Infer(compile func(input net.Shape, classes int) (*net.Model, error), usual net.Shape) (net.Shape, int, error) {
	first, last, err := f.ends(compile, usual)
	if err != nil {
		return nil, 0, err
	}
	classes := last[0]
	var shapes []net.Shape
	if len(first) == 4 {
		if len(usual) == 3 {
			shapes = append(shapes, net.Shape{usual[0], usual[1], first[1]})
		}
		for _, size := range usualSizes {
			shapes = append(shapes, net.Shape{size, size, first[1]})
		}
	} else {
		for _, shape := range []net.Shape{usual, {28, 28, 1}, {32, 32, 3}} {
			if shape.Size() == first[1] {
				shapes = append(shapes, shape)
			}
		}
		if len(shapes) == 0 {
			return nil, 0, fmt.Errorf("pytorch: %s: the model reads %d values a sample, and their shape is not in the file", f.path, first[1])
		}
	}
	var mismatch error // of the usual shape
	for _, shape := range shapes {
		var model *net.Model
		var l *layout
		if model, err = compile(shape, classes); err == nil {
			if l, err = newLayout(model); err == nil {
				var names []string
				if names, err = f.match(l); err == nil {
					err = f.validateShapes(l, names)
				}
			}
		}
		if err == nil {
			return shape, classes, nil
		}
		if mismatch == nil {
			mismatch = fmt.Errorf("for samples of %v in %d classes: %w", shape, classes, err)
		}
	}
	return nil, 0, fmt.Errorf("pytorch: %s: no usual size of images fits the tensors; %w", f.path, mismatch)
}

// Classes returns the number of classes, or of targets, of a model that compile makes for samples
// of shape input: that of the outputs of the last layer. Params says whether the rest fits, too.
func (f *File) Classes(compile func(input net.Shape, classes int) (*net.Model, error), input net.Shape) (int, error) {
	_, last, err := f.ends(compile, input)
	if err != nil {
		return 0, err
	}
	return last[0], nil
}

// ends returns the shapes of the first and of the last weight.
func (f *File) ends(compile func(net.Shape, int) (*net.Model, error), usual net.Shape) (first, last net.Shape, err error) {
	model, err := compile(usual, 10)
	if err != nil {
		return nil, nil, err
	}
	l, err := newLayout(model)
	if err != nil {
		return nil, nil, err
	}
	names, err := f.match(l)
	if err != nil {
		return nil, nil, fmt.Errorf("pytorch: %s: %w", f.path, err)
	}
	for i, t := range l.tensors {
		want := t.shape()
		if len(want) < 2 {
			continue
		}
		shape, _ := f.tensors.Shape(names[i])
		if len(shape) != len(want) {
			return nil, nil, fmt.Errorf("pytorch: %s: %s is %v, want %d dimensions", f.path, names[i], []int(shape), len(want))
		}
		if first == nil {
			first = shape
		}
		last = shape
	}
	if first == nil {
		return nil, nil, errors.New("pytorch: the model has no weights")
	}
	// More than any model has, and products of such sizes could overflow.
	const most = 1 << 20
	for _, d := range []int{first[1], last[0]} {
		if d < 1 || d > most {
			return nil, nil, fmt.Errorf("pytorch: %s: weights of %v and %v, want dimensions from 1 to %d", f.path, []int(first), []int(last), most)
		}
	}
	return first, last, nil
}
