package net

import (
	"fmt"
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
			for _, sizes := range [][]int{{1}, {2}, {7}, {32}, {1, 1, 1, 1, 1}, {3, 2, 2}, {8, 7, 8}, {17, 16, 16}, {1, 40}} {
				shards, n := consecutive(sizes)
				r := rand.New(rand.NewPCG(1, uint64(n)))
				layer, oracle := dense{rows: 1, in: size.in, out: size.out}, ref.Dense{In: size.in, Out: size.out}
				in, d := flat(r, n, size.in), flat(r, n, size.out) // that G is made of
				x, e := flat(r, n, size.in), flat(r, n, size.out)  // that it is used on
				before := ref.Normal(r, n*size.in)
				tolerance := ref.Bound(2, max(n, size.in, size.out))

				for _, team := range []*blas.Team{nil, blas.NewTeam(3)} {
					c := &op.Call{Team: team, Kept: ref.NaNs(make([]float32, n*n)), Scratch: ref.NaNs(make([]float32, n*n))}
					sq := make([]float64, len(shards))
					layer.GradNormSq(c, in, d, shards, sq)
					out := op.Tensor{N: n, Shape: Shape{size.out}, Data: ref.NaNs(make([]float32, n*size.out))}
					layer.ForwardDelta(c, x, in, d, out, shards)
					din := op.Tensor{N: n, Shape: Shape{size.in}, Data: append([]float32(nil), before...)}
					layer.BackwardDelta(c, e, in, d, din, shards)

					for s, shard := range shards {
						of := func(t op.Tensor) [][]float64 { return ref.Rows(t.Of(shard).Data, shard.N) }
						g := make([]float64, oracle.Params())
						oracle.Backward(make([]float64, len(g)), of(in), nil, of(d), g)
						what := fmt.Sprintf("%v, shard %d of %v", size, s, sizes)
						assert.InEpsilon(t, ref.Norm(g)*ref.Norm(g), sq[s], 4*tolerance, "squared norm, %s", what)
						ref.RequireNear(t, join(oracle.Forward(g, of(x))), out.Of(shard).Data, 2*tolerance, "forward, %s", what)
						want := join(oracle.Backward(g, of(x), nil, of(e), make([]float64, len(g))))
						own := ref.Float64s(op.Tensor{N: n, Shape: in.Shape, Data: before}.Of(shard).Data)
						ref.RequireNear(t, ref.Axpy(1, want, own), din.Of(shard).Data, 2*tolerance, "backward, %s", what)
					}
				}
			}
		}
	})
}

// A shard's results have the same bits in any tile and with any workers.
func TestDenseDeltasOfAShardAlone(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		layer := dense{rows: 1, in: 300, out: 70}
		shards, n := consecutive([]int{1, 5, 20, 2, 16, 17, 1, 3})
		r := rand.New(rand.NewPCG(7, 7))
		in, d, x, e := flat(r, n, layer.in), flat(r, n, layer.out), flat(r, n, layer.in), flat(r, n, layer.out)
		deltas := func(team *blas.Team, of op.Shard, shards []op.Shard) (sq []float64, out, din op.Tensor) {
			c := &op.Call{Team: team, Kept: make([]float32, n*n), Scratch: make([]float32, n*n)}
			sq = make([]float64, len(shards))
			out = op.Tensor{N: of.N, Shape: Shape{layer.out}, Data: make([]float32, of.N*layer.out)}
			din = op.Tensor{N: of.N, Shape: Shape{layer.in}, Data: make([]float32, of.N*layer.in)}
			layer.GradNormSq(c, in.Of(of), d.Of(of), shards, sq)
			layer.ForwardDelta(c, x.Of(of), in.Of(of), d.Of(of), out, shards)
			layer.BackwardDelta(c, e.Of(of), in.Of(of), d.Of(of), din, shards)
			return sq, out, din
		}
		for _, team := range []*blas.Team{nil, blas.NewTeam(2), blas.NewTeam(5)} {
			sq, out, din := deltas(team, op.Shard{N: n}, shards)
			for s, shard := range shards {
				ownSq, ownOut, ownDin := deltas(nil, shard, []op.Shard{{N: shard.N}})
				assert.Equal(t, ownSq[0], sq[s], "shard %d", s)
				assert.Equal(t, ownOut.Data, out.Of(shard).Data, "shard %d", s)
				assert.Equal(t, ownDin.Data, din.Of(shard).Data, "shard %d", s)
			}
		}
	})
}

