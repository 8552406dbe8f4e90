package net

import (
	"errors"
	"fmt"
	"math"

	"github.com/steppe-ml/steppe/internal/parallel"
	"github.com/steppe-ml/steppe/net/op"
	"github.com/steppe-ml/steppe/simd"
)

// NextToken is the loss of a language model, whose outputs are logits [L, Vocabulary]: the
// cross-entropy of each token but a sample's first, by the softmax of the row before it. Each of
// these tokens is a term, so a sample of one token has none. Its predictions are probabilities of
// the next token, behind each token.
type NextToken struct{}

// Build implements Layer.
func (l NextToken) Build(b op.Builder, in op.Value) (op.Value, error) {
	switch s := b.Shape(in); {
	case !b.Sequence(in):
		return 0, errors.New("outputs aren't a sequence, which has a row of logits for each token of a text")
	case s[1] < 2:
		return 0, fmt.Errorf("logits of %d token, want at least 2", s[1])
	}
	return b.SetLoss(l, in)
}

// Validate implements Loss.
func (l NextToken) Validate(out Shape, b Batch) error {
	for i := range b.N {
		tokens := b.Tokens[b.Starts[i]-b.Starts[0] : b.Starts[i+1]-b.Starts[0]]
		for j, id := range tokens[min(1, len(tokens)):] {
			if int(id) >= out[1] {
				return fmt.Errorf("token %d of sample %d is %d, and there are logits of 0 to %d", j+1, i, id, out[1]-1)
			}
		}
	}
	if l.Terms(b) == 0 {
		return fmt.Errorf("each of the %d samples has one token, want two or more in one at least: a sample's first token isn't predicted", b.N)
	}
	return nil
}

// Terms implements Loss.
func (NextToken) Terms(b Batch) int {
	if b.N == 0 {
		return 0
	}
	return b.Starts[b.N] - b.Starts[0] - b.N
}

// Apply implements Loss.
func (NextToken) Apply(out op.Tensor, b Batch, scale float32, dout op.Tensor) (sum float64) {
	vocabulary := out.Width()
	s := tokenSoftmaxes.Get()
	defer tokenSoftmaxes.Put(s)
	s.hold(vocabulary, dout.Wanted())
	for i := range out.N {
		run := out.Run(i)
		last := run.First + run.N - 1
		for row := run.First; row < last; row++ {
			x, p := rowAt(out.Data, row, vocabulary), s.p
			if dout.Wanted() {
				p = rowAt(dout.Data, row, vocabulary)
			}
			loss, slope := s.row(p, x, int(b.Tokens[row+1]))
			sum += loss
			if dout.Wanted() {
				p[b.Tokens[row+1]] = slope
				simd.Scale(scale, p)
			}
		}
		if dout.Wanted() {
			clear(rowAt(dout.Data, last, vocabulary))
		}
	}
	return sum
}

// Predict implements Loss.
func (NextToken) Predict(out op.Tensor) {
	simd.SoftmaxRows(out.Data, out.Data, out.Width(), nil, nil)
}

// tokenSoftmax is memory for the softmax of one row: the probabilities, where they aren't the
// gradient, the largest logit and the sum of exponentials.
type tokenSoftmax struct{ p, largest, total []float32 }

var tokenSoftmaxes parallel.Pool[tokenSoftmax]

// hold makes room for a row of logits. Where gradients are wanted, they have the probabilities.
func (s *tokenSoftmax) hold(vocabulary int, gradients bool) {
	if s.total == nil {
		s.largest, s.total = make([]float32, 1), make([]float32, 1)
	}
	if !gradients {
		s.p = room(s.p, vocabulary)
	}
}

// row sets p, which may be x, to the softmax of logits x. It returns the loss of a token, and its
// slope by the token's logit. Where the token is probable, the sum of the other probabilities has
// digits that 1 minus its own hasn't. A language model's tokens seldom are.
func (s *tokenSoftmax) row(p, x []float32, token int) (loss float64, slope float32) {
	logit := float64(x[token])
	simd.SoftmaxRows(p, x, len(x), s.largest, s.total)
	if p[token] <= 0.5 {
		return math.Log(float64(s.total[0])) - (logit - float64(s.largest[0])), p[token] - 1
	}
	others := sumBut(p, token)
	return -math.Log1p(-others), float32(-others)
}

// sumBut returns the sum of p without an element.
func sumBut(p []float32, but int) float64 {
	var a, b, c, d float64
	own := p[but]
	p[but] = 0
	rest := p
	for ; len(rest) >= 4; rest = rest[4:] {
		a, b, c, d = a+float64(rest[0]), b+float64(rest[1]), c+float64(rest[2]), d+float64(rest[3])
	}
	for _, v := range rest {
		a += float64(v)
	}
	p[but] = own
	return (a + b) + (c + d)
}
