package ref

import (
	"math"

	"github.com/steppe-ml/steppe/conv"
)

// Conv2D is a convolution of images in rows [InH, InW, InC], with the filter [KernelH, KernelW,
// InC, OutC] and, if Bias, a bias for each output channel. The geometry's Batch doesn't matter.
type Conv2D struct {
	conv.Geometry
	Bias bool
}

func (c Conv2D) Params() int {
	if c.Bias {
		return c.FilterSize() + c.OutC
	}
	return c.FilterSize()
}

// terms visits the products that a convolution is made of, by where their factors lie: each output
// is a sum of inputs times weights.
func (c Conv2D) terms(visit func(out, in, weight int)) {
	windows(c.Geometry, func(i, j, u, v, row, column int) {
		for o := range c.OutC {
			for k := range c.InC {
				visit((i*c.OutW()+j)*c.OutC+o, (row*c.InW+column)*c.InC+k, ((u*c.KernelW+v)*c.InC+k)*c.OutC+o)
			}
		}
	})
}

// windows visits the pixels (i, j) of an output, and for each the pixels (row, column) of the input
// that its taps (u, v) see.
func windows(g conv.Geometry, visit func(i, j, u, v, row, column int)) {
	or1 := func(n int) int { return max(1, n) }
	for i := range g.OutH() {
		for j := range g.OutW() {
			for u := range g.KernelH {
				for v := range g.KernelW {
					row := i*or1(g.StrideH) - g.PadTop + u*or1(g.DilationH)
					column := j*or1(g.StrideW) - g.PadLeft + v*or1(g.DilationW)
					if row >= 0 && row < g.InH && column >= 0 && column < g.InW {
						visit(i, j, u, v, row, column)
					}
				}
			}
		}
	}
}

func (c Conv2D) Forward(p []float64, x [][]float64) (y [][]float64) {
	for range x {
		out := make([]float64, c.OutSize())
		for i := range out {
			if c.Bias {
				out[i] = p[c.FilterSize()+i%c.OutC]
			}
		}
		y = append(y, out)
	}
	c.terms(func(out, in, weight int) {
		for s, row := range x {
			y[s][out] += row[in] * p[weight]
		}
	})
	return y
}

func (c Conv2D) Backward(p []float64, x, _, dy [][]float64, g []float64) (dx [][]float64) {
	for s := range x {
		dx = append(dx, make([]float64, c.InSize()))
		for i, d := range dy[s] {
			if c.Bias {
				g[c.FilterSize()+i%c.OutC] += d
			}
		}
	}
	c.terms(func(out, in, weight int) {
		for s, row := range x {
			g[weight] += dy[s][out] * row[in]
			dx[s][in] += dy[s][out] * p[weight]
		}
	})
	return dx
}

// MaxPool is the largest pixel of each window, channel by channel; its geometry is that of a
// convolution of one channel along the same windows.
type MaxPool struct{ Window conv.Geometry }

func (MaxPool) Params() int { return 0 }

func (m MaxPool) Forward(_ []float64, x [][]float64) (y [][]float64) {
	for _, row := range x {
		out := make([]float64, m.Window.OutSize())
		for i := range out {
			out[i] = math.Inf(-1)
		}
		m.pixels(func(o, in, _ int) { out[o] = max(out[o], row[in]) })
		y = append(y, out)
	}
	return y
}

// Backward gives an output's gradient to the first input that is as large.
func (m MaxPool) Backward(_ []float64, x, y, dy [][]float64, _ []float64) (dx [][]float64) {
	for s, row := range x {
		din, given := make([]float64, m.Window.InSize()), make([]bool, m.Window.OutSize())
		m.pixels(func(o, in, _ int) {
			if !given[o] && row[in] == y[s][o] {
				given[o] = true
				din[in] += dy[s][o]
			}
		})
		dx = append(dx, din)
	}
	return dx
}

func (m MaxPool) pixels(visit func(out, in, channel int)) { channelwise(m.Window, visit) }

// channelwise visits the elements of outputs, and for each those of inputs in its window.
func channelwise(g conv.Geometry, visit func(out, in, channel int)) {
	windows(g, func(i, j, _, _, row, column int) {
		for c := range g.InC {
			visit((i*g.OutW()+j)*g.InC+c, (row*g.InW+column)*g.InC+c, c)
		}
	})
}

// AvgPool is the mean of the pixels of each window, without the padding.
type AvgPool struct{ Window conv.Geometry }

func (AvgPool) Params() int { return 0 }

// counts returns the pixels in the window of each output.
func (a AvgPool) counts() []float64 {
	counts := make([]float64, a.Window.OutSize())
	channelwise(a.Window, func(out, _, _ int) { counts[out]++ })
	return counts
}

func (a AvgPool) Forward(_ []float64, x [][]float64) (y [][]float64) {
	counts := a.counts()
	for _, row := range x {
		out := make([]float64, len(counts))
		channelwise(a.Window, func(o, in, _ int) { out[o] += row[in] / counts[o] })
		y = append(y, out)
	}
	return y
}

func (a AvgPool) Backward(_ []float64, x, _, dy [][]float64, _ []float64) (dx [][]float64) {
	counts := a.counts()
	for s := range x {
		din := make([]float64, a.Window.InSize())
		channelwise(a.Window, func(o, in, _ int) { din[in] += dy[s][o] / counts[o] })
		dx = append(dx, din)
	}
	return dx
}
