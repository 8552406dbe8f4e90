// Package ref computes networks and training steps in the plainest way, in float64 and one sample
// at a time: the oracle of the tests. Its parameters are flat and laid out as package net lays them
// out.
package ref

import "math"

// Layer is one layer of a network: forward over the rows of x, and backward from dy to dx, adding
// its parameters' gradient to g.
type Layer interface {
	Params() int
	Forward(p []float64, x [][]float64) (y [][]float64)
	Backward(p []float64, x, y, dy [][]float64, g []float64) (dx [][]float64)
}

// Net is layers that end in a softmax cross-entropy.
type Net []Layer

// Params is the number of parameters.
func (n Net) Params() (total int) {
	for _, l := range n {
		total += l.Params()
	}
	return total
}

// Outputs returns the last layer's outputs.
func (n Net) Outputs(p []float64, x [][]float64) [][]float64 {
	ys := n.forward(p, x)
	return ys[len(ys)-1]
}

func (n Net) forward(p []float64, x [][]float64) (ys [][][]float64) {
	ys = append(ys, x)
	for _, l := range n {
		ys = append(ys, l.Forward(p[:l.Params()], ys[len(ys)-1]))
		p = p[l.Params():]
	}
	return ys
}

// Gradient returns the mean loss over the samples, and its gradient.
func (n Net) Gradient(p []float64, x [][]float64, labels []int32) (loss float64, g []float64) {
	loss, _, g = n.GradientBy(p, x, 0, SoftmaxLoss(labels))
	return loss, g
}

// backward adds the parameters' gradients to g, and returns the input's, from ys, which forward has
// returned, and d, the outputs' gradients.
func (n Net) backward(p []float64, ys [][][]float64, d [][]float64, g []float64) [][]float64 {
	end := len(g)
	for i := len(n) - 1; i >= 0; i-- {
		begin := end - n[i].Params()
		d = n[i].Backward(p[begin:end], ys[i], ys[i+1], d, g[begin:end])
		end = begin
	}
	return d
}

// Norm returns the Euclidean norm of x.
func Norm(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v * v
	}
	return math.Sqrt(sum)
}

// Float64s widens x.
func Float64s(x []float32) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = float64(v)
	}
	return y
}

// Rows widens x and cuts it into n rows.
func Rows(x []float32, n int) [][]float64 {
	rows := make([][]float64, n)
	size := len(x) / n
	for i := range rows {
		rows[i] = Float64s(x[i*size:][:size])
	}
	return rows
}
