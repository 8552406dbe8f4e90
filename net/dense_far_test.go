package net

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/ref"
	"github.com/steppe-ml/steppe/internal/simdtest"
	"github.com/steppe-ml/steppe/net/op"
)

// scaled is a tensor of n random flat samples of a size.
func scaled(r *rand.Rand, n, features int, size float64) op.Tensor {
	t := flat(r, n, features)
	for i := range t.Data {
		t.Data[i] *= float32(size)
	}
	return t
}

// Inputs, output gradients and what they are used on may be so large that their products overflow a
// float32, or so small that these vanish: what the deltas then are, float32 holds.
func TestDenseDeltasOfExtremesAgainstOracle(t *testing.T) {
	const n, features, outputs = 5, 60, 33
	layer, oracle := dense{rows: 1, in: features, out: outputs}, ref.Dense{In: features, Out: outputs}
	rows := func(t op.Tensor) [][]float64 { return ref.Rows(t.Data, n) }
	simdtest.EachISA(t, func(t *testing.T) {
		for _, size := range []struct{ in, d, x, e float64 }{ // X, D, Z and E
			{1e25, 1e-30, 1e25, 1e-5},  // X X' overflows, and D D' vanishes
			{1e25, 1e-27, 1e25, 1e-25}, // E D' vanishes, and X makes it large
			{1e25, 1e-30, 1e-10, 1},
			{1, 1e-30, 1, 1},
			{1, 1e-30, 1, 1e-18},
			{1, 1e25, 1, 1e-8}, // D D' overflows
			{1e-3, 1e25, 1e-3, 1e-10},
			{1e-25, 1, 1e-25, 1}, // the bias alone is left of X X' + 1
			{1e-30, 1e-30, 1e-30, 1e-3},
			{1e-25, 1e25, 1e-25, 1e10},
			{1e14, 1e-16, 1e25, 1e-12}, // Z X' overflows, and X X' doesn't
			{1e5, 1e5, 1e5, 1e5},       // ordinary
		} {
			t.Run(fmt.Sprintf("%v", size), func(t *testing.T) {
				r := rand.New(rand.NewPCG(1, 1))
				in, d := scaled(r, n, features, size.in), scaled(r, n, outputs, size.d)
				x, e := scaled(r, n, features, size.x), scaled(r, n, outputs, size.e)
				g := make([]float64, oracle.Params())
				oracle.Backward(make([]float64, len(g)), rows(in), nil, rows(d), g)
				tolerance := ref.Bound(2, features)
				c := &op.Call{Kept: ref.NaNs(make([]float32, layer.Kept(n, true))), Scratch: ref.NaNs(make([]float32, layer.Scratch(n, true)))}

				whole, sq := []op.Shard{{N: n}}, make([]float64, 1)
				layer.GradNormSq(c, in, d, whole, sq)
				assert.InEpsilon(t, ref.Norm(g)*ref.Norm(g), sq[0], 4*tolerance, "squared norm")

				for name, z := range map[string]op.Tensor{"other inputs": x, "the same inputs": in} {
					out := op.Tensor{N: n, Shape: Shape{outputs}, Data: ref.NaNs(make([]float32, n*outputs))}
					want := join(oracle.Forward(g, rows(z)))
					if largest(want) > math.MaxFloat32/100 {
						continue // nothing holds them
					}
					layer.ForwardDelta(c, z, in, d, out, whole)
					ref.RequireNear(t, want, out.Data, 2*tolerance, "forward, %s", name)
				}

				want := join(oracle.Backward(g, rows(x), nil, rows(e), make([]float64, len(g))))
				require.Less(t, largest(want), math.MaxFloat32/100)
				before := scaled(r, n, features, max(1e-30, largest(want)))
				din := op.Tensor{N: n, Shape: Shape{features}, Data: append([]float32(nil), before.Data...)}
				layer.BackwardDelta(c, e, in, d, din, whole)
				ref.RequireNear(t, ref.Axpy(1, want, ref.Float64s(before.Data)), din.Data, 2*tolerance, "backward")

				out := op.Tensor{N: n, Shape: d.Shape, Data: make([]float32, n*outputs)}
				calls := func() {
					layer.GradNormSq(c, in, d, whole, sq)
					layer.ForwardDelta(c, x, in, d, out, whole)
					layer.BackwardDelta(c, e, in, d, din, whole)
				}
				calls()
				assert.Less(t, testing.AllocsPerRun(5, calls), 1.0, "allocations")
			})
		}
	})
}

func largest(x []float64) (most float64) {
	for _, v := range x {
		most = max(most, math.Abs(v))
	}
	return most
}

// Where nothing is beyond float32, float64 isn't used, and where something is, it is.
func TestInRange(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for _, test := range []struct {
		products []float32 // of two samples with two
		all, own bool      // inRange, and gramInRange
	}{
		{[]float32{1, 1, 1, 1}, true, true},
		{[]float32{0, 0, 0, 1}, true, true},
		{[]float32{0, -1, -1, 0}, true, false}, // as no Gram matrix is
		{[]float32{0, 0, 0, 0}, false, false},
		{[]float32{0x1p-111, 0x1p-111, 0x1p-111, 0x1p-111}, false, false},
		{[]float32{0x1p-109, 0, 0, 0}, true, true},
		{[]float32{1, 0, 0, inf}, false, false},
		{[]float32{-inf, 0, 0, 1}, false, false},
		{[]float32{1, nan, nan, nan}, false, false},
		{[]float32{math.MaxFloat32, 0, 0, math.MaxFloat32}, true, true},
	} {
		assert.Equal(t, test.all, inRange(test.products), "%v", test.products)
		assert.Equal(t, test.own, gramInRange(test.products, 2), "the Gram matrix %v", test.products)
	}
}
