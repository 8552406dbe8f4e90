package ref

import "math"

// Dense is y = x W + b, with W [In, Out], then b.
type Dense struct{ In, Out int }

func (d Dense) Params() int { return (d.In + 1) * d.Out }

func (d Dense) Forward(p []float64, x [][]float64) (y [][]float64) {
	for _, row := range x {
		out := append([]float64(nil), p[d.In*d.Out:]...)
		for i, v := range row {
			for j := range out {
				out[j] += v * p[i*d.Out+j]
			}
		}
		y = append(y, out)
	}
	return y
}

func (d Dense) Backward(p []float64, x, _, dy [][]float64, g []float64) (dx [][]float64) {
	for s, row := range x {
		din := make([]float64, d.In)
		for i, v := range row {
			for j, e := range dy[s] {
				g[i*d.Out+j] += v * e
				din[i] += e * p[i*d.Out+j]
			}
		}
		for j, e := range dy[s] {
			g[d.In*d.Out+j] += e
		}
		dx = append(dx, din)
	}
	return dx
}

// ReLU is max(0, x).
type ReLU struct{}

func (ReLU) Params() int { return 0 }

func (ReLU) Forward(_ []float64, x [][]float64) (y [][]float64) {
	for _, row := range x {
		var out []float64
		for _, v := range row {
			out = append(out, math.Max(0, v))
		}
		y = append(y, out)
	}
	return y
}

func (ReLU) Backward(_ []float64, x, _, dy [][]float64, _ []float64) (dx [][]float64) {
	for s, row := range x {
		var din []float64
		for i, v := range row {
			if v > 0 {
				din = append(din, dy[s][i])
			} else {
				din = append(din, 0)
			}
		}
		dx = append(dx, din)
	}
	return dx
}

// Pointwise is a function of each element, with its derivative.
type Pointwise struct{ F, Derivative func(x float64) float64 }

func (Pointwise) Params() int { return 0 }

func (l Pointwise) Forward(_ []float64, x [][]float64) (y [][]float64) {
	for _, row := range x {
		var out []float64
		for _, v := range row {
			out = append(out, l.F(v))
		}
		y = append(y, out)
	}
	return y
}

func (l Pointwise) Backward(_ []float64, x, _, dy [][]float64, _ []float64) (dx [][]float64) {
	for s, row := range x {
		var din []float64
		for i, v := range row {
			din = append(din, dy[s][i]*l.Derivative(v))
		}
		dx = append(dx, din)
	}
	return dx
}

// Residual adds what Body makes of its input to what Shortcut makes of it, which without layers is
// the input. Its parameters are the shortcut's, then the body's.
type Residual struct{ Body, Shortcut Net }

func (r Residual) Params() int { return r.Shortcut.Params() + r.Body.Params() }

func (r Residual) Forward(p []float64, x [][]float64) [][]float64 {
	at := r.Shortcut.Params()
	return sum(r.Shortcut.Outputs(p[:at], x), r.Body.Outputs(p[at:], x))
}

func (r Residual) Backward(p []float64, x, _, dy [][]float64, g []float64) [][]float64 {
	at := r.Shortcut.Params()
	return sum(
		r.Shortcut.backward(p[:at], r.Shortcut.forward(p[:at], x), dy, g[:at]),
		r.Body.backward(p[at:], r.Body.forward(p[at:], x), dy, g[at:]),
	)
}

func sum(x, y [][]float64) (total [][]float64) {
	for s, row := range x {
		var out []float64
		for i, v := range row {
			out = append(out, v+y[s][i])
		}
		total = append(total, out)
	}
	return total
}

// Subsample takes every Stride-th pixel of every Stride-th row of images [H, W, C], and adds
// channels of zeros, to Out.
type Subsample struct{ H, W, C, Stride, Out int }

func (Subsample) Params() int { return 0 }

func (l Subsample) Forward(_ []float64, x [][]float64) (y [][]float64) {
	for _, row := range x {
		var out []float64
		for i := 0; i < l.H; i += l.Stride {
			for j := 0; j < l.W; j += l.Stride {
				out = append(out, row[(i*l.W+j)*l.C:][:l.C]...)
				out = append(out, make([]float64, l.Out-l.C)...)
			}
		}
		y = append(y, out)
	}
	return y
}

func (l Subsample) Backward(_ []float64, x, _, dy [][]float64, _ []float64) (dx [][]float64) {
	for s := range x {
		din, from := make([]float64, l.H*l.W*l.C), dy[s]
		for i := 0; i < l.H; i += l.Stride {
			for j := 0; j < l.W; j += l.Stride {
				copy(din[(i*l.W+j)*l.C:][:l.C], from)
				from = from[l.Out:]
			}
		}
		dx = append(dx, din)
	}
	return dx
}
