package net

import (
	"math"

	"github.com/steppe-ml/steppe/internal/parallel"
	"github.com/steppe-ml/steppe/net/op"
	"github.com/steppe-ml/steppe/simd"
)

// Divergence implements op.Distillable. Label smoothing has no part in it.
func (SoftmaxCrossEntropy) Divergence(out, teacher op.Tensor, b Batch, scale float32, dout op.Tensor) (sum float64) {
	classes := out.Shape.Size()
	d := divergences.Get()
	defer divergences.Put(d)
	d.hold(classes)
	for i := range b.N {
		sum += d.row(rowAt(out.Data, i, classes), rowAt(teacher.Data, i, classes), scale, wantedRow(dout, i, classes))
	}
	return sum
}

// Divergence implements op.Distillable. It compares the rows that predict a token.
func (NextToken) Divergence(out, teacher op.Tensor, _ Batch, scale float32, dout op.Tensor) (sum float64) {
	vocabulary := out.Width()
	d := divergences.Get()
	defer divergences.Put(d)
	d.hold(vocabulary)
	for i := range out.N {
		run := out.Run(i)
		for row := run.First; row < run.First+run.N-1; row++ {
			sum += d.row(rowAt(out.Data, row, vocabulary), rowAt(teacher.Data, row, vocabulary), scale, wantedRow(dout, row, vocabulary))
		}
	}
	return sum
}

// wantedRow returns a row of a gradient, or nil if that isn't wanted.
func wantedRow(t op.Tensor, row, width int) []float32 {
	if !t.Wanted() {
		return nil
	}
	return rowAt(t.Data, row, width)
}

// divergence is memory for the divergence of one row of logits from another.
//
// With the softmax p of logits x, and the teacher's logits y, it works on u = y - x - m, where m is
// the mean of y - x by p. Then
//
//	KL(p || q) = log(sum(p * exp(u)))    and its gradient is    -p * u
//
// which is p * ((log p - log q) - KL) without the logarithms. So it has digits where the teacher is
// all but the student, and log p and log q agree in most of theirs.
type divergence struct{ p, u, pu, squares, ones, largest, total []float32 }

var divergences parallel.Pool[divergence]

// hold makes room for rows of a width.
func (d *divergence) hold(width int) {
	if cap(d.p) < width {
		floats := make([]float32, 5*width)
		next := func() (s []float32) {
			s, floats = floats[:width:width], floats[width:]
			return s
		}
		*d = divergence{next(), next(), next(), next(), next(), make([]float32, 1), make([]float32, 1)}
		fill(d.ones, 1)
	}
	d.p, d.u, d.pu, d.squares, d.ones = d.p[:width], d.u[:width], d.pu[:width], d.squares[:width], d.ones[:width]
}

// row returns the divergence of logits x from a teacher's, y. It adds the gradient of scale times
// that to dx, unless dx is nil.
func (d *divergence) row(x, y []float32, scale float32, dx []float32) float64 {
	simd.SoftmaxRows(d.p, x, len(x), d.largest, d.total)
	simd.AxpyTo(d.u, -1, x, y)
	mean := simd.Dot64(d.p, d.u)
	simd.Axpy(-float32(mean), d.ones, d.u)
	rest := simd.Dot64(d.p, d.u) // what rounding has left of the mean
	simd.Mul(d.pu, d.p, d.u)
	if dx != nil {
		simd.Axpy(-scale, d.pu, dx)
		simd.Axpy(float32(float64(scale)*rest), d.p, dx)
	}
	simd.Mul(d.squares, d.u, d.u)
	if most := simd.Max(d.squares); most < small*small {
		// The series of exp. Its first term is rest, which the mean takes away again.
		second, third := simd.Dot64(d.p, d.squares)/2, simd.Dot64(d.pu, d.squares)/6
		simd.Mul(d.pu, d.pu, d.u)
		fourth := simd.Dot64(d.pu, d.squares) / 24
		return max(0, math.Log1p(rest+second+third+fourth)-rest)
	}
	own := math.Log(float64(d.total[0])) + float64(d.largest[0])
	simd.SoftmaxRows(d.p, y, len(y), d.largest, d.total)
	teacher := math.Log(float64(d.total[0])) + float64(d.largest[0])
	return max(0, teacher-own-(float64(float32(mean))+rest))
}

// small is the largest u for which four terms of the series of exp do. What is left out is below
// u^3/60 of the sum.
const small = 1.0 / 16
