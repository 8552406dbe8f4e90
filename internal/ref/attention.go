package ref

import "math"

// MultiHeadAttention is the layer of that name, for rows of width features.
func MultiHeadAttention(heads, width int, causal, rotary bool) Net {
	layers := Net{ByRow{width, Dense{width, 3 * width}}}
	if rotary {
		layers = append(layers, Rotation{heads, width})
	}
	return append(layers, Attention{heads, width, causal}, ByRow{width, Dense{width, width}})
}

// Attention is what lies between the two Dense layers of MultiHeadAttention: from rows of queries,
// keys and values, Width features each, to rows of Width.
type Attention struct {
	Heads, Width int
	Causal       bool
}

func (Attention) Params() int { return 0 }

// probabilities returns those of head h of a sample: a row for each query.
func (l Attention) probabilities(rows [][]float64, h int) (p [][]float64) {
	n := l.Width / l.Heads
	for i, row := range rows {
		scores, largest, total := make([]float64, len(rows)), math.Inf(-1), 0.0
		for j, key := range rows {
			for k := range n {
				scores[j] += row[h*n+k] * key[l.Width+h*n+k]
			}
			scores[j] /= math.Sqrt(float64(n))
			if l.Causal && j > i {
				scores[j] = math.Inf(-1)
			}
			largest = math.Max(largest, scores[j])
		}
		for j, v := range scores {
			scores[j] = math.Exp(v - largest)
			total += scores[j]
		}
		p = append(p, Scaled(1/total, scores))
	}
	return p
}

func (l Attention) Forward(_ []float64, x [][]float64) (y [][]float64) {
	n := l.Width / l.Heads
	for _, sample := range x {
		rows := cut(sample, 3*l.Width)
		out := make([]float64, len(rows)*l.Width)
		for h := range l.Heads {
			for i, p := range l.probabilities(rows, h) {
				for j, value := range rows {
					for k := range n {
						out[i*l.Width+h*n+k] += p[j] * value[2*l.Width+h*n+k]
					}
				}
			}
		}
		y = append(y, out)
	}
	return y
}

func (l Attention) Backward(_ []float64, x, _, dy [][]float64, _ []float64) (dx [][]float64) {
	n := l.Width / l.Heads
	for s, sample := range x {
		rows, dys := cut(sample, 3*l.Width), cut(dy[s], l.Width)
		din := make([]float64, len(sample))
		dins := cut(din, 3*l.Width)
		for h := range l.Heads {
			q, k, v := h*n, l.Width+h*n, 2*l.Width+h*n
			for i, p := range l.probabilities(rows, h) {
				dp, mean := make([]float64, len(rows)), 0.0
				for j := range rows {
					for f := range n {
						dp[j] += dys[i][q+f] * rows[j][v+f]
						dins[j][v+f] += p[j] * dys[i][q+f]
					}
					mean += p[j] * dp[j]
				}
				for j := range rows {
					ds := p[j] * (dp[j] - mean) / math.Sqrt(float64(n))
					for f := range n {
						dins[i][q+f] += ds * rows[j][k+f]
						dins[j][k+f] += ds * rows[i][q+f]
					}
				}
			}
		}
		dx = append(dx, din)
	}
	return dx
}

// Rotation rotates the queries and keys of rows of queries, keys and values, by the index of the
// row.
type Rotation struct{ Heads, Width int }

func (Rotation) Params() int { return 0 }

func (l Rotation) Forward(_ []float64, x [][]float64) [][]float64 { return l.rotate(x, 1) }

func (l Rotation) Backward(_ []float64, _, _, dy [][]float64, _ []float64) [][]float64 {
	return l.rotate(dy, -1)
}

func (l Rotation) rotate(x [][]float64, sign float64) (y [][]float64) {
	n := l.Width / l.Heads
	for _, sample := range x {
		out := append([]float64(nil), sample...)
		for i, row := range cut(out, 3*l.Width) {
			for at := 0; at < 2*l.Width; at += n {
				for j := range n / 2 {
					sin, cos := math.Sincos(sign * float64(i) * math.Pow(10000, -2*float64(j)/float64(n)))
					a, b := row[at+j], row[at+j+n/2]
					row[at+j], row[at+j+n/2] = a*cos-b*sin, b*cos+a*sin
				}
			}
		}
		y = append(y, out)
	}
	return y
}
