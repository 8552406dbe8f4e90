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

// BatchNorm normalises each feature over the samples; its parameters are the
// scales, then the shifts.
type BatchNorm struct {
	Features int
	Eps      float64
}

func (b BatchNorm) Params() int { return 2 * b.Features }

// Moments returns the mean and the biased variance of feature j.
func (b BatchNorm) Moments(x [][]float64, j int) (mean, variance float64) {
	for _, row := range x {
		mean += row[j] / float64(len(x))
	}
	for _, row := range x {
		variance += (row[j] - mean) * (row[j] - mean) / float64(len(x))
	}
	return mean, variance
}

func (b BatchNorm) Forward(p []float64, x [][]float64) (y [][]float64) {
	for range x {
		y = append(y, make([]float64, b.Features))
	}
	for j := range b.Features {
		mean, variance := b.Moments(x, j)
		for s, row := range x {
			y[s][j] = p[j]*(row[j]-mean)/math.Sqrt(variance+b.Eps) + p[b.Features+j]
		}
	}
	return y
}

func (b BatchNorm) Backward(p []float64, x, _, dy [][]float64, g []float64) (dx [][]float64) {
	for range x {
		dx = append(dx, make([]float64, b.Features))
	}
	n := float64(len(x))
	for j := range b.Features {
		mean, variance := b.Moments(x, j)
		deviation := math.Sqrt(variance + b.Eps)
		var sum, weighted float64
		for s, row := range x {
			sum += dy[s][j]
			weighted += dy[s][j] * (row[j] - mean) / deviation
		}
		g[j] += weighted
		g[b.Features+j] += sum
		for s, row := range x {
			normal := (row[j] - mean) / deviation
			dx[s][j] = p[j] / deviation * (dy[s][j] - sum/n - normal*weighted/n)
		}
	}
	return dx
}