// consecutive returns shards of sizes, one behind the other, and their samples.
func consecutive(sizes []int) (shards []op.Shard, n int) {
	for _, size := range sizes {
		shards = append(shards, op.Shard{First: n, N: size})
		n += size
	}
	return shards, n
}

// On the model's input, which is the same in both passes, the product that GradNormSq kept serves
// again. It is the same product.
func TestDenseKeptProductServes(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(2, 2))
		layer := dense{rows: 1, in: 300, out: 20}
		in, d := flat(r, 7, 300), flat(r, 7, 20)
		copied := op.Tensor{N: in.N, Shape: in.Shape, Data: append([]float32(nil), in.Data...)}
		c := &op.Call{Kept: make([]float32, layer.Kept(7, true)), Scratch: make([]float32, layer.Scratch(7, true))}
		whole := []op.Shard{{N: 7}}
		layer.GradNormSq(c, in, d, whole, make([]float64, 1))
		kept := append([]float32(nil), c.Kept...)
		same, other := op.Tensor{N: 7, Shape: d.Shape, Data: make([]float32, 7*20)}, op.Tensor{N: 7, Shape: d.Shape, Data: make([]float32, 7*20)}
		ref.NaNs(c.Scratch)
		layer.ForwardDelta(c, in, in, d, same, whole)
		layer.ForwardDelta(c, copied, in, d, other, whole)
		assert.Equal(t, other.Data, same.Data)
		assert.Equal(t, kept, c.Kept)
	})
}

// DeltaFlops counts the products that are there.
func TestDenseDeltaFlops(t *testing.T) {
	layer := dense{rows: 1, in: 100, out: 10}
	const n = 8
	product := func(rows, inner, columns int64) int64 { return 2 * rows * inner * columns }
	first := product(n, 100, n) + product(n, 10, n) + product(n, n, 10)
	require.Equal(t, first, layer.DeltaFlops(n, true))
	require.Equal(t, first+product(n, 100, n)+product(n, 10, n)+product(n, n, 100), layer.DeltaFlops(n, false))
}

// Of a shard of very many rows, an int can't count the products of all rows with each other.
func TestDenseDeltaFlopsOfManyRows(t *testing.T) {
	d := dense{rows: 1 << 20, in: 64, out: 64}
	for _, first := range []bool{false, true} {
		assert.Greater(t, d.DeltaFlops(1<<12, first), 1<<12*d.Traits().Flops.Gradient)
		assert.Greater(t, d.DeltaFlops(1<<9, first), 1<<9*d.Traits().Flops.Gradient)
		assert.Equal(t, math.MaxInt, d.Scratch(1<<12, first))
		assert.Equal(t, math.MaxInt, d.Kept(1<<12, true))
	}
}

// Samples whose gradients cancel leave a norm of 0, or next to it, and never a negative square.
func TestGradNormSqOfWhatCancels(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(5, 5))
		layer := dense{rows: 1, in: 100, out: 30}
		for range 50 {
			x, d := ref.Normal(r, 100), ref.Normal(r, 30)
			in := op.Tensor{N: 3, Shape: Shape{100}, Data: append(append(append([]float32(nil), x...), x...), x...)}
			dout := op.Tensor{N: 3, Shape: Shape{30}}
			for _, c := range []float32{3, -1, -2} {
				for _, v := range d {
					dout.Data = append(dout.Data, c*v)
				}
			}
			c := &op.Call{Kept: make([]float32, layer.Kept(3, true)), Scratch: make([]float32, layer.Scratch(3, true))}
			sq := make([]float64, 1)
			layer.GradNormSq(c, in, dout, []op.Shard{{N: 3}}, sq)
			largest := math.Sqrt(9) * 14 * 101 * 30 // |c| of the terms, and some 101 * 30 for each
			require.GreaterOrEqual(t, sq[0], 0.0)
			require.Less(t, sq[0], largest*ref.Bound(2, 100))
		}
	})
}

func TestGradNormSqPropagatesNaN(t *testing.T) {
	layer := dense{rows: 1, in: 4, out: 3}
	in, dout := op.Tensor{N: 2, Shape: Shape{4}, Data: make([]float32, 8)}, op.Tensor{N: 2, Shape: Shape{3}, Data: make([]float32, 6)}
	dout.Data[4] = float32(math.NaN())
	c := &op.Call{Kept: make([]float32, layer.Kept(2, true)), Scratch: make([]float32, layer.Scratch(2, true))}
	sq := make([]float64, 1)
	layer.GradNormSq(c, in, dout, []op.Shard{{N: 2}}, sq)
	assert.True(t, math.IsNaN(sq[0]))
}
