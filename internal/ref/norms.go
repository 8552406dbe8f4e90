package ref

import "math"

// BatchNorm normalizes each feature, the last dimension, over the samples and their pixels; its
// parameters are the scales, then the shifts.
type BatchNorm struct {
	Features int
	Epsilon  float64
}

func (b BatchNorm) Params() int { return 2 * b.Features }

// Moments returns the mean and the biased variance of feature j.
func (b BatchNorm) Moments(x [][]float64, j int) (mean, variance float64) {
	n := float64(len(x) * len(x[0]) / b.Features)
	b.each(x, j, func(s, i int) { mean += x[s][i] / n })
	b.each(x, j, func(s, i int) { variance += (x[s][i] - mean) * (x[s][i] - mean) / n })
	return mean, variance
}

// each visits the elements of feature j.
func (b BatchNorm) each(x [][]float64, j int, visit func(s, i int)) {
	for s := range x {
		for i := j; i < len(x[s]); i += b.Features {
			visit(s, i)
		}
	}
}

func (b BatchNorm) Forward(p []float64, x [][]float64) (y [][]float64) {
	y = like(x)
	for j := range b.Features {
		mean, variance := b.Moments(x, j)
		b.each(x, j, func(s, i int) {
			y[s][i] = p[j]*(x[s][i]-mean)/math.Sqrt(variance+b.Epsilon) + p[b.Features+j]
		})
	}
	return y
}

func (b BatchNorm) Backward(p []float64, x, _, dy [][]float64, g []float64) (dx [][]float64) {
	return b.backward(p, x, x, dy, g)
}

// BackwardOf implements selecting: as if the chosen samples were the batch, with the moments of
// all.
func (b BatchNorm) BackwardOf(p []float64, all [][]float64, chosen []int, dy [][]float64, g []float64) (dx [][]float64) {
	return b.backward(p, all, pick(all, chosen), dy, g)
}

// backward is Backward of samples x, with the moments of others.
func (b BatchNorm) backward(p []float64, all, x, dy [][]float64, g []float64) (dx [][]float64) {
	dx = like(x)
	n := float64(len(x) * len(x[0]) / b.Features)
	for j := range b.Features {
		mean, variance := b.Moments(all, j)
		deviation := math.Sqrt(variance + b.Epsilon)
		var sum, weighted float64
		b.each(x, j, func(s, i int) {
			sum += dy[s][i]
			weighted += dy[s][i] * (x[s][i] - mean) / deviation
		})
		g[j] += weighted
		g[b.Features+j] += sum
		b.each(x, j, func(s, i int) {
			normal := (x[s][i] - mean) / deviation
			dx[s][i] = p[j] / deviation * (dy[s][i] - sum/n - normal*weighted/n)
		})
	}
	return dx
}

func like(x [][]float64) (y [][]float64) {
	for _, row := range x {
		y = append(y, make([]float64, len(row)))
	}
	return y
}

// LayerNorm normalizes each sample over its features, the last dimension, pixel by pixel; its
// parameters are the scales, then the shifts.
type LayerNorm struct {
	Features int
	Epsilon  float64
}

func (l LayerNorm) Params() int { return 2 * l.Features }

// moments returns the mean and the deviation of a pixel.
func (l LayerNorm) moments(x []float64) (mean, deviation float64) {
	n, variance := float64(len(x)), 0.0
	for _, v := range x {
		mean += v / n
	}
	for _, v := range x {
		variance += (v - mean) * (v - mean) / n
	}
	return mean, math.Sqrt(variance + l.Epsilon)
}

func (l LayerNorm) Forward(p []float64, x [][]float64) (y [][]float64) {
	y = like(x)
	for s, row := range x {
		for at := 0; at < len(row); at += l.Features {
			mean, deviation := l.moments(row[at:][:l.Features])
			for j := range l.Features {
				y[s][at+j] = p[j]*(row[at+j]-mean)/deviation + p[l.Features+j]
			}
		}
	}
	return y
}

func (l LayerNorm) Backward(p []float64, x, _, dy [][]float64, g []float64) (dx [][]float64) {
	dx = like(x)
	n := float64(l.Features)
	for s, row := range x {
		for at := 0; at < len(row); at += l.Features {
			mean, deviation := l.moments(row[at:][:l.Features])
			var sum, weighted float64
			for j := range l.Features {
				d, normal := dy[s][at+j], (row[at+j]-mean)/deviation
				g[j] += d * normal
				g[l.Features+j] += d
				sum += p[j] * d
				weighted += p[j] * d * normal
			}
			for j := range l.Features {
				normal := (row[at+j] - mean) / deviation
				dx[s][at+j] = (p[j]*dy[s][at+j] - sum/n - normal*weighted/n) / deviation
			}
		}
	}
	return dx
}

// RunningNorm is a BatchNorm that normalizes by constants in place of the samples' own statistics.
type RunningNorm struct {
	BatchNorm
	Mean, Variance []float64
}

func (r RunningNorm) Forward(p []float64, x [][]float64) (y [][]float64) {
	y = like(x)
	for j := range r.Features {
		deviation := math.Sqrt(r.Variance[j] + r.Epsilon)
		r.each(x, j, func(s, i int) { y[s][i] = p[j]*(x[s][i]-r.Mean[j])/deviation + p[r.Features+j] })
	}
	return y
}

func (r RunningNorm) Backward(p []float64, x, _, dy [][]float64, g []float64) (dx [][]float64) {
	dx = like(x)
	for j := range r.Features {
		deviation := math.Sqrt(r.Variance[j] + r.Epsilon)
		r.each(x, j, func(s, i int) {
			g[j] += dy[s][i] * (x[s][i] - r.Mean[j]) / deviation
			g[r.Features+j] += dy[s][i]
			dx[s][i] = p[j] / deviation * dy[s][i]
		})
	}
	return dx
}

// Running returns n with its batch normalizations by running state, flat as package net lays it
// out: of each the means, then the variances.
func (n Net) Running(state []float64) Net {
	running, _ := n.running(state)
	return running
}

func (n Net) running(state []float64) (running Net, rest []float64) {
	for _, l := range n {
		switch l := l.(type) {
		case BatchNorm:
			c := l.Features
			running = append(running, RunningNorm{BatchNorm: l, Mean: state[:c], Variance: state[c : 2*c]})
			state = state[2*c:]
		case Residual:
			var r Residual
			r.Shortcut, state = l.Shortcut.running(state)
			r.Body, state = l.Body.running(state)
			running = append(running, r)
		default:
			running = append(running, l)
		}
	}
	return running, state
}
