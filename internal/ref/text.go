package ref

import "math"

// Networks over text read samples of different lengths. A sample is its token ids as numbers, with
// the vocabulary added to those of the second segment. Behind an Embedding, it is rows of one
// width, one behind the other.

// Text returns the samples of token ids, of which sample i has those from starts[i] on, counted
// from starts[0]. segments is nil, or 0 or 1 for each token.
func Text(tokens []int32, starts []int, segments []uint8, vocabulary int) (x [][]float64) {
	for i := range len(starts) - 1 {
		var row []float64
		for at := starts[i] - starts[0]; at < starts[i+1]-starts[0]; at++ {
			id := int(tokens[at])
			if segments != nil {
				id += vocabulary * int(segments[at])
			}
			row = append(row, float64(id))
		}
		x = append(x, row)
	}
	return x
}

// ByRow applies a layer to each row of a sample alone.
type ByRow struct {
	Width int // of a row
	Layer Layer
}

func (b ByRow) Params() int { return b.Layer.Params() }

func (b ByRow) Forward(p []float64, x [][]float64) (y [][]float64) {
	for _, row := range x {
		y = append(y, flatten(b.Layer.Forward(p, cut(row, b.Width))))
	}
	return y
}

func (b ByRow) Backward(p []float64, x, y, dy [][]float64, g []float64) (dx [][]float64) {
	for s, row := range x {
		rows := cut(row, b.Width)
		out := len(y[s]) / len(rows)
		dx = append(dx, flatten(b.Layer.Backward(p, rows, cut(y[s], out), cut(dy[s], out), g)))
	}
	return dx
}

// cut cuts x into rows of a width.
func cut(x []float64, width int) (rows [][]float64) {
	for at := 0; at < len(x); at += width {
		rows = append(rows, x[at:][:width])
	}
	return rows
}

func flatten(rows [][]float64) (x []float64) {
	for _, row := range rows {
		x = append(x, row...)
	}
	return x
}

// Embedding is a row of a table for each token, with the rows of its place and of its segment
// added. Its parameters are the table [Vocabulary, Width], the positions [Length, Width] if they
// are learned, and the segments [Segments, Width]. Without a vocabulary, positions are added to
// rows.
type Embedding struct {
	Vocabulary, Length, Width int
	Learned, Sinusoidal       bool
	Segments                  int
}

func (e Embedding) Params() int { return (e.Vocabulary + e.learned() + e.Segments) * e.Width }

func (e Embedding) learned() int {
	if e.Learned {
		return e.Length
	}
	return 0
}

// terms visits the parameters that an element of the output is the sum of.
func (e Embedding) terms(sample []float64, visit func(out, parameter int)) {
	rows := len(sample)
	if e.Vocabulary == 0 {
		rows /= e.Width
	}
	for i := range rows {
		for j := range e.Width {
			out := i*e.Width + j
			if e.Vocabulary > 0 {
				visit(out, int(sample[i])%e.Vocabulary*e.Width+j)
			}
			if e.Learned {
				visit(out, (e.Vocabulary+i)*e.Width+j)
			}
			if e.Segments > 0 {
				visit(out, (e.Vocabulary+e.learned()+int(sample[i])/e.Vocabulary)*e.Width+j)
			}
		}
	}
}

func (e Embedding) Forward(p []float64, x [][]float64) (y [][]float64) {
	for _, sample := range x {
		out := append([]float64(nil), sample...)
		if e.Vocabulary > 0 {
			out = make([]float64, len(sample)*e.Width)
		}
		e.terms(sample, func(o, parameter int) { out[o] += p[parameter] })
		for o := range out {
			if e.Sinusoidal {
				row, column := o/e.Width, o%e.Width
				angle := float64(row) * math.Exp(-math.Log(10000)*float64(column-column%2)/float64(e.Width))
				out[o] += math.Sin(angle + math.Pi/2*float64(column%2))
			}
		}
		y = append(y, out)
	}
	return y
}

// Backward returns the gradient of rows; token ids have none.
func (e Embedding) Backward(_ []float64, x, _, dy [][]float64, g []float64) (dx [][]float64) {
	for s, sample := range x {
		e.terms(sample, func(o, parameter int) { g[parameter] += dy[s][o] })
	}
	return dy
}

// Pooling is the mean of a sample's rows, or the first.
type Pooling struct {
	Width int
	First bool
}

func (Pooling) Params() int { return 0 }

// shares returns what each of n rows contributes.
func (l Pooling) shares(n int) []float64 {
	shares := make([]float64, n)
	for i := range shares {
		shares[i] = 1 / float64(n)
		if l.First {
			shares[i] = 0
		}
	}
	if l.First {
		shares[0] = 1
	}
	return shares
}

func (l Pooling) Forward(_ []float64, x [][]float64) (y [][]float64) {
	for _, sample := range x {
		out := make([]float64, l.Width)
		for i, share := range l.shares(len(sample) / l.Width) {
			for j := range out {
				out[j] += share * sample[i*l.Width+j]
			}
		}
		y = append(y, out)
	}
	return y
}

func (l Pooling) Backward(_ []float64, x, _, dy [][]float64, _ []float64) (dx [][]float64) {
	dx = like(x)
	for s := range x {
		for i, share := range l.shares(len(x[s]) / l.Width) {
			for j, d := range dy[s] {
				dx[s][i*l.Width+j] = share * d
			}
		}
	}
	return dx
}

// Tied is an Embedding, layers of its width behind it, and logits by the Embedding's table: the
// products of rows with the table's. Its parameters are the Embedding's, then the body's.
type Tied struct {
	Embedding Embedding
	Body      Net
}

func (t Tied) Params() int { return t.Embedding.Params() + t.Body.Params() }

func (t Tied) Forward(p []float64, x [][]float64) [][]float64 {
	at := t.Embedding.Params()
	return t.logits(p, t.Body.Outputs(p[at:], t.Embedding.Forward(p[:at], x)))
}

func (t Tied) logits(p []float64, x [][]float64) (y [][]float64) {
	for _, sample := range x {
		var out []float64
		for _, row := range cut(sample, t.Embedding.Width) {
			for v := range t.Embedding.Vocabulary {
				out = append(out, dot(row, p[v*t.Embedding.Width:]))
			}
		}
		y = append(y, out)
	}
	return y
}

func dot(x, y []float64) (sum float64) {
	for i, v := range x {
		sum += v * y[i]
	}
	return sum
}

func (t Tied) Backward(p []float64, x, _, dy [][]float64, g []float64) [][]float64 {
	at, width := t.Embedding.Params(), t.Embedding.Width
	ys := t.Body.forward(p[at:], t.Embedding.Forward(p[:at], x))
	last := ys[len(ys)-1]
	d := like(last)
	for s := range last {
		for i, row := range cut(last[s], width) {
			for v := range t.Embedding.Vocabulary {
				e := dy[s][i*t.Embedding.Vocabulary+v]
				for j := range width {
					g[v*width+j] += e * row[j]
					d[s][i*width+j] += e * p[v*width+j]
				}
			}
		}
	}
	d = t.Body.backward(p[at:], ys, d, g[at:])
	return t.Embedding.Backward(p[:at], x, nil, d, g[:at])
}
