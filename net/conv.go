package net

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/conv"
	"github.com/steppe-ml/steppe/net/op"
	"github.com/steppe-ml/steppe/simd"
)

// Conv2D convolves images [H, W, C] with Out filters of Kernel x Kernel pixels, to images [OutH,
// OutW, Out]. conv.Geometry has the formulas. Its parameters are the filters [Kernel, Kernel, C,
// Out] and a bias [Out], initially 0.
type Conv2D struct {
	Out      int         // channels of the output, at least 1
	Kernel   int         // height and width of the filters, at least 1
	Stride   int         // 0 is 1
	Padding  int         // pixels of zeros on each side, or Same
	Dilation int         // distance of a filter's pixels in the image; 0 is 1
	NoBias   bool        // no bias, as before a BatchNorm, which would undo it
	Init     Initializer // of the filters; nil is KaimingNormal
}

// Same, as a Padding, pads so that the output has ceil(size/stride) pixels on each side.
const Same = -1

// Build implements Layer.
func (l Conv2D) Build(b op.Builder, in op.Value) (op.Value, error) {
	s := b.Shape(in)
	g, err := l.Geometry(s)
	if err != nil {
		return 0, err
	}
	taps := l.Kernel * l.Kernel
	o := convolution{geometry: g, out: Shape{g.OutH(), g.OutW(), g.OutC}, bias: !l.NoBias, init: l.Init.or(KaimingNormal).fans(taps*s[2], taps*l.Out)}
	return b.Add(o, o.out, in)
}

// Geometry returns the geometry for one image of shape s, with the defaults and the padding in
// numbers. A field or a shape that doesn't fit is an error.
func (l Conv2D) Geometry(s Shape) (conv.Geometry, error) {
	if err := l.validate(s); err != nil {
		return conv.Geometry{}, err
	}
	g := conv.Geometry{
		Batch: 1, InH: s[0], InW: s[1], InC: s[2], OutC: l.Out, KernelH: l.Kernel, KernelW: l.Kernel,
		StrideH: l.Stride, StrideW: l.Stride, DilationH: l.Dilation, DilationW: l.Dilation,
	}
	g.PadTop, g.PadBottom = padding(l.Padding, s[0], l.Kernel, l.Stride, l.Dilation)
	g.PadLeft, g.PadRight = padding(l.Padding, s[1], l.Kernel, l.Stride, l.Dilation)
	return g, g.Validate()
}

// validate returns an error that names the field of l that is wrong for samples of shape s.
func (l Conv2D) validate(s Shape) error {
	if err := validateWindow(s, "Kernel", l.Kernel, l.Stride, l.Padding); err != nil {
		return err
	}
	switch {
	case l.Out < 1:
		return fmt.Errorf("Out is %d, want at least 1", l.Out)
	case l.Dilation < 0:
		return fmt.Errorf("Dilation is %d, want at least 1, or 0 for 1", l.Dilation)
	}
	return nil
}

// validateWindow validates the fields that layers with a window have in common. The window's size
// is in the field called name.
func validateWindow(s Shape, name string, size, stride, padding int) error {
	if err := validateImages(s); err != nil {
		return err
	}
	switch {
	case size < 1:
		return fmt.Errorf("%s is %d, want at least 1", name, size)
	case stride < 0:
		return fmt.Errorf("Stride is %d, want at least 1, or 0 for the default", stride)
	case padding < Same:
		return fmt.Errorf("Padding is %d, want pixels or Same", padding)
	}
	return nil
}

// validateImages returns an error unless samples of shape s are images.
func validateImages(s Shape) error {
	if len(s) != 3 {
		return errors.New("samples must be images, height x width x channels")
	}
	return nil
}

// padding returns the zeros before and after a dimension.
func padding(pixels, in, kernel, stride, dilation int) (before, after int) {
	if pixels != Same {
		return pixels, pixels
	}
	return conv.Same(in, kernel, max(1, stride), max(1, dilation))
}

// convolution is the op, possibly fused with the ReLU behind it.
type convolution struct {
	geometry conv.Geometry // of one image
	out      Shape         // of a sample's output
	bias     bool
	relu     bool
	init     func(*rand.Rand, []float32)
}

