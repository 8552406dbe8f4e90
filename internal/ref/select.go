package ref

import (
	"math"
	"slices"
)

// selecting is a layer whose samples see each other. BackwardOf is Backward of the chosen ones.
type selecting interface {
	BackwardOf(p []float64, all [][]float64, chosen []int, dy [][]float64, g []float64) (dx [][]float64)
}

// pick returns the chosen rows.
func pick(x [][]float64, chosen []int) (rows [][]float64) {
	for _, i := range chosen {
		rows = append(rows, x[i])
	}
	return rows
}

// backwardOf is backward of the chosen samples: d and the result have those alone.
func (n Net) backwardOf(p []float64, ys [][][]float64, chosen []int, d [][]float64, g []float64) [][]float64 {
	end := len(g)
	for i := len(n) - 1; i >= 0; i-- {
		begin := end - n[i].Params()
		if s, ok := n[i].(selecting); ok {
			d = s.BackwardOf(p[begin:end], ys[i], chosen, d, g[begin:end])
		} else {
			d = n[i].Backward(p[begin:end], pick(ys[i], chosen), pick(ys[i+1], chosen), d, g[begin:end])
		}
		end = begin
	}
	return d
}

// BackwardOf implements selecting.
func (r Residual) BackwardOf(p []float64, all [][]float64, chosen []int, dy [][]float64, g []float64) [][]float64 {
	at := r.Shortcut.Params()
	return sum(
		r.Shortcut.backwardOf(p[:at], r.Shortcut.forward(p[:at], all), chosen, dy, g[:at]),
		r.Body.backwardOf(p[at:], r.Body.forward(p[at:], all), chosen, dy, g[at:]),
	)
}

// sharpest returns the samples whose loss rises most from p to w, in ascending order.
func (n Net) sharpest(p, w []float64, x [][]float64, first int, loss Loss, fraction float64) []int {
	before, after := n.Outputs(p, x), n.Outputs(w, x)
	rises, order := make([]float64, len(x)), make([]int, len(x))
	for i := range x {
		l, _, _ := loss(before[i:][:1], first+i)
		m, _, _ := loss(after[i:][:1], first+i)
		rises[i], order[i] = m-l, i
	}
	slices.SortStableFunc(order, func(i, j int) int {
		switch {
		case rises[i] > rises[j]:
			return -1
		case rises[i] < rises[j]:
			return 1
		}
		return 0
	})
	chosen := order[:int(math.Ceil(fraction*float64(len(x))-1e-9))]
	slices.Sort(chosen)
	return chosen
}

// gradientOf returns the gradient of the mean loss of the chosen samples. The others are there for
// the layers in which samples see each other.
func (n Net) gradientOf(p []float64, x [][]float64, first int, loss Loss, chosen []int) (g []float64) {
	ys := n.forward(p, x)
	out, all := ys[len(ys)-1], 0
	var d [][]float64
	for _, i := range chosen {
		_, terms, e := loss(out[i:][:1], first+i)
		d, all = append(d, e...), all+terms
	}
	g = make([]float64, n.Params())
	if all == 0 {
		return g
	}
	for i := range d {
		d[i] = Scaled(1/float64(all), d[i])
	}
	n.backwardOf(p, ys, chosen, d, g)
	return g
}
