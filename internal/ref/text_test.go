package ref

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
)

// The oracles of text are held to finite differences of their own losses, too.
func TestTextGradientIsTheDerivative(t *testing.T) {
	starts := []int{2, 6, 7, 9, 14}
	tokens, segments := []int32{4, 1, 1, 0, 3, 6, 2, 1, 1, 5, 1, 2}, []uint8{0, 0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 1}
	x, labels := Text(tokens, starts, segments, 7), []int32{0, 2, 1, 2}
	assert.Equal(t, [][]float64{{4, 1, 8, 7}, {3}, {6, 9}, {1, 1, 5, 1, 9}}, x)

	embedding := Embedding{Vocabulary: 7, Length: 5, Width: 4, Learned: true, Segments: 2}
	for _, test := range []struct {
		net  Net
		loss Loss
	}{
		{Net{embedding, ByRow{4, Dense{4, 6}}, ByRow{6, LayerNorm{6, 1e-5}}, Pooling{6, false}, Dense{6, 3}}, SoftmaxLoss(labels)},
		{
			Net{
				Embedding{Vocabulary: 7, Length: 5, Width: 4, Sinusoidal: true},
				Embedding{Length: 5, Width: 4, Learned: true}, Pooling{4, true}, Dense{4, 3},
			}, SoftmaxLoss(labels),
		},
		{Net{Tied{embedding, Net{ByRow{4, Dense{4, 4}}, ByRow{4, ReLU{}}}}}, NextTokenLoss(x, 7)},
	} {
		r := rand.New(rand.NewPCG(1, 1))
		p := make([]float64, test.net.Params())
		for i := range p {
			p[i] = r.NormFloat64() / 2
		}
		_, _, g := test.net.GradientBy(p, x, 0, test.loss)
		const h = 1e-6
		for i := range p {
			old := p[i]
			p[i] = old + h
			above, _, _ := test.net.GradientBy(p, x, 0, test.loss)
			p[i] = old - h
			below, _, _ := test.net.GradientBy(p, x, 0, test.loss)
			p[i] = old
			assert.InDelta(t, (above-below)/(2*h), g[i], 1e-7, "parameter %d of %T", i, test.net[0])
		}
	}
}

// Terms count alike: a shard weighs as many as it has, and one without any weighs nothing.
func TestMSAMByTerms(t *testing.T) {
	starts := []int{0, 3, 4, 8}
	x := Text([]int32{0, 2, 1, 3, 1, 1, 2, 0}, starts, nil, 4)
	n, loss := Net{Tied{Embedding: Embedding{Vocabulary: 4, Length: 4, Width: 3}}}, NextTokenLoss(x, 4)
	p := Scaled(0.1, []float64{1, -2, 3, -4, 5, -6, 7, -8, 9, -10, 11, -12})
	mean, terms, want := n.GradientBy(p, x, 0, loss)
	assert.Equal(t, 5, terms)
	gotMean, got := n.MSAMBy(p, x, []int{1, 2, 3}, Ascent{}, loss)
	assert.InDelta(t, mean, gotMean, 1e-12)
	assert.InDeltaSlice(t, want, got, 1e-12)
}