func (o convolution) Traits() op.Traits {
	g := o.geometry
	unit := g.Flops()
	t := op.Traits{
		Params: []op.Param{
			{Name: "weight", Shape: Shape{g.KernelH, g.KernelW, g.InC, g.OutC}, Role: Weight, Init: o.init},
		},
		FreesOut: !o.relu, InForGradient: true, OutForPrepare: true,
		Adds:  true,
		Flops: op.Flops{Forward: unit, Backward: unit, Gradient: unit},
	}
	if o.bias {
		t.Params = append(t.Params, op.Param{Name: "bias", Shape: Shape{g.OutC}, Role: Bias})
	}
	return t
}

// of returns the geometry of n images.
func (o convolution) of(n int) conv.Geometry {
	g := o.geometry
	g.Batch = n
	return g
}

// split cuts parameters into the filters and the bias, which is nil if there is none.
func (o convolution) split(p []float32) (w, bias []float32) {
	w = p[:o.geometry.FilterSize()]
	if o.bias {
		bias = p[len(w):]
	}
	return w, bias
}

func (o convolution) Forward(c *op.Call, p []float32, in []op.Tensor, out op.Tensor) {
	o.forward(c, p, in[0], out, nil)
}

// forward sets y. Unless sums is nil, it sets sums to the sums of y's channels, then of their
// squares.
func (o convolution) forward(c *op.Call, p []float32, x, y op.Tensor, sums []float64) {
	w, bias := o.split(p)
	must(conv.Forward(c.Team, o.of(y.N), y.Data, x.Data, w, conv.Options{
		Bias: bias, ReLU: o.relu, Sums: sums, Filter: op.Pack[*conv.PackedFilter](c, 0),
	}))
}

// Absorb implements op.Absorber. It absorbs a ReLU, and without a bias a batch normalization.
func (o convolution) Absorb(next op.Op) op.Op {
	if o.relu {
		return nil
	}
	if norm, ok := next.(batchNorm); ok && !o.bias {
		return convNorm{convolution: o, norm: norm.normalization}
	}
	if next.Traits().Function == op.Rectify {
		o.relu = true
		return o
	}
	return nil
}

// Prepare implements op.Preparer.
func (o convolution) Prepare(c *op.Call, _ []float32, _ []op.Tensor, out, dout op.Tensor) {
	if o.relu {
		op.Elementwise(c.Team, simd.ReLUBackward, dout.Data, dout.Data, out.Data)
	}
}

func (o convolution) Backward(c *op.Call, p []float32, _ []op.Tensor, _, dout op.Tensor, din []op.Tensor) {
	if din[0].Wanted() {
		w, _ := o.split(p)
		must(conv.BackwardData(c.Team, o.of(dout.N), din[0].Data, dout.Data, w, conv.Options{Accumulate: c.Accumulate, Filter: op.Pack[*conv.PackedFilter](c, 1)}))
	}
}

func (o convolution) Gradient(c *op.Call, in []op.Tensor, _, dout op.Tensor, g []float32) {
	w, bias := o.split(g)
	if c.Only == Bias {
		o.biasGradient(c, dout, bias)
		return
	}
	must(conv.BackwardFilter(c.Team, o.of(dout.N), w, in[0].Data, dout.Data, conv.Options{Bias: bias, Accumulate: c.Accumulate}))
}

// biasGradient sets g to the sums of d's channels, or adds them.
func (o convolution) biasGradient(c *op.Call, d op.Tensor, g []float32) {
	j := newChannelJob(d, sumPiece)
	j.x = d.Data
	sums, _ := j.sum(c.Team)
	for i := range g {
		if !c.Accumulate {
			g[i] = 0
		}
		g[i] += float32(sums[i])
	}
	j.release()
}

// NewPacks implements op.Packer. The packs are the filters for Forward, and for Backward.
func (o convolution) NewPacks(wanted op.Directions) []op.Packed {
	packs := make([]op.Packed, 2)
	if wanted.Forward {
		packs[0] = o.newPack(conv.ForForward)
	}
	if wanted.Backward {
		packs[1] = o.newPack(conv.ForBackwardData)
	}
	return packs
}

func (o convolution) newPack(pass conv.Purpose) *conv.PackedFilter {
	f, err := conv.NewPackedFilter(o.geometry, pass, conv.Auto)
	must(err)
	return f
}

func (o convolution) Pack(team *blas.Team, p []float32, packs []op.Packed) {
	w, _ := o.split(p)
	for _, f := range packs {
		if f != nil {
			must(f.(*conv.PackedFilter).Pack(team, w))
		}
	}
}

// must panics on errors that Build has ruled out.
func must(err error) {
	if err != nil {
		panic(err)
	}
}
