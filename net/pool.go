package net

import (
	"fmt"

	"github.com/steppe-ml/steppe/conv"
	"github.com/steppe-ml/steppe/net/op"
)

// MaxPool takes the largest pixel of every Size x Size window of images [H, W, C], channel by
// channel, to images [OutH, OutW, C]. Of equally large pixels, the first gets the gradient. It has
// no parameters.
type MaxPool struct {
	Size    int // height and width of the window, at least 1
	Stride  int // 0 is Size
	Padding int // pixels on each side, or Same; they are never the largest
}

// Build implements Layer.
func (l MaxPool) Build(b op.Builder, in op.Value) (op.Value, error) {
	w, err := l.Window(b.Shape(in))
	if err != nil {
		return 0, err
	}
	return b.Add(maxPool{window: w}, Shape{w.OutH(), w.OutW(), w.C}, in)
}

// Window returns the window for one image of shape s, with the padding in numbers. A field or a
// shape that doesn't fit is an error.
func (l MaxPool) Window(s Shape) (conv.Window, error) {
	return window(s, l.Size, l.Stride, l.Padding)
}

// AvgPool takes the mean of every Size x Size window of images [H, W, C], channel by channel, to
// images [OutH, OutW, C]. It has no parameters.
type AvgPool struct {
	Size    int // height and width of the window, at least 1
	Stride  int // 0 is Size
	Padding int // pixels on each side, or Same; they don't count for the mean
}

// Build implements Layer.
func (l AvgPool) Build(b op.Builder, in op.Value) (op.Value, error) {
	w, err := l.Window(b.Shape(in))
	if err != nil {
		return 0, err
	}
	return b.Add(avgPool{window: w}, Shape{w.OutH(), w.OutW(), w.C}, in)
}

// Window returns the window for one image of shape s, with the padding in numbers. A field or a
// shape that doesn't fit is an error.
func (l AvgPool) Window(s Shape) (conv.Window, error) {
	return window(s, l.Size, l.Stride, l.Padding)
}

// GlobalAvgPool takes the mean of each channel of images [H, W, C], to flat samples [C]. It has no
// parameters.
type GlobalAvgPool struct{}

// Build implements Layer.
func (GlobalAvgPool) Build(b op.Builder, in op.Value) (op.Value, error) {
	s := b.Shape(in)
	if err := validateImages(s); err != nil {
		return 0, err
	}
	return b.Add(avgPool{window: conv.Global(1, s[0], s[1], s[2])}, Shape{s[2]}, in)
}

// window returns the window of a pooling of one image.
func window(s Shape, size, stride, pixels int) (conv.Window, error) {
	if err := validateWindow(s, "Size", size, stride, pixels); err != nil {
		return conv.Window{}, err
	}
	w := conv.Window{Batch: 1, InH: s[0], InW: s[1], C: s[2], SizeH: size, SizeW: size, StrideH: stride, StrideW: stride}
	if stride == 0 {
		stride = size
	}
	w.PadTop, w.PadBottom = padding(pixels, s[0], size, stride, 1)
	w.PadLeft, w.PadRight = padding(pixels, s[1], size, stride, 1)
	if height, width := s[0]+w.PadTop+w.PadBottom, s[1]+w.PadLeft+w.PadRight; size > height || size > width {
		return w, fmt.Errorf("Size is %d, more than the padded input of %dx%d", size, height, width)
	}
	return w, w.Validate()
}

// windows returns w for n images.
func windows(w conv.Window, n int) conv.Window {
	w.Batch = n
	return w
}

// maxPool is the op, possibly fused with a ReLU before or behind it. Backward finds the largest
// pixel by comparing.
type maxPool struct {
	noParams
	window conv.Window
}

func (maxPool) Traits() op.Traits { return op.Traits{} }

func (o maxPool) Forward(c *op.Call, _ []float32, in []op.Tensor, out op.Tensor) {
	must(conv.MaxPool(c.Team, windows(o.window, out.N), out.Data, in[0].Data))
}

func (o maxPool) Backward(c *op.Call, _ []float32, in []op.Tensor, out, dout op.Tensor, din []op.Tensor) {
	if din[0].Wanted() {
		must(conv.MaxPoolBackward(c.Team, windows(o.window, out.N), din[0].Data, dout.Data, in[0].Data, out.Data))
	}
}

// Absorb implements op.Absorber. It absorbs a ReLU.
func (o maxPool) Absorb(next op.Op) op.Op {
	if next.Traits().Function != op.Rectify {
		return nil
	}
	o.window.ReLU = true
	return o
}

// avgPool is the op.
type avgPool struct {
	noParams
	window conv.Window
}

func (avgPool) Traits() op.Traits { return op.Traits{FreesIn: true, FreesOut: true} }

func (o avgPool) Forward(c *op.Call, _ []float32, in []op.Tensor, out op.Tensor) {
	must(conv.AveragePool(c.Team, windows(o.window, out.N), out.Data, in[0].Data))
}

func (o avgPool) Backward(c *op.Call, _ []float32, _ []op.Tensor, _, dout op.Tensor, din []op.Tensor) {
	if din[0].Wanted() {
		must(conv.AveragePoolBackward(c.Team, windows(o.window, dout.N), din[0].Data, dout.Data))
	}
}
