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

// A teacher's outputs are the student's and noise. However small it is, the gradient has digits,
// and a term that all classes have in common changes nothing but the last of them.
func TestDivergenceAgainstOracle(t *testing.T) {
	const n = 9
	simdtest.EachISA(t, func(t *testing.T) {
		for _, width := range []int{2, 3, 10, 67, 1000} {
			for _, noise := range []float64{1e-4, 0.01, 0.02, 0.1, 1, 10} {
				for _, common := range []float32{0, -3} {
					t.Run(fmt.Sprintf("%d classes, noise %v and %v", width, noise, common), func(t *testing.T) {
						r := rand.New(rand.NewPCG(uint64(width), 1))
						out, teacher := flat(r, n, width), op.Tensor{N: n, Shape: Shape{width}}
						for _, x := range out.Data {
							teacher.Data = append(teacher.Data, x+float32(noise*r.NormFloat64())+common)
						}
						want, d := ref.SoftmaxDivergence(ref.Rows(out.Data, n), ref.Rows(teacher.Data, n), 0)
						dout := flat(r, n, width)
						before := ref.Float64s(dout.Data)
						got := SoftmaxCrossEntropy{}.Divergence(out, teacher, Batch{N: n}, 0.5, dout)
						assert.InDelta(t, want, got, 1e-5*want+n*1e-6, "sums of exponentials are in float32")
						for i := range d {
							added := ref.Axpy(-1, before[i*width:][:width], ref.Float64s(dout.Slice(i, 1).Data))
							assert.InDeltaSlice(t, ref.Scaled(0.5, d[i]), added, 1e-6, "added to a gradient of size 1")
						}

						// Alone, the gradient is as exact as u is.
						clear(dout.Data)
						assert.Equal(t, got, SoftmaxCrossEntropy{}.Divergence(out, teacher, Batch{N: n}, 0.5, dout))
						var all []float64
						for i := range d {
							all = append(all, ref.Scaled(0.5, d[i])...)
						}
						lost := math.Ldexp(4*(math.Abs(float64(common))+noise), -24) / noise
						ref.RequireNear(t, all, dout.Data, 2e-6+lost, "gradient")
						assert.Equal(t, got, SoftmaxCrossEntropy{}.Divergence(out, teacher, Batch{N: n}, 0.5, op.Tensor{N: n, Shape: out.Shape}), "a gradient that isn't wanted changes nothing")
					})
				}
			}
		}
	})
}

// The gradient is the slope of the divergence, by central differences in float64.
func TestDivergenceOracleByDifferences(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	x, y := ref.Rows(ref.Normal(r, 14), 2), ref.Rows(ref.Normal(r, 14), 2)
	_, d := ref.SoftmaxDivergence(x, y, 0)
	const step = 1e-5
	for i := range x {
		for j := range x[i] {
			at := func(change float64) float64 {
				old := x[i][j]
				x[i][j] += change
				kl, _ := ref.SoftmaxDivergence(x, y, 0)
				x[i][j] = old
				return kl
			}
			assert.InDelta(t, (at(step)-at(-step))/(2*step), d[i][j], 1e-9)
		}
	}
}

// A divergence of a model from itself is nothing, and one that isn't finite is seen.
func TestDivergenceOfSpecials(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	simdtest.EachISA(t, func(t *testing.T) {
		of := func(out, teacher []float32) (sum float64, d []float32) {
			dout := logits(make([]float32, len(out)))
			return SoftmaxCrossEntropy{}.Divergence(logits(out), logits(teacher), Batch{N: 1}, 1, dout), dout.Data
		}
		x := []float32{3, -80, 1e4}
		sum, d := of(x, x)
		assert.Zero(t, sum)
		assert.Equal(t, make([]float32, 3), d)

		for _, teacher := range [][]float32{{nan, 0, 0}, {0, inf, 0}, {0, 0, -inf}, {-inf, -inf, -inf}} {
			for _, out := range [][]float32{{1, 2, 3}, {1000, -1000, 0}, {-1000, 1000, 1000}} {
				sum, _ := of(out, teacher)
				assert.True(t, math.IsNaN(sum) || math.IsInf(sum, 1), "%v from %v: %v", out, teacher, sum)
			}
		}
		// The student is sure of what the teacher all but excludes.
		sum, _ = of([]float32{100, 0}, []float32{0, 200})
		assert.InEpsilon(t, 200, sum, 1e-5)
		// What the teacher is sure of has no part in the student's float32 probabilities.
		sum, _ = of([]float32{200, 0}, []float32{0, 500})
		assert.InEpsilon(t, 500, sum, 1e-5)
	})
}

// Of a language model, rows count that predict a token.
func TestNextTokenDivergence(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	starts := []int{4, 6, 7, 12}
	out := op.Tensor{N: 3, Shape: Shape{5, 6}, Starts: starts, Data: ref.Normal(r, 8*6)}
	teacher := out
	teacher.Data = ref.Normal(r, 8*6)
	samples := func(t op.Tensor) (rows [][]float64) {
		for i := range t.N {
			rows = append(rows, ref.Float64s(t.Slice(i, 1).Data))
		}
		return rows
	}
	want, d := ref.NextTokenDivergence(6)(samples(out), samples(teacher), 0)
	dout := out
	dout.Data = make([]float32, 8*6)
	got := NextToken{}.Divergence(out, teacher, Batch{N: 3, Starts: starts}, 1, dout)
	assert.InEpsilon(t, want, got, 1e-5)
	for i, of := range d {
		assert.InDeltaSlice(t, of, ref.Float64s(dout.Slice(i, 1).Data), 1e-6, "sample %d", i)
	}
	require.Positive(t, got)
}

func TestDivergenceAllocatesNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	out, teacher, dout := flat(r, 8, 30), flat(r, 8, 30), flat(r, 8, 30)
	call := func() { SoftmaxCrossEntropy{}.Divergence(out, teacher, Batch{N: 8}, 1, dout) }
	call()
	assert.Zero(t, testing.AllocsPerRun(20, call))
}
