package onnx

import (
	"cmp"
	"fmt"
	"math"

	"github.com/steppe-ml/steppe/conv"
	"github.com/steppe-ml/steppe/net"
)

// defaultEpsilon is that of net.BatchNorm and net.LayerNorm.
const defaultEpsilon = 1e-5

// chain adds layers one behind the other, and returns the name of their output.
func (g *graph) chain(nodes []net.Node, x string) (string, error) {
	for i, n := range nodes {
		var err error
		if _, ok := n.Layer.(net.Flatten); ok {
			x = g.flatten(n, nodes[i+1:], x)
		} else if x, err = g.layer(n, x); err != nil {
			return "", fmt.Errorf("layer %s: %w", n.Name, err)
		}
	}
	return x, nil
}

// layer adds a layer.
func (g *graph) layer(n net.Node, x string) (string, error) {
	switch l := n.Layer.(type) {
	case net.Conv2D:
		return g.convolution(l, n, x)
	case net.Dense:
		if len(n.In) > 1 {
			return "", fmt.Errorf("a Dense layer on rows %v can't be exported, want flat samples", n.In)
		}
		return g.dense(n, x), nil
	case net.BatchNorm:
		return g.batchNorm(l, n, x), nil
	case net.LayerNorm:
		return g.layerNorm(l, n, x), nil
	case net.ReLU:
		return g.add(n.Name, "Relu", []string{x}), nil
	case net.Tanh:
		return g.add(n.Name, "Tanh", []string{x}), nil
	case net.Sigmoid:
		return g.add(n.Name, "Sigmoid", []string{x}), nil
	case net.GELU:
		return g.gelu(n, x), nil
	case net.MaxPool:
		w, err := l.Window(n.In)
		return g.add(n.Name, "MaxPool", []string{x}, window(w, l.Stride)...), err
	case net.AvgPool:
		w, err := l.Window(n.In)
		return g.add(n.Name, "AveragePool", []string{x}, append(window(w, l.Stride), intAttribute("count_include_pad", 0))...), err
	case net.GlobalAvgPool:
		return g.add(n.Name, "Flatten", []string{g.add(n.Name, "GlobalAveragePool", []string{x})}), nil
	case net.Subsample:
		return g.subsample(l, n, x), nil
	case net.Residual:
		shortcut, err := g.chain(n.Inner[0].Inner, x)
		if err != nil {
			return "", err
		}
		body, err := g.chain(n.Inner[1].Inner, x)
		return g.add(n.Name, "Add", []string{body, shortcut}), err
	case net.Sequential:
		return g.chain(n.Inner, x)
	case net.Dropout, net.Loss: // nothing in prediction
		return x, nil
	}
	return "", fmt.Errorf("a layer of type %T can't be exported", n.Layer)
}

// convolution adds a Conv, whose filters are [OutC, InC, KernelH, KernelW].
func (g *graph) convolution(l net.Conv2D, n net.Node, x string) (string, error) {
	geometry, err := l.Geometry(n.In)
	if err != nil {
		return "", err
	}
	ours := g.params[n.Name+".weight"] // [KernelH, KernelW, InC, OutC]
	taps, channels := l.Kernel*l.Kernel, n.In[2]
	filters := make([]float32, 0, len(ours))
	for out := range l.Out {
		for c := range channels {
			for tap := range taps {
				filters = append(filters, ours[(tap*channels+c)*l.Out+out])
			}
		}
	}
	in := []string{x, g.floats(n.Name+".weight", []int{l.Out, channels, l.Kernel, l.Kernel}, filters)}
	if !l.NoBias {
		in = append(in, g.floats(n.Name+".bias", []int{l.Out}, g.params[n.Name+".bias"]))
	}
	stride, dilation := max(1, l.Stride), max(1, l.Dilation)
	return g.add(n.Name, "Conv", in,
		intsAttribute("kernel_shape", l.Kernel, l.Kernel),
		intsAttribute("strides", stride, stride),
		intsAttribute("dilations", dilation, dilation),
		intsAttribute("pads", geometry.PadTop, geometry.PadLeft, geometry.PadBottom, geometry.PadRight)), nil
}

// dense adds a Gemm, whose weight is [In, Out] as ours.
func (g *graph) dense(n net.Node, x string) string {
	in, out := n.In[0], n.Out[0]
	w := g.params[n.Name+".weight"]
	if g.rows != nil {
		ours := w
		w = make([]float32, 0, len(ours))
		for _, row := range g.rows {
			w = append(w, ours[row*out:][:out]...)
		}
		g.rows = nil
	}
	weight := g.floats(n.Name+".weight", []int{in, out}, w)
	return g.add(n.Name, "Gemm", []string{x, weight, g.floats(n.Name+".bias", []int{out}, g.params[n.Name+".bias"])})
}

