package net

import (
	"math/rand/v2"

	"github.com/steppe-ml/steppe/internal/ref"
	"github.com/steppe-ml/steppe/net/op"
)

// texts are lengths of samples to test with: one alone, of one token, of many, and ragged ones.
var texts = [][]int{{1}, {9}, {1, 1, 1}, {3, 1, 7, 2}, {9, 9, 9, 9, 9}, {1, 8, 2, 9, 1, 5, 6, 3}}

// randomText is samples of those lengths, of two segments each, whose token ids repeat.
func randomText(r *rand.Rand, vocabulary int, lengths []int) Batch {
	b := Batch{N: len(lengths), Starts: []int{3}} // a slice of a batch doesn't begin at 0
	for _, n := range lengths {
		second := r.IntN(n + 1)
		for i := range n {
			id := r.IntN(vocabulary)
			if r.IntN(3) == 0 {
				id = vocabulary - 1 // as frequent as words are
			}
			b.Tokens = append(b.Tokens, int32(id))
			b.Segments = append(b.Segments, uint8(min(1, (i+1)/(second+1))))
		}
		b.Starts = append(b.Starts, b.Starts[len(b.Starts)-1]+n)
	}
	return b
}

// tokensOf is the input of a model over text.
func tokensOf(b Batch, length int) op.Tensor {
	return op.Tensor{N: b.N, Shape: Shape{length}, Tokens: b.Tokens, Segments: b.Segments, Starts: b.Starts}
}

// sequence is random rows for the tokens of a batch.
func sequence(r *rand.Rand, b Batch, length, width int) op.Tensor {
	return op.Tensor{N: b.N, Shape: Shape{length, width}, Starts: b.Starts, Data: ref.Normal(r, len(b.Tokens)*width)}
}

// like is a tensor of t's shape, of NaN.
func like(t op.Tensor) op.Tensor {
	t.Data = ref.NaNs(make([]float32, len(t.Data)))
	return t
}

// samplesOf widens the samples of t.
func samplesOf(t op.Tensor) (x [][]float64) {
	for i := range t.N {
		x = append(x, ref.Float64s(t.Slice(i, 1).Data))
	}
	return x
}
