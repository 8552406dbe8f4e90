package net

import (
	"cmp"

	"github.com/steppe-ml/steppe/conv"
	"github.com/steppe-ml/steppe/net/op"
	"github.com/steppe-ml/steppe/simd"
)

// The methods of op.Piecewise, of the ops whose functions have kinks. Programs that call them aren't
// fused, so there are no others.

// Pieces implements op.Piecewise: 1 for each element that is positive, 0 for the others.
func (relu) Pieces(in op.Shape) int { return in.Size() }

// Find implements op.Piecewise.
func (relu) Find(c *op.Call, _ []op.Tensor, out op.Tensor, pieces []float32) {
	fill(pieces[:len(out.Data)], 1)
	op.Elementwise(c.Team, simd.ReLUBackward, pieces[:len(out.Data)], pieces[:len(out.Data)], out.Data)
}

// ForwardWithin implements op.Piecewise.
func (relu) ForwardWithin(c *op.Call, pieces []float32, in []op.Tensor, out op.Tensor) {
	op.Elementwise(c.Team, simd.Mul, out.Data, in[0].Data, pieces[:len(out.Data)])
}

// BackwardWithin implements op.Piecewise.
func (relu) BackwardWithin(c *op.Call, pieces []float32, dout op.Tensor, din []op.Tensor) {
	if din[0].Wanted() {
		op.Elementwise(c.Team, simd.Mul, din[0].Data, dout.Data, pieces[:len(dout.Data)])
	}
}

// Pieces implements op.Piecewise: for each element of the output, the place of its largest pixel in
// the sample.
func (o maxPool) Pieces(op.Shape) int { return o.window.OutH() * o.window.OutW() * o.window.C }

// Find implements op.Piecewise.
func (o maxPool) Find(_ *op.Call, in []op.Tensor, out op.Tensor, pieces []float32) {
	size := o.Pieces(nil)
	for i := range in[0].N {
		findLargest(o.window, in[0].Slice(i, 1).Data, pieces[i*size:][:size])
	}
}

// findLargest sets places to those of the largest pixels of each window of an image, the first of
// equally large ones.
func findLargest(w conv.Window, x, places []float32) {
	strideH, strideW := cmp.Or(w.StrideH, w.SizeH), cmp.Or(w.StrideW, w.SizeW)
	at := 0
	for i := range w.OutH() {
		for j := range w.OutW() {
			top, left := i*strideH-w.PadTop, j*strideW-w.PadLeft
			for c := range w.C {
				largest := -1
				for row := max(0, top); row < min(w.InH, top+w.SizeH); row++ {
					for column := max(0, left); column < min(w.InW, left+w.SizeW); column++ {
						if here := (row*w.InW+column)*w.C + c; largest < 0 || x[here] > x[largest] {
							largest = here
						}
					}
				}
				places[at] = float32(largest)
				at++
			}
		}
	}
}

// ForwardWithin implements op.Piecewise.
func (o maxPool) ForwardWithin(_ *op.Call, pieces []float32, in []op.Tensor, out op.Tensor) {
	size := o.Pieces(nil)
	for i := range out.N {
		x, y := in[0].Slice(i, 1).Data, out.Slice(i, 1).Data
		for j, place := range pieces[i*size:][:size] {
			y[j] = x[int(place)]
		}
	}
}

// BackwardWithin implements op.Piecewise.
func (o maxPool) BackwardWithin(_ *op.Call, pieces []float32, dout op.Tensor, din []op.Tensor) {
	if !din[0].Wanted() {
		return
	}
	size := o.Pieces(nil)
	for i := range dout.N {
		dx, dy := din[0].Slice(i, 1).Data, dout.Slice(i, 1).Data
		clear(dx)
		for j, place := range pieces[i*size:][:size] {
			dx[int(place)] += dy[j]
		}
	}
}
