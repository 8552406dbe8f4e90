package ref

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/steppe-ml/steppe/conv"
)

// The oracle itself is held to finite differences of its own loss.
func TestGradientIsTheDerivative(t *testing.T) {
	same := conv.Geometry{Batch: 1, InH: 4, InW: 4, InC: 3, OutC: 3, KernelH: 3, KernelW: 3, PadTop: 1, PadBottom: 1, PadLeft: 1, PadRight: 1}
	half := conv.Geometry{Batch: 1, InH: 4, InW: 4, InC: 3, OutC: 5, KernelH: 2, KernelW: 3, StrideH: 2, StrideW: 2, PadLeft: 1}
	window := conv.Geometry{Batch: 1, InH: 2, InW: 2, InC: 5, OutC: 5, KernelH: 2, KernelW: 1}
	first := same
	first.InH, first.InW, first.InC = 4, 4, 1
	for _, n := range []Net{
		{Dense{16, 7}, BatchNorm{7, 1e-5}, ReLU{}, Dense{7, 6}, ReLU{}, Dense{6, 3}},
		{
			Conv2D{first, true}, BatchNorm{3, 1e-5}, Pointwise{math.Tanh, func(x float64) float64 { return 1 - math.Tanh(x)*math.Tanh(x) }},
			Residual{Body: Net{Conv2D{same, false}, LayerNorm{3, 1e-5}, ReLU{}}},
			Residual{Body: Net{Conv2D{half, true}}, Shortcut: Net{Subsample{4, 4, 3, 2, 5}}},
			MaxPool{window}, Dense{10, 3},
		},
		{Conv2D{first, true}, Conv2D{half, true}, AvgPool{window}, Dense{10, 3}},
		append(append(MultiHeadAttention(2, 4, false, true), MultiHeadAttention(1, 4, true, false)...), Dense{16, 3}),
	} {
		checkDerivative(t, n)
	}
	checkDerivative(t, Net{
		Dense{16, 2}, Residual{Body: Net{Dense{2, 2}, BatchNorm{2, 1e-5}}}, BatchNorm{2, 1e-5}, Dense{2, 3},
	}.Running([]float64{0.5, -1, 2, 0.3, 1, 0, 0.7, 4}))
}

func checkDerivative(t *testing.T, n Net) {
	r := rand.New(rand.NewPCG(1, 1))
	p := make([]float64, n.Params())
	for i := range p {
		p[i] = r.NormFloat64() / 2
	}
	var x [][]float64
	var labels []int32
	for range 9 {
		row := make([]float64, 16)
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
	_, got := n.MSAM(p, x, labels, []int{2}, Ascent{Rho: 0.1})
	assert.InDeltaSlice(t, want, got, 1e-15)
}