// flatten adds a Flatten before the layers next. The graph's images are flattened channel by
// channel, ours pixel by pixel. A Dense that follows can have its rows in another order; otherwise
// the image's dimensions are swapped.
func (g *graph) flatten(n net.Node, next []net.Node, x string) string {
	if len(n.In) == 3 && n.In[2] > 1 && n.In[0]*n.In[1] > 1 {
		channels, pixels := n.In[2], n.In[0]*n.In[1]
		if dense := follows(next); dense {
			for c := range channels {
				for pixel := range pixels {
					g.rows = append(g.rows, pixel*channels+c)
				}
			}
		} else {
			x = g.add(n.Name, "Transpose", []string{x}, intsAttribute("perm", 0, 2, 3, 1))
		}
	}
	return g.add(n.Name, "Flatten", []string{x})
}

// follows reports whether a Dense comes next, behind nothing but layers that do nothing here.
func follows(next []net.Node) bool {
	for _, n := range next {
		switch n.Layer.(type) {
		case net.Dense:
			return true
		case net.Dropout:
		default:
			return false
		}
	}
	return false
}

func (g *graph) batchNorm(l net.BatchNorm, n net.Node, x string) string {
	in := []string{x}
	for _, tensor := range []string{"scale", "shift", "mean", "variance"} {
		name := n.Name + "." + tensor
		in = append(in, g.floats(name, []int{len(g.params[name])}, g.params[name]))
	}
	epsilon := floatAttribute("epsilon", cmp.Or(l.Epsilon, defaultEpsilon))
	if len(n.In) == 1 || len(n.In) == 3 {
		return g.add(n.Name, "BatchNormalization", in, epsilon)
	}
	// The operator's channels are the second dimension. In samples that are neither flat nor
	// images, ours are the last: make a sample's positions the batch.
	channels := n.In[len(n.In)-1]
	flat := g.add(n.Name, "Reshape", []string{x, g.ints(n.Name+".rows", -1, channels)})
	in[0] = flat
	y := g.add(n.Name, "BatchNormalization", in, epsilon)
	return g.add(n.Name, "Reshape", []string{y, g.ints(n.Name+".shape", append([]int{-1}, n.In...)...)})
}

// layerNorm adds what normalizes over the channels: LayerNormalization came with opset 17.
func (g *graph) layerNorm(l net.LayerNorm, n net.Node, x string) string {
	axis := intsAttribute("axes", -1)
	if len(n.In) == 3 {
		axis = intsAttribute("axes", 1)
	}
	mean := g.add(n.Name, "ReduceMean", []string{x}, axis)
	d := g.add(n.Name, "Sub", []string{x, mean})
	variance := g.add(n.Name, "ReduceMean", []string{g.add(n.Name, "Mul", []string{d, d})}, axis)
	sum := g.add(n.Name, "Add", []string{variance, g.scalar(n.Name+".epsilon", cmp.Or(l.Epsilon, defaultEpsilon))})
	normal := g.add(n.Name, "Div", []string{d, g.add(n.Name, "Sqrt", []string{sum})})
	scaled := g.add(n.Name, "Mul", []string{normal, g.vector(n, "scale")})
	return g.add(n.Name, "Add", []string{scaled, g.vector(n, "shift")})
}

// gelu adds 0.5 * x * (1 + erf(x/sqrt(2))): Gelu came with opset 20.
func (g *graph) gelu(n net.Node, x string) string {
	erf := g.add(n.Name, "Erf", []string{g.add(n.Name, "Mul", []string{x, g.scalar(n.Name+".sqrt", math.Sqrt(0.5))})})
	half := g.add(n.Name, "Mul", []string{x, g.scalar(n.Name+".half", 0.5)})
	return g.add(n.Name, "Mul", []string{half, g.add(n.Name, "Add", []string{erf, g.scalar(n.Name+".one", 1)})})
}

// subsample adds what takes every other pixel and appends channels of zeros.
func (g *graph) subsample(l net.Subsample, n net.Node, x string) string {
	x = g.add(n.Name, "Slice", []string{x, g.ints(n.Name+".starts", 0, 0), g.ints(n.Name+".ends", n.In[0], n.In[1]),
		g.ints(n.Name+".axes", 2, 3), g.ints(n.Name+".steps", l.Stride, l.Stride)})
	if zeros := n.Out[2] - n.In[2]; zeros > 0 {
		x = g.add(n.Name, "Pad", []string{x, g.ints(n.Name+".pads", 0, 0, 0, 0, 0, zeros, 0, 0)})
	}
	return x
}

// window returns the attributes of a pooling. A stride of 0 is the window's size.
func window(w conv.Window, stride int) []attribute {
	stride = cmp.Or(stride, w.SizeH)
	return []attribute{
		intsAttribute("kernel_shape", w.SizeH, w.SizeW),
		intsAttribute("strides", stride, stride),
		intsAttribute("pads", w.PadTop, w.PadLeft, w.PadBottom, w.PadRight),
	}
}
