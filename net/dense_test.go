package net

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/ref"
	"github.com/steppe-ml/steppe/internal/simdtest"
)

// flat is a tensor of n random flat samples.
func flat(r *rand.Rand, n, features int) Tensor {
	return Tensor{N: n, Shape: Shape{features}, Data: normal(r, n*features)}
}

func join(rows [][]float64) (x []float64) {
	for _, row := range rows {
		x = append(x, row...)
	}
	return x
}

// The deltas of a factored gradient are what the layer with parameters G makes
// of other samples.
func TestDenseDeltasAgainstOracle(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		for _, size := range []struct{ in, out int }{{1, 1}, {5, 3}, {70, 33}, {33, 70}} {
			for _, n := range []int{1, 2, 7, 32} {
				r := rand.New(rand.NewPCG(1, uint64(n)))
				op, oracle := dense{in: size.in, out: size.out}, ref.Dense{In: size.in, Out: size.out}
				in, d := flat(r, n, size.in), flat(r, n, size.out) // that G is made of
				x, e := flat(r, n, size.in), flat(r, n, size.out)  // that it is used on
				rows := func(t Tensor) [][]float64 { return ref.Rows(t.Data, n) }
				g := make([]float64, oracle.Params())
				oracle.Backward(make([]float64, len(g)), rows(in), nil, rows(d), g)
				tolerance := bound(2, max(n, size.in, size.out))

				for _, team := range []*blas.Team{nil, blas.NewTeam(3)} {
					c := &Call{Team: team, Kept: poisoned(make([]float32, op.Kept(n))), Scratch: poisoned(make([]float32, op.Scratch(n)))}
					sq := op.GradNormSq(c, in, d)
					assert.InEpsilon(t, ref.Norm(g)*ref.Norm(g), sq, 4*tolerance, "squared norm for %v, %d samples", size, n)

					out := Tensor{n, Shape{size.out}, poisoned(make([]float32, n*size.out))}
					op.ForwardDelta(c, x, in, d, out)
					requireNear(t, join(oracle.Forward(g, rows(x))), out.Data, 2*tolerance, "forward, %v, %d samples", size, n)

					before := normal(r, n*size.in)
					din := Tensor{n, Shape{size.in}, append([]float32(nil), before...)}
					op.BackwardDelta(c, e, in, d, din)
					want := join(oracle.Backward(g, rows(x), nil, rows(e), make([]float64, len(g))))
					requireNear(t, axpy(1, want, ref.Float64s(before)), din.Data, 2*tolerance, "backward, %v, %d samples", size, n)
				}
			}
		}
	})
}

// On the model's input, which is the same in both passes, the product that
// GradNormSq kept serves again. It is the same product.
func TestDenseKeptProductServes(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(2, 2))
		op := dense{in: 300, out: 20}
		in, d := flat(r, 7, 300), flat(r, 7, 20)
		copied := Tensor{in.N, in.Shape, append([]float32(nil), in.Data...)}
		c := &Call{Kept: make([]float32, op.Kept(7)), Scratch: make([]float32, op.Scratch(7))}
		op.GradNormSq(c, in, d)
		kept := append([]float32(nil), c.Kept...)
		same, other := Tensor{7, d.Shape, make([]float32, 7*20)}, Tensor{7, d.Shape, make([]float32, 7*20)}
		poisoned(c.Scratch)
		op.ForwardDelta(c, in, in, d, same)
		op.ForwardDelta(c, copied, in, d, other)
		assert.Equal(t, other.Data, same.Data)
		assert.Equal(t, kept, c.Kept)
	})
}

// DeltaFlops counts the products that are there.
func TestDenseDeltaFlops(t *testing.T) {
	op := dense{in: 100, out: 10}
	const n = 8
	product := func(rows, inner, columns int64) int64 { return 2 * rows * inner * columns }
	first := product(n, 100, n) + product(n, 10, n) + product(n, n, 10)
	require.Equal(t, first, op.DeltaFlops(n, true))
	require.Equal(t, first+product(n, 100, n)+product(n, 10, n)+product(n, n, 100), op.DeltaFlops(n, false))
}
