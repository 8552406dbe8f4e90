package net

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/ref"
	"github.com/steppe-ml/steppe/internal/simdtest"
	"github.com/steppe-ml/steppe/net/op"
)

// flat is a tensor of n random flat samples.
func flat(r *rand.Rand, n, features int) op.Tensor {
	return op.Tensor{N: n, Shape: Shape{features}, Data: ref.Normal(r, n*features)}
}

func join(rows [][]float64) (x []float64) {
	for _, row := range rows {
		x = append(x, row...)
	}
	return x
}

// The deltas of a factored gradient are what the layer with parameters G makes of other samples.
func TestDenseDeltasAgainstOracle(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		for _, size := range []struct{ in, out int }{{1, 1}, {5, 3}, {70, 33}, {33, 70}} {
			for _, n := range []int{1, 2, 7, 32} {
				r := rand.New(rand.NewPCG(1, uint64(n)))
				layer, oracle := dense{in: size.in, out: size.out}, ref.Dense{In: size.in, Out: size.out}
				in, d := flat(r, n, size.in), flat(r, n, size.out) // that G is made of
				x, e := flat(r, n, size.in), flat(r, n, size.out)  // that it is used on
				rows := func(t op.Tensor) [][]float64 { return ref.Rows(t.Data, n) }
				g := make([]float64, oracle.Params())
				oracle.Backward(make([]float64, len(g)), rows(in), nil, rows(d), g)
				tolerance := ref.Bound(2, max(n, size.in, size.out))

				for _, team := range []*blas.Team{nil, blas.NewTeam(3)} {
					c := &op.Call{Team: team, Kept: ref.NaNs(make([]float32, layer.Kept(n))), Scratch: ref.NaNs(make([]float32, layer.Scratch(n)))}
					sq := layer.GradNormSq(c, in, d)
					assert.InEpsilon(t, ref.Norm(g)*ref.Norm(g), sq, 4*tolerance, "squared norm for %v, %d samples", size, n)

					out := op.Tensor{N: n, Shape: Shape{size.out}, Data: ref.NaNs(make([]float32, n*size.out))}
					layer.ForwardDelta(c, x, in, d, out)
					ref.RequireNear(t, join(oracle.Forward(g, rows(x))), out.Data, 2*tolerance, "forward, %v, %d samples", size, n)

					before := ref.Normal(r, n*size.in)
					din := op.Tensor{N: n, Shape: Shape{size.in}, Data: append([]float32(nil), before...)}
					layer.BackwardDelta(c, e, in, d, din)
					want := join(oracle.Backward(g, rows(x), nil, rows(e), make([]float64, len(g))))
					ref.RequireNear(t, ref.Axpy(1, want, ref.Float64s(before)), din.Data, 2*tolerance, "backward, %v, %d samples", size, n)
				}
			}
		}
	})
}

// On the model's input, which is the same in both passes, the product that GradNormSq kept serves
// again. It is the same product.
func TestDenseKeptProductServes(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(2, 2))
		layer := dense{in: 300, out: 20}
		in, d := flat(r, 7, 300), flat(r, 7, 20)
		copied := op.Tensor{N: in.N, Shape: in.Shape, Data: append([]float32(nil), in.Data...)}
		c := &op.Call{Kept: make([]float32, layer.Kept(7)), Scratch: make([]float32, layer.Scratch(7))}
		layer.GradNormSq(c, in, d)
		kept := append([]float32(nil), c.Kept...)
		same, other := op.Tensor{N: 7, Shape: d.Shape, Data: make([]float32, 7*20)}, op.Tensor{N: 7, Shape: d.Shape, Data: make([]float32, 7*20)}
		ref.NaNs(c.Scratch)
		layer.ForwardDelta(c, in, in, d, same)
		layer.ForwardDelta(c, copied, in, d, other)
		assert.Equal(t, other.Data, same.Data)
		assert.Equal(t, kept, c.Kept)
	})
}

// DeltaFlops counts the products that are there.
func TestDenseDeltaFlops(t *testing.T) {
	layer := dense{in: 100, out: 10}
	const n = 8
	product := func(rows, inner, columns int64) int64 { return 2 * rows * inner * columns }
	first := product(n, 100, n) + product(n, 10, n) + product(n, n, 10)
	require.Equal(t, first, layer.DeltaFlops(n, true))
	require.Equal(t, first+product(n, 100, n)+product(n, 10, n)+product(n, n, 100), layer.DeltaFlops(n, false))
}

// Samples whose gradients cancel leave a norm of 0, or next to it, and never a negative square.
func TestGradNormSqOfWhatCancels(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(5, 5))
		layer := dense{in: 100, out: 30}
		for range 50 {
			x, d := ref.Normal(r, 100), ref.Normal(r, 30)
			in := op.Tensor{N: 3, Shape: Shape{100}, Data: append(append(append([]float32(nil), x...), x...), x...)}
			dout := op.Tensor{N: 3, Shape: Shape{30}}
			for _, c := range []float32{3, -1, -2} {
				for _, v := range d {
					dout.Data = append(dout.Data, c*v)
				}
			}
			c := &op.Call{Kept: make([]float32, layer.Kept(3)), Scratch: make([]float32, layer.Scratch(3))}
			sq := layer.GradNormSq(c, in, dout)
			largest := math.Sqrt(9) * 14 * 101 * 30 // |c| of the terms, and some 101 * 30 for each
			require.GreaterOrEqual(t, sq, 0.0)
			require.Less(t, sq, largest*ref.Bound(2, 100))
		}
	})
}

func TestGradNormSqPropagatesNaN(t *testing.T) {
	layer := dense{in: 4, out: 3}
	in, dout := op.Tensor{N: 2, Shape: Shape{4}, Data: make([]float32, 8)}, op.Tensor{N: 2, Shape: Shape{3}, Data: make([]float32, 6)}
	dout.Data[4] = float32(math.NaN())
	c := &op.Call{Kept: make([]float32, layer.Kept(2)), Scratch: make([]float32, layer.Scratch(2))}
	assert.True(t, math.IsNaN(layer.GradNormSq(c, in, dout)))
}
