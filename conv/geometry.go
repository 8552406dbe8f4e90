package conv

import (
	"errors"
	"fmt"
	"math/bits"

	"github.com/steppe-ml/steppe/internal/num"
)

// Geometry is the shape of a convolution. Images are channels-last: the input x is
// [Batch, InH, InW, InC], the filter w is [KernelH, KernelW, InC, OutC] ("HWIO"),
// the output y is [Batch, OutH, OutW, OutC]:
//
//	y[b,i,j,o] = sum over u, v, c of x[b, i*StrideH - PadTop + u*DilationH, j*StrideW - PadLeft + v*DilationW, c] * w[u,v,c,o]
//
// where x is 0 outside the image. (It is a cross-correlation, as everywhere in
// machine learning.) Strides, dilations and Groups of 0 are 1.
type Geometry struct {
	Batch                                int // images
	InH, InW, InC                        int // height, width and channels of the input
	OutC                                 int // channels of the output
	KernelH, KernelW                     int
	StrideH, StrideW                     int
	PadTop, PadBottom, PadLeft, PadRight int // zeros around the image
	DilationH, DilationW                 int // pixels from one tap of the filter to the next
	Groups                               int // only 1 for now
}

// Validate returns an error that names the field that is wrong, or nil.
func (g Geometry) Validate() error {
	g = g.filled()
	for _, dim := range []struct {
		name         string
		value, least int
	}{
		{"Batch", g.Batch, 1},
		{"InH", g.InH, 1}, {"InW", g.InW, 1}, {"InC", g.InC, 1}, {"OutC", g.OutC, 1},
		{"KernelH", g.KernelH, 1}, {"KernelW", g.KernelW, 1},
		{"StrideH", g.StrideH, 1}, {"StrideW", g.StrideW, 1},
		{"PadTop", g.PadTop, 0}, {"PadBottom", g.PadBottom, 0}, {"PadLeft", g.PadLeft, 0}, {"PadRight", g.PadRight, 0},
		{"DilationH", g.DilationH, 1}, {"DilationW", g.DilationW, 1}, {"Groups", g.Groups, 1},
	} {
		if dim.value < dim.least {
			return fmt.Errorf("conv: %s is %d, want at least %d", dim.name, dim.value, dim.least)
		}
		if dim.value > maxDim {
			return fmt.Errorf("conv: %s is %d, want at most %d", dim.name, dim.value, maxDim)
		}
	}
	if g.Groups != 1 {
		return fmt.Errorf("conv: %d groups, and only 1 is supported so far", g.Groups)
	}
	spanH, spanW := reach(g.KernelH, g.DilationH), reach(g.KernelW, g.DilationW)
	paddedH, paddedW := g.PadTop+g.InH+g.PadBottom, g.PadLeft+g.InW+g.PadRight
	if spanH > paddedH || spanW > paddedW {
		return fmt.Errorf("conv: kernel %dx%d with dilation %dx%d spans %dx%d, more than the padded input %dx%d",
			g.KernelH, g.KernelW, g.DilationH, g.DilationW, spanH, spanW, paddedH, paddedW)
	}
	for _, operand := range []struct {
		name string
		dims []int
	}{
		{"input", []int{g.Batch, g.InH, g.InW, g.InC}},
		{"filter", []int{g.KernelH, g.KernelW, g.InC, g.OutC}},
		{"output", []int{g.Batch, g.OutH(), g.OutW(), g.OutC}},
	} {
		if _, err := product(operand.dims); err != nil {
			return fmt.Errorf("conv: %s of %v floats: %w", operand.name, operand.dims, err)
		}
	}
	return nil
}

// maxDim keeps sums and products of two dimensions far from overflowing.
const maxDim = 1 << 30

// maxFloats keeps byte counts from overflowing.
const maxFloats = 1 << (bits.UintSize - 4)

var errTooLarge = errors.New("more than an address can count")

func product(dims []int) (int, error) {
	total := uint64(1)
	for _, d := range dims {
		high, low := bits.Mul64(total, uint64(d))
		if high != 0 || low > maxFloats {
			return 0, errTooLarge
		}
		total = low
	}
	return int(total), nil
}

// filled returns g with its defaults, 1 in place of 0, filled in.
func (g Geometry) filled() Geometry {
	for _, field := range []*int{&g.StrideH, &g.StrideW, &g.DilationH, &g.DilationW, &g.Groups} {
		if *field == 0 {
			*field = 1
		}
	}
	return g
}

// reach returns the pixels from the first tap of a kernel to the last.
func reach(kernel, dilation int) int { return (kernel-1)*dilation + 1 }

// OutH returns the height of the output.
func (g Geometry) OutH() int {
	g = g.filled()
	return (g.PadTop+g.InH+g.PadBottom-reach(g.KernelH, g.DilationH))/g.StrideH + 1
}

// OutW returns the width of the output.
func (g Geometry) OutW() int {
	g = g.filled()
	return (g.PadLeft+g.InW+g.PadRight-reach(g.KernelW, g.DilationW))/g.StrideW + 1
}

// InSize returns the floats of the input of one image.
func (g Geometry) InSize() int { return g.InH * g.InW * g.InC }

// OutSize returns the floats of the output of one image.
func (g Geometry) OutSize() int { return g.OutH() * g.OutW() * g.OutC }

// FilterSize returns the floats of the filter.
func (g Geometry) FilterSize() int { return g.KernelH * g.KernelW * g.InC * g.OutC }

// Flops returns the floating-point operations of one pass over the batch, as they
// are usually counted: with the taps that lie in the padding.
func (g Geometry) Flops() int64 {
	return 2 * int64(g.Batch) * int64(g.OutH()*g.OutW()) * int64(g.FilterSize())
}

// String returns g as in "32x32x32x16->16 3x3 stride 2 pad 1".
func (g Geometry) String() string {
	g = g.filled()
	s := fmt.Sprintf("%dx%dx%dx%d->%d %dx%d", g.Batch, g.InH, g.InW, g.InC, g.OutC, g.KernelH, g.KernelW)
	pair := func(name string, h, w, least int) {
		switch {
		case h == w && h > least:
			s += fmt.Sprintf(" %s %d", name, h)
		case h != w:
			s += fmt.Sprintf(" %s %dx%d", name, h, w)
		}
	}
	pair("stride", g.StrideH, g.StrideW, 1)
	if g.PadTop == g.PadBottom && g.PadLeft == g.PadRight {
		pair("pad", g.PadTop, g.PadLeft, 0)
	} else {
		s += fmt.Sprintf(" pad %d,%d,%d,%d", g.PadTop, g.PadBottom, g.PadLeft, g.PadRight)
	}
	pair("dilation", g.DilationH, g.DilationW, 1)
	return s
}

// Same returns the padding before and after a dimension that makes the output
// ceil(in / stride) long, as TensorFlow's "SAME": the odd one comes after.
func Same(in, kernel, stride, dilation int) (before, after int) {
	out := num.CeilDiv(in, stride)
	total := max(0, (out-1)*stride+reach(kernel, dilation)-in)
	return total / 2, total - total/2
}
