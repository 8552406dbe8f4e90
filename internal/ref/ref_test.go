package ref

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
)

// The oracle itself is held to finite differences of its own loss.
func TestGradientIsTheDerivative(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	n := Net{Dense{5, 7}, BatchNorm{7, 1e-5}, ReLU{}, Dense{7, 6}, ReLU{}, Dense{6, 3}}
	p := make([]float64, n.Params())
	for i := range p {
		p[i] = r.NormFloat64() / 2
	}
	var x [][]float64
	var labels []int32
	for range 9 {
		row := make([]float64, 5)
		for j := range row {
			row[j] = r.NormFloat64()
		}
		x, labels = append(x, row), append(labels, int32(r.IntN(3)))
	}
	_, g := n.Gradient(p, x, labels)
	const h = 1e-6
	for i := range p {
		old := p[i]
		p[i] = old + h
		above, _ := n.Gradient(p, x, labels)
		p[i] = old - h
		below, _ := n.Gradient(p, x, labels)
		p[i] = old
		assert.InDelta(t, (above-below)/(2*h), g[i], 1e-7, "parameter %d", i)
	}
}

func TestMSAMOfOneShardIsSAM(t *testing.T) {
	n := Net{Dense{1, 2}}
	p := []float64{0.5, -0.5, 0.25, 0}
	x, labels := [][]float64{{1}, {2}}, []int32{0, 1}
	_, g := n.Gradient(p, x, labels)
	q := make([]float64, len(p))
	for i := range p {
		q[i] = p[i] + 0.1*g[i]/Norm(g)
	}
	_, want := n.Gradient(q, x, labels)
	_, got := n.MSAM(p, x, labels, []int{2}, 0.1)
	assert.InDeltaSlice(t, want, got, 1e-15)
}
