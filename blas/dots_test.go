package blas

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/guard"
	"github.com/steppe-ml/steppe/internal/simdtest"
)

func TestDotsKernels(t *testing.T) {
	eachFloat(t, testDotsKernels[float32], testDotsKernels[float64])
}

// Each operand ends, then begins, at an unreadable page; C is NaN where it must
// not be read.
func testDotsKernels[T Float](t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		kernels := active[T]().dots
		if kernels == nil {
			t.Skip("there are no kernels of dot products")
		}
		r := rand.New(rand.NewPCG(11, 11))
		for side, memory := range guard.Sides[T]() {
			for nx := 1; nx <= len(kernels); nx++ {
				for which, size := range []int{len(kernels), 1} { // of a group
					for _, k := range []int{1, 3, lanes[T]() - 1, lanes[T](), 2*lanes[T]() + 5, 70} {
						checkDots(t, r, kernels[nx-1][which], side, memory, nx, size, 1+r.IntN(3), k)
					}
				}
			}
		}
	})
}

func checkDots[T Float](t *testing.T, r *rand.Rand, kernel dotsKernel[T], side string, memory func(testing.TB, int) []T, nx, size, groups, k int) {
	t.Helper()
	ny := groups * size
	xRow, yRow := k+r.IntN(3), k+r.IntN(3)
	x, y := memory(t, (nx-1)*xRow+k), memory(t, (ny-1)*yRow+k)
	copy(x, normal[T](r, len(x)))
	copy(y, normal[T](r, len(y)))
	c := Mat[T]{Rows: nx, Cols: ny, RowStride: ny + r.IntN(3), ColStride: 1}
	if r.IntN(2) == 0 { // C(i,j) lies at its transpose's place
		c = Mat[T]{Rows: nx, Cols: ny, RowStride: 1, ColStride: nx + r.IntN(3)}
	}
	c.Data = memory(t, c.extent(0))
	alpha, beta := T(r.IntN(3)), T(r.IntN(3)-1)
	old := make([]float64, nx*ny)
	gaps := 0
	for i := range c.Data {
		c.Data[i] = T(unused)
	}
	for i := range nx {
		for j := range ny {
			if beta != 0 {
				c.Data[i*c.RowStride+j*c.ColStride] = T(r.IntN(9) - 4)
			}
			old[i*ny+j] = c.get(i, j)
		}
	}
	withoutFault(t, side, func() {
		kernel(groups, k, &x[0], xRow, &y[0], yRow, &c.Data[0], c.RowStride, c.ColStride, alpha, beta)
	})
	a := Mat[T]{Data: x, Rows: nx, Cols: k, RowStride: xRow, ColStride: 1}
	b := Mat[T]{Data: y, Rows: ny, Cols: k, RowStride: yRow, ColStride: 1}
	requireProduct(t, c, a, b.T(), old, float64(alpha), float64(beta), Options[T]{}, 1)
	for _, v := range c.Data {
		if bits(v) == bits(T(unused)) {
			gaps++
		}
	}
	require.Equal(t, len(c.Data)-nx*ny, gaps, "elements between C's that are as they were")
}

// A NaN or Inf reaches the elements of its row, even where it meets a zero.
func TestDotsPropagate(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		const m, n, k = 3, 9, 40
		for _, bad := range []float32{float32(math.NaN()), float32(math.Inf(1))} {
			for _, at := range []int{0, 17, k - 1} {
				a, b, c := make([]float32, m*k), make([]float32, n*k), make([]float32, m*n)
				b[5*k+at] = bad
				Sgemm(NoTrans, Trans, m, n, k, 1, a, k, b, k, 0, c, n)
				for i, v := range c {
					require.Equal(t, i%n == 5, v != v, "%v at %d: element %d is %v", bad, at, i, v)
				}
			}
		}
	})
}
